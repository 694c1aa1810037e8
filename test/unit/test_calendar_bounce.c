/* What did not arrive, in the object of who sent it (RFC 6638 section 3.2.9). */
#include "calendar/calendar.h"
#include "calendar/calendar_put.h"
#include "calendar/calendar_work.h"
#include "calendar_t.h"
#include "store/store_task.h"

#define BOB "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:bob@" T_DOMAIN "\r\n"
#define CAROL "ATTENDEE;PARTSTAT=NEEDS-ACTION;RSVP=TRUE:mailto:carol@" T_DOMAIN "\r\n"
#define BOTH BOB CAROL

/* As the router leaves it, but with the message instead of the mail. */
static void bounces_of(struct t_calendar *b, const char *who, const char *rcpt, const char *answer,
                       const char *text)
{
    AUTO(buf) struct buf body = BUF(MIB);
    struct calendar_round round = {.calendar = b->calendar, .count = 1};
    char sender[100];

    snprintf(sender, sizeof(sender), "%s@" T_DOMAIN, who);
    buf_putf(&body, "%s\n%s", answer, text);
    round.ids[0] = t_task_leave(b, &(struct store_task){.account_id = t_account_of(b, who),
                                                        .kind = STORE_TASK_BOUNCE,
                                                        .sender = slice_str(sender),
                                                        .rcpt = slice_str(rcpt),
                                                        .body = buf_slice(&body)});
    calendar_round_do(&round);
    assert_int_equal(t_task_count(b), 0);
}

static void bounces(struct t_calendar *b, const char *rcpt, const char *answer, const char *text)
{
    bounces_of(b, "alice", rcpt, answer, text);
}

static void an_answer_that_bounces_is_told_to_who_gave_it(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    assert_int_equal(t_answer(&b, "bob", "m", "ACCEPTED").st, ST_OK);
    bounces_of(&b, "bob", "alice@" T_DOMAIN, "554 5.7.1 no", t_inbox_text(&b, "alice"));
    const char *organizer = strstr(t_object(&b, "bob", "m").text, "\r\nORGANIZER");
    assert_non_null(organizer);
    struct slice line = {organizer + 2, strcspn(organizer + 2, "\r")};
    assert_true(slice_find_slice(line, SLICE("SCHEDULE-STATUS=5.3")) != SIZE_MAX);
    assert_string_equal(t_attendee(&b, t_object(&b, "bob", "m"), "bob", "PARTSTAT"), "ACCEPTED");
    t_record_has(&b, "bob", "REPLY was not delivered (5.3) to alice@" T_DOMAIN ": 554 5.7.1 no");
    t_calendar_end(&b);
}

static void a_bounce_is_a_new_version_under_the_old_schedule_tag(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    struct t_object before = t_object(&b, "alice", "m");
    const char *request = t_inbox_text(&b, "bob");
    bounces(&b, "Bob@" T_DOMAIN, "550 5.1.1 mx: no such user", request);
    struct t_object after = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, after, "bob", "SCHEDULE-STATUS"), "5.2");
    assert_string_equal(t_attendee(&b, after, "carol", "SCHEDULE-STATUS"), "1.2");
    assert_true(after.event.modseq > before.event.modseq);
    assert_int_equal(after.event.schedule_tag, before.event.schedule_tag);
    t_record_has(&b, "alice", "REQUEST was not delivered (5.2) to Bob@");
    bounces(&b, "bob@" T_DOMAIN, "550 5.1.1 mx: no such user", request); /* twice */
    assert_int_equal(t_object(&b, "alice", "m").event.modseq, after.event.modseq);
    /* a client that has not seen it writes; then a new time is sent */
    assert_int_equal(t_put_if(&b, "alice", "m", before.text, before.event.schedule_tag).st, ST_OK);
    assert_int_equal(t_meeting_put(&b, "alice", "m", 3, BOTH).st, ST_OK);
    after = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, after, "bob", "SCHEDULE-STATUS"), "1.2");
    t_calendar_end(&b);
}

static void a_late_bounce_is_not_of_what_was_sent_or_answered_since(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);

    assert_int_equal(t_meeting_put(&b, "alice", "m", 1, BOTH).st, ST_OK);
    const char *request = t_inbox_text(&b, "bob");
    assert_int_equal(t_answer(&b, "bob", "m", "ACCEPTED").st, ST_OK);
    struct t_object before = t_object(&b, "alice", "m");
    bounces(&b, "bob@" T_DOMAIN, "550 no", request);
    struct t_object after = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, after, "bob", "SCHEDULE-STATUS"), "2.0");
    assert_int_equal(after.event.modseq, before.event.modseq);
    assert_int_equal(t_meeting_put(&b, "alice", "m", 3, BOTH).st, ST_OK);
    bounces(&b, "carol@" T_DOMAIN, "550 no", request);
    after = t_object(&b, "alice", "m");
    assert_string_equal(t_attendee(&b, after, "carol", "SCHEDULE-STATUS"), "1.2");
    /* and where there is nothing any more, it is on record alone */
    assert_int_equal(t_remove(&b, "alice", "m").st, ST_OK);
    size_t lines = t_record_count(&b, "alice");
    bounces(&b, "carol@" T_DOMAIN, "550 no", request);
    assert_int_equal(t_record_count(&b, "alice"), lines + 1);
    assert_false(t_object(&b, "alice", "m").there);
    bounces(&b, "carol@" T_DOMAIN, "550 no", "no iCalendar");
    t_calendar_end(&b);
}

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(an_answer_that_bounces_is_told_to_who_gave_it),
        T_CASE(a_bounce_is_a_new_version_under_the_old_schedule_tag),
        T_CASE(a_late_bounce_is_not_of_what_was_sent_or_answered_since),
    };

    return t_run(cases, COUNT(cases));
}
