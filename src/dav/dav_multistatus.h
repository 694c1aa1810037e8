/* dav_multistatus.h: an answer of many responses, written while it is sent. Inside dav/. */
#pragma once
#include "dav/dav_call.h"

/* Appends some DAV:response elements. ST_AGAIN: there are more; ST_OK: these were the last. */
typedef enum st dav_responses_fn(struct dav_call *call, void *ctx, struct buf *out);

/* Replies 207. ctx lives in the call's arena. ST_OK: replied; other: nothing was. */
MUST_USE enum st dav_multistatus(struct dav_call *call, dav_responses_fn *fn, void *ctx);
