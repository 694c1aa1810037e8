/* admin_call.h: one call of the admin API while it is answered. Inside admin/. */
#pragma once
#include "admin/admin.h"
#include "base/buf.h"
#include "base/slice.h"
#include "http/http.h"

#include <jansson.h>
#include <stdatomic.h>

struct admin_call;
typedef enum st admin_call_fn(struct admin_call *call);

/* LARGE: JSON with a body of up to 64 MiB instead of 4. */
enum admin_kind { ADMIN_JSON, ADMIN_LARGE, ADMIN_UPLOAD };

struct admin_row {
    const char *path;
    const char *method;
    enum admin_kind kind;
    admin_call_fn *handler; /* UPLOAD: run before the body is in; the others: behind it */
    const char *help;
};
extern const struct admin_row admin_rows[];
extern const size_t admin_row_count;

struct admin_call {
    const struct admin_context *context;
    const struct admin_row *row;
    struct http_request *request;
    struct arena *arena;
    struct buf body; /* of a JSON call, as it came */
    json_t *args;    /* an object */
    json_t *reply;   /* an object, NULL for an empty one */
    struct buf why;  /* the sentence where it fails */
    enum st st;      /* of an upload, so far */
    uint64_t begun_ms;
    atomic_int refs; /* the request's and the stream's */

    /* Set by a handler that streams its answer. */
    enum st (*produce)(struct admin_call *call, struct http_out *out);
    const char *type;
    uint64_t bytes; /* HTTP_BYTES_UNKNOWN */
    /* Set by the handler of an upload. */
    enum st (*upload)(struct admin_call *call, struct slice bytes);
    enum st (*finish)(struct admin_call *call);
    void *mine;
    void (*release)(void *mine);
};

#define ADMIN_CALL(path, method, kind, handler, help) admin_call_fn admin_##handler;
#include "admin/admin_call.def"

/* Writes the sentence, unless there is one already, and returns st. */
enum st admin_refuse(struct admin_call *call, enum st st, const char *fmt, ...) PRINTF(3, 4);

/* --- arguments; texts live as long as the call --- */

bool admin_arg_has(const struct admin_call *call, const char *key);
/* "" where it is missing. */
struct slice admin_arg_text(const struct admin_call *call, const char *key);
/* ST_INVALID with a sentence where it is missing, empty or no text. */
MUST_USE enum st admin_arg_need(struct admin_call *call, const char *key, struct slice *text_r);
/* The account that the argument `name` means: a log-in name with or without its domain. */
MUST_USE enum st admin_arg_name(struct admin_call *call, const char *key, struct slice *name_r);
/* A number, or digits in a text; *value_r stays where it is missing. */
MUST_USE enum st admin_arg_u64(struct admin_call *call, const char *key, uint64_t *value_r);
/* true, false, or "yes", "no"; *value_r stays where it is missing. */
MUST_USE enum st admin_arg_bool(struct admin_call *call, const char *key, bool *value_r);
/* A list of texts in lower case. */
MUST_USE enum st admin_arg_list(struct admin_call *call, const char *key, struct slice **texts_r,
                                size_t *count_r);

json_t *admin_json_text(struct slice text); /* bytes that are no UTF-8 are shown as '?' */
