/* admin_frame.h: many messages in one stream, as mail/import takes and mail/export gives them.
 *
 *   stream  = *message
 *   message = object LF *( size LF size-many-bytes ) "0" LF
 *
 * The object is JSON on one line: folder, flags (a list: "\\Seen", "$Junk"), date_s, zone_min; in
 * an export uid, guid and bytes too. Pure. */
#pragma once
#include "base/base.h"

#include <jansson.h>

struct buf;

struct admin_frame_fns {
    enum st (*begin)(void *ctx, json_t *message); /* the object is dropped after the call */
    enum st (*bytes)(void *ctx, struct slice bytes);
    enum st (*end)(void *ctx);
};

struct admin_frame;
struct admin_frame *admin_frame_new(const struct admin_frame_fns *fns, void *ctx);
void admin_frame_free(struct admin_frame **frame);
/* Any split. ST_INVALID: no such stream; otherwise what a function returned. After a failure all
 * that follows fails likewise. */
MUST_USE enum st admin_frame_feed(struct admin_frame *frame, struct slice in);
/* Whether the stream may end here: before a message. */
bool admin_frame_is_whole(const struct admin_frame *frame);

/* Writing. Look at out->over afterwards. */
void admin_frame_begin(const json_t *message, struct buf *out);
void admin_frame_bytes(struct slice bytes, struct buf *out); /* nothing for no bytes */
void admin_frame_end(struct buf *out);
