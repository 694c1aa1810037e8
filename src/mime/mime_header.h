/* mime_header.h: the fields of a raw header block (RFC 5322 section 2.2). */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

/* Every slice points into the block. */
struct mime_field {
    struct slice name;  /* as written; empty for a line that is no field (no colon) */
    struct slice value; /* after the colon; folds kept, the last line end not */
    struct slice whole; /* all its lines, line ends included */
};

/* Takes the next field off *rest; false at the blank line that ends a header, or at the end. Lines
 * end in CRLF or LF. What is no field is given too, nameless, so that nothing gets lost. */
bool mime_field_next(struct slice *rest, struct mime_field *field_r);
/* The first field of that name, ASCII case aside. */
bool mime_field_find(struct slice block, struct slice name, struct mime_field *field_r);
/* The Message-ID, "<x@y>", pointing into block; "" where there is none, or none that may stand in
 * References: printable ASCII of at most 800 bytes (RFC 5322 section 3.6.4). */
struct slice mime_message_id(struct slice block);
/* HEADER.FIELDS, or HEADER.FIELDS.NOT with negate (RFC 3501 section 6.4.5): the fields that are
 * (not) named, as they stand, then a blank line. Look at out->over afterwards. */
void mime_header_select(struct slice block, const struct slice *names, size_t names_count,
                        bool negate, struct buf *out);
/* Line ends taken out (RFC 5322 section 2.2.3) and blanks off both ends. The result is in the
 * arena, or raw itself where there was no fold. */
struct slice mime_unfold(struct arena *arena, struct slice raw);
