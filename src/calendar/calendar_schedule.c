#include "calendar/calendar_schedule.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_bounce.h"
#include "calendar/calendar_imip.h"
#include "calendar/calendar_principal.h"
#include "directory/directory.h"
#include "log/log.h"
#include "store/store_queue.h"
#include "sys/sys_time.h"

#include <string.h>

#define RCPTS_BYTES_MAX (1 * MIB)
#define AT_ONCE 16       /* accounts of one transaction */
#define MAIL_AT_ONCE 100 /* recipients of one mail (RFC 5321 section 4.5.3.1.8) */
#define WORK_BYTES_MAX GIB

/* --- out --- */

/* Fills in what the message and its recipients make of the task. */
static enum st make_task(struct arena *arena, const struct ical_comp *vcalendar,
                         const struct buf *rcpts, struct store_task *task)
{
    AUTO(buf) struct buf text = BUF(ical_limits_default.bytes_max);

    ical_write(vcalendar, &text);
    if (text.over || rcpts->over)
        return ST_TOO_BIG;
    task->body = arena_copy(arena, buf_slice(&text));
    task->rcpt = buf_slice(rcpts);
    task->topic = calendar_schedule_topic(arena, vcalendar, task->body, task->rcpt);
    return ST_OK;
}

enum st calendar_schedule_send(struct calendar_round *round, struct store_tx *tx,
                               struct arena *arena, const struct calendar_outgoing *outgoing)
{
    AUTO(buf) struct buf rcpts = BUF(RCPTS_BYTES_MAX);
    struct store_task task = {
        .account_id = outgoing->account_id, .kind = STORE_TASK_ITIP, .sender = outgoing->sender};
    const struct calendar_itip_messages *messages = outgoing->messages;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < messages->count; i++) {
        const struct calendar_itip_message *message = &messages->at[i];

        buf_putf(&rcpts, "%s%.*s", rcpts.len > 0 ? "\n" : "", SLICE_ARG(message->recipient));
        if (i + 1 < messages->count && messages->at[i + 1].vcalendar == message->vcalendar)
            continue;
        st = make_task(arena, message->vcalendar, &rcpts, &task);
        if (st == ST_OK)
            st = calendar_round_add(round, tx, &task, outgoing->now_ms);
        buf_clear(&rcpts);
    }
    return st;
}

/* --- on the way --- */

const struct directory_person *calendar_schedule_person(const struct directory *directory,
                                                        struct slice address)
{
    const struct directory_person *person = calendar_principal_of(directory, address);

    return person != NULL && person->account_id != 0 ? person : NULL;
}

struct working {
    struct calendar_round *round;
    const struct store_task *task;
    const struct directory *directory;
    size_t round_count; /* what it held before */
    struct ical_comp *message;
    struct arena *arena;    /* the message's */
    struct arena *tx_arena; /* of one run of the body */
    struct slice rcpts[MAIL_AT_ONCE];
    const struct directory_person *persons[MAIL_AT_ONCE];
    size_t count;
    struct slice rest;
    size_t at; /* whom it is delivered to */
    bool refused[AT_ONCE];
    const char *why[AT_ONCE];  /* of the refused, in arena */
    const char *code[AT_ONCE]; /* of the refused, as a mail server would say it */
    bool gone;                 /* the task is somebody else's */
    struct ical_error error;
};

static const struct calendar_itip_policy policy = {.crashers = false};

/* A part of the recipients: those who come first and are all here, or all elsewhere. */
static bool take_rcpts(struct working *w)
{
    struct slice rest = w->task->rcpt;
    struct slice line;
    bool here = false;

    w->rest = rest;
    while (w->count < (here ? AT_ONCE : MAIL_AT_ONCE) && slice_split(&rest, '\n', &line)) {
        const struct directory_person *person = calendar_schedule_person(w->directory, line);

        if (w->count > 0 && here != (person != NULL))
            break;
        here = person != NULL;
        w->rcpts[w->count] = line;
        w->persons[w->count++] = person;
        w->rest = rest;
    }
    return here;
}

/* In the order of account ids, so that no two transactions wait for each other. */
static void sort_persons(struct working *w)
{
    for (size_t i = 1; i < w->count; i++)
        for (size_t j = i; j > 0 && w->persons[j - 1]->account_id > w->persons[j]->account_id;
             j--) {
            const struct directory_person *person = w->persons[j];
            struct slice rcpt = w->rcpts[j];

            w->persons[j] = w->persons[j - 1];
            w->rcpts[j] = w->rcpts[j - 1];
            w->persons[j - 1] = person;
            w->rcpts[j - 1] = rcpt;
        }
}

static enum st end_part(struct store_tx *tx, struct working *w)
{
    enum st st =
        w->rest.len == 0 ? store_task_done(tx, w->task) : store_task_rest(tx, w->task, w->rest);

    w->gone = st == ST_NOT_FOUND;
    return st;
}

/* On record with him, and his object says it, who sent it (RFC 6638 section 3.2.9). */
static enum st tell_sender(struct store_tx *tx, struct working *w, int64_t now_ms)
{
    AUTO(buf) struct buf answer = BUF(STORE_ANSWER_BYTES_MAX);

    buf_putf(&answer, "%s %s", w->code[w->at], w->why[w->at]);
    const struct calendar_bounce bounce = {.account_id = w->task->account_id,
                                           .sender = w->task->sender,
                                           .rcpts = w->rcpts[w->at],
                                           .answer = buf_slice(&answer),
                                           .text = w->task->body};
    return calendar_bounce_leave(w->round, tx, &bounce, now_ms);
}

static enum st note_refused(struct store_tx *tx, struct working *w)
{
    AUTO(buf) struct buf text = BUF(4000);
    const struct ical_comp *comp = w->message->comps;

    while (comp != NULL && comp->id == ICAL_VTIMEZONE)
        comp = comp->next;
    buf_putf(&text, "%s from %.*s to %.*s: %s",
             calendar_itip_method_name(calendar_itip_method(w->message)),
             SLICE_ARG(w->task->sender), SLICE_ARG(w->rcpts[w->at]), w->why[w->at]);
    int64_t now_ms = sys_now_ms();
    const struct store_calendar_line line = {.at_ms = now_ms,
                                             .uid = comp != NULL ? ical_prop_value(comp, ICAL_UID)
                                                                 : SLICE(""),
                                             .text = buf_slice(&text)};
    enum st st = store_calendar_log(tx, w->persons[w->at]->account_id, &line);

    return st == ST_OK ? tell_sender(tx, w, now_ms) : st;
}

/* Who does it together with others has locked the account before. */
static enum st lock_topic(struct store_tx *tx, const struct working *w)
{
    uint64_t modseq;
    uint64_t bytes_used;

    return w->task->topic.len == 0
               ? ST_OK
               : store_account_advance(tx, w->persons[0]->account_id, 0, 0, &modseq, &bytes_used);
}

static enum st arrive_body(struct store_tx *tx, void *arg)
{
    struct working *w = arg;
    enum st st = lock_topic(tx, w);

    if (st == ST_OK)
        st = end_part(tx, w);

    w->at = 0;
    w->error.text[0] = '\0';
    w->round->count = w->round_count;
    for (size_t i = 0; st == ST_OK && i < w->count; i++) {
        w->at = i;
        if (w->refused[i]) {
            st = note_refused(tx, w);
            continue;
        }
        arena_reset(w->tx_arena);
        const struct calendar_arrival arrival = {.round = w->round,
                                                 .directory = w->directory,
                                                 .person = w->persons[i],
                                                 .address = w->rcpts[i],
                                                 .sender = w->task->sender,
                                                 .policy = &policy,
                                                 .message = w->message,
                                                 .text = w->task->body,
                                                 .now_ms = sys_now_ms(),
                                                 .arena = w->tx_arena};
        st = calendar_schedule_arrive(tx, &arrival, &w->error);
    }
    return st;
}

static enum st done_body(struct store_tx *tx, void *arg)
{
    return store_task_done(tx, arg);
}

static void refuse(struct working *w, enum st why)
{
    const char *text = why == ST_FULL        ? "over quota"
                       : why == ST_NOT_FOUND ? "there is no account or calendar any more"
                       : why == ST_TOO_BIG   ? "too large"
                                             : w->error.text;

    w->refused[w->at] = true;
    w->code[w->at] = why == ST_FULL        ? "552 5.2.2"
                     : why == ST_NOT_FOUND ? "550 5.1.1"
                     : why == ST_TOO_BIG   ? "552 5.3.4"
                                           : "554 5.7.0";
    w->why[w->at] = slice_cstr(w->arena, slice_str(text));
    log_event(EV_CALENDAR_MESSAGE_REFUSED, 0, LOG_S("sender", w->task->sender),
              LOG_S("rcpt", w->rcpts[w->at]), LOG_C("why", w->why[w->at]));
}

/* What one recipient cannot take keeps it from nobody else. */
static enum st work_here(struct working *w)
{
    enum st st;

    sort_persons(w);
    memset(w->refused, 0, sizeof(w->refused));
    w->at = 0;
    w->round_count = w->round->count;
    for (;;) {
        st = store_write(calendar_store(w->round->calendar), arrive_body, w);
        if (st == ST_OK)
            return ST_OK;
        w->round->count = w->round_count;
        if (st == ST_IO || st == ST_AGAIN || w->gone || w->refused[w->at])
            return st;
        refuse(w, st);
    }
}

static enum st work_elsewhere(struct working *w)
{
    const struct calendar_imip_post post = {.calendar = w->round->calendar,
                                            .round = w->round,
                                            .task = w->task,
                                            .vcalendar = w->message,
                                            .rcpts = w->rcpts,
                                            .count = w->count,
                                            .rest = w->rest};
    enum st st = calendar_imip_send(&post);

    w->gone = st == ST_NOT_FOUND;
    return st;
}

/* The next of the task's recipients; a task that somebody else took is left to him. */
static enum st work_part(struct working *w)
{
    w->count = 0;
    w->gone = false;
    return take_rcpts(w) ? work_here(w) : work_elsewhere(w);
}

enum st calendar_schedule_work(struct calendar_round *round, const struct store_task *task)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct store_task part = *task;
    struct working w = {.round = round, .task = &part, .directory = directory};
    const struct directory_person *person =
        task->topic.len > 0 ? calendar_schedule_person(directory, task->rcpt) : NULL;
    enum st st =
        person != NULL ? calendar_replies_work(round, task, directory, person) : ST_INVALID;

    if (st != ST_INVALID)
        return st;
    st = ST_OK;
    w.arena = arena_new("scheduling", WORK_BYTES_MAX);
    w.tx_arena = arena_new("scheduling", WORK_BYTES_MAX);
    if (ical_parse(w.arena, task->body, &ical_limits_default, &w.message, &w.error) != ST_OK) {
        log_event(EV_CALENDAR_MESSAGE_REFUSED, 0, LOG_S("sender", task->sender),
                  LOG_S("rcpt", task->rcpt), LOG_C("why", w.error.text));
        st = store_write(calendar_store(round->calendar), done_body, &part);
        part.rcpt = SLICE("");
    }
    while (st == ST_OK && part.rcpt.len > 0) {
        st = work_part(&w);
        part.rcpt = w.rest;
    }
    arena_free(&w.tx_arena);
    arena_free(&w.arena);
    return w.gone ? ST_OK : st;
}
