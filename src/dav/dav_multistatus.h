/* dav_multistatus.h: an answer of many responses, written while it is sent. Inside dav/. */
#pragma once
#include "dav/dav_call.h"

/* Appends some DAV:response elements. ST_AGAIN: there are more; ST_OK: these were the last. */
typedef enum st dav_responses_fn(struct dav_call *call, void *ctx, struct buf *out);

/* Replies with an element of that name around what fn writes; the rest as below. */
MUST_USE enum st dav_answer(struct dav_call *call, unsigned status, enum xml_ns ns,
                            const char *root, dav_responses_fn *fn, void *ctx);
/* Replies 207. ctx lives in the call's arena. ST_OK: replied; other: nothing was. */
MUST_USE enum st dav_multistatus(struct dav_call *call, dav_responses_fn *fn, void *ctx);
