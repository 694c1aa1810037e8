#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "mime/mime_decode.h"
#include "mime/mime_lex.h"

#include <errno.h>
#include <iconv.h>
#include <string.h>

#define HELD_MAX 32 /* no charset has a longer character or shift sequence */
#define REPLACEMENT "\xef\xbf\xbd"

enum how {
    HOW_UTF8,    /* checked and copied */
    HOW_ICONV,   /* the library knows it */
    HOW_UNKNOWN, /* ASCII only */
};

struct mime_charset {
    enum how how;
    iconv_t iconv;
    char held[HELD_MAX]; /* the beginning of a character */
    size_t held_len;
};

/* Only a plain name goes to iconv_open(): "//" would switch on its options, and its own internal
 * charsets depend on the machine. */
static bool plain_name(struct slice name)
{
    static const char others[] = "-_.:+";

    for (size_t i = 0; i < name.len; i++) {
        char c = mime_lex_lower(name.ptr[i]);

        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (c != '\0' && strchr(others, c) != NULL)))
            return false;
    }
    return name.len > 0 && name.len < 40 && !slice_istarts(name, SLICE("internal")) &&
           !slice_istarts(name, SLICE("wchar_t"));
}

static bool open_iconv(struct mime_charset *charset, struct slice name)
{
    char text[40];

    if (!plain_name(name))
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    charset->iconv = iconv_open("UTF-8", text);
    return charset->iconv != (iconv_t)-1; /* NOLINT(performance-no-int-to-ptr): as POSIX has it */
}

struct mime_charset *mime_charset_new(struct slice name)
{
    struct mime_charset *charset = mem_new(struct mime_charset);

    name = slice_trim(name);
    if (name.len == 0 || slice_ieq(name, SLICE("utf-8")) || slice_ieq(name, SLICE("utf8")) ||
        slice_ieq(name, SLICE("us-ascii")))
        charset->how = HOW_UTF8;
    else
        charset->how = open_iconv(charset, name) ? HOW_ICONV : HOW_UNKNOWN;
    return charset;
}

void mime_charset_free(struct mime_charset **charset)
{
    if (*charset == NULL)
        return;
    if ((*charset)->how == HOW_ICONV)
        iconv_close((*charset)->iconv);
    mem_free(*charset);
    *charset = NULL;
}

/* What a step found: so many bytes in order, then maybe some that are not. */
struct span {
    size_t good;
    size_t bad;
};

static struct span utf8_span(struct slice text)
{
    struct span span = {0};

    while (span.good < text.len) {
        size_t len = utf8_len(slice_sub(text, span.good, text.len));

        if (len == SIZE_MAX)
            break;
        if (len == 0) {
            span.bad = 1;
            break;
        }
        span.good += len;
    }
    return span;
}

static struct span utf8_step(struct slice text, struct buf *out)
{
    struct span span = utf8_span(text);

    buf_put(out, slice_sub(text, 0, span.good));
    return span;
}

static struct span iconv_step(struct mime_charset *charset, struct slice text, struct buf *out)
{
    char block[2048];
    char *from = (char *)(uintptr_t)text.ptr; /* NOLINT: iconv(3) does not write there */
    size_t from_left = text.len;
    size_t status;
    int error;

    do {
        char *to = block;
        size_t to_left = sizeof(block);

        status = iconv(charset->iconv, &from, &from_left, &to, &to_left);
        error = status == SIZE_MAX ? errno : 0;
        buf_put(out, (struct slice){block, (size_t)(to - block)});
    } while (error == E2BIG);
    return (struct span){text.len - from_left, error == EILSEQ ? 1 : 0};
}

static void feed_unknown(struct slice in, struct buf *out)
{
    for (size_t i = 0; i < in.len; i++)
        buf_put(out, (uint8_t)in.ptr[i] < 0x80 ? (struct slice){in.ptr + i, 1} : SLICE("?"));
}

/* Converts as much of text as makes whole characters. Returns what it used. */
static size_t convert(struct mime_charset *charset, struct slice text, struct buf *out)
{
    size_t used = 0;

    while (used < text.len) {
        struct slice rest = slice_sub(text, used, text.len);
        struct span span =
            charset->how == HOW_UTF8 ? utf8_step(rest, out) : iconv_step(charset, rest, out);

        if (span.bad > 0)
            buf_put(out, SLICE(REPLACEMENT));
        else if (span.good < rest.len)
            return used + span.good;
        used += span.good + span.bad;
    }
    return text.len;
}

/* Joins the beginning of a character that is held with what came now, byte by byte, until it is
 * whole or known to be bad. Returns the bytes of in that it used. */
static size_t finish_held(struct mime_charset *charset, struct slice in, struct buf *out)
{
    size_t took = 0;

    while (charset->held_len > 0 && took < in.len) {
        charset->held[charset->held_len++] = in.ptr[took++];
        size_t used = convert(charset, (struct slice){charset->held, charset->held_len}, out);

        charset->held_len -= used;
        memmove(charset->held, charset->held + used, charset->held_len);
        if (charset->held_len == HELD_MAX) {
            buf_put(out, SLICE(REPLACEMENT));
            charset->held_len = 0;
        }
    }
    return took;
}

void mime_charset_feed(struct mime_charset *charset, struct slice in, struct buf *out)
{
    if (charset->how == HOW_UNKNOWN) {
        feed_unknown(in, out);
        return;
    }
    in = slice_sub(in, finish_held(charset, in, out), in.len);
    size_t used = convert(charset, in, out);
    struct slice rest = slice_sub(in, used, in.len);

    while (rest.len >= HELD_MAX) { /* cannot be one character: one byte of it is bad */
        buf_put(out, SLICE(REPLACEMENT));
        rest = slice_sub(rest, 1, rest.len);
        rest = slice_sub(rest, convert(charset, rest, out), rest.len);
    }
    if (rest.len > 0) {
        memcpy(charset->held + charset->held_len, rest.ptr, rest.len);
        charset->held_len += rest.len;
    }
}

void mime_charset_end(struct mime_charset *charset, struct buf *out)
{
    char block[64];
    char *to = block;
    size_t to_left = sizeof(block);

    if (charset->held_len > 0)
        buf_put(out, SLICE(REPLACEMENT));
    charset->held_len = 0;
    if (charset->how != HOW_ICONV)
        return;
    if (iconv(charset->iconv, NULL, NULL, &to, &to_left) != SIZE_MAX)
        buf_put(out, (struct slice){block, (size_t)(to - block)});
}

void mime_charset_decode(struct slice name, struct slice in, struct buf *out)
{
    struct mime_charset *charset = mime_charset_new(name);

    mime_charset_feed(charset, in, out);
    mime_charset_end(charset, out);
    mime_charset_free(&charset);
}
