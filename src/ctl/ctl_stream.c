#include "ctl/ctl_stream.h"

#include "base/buf.h"
#include "ctl/ctl_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define LINE_BYTES_MAX (64 * MIB)

struct stream {
    ctl_stream_fn *fn;
    void *ctx;
    struct buf line;
};

static enum st take_line(struct stream *stream)
{
    json_t *object = json_loadb(stream->line.ptr, stream->line.len, 0, NULL);
    enum st st = json_is_object(object) ? stream->fn(stream->ctx, object) : ST_INVALID;

    json_decref(object);
    buf_clear(&stream->line);
    return st;
}

static enum st take(void *ctx, struct slice bytes)
{
    struct stream *stream = ctx;
    enum st st = ST_OK;

    while (bytes.len > 0 && st == ST_OK) {
        size_t end = slice_find(bytes, '\n');

        st = buf_add(&stream->line, slice_sub(bytes, 0, end));
        if (end == SIZE_MAX)
            return st;
        bytes = slice_sub(bytes, end + 1, bytes.len);
        if (st == ST_OK)
            st = take_line(stream);
    }
    return st;
}

static int run(struct ctl *ctl, struct ctl_request *request, ctl_stream_fn *fn, void *ctx)
{
    struct stream stream = {.fn = fn, .ctx = ctx, .line = BUF(LINE_BYTES_MAX)};
    AUTO(buf) struct buf why = BUF(4 * KIB);

    request->take = take;
    request->ctx = &stream;
    int exit = ctl_client_run(ctl->client, request, &why);
    buf_fini(&stream.line);
    if (exit == EX_OK)
        return exit;
    return ctl_fail(exit, "%s", why.len > 0 ? why.ptr : "the answer broke off");
}

int ctl_stream_get(struct ctl *ctl, const char *path, json_t *query, ctl_stream_fn *fn, void *ctx)
{
    AUTO(buf) struct buf url = BUF(64 * KIB);

    ctl_url(ctl, path, query, &url);
    if (url.over)
        return ctl_fail(EX_USAGE, "too many arguments at once");
    return run(ctl, &(struct ctl_request){.path = url.ptr}, fn, ctx);
}

int ctl_stream_post(struct ctl *ctl, const char *path, json_t *args, ctl_stream_fn *fn, void *ctx)
{
    char *text = json_dumps(args, JSON_COMPACT);

    json_decref(args);
    if (text == NULL) /* a text among the arguments is no UTF-8 */
        return ctl_fail(EX_DATAERR, "the arguments are not UTF-8");
    int exit = run(ctl, &(struct ctl_request){.path = path, .json = text}, fn, ctx);
    free(text);
    return exit;
}

const char *ctl_json_text(struct arena *arena, const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    return json_is_string(value) ? ctl_text(arena, (struct slice){json_string_value(value),
                                                                  json_string_length(value)})
                                 : "";
}

uint64_t ctl_json_number(const json_t *object, const char *key)
{
    json_int_t number = json_integer_value(json_object_get(object, key));

    return number > 0 ? (uint64_t)number : 0;
}

const char *ctl_time(char room[CTL_TIME_BYTES], int64_t at_ms)
{
    time_t at_s = (time_t)(at_ms / 1000);
    struct tm tm;

    localtime_r(&at_s, &tm);
    if (strftime(room, CTL_TIME_BYTES, "%Y-%m-%d %H:%M:%S", &tm) == 0)
        snprintf(room, CTL_TIME_BYTES, "%lld", (long long)at_ms);
    return room;
}
