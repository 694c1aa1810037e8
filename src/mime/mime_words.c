#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_decode.h"
#include "mime/mime_lex.h"

#define RUN_BYTES_MAX MIB

/* encoded-word of RFC 2047 section 2, in its pieces. */
struct word {
    struct slice charset;
    struct slice text;
    enum mime_encoding encoding;
    size_t len; /* from "=?" to "?=" */
};

/* Words that follow each other in one charset: their bytes are converted together, since mailers
 * cut characters in two. */
struct run {
    struct slice charset;
    struct buf bytes;
    struct buf *out;
};

/* Takes what runs up to the next '?' that nothing but printable ASCII precedes. */
static bool take_piece(struct slice *rest, struct slice *piece_r)
{
    size_t len = 0;

    while (len < rest->len && rest->ptr[len] > ' ' && rest->ptr[len] < 0x7f &&
           rest->ptr[len] != '?')
        len++;
    if (len == rest->len || rest->ptr[len] != '?')
        return false;
    *piece_r = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len + 1, rest->len);
    return true;
}

/* Blanks inside the text are against the rules, yet sent: only "?=" ends it. */
static bool take_text(struct slice *rest, struct slice *text_r)
{
    size_t len = slice_find(*rest, '?');

    if (len == SIZE_MAX || len + 1 >= rest->len || rest->ptr[len + 1] != '=')
        return false;
    *text_r = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len + 2, rest->len);
    return true;
}

static bool read_word(struct slice text, struct word *word)
{
    struct slice rest = text;
    struct slice how;

    if (!slice_starts(rest, SLICE("=?")))
        return false;
    rest = slice_sub(rest, 2, rest.len);
    if (!take_piece(&rest, &word->charset) || word->charset.len == 0 || !take_piece(&rest, &how) ||
        !take_text(&rest, &word->text))
        return false;
    if (slice_ieq(how, SLICE("B")))
        word->encoding = MIME_BASE64;
    else if (slice_ieq(how, SLICE("Q")))
        word->encoding = MIME_QUOTED_PRINTABLE;
    else
        return false;
    word->charset = slice_sub(word->charset, 0, slice_find(word->charset, '*')); /* RFC 2231 5 */
    word->len = text.len - rest.len;
    return true;
}

static void run_end(struct run *run)
{
    if (run->bytes.len > 0)
        mime_charset_decode(run->charset, buf_slice(&run->bytes), run->out);
    run->charset = (struct slice){NULL, 0};
    buf_clear(&run->bytes);
}

/* "Q" of RFC 2047 section 4.2. */
static void put_q(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '=' && i + 2 < text.len && mime_lex_hex(text.ptr[i + 1]) >= 0 &&
            mime_lex_hex(text.ptr[i + 2]) >= 0) {
            c = (char)(mime_lex_hex(text.ptr[i + 1]) * 16 + mime_lex_hex(text.ptr[i + 2]));
            i += 2;
        } else if (c == '_') {
            c = ' ';
        }
        if (c != '\r' && c != '\n')
            buf_put(out, (struct slice){&c, 1});
    }
}

static void run_word(struct run *run, const struct word *word)
{
    struct mime_decoder decoder;

    if (run->charset.ptr != NULL && !slice_ieq(run->charset, word->charset))
        run_end(run);
    run->charset = word->charset;
    if (word->encoding == MIME_QUOTED_PRINTABLE) {
        put_q(word->text, &run->bytes);
        return;
    }
    mime_decoder_init(&decoder, MIME_BASE64);
    mime_decoder_feed(&decoder, word->text, &run->bytes);
    mime_decoder_end(&decoder, &run->bytes);
}

static size_t blanks_len(struct slice text)
{
    size_t len = 0;

    while (len < text.len && mime_lex_blank(text.ptr[len]))
        len++;
    return len;
}

static void put_unfolded(struct slice text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\n' &&
            !(text.ptr[i] == '\r' && i + 1 < text.len && text.ptr[i + 1] == '\n'))
            buf_put(out, slice_sub(text, i, 1));
}

/* Length of what is certainly not the beginning of a word. */
static size_t plain_len(struct slice text)
{
    size_t at = slice_find_slice(slice_sub(text, 1, text.len), SLICE("=?"));

    return at == SIZE_MAX ? text.len : at + 1;
}

void mime_words_decode(struct slice text, struct buf *out)
{
    struct run run = {.out = out};
    struct slice words = slice_trim(text);
    struct word word;

    buf_init(&run.bytes, RUN_BYTES_MAX);
    while (words.len > 0) {
        size_t blanks = run.charset.ptr != NULL ? blanks_len(words) : 0;

        /* Blanks between two words are not shown: RFC 2047 section 6.2. */
        if (read_word(slice_sub(words, blanks, words.len), &word)) {
            run_word(&run, &word);
            words = slice_sub(words, blanks + word.len, words.len);
            continue;
        }
        run_end(&run);
        blanks = plain_len(words);
        put_unfolded(slice_sub(words, 0, blanks), out);
        words = slice_sub(words, blanks, words.len);
    }
    run_end(&run);
    buf_fini(&run.bytes);
}
