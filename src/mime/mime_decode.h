/* mime_decode.h: transfer encodings, charsets and encoded words, to UTF-8 (RFC 2045, 2047). */
#pragma once
#include "base/base.h"

struct buf;
struct mime_charset;

enum mime_encoding {
    MIME_IDENTITY, /* 7bit, 8bit, binary, and anything unknown */
    MIME_BASE64,
    MIME_QUOTED_PRINTABLE,
};

enum mime_encoding mime_encoding_find(struct slice name);

/* A streaming decoder of a Content-Transfer-Encoding (RFC 2045 section 6). No memory of its own. */
struct mime_decoder {
    enum mime_encoding encoding;
    uint32_t bits;
    uint8_t bits_count;
    bool ended;       /* base64: a pad has come */
    uint8_t held_len; /* quoted-printable: what a later byte decides: an escape, blanks */
    char held[80];
};

void mime_decoder_init(struct mime_decoder *decoder, enum mime_encoding encoding);
/* Appends what in says. Broken input is decoded as far as it makes sense: foreign bytes in base64
 * are skipped, an '=' that is no escape is kept. Look at out->over afterwards. */
void mime_decoder_feed(struct mime_decoder *decoder, struct slice in, struct buf *out);
void mime_decoder_end(struct mime_decoder *decoder, struct buf *out);

/* A streaming converter to UTF-8. An unknown charset: ASCII passes, other bytes are '?'. Bytes
 * that the charset has not: U+FFFD. An empty name and us-ascii are taken as utf-8. */
struct mime_charset *mime_charset_new(struct slice name);
void mime_charset_free(struct mime_charset **charset);
void mime_charset_feed(struct mime_charset *charset, struct slice in, struct buf *out);
void mime_charset_end(struct mime_charset *charset, struct buf *out);
/* All at once. */
void mime_charset_decode(struct slice name, struct slice in, struct buf *out);

/* Unstructured text with encoded words (RFC 2047) in UTF-8, unfolded. Characters that a mailer cut
 * in two between words are mended. What is no encoded word stays. */
void mime_words_decode(struct slice text, struct buf *out);

/* For searching: ASCII letters in lower case, the rest as it is. */
void mime_fold(struct slice text, struct buf *out);
