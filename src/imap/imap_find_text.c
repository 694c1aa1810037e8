#include "imap/imap_find_text.h"

#include "base/arena.h"
#include "base/slice.h"
#include "mime/mime_date.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "mime/mime_structure.h"
#include "store/store_blob.h"

#define DECODED_BYTES_MAX (64 * MIB)

static enum st gather(void *ctx, struct slice bytes)
{
    struct buf *header = ctx;
    bool whole;

    buf_put(header, slice_sub(bytes, 0, header->bytes_max - header->len));
    whole = slice_find_slice(buf_slice(header), SLICE("\r\n\r\n")) != SIZE_MAX ||
            slice_find_slice(buf_slice(header), SLICE("\n\n")) != SIZE_MAX;
    return whole || header->len == header->bytes_max ? ST_AGAIN : ST_OK;
}

enum st imap_text_header(struct imap_text *text)
{
    struct imap_candidate *c = text->candidate;
    enum st st;

    if (c->header_read)
        return ST_OK;
    buf_clear(c->header);
    st = blob_each(text->store, c->message->blob_id, 0, c->message->bytes, gather, c->header);
    c->header_read = st == ST_OK || st == ST_AGAIN;
    return c->header_read ? ST_OK : st;
}

static bool contains(struct slice value, struct slice needle)
{
    AUTO(buf) struct buf decoded = BUF(DECODED_BYTES_MAX);
    AUTO(buf) struct buf folded = BUF(DECODED_BYTES_MAX);

    if (needle.len == 0)
        return true;
    mime_words_decode(value, &decoded);
    mime_fold(buf_slice(&decoded), &folded);
    return slice_find_slice(buf_slice(&folded), needle) != SIZE_MAX;
}

bool imap_text_in_field(const struct imap_text *text, struct slice name, struct slice needle)
{
    struct slice rest = buf_slice(text->candidate->header);
    struct mime_field field;

    while (mime_field_next(&rest, &field))
        if (slice_ieq(field.name, name) && contains(field.value, needle))
            return true;
    return false;
}

bool imap_text_in_header(const struct imap_text *text, struct slice needle)
{
    struct slice rest = buf_slice(text->candidate->header);
    struct mime_field field;

    while (mime_field_next(&rest, &field))
        if (contains(field.whole, needle))
            return true;
    return false;
}

bool imap_text_sent(const struct imap_text *text, int64_t *local_s_r)
{
    struct mime_field field;
    struct mime_date date;

    if (!mime_field_find(buf_slice(text->candidate->header), SLICE("Date"), &field) ||
        mime_date_parse(field.value, &date) != ST_OK)
        return false;
    *local_s_r = date.epoch + date.zone_min * INT64_C(60);
    return true;
}

/* A needle in a stream of decoded text: what may be its beginning waits for what comes next. */
struct sieve {
    struct slice needle;
    struct mime_decoder decoder;
    struct mime_charset *charset;
    struct buf raw;     /* transfer encoding undone */
    struct buf decoded; /* in UTF-8 */
    struct buf folded;  /* in lower case, with the end of what came before */
    bool found;
};

static void sift(struct sieve *sieve)
{
    mime_fold(buf_slice(&sieve->decoded), &sieve->folded);
    buf_clear(&sieve->decoded);
    if (slice_find_slice(buf_slice(&sieve->folded), sieve->needle) != SIZE_MAX)
        sieve->found = true;
    if (sieve->folded.len >= sieve->needle.len)
        buf_drop(&sieve->folded, sieve->folded.len - (sieve->needle.len - 1));
}

static enum st feed(void *ctx, struct slice bytes)
{
    struct sieve *sieve = ctx;

    mime_decoder_feed(&sieve->decoder, bytes, &sieve->raw);
    mime_charset_feed(sieve->charset, buf_slice(&sieve->raw), &sieve->decoded);
    buf_clear(&sieve->raw);
    sift(sieve);
    return sieve->found ? ST_AGAIN : ST_OK;
}

static enum st search_range(struct imap_text *text, struct sieve *sieve, uint64_t start,
                            uint64_t end)
{
    enum st st;

    if (start >= end)
        return ST_OK;
    st = blob_each(text->store, text->candidate->message->blob_id, start, end - start, feed, sieve);
    if (st != ST_OK) /* ST_AGAIN: it was found, the rest does not matter */
        return st == ST_AGAIN ? ST_OK : st;
    mime_decoder_end(&sieve->decoder, &sieve->raw);
    mime_charset_feed(sieve->charset, buf_slice(&sieve->raw), &sieve->decoded);
    mime_charset_end(sieve->charset, &sieve->decoded);
    sift(sieve);
    return ST_OK;
}

static enum st search_as(struct imap_text *text, struct slice needle, const struct mime_part *part,
                         bool header, bool *fits_r)
{
    struct sieve sieve = {.needle = needle};
    struct slice charset = mime_param_get(part->params, SLICE("charset"));
    enum st st;

    mime_decoder_init(&sieve.decoder, header ? MIME_IDENTITY : mime_encoding_find(part->encoding));
    sieve.charset = mime_charset_new(header ? SLICE("utf-8") : charset);
    buf_init(&sieve.raw, DECODED_BYTES_MAX);
    buf_init(&sieve.decoded, DECODED_BYTES_MAX);
    buf_init(&sieve.folded, DECODED_BYTES_MAX);
    if (header)
        st = search_range(text, &sieve, part->header_start, part->body_start);
    else
        st = search_range(text, &sieve, part->body_start, part->body_end);
    mime_charset_free(&sieve.charset);
    buf_fini(&sieve.raw);
    buf_fini(&sieve.decoded);
    buf_fini(&sieve.folded);
    *fits_r = sieve.found;
    return st;
}

/* The part that follows in reading order; NULL after the last. */
static const struct mime_part *following(const struct mime_part *part)
{
    if (part->child != NULL)
        return part->child;
    while (part != NULL && part->next == NULL)
        part = part->parent;
    return part != NULL ? part->next : NULL;
}

enum st imap_text_in_body(struct imap_text *text, struct slice needle, bool *fits_r)
{
    const struct store_message *message = text->candidate->message;
    struct arena *arena = arena_new("imap search", message->structure.len * 512 + MIB);
    const struct mime_part whole = {.type = SLICE("text"),
                                    .encoding = SLICE("7bit"),
                                    .body_start = text->candidate->header->len,
                                    .body_end = message->bytes};
    const struct mime_part *part = &whole;
    enum st st = ST_OK;

    *fits_r = needle.len == 0;
    if (mime_structure_read(arena, message->structure, &part) != ST_OK)
        part = &whole;
    for (; part != NULL && st == ST_OK && !*fits_r; part = following(part)) {
        if (part->parent != NULL && part->parent->kind == MIME_MESSAGE)
            st = search_as(text, needle, part, true, fits_r);
        if (st == ST_OK && !*fits_r && part->kind == MIME_LEAF &&
            slice_eq(part->type, SLICE("text")))
            st = search_as(text, needle, part, false, fits_r);
    }
    arena_free(&arena);
    return st;
}
