#include "admin/admin_calendar.h"
#include "admin/admin_lines.h"
#include "calendar/calendar_check.h"

struct checking {
    struct admin_lines lines;
    bool gone; /* the peer */
};

static void on_fault(void *ctx, const char *sentence)
{
    struct checking *c = ctx;

    c->gone = c->gone ||
              admin_lines_put(&c->lines, json_pack("{s:o}", "fault",
                                                   admin_json_text(slice_str(sentence)))) != ST_OK;
}

static enum st check_produce(struct admin_call *call, struct http_out *out)
{
    const struct admin_calendar *of = call->mine;
    struct checking c = {.gone = false};
    struct calendar_check check = {.calendar = of->calendar, .fault = on_fault, .ctx = &c};

    admin_lines_init(&c.lines, out);
    enum st st = calendar_check_account(&check, of->name);
    if (st == ST_OK)
        st = admin_lines_put(&c.lines, json_pack("{s:I, s:I}", "faults", (json_int_t)check.faults,
                                                 "objects", (json_int_t)check.objects));
    if (st == ST_OK)
        st = admin_lines_flush(&c.lines);
    admin_lines_fini(&c.lines);
    return st;
}

static enum st find_body(struct store_tx *tx, void *arg)
{
    return admin_calendar_find(tx, arg);
}

enum st admin_calendar_check(struct admin_call *call)
{
    struct admin_calendar *of;
    enum st st = admin_calendar_new(call, NULL, &of);

    if (st == ST_OK)
        st = store_read(call->context->store, find_body, of);
    call->type = "application/x-ndjson";
    call->produce = check_produce;
    return st;
}
