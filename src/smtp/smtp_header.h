/* smtp_header.h: mends the header of a submission while it passes (RFC 6409 section 8): Bcc goes,
 * a missing Date and Message-ID come. Pure. */
#pragma once
#include "base/base.h"

struct smtp_header;

typedef void smtp_header_fn(void *ctx, struct slice text);

/* date and message_id: the whole fields to add where the message has none, with their CR LF. */
struct smtp_header *smtp_header_new(struct slice date, struct slice message_id);
void smtp_header_free(struct smtp_header **header); /* NULL is fine */
/* Text with CR LF line ends, in any pieces. fn gets what becomes of it; after the header that is
 * what came. */
void smtp_header_feed(struct smtp_header *header, struct slice in, smtp_header_fn *fn, void *ctx);
/* The message is over; one that was all header gets its fields now. */
void smtp_header_end(struct smtp_header *header, smtp_header_fn *fn, void *ctx);
