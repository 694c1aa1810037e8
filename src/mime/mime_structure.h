/* mime_structure.h: a part tree as bytes to be stored, and as IMAP's BODY and BODYSTRUCTURE. */
#pragma once
#include "base/base.h"
#include "mime/mime_part.h"

struct arena;
struct buf;

#define MIME_DEPTH_MAX 200 /* of a tree, wherever it comes from */

/* The tree in a compact form that opens with a version byte. Look at out->over afterwards. */
void mime_structure_write(const struct mime_part *root, struct buf *out);
/* Back again, into the arena, which needs room for 64 bytes for every byte of in at worst; the
 * slices point into `in`. ST_INVALID for anything that mime_structure_write() cannot have made of
 * a real message: parts that overlap, a bad envelope, bytes left over. */
MUST_USE enum st mime_structure_read(struct arena *arena, struct slice in,
                                     const struct mime_part **root_r);
/* body of RFC 3501 section 9: BODY, or BODYSTRUCTURE when extended. A multipart without parts is
 * shown with one empty text/plain, since the grammar wants one; a multipart or message that was
 * not looked into is application/octet-stream. Look at out->over afterwards. */
void mime_bodystructure_write(const struct mime_part *part, bool extended, struct buf *out);
