#include "calendar_t.h"

#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_work.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"
#include "store/store_task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- persons --- */

struct adding {
    struct t_calendar *b;
    const char *name, *document;
    char guid[33];
    int64_t id;
};

static enum st put_document(struct store_tx *tx, const struct adding *a)
{
    return store_document_put(tx, &(struct store_document){.kind = SLICE("person"),
                                                           .name = slice_str(a->name),
                                                           .modified_ms = 1,
                                                           .body = slice_str(a->document)});
}

static enum st add_body(struct store_tx *tx, void *arg)
{
    struct adding *a = arg;
    struct store_account account;
    enum st st = store_account_find(tx, slice_str(a->name), &account);

    if (st == ST_NOT_FOUND)
        st = store_account_add(tx, slice_str(a->name), a->guid, 1000, &account.account_id);
    if (st == ST_OK)
        st = put_document(tx, a);
    return st != ST_OK ? st : calendar_ensure(tx, a->b->t->arena, account.account_id, sys_now_ms());
}

static void add_person(struct t_calendar *b, const char *name, const char *document)
{
    struct adding a = {.b = b, .name = name, .document = document};

    sys_guid(a.guid);
    assert_int_equal(store_write(b->t->store, add_body, &a), ST_OK);
}

void t_person_add(struct t_calendar *b, const char *name, const char *document)
{
    add_person(b, name, document);
    directory_reload();
}

static enum st remove_body(struct store_tx *tx, void *arg)
{
    return store_document_delete(tx, &(struct store_document){.kind = SLICE("person"),
                                                              .name = slice_str(arg),
                                                              .modified_ms = 2});
}

void t_person_remove(struct t_calendar *b, const char *name)
{
    assert_int_equal(store_write(b->t->store, remove_body, (void *)(uintptr_t)name), ST_OK);
    directory_reload();
}

struct t_calendar t_calendar_begin(struct t_store *t, const char *bobs)
{
    struct t_calendar b = {.t = t};

    add_person(&b, "alice", "full_name = Alice\n");
    add_person(&b, "bob", bobs != NULL ? bobs : "full_name = Bob\n");
    add_person(&b, "carol", "full_name = Carol\n");
    assert_int_equal(directory_open(t->store), ST_OK);
    b.calendar = calendar_new(&(struct calendar_context){t->store, NULL, "test"});
    return b;
}

void t_calendar_end(struct t_calendar *b)
{
    calendar_free(&b->calendar);
    directory_close();
}

/* --- questions --- */

/* Each in a transaction of its own; its arena is the caller's, so that threads may ask. */
struct asking {
    struct t_calendar *b;
    struct arena *arena;
    int64_t account_id;
    const char *who, *name, *uid;
    const char *text;
    struct t_object object;
    struct store_calendar calendar;
    size_t count;
    struct slice newest;
};

static enum st account_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;
    struct store_account account;
    enum st st = store_account_find(tx, slice_str(a->who), &account);

    a->account_id = account.account_id;
    return st;
}

static void ask(struct asking *a, struct t_calendar *b, const char *who, store_body *body)
{
    const struct directory *directory = directory_ref();
    const struct directory_person *person = directory_login(directory, slice_str(who));
    struct directory_found found;

    if (person == NULL && directory_find(directory, slice_str(who), SLICE(T_DOMAIN), &found))
        person = found.person;
    a->b = b;
    a->arena = b->t->arena;
    a->who = slice_cstr(b->t->arena, slice_str(person != NULL ? person->name : who));
    directory_unref(&directory);
    assert_int_equal(store_read(b->t->store, account_body, a), ST_OK);
    if (body != NULL)
        assert_int_equal(store_read(b->t->store, body, a), ST_OK);
}

int64_t t_account_of(struct t_calendar *b, const char *name)
{
    struct asking a = {.b = b};

    ask(&a, b, name, NULL);
    return a.account_id;
}

static enum st calendar_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;

    return store_calendar_find(tx, a->arena, a->account_id, slice_str(a->name), &a->calendar);
}

int64_t t_calendar_named(struct t_calendar *b, const char *who, const char *name)
{
    struct asking a = {.name = name};

    ask(&a, b, who, calendar_body);
    return a.calendar.calendar_id;
}

static enum st calendar_add_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;
    const struct store_calendar add = {.account_id = a->account_id,
                                       .name = slice_str(a->name),
                                       .title = slice_str(a->name),
                                       .components = STORE_COMPONENTS_ALL};

    return store_calendar_add(tx, &add, &a->calendar.calendar_id);
}

int64_t t_calendar_new(struct t_calendar *b, const char *who, const char *name)
{
    struct asking a = {.name = name};

    ask(&a, b, who, NULL);
    assert_int_equal(store_write(b->t->store, calendar_add_body, &a), ST_OK);
    return a.calendar.calendar_id;
}

static char *unfolded(struct arena *arena, struct slice text)
{
    char *out = arena_many(arena, char, text.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (i + 2 < text.len && memcmp(text.ptr + i, "\r\n ", 3) == 0)
            i += 2;
        else
            out[len++] = text.ptr[i];
    }
    out[len] = '\0';
    return out;
}

static enum st object_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;
    enum st st =
        store_event_find_uid(tx, a->arena, a->account_id, slice_str(a->uid), &a->object.event);

    a->object.there = st == ST_OK;
    a->object.text =
        st == ST_OK ? unfolded(a->arena, a->object.event.body) : arena_many(a->arena, char, 1);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

struct t_object t_object(struct t_calendar *b, const char *who, const char *uid)
{
    struct asking a = {.uid = uid};

    ask(&a, b, who, object_body);
    return a.object;
}

static struct ical_comp *parsed(struct t_calendar *b, const char *text)
{
    struct ical_comp *comps;
    struct ical_error error;

    assert_int_equal(ical_parse(b->t->arena, slice_str(text), &ical_limits_default, &comps, &error),
                     ST_OK);
    return comps;
}

const char *t_attendee(struct t_calendar *b, struct t_object object, const char *who,
                       const char *param)
{
    char address[100];

    assert_true(object.there);
    snprintf(address, sizeof(address), "mailto:%s@", who);
    for (struct ical_comp *comp = parsed(b, object.text)->comps; comp != NULL; comp = comp->next)
        for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
             prop = ical_prop_next(prop))
            if (slice_istarts(prop->value, slice_str(address)))
                return slice_cstr(b->t->arena, ical_param_text(prop, param));
    return "";
}

char *t_replaced(struct t_calendar *b, const char *text, const char *from, const char *to)
{
    AUTO(buf) struct buf out = BUF(MIB);
    const char *at = strstr(text, from);

    assert_non_null(at);
    buf_putf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    return (char *)(uintptr_t)slice_cstr(b->t->arena, buf_slice(&out));
}

static enum st note_newest(void *ctx, const struct store_event *event)
{
    struct asking *a = ctx;

    a->count++;
    a->newest = arena_copy(a->arena, event->body);
    return ST_OK;
}

static enum st inbox_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;
    struct store_calendar inbox;
    enum st st = store_calendar_find(tx, a->arena, a->account_id, SLICE("inbox"), &inbox);

    a->count = 0;
    return st != ST_OK ? st : store_event_each(tx, inbox.calendar_id, true, note_newest, a);
}

size_t t_inbox_count(struct t_calendar *b, const char *who)
{
    struct asking a = {.b = b};

    ask(&a, b, who, inbox_body);
    return a.count;
}

const char *t_inbox_text(struct t_calendar *b, const char *who)
{
    struct asking a = {.b = b};

    ask(&a, b, who, inbox_body);
    assert_true(a.count > 0);
    return unfolded(b->t->arena, a.newest);
}

static enum st count_row(void *ctx, const struct store_busytime *row)
{
    struct asking *a = ctx;

    a->count += row->kind != STORE_BUSY_FREE;
    return ST_OK;
}

static enum st busy_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;

    a->count = 0;
    return store_busytime_each(tx, a->account_id, ICAL_LOCAL_MIN, ICAL_LOCAL_MAX, count_row, a);
}

size_t t_busy_count(struct t_calendar *b, const char *who)
{
    struct asking a = {.b = b};

    ask(&a, b, who, busy_body);
    return a.count;
}

static enum st tasks_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;
    int64_t ids[100];
    int64_t next_ms;

    return store_task_due(tx, INT64_MAX, ids, COUNT(ids), &a->count, &next_ms);
}

size_t t_task_count(struct t_calendar *b)
{
    struct asking a = {.b = b};

    assert_int_equal(store_read(b->t->store, tasks_body, &a), ST_OK);
    return a.count;
}

static enum st count_line(void *ctx, const struct store_calendar_line *line)
{
    struct asking *a = ctx;

    a->count++;
    if (a->text != NULL && slice_find_slice(line->text, slice_str(a->text)) != SIZE_MAX)
        a->object.there = true;
    return ST_OK;
}

static enum st record_body(struct store_tx *tx, void *arg)
{
    struct asking *a = arg;

    a->count = 0;
    return store_calendar_log_each(tx, a->account_id, 10000, count_line, a);
}

size_t t_record_count(struct t_calendar *b, const char *who)
{
    struct asking a = {.b = b};

    ask(&a, b, who, record_body);
    return a.count;
}

void t_record_has(struct t_calendar *b, const char *who, const char *what)
{
    struct asking a = {.text = what};

    ask(&a, b, who, record_body);
    if (!a.object.there)
        fail_msg("the record of %s has nothing of: %s", who, what);
}

/* --- storing --- */

void t_day(char *out, int day)
{
    struct ical_civil c = ical_civil(sys_now_ms() / 1000 + day * T_DAY_S);

    snprintf(out, T_DATE_BYTES, "%04d%02u%02u", c.year % 10000, c.month, c.day);
}

void t_meeting_text(struct buf *text, const char *uid, int day, const char *more, const char *who)
{
    char date[T_DATE_BYTES];

    t_day(date, day);
    buf_putf(text,
             "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\n"
             "UID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:%sT100000Z\r\n"
             "DURATION:PT1H\r\nSUMMARY:x\r\nORGANIZER:mailto:%s@" T_DOMAIN
             "\r\n%s"
             "END:VEVENT\r\nEND:VCALENDAR\r\n",
             uid, date, who, more);
}

static struct t_put put_object(struct t_calendar *b, const char *who, const char *uid,
                               struct slice text, uint64_t schedule_tag)
{
    const struct directory *directory = directory_ref();
    struct asking a = {.uid = uid, .name = "calendar"};
    char name[100];
    struct t_put result = {0};

    ask(&a, b, who, object_body);
    snprintf(name, sizeof(name), "%s.ics", b->name != NULL ? b->name : uid);
    bool there = b->name == NULL && b->calendar_id == 0 && a.object.there &&
                 a.object.event.calendar_id != STORE_EVENT_UNSEEN;
    if (there)
        a.calendar.calendar_id = a.object.event.calendar_id;
    else if (b->calendar_id != 0)
        a.calendar.calendar_id = b->calendar_id;
    else
        assert_int_equal(store_read(b->t->store, calendar_body, &a), ST_OK);
    result.put = (struct calendar_put){.owner = directory_login(directory, slice_str(a.who)),
                                       .calendar_id = a.calendar.calendar_id,
                                       .name = there ? a.object.event.name : slice_str(name),
                                       .body = text,
                                       .if_etag = b->if_etag,
                                       .if_schedule_tag = schedule_tag,
                                       .quiet = b->quiet,
                                       .now_ms = sys_now_ms()};
    assert_non_null(result.put.owner);
    result.st = calendar_put(b->calendar, &result.put);
    directory_unref(&directory);
    return result;
}

struct t_put t_put(struct t_calendar *b, const char *who, const char *uid, struct slice text)
{
    return put_object(b, who, uid, text, 0);
}

struct t_put t_put_if(struct t_calendar *b, const char *who, const char *uid, const char *text,
                      uint64_t schedule_tag)
{
    return put_object(b, who, uid, slice_str(text), schedule_tag);
}

struct t_put t_meeting_put(struct t_calendar *b, const char *who, const char *uid, int day,
                           const char *more)
{
    AUTO(buf) struct buf text = BUF(MIB);

    t_meeting_text(&text, uid, day, more, who);
    return put_object(b, who, uid, buf_slice(&text), 0);
}

struct t_put t_answer(struct t_calendar *b, const char *who, const char *uid, const char *partstat)
{
    AUTO(buf) struct buf text = BUF(MIB);
    const struct directory *directory = directory_ref();
    struct t_object object = t_object(b, who, uid);
    const struct directory_person *person = directory_login(directory, slice_str(who));

    assert_true(object.there);
    struct ical_comp *vcalendar = parsed(b, object.text);
    for (struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        for (struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
             prop = ical_prop_next(prop)) {
            size_t at = slice_find_last(prop->value, '@');

            if (directory_owns(directory, person, slice_sub(prop->value, 7, at - 7),
                               slice_sub(prop->value, at + 1, prop->value.len)))
                ical_param_set(b->t->arena, prop, "PARTSTAT", slice_str(partstat));
        }
    directory_unref(&directory);
    ical_write(vcalendar, &text);
    return put_object(b, who, uid, buf_slice(&text), 0);
}

struct t_put t_remove(struct t_calendar *b, const char *who, const char *uid)
{
    return put_object(b, who, uid, (struct slice){NULL, 0}, 0);
}

/* --- tasks --- */

struct leaving {
    struct store_task task;
    int64_t id;
};

static enum st leave_body(struct store_tx *tx, void *arg)
{
    struct leaving *leaving = arg;

    return store_task_add(tx, &leaving->task, &leaving->id);
}

int64_t t_task_leave(struct t_calendar *b, const struct store_task *task)
{
    struct leaving leaving = {.task = *task};

    assert_int_equal(store_write(b->t->store, leave_body, &leaving), ST_OK);
    return leaving.id;
}

int64_t t_task_add(struct t_calendar *b, const char *from, const char *to, const char *text)
{
    char sender[100], rcpt[100];
    struct store_task task = {
        .account_id = t_account_of(b, from), .kind = STORE_TASK_ITIP, .body = slice_str(text)};

    snprintf(sender, sizeof(sender), "mailto:%s@" T_DOMAIN, from);
    snprintf(rcpt, sizeof(rcpt), "mailto:%s@" T_DOMAIN, to);
    task.sender = slice_str(sender);
    task.rcpt = slice_str(rcpt);
    return t_task_leave(b, &task);
}

void t_message(struct t_calendar *b, const char *from, const char *to, const char *text)
{
    struct calendar_round round = {.calendar = b->calendar, .count = 1};

    round.ids[0] = t_task_add(b, from, to, text);
    calendar_round_do(&round);
    assert_int_equal(t_task_count(b), 0);
}
