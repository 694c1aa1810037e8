/* Scheduling in one store: alice invites, bob and carol answer; objects, inboxes, tags, records. */
#include "calendar/calendar.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_forget.h"
#include "calendar/calendar_put.h"
#include "calendar/calendar_work.h"
#include "calendar_t.h"
#include "conf/conf.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"
#include "store/store_task.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <stdlib.h>

#define BOB "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bob@" T_DOMAIN "\r\n"
#define CAROL "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:carol@" T_DOMAIN "\r\n"
#define BOTH BOB CAROL
#define DAILY "RRULE:FREQ=DAILY;COUNT=5\r\n"

/* "DTSTART:" so many days from today. */
static const char *at(int day, const char *time)
{
    static _Thread_local char text[64];
    char date[T_DATE_BYTES];

    t_day(date, day);
    snprintf(text, sizeof(text), "DTSTART:%s%s", date, time);
    return text;
}

static size_t t_occurs(const char *text, const char *what)
{
    size_t count = 0;

    for (const char *found = text; (found = strstr(found, what)) != NULL; found++)
        count++;
    return count;
}

static void lands_in_calendar_and_inbox_of_the_invited(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    struct t_object alice = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, alice, "bob", "SCHEDULE-STATUS"), "1.2");
    assert_string_equal(t_attendee(&b, alice, "bob", "PARTSTAT"), "NEEDS-ACTION");
    struct t_object bob = t_object(&b, "bob", "m");
    assert_int_equal(bob.event.calendar_id, t_calendar_named(&b, "bob", "calendar"));
    assert_int_equal(bob.event.schedule_tag, bob.event.modseq);
    assert_non_null(strstr(bob.text, at(1, "T100000Z")));
    assert_null(strstr(bob.text, "METHOD"));
    assert_null(strstr(bob.text, "SCHEDULE-STATUS"));
    assert_int_equal(t_inbox_count(&b, "bob"), 1);
    assert_int_equal(t_inbox_count(&b, "alice"), 0);
    assert_int_equal(t_busy_count(&b, "bob"), 1);
    assert_int_equal(t_task_count(&b), 0);
    t_record_has(&b, "bob", "REQUEST from mailto:alice@" T_DOMAIN);
    t_calendar_end(&b);
}

static void an_answer_is_seen_and_leaves_the_schedule_tag(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    struct t_object before = t_object(&b, "alice", "m");
    struct t_put put = t_answer(&b, "bob", "m", "ACCEPTED");
    assert_int_equal(put.st, ST_OK);
    struct t_object after = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, after, "bob", "PARTSTAT"), "ACCEPTED");
    assert_string_equal(t_attendee(&b, after, "carol", "PARTSTAT"), "NEEDS-ACTION");
    assert_int_equal(after.event.schedule_tag, before.event.schedule_tag);
    assert_true(after.event.modseq > before.event.modseq);
    assert_int_equal(t_inbox_count(&b, "alice"), 1);
    t_record_has(&b, "alice", "REPLY from mailto:bob@" T_DOMAIN);
    /* a client that had the object before can still write it, by its schedule tag */
    put = t_put_if(&b, "alice", "m", before.text, before.event.schedule_tag);
    assert_int_equal(put.st, ST_OK);
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "bob", "PARTSTAT"), "ACCEPTED");
    t_calendar_end(&b);
}

static void a_write_without_conditions_keeps_answers_it_has_not_seen(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    struct t_object before = t_object(&b, "alice", "m");
    assert_int_equal(t_answer(&b, "bob", "m", "ACCEPTED").st, ST_OK);
    struct t_put put =
        t_put(&b, "alice", "m", slice_str(t_replaced(&b, before.text, "SUMMARY:", "SUMMARY:new ")));
    assert_int_equal(put.st, ST_OK);
    struct t_object after = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, after, "bob", "PARTSTAT"), "ACCEPTED");
    assert_string_equal(t_attendee(&b, after, "bob", "SCHEDULE-STATUS"), "1.2");
    assert_string_equal(t_attendee(&b, after, "carol", "PARTSTAT"), "NEEDS-ACTION");
    assert_non_null(strstr(after.text, "SUMMARY:new "));
    assert_string_equal(t_attendee(&b, t_object(&b, "bob", "m"), "bob", "PARTSTAT"), "ACCEPTED");
    /* what he sees he may ask again (RFC 6638 section 3.2.8) */
    b.if_etag = after.event.modseq;
    put = t_put(&b, "alice", "m", slice_str(before.text));
    b.if_etag = 0;
    assert_int_equal(put.st, ST_OK);
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "bob", "PARTSTAT"),
                        "NEEDS-ACTION");
    t_calendar_end(&b);
}

static void a_move_asks_again(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    assert_int_equal(t_answer(&b, "bob", "m", "ACCEPTED").st, ST_OK);
    struct t_object before = t_object(&b, "bob", "m");
    assert_int_equal(t_meeting_put(&b, "alice", "m", 3, BOB).st, ST_OK);
    struct t_object after = t_object(&b, "bob", "m");
    assert_non_null(strstr(after.text, at(3, "T100000Z")));
    assert_string_equal(t_attendee(&b, after, "bob", "PARTSTAT"), "NEEDS-ACTION");
    assert_true(after.event.schedule_tag > before.event.schedule_tag);
    assert_true(slice_eq(after.event.name, before.event.name));
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "bob", "PARTSTAT"),
                        "NEEDS-ACTION");
    assert_int_equal(t_busy_count(&b, "bob"), 1);
    assert_int_equal(t_inbox_count(&b, "bob"), 2);
    t_calendar_end(&b);
}

static void what_is_cancelled_takes_no_time(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    assert_int_equal(t_answer(&b, "bob", "m", "ACCEPTED").st, ST_OK);
    assert_int_equal(t_remove(&b, "alice", "m").st, ST_OK);
    assert_false(t_object(&b, "alice", "m").there);
    struct t_object bob = t_object(&b, "bob", "m");
    assert_true(bob.there);
    assert_non_null(strstr(bob.text, "STATUS:CANCELLED"));
    assert_int_equal(t_busy_count(&b, "bob"), 0);
    assert_int_equal(t_busy_count(&b, "carol"), 0);
    t_record_has(&b, "carol", "CANCEL from mailto:alice@" T_DOMAIN);
    t_calendar_end(&b);
}

static void who_is_taken_off_the_list_is_told(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    assert_non_null(strstr(t_object(&b, "carol", "m").text, "STATUS:CANCELLED"));
    assert_int_equal(t_busy_count(&b, "carol"), 0);
    assert_null(strstr(t_object(&b, "bob", "m").text, "STATUS:CANCELLED"));
    assert_int_equal(t_busy_count(&b, "bob"), 1);
    t_calendar_end(&b);
}

static void what_was_deleted_is_declined_and_does_not_come_back(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    const char *first = t_inbox_text(&b, "bob");
    assert_int_equal(t_remove(&b, "bob", "m").st, ST_OK);
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "bob", "PARTSTAT"), "DECLINED");
    struct t_object bob = t_object(&b, "bob", "m");
    assert_int_equal(bob.event.calendar_id, STORE_EVENT_UNSEEN);
    assert_int_equal(t_busy_count(&b, "bob"), 0);
    /* late, and once more */
    t_message(&b, "alice", "bob", first);
    assert_int_equal(t_object(&b, "bob", "m").event.calendar_id, STORE_EVENT_UNSEEN);
    /* a new version is news */
    assert_int_equal(t_meeting_put(&b, "alice", "m", 2, BOTH).st, ST_OK);
    bob = t_object(&b, "bob", "m");
    assert_int_equal(bob.event.calendar_id, t_calendar_named(&b, "bob", "calendar"));
    assert_int_equal(t_busy_count(&b, "bob"), 1);
    t_calendar_end(&b);
}

static void a_cancel_may_come_first_to_several(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    AUTO(buf) struct buf text = BUF(64 * KIB);

    t_meeting_text(&text, "m", 1, BOTH "SEQUENCE:1\r\nSTATUS:CANCELLED\r\n", "alice");
    const char *cancel = t_replaced(&b, slice_cstr(t->arena, buf_slice(&text)), "BEGIN:VEVENT",
                                    "METHOD:CANCEL\r\nBEGIN:VEVENT");
    t_message(&b, "alice", "bob", cancel);
    t_message(&b, "alice", "carol", cancel);
    assert_int_equal(t_object(&b, "bob", "m").event.calendar_id, STORE_EVENT_UNSEEN);
    assert_int_equal(t_object(&b, "carol", "m").event.calendar_id, STORE_EVENT_UNSEEN);
    /* the invitation comes late */
    t_message(&b, "alice", "bob",
              t_replaced(&b, t_replaced(&b, cancel, "METHOD:CANCEL", "METHOD:REQUEST"),
                         "SEQUENCE:1\r\nSTATUS:CANCELLED\r\n", ""));
    assert_int_equal(t_busy_count(&b, "bob"), 0);
    t_calendar_end(&b);
}

static void quiet_removal_tells_nobody_and_is_remembered(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    const char *first = t_inbox_text(&b, "bob");
    b.quiet = true;
    assert_int_equal(t_remove(&b, "bob", "m").st, ST_OK);
    b.quiet = false;
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "bob", "PARTSTAT"),
                        "NEEDS-ACTION");
    t_message(&b, "alice", "bob", first);
    assert_int_equal(t_object(&b, "bob", "m").event.calendar_id, STORE_EVENT_UNSEEN);
    t_calendar_end(&b);
}

static void quiet_storing_invites_nobody(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    b.quiet = true;
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    assert_false(t_object(&b, "bob", "m").there);
    assert_int_equal(t_task_count(&b), 0);
    t_calendar_end(&b);
}

static void one_instance_alone(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    AUTO(buf) struct buf text = BUF(64 * KIB);
    char day[T_DATE_BYTES];

    t_day(day, 3);
    t_meeting_text(&text, "m", 1, DAILY BOB, "alice");
    text.len -= strlen("END:VCALENDAR\r\n");
    buf_putf(&text,
             "BEGIN:VEVENT\r\nUID:m\r\nDTSTAMP:20260101T000000Z\r\nSEQUENCE:0\r\n"
             "RECURRENCE-ID:%sT100000Z\r\nDTSTART:%sT150000Z\r\nDURATION:PT1H\r\n"
             "SUMMARY:other\r\nORGANIZER:mailto:alice@" T_DOMAIN "\r\n" BOTH
             "END:VEVENT\r\nEND:VCALENDAR\r\n",
             day, day);
    assert_int_equal(t_put(&b, "alice", "m", buf_slice(&text)).st, ST_OK);
    assert_int_equal(t_busy_count(&b, "bob"), 5);
    assert_int_equal(t_busy_count(&b, "carol"), 1);
    struct t_object carol = t_object(&b, "carol", "m");
    assert_null(strstr(carol.text, "RRULE"));
    assert_non_null(strstr(carol.text, "RECURRENCE-ID:"));
    assert_int_equal(t_answer(&b, "carol", "m", "ACCEPTED").st, ST_OK);
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "carol", "PARTSTAT"),
                        "ACCEPTED");
    /* bob declines that one alone */
    struct t_object bob = t_object(&b, "bob", "m");
    char *one = strstr(bob.text, "RECURRENCE-ID");
    assert_non_null(one);
    size_t before = (size_t)(one - bob.text);
    buf_clear(&text);
    buf_putf(&text, "%.*s%s", (int)before, bob.text,
             t_replaced(&b, one, "PARTSTAT=NEEDS-ACTION", "PARTSTAT=DECLINED"));
    assert_int_equal(t_put(&b, "bob", "m", buf_slice(&text)).st, ST_OK);
    assert_int_equal(t_busy_count(&b, "bob"), 4);
    const char *alice = t_object(&b, "alice", "m").text;
    assert_int_equal(t_occurs(alice, "PARTSTAT=DECLINED"), 1);
    assert_non_null(strstr(strstr(alice, "RECURRENCE-ID"), "PARTSTAT=DECLINED"));
    t_calendar_end(&b);
}

/* Of a series that alice's client has in the form before bob declined one instance. */
static void an_answer_to_an_instance_outlives_an_older_copy(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    AUTO(buf) struct buf text = BUF(64 * KIB);
    char day[T_DATE_BYTES];

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, DAILY BOTH).st, ST_OK);
    struct t_object before = t_object(&b, "alice", "m");
    t_day(day, 3);
    const char *bob = t_object(&b, "bob", "m").text;
    const char *master = strstr(bob, "BEGIN:VEVENT");
    const char *override = t_replaced(&b, master, "PARTSTAT=NEEDS-ACTION", "PARTSTAT=DECLINED");
    char id[128];
    snprintf(id, sizeof(id), "RECURRENCE-ID:%sT100000Z\r\nDTSTART:%sT100000Z\r\n", day, day);
    override = t_replaced(&b, override, DAILY, "");
    const char *start = strstr(override, "DTSTART:");
    buf_putf(&text, "%.*s%.*s%s%s", (int)(strlen(bob) - strlen("END:VCALENDAR\r\n")), bob,
             (int)(start - override), override, id, strchr(start, '\n') + 1);
    assert_int_equal(t_put(&b, "bob", "m", buf_slice(&text)).st, ST_OK);
    assert_int_equal(t_busy_count(&b, "bob"), 4);
    assert_int_equal(t_occurs(t_object(&b, "alice", "m").text, "PARTSTAT=DECLINED"), 1);
    uint64_t bobs = t_object(&b, "bob", "m").event.modseq;

    assert_int_equal(t_put_if(&b, "alice", "m",
                              t_replaced(&b, before.text, "END:VEVENT", "X-OWN:1\r\nEND:VEVENT"),
                              before.event.schedule_tag)
                         .st,
                     ST_OK);
    assert_int_equal(t_occurs(t_object(&b, "alice", "m").text, "PARTSTAT=DECLINED"), 1);
    assert_true(t_object(&b, "bob", "m").event.modseq >= bobs);
    assert_int_equal(t_busy_count(&b, "bob"), 4);
    t_calendar_end(&b);
}

static void a_meeting_is_once_in_all_calendars(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    struct t_object bob = t_object(&b, "bob", "m");
    b.calendar_id = t_calendar_new(&b, "bob", "second");
    struct t_put put = t_put(&b, "bob", "m", slice_str(bob.text));
    b.calendar_id = 0;
    assert_int_equal(put.st, ST_INVALID);
    assert_int_equal(put.put.fault, CALENDAR_UNIQUE_SCHEDULING);
    assert_true(slice_eq(slice_str(put.put.conflict), bob.event.name));
    t_calendar_end(&b);
}

static void what_is_the_organizers_stays(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    struct t_object before = t_object(&b, "bob", "m");
    char *changed = t_replaced(&b, before.text, "T100000Z", "T120000Z");
    struct t_put put = t_put(&b, "bob", "m", slice_str(changed));
    assert_int_equal(put.st, ST_INVALID);
    assert_int_equal(put.put.fault, CALENDAR_ATTENDEE_CHANGE);
    assert_true(put.put.error.text[0] != '\0');
    assert_int_equal(t_object(&b, "bob", "m").event.modseq, before.event.modseq);
    /* an alarm is his own, and nobody hears of it */
    changed = t_replaced(&b, before.text, "END:VEVENT",
                         "BEGIN:VALARM\r\nACTION:DISPLAY\r\nDESCRIPTION:x\r\nTRIGGER:-PT5M\r\n"
                         "END:VALARM\r\nEND:VEVENT");
    uint64_t etag = t_object(&b, "alice", "m").event.modseq;
    assert_int_equal(t_put(&b, "bob", "m", slice_str(changed)).st, ST_OK);
    assert_int_equal(t_object(&b, "alice", "m").event.modseq, etag);
    t_calendar_end(&b);
}

static void nobody_is_asked_who_is_unknown_or_gone(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    /* carol's document goes, her account stays */
    t_person_remove(&b, "carol");
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    assert_int_equal(t_busy_count(&b, "bob"), 1);
    assert_int_equal(t_inbox_count(&b, "carol"), 0);
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "carol", "SCHEDULE-STATUS"),
                        "1.1");
    t_calendar_end(&b);
}

static void an_alias_is_the_person(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, "alias = robert\nalias = boss\n");

    assert_int_equal(
        t_meeting_put(&b, "alice", "m", 1, "ATTENDEE:mailto:Robert@" T_DOMAIN "\r\n").st, ST_OK);
    assert_int_equal(t_busy_count(&b, "bob"), 1);
    assert_int_equal(t_answer(&b, "bob", "m", "ACCEPTED").st, ST_OK);
    assert_string_equal(t_attendee(&b, t_object(&b, "alice", "m"), "Robert", "PARTSTAT"),
                        "ACCEPTED");
    /* and both are one: his own invitation under one name, answered under the other */
    assert_int_equal(t_meeting_put(&b, "boss", "n", 2, CAROL).st, ST_OK);
    assert_int_equal(t_answer(&b, "carol", "n", "DECLINED").st, ST_OK);
    assert_string_equal(t_attendee(&b, t_object(&b, "bob", "n"), "carol", "PARTSTAT"), "DECLINED");
    t_calendar_end(&b);
}

/* The same task at two servers at once: it is done once. */
struct doing {
    struct t_calendar *b;
    struct calendar *calendar;
    int64_t task_id;
};

static void *do_task(void *arg)
{
    struct doing *doing = arg;
    struct calendar_round round = {.calendar = doing->calendar};
    struct arena *arena = arena_new("test", 64 * MIB);

    calendar_work(&round, arena, doing->task_id);
    arena_free(&arena);
    return NULL;
}

static void a_task_is_done_once_by_two_servers(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct store *second = t_store_second(t);
    struct calendar *calendars[2] = {
        b.calendar, calendar_new(&(struct calendar_context){second, NULL, "other"})};

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    const char *first = t_inbox_text(&b, "bob");
    for (int i = 0; i < 10; i++) {
        pthread_t threads[4];
        struct doing doing[4];
        size_t lines = t_record_count(&b, "bob");
        int64_t id = t_task_add(&b, "alice", "bob", first);

        for (int j = 0; j < 4; j++) {
            doing[j] = (struct doing){&b, calendars[j % 2], id};
            assert_int_equal(pthread_create(&threads[j], NULL, do_task, &doing[j]), 0);
        }
        for (int j = 0; j < 4; j++)
            pthread_join(threads[j], NULL);
        assert_int_equal(t_task_count(&b), 0);
        assert_int_equal(t_record_count(&b, "bob"), lines + 1);
    }
    assert_int_equal(t_inbox_count(&b, "bob"), 1);
    calendar_free(&calendars[1]);
    store_close(&second);
    t_calendar_end(&b);
}

/* Both of an account's calendars at once, through two servers: one has it. */
struct racing {
    struct t_store t; /* with an arena of the thread's own */
    struct t_calendar b;
    struct calendar *calendar;
    struct slice text;
    struct t_put result;
};

static void *put_meeting(void *arg)
{
    struct racing *racing = arg;

    racing->result = t_put(&racing->b, "alice", "m", racing->text);
    return NULL;
}

static void two_calendars_do_not_both_get_a_meeting(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct store *second = t_store_second(t);
    struct calendar *other = calendar_new(&(struct calendar_context){second, NULL, "other"});
    AUTO(buf) struct buf text = BUF(64 * KIB);
    int64_t ids[2] = {t_calendar_named(&b, "alice", "calendar"),
                      t_calendar_new(&b, "alice", "second")};

    for (int i = 0; i < 20; i++) {
        struct racing racing[2];
        pthread_t threads[2];
        char uid[16];

        snprintf(uid, sizeof(uid), "m%d", i);
        buf_clear(&text);
        t_meeting_text(&text, uid, 1, BOB, "alice");
        for (int j = 0; j < 2; j++) {
            racing[j] = (struct racing){.t = *t, .b = b, .text = buf_slice(&text)};
            racing[j].t.arena = arena_new("racing", GIB);
            racing[j].b.t = &racing[j].t;
            racing[j].b.calendar = j == 0 ? b.calendar : other;
            racing[j].b.calendar_id = ids[j];
            racing[j].b.name = uid;
        }
        for (int j = 0; j < 2; j++)
            assert_int_equal(pthread_create(&threads[j], NULL, put_meeting, &racing[j]), 0);
        for (int j = 0; j < 2; j++) {
            pthread_join(threads[j], NULL);
            arena_free(&racing[j].t.arena);
        }
        enum st one = racing[0].result.st, two = racing[1].result.st;
        assert_true((one == ST_OK) != (two == ST_OK));
    }
    calendar_free(&other);
    store_close(&second);
    t_calendar_end(&b);
}

static void an_inbox_keeps_the_newest(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct conf conf = *conf_get();

    conf.calendar_inbox_max = 5;
    conf_use(&conf);
    for (int i = 0; i < 8; i++) {
        char uid[16];

        snprintf(uid, sizeof(uid), "m%d", i);
        assert_int_equal(t_meeting_put(&b, "alice", uid, i, BOB).st, ST_OK);
    }
    conf_use(&conf_defaults);
    assert_int_equal(t_inbox_count(&b, "bob"), 5);
    assert_non_null(strstr(t_inbox_text(&b, "bob"), "UID:m7"));
    assert_int_equal(t_busy_count(&b, "bob"), 8);
    t_calendar_end(&b);
}

static void what_is_remembered_ends(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct conf conf = *conf_get();
    int64_t now_ms = sys_now_ms();
    size_t count;

    for (int i = 0; i < 6; i++) {
        char uid[16];

        snprintf(uid, sizeof(uid), "m%d", i);
        assert_int_equal(t_meeting_put(&b, "alice", uid, 1, BOTH).st, ST_OK);
        assert_int_equal(t_remove(&b, "bob", uid).st, ST_OK);
    }
    assert_int_equal(t_remove(&b, "carol", "m0").st, ST_OK);
    assert_int_equal(calendar_forget(b.calendar, now_ms, &count), ST_OK);
    assert_int_equal(count, 0);
    /* in number: of each account, the oldest first */
    conf.calendar_unseen_max = 4;
    conf_use(&conf);
    assert_int_equal(calendar_forget(b.calendar, now_ms, &count), ST_OK);
    assert_int_equal(count, 2);
    assert_false(t_object(&b, "bob", "m0").there);
    assert_false(t_object(&b, "bob", "m1").there);
    assert_true(t_object(&b, "bob", "m2").there);
    assert_true(t_object(&b, "carol", "m0").there);
    assert_true(t_object(&b, "carol", "m1").there);
    /* in age, where the meeting is over: it was a day after now */
    conf.calendar_unseen_days = 10;
    conf_use(&conf);
    assert_int_equal(calendar_forget(b.calendar, now_ms + 9 * ICAL_DAY_S * 1000, &count), ST_OK);
    assert_int_equal(count, 0);
    assert_int_equal(calendar_forget(b.calendar, now_ms + 11 * ICAL_DAY_S * 1000, &count), ST_OK);
    assert_int_equal(count, 5);
    conf_use(&conf_defaults);
    assert_false(t_object(&b, "bob", "m5").there);
    assert_true(t_object(&b, "carol", "m1").there);
    t_calendar_end(&b);
}

static void a_memory_stays_while_the_meeting_goes_on(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    size_t count;

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB "RRULE:FREQ=DAILY\r\n").st, ST_OK);
    assert_int_equal(t_remove(&b, "bob", "m").st, ST_OK);
    assert_int_equal(calendar_forget(b.calendar, sys_now_ms() + 3000 * ICAL_DAY_S * 1000, &count),
                     ST_OK);
    assert_int_equal(count, 0);
    assert_true(t_object(&b, "bob", "m").there);
    t_calendar_end(&b);
}

static void who_is_over_quota_keeps_it_from_nobody(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, "quota_bytes = 100\n");

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    assert_false(t_object(&b, "bob", "m").there);
    assert_int_equal(t_inbox_count(&b, "bob"), 0);
    assert_int_equal(t_busy_count(&b, "carol"), 1);
    assert_int_equal(t_task_count(&b), 0);
    t_record_has(&b, "bob", "over quota");
    t_record_has(&b, "alice",
                 "REQUEST was not delivered (5.1) to bob@" T_DOMAIN ": 552 5.2.2 over");
    struct t_object alice = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, alice, "bob", "SCHEDULE-STATUS"), "5.1");
    assert_string_equal(t_attendee(&b, alice, "carol", "SCHEDULE-STATUS"), "1.2");
    t_calendar_end(&b);
}

/* --- rooms --- */

#define OAK "ATTENDEE;CUTYPE=ROOM;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:oak@" T_DOMAIN "\r\n"
#define ROOM "kind = room\n"

static const char *oak_says(struct t_calendar *b, const char *who, const char *uid)
{
    return t_attendee(b, t_object(b, who, uid), "oak", "PARTSTAT");
}

static void a_room_accepts_when_it_is_free(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    t_person_add(&b, "oak", ROOM);
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "alice", "m"), "ACCEPTED");
    assert_int_equal(t_busy_count(&b, "oak"), 1);
    assert_int_equal(t_inbox_count(&b, "oak"), 0);
    assert_int_equal(t_inbox_count(&b, "alice"), 1);
    assert_int_equal(t_task_count(&b), 0);
    t_record_has(&b, "oak", "ACCEPTED");
    /* bob comes too late */
    assert_int_equal(t_meeting_put(&b, "bob", "n", 1, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "n"), "DECLINED");
    assert_int_equal(t_busy_count(&b, "oak"), 1);
    t_record_has(&b, "oak", "DECLINED: ");
    t_record_has(&b, "oak", "taken from");
    assert_non_null(strstr(t_inbox_text(&b, "bob"), "COMMENT:"));
    assert_non_null(strstr(t_inbox_text(&b, "bob"), "taken from"));
    assert_null(strstr(t_inbox_text(&b, "alice"), "COMMENT:"));
    /* alice lets go, bob asks for another day, and for the first one again */
    assert_int_equal(t_remove(&b, "alice", "m").st, ST_OK);
    assert_int_equal(t_busy_count(&b, "oak"), 0);
    assert_int_equal(t_meeting_put(&b, "bob", "n", 2, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "n"), "ACCEPTED");
    assert_int_equal(t_meeting_put(&b, "bob", "n", 1, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "n"), "ACCEPTED");
    assert_int_equal(t_busy_count(&b, "oak"), 1);
    t_calendar_end(&b);
}

static void a_room_is_taken_by_what_makes_nobody_busy(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    t_person_add(&b, "oak", ROOM);
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, "TRANSP:TRANSPARENT\r\n" OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "alice", "m"), "ACCEPTED");
    assert_int_equal(t_busy_count(&b, "oak"), 1);
    assert_int_equal(t_meeting_put(&b, "bob", "n", 1, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "n"), "DECLINED");
    t_calendar_end(&b);
}

static void a_move_that_conflicts_gives_the_room_up(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    t_person_add(&b, "oak", ROOM);
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, OAK).st, ST_OK);
    assert_int_equal(t_meeting_put(&b, "bob", "n", 2, OAK).st, ST_OK);
    assert_int_equal(t_meeting_put(&b, "bob", "n", 1, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "n"), "DECLINED");
    assert_int_equal(t_busy_count(&b, "oak"), 1);
    /* another title asks nothing anew */
    const char *text = t_replaced(&b, t_object(&b, "alice", "m").text, "SUMMARY:x", "SUMMARY:y");
    assert_int_equal(t_put(&b, "alice", "m", slice_str(text)).st, ST_OK);
    assert_non_null(strstr(t_object(&b, "oak", "m").text, "SUMMARY:y"));
    assert_string_equal(oak_says(&b, "alice", "m"), "ACCEPTED");
    t_calendar_end(&b);
}

static void a_room_has_rules(struct t_store *t)
{
    static const struct {
        const char *rules, *more, *want;
    } rows[] = {
        {"", OAK, "ACCEPTED"},
        {"room_hours = 09:00-11:00\n", OAK, "ACCEPTED"},
        {"room_hours = 10:30-18:00\n", OAK, "DECLINED"},
        {"room_capacity = 1\n", OAK BOTH, "DECLINED"},
        {"room_capacity = 2\n", OAK BOTH, "ACCEPTED"},
        {"room_minutes_max = 59\n", OAK, "DECLINED"},
        {"room_ahead_days = 30\n", OAK, "ACCEPTED"},
        {"room_ahead_days = 3\n", OAK DAILY, "DECLINED"},
        {"room_series = no\n", OAK DAILY, "DECLINED"},
        {"", OAK DAILY, "ACCEPTED"},
        {"", OAK "RRULE:FREQ=DAILY\r\n", "DECLINED"},
        {"", OAK "RRULE:FREQ=DAILY;COUNT=1001\r\n", "DECLINED"},
    };
    struct t_calendar b = t_calendar_begin(t, NULL);

    for (size_t i = 0; i < COUNT(rows); i++) {
        char document[200], uid[20];

        snprintf(uid, sizeof(uid), "m%zu", i);
        snprintf(document, sizeof(document), ROOM "%s", rows[i].rules);
        t_person_add(&b, "oak", document);
        assert_int_equal(t_meeting_put(&b, "alice", uid, 1, rows[i].more).st, ST_OK);
        if (strcmp(oak_says(&b, "alice", uid), rows[i].want) != 0)
            print_error("row %zu\n", i);
        assert_string_equal(oak_says(&b, "alice", uid), rows[i].want);
        assert_int_equal(t_remove(&b, "alice", uid).st, ST_OK);
    }
    t_calendar_end(&b);
}

static void of_a_series_the_rest_is_taken(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    t_person_add(&b, "oak", ROOM "room_series = partly\n");
    assert_int_equal(t_meeting_put(&b, "alice", "m", 3, OAK).st, ST_OK);
    assert_int_equal(t_meeting_put(&b, "bob", "n", 1, OAK DAILY).st, ST_OK);
    struct t_object bob = t_object(&b, "bob", "n");
    assert_string_equal(t_attendee(&b, bob, "oak", "PARTSTAT"), "ACCEPTED");
    assert_int_equal(t_occurs(bob.text, "PARTSTAT=DECLINED"), 1);
    assert_non_null(strstr(bob.text, "RECURRENCE-ID"));
    assert_int_equal(t_busy_count(&b, "oak"), 5);
    t_calendar_end(&b);
}

/* Series that go on behind what busytime holds: what cannot be seen there is worked out. */
static void no_overlap_behind_the_window(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct conf conf = *conf_get();

    conf.busytime_ahead_days = 7;
    conf_use(&conf);
    t_person_add(&b, "oak", ROOM);
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, OAK "RRULE:FREQ=WEEKLY;COUNT=900\r\n").st,
                     ST_OK);
    assert_string_equal(oak_says(&b, "alice", "m"), "ACCEPTED");
    assert_true(t_busy_count(&b, "oak") < 5);
    assert_int_equal(t_meeting_put(&b, "bob", "n", 1 + 7 * 800, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "n"), "DECLINED");
    assert_int_equal(t_meeting_put(&b, "bob", "o", 2 + 7 * 800, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "o"), "ACCEPTED");
    /* a series that meets the other in an instance far away */
    assert_int_equal(
        t_meeting_put(&b, "bob", "p", 4, OAK "RRULE:FREQ=DAILY;INTERVAL=8;COUNT=8\r\n").st, ST_OK);
    assert_string_equal(oak_says(&b, "bob", "p"), "DECLINED");
    conf_use(&conf_defaults);
    t_calendar_end(&b);
}

static void a_room_answers_an_instance_alone(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    AUTO(buf) struct buf text = BUF(64 * KIB);
    char day[T_DATE_BYTES];

    t_person_add(&b, "oak", ROOM);
    assert_int_equal(t_meeting_put(&b, "bob", "n", 3, OAK).st, ST_OK);
    t_meeting_text(&text, "m", 1, DAILY CAROL, "alice");
    text.len -= strlen("END:VCALENDAR\r\n");
    for (int i = 3; i < 5; i++) {
        t_day(day, i);
        buf_putf(&text,
                 "BEGIN:VEVENT\r\nUID:m\r\nDTSTAMP:20260101T000000Z\r\n"
                 "RECURRENCE-ID:%sT100000Z\r\nDTSTART:%sT103000Z\r\nDURATION:PT1H\r\n"
                 "ORGANIZER:mailto:alice@" T_DOMAIN "\r\n" CAROL OAK "END:VEVENT\r\n",
                 day, day);
    }
    buf_putf(&text, "END:VCALENDAR\r\n");
    assert_int_equal(t_put(&b, "alice", "m", buf_slice(&text)).st, ST_OK);
    assert_int_equal(t_busy_count(&b, "carol"), 5);
    const char *alice = t_object(&b, "alice", "m").text;
    /* not a series to the room, so each stands for itself */
    assert_int_equal(t_occurs(alice, "PARTSTAT=ACCEPTED") + t_occurs(alice, "PARTSTAT=DECLINED"),
                     2);
    assert_true(t_busy_count(&b, "oak") <= 2);
    t_calendar_end(&b);
}

/* Whatever is booked, moved and cancelled in whatever order. */
static int by_start(const void *a, const void *b)
{
    const struct calendar_busy_row *one = a, *two = b;

    return (one->start_s > two->start_s) - (one->start_s < two->start_s);
}

struct taken {
    struct arena *arena;
    struct calendar_busy_row rows[20000];
    size_t count;
};

static enum st note_taken(void *ctx, const struct store_event *event)
{
    static const struct slice own = {"mailto:oak@" T_DOMAIN, sizeof("mailto:oak@" T_DOMAIN) - 1};
    struct taken *taken = ctx;
    const struct calendar_busy_ask ask = {.from_s = sys_now_ms() / 1000,
                                          .until_s = sys_now_ms() / 1000 + 20 * 365 * T_DAY_S,
                                          .owners = &own,
                                          .owner_count = 1,
                                          .unanswered = STORE_BUSY_TENTATIVE,
                                          .rows_max = 10000,
                                          .steps_max = ICAL_RECUR_STEPS_MAX};
    struct calendar_busy_set set;
    struct ical_error error;
    struct ical_comp *comps;
    struct slice body = arena_copy(taken->arena, event->body);

    assert_int_equal(ical_parse(taken->arena, body, &ical_limits_default, &comps, &error), ST_OK);
    struct ical_tz *tz = ical_tz_new(taken->arena, comps, NULL);
    assert_int_equal(calendar_busy_expand(taken->arena, comps, tz, &ask, &set, &error), ST_OK);
    for (size_t i = 0; i < set.count; i++)
        taken->rows[taken->count++] = set.rows[i];
    return ST_OK;
}

struct looking {
    struct taken *taken;
    int64_t calendar_id;
};

static enum st look_body(struct store_tx *tx, void *arg)
{
    struct looking *looking = arg;

    looking->taken->count = 0;
    return store_event_each(tx, looking->calendar_id, true, note_taken, looking->taken);
}

static size_t check_taken(struct t_calendar *b)
{
    struct taken *taken = mem_new(struct taken);
    struct looking looking = {taken, t_calendar_named(b, "oak", "calendar")};

    taken->arena = arena_new("test", 256 * MIB);
    assert_int_equal(store_read(b->t->store, look_body, &looking), ST_OK);
    qsort(taken->rows, taken->count, sizeof(taken->rows[0]), by_start);
    for (size_t i = 1; i < taken->count; i++)
        assert_true(taken->rows[i].start_s >= taken->rows[i - 1].end_s);
    size_t count = taken->count;
    arena_free(&taken->arena);
    mem_free(taken);
    return count;
}

static void no_overlap_after_any_history(struct t_store *t)
{
    static const char *const who[] = {"alice", "bob", "carol"};
    static const char *const more[] = {
        "",
        "TRANSP:TRANSPARENT\r\n",
        "STATUS:TENTATIVE\r\n",
        "RDATE:20300101T100000Z,20300102T100000Z\r\n",
        "RRULE:FREQ=DAILY;COUNT=4\r\n",
        "RRULE:FREQ=WEEKLY;COUNT=30\r\n",
        "RRULE:FREQ=DAILY;INTERVAL=13;COUNT=40\r\n",
        "RRULE:FREQ=MONTHLY;COUNT=40\r\n",
        "RRULE:FREQ=YEARLY;COUNT=9\r\n",
        "RRULE:FREQ=WEEKLY\r\n",
    };
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct conf conf = *conf_get();
    unsigned seed = 11;
    size_t most = 0;

    conf.busytime_ahead_days = 60;
    conf_use(&conf);
    t_person_add(&b, "oak", ROOM "room_series = partly\n");
    for (int i = 0; i < 150; i++) {
        char uid[20];
        unsigned n = (unsigned)rand_r(&seed) % 24;
        const char *name = who[n % 3];

        snprintf(uid, sizeof(uid), "m%u", n);
        bool there = t_object(&b, name, uid).there;
        if (there && rand_r(&seed) % 4 == 0)
            assert_int_equal(t_remove(&b, name, uid).st, ST_OK);
        else {
            AUTO(buf) struct buf lines = BUF(KIB);
            buf_putf(&lines, OAK "%s", more[(unsigned)rand_r(&seed) % COUNT(more)]);
            assert_int_equal(t_meeting_put(&b, name, uid, 1 + rand_r(&seed) % 40,
                                           slice_cstr(t->arena, buf_slice(&lines)))
                                 .st,
                             ST_OK);
        }
        size_t count = check_taken(&b);
        most = count > most ? count : most;
        arena_reset(t->arena);
    }
    conf_use(&conf_defaults);
    assert_true(most > 50);
    t_calendar_end(&b);
}

static void what_is_over_is_not_answered_anew(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    t_person_add(&b, "oak", ROOM);
    assert_int_equal(t_meeting_put(&b, "alice", "m", -3, OAK).st, ST_OK);
    assert_string_equal(oak_says(&b, "alice", "m"), "DECLINED");
    t_calendar_end(&b);
}

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(lands_in_calendar_and_inbox_of_the_invited),
        T_CASE(an_answer_is_seen_and_leaves_the_schedule_tag),
        T_CASE(a_write_without_conditions_keeps_answers_it_has_not_seen),
        T_CASE(a_move_asks_again),
        T_CASE(what_is_cancelled_takes_no_time),
        T_CASE(who_is_taken_off_the_list_is_told),
        T_CASE(what_was_deleted_is_declined_and_does_not_come_back),
        T_CASE(a_cancel_may_come_first_to_several),
        T_CASE(quiet_removal_tells_nobody_and_is_remembered),
        T_CASE(quiet_storing_invites_nobody),
        T_CASE(one_instance_alone),
        T_CASE(an_answer_to_an_instance_outlives_an_older_copy),
        T_CASE(a_meeting_is_once_in_all_calendars),
        T_CASE(what_is_the_organizers_stays),
        T_CASE(nobody_is_asked_who_is_unknown_or_gone),
        T_CASE(an_alias_is_the_person),
        T_CASE_ONLY(a_task_is_done_once_by_two_servers, "postgres"),
        T_CASE_ONLY(two_calendars_do_not_both_get_a_meeting, "postgres"),
        T_CASE(an_inbox_keeps_the_newest),
        T_CASE(what_is_remembered_ends),
        T_CASE(a_memory_stays_while_the_meeting_goes_on),
        T_CASE(who_is_over_quota_keeps_it_from_nobody),
        T_CASE(a_room_accepts_when_it_is_free),
        T_CASE(a_room_is_taken_by_what_makes_nobody_busy),
        T_CASE(a_move_that_conflicts_gives_the_room_up),
        T_CASE(a_room_has_rules),
        T_CASE(of_a_series_the_rest_is_taken),
        T_CASE(no_overlap_behind_the_window),
        T_CASE(a_room_answers_an_instance_alone),
        T_CASE(no_overlap_after_any_history),
        T_CASE(what_is_over_is_not_answered_anew),
    };

    return t_run(cases, COUNT(cases));
}
