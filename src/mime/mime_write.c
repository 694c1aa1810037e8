#include "mime/mime_write.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "base/utf8.h"

#define FOLD_COLS 78
#define WORD_BYTES_MAX 39 /* of an encoded word's text: beside a name, 76 columns (RFC 2047) */
#define QUOTED_COLS 76
#define NAME_BYTES_MAX ((size_t)2000) /* of a display name */
#define ADDRESS_BYTES_MAX 800

/* Characters that would end a line somewhere, or make text look like other text. */
static bool controls(uint32_t point)
{
    return point < ' ' || (point >= 0x7f && point < 0xa0) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2066 && point <= 0x2069);
}

/* Takes the next character, cleaned, off the front; the result borrows from text or is a literal.
 */
static struct slice take_clean(struct slice *text, bool utf8)
{
    uint32_t point;
    size_t len = utf8_point(*text, &point);
    struct slice found = slice_sub(*text, 0, len);

    if (len == 0 || len == SIZE_MAX)
        found = SLICE("?");
    else if (controls(point))
        found = SLICE(" ");
    else if (len > 1 && !utf8)
        found = SLICE("?");
    *text = slice_sub(*text, len == 0 || len == SIZE_MAX ? 1 : len, text->len);
    return found;
}

void mime_write_clean(struct slice in, size_t bytes_max, bool utf8, struct buf *out)
{
    size_t start = out->len;

    while (in.len > 0) {
        struct slice found = take_clean(&in, utf8);

        if (out->len - start + found.len > bytes_max) {
            buf_put(out, SLICE("..."));
            return;
        }
        buf_put(out, found);
    }
}

/* A header line under way. */
struct line {
    struct buf *out;
    size_t cols; /* bytes of it so far */
    bool begun;  /* a word stands in the field; the first stays beside the name */
};

static void fold(struct line *line)
{
    buf_put(line->out, SLICE("\r\n "));
    line->cols = 1;
}

/* word holds no blank. */
static void put_word(struct line *line, struct slice word)
{
    if (line->begun && line->cols + 1 + word.len > FOLD_COLS) {
        fold(line);
    } else {
        buf_put(line->out, SLICE(" "));
        line->cols++;
    }
    line->begun = true;
    while (word.len > 0) {
        size_t len = utf8_len(word);

        assert(len != 0 && len != SIZE_MAX); /* it was cleaned */
        if (line->cols + len > MIME_WRITE_LINE_MAX)
            fold(line);
        buf_put(line->out, slice_sub(word, 0, len));
        line->cols += len;
        word = slice_sub(word, len, word.len);
    }
}

void mime_write_field(const char *name, struct slice value, bool utf8, struct buf *out)
{
    AUTO(buf) struct buf clean = BUF(out->bytes_max);
    struct line line = {.out = out};
    struct slice word;

    mime_write_clean(value, SIZE_MAX, utf8, &clean);
    struct slice rest = buf_slice(&clean);
    buf_putf(out, "%s:", name);
    line.cols = slice_str(name).len + 1;
    while (slice_split(&rest, ' ', &word))
        if (word.len > 0)
            put_word(&line, word);
    buf_put(out, SLICE("\r\n"));
    out->over |= clean.over;
}

void mime_write_words(struct slice text, struct buf *out)
{
    AUTO(buf) struct buf clean = BUF(out->bytes_max);

    mime_write_clean(text, SIZE_MAX, true, &clean);
    struct slice rest = buf_slice(&clean);
    for (bool first = true; rest.len > 0; first = false) {
        AUTO(buf) struct buf coded = BUF(2 * (size_t)WORD_BYTES_MAX);
        size_t used = 0;
        size_t len;

        while (used < rest.len &&
               used + (len = utf8_len(slice_sub(rest, used, rest.len))) <= WORD_BYTES_MAX)
            used += len;
        if (text_base64(&coded, slice_sub(rest, 0, used)) != ST_OK)
            out->over = true;
        buf_putf(out, "%s=?utf-8?B?%s?=", first ? "" : " ", coded.ptr);
        rest = slice_sub(rest, used, rest.len);
    }
    out->over |= clean.over;
}

/* Whether the byte may stand as it is; a blank not at the end of a line, where some remove it. */
static bool is_literal(struct slice text)
{
    char c = text.ptr[0];

    if (c == ' ' || c == '\t')
        return text.len > 1 && text.ptr[1] != '\r';
    return c > ' ' && c < 0x7f && c != '=';
}

void mime_write_quoted_printable(struct slice text, struct buf *out)
{
    size_t cols = 0;

    for (; text.len > 0; text = slice_sub(text, 1, text.len)) {
        bool literal = is_literal(text);

        if (slice_starts(text, SLICE("\r\n"))) {
            buf_put(out, SLICE("\r\n"));
            text = slice_sub(text, 1, text.len);
            cols = 0;
            continue;
        }
        if (cols + (literal ? 1 : 3) >= QUOTED_COLS) {
            buf_put(out, SLICE("=\r\n"));
            cols = 0;
        }
        if (literal)
            buf_put(out, slice_sub(text, 0, 1));
        else
            buf_putf(out, "=%02X", (unsigned char)text.ptr[0]);
        cols += literal ? 1 : 3;
    }
}

void mime_write_mailbox(const char *field, struct slice name, struct slice address, struct buf *out)
{
    AUTO(buf) struct buf clean = BUF(8 * NAME_BYTES_MAX);
    AUTO(buf) struct buf text = BUF(8 * NAME_BYTES_MAX);

    mime_write_clean(name, NAME_BYTES_MAX, true, &clean);
    struct slice shown = buf_slice(&clean);
    bool plain = utf8_ascii(shown) && slice_find(shown, '"') == SIZE_MAX &&
                 slice_find(shown, '\\') == SIZE_MAX;
    if (plain && clean.len > 0)
        buf_putf(&text, "\"%s\" ", clean.ptr);
    else if (clean.len > 0) {
        mime_write_words(shown, &text);
        buf_put(&text, SLICE(" "));
    }
    buf_put(&text, SLICE("<"));
    mime_write_clean(address, ADDRESS_BYTES_MAX, true, &text);
    buf_put(&text, SLICE(">"));
    mime_write_field(field, buf_slice(&text), true, out);
    out->over |= text.over;
}
