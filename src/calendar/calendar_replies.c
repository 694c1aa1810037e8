/* Answers to one meeting that wait are done together: a meeting of many people is read and written
 * once for many of them. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_schedule.h"
#include "directory/directory.h"
#include "log/log.h"
#include "store/store_event.h"
#include "sys/sys_hash.h"
#include "sys/sys_time.h"

#include <stdio.h>

#define AT_ONCE 256               /* of one transaction */
#define TEXT_BYTES_MAX (16 * KIB) /* larger ones are done alone */
#define ADDRESS_BYTES_MAX 500
#define TOPIC_BYTES 32
#define TRIES_MAX 8 /* somebody else added one meanwhile */

static struct slice uid_of(const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (comp->id != ICAL_VTIMEZONE)
            return ical_prop_value(comp, ICAL_UID);
    return SLICE("");
}

struct slice calendar_schedule_topic(struct arena *arena, const struct ical_comp *message,
                                     struct slice text, struct slice rcpt)
{
    AUTO(buf) struct buf about = BUF(ADDRESS_BYTES_MAX + STORE_EVENT_UID_BYTES_MAX + 10);
    unsigned char digest[SYS_SHA256_BYTES];
    char topic[TOPIC_BYTES + 1];

    buf_putf(&about, "%.*s\n%.*s", SLICE_ARG(rcpt), SLICE_ARG(uid_of(message)));
    if (calendar_itip_method(message) != CALENDAR_ITIP_REPLY || about.over ||
        text.len > TEXT_BYTES_MAX || slice_find(rcpt, '\n') != SIZE_MAX)
        return SLICE("");
    sys_sha256(buf_slice(&about), digest);
    for (size_t i = 0; i < TOPIC_BYTES / 2; i++)
        snprintf(topic + 2 * i, 3, "%02x", digest[i]);
    return arena_copy(arena, slice_str(topic));
}

struct working {
    struct calendar_round *round;
    const struct store_task *task;
    const struct directory *directory;
    const struct directory_person *person;
    struct arena *arena; /* of one run of the body */
    size_t round_count;  /* what it held before */
    struct store_task *tasks;
    size_t count;
    struct calendar_reply *replies;
    size_t reply_count;
    struct ical_error error;
};

static const struct calendar_itip_policy policy = {.crashers = false};

/* What cannot be read is told in the log, and done. */
static void read_replies(struct working *w)
{
    w->replies = arena_many(w->arena, struct calendar_reply, w->count + 1);
    w->reply_count = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct store_task *task = &w->tasks[i];
        struct ical_comp *message;
        struct ical_error error;

        if (ical_parse(w->arena, task->body, &ical_limits_default, &message, &error) == ST_OK)
            w->replies[w->reply_count++] =
                (struct calendar_reply){message, task->body, task->sender};
        else
            log_event(EV_CALENDAR_MESSAGE_REFUSED, 0, LOG_S("sender", task->sender),
                      LOG_S("rcpt", task->rcpt), LOG_C("why", error.text));
    }
}

static enum st work_body(struct store_tx *tx, void *arg)
{
    struct working *w = arg;
    uint64_t modseq;
    uint64_t bytes_used;

    arena_reset(w->arena);
    w->round->count = w->round_count;
    w->tasks = arena_many(w->arena, struct store_task, AT_ONCE);
    w->count = 0;
    enum st st = store_account_advance(tx, w->person->account_id, 0, 0, &modseq, &bytes_used);
    if (st == ST_OK)
        st = store_task_topic(tx, w->arena, w->task->topic, w->tasks, AT_ONCE, &w->count);
    if (st == ST_OK)
        st = store_task_topic_done(tx, w->tasks, w->count);
    if (st != ST_OK || w->count == 0)
        return st;
    read_replies(w);
    const struct calendar_arrival common = {.round = w->round,
                                            .directory = w->directory,
                                            .person = w->person,
                                            .address = w->task->rcpt,
                                            .policy = &policy,
                                            .now_ms = sys_now_ms(),
                                            .arena = w->arena};
    return calendar_schedule_replies(tx, &common, w->replies, w->reply_count, &w->error);
}

/* Whether the task was among them, or before. */
static bool is_done(const struct working *w)
{
    return w->count < AT_ONCE || w->tasks[w->count - 1].task_id >= w->task->task_id;
}

enum st calendar_replies_work(struct calendar_round *round, const struct store_task *task,
                              const struct directory *directory,
                              const struct directory_person *person)
{
    struct working w = {.round = round,
                        .task = task,
                        .directory = directory,
                        .person = person,
                        .arena = arena_new("replies", GIB)};
    enum st st;

    do {
        w.round_count = round->count;
        st = ST_AGAIN;
        for (int i = 0; st == ST_AGAIN && i < TRIES_MAX; i++)
            st = store_write(calendar_store(round->calendar), work_body, &w);
    } while (st == ST_OK && !is_done(&w));
    if (st != ST_OK)
        round->count = w.round_count;
    arena_free(&w.arena);
    return st == ST_OK || st == ST_IO || st == ST_AGAIN ? st : ST_INVALID;
}
