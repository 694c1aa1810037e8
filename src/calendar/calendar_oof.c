#include "calendar/calendar_oof.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_mail.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router.h"
#include "store/store_blob.h"
#include "store/store_queue.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <string.h>

#define ARENA_BYTES_MAX (128 * MIB)
#define HEADER_BYTES_MAX (64 * KIB)
#define RETURN_PATH "Return-Path: <>\r\n"

const char *calendar_oof_why(enum calendar_oof what)
{
    static const char *const whys[] = {
#define CALENDAR_OOF(id, why) why,
#include "calendar/calendar_oof.def"
#undef CALENDAR_OOF
    };
    static_assert(COUNT(whys) == CALENDAR_OOF_MAX, "one sentence for each");

    return whys[what];
}

/* A task at work. */
struct work {
    struct calendar *calendar;
    struct store *store;
    const struct store_task *task;
    const struct directory *directory;
    struct arena *arena;
    struct store_account account;
    struct store_calendar_account settings;
    struct slice sender; /* in lower case */
    struct buf header;
    bool header_whole;
    int64_t now_ms;
    bool ended; /* the reply's transaction ends the task */
    bool stale; /* they were changed before that: it is judged anew */
};

/* --- what is known --- */

static enum st read_settings(struct store_tx *tx, void *arg)
{
    struct work *w = arg;
    enum st st = store_account_get(tx, w->task->account_id, &w->account);

    return st != ST_OK
               ? st
               : store_calendar_account_get(tx, w->arena, w->task->account_id, &w->settings);
}

/* ST_AGAIN ends the reading. */
static enum st keep_header(void *ctx, struct slice text)
{
    struct work *w = ctx;

    buf_put(&w->header, slice_sub(text, 0, w->header.bytes_max - w->header.len));
    size_t end = slice_find_slice(buf_slice(&w->header), SLICE("\r\n\r\n"));
    if (end == SIZE_MAX)
        return w->header.len == w->header.bytes_max ? ST_AGAIN : ST_OK;
    w->header.len = end + 2;
    w->header_whole = true;
    return ST_AGAIN;
}

/* A message without a body is all header. */
static enum st read_header(struct work *w)
{
    enum st st = blob_each(w->store, w->task->blob_id, 0, HEADER_BYTES_MAX, keep_header, w);

    if (st == ST_OK)
        w->header_whole = w->header.len < HEADER_BYTES_MAX;
    return st == ST_AGAIN ? ST_OK : st;
}

/* --- without a reply --- */

static enum st end_body(struct store_tx *tx, void *arg)
{
    const struct work *w = arg;
    enum st st = store_task_done(tx, w->task);

    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st end_silent(struct work *w, enum calendar_oof what)
{
    enum st st = store_write(w->store, end_body, w);

    if (st == ST_OK)
        log_event(EV_OOF_SILENT, 0, LOG_S("guid", w->task->body), LOG_C("account", w->account.name),
                  LOG_S("from", w->task->sender), LOG_C("why", calendar_oof_why(what)));
    return st;
}

/* --- with one --- */

static bool differs(const struct store_calendar_account *a, const struct store_calendar_account *b)
{
    return a->oof != b->oof || a->oof_from_ms != b->oof_from_ms ||
           a->oof_until_ms != b->oof_until_ms ||
           !slice_eq(a->oof_inside_text, b->oof_inside_text) ||
           !slice_eq(a->oof_outside_text, b->oof_outside_text);
}

/* Whoever changes them has forgotten who was answered: a text of before is not to count as told. */
static enum st look_again(struct store_tx *tx, struct work *w)
{
    struct store_calendar_account now;
    enum st st = store_calendar_account_hold(tx, w->task->account_id);

    if (st == ST_OK)
        st = store_calendar_account_get(tx, w->arena, w->task->account_id, &now);
    w->stale = st == ST_OK && differs(&now, &w->settings);
    return w->stale ? ST_EXISTS : st;
}

/* ST_EXISTS: the sender had one, or stale; ST_NOT_FOUND: somebody else did the task. */
static enum st reply_body(struct store_tx *tx, void *arg)
{
    struct work *w = arg;
    int64_t since_ms = w->now_ms - (int64_t)(conf_get()->oof_repeat_days * DAY_MS);
    enum st st = store_task_done(tx, w->task);

    w->ended = false;
    if (st == ST_OK)
        st = look_again(tx, w);
    if (st == ST_OK)
        st = store_oof_claim(tx, w->task->account_id, w->sender, since_ms, w->now_ms);
    w->ended = st == ST_OK;
    return st;
}

static enum st write_reply(const struct work *w, const struct directory_person *person,
                           struct slice own, const struct router_message *message, bool inside,
                           struct buf *text, bool *utf8_r)
{
    const struct calendar_oof_text reply = {.name = slice_str(person->full_name),
                                            .from = own,
                                            .to = w->task->sender,
                                            .header = buf_slice(&w->header),
                                            .text = inside ? w->settings.oof_inside_text
                                                           : w->settings.oof_outside_text,
                                            .guid = slice_str(message->guid),
                                            .host = slice_str(calendar_server_name(w->calendar)),
                                            .now_ms = w->now_ms};

    buf_put(text, SLICE(RETURN_PATH));
    calendar_oof_text_write(&reply, text, utf8_r);
    if (text->over)
        return ST_TOO_BIG;
    enum st st = blob_writer_add(message->body, buf_slice(text));
    return st == ST_OK ? blob_writer_end(message->body) : st;
}

static enum st accept_reply(struct work *w, struct router_message *message,
                            const struct router_rcpt *rcpt, struct slice text)
{
    enum st st = calendar_mail_accept(w->calendar, message, text);

    if (st == ST_OK && w->ended)
        log_event(EV_OOF_REPLIED, 0, LOG_S("guid", w->task->body),
                  LOG_C("account", w->account.name), LOG_S("to", rcpt->address),
                  LOG_C("report", message->guid));
    return st;
}

static enum st send_reply(struct work *w, const struct directory_person *person, struct slice own,
                          bool inside, struct router_targets *targets)
{
    AUTO(buf) struct buf text = BUF(CALENDAR_OOF_TEXT_BYTES_MAX + sizeof(RETURN_PATH));
    struct router_rcpt rcpt = {.address = w->task->sender, .notify = ROUTER_NOTIFY_NEVER};
    /* Of what becomes of it nobody is told. */
    struct router_message message = {.body = blob_writer_new(w->store),
                                     .now_ms = w->now_ms,
                                     .sender = SLICE(""),
                                     .origin = SLICE("out of office"),
                                     .flags = STORE_ENVELOPE_LAST,
                                     .body_offset = sizeof(RETURN_PATH) - 1,
                                     .rcpts = &rcpt,
                                     .rcpt_count = 1,
                                     .targets = targets,
                                     .also = reply_body,
                                     .also_arg = w};
    bool utf8 = false;

    sys_guid(message.guid);
    enum st st = write_reply(w, person, own, &message, inside, &text, &utf8);
    message.flags |= utf8 ? STORE_ENVELOPE_UTF8 : 0;
    if (st == ST_OK)
        st = accept_reply(w, &message, &rcpt, buf_slice(&text));
    blob_writer_free(&message.body);
    return st;
}

static bool resolve(const struct work *w, struct router_targets *targets)
{
    struct router_reach reach;
    size_t at = slice_find_last(w->task->sender, '@');
    enum router_verdict verdict =
        router_resolve(w->directory, slice_sub(w->task->sender, 0, at),
                       slice_sub(w->task->sender, at + 1, SIZE_MAX), targets, &reach);

    return verdict == ROUTER_OK || verdict == ROUTER_FOREIGN;
}

static enum st reply(struct work *w, const struct directory_person *person, struct slice own,
                     bool inside)
{
    struct router_targets targets = {.arena = w->arena};

    if (!resolve(w, &targets))
        return end_silent(w, CALENDAR_OOF_NO_SENDER);
    enum st st = send_reply(w, person, own, inside, &targets);
    if (st == ST_NOT_FOUND || w->stale)
        return ST_OK;
    if (st == ST_EXISTS)
        return end_silent(w, CALENDAR_OOF_ANSWERED);
    /* The mailbox it was to go to is gone: nothing was kept. */
    return st == ST_OK && !w->ended ? end_silent(w, CALENDAR_OOF_NO_SENDER) : st;
}

/* --- a task --- */

static enum st judge(struct work *w)
{
    enum st st = store_read(w->store, read_settings, w);

    if (st == ST_OK)
        st = read_header(w);
    if (st == ST_NOT_FOUND) /* the account or the message is gone, and its tasks with it */
        return store_write(w->store, end_body, w);
    if (st != ST_OK)
        return st;
    const struct directory_person *person =
        directory_login(w->directory, slice_str(w->account.name));
    if (person == NULL)
        return end_silent(w, CALENDAR_OOF_OFF);
    const struct calendar_oof_question question = {.directory = w->directory,
                                                   .person = person,
                                                   .account = &w->settings,
                                                   .header = buf_slice(&w->header),
                                                   .header_cut = !w->header_whole,
                                                   .sender = w->task->sender,
                                                   .now_ms = w->now_ms};
    struct slice own = SLICE("");
    enum calendar_oof what = calendar_oof_decide(&question, w->arena, &own);
    if (what != CALENDAR_OOF_INSIDE && what != CALENDAR_OOF_OUTSIDE)
        return end_silent(w, what);
    return reply(w, person, own, what == CALENDAR_OOF_INSIDE);
}

enum st calendar_oof_work(struct calendar *calendar, const struct store_task *task)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct work w = {.calendar = calendar,
                     .store = calendar_store(calendar),
                     .task = task,
                     .directory = directory,
                     .arena = arena_new("out of office", ARENA_BYTES_MAX),
                     .now_ms = sys_now_ms()};

    buf_init(&w.header, HEADER_BYTES_MAX);
    w.sender = slice_lower(w.arena, task->sender);
    enum st st;
    do {
        w.stale = w.header_whole = false;
        buf_clear(&w.header);
        st = judge(&w);
    } while (st == ST_OK && w.stale);
    buf_fini(&w.header);
    arena_free(&w.arena);
    return st;
}

/* --- setting it --- */

enum st calendar_oof_change(struct store_tx *tx, const struct store_calendar_account *wanted)
{
    struct store_calendar_account now;

    if (wanted->oof == STORE_OOF_SCHEDULED && wanted->oof_until_ms != 0 &&
        wanted->oof_until_ms <= wanted->oof_from_ms)
        return ST_INVALID;
    struct arena *arena = arena_new("out of office", MIB);
    enum st st = store_calendar_account_get(tx, arena, wanted->account_id, &now);
    bool other = st == ST_OK && differs(&now, wanted);
    now.oof = wanted->oof;
    now.oof_from_ms = wanted->oof_from_ms;
    now.oof_until_ms = wanted->oof_until_ms;
    now.oof_external = wanted->oof_external;
    now.oof_inside_text = wanted->oof_inside_text;
    now.oof_outside_text = wanted->oof_outside_text;
    if (st == ST_OK)
        st = store_calendar_account_set(tx, &now);
    arena_free(&arena);
    return st == ST_OK && other ? store_oof_forget(tx, wanted->account_id) : st;
}
