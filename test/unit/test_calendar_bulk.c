/* Much at once: answers of many people to one meeting. POSTHORSE_BULK: how many (200). */
#include "calendar/calendar.h"
#include "calendar/calendar_put.h"
#include "calendar/calendar_schedule.h"
#include "calendar/calendar_work.h"
#include "calendar_t.h"
#include "conf/conf.h"
#include "store/store_task.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

static int bulk(void)
{
    const char *count = getenv("POSTHORSE_BULK");

    return count != NULL ? atoi(count) : 200;
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

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(all_answers_of_a_large_meeting),
    };

    return t_run(cases, COUNT(cases));
}
