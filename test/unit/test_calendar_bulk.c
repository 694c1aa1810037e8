/* Much at once: answers of many people to one meeting. POSTHORSE_BULK: how many (200). */
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_move.h"
#include "calendar/calendar_put.h"
#include "calendar/calendar_schedule.h"
#include "calendar/calendar_work.h"
#include "calendar_t.h"
#include "conf/conf.h"
#include "log/log.h"
#include "store/store_task.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BOB "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bob@" T_DOMAIN "\r\n"

static int bulk(void)
{
    const char *text = getenv("POSTHORSE_BULK");
    uint64_t count;

    return text != NULL && slice_to_u64(slice_str(text), &count) == ST_OK ? (int)count : 200;
}

/* alice's meeting with that many people; nobody is told. */
static void put_large(struct t_calendar *b, int count)
{
    AUTO(buf) struct buf lines = BUF(4 * MIB);
    AUTO(buf) struct buf text = BUF(4 * MIB);

    for (int i = 0; i < count; i++)
        buf_putf(&lines,
                 "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=Person %d:mailto:p%d@" T_DOMAIN
                 "\r\n",
                 i, i);
    t_meeting_text(&text, "m", 1, lines.ptr, "alice");
    b->quiet = true;
    assert_int_equal(t_put(b, "alice", "m", buf_slice(&text)).st, ST_OK);
    b->quiet = false;
}

struct adding {
    struct t_calendar *b;
    int64_t account_id;
    int count;
    int64_t *ids;
};

static void reply_text(struct buf *text, int person, const char *partstat, const char *stamp)
{
    char date[T_DATE_BYTES];

    t_day(date, 1);
    buf_putf(text,
             "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\nMETHOD:REPLY\r\n"
             "BEGIN:VEVENT\r\nUID:m\r\nDTSTAMP:%s\r\nDTSTART:%sT100000Z\r\n"
             "ORGANIZER:mailto:alice@" T_DOMAIN
             "\r\n"
             "ATTENDEE;PARTSTAT=%s:mailto:p%d@" T_DOMAIN
             "\r\n"
             "END:VEVENT\r\nEND:VCALENDAR\r\n",
             stamp, date, partstat, person);
}

static struct slice topic_of(struct t_calendar *b, struct slice text)
{
    struct ical_comp *message;
    struct ical_error error;

    assert_int_equal(ical_parse(b->t->arena, text, &ical_limits_default, &message, &error), ST_OK);
    return calendar_schedule_topic(b->t->arena, message, text, SLICE("mailto:alice@" T_DOMAIN));
}

static enum st add_replies(struct store_tx *tx, void *arg)
{
    struct adding *a = arg;
    enum st st = ST_OK;

    for (int i = 0; st == ST_OK && i < a->count; i++) {
        AUTO(buf) struct buf text = BUF(4 * KIB);
        char sender[100];

        reply_text(&text, i, "ACCEPTED", "20990101T000000Z");
        snprintf(sender, sizeof(sender), "mailto:p%d@" T_DOMAIN, i);
        struct slice topic = topic_of(a->b, buf_slice(&text));
        const struct store_task task = {.account_id = a->account_id,
                                        .kind = STORE_TASK_ITIP,
                                        .sender = slice_str(sender),
                                        .rcpt = SLICE("mailto:alice@" T_DOMAIN),
                                        .body = buf_slice(&text),
                                        .topic = topic};
        st = store_task_add(tx, &task, &a->ids[i]);
    }
    return st;
}

struct leaving {
    struct t_calendar *b;
    const char *from, *topic_text, *text;
    int64_t account_id;
    int64_t id;
};

static enum st leave_body(struct store_tx *tx, void *arg)
{
    struct leaving *leaving = arg;
    char sender[100];

    snprintf(sender, sizeof(sender), "mailto:%s@" T_DOMAIN, leaving->from);
    const struct store_task task = {.account_id = leaving->account_id,
                                    .kind = STORE_TASK_ITIP,
                                    .sender = slice_str(sender),
                                    .rcpt = SLICE("mailto:alice@" T_DOMAIN),
                                    .body = slice_str(leaving->text),
                                    .topic = topic_of(leaving->b, slice_str(leaving->topic_text))};
    return store_task_add(tx, &task, &leaving->id);
}

static void do_tasks(struct t_calendar *b, const int64_t *ids, int count)
{
    struct arena *arena = arena_new("test", 64 * MIB);

    for (int i = 0; i < count; i++) {
        struct calendar_round round = {.calendar = b->calendar};

        arena_reset(arena);
        calendar_work(&round, arena, ids[i]);
        calendar_round_do(&round);
    }
    arena_free(&arena);
}

static void all_answers_of_a_large_meeting(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct conf conf = *conf_get();
    int count = bulk();
    struct adding adding = {.b = &b, .account_id = t_account_of(&b, "bob"), .count = count};

    conf.calendar_attendees_max = 20000;
    conf_use(&conf);
    adding.ids = mem_alloc((size_t)count * sizeof(*adding.ids));
    put_large(&b, count);
    assert_int_equal(store_write(t->store, add_replies, &adding), ST_OK);
    uint64_t begun_ms = sys_mono_ms();
    clock_t begun = clock();
    do_tasks(&b, adding.ids, count);
    printf("# %d answers in %llu ms, %ld ms of them computing\n", count,
           (unsigned long long)(sys_mono_ms() - begun_ms),
           (clock() - begun) / (CLOCKS_PER_SEC / 1000));
    conf_use(&conf_defaults);
    assert_int_equal(t_task_count(&b), 0);
    char *at = t_object(&b, "alice", "m").text;
    for (int i = 0; i < count; i++) {
        assert_non_null(at = strstr(at, "PARTSTAT=ACCEPTED"));
        at++;
    }
    mem_free(adding.ids);
    t_calendar_end(&b);
}

/* As a task that may be done together with others. */
static int64_t leave(struct t_calendar *b, const char *from, const char *topic_text,
                     const char *text)
{
    struct leaving leaving = {.b = b, .from = from, .text = text, .topic_text = topic_text};

    leaving.account_id = t_account_of(b, "bob");
    assert_int_equal(store_write(b->t->store, leave_body, &leaving), ST_OK);
    return leaving.id;
}

static const char *reply_of(struct t_calendar *b, int person, const char *partstat,
                            const char *stamp)
{
    AUTO(buf) struct buf text = BUF(4 * KIB);

    reply_text(&text, person, partstat, stamp);
    return slice_cstr(b->t->arena, buf_slice(&text));
}

static void what_is_wrong_with_one_harms_no_other(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    int64_t ids[8];

    put_large(&b, 5);
    const char *good = reply_of(&b, 0, "ACCEPTED", "20990101T000000Z");
    ids[0] = leave(&b, "p0", good, good);
    ids[1] = leave(&b, "p1", good, "BEGIN:NOTHING\r\n");
    ids[2] = leave(&b, "p1", good, reply_of(&b, 2, "DECLINED", "20990101T000000Z"));
    ids[3] = leave(&b, "p9", good, reply_of(&b, 9, "ACCEPTED", "20990101T000000Z"));
    ids[4] = leave(&b, "p0", good, reply_of(&b, 0, "DECLINED", "20980101T000000Z"));
    ids[5] = leave(
        &b, "p3", good,
        t_replaced(&b, reply_of(&b, 3, "ACCEPTED", "20990101T000000Z"), "UID:m", "UID:other"));
    ids[6] = leave(&b, "p0", good, good);
    ids[7] = leave(&b, "p4", good, reply_of(&b, 4, "TENTATIVE", "20990101T000000Z"));
    do_tasks(&b, &ids[7], 1); /* with all before it */
    assert_int_equal(t_task_count(&b), 0);
    struct t_object object = t_object(&b, "alice", "m");
    static const char *const says[] = {"ACCEPTED", "NEEDS-ACTION", "NEEDS-ACTION", "NEEDS-ACTION",
                                       "TENTATIVE"};
    for (int i = 0; i < 5; i++) {
        char who[16];

        snprintf(who, sizeof(who), "p%d", i);
        assert_string_equal(t_attendee(&b, object, who, "PARTSTAT"), says[i]);
    }
    assert_null(strstr(object.text, "p9"));
    assert_int_equal(t_inbox_count(&b, "alice"), 2);
    assert_int_equal(t_record_count(&b, "alice"), 7); /* what cannot be read is told in the log */
    t_record_has(&b, "alice", "it answers for somebody else");
    t_record_has(&b, "alice", "the sender is not invited");
    t_record_has(&b, "alice", "a later answer is known");
    t_record_has(&b, "alice", "it is known already");
    t_record_has(&b, "alice", "Its UID is not that of the stored object");
    t_calendar_end(&b);
}

/* Nothing can be stored: each is refused by itself, and nothing stays. */
static void who_is_over_quota_has_answers_on_record(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct conf conf = *conf_get();
    int64_t ids[2];

    put_large(&b, 2);
    const char *good = reply_of(&b, 0, "ACCEPTED", "20990101T000000Z");
    ids[0] = leave(&b, "p0", good, good);
    ids[1] = leave(&b, "p1", good, reply_of(&b, 1, "ACCEPTED", "20990101T000000Z"));
    conf.quota_bytes = 1;
    conf_use(&conf);
    do_tasks(&b, ids, 2);
    conf_use(&conf_defaults);
    assert_int_equal(t_task_count(&b), 0);
    assert_int_equal(t_record_count(&b, "alice"), 2);
    t_record_has(&b, "alice", "over quota");
    t_calendar_end(&b);
}

static void check_all_heard(struct t_calendar *b, int count)
{
    char *at = t_object(b, "alice", "m").text;

    for (int i = 0; i < count; i++) {
        assert_non_null(at = strstr(at, "PARTSTAT=ACCEPTED"));
        at++;
    }
    assert_int_equal(t_record_count(b, "alice"), count);
    assert_int_equal(t_inbox_count(b, "alice"), count);
    assert_int_equal(t_task_count(b), 0);
}

struct doing {
    struct t_calendar b;
    const int64_t *ids;
    int count;
};

static void *do_some(void *arg)
{
    struct doing *doing = arg;

    do_tasks(&doing->b, doing->ids, doing->count);
    return NULL;
}

static void answers_are_heard_once_by_two_servers(struct t_store *t)
{
    enum { COUNT_ALL = 600, THREADS = 4 };
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct store *second = t_store_second(t);
    struct calendar *other = calendar_new(&(struct calendar_context){second, NULL, "other"});
    struct adding adding = {.b = &b, .account_id = t_account_of(&b, "bob"), .count = COUNT_ALL};
    pthread_t threads[THREADS];
    struct doing doing[THREADS];
    int64_t ids[COUNT_ALL];

    adding.ids = ids;
    put_large(&b, COUNT_ALL);
    assert_int_equal(store_write(t->store, add_replies, &adding), ST_OK);
    for (int i = 0; i < THREADS; i++) {
        doing[i] = (struct doing){b, &ids[i * 100], COUNT_ALL - i * 100};
        doing[i].b.calendar = i % 2 == 0 ? b.calendar : other;
        assert_int_equal(pthread_create(&threads[i], NULL, do_some, &doing[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check_all_heard(&b, COUNT_ALL);
    calendar_free(&other);
    store_close(&second);
    t_calendar_end(&b);
}

static void open_again(struct t_calendar *b)
{
    t_store_open(b->t);
    assert_int_equal(directory_open(b->t->store), ST_OK);
    b->calendar = calendar_new(&(struct calendar_context){b->t->store, NULL, "test"});
}

/* In a process of its own. */
static void do_all_until_killed(struct t_calendar *b, const int64_t *ids, int count)
{
    open_again(b);
    do_tasks(b, ids, count);
    _exit(0);
}

static void a_kill_loses_and_doubles_no_answer(struct t_store *t)
{
    enum { COUNT_ALL = 900 };
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct adding adding = {.b = &b, .account_id = t_account_of(&b, "bob"), .count = COUNT_ALL};
    int64_t ids[COUNT_ALL];
    int status = -1;
    int kills = 0;

    adding.ids = ids;
    put_large(&b, COUNT_ALL);
    assert_int_equal(store_write(t->store, add_replies, &adding), ST_OK);
    t_calendar_end(&b);
    t_store_close(t);
    for (unsigned wait_ms = 5; status != 0; wait_ms += 10, kills++) {
        pid_t child = fork();

        assert_true(child >= 0);
        if (child == 0)
            do_all_until_killed(&b, ids, COUNT_ALL);
        sys_sleep_ms(wait_ms);
        (void)kill(child, SIGKILL); /* it may have ended */
        assert_int_equal(waitpid(child, &status, 0), child);
    }
    open_again(&b);
    assert_true(kills > 1);
    check_all_heard(&b, COUNT_ALL);
    t_calendar_end(&b);
}

static void a_name_that_is_taken_holds_no_invitation_up(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    char name[STORE_NAME_BYTES_MAX + 1];

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    snprintf(name, sizeof(name), "%.*s", SLICE_ARG(t_object(&b, "bob", "m").event.name));
    b.quiet = true;
    assert_int_equal(t_remove(&b, "alice", "m").st, ST_OK);
    assert_int_equal(t_remove(&b, "bob", "m").st, ST_OK);
    t_sql(t, "DELETE FROM event");
    *strstr(name, ".ics") = '\0'; /* t_put() puts it there again */
    b.name = name;
    assert_int_equal(t_meeting_put(&b, "bob", "own", 2, "").st, ST_OK);
    b.quiet = false;
    b.name = NULL;
    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOB).st, ST_OK);
    assert_int_equal(t_task_count(&b), 0);
    assert_true(t_object(&b, "bob", "m").there);
    assert_false(slice_starts(t_object(&b, "bob", "m").event.name, slice_str(name)));
    assert_true(t_object(&b, "bob", "own").there);
    t_calendar_end(&b);
}

/* Each a thread that moves an object from one to another and back. */
struct moving {
    struct t_calendar *b;
    struct calendar_place here, there;
    enum st st;
};

static void *move_about(void *arg)
{
    struct moving *m = arg;

    for (int i = 0; m->st == ST_OK && i < 100; i++) {
        struct calendar_move move = {.from = i % 2 == 0 ? m->here : m->there,
                                     .to = i % 2 == 0 ? m->there : m->here,
                                     .now_ms = sys_now_ms()};

        m->st = calendar_move(m->b->calendar, &move);
    }
    return NULL;
}

static struct calendar_place place(struct t_calendar *b, const struct directory *directory,
                                   const char *who, const char *name)
{
    return (struct calendar_place){.owner = directory_login(directory, slice_str(who)),
                                   .calendar_id = t_calendar_named(b, who, "calendar"),
                                   .name = slice_str(name)};
}

static void who_moves_the_other_way_is_waited_for(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    const struct directory *directory = directory_ref();
    static const char plain[] =
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//test\r\n"
        "BEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20260101T000000Z\r\n"
        "DTSTART:20260101T100000Z\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";
    struct moving moving[2] = {{.b = &b,
                                .here = place(&b, directory, "alice", "a.ics"),
                                .there = place(&b, directory, "bob", "a.ics")},
                               {.b = &b,
                                .here = place(&b, directory, "bob", "c.ics"),
                                .there = place(&b, directory, "alice", "c.ics")}};
    pthread_t threads[2];

    for (int i = 0; i < 2; i++) {
        char text[300];

        snprintf(text, sizeof(text), plain, i == 0 ? "a" : "c");
        b.name = i == 0 ? "a" : "c";
        assert_int_equal(t_put(&b, i == 0 ? "alice" : "bob", b.name, slice_str(text)).st, ST_OK);
    }
    uint64_t begun_retries = count_of(COUNT_STORE_RETRIES);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, move_about, &moving[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(moving[i].st, ST_OK);
    }
    assert_int_equal(count_of(COUNT_STORE_RETRIES), begun_retries); /* nobody was locked out */
    directory_unref(&directory);
    t_calendar_end(&b);
}

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(all_answers_of_a_large_meeting),
        T_CASE(what_is_wrong_with_one_harms_no_other),
        T_CASE(who_is_over_quota_has_answers_on_record),
        T_CASE_ONLY(answers_are_heard_once_by_two_servers, "postgres"),
        T_CASE(a_kill_loses_and_doubles_no_answer),
        T_CASE(a_name_that_is_taken_holds_no_invitation_up),
        T_CASE_ONLY(who_moves_the_other_way_is_waited_for, "postgres"),
    };

    return t_run(cases, COUNT(cases));
}
