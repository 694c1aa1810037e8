/* mime_rewrite.h: rewrites the addresses in a message's header while it passes (RFC 5322 section
 * 3.6): From, Sender, Reply-To, To, Cc, Bcc and the fields of their kind that begin with Resent-.
 * Pure.
 *
 * Everything else stays byte for byte: other fields, display names, comments, folding, encoded
 * words, groups, what fits no grammar, and the body. Only within an address that is rewritten do
 * blanks and comments between the words of one half go ("a . b@c"). A field of more than
 * MIME_REWRITE_FIELD_BYTES_MAX passes as it is, and so do the addresses of a field behind the first
 * MIME_REWRITE_COUNT_MAX. Nothing is folded anew. */
#pragma once
#include "base/base.h"

#define MIME_REWRITE_FIELD_BYTES_MAX (128 * KIB)
#define MIME_REWRITE_COUNT_MAX 5000

struct buf;
struct mime_rewrite;

/* The address, quotes and comments removed. True: what it becomes is in out, "local@domain", quoted
 * where it must be. False: it stays. */
typedef bool mime_rewrite_fn(void *ctx, struct slice local, struct slice domain, struct buf *out);
typedef void mime_rewrite_put(void *ctx, struct slice text);

struct mime_rewrite *mime_rewrite_new(mime_rewrite_fn *rewrite, void *ctx);
void mime_rewrite_free(struct mime_rewrite **rewrite); /* NULL is fine */
/* Text in any pieces, lines ended by CR LF or LF. put gets what becomes of it. */
void mime_rewrite_feed(struct mime_rewrite *rewrite, struct slice in, mime_rewrite_put *put,
                       void *ctx);
/* The message is over; what was held back is given. */
void mime_rewrite_end(struct mime_rewrite *rewrite, mime_rewrite_put *put, void *ctx);

struct mime_rewrite_facts {
    size_t count;       /* addresses rewritten */
    uint64_t bytes_in;  /* of the fields rewritten, before ... */
    uint64_t bytes_out; /* ... and after */
    bool signature;     /* there is a DKIM-Signature (RFC 6376), which this may break */
    bool over;          /* the body has begun: nothing changes any more */
    bool eight_bit;     /* a byte over 127 was put where none was */
};
const struct mime_rewrite_facts *mime_rewrite_facts(const struct mime_rewrite *rewrite);
