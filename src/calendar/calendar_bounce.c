/* A scheduling message that did not arrive: the object of who sent it says so (RFC 6638 section
 * 3.2.9). */
#include "calendar/calendar_bounce.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_imip.h"
#include "calendar/calendar_schedule.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "mime/mime_header.h"
#include "router/router.h"
#include "router/router_task.h"
#include "store/store_queue.h"
#include "sys/sys_time.h"

#define ARENA_BYTES_MAX GIB
#define LINE_BYTES_MAX (4 * KIB)
#define ANSWER_SHOWN_MAX 600
#define STATUS_BYTES_MAX (64 * KIB)
#define REPORTED_MAX 100 /* recipients of a report */

/* "5.1.1" among the first words: its subject and detail (RFC 3463). */
static bool read_enhanced(struct slice answer, uint64_t *subject_r, uint64_t *detail_r)
{
    struct slice word;

    for (int i = 0; i < 2 && slice_split(&answer, ' ', &word); i++) {
        struct slice rest = word;
        struct slice class, subject;

        if (slice_split(&rest, '.', &class) && slice_split(&rest, '.', &subject) &&
            class.len == 1 && slice_to_u64(subject, subject_r) == ST_OK &&
            slice_to_u64(rest, detail_r) == ST_OK)
            return true;
    }
    return false;
}

const char *calendar_bounce_status(struct slice answer)
{
    uint64_t subject = 0;
    uint64_t detail = 0;
    struct slice code = slice_sub(answer, 0, 3);

    if (!read_enhanced(answer, &subject, &detail)) /* RFC 5321 section 4.2.3 */
        return slice_eq(code, SLICE("550")) || slice_eq(code, SLICE("553")) ? "5.2" : "5.1";
    if (subject == 1) /* 5.1.7 and 5.1.8 are the sender's */
        return detail == 7 || detail == 8 ? "5.1" : "5.2";
    if (subject == 4) /* no host, no route, a loop */
        return detail == 4 || detail == 6 ? "5.2" : "5.1";
    return subject == 7 ? "5.3" : "5.1";
}

enum st calendar_bounce_leave(struct calendar_round *round, struct store_tx *tx,
                              const struct calendar_bounce *bounce, int64_t now_ms)
{
    AUTO(buf) struct buf body = BUF(ical_limits_default.bytes_max + STORE_ANSWER_BYTES_MAX + 1);
    struct store_task task = {.account_id = bounce->account_id,
                              .kind = STORE_TASK_BOUNCE,
                              .sender = bounce->sender,
                              .rcpt = bounce->rcpts};

    buf_putf(&body, "%.*s\n", SLICE_ARG(slice_sub(bounce->answer, 0, STORE_ANSWER_BYTES_MAX)));
    buf_put(&body, bounce->text);
    task.body = buf_slice(&body);
    return body.over ? ST_TOO_BIG : calendar_round_add(round, tx, &task, now_ms);
}

/* --- the task --- */

struct bounced {
    struct calendar_round *round;
    const struct store_task *task;
    const struct directory *directory;
    const struct directory_person *person;
    struct arena *arena;
    struct arena *tx_arena; /* of one run of the body */
    struct slice account;   /* its name */
    struct slice answer;
    struct ical_comp *message;
    struct slice status; /* of a report */
    size_t round_count;  /* what it held before */
    bool noted;          /* somebody is there to be told */
    int64_t now_ms;
    struct ical_error error;
};

static enum st read_part(struct bounced *b, const struct mime_part *part)
{
    size_t bytes_max = conf_get()->calendar_object_bytes_max;
    AUTO(buf) struct buf raw = BUF(2 * bytes_max);
    enum st st = calendar_imip_bytes(calendar_store(b->round->calendar), b->task->blob_id,
                                     part->body_start, part->body_end, &raw);

    if (st == ST_OK && calendar_imip_read(b->arena, part, arena_copy(b->arena, buf_slice(&raw)),
                                          bytes_max, &b->message, &b->error) != ST_OK)
        b->message = NULL;
    return st;
}

/* b->message stays NULL where there is none to be read. */
static enum st read_message(struct bounced *b)
{
    const struct mime_part *root;
    struct slice text = b->task->body;

    (void)slice_split(&text, '\n', &b->answer);
    if (b->task->blob_id == 0) {
        if (ical_parse(b->arena, text, &ical_limits_default, &b->message, &b->error) != ST_OK)
            b->message = NULL;
        return ST_OK;
    }
    enum st st =
        calendar_imip_root(calendar_store(b->round->calendar), b->arena, b->task->blob_id, &root);
    const struct mime_part *part = st == ST_OK ? router_task_imip_part(root) : NULL;
    return part != NULL ? read_part(b, part) : st;
}

static struct slice uid_of(const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (comp->id != ICAL_VTIMEZONE)
            return ical_prop_value(comp, ICAL_UID);
    return SLICE("");
}

static enum st note(struct bounced *b, struct store_tx *tx, const char *status)
{
    AUTO(buf) struct buf text = BUF(LINE_BYTES_MAX);
    struct slice rest = b->task->rcpt;
    struct slice rcpt;

    buf_putf(&text, "%s was not delivered (%s) to",
             calendar_itip_method_name(calendar_itip_method(b->message)), status);
    for (const char *mark = ""; slice_split(&rest, '\n', &rcpt); mark = ",")
        buf_putf(&text, "%s %.*s", mark, SLICE_ARG(calendar_address_mail(rcpt)));
    if (text.len > LINE_BYTES_MAX - ANSWER_SHOWN_MAX || text.over)
        text.len = LINE_BYTES_MAX - ANSWER_SHOWN_MAX;
    buf_putf(&text, ": %.*s", SLICE_ARG(b->answer));
    const struct store_calendar_line line = {
        .at_ms = b->now_ms, .uid = uid_of(b->message), .text = buf_slice(&text)};
    return store_calendar_log(tx, b->task->account_id, &line);
}

static struct calendar_itip_failure failure_of(const struct bounced *b, struct arena *arena)
{
    struct calendar_itip_failure failure = {.message = b->message,
                                            .status = slice_str(calendar_bounce_status(b->answer))};
    struct slice rest = b->task->rcpt;
    struct slice rcpt;
    size_t cap = 0;

    while (slice_split(&rest, '\n', &rcpt)) {
        if (failure.count == cap)
            failure.rcpts = arena_grow(arena, failure.rcpts, failure.count, &cap, sizeof(rcpt));
        failure.rcpts[failure.count++] = calendar_address(arena, rcpt);
    }
    return failure;
}

static enum st work_body(struct store_tx *tx, void *arg)
{
    struct bounced *b = arg;

    arena_reset(b->tx_arena);
    const struct calendar_itip_failure failure = failure_of(b, b->tx_arena);
    const struct calendar_arrival arrival = {.round = b->round,
                                             .directory = b->directory,
                                             .person = b->person,
                                             .address =
                                                 calendar_address(b->tx_arena, b->task->sender),
                                             .message = b->message,
                                             .now_ms = b->now_ms,
                                             .arena = b->tx_arena};
    enum st st = store_task_done(tx, b->task);
    if (st == ST_OK)
        st = calendar_schedule_undelivered(tx, &arrival, &failure, &b->error);
    return st == ST_OK ? note(b, tx, calendar_bounce_status(b->answer)) : st;
}

/* Nobody is there to be told, or nothing to be read; or the object cannot take it (a quota), and it
 * is on record alone. */
static enum st end_body(struct store_tx *tx, void *arg)
{
    struct bounced *b = arg;
    enum st st = store_task_done(tx, b->task);

    return st == ST_OK && b->noted ? note(b, tx, calendar_bounce_status(b->answer)) : st;
}

static enum st work(struct bounced *b)
{
    struct store *store = calendar_store(b->round->calendar);
    enum st st = calendar_task_account(store, b->task, b->arena, &b->account);

    if (st == ST_OK)
        st = read_message(b);
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    b->person = st == ST_OK ? directory_login(b->directory, b->account) : NULL;
    b->noted = b->person != NULL && b->message != NULL;
    if (b->noted) {
        st = store_write(store, work_body, b);
        if (st == ST_OK)
            log_event(EV_CALENDAR_UNDELIVERED, 0, LOG_S("account", b->account),
                      LOG_S("uid", uid_of(b->message)), LOG_S("rcpt", b->task->rcpt),
                      LOG_S("answer", b->answer));
        if (st == ST_OK || st == ST_IO || st == ST_AGAIN || st == ST_CONFLICT)
            return st;
    }
    return store_write(store, end_body, b);
}

static enum st run(struct calendar_round *round, const struct store_task *task,
                   enum st fn(struct bounced *b))
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct bounced b = {.round = round,
                        .task = task,
                        .directory = directory,
                        .arena = arena_new("bounce", ARENA_BYTES_MAX),
                        .tx_arena = arena_new("bounce", ARENA_BYTES_MAX),
                        .round_count = round->count,
                        .now_ms = sys_now_ms()};
    enum st st = fn(&b);

    arena_free(&b.tx_arena);
    arena_free(&b.arena);
    return st == ST_NOT_FOUND ? ST_OK : st; /* somebody else did the task */
}

enum st calendar_bounce_work(struct calendar_round *round, const struct store_task *task)
{
    return run(round, task, work);
}

/* --- a report that came --- */

/* "rfc822; bob@b.test" */
static struct slice behind_type(struct slice value)
{
    size_t semicolon = slice_find(value, ';');

    return slice_trim(semicolon == SIZE_MAX ? value : slice_sub(value, semicolon + 1, SIZE_MAX));
}

static struct slice field_of(struct arena *arena, struct slice group, const char *name)
{
    struct mime_field field;

    return mime_field_find(group, slice_str(name), &field)
               ? slice_trim(mime_unfold(arena, field.value))
               : SLICE("");
}

/* The fields up to a blank line, taken off *rest; false at the end. */
static bool next_group(struct slice *rest, struct slice *group_r)
{
    struct mime_field field;

    while (rest->len > 0 && (rest->ptr[0] == '\r' || rest->ptr[0] == '\n'))
        *rest = slice_sub(*rest, 1, SIZE_MAX);
    *group_r = *rest;
    while (mime_field_next(rest, &field))
        continue;
    group_r->len -= rest->len;
    return group_r->len > 0;
}

bool calendar_bounce_next(struct arena *arena, struct slice *rest,
                          struct calendar_bounce_rcpt *rcpt_r)
{
    AUTO(buf) struct buf answer = BUF(STORE_ANSWER_BYTES_MAX);
    struct slice group;
    uint64_t subject;
    uint64_t detail;

    while (next_group(rest, &group)) {
        struct slice original = behind_type(field_of(arena, group, "Original-Recipient"));
        struct slice final = behind_type(field_of(arena, group, "Final-Recipient"));
        struct slice said = behind_type(field_of(arena, group, "Diagnostic-Code"));
        struct slice status = field_of(arena, group, "Status");

        rcpt_r->address = original.len > 0 ? original : final;
        if (rcpt_r->address.len == 0 || slice_find(rcpt_r->address, '\n') != SIZE_MAX ||
            !slice_ieq(field_of(arena, group, "Action"), SLICE("failed")))
            continue;
        if (!read_enhanced(said, &subject, &detail))
            buf_putf(&answer, "%.*s ", (int)(status.len < 20 ? status.len : 20), status.ptr);
        buf_put(&answer, slice_sub(said, 0, answer.bytes_max - answer.len));
        rcpt_r->answer = arena_copy(arena, slice_trim(buf_slice(&answer)));
        return true;
    }
    return false;
}

/* A task for each recipient that failed. */
static enum st spread_body(struct store_tx *tx, void *arg)
{
    struct bounced *b = arg;
    AUTO(buf) struct buf text = BUF(ical_limits_default.bytes_max);
    struct slice rest = b->status;
    struct calendar_bounce_rcpt rcpt;
    enum st st = store_task_done(tx, b->task);

    ical_write(b->message, &text);
    b->round->count = b->round_count;
    arena_reset(b->tx_arena);
    for (size_t i = 0; st == ST_OK && i < REPORTED_MAX && !text.over; i++) {
        if (!calendar_bounce_next(b->tx_arena, &rest, &rcpt))
            break;
        const struct calendar_bounce bounce = {.account_id = b->task->account_id,
                                               .sender = b->task->rcpt,
                                               .rcpts = rcpt.address,
                                               .answer = rcpt.answer,
                                               .text = buf_slice(&text)};
        st = calendar_bounce_leave(b->round, tx, &bounce, b->now_ms);
    }
    return st;
}

/* Anybody can write one. From outside it is taken as imip_accept takes what is known; it
 * changes nothing but the status of an attendee in an object that is here. */
static bool is_believed(struct bounced *b)
{
    enum calendar_imip_accept accept = calendar_imip_accept(conf_get()->imip_accept);
    struct slice origin = b->task->body;
    struct slice guid, kind;

    if (accept == CALENDAR_IMIP_OFF || !slice_split(&origin, ' ', &guid) ||
        !slice_split(&origin, ' ', &kind))
        return false;
    return accept != CALENDAR_IMIP_INSIDE || slice_eq(kind, SLICE(ROUTER_HANDED_OVER));
}

static enum st work_report(struct bounced *b)
{
    AUTO(buf) struct buf text = BUF(STATUS_BYTES_MAX);
    struct store *store = calendar_store(b->round->calendar);
    const struct mime_part *root;
    const struct mime_part *imip = NULL;
    const struct mime_part *status = NULL;
    enum st st = calendar_imip_root(store, b->arena, b->task->blob_id, &root);

    if (st == ST_OK && root != NULL && is_believed(b))
        status = router_task_report_part(root, &imip);
    if (status != NULL) {
        st = calendar_imip_bytes(store, b->task->blob_id, status->body_start, status->body_end,
                                 &text);
        b->status = arena_copy(b->arena, buf_slice(&text));
        if (st == ST_OK)
            st = read_part(b, imip);
    }
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    return store_write(store, b->message != NULL ? spread_body : end_body, b);
}

enum st calendar_report_work(struct calendar_round *round, const struct store_task *task)
{
    return run(round, task, work_report);
}
