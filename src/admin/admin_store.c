#include "admin/admin_call.h"
#include "base/arena.h"
#include "base/mem.h"
#include "calendar/calendar_check.h"
#include "log/log.h"
#include "store/store_account.h"
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

/* --- calendars --- */

struct names {
    struct arena *arena;
    struct slice *at;
    size_t count, cap;
};

static enum st note_name(void *ctx, const struct store_account *account)
{
    struct names *names = ctx;

    if (names->count == names->cap)
        names->at =
            arena_grow(names->arena, names->at, names->count, &names->cap, sizeof(*names->at));
    names->at[names->count++] = arena_copy(names->arena, slice_str(account->name));
    return ST_OK;
}

static enum st names_body(struct store_tx *tx, void *arg)
{
    struct names *names = arg;

    names->count = 0;
    return store_account_each(tx, note_name, names);
}

/* What the store cannot know: whether objects are what is kept about them. */
static enum st check_calendars(struct checking *checking, uint64_t *faults)
{
    const struct admin_context *context = checking->call->context;
    struct calendar_check check = {
        .calendar = context->calendar, .fault = on_fault, .ctx = checking};
    struct names names = {.arena = checking->call->arena};
    enum st st = context->calendar != NULL ? store_read(context->store, names_body, &names) : ST_OK;

    for (size_t i = 0; st == ST_OK && i < names.count; i++) {
        st = calendar_check_account(&check, names.at[i]);
        *faults += check.faults;
        on_progress(checking, i + 1, names.count);
        if (st == ST_NOT_FOUND)
            st = ST_OK;
    }
    return st;
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
        st = check_calendars(checking, &faults);
    if (st == ST_OK)
        write_line(checking, json_pack("{s:I}", "faults", (json_int_t)faults));
    return st;
}

enum st admin_store_check(struct admin_call *call)
{
    struct checking *checking = mem_new(struct checking);

    checking->call = call;
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
