/* Throws one input at every parser of header text: fields, addresses, dates, words, parameters,
 * envelope, decoders. What they write must be well-formed, and reading it again must agree. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_address.h"
#include "mime/mime_date.h"
#include "mime/mime_decode.h"
#include "mime/mime_envelope.h"
#include "mime/mime_header.h"
#include "mime/mime_keep.h"
#include "mime/mime_param.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

/* The fields are the whole block up to the blank line, nothing left out. */
static void check_fields(struct slice text)
{
    struct slice rest = text;
    struct mime_field field;
    size_t sum = 0;

    while (mime_field_next(&rest, &field)) {
        must(field.whole.len > 0 && field.whole.ptr == text.ptr + sum);
        sum += field.whole.len;
    }
    must(rest.len == text.len - sum);
}

static void check_envelope(struct arena *arena, struct slice text)
{
    AUTO(buf) struct buf out = BUF(GIB);

    mime_envelope_write(arena, text, &out);
    must(!out.over && mime_envelope_check(buf_slice(&out)));
}

/* Every letter and digit of the text is in some address, a comment aside. */
static void check_addresses(struct arena *arena, struct slice text)
{
    struct mime_addresses list = mime_address_parse(arena, text, 1000);
    bool letters = false;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (c == '(')
            return;
        letters = letters || (c >= 'a' && c <= 'z');
    }
    must(!letters || list.first != NULL);
}

static void check_dates(struct slice text)
{
    struct mime_date date;
    struct mime_date back;
    int64_t epoch;
    AUTO(buf) struct buf out = BUF(KIB);

    if (mime_date_parse(text, &date) == ST_OK) {
        mime_internaldate_write(date, &out);
        if (date.epoch > -62000000000 && date.epoch < 253402000000)
            must(mime_internaldate_parse(buf_slice(&out), &back) == ST_OK &&
                 back.epoch == date.epoch && back.zone_min == date.zone_min);
    }
    buf_clear(&out);
    if (mime_internaldate_parse(text, &date) == ST_OK)
        mime_date_write(date, &out);
    (void)!mime_imap_date_parse(text, &epoch);
}

static void check_params(struct arena *arena, struct slice text)
{
    struct mime_keep keep = {arena, 4 * text.len + 4096};
    AUTO(buf) struct buf out = BUF(GIB);

    for (struct mime_param *p = mime_param_parse(&keep, text); p != NULL; p = p->next)
        mime_param_decode(p, slice_trim(p->name), &out);
}

/* Whole and in two pieces must agree. */
static void check_decoder(enum mime_encoding encoding, struct slice text, size_t cut)
{
    struct mime_decoder decoder;
    AUTO(buf) struct buf whole = BUF(GIB);
    AUTO(buf) struct buf pieces = BUF(GIB);

    mime_decoder_init(&decoder, encoding);
    mime_decoder_feed(&decoder, text, &whole);
    mime_decoder_end(&decoder, &whole);
    mime_decoder_feed(&decoder, slice_sub(text, 0, cut), &pieces);
    mime_decoder_feed(&decoder, slice_sub(text, cut, text.len), &pieces);
    mime_decoder_end(&decoder, &pieces);
    must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
}

static void check_charset(struct slice name, struct slice text, size_t cut)
{
    struct mime_charset *charset = mime_charset_new(name);
    AUTO(buf) struct buf whole = BUF(GIB);
    AUTO(buf) struct buf pieces = BUF(GIB);

    mime_charset_decode(name, text, &whole);
    mime_charset_feed(charset, slice_sub(text, 0, cut), &pieces);
    mime_charset_feed(charset, slice_sub(text, cut, text.len), &pieces);
    mime_charset_end(charset, &pieces);
    mime_charset_free(&charset);
    must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    size_t cut = size > 0 ? data[0] % size : 0;
    struct arena *arena = arena_new("fuzz", 8 * MIB + 64 * size);
    AUTO(buf) struct buf out = BUF(GIB);

    check_fields(text);
    check_envelope(arena, text);
    check_addresses(arena, text);
    check_dates(text);
    check_params(arena, text);
    check_decoder(MIME_BASE64, text, cut);
    check_decoder(MIME_QUOTED_PRINTABLE, text, cut);
    check_charset(SLICE("utf-8"), text, cut);
    check_charset(SLICE("shift_jis"), text, cut);
    mime_words_decode(text, &out);
    mime_unfold(arena, text);
    arena_free(&arena);
    return 0;
}
