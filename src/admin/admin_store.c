#include "admin/admin_call.h"
#include "base/mem.h"
#include "log/log.h"
#include "store/store_check.h"
#include "store/store_dump.h"
#include "sys/sys_time.h"

#include <stdlib.h>

#define PROGRESS_EVERY_MS 200

struct checking {
    struct admin_call *call;
    struct http_out *out;
    bool deep;
    bool gone; /* the peer; the check itself cannot be broken off */
    uint64_t told_ms;
};

static void write_line(struct checking *checking, json_t *object)
{
    AUTO(buf) struct buf line = BUF(64 * KIB);
    char *text = json_dumps(object, JSON_COMPACT);

    buf_putf(&line, "%s\n", text);
    checking->gone = checking->gone || http_out_add(checking->out, buf_slice(&line)) != ST_OK;
    free(text);
    json_decref(object);
}

static void on_fault(void *ctx, const char *sentence)
{
    write_line(ctx, json_pack("{s:o}", "fault", admin_json_text(slice_str(sentence))));
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct checking *checking = ctx;
    uint64_t now_ms = sys_mono_ms();

    if (now_ms - checking->told_ms < PROGRESS_EVERY_MS)
        return;
    checking->told_ms = now_ms;
    write_line(checking,
               json_pack("{s:I, s:I}", "done", (json_int_t)done, "total", (json_int_t)total));
}

static enum st check_produce(struct admin_call *call, struct http_out *out)
{
    struct checking *checking = call->mine;
    const struct store_check check = {
        .deep = checking->deep, .fault = on_fault, .progress = on_progress, .ctx = checking};
    uint64_t faults = 0;

    checking->out = out;
    enum st st = store_check(call->context->store, &check, &faults);
    if (st == ST_OK)
        write_line(checking, json_pack("{s:I}", "faults", (json_int_t)faults));
    return st;
}

enum st admin_store_check(struct admin_call *call)
{
    struct checking *checking = mem_new(struct checking);

    call->mine = checking;
    call->release = mem_free;
    call->type = "application/x-ndjson";
    call->produce = check_produce;
    return admin_arg_bool(call, "deep", &checking->deep);
}

static enum st dump_bytes(void *ctx, struct slice bytes)
{
    return http_out_add(ctx, bytes);
}

static enum st backup_produce(struct admin_call *call, struct http_out *out)
{
    return store_dump(call->context->store, dump_bytes, out, NULL);
}

enum st admin_store_backup(struct admin_call *call)
{
    call->type = "application/octet-stream";
    call->produce = backup_produce;
    return ST_OK;
}
