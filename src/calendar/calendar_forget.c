#include "calendar/calendar_forget.h"

#include "calendar/calendar.h"
#include "calendar/calendar_write.h"
#include "conf/conf.h"
#include "store/store_event.h"

#define AT_ONCE 50
#define DAY_S INT64_C(86400)

struct forgetting {
    int64_t now_ms;
    struct store_event events[AT_ONCE]; /* without their texts */
    size_t count;
};

static enum st note(void *ctx, const struct store_event *event)
{
    struct forgetting *f = ctx;

    f->events[f->count++] = *event;
    return ST_OK;
}

static enum st body(struct store_tx *tx, void *arg)
{
    struct forgetting *f = arg;
    int64_t age_s = (int64_t)conf_get()->calendar_unseen_days * DAY_S;

    f->count = 0;
    enum st st = store_event_unseen(tx, conf_get()->calendar_unseen_max, f->now_ms - age_s * 1000,
                                    f->now_ms / 1000, AT_ONCE, note, f);
    for (size_t i = 0; st == ST_OK && i < f->count; i++)
        st = store_event_remove(tx, &f->events[i]);
    return st;
}

enum st calendar_forget(struct calendar *calendar, int64_t now_ms, size_t *count_r)
{
    struct forgetting f = {.now_ms = now_ms};
    enum st st = calendar_transact(calendar, body, &f);

    *count_r = f.count;
    return st;
}
