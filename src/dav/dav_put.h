/* dav_put.h: an object is stored or removed. Inside dav/. */
#pragma once
#include "calendar/calendar_object.h"
#include "dav/dav_call.h"

/* DELETE of an object that is there. Replies, as a method does. */
MUST_USE enum st dav_delete_object(struct dav_call *call);
/* ETag and Schedule-Tag. */
void dav_object_headers(struct dav_call *call, const struct store_event *event);
/* Replies with the call's object. */
MUST_USE enum st dav_object_reply(struct dav_call *call, unsigned status);
/* Replies with the precondition that the object does not meet; other: the one that is in its way,
 * or NULL. */
enum st dav_refuse_object(struct dav_call *call, enum calendar_fault fault,
                          const struct ical_error *error, const struct dav_path *other);
