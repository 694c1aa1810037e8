/* dav_put.h: an object is stored or removed. Inside dav/. */
#pragma once
#include "dav/dav_call.h"

/* DELETE of an object that is there. Replies, as a method does. */
MUST_USE enum st dav_delete_object(struct dav_call *call);
