#include "calendar/calendar.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_put.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"
#include "store_t.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NOW_S INT64_C(1790000000) /* 2026-09-21 */
#define DAY_S INT64_C(86400)

struct bench {
    struct t_store *t;
    struct calendar *calendar;
    const struct directory *directory;
    const struct directory_person *alice;
    int64_t calendar_id;
};

static enum st find_calendar(struct store_tx *tx, void *arg)
{
    struct bench *b = arg;
    struct store_calendar calendar;
    enum st st = calendar_ensure(tx, b->t->arena, b->t->account_id, 1000);

    if (st == ST_OK)
        st = store_calendar_find(tx, b->t->arena, b->t->account_id, SLICE("calendar"), &calendar);
    b->calendar_id = calendar.calendar_id;
    return st;
}

static enum st add_person(struct store_tx *tx, void *arg)
{
    return store_document_put(tx, &(struct store_document){.kind = SLICE("person"),
                                                           .name = SLICE("alice"),
                                                           .modified_ms = 1,
                                                           .body = SLICE("full_name = Alice\n")});
}

static struct bench begin(struct t_store *t)
{
    struct bench b = {.t = t};

    assert_int_equal(store_write(t->store, add_person, NULL), ST_OK);
    assert_int_equal(directory_open(t->store), ST_OK);
    b.calendar = calendar_new(&(struct calendar_context){t->store, NULL, "test"});
    b.directory = directory_ref();
    b.alice = directory_login(b.directory, SLICE("alice"));
    assert_non_null(b.alice);
    assert_int_equal(b.alice->account_id, t->account_id);
    assert_int_equal(store_write(t->store, find_calendar, &b), ST_OK);
    return b;
}

static void end(struct bench *b)
{
    calendar_free(&b->calendar);
    directory_unref(&b->directory);
    directory_close();
}

static struct calendar_put ask(const struct bench *b, const char *name, struct slice body)
{
    return (struct calendar_put){.owner = b->alice,
                                 .calendar_id = b->calendar_id,
                                 .name = slice_str(name),
                                 .body = body,
                                 .now_ms = NOW_S * 1000};
}

/* An event of an hour, on the given day from NOW_S, with more lines. */
static struct slice event_text(struct arena *arena, const char *uid, int day, const char *more)
{
    AUTO(buf) struct buf text = BUF(64 * KIB);
    struct ical_civil c = ical_civil(NOW_S + day * DAY_S);

    buf_putf(&text,
             "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test//EN\r\nBEGIN:VEVENT\r\n"
             "UID:%s\r\nDTSTAMP:20260101T000000Z\r\nDTSTART:%04d%02d%02dT100000Z\r\n"
             "DURATION:PT1H\r\nSUMMARY:x\r\n%sEND:VEVENT\r\nEND:VCALENDAR\r\n",
             uid, c.year, c.month, c.day, more);
    return arena_copy(arena, buf_slice(&text));
}

struct rows {
    struct bench *b;
    struct buf text;
    size_t count;
};

static enum st note_row(void *ctx, const struct store_busytime *row)
{
    struct rows *rows = ctx;

    buf_putf(&rows->text, "%lld-%lld:%d ", (long long)row->start_s, (long long)row->end_s,
             (int)row->kind);
    rows->count++;
    return ST_OK;
}

static enum st read_rows(struct store_tx *tx, void *arg)
{
    struct rows *rows = arg;

    buf_clear(&rows->text);
    rows->count = 0;
    return store_busytime_each(tx, rows->b->t->account_id, ICAL_LOCAL_MIN, ICAL_LOCAL_MAX, note_row,
                               rows);
}

static size_t row_count(struct bench *b)
{
    struct rows rows = {.b = b};

    buf_init(&rows.text, MIB);
    assert_int_equal(store_read(b->t->store, read_rows, &rows), ST_OK);
    buf_fini(&rows.text);
    return rows.count;
}

static void conditions_hold_or_nothing_changes(struct t_store *t)
{
    struct bench b = begin(t);
    struct calendar_put put = ask(&b, "a.ics", event_text(t->arena, "a", 1, ""));

    assert_int_equal(calendar_put(b.calendar, &put), ST_OK);
    assert_true(put.created);
    assert_int_equal(put.schedule_tag, 0);
    uint64_t etag = put.etag;

    put = ask(&b, "a.ics", event_text(t->arena, "a", 2, ""));
    put.if_none = true;
    assert_int_equal(calendar_put(b.calendar, &put), ST_CONFLICT);
    put.if_none = false;
    put.if_etag = etag + 1;
    assert_int_equal(calendar_put(b.calendar, &put), ST_CONFLICT);
    put.if_etag = etag;
    assert_int_equal(calendar_put(b.calendar, &put), ST_OK);
    assert_false(put.created);
    assert_true(put.etag > etag);

    put.body = (struct slice){NULL, 0};
    put.if_etag = etag;
    assert_int_equal(calendar_put(b.calendar, &put), ST_CONFLICT);
    put.if_etag = CALENDAR_ANY;
    assert_int_equal(calendar_put(b.calendar, &put), ST_OK);
    assert_int_equal(row_count(&b), 0);
    put.if_etag = 0;
    assert_int_equal(calendar_put(b.calendar, &put), ST_NOT_FOUND);
    end(&b);
}

static void what_is_no_object_is_refused_by_its_precondition(struct t_store *t)
{
    static const struct {
        const char *body;
        enum calendar_fault fault;
    } cases[] = {
        {"hello", CALENDAR_VALID_DATA},
        {"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n", CALENDAR_VALID_DATA},
        {"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\nUID:a\r\n"
         "DTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
         CALENDAR_VALID_OBJECT},
        {"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VFREEBUSY\r\nUID:a\r\n"
         "DTSTAMP:20260101T000000Z\r\nEND:VFREEBUSY\r\nEND:VCALENDAR\r\n",
         CALENDAR_COMPONENT},
        {"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n"
         "DTSTART:20260101T000000Z\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:b\r\n"
         "DTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
         CALENDAR_VALID_OBJECT},
        {"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nUID:a\r\nDTSTAMP:20260101T000000Z\r\n"
         "DTSTART:20260101T000000Z\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nUID:a\r\n"
         "DTSTAMP:20260101T000000Z\r\nDTSTART:20260101T000000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n",
         CALENDAR_VALID_OBJECT},
    };
    struct bench b = begin(t);

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct calendar_put put = ask(&b, "a.ics", slice_str(cases[i].body));

        assert_int_equal(calendar_put(b.calendar, &put), ST_INVALID);
        if (put.fault != cases[i].fault)
            print_error("case %zu: %s: %s\n", i, calendar_fault_element(put.fault), put.error.text);
        assert_int_equal(put.fault, cases[i].fault);
        assert_true(put.error.text[0] != 0);
    }
    end(&b);
}

static void the_object_with_the_same_uid_is_named(struct t_store *t)
{
    struct bench b = begin(t);
    struct calendar_put put = ask(&b, "a.ics", event_text(t->arena, "a", 1, ""));

    assert_int_equal(calendar_put(b.calendar, &put), ST_OK);
    put.name = SLICE("b.ics");
    assert_int_equal(calendar_put(b.calendar, &put), ST_INVALID);
    assert_int_equal(put.fault, CALENDAR_UID_CONFLICT);
    assert_string_equal(put.conflict, "a.ics");
    put = ask(&b, "a.ics", event_text(t->arena, "other", 1, ""));
    assert_int_equal(calendar_put(b.calendar, &put), ST_INVALID);
    assert_int_equal(put.fault, CALENDAR_UID_CONFLICT);
    end(&b);
}

static void one_that_is_refused_spoils_no_other(struct t_store *t)
{
    struct bench b = begin(t);
    struct calendar_put puts[] = {
        ask(&b, "a.ics", event_text(t->arena, "a", 1, "")),
        ask(&b, "b.ics", SLICE("hello")),
        ask(&b, "c.ics", event_text(t->arena, "a", 2, "")), /* has the UID of the first */
        ask(&b, "d.ics", event_text(t->arena, "d", 3, "")),
        ask(&b, "gone.ics", (struct slice){NULL, 0}),
        ask(&b, "a.ics", event_text(t->arena, "a", 4, "")),
    };

    assert_int_equal(calendar_put_many(b.calendar, puts, COUNT(puts)), ST_OK);
    assert_int_equal(puts[0].st, ST_OK);
    assert_true(puts[0].created);
    assert_int_equal(puts[1].st, ST_INVALID);
    assert_int_equal(puts[1].fault, CALENDAR_VALID_DATA);
    assert_int_equal(puts[2].st, ST_INVALID);
    assert_int_equal(puts[2].fault, CALENDAR_UID_CONFLICT);
    assert_string_equal(puts[2].conflict, "a.ics");
    assert_int_equal(puts[3].st, ST_OK);
    assert_int_equal(puts[4].st, ST_NOT_FOUND);
    assert_int_equal(puts[5].st, ST_OK);
    assert_false(puts[5].created);
    assert_true(puts[5].etag > puts[0].etag);
    assert_int_equal(row_count(&b), 2);
    end(&b);
}

/* --- busytime is what a fresh expansion of all events says --- */

#define NAMES 12

static struct slice random_event(struct arena *arena, unsigned *seed, const char *uid)
{
    static const char *const more[] = {
        "",
        "TRANSP:TRANSPARENT\r\n",
        "STATUS:TENTATIVE\r\n",
        "STATUS:CANCELLED\r\n",
        "RRULE:FREQ=DAILY;COUNT=5\r\n",
        "RRULE:FREQ=DAILY\r\n",
        "RRULE:FREQ=WEEKLY;BYDAY=MO,FR;COUNT=300\r\n",
        "RRULE:FREQ=MONTHLY;BYMONTHDAY=31\r\n",
        "RDATE:20270101T000000Z,20270102T000000Z\r\n",
        "RRULE:FREQ=YEARLY;UNTIL=20300101T000000Z\r\nEXDATE:20270921T100000Z\r\n",
    };

    return event_text(arena, uid, rand_r(seed) % 2000 - 1000,
                      more[(unsigned)rand_r(seed) % COUNT(more)]);
}

/* The rows of one object as they should be. */
static void expand_fresh(struct bench *b, struct slice body, struct buf *lines, int64_t id)
{
    const struct conf *conf = conf_get();
    bool repeats = slice_find_slice(body, SLICE("RRULE")) != SIZE_MAX ||
                   slice_find_slice(body, SLICE("RDATE")) != SIZE_MAX;
    const struct calendar_busy_ask ask = {
        .from_s = repeats ? NOW_S - (int64_t)conf->busytime_past_days * DAY_S : ICAL_LOCAL_MIN,
        .until_s = repeats ? NOW_S + (int64_t)conf->busytime_ahead_days * DAY_S : ICAL_LOCAL_MAX,
        .unanswered = STORE_BUSY_TENTATIVE,
        .rows_max = 100000,
        .steps_max = ICAL_RECUR_STEPS_MAX};
    struct calendar_busy_set set;
    struct ical_error error;
    struct ical_comp *comps;

    assert_int_equal(ical_parse(b->t->arena, body, &ical_limits_default, &comps, &error), ST_OK);
    struct ical_tz *tz = ical_tz_new(b->t->arena, comps, NULL);
    assert_int_equal(calendar_busy_expand(b->t->arena, comps, tz, &ask, &set, &error), ST_OK);
    for (size_t i = 0; i < set.count; i++)
        buf_putf(lines, "%020lld-%lld:%d/%lld\n", (long long)set.rows[i].start_s,
                 (long long)set.rows[i].end_s, (int)set.rows[i].kind, (long long)id);
}

struct all {
    struct bench *b;
    struct buf stored, fresh;
};

static enum st note_stored(void *ctx, const struct store_busytime *row)
{
    struct all *all = ctx;

    buf_putf(&all->stored, "%020lld-%lld:%d/%lld\n", (long long)row->start_s, (long long)row->end_s,
             (int)row->kind, (long long)row->event_id);
    return ST_OK;
}

static enum st note_fresh(void *ctx, const struct store_event *event)
{
    struct all *all = ctx;

    expand_fresh(all->b, arena_copy(all->b->t->arena, event->body), &all->fresh, event->event_id);
    return ST_OK;
}

static enum st read_both(struct store_tx *tx, void *arg)
{
    struct all *all = arg;

    buf_clear(&all->stored);
    buf_clear(&all->fresh);
    enum st st = store_busytime_each(tx, all->b->t->account_id, ICAL_LOCAL_MIN, ICAL_LOCAL_MAX,
                                     note_stored, all);
    return st != ST_OK ? st : store_event_each(tx, all->b->calendar_id, true, note_fresh, all);
}

static int line_cmp(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void sort_lines(struct arena *arena, struct buf *text)
{
    struct slice *lines = arena_many(arena, struct slice, text->len / 10 + 2);
    struct slice rest = arena_copy(arena, buf_slice(text));
    struct slice line;
    size_t count = 0;

    while (slice_split(&rest, '\n', &line))
        if (line.len > 0)
            lines[count++] = line;
    qsort(lines, count, sizeof(*lines), line_cmp);
    buf_clear(text);
    for (size_t i = 0; i < count; i++)
        buf_putf(text, "%.*s\n", SLICE_ARG(lines[i]));
}

static void compare(struct bench *b)
{
    struct all all = {.b = b};

    buf_init(&all.stored, 16 * MIB);
    buf_init(&all.fresh, 16 * MIB);
    assert_int_equal(store_read(b->t->store, read_both, &all), ST_OK);
    sort_lines(b->t->arena, &all.stored);
    sort_lines(b->t->arena, &all.fresh);
    assert_true(slice_eq(buf_slice(&all.stored), buf_slice(&all.fresh)));
    buf_fini(&all.stored);
    buf_fini(&all.fresh);
}

static void busytime_is_a_fresh_expansion_after_any_history(struct t_store *t)
{
    struct bench b = begin(t);
    unsigned seed = 7;

    for (int i = 0; i < 300; i++) {
        char name[16];
        unsigned n = (unsigned)rand_r(&seed) % NAMES;

        snprintf(name, sizeof(name), "%u.ics", n);
        struct calendar_put put = ask(&b, name, (struct slice){NULL, 0});
        if (rand_r(&seed) % 4 != 0)
            put.body = random_event(t->arena, &seed, name);
        enum st st = calendar_put(b.calendar, &put);
        assert_true(st == ST_OK || (st == ST_NOT_FOUND && put.body.ptr == NULL));
        if (i % 30 == 29)
            compare(&b);
        if (i % 50 == 49)
            arena_reset(t->arena);
    }
    end(&b);
}

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(conditions_hold_or_nothing_changes),
        T_CASE(what_is_no_object_is_refused_by_its_precondition),
        T_CASE(the_object_with_the_same_uid_is_named),
        T_CASE(one_that_is_refused_spoils_no_other),
        T_CASE(busytime_is_a_fresh_expansion_after_any_history),
    };

    return t_run(cases, COUNT(cases));
}
