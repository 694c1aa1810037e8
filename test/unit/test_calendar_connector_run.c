/* The connector asks this store: many people in one question, many questions at once, while their
 * calendars change. */
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_busytime.h"
#include "calendar/calendar_connector.h"
#include "calendar/calendar_schedule.h"
#include "calendar_t.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

#define PEOPLE 300
#define THREADS 8
#define QUESTIONS 3 /* of each */
#define NAME_BYTES 16
#define HOUR_S 3600

struct people {
    struct t_calendar *b;
    char names[PEOPLE][NAME_BYTES];
    struct slice addresses[PEOPLE];
    char texts[PEOPLE][NAME_BYTES + sizeof("mailto:@" T_DOMAIN)];
};

static enum st add_people(struct store_tx *tx, void *arg)
{
    struct people *people = arg;
    enum st st = ST_OK;
    char guid[33];
    int64_t id;

    for (size_t i = 0; st == ST_OK && i < PEOPLE; i++) {
        sys_guid(guid);
        st = store_account_add(tx, slice_str(people->names[i]), guid, 1000, &id);
        if (st == ST_OK)
            st = store_document_put(
                tx, &(struct store_document){.kind = SLICE("person"),
                                             .name = slice_str(people->names[i]),
                                             .modified_ms = 1,
                                             .body = SLICE("full_name = Somebody\n")});
        if (st == ST_OK)
            st = calendar_ensure(tx, people->b->t->arena, id, sys_now_ms());
    }
    return st;
}

static struct people *people_new(struct t_calendar *b)
{
    struct people *people = mem_new(struct people);

    people->b = b;
    for (size_t i = 0; i < PEOPLE; i++) {
        snprintf(people->names[i], NAME_BYTES, "p%zu", i);
        snprintf(people->texts[i], sizeof(people->texts[i]), "mailto:p%zu@" T_DOMAIN, i);
        people->addresses[i] = slice_str(people->texts[i]);
    }
    assert_int_equal(store_write(b->t->store, add_people, people), ST_OK);
    directory_reload();
    for (size_t i = 0; i < PEOPLE; i++)
        assert_int_equal(t_meeting_put(b, people->names[i], people->names[i], 2, "").st, ST_OK);
    return people;
}

static struct calendar_connector_ask question_of(const struct people *people)
{
    const int64_t today_s = sys_now_ms() / 1000 / T_DAY_S * T_DAY_S;

    return (struct calendar_connector_ask){.attendees = people->addresses,
                                           .count = PEOPLE,
                                           .from_s = today_s + T_DAY_S,
                                           .until_s = today_s + 14 * T_DAY_S};
}

static bool is_one_hour(const struct calendar_connector_answer *answer)
{
    return answer->result == CALENDAR_CONNECTOR_FRESH && answer->count == 1 &&
           answer->rows[0].end_s - answer->rows[0].start_s == HOUR_S;
}

struct asker {
    const struct people *people;
    pthread_t thread;
    atomic_size_t *left;
    size_t wrong;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    const struct calendar_connector_ask question = question_of(asker->people);

    for (int n = 0; n < QUESTIONS; n++) {
        struct calendar_connector_lookup *lookup =
            calendar_connector_begin(calendar_connector(asker->people->b->calendar), &question);

        for (size_t i = 0; i < PEOPLE; i++)
            asker->wrong += !is_one_hour(calendar_connector_get(lookup, i));
        asker->wrong += calendar_connector_next(lookup) == NULL;
        calendar_connector_end(&lookup);
    }
    atomic_fetch_sub(asker->left, 1);
    return NULL;
}

/* Whose meeting is moved has it before or after, never both and never none. */
static void many_ask_for_many_while_meetings_are_moved(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct people *people = people_new(&b);
    struct asker askers[THREADS] = {{0}};
    atomic_size_t left = THREADS;
    size_t moved = 0;

    for (size_t i = 0; i < THREADS; i++) {
        askers[i] = (struct asker){.people = people, .left = &left};
        assert_int_equal(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
    }
    for (; atomic_load(&left) > 0; moved++) {
        const char *name = people->names[moved % PEOPLE];
        const int day = 2 + (int)(moved / PEOPLE + 1) % 10;

        assert_int_equal(t_meeting_put(&b, name, name, day, "").st, ST_OK);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(askers[i].thread, NULL), 0);
        assert_int_equal(askers[i].wrong, 0);
    }
    assert_true(moved > 0);
    mem_free(people);
    t_calendar_end(&b);
}

static struct calendar_busytime_ask ask_of(const struct calendar_who *who,
                                           const struct directory_person *owner)
{
    const int64_t today_s = sys_now_ms() / 1000 / T_DAY_S * T_DAY_S;

    return (struct calendar_busytime_ask){
        .who = who, .owner = owner, .from_s = today_s, .until_s = today_s + 14 * T_DAY_S};
}

static enum st restrict_body(struct store_tx *tx, void *arg)
{
    const int64_t *ids = arg;

    return store_calendar_grant(tx, &(struct store_calendar_grant){.account_id = ids[0],
                                                                   .calendar_id = ids[1],
                                                                   .grantee = SLICE("carol"),
                                                                   .rights = STORE_RIGHTS_BUSY});
}

/* In more than one statement's worth of accounts, one of them twice, one that tells nobody. */
static void many_are_found_as_each_alone(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    struct people *people = people_new(&b);
    struct calendar_who who = {.anonymous = false};
    const struct directory *directory = directory_ref();
    const struct directory_person *owners[PEOPLE];
    struct calendar_busytime_found found[PEOPLE];
    int64_t ids[] = {t_account_of(&b, "p7"), t_calendar_named(&b, "p7", "inbox")};

    assert_int_equal(store_write(t->store, restrict_body, ids), ST_OK);
    assert_int_equal(t_meeting_put(&b, "p9", "second", 5, "").st, ST_OK);
    assert_int_equal(t_meeting_put(&b, "p9", "third", 5, "TRANSP:TRANSPARENT\r\n").st, ST_OK);
    for (size_t i = 0; i < PEOPLE; i++)
        owners[i] = calendar_schedule_person(directory, people->addresses[i == 3 ? 9 : i]);
    const struct calendar_busytime_ask one = ask_of(&who, owners[0]);
    const struct calendar_busytime_many many = {&who,        owners, PEOPLE,    one.from_s,
                                                one.until_s, 0,      SLICE(""), true};

    calendar_busytime_many(b.calendar, t->arena, &many, found);
    for (size_t i = 0; i < PEOPLE; i++) {
        const struct calendar_busytime_ask alone = ask_of(&who, owners[i]);
        struct calendar_busy_row *rows;
        size_t count;

        assert_int_equal(calendar_busytime(b.calendar, t->arena, &alone, &rows, &count),
                         found[i].st);
        assert_int_equal(found[i].st, i == 7 ? ST_DENIED : ST_OK);
        assert_true((found[i].week == NULL) == (i == 7));
        assert_int_equal(found[i].count, i == 7 ? 0 : i == 3 || i == 9 ? 2 : 1);
        assert_int_equal(count, found[i].count);
        for (size_t k = 0; k < count; k++) {
            assert_int_equal(rows[k].start_s, found[i].rows[k].start_s);
            assert_int_equal(rows[k].end_s, found[i].rows[k].end_s);
            assert_int_equal(rows[k].kind, found[i].rows[k].kind);
        }
    }
    directory_unref(&directory);
    mem_free(people);
    t_calendar_end(&b);
}

/* Whoever did not log in learns of those alone who grant it to anyone. */
static void without_a_login_a_grant_to_anyone_is_needed(struct t_store *t)
{
    struct t_calendar b = t_calendar_begin(t, NULL);
    const struct calendar_who who = {.anonymous = true};
    const struct directory *directory = directory_ref();
    const struct calendar_busytime_ask question =
        ask_of(&who, directory_login(directory, SLICE("bob")));
    char sql[200];
    struct calendar_busy_row *rows;
    size_t count;

    assert_int_equal(t_meeting_put(&b, "bob", "m", 2, "").st, ST_OK);
    assert_int_equal(calendar_busytime(b.calendar, t->arena, &question, &rows, &count), ST_DENIED);
    snprintf(sql, sizeof(sql),
             "INSERT INTO calendar_grant (account_id, calendar_id, grantee, rights) VALUES (%lld, "
             "0, '*', 1)",
             (long long)t_account_of(&b, "bob"));
    t_sql(t, sql);
    assert_int_equal(calendar_busytime(b.calendar, t->arena, &question, &rows, &count), ST_DENIED);
    t_sql(t, "UPDATE calendar_grant SET grantee = '**'");
    assert_int_equal(calendar_busytime(b.calendar, t->arena, &question, &rows, &count), ST_OK);
    assert_int_equal(count, 1);
    directory_unref(&directory);
    t_calendar_end(&b);
}

int main(void)
{
    const struct t_case cases[] = {
        T_CASE(many_ask_for_many_while_meetings_are_moved),
        T_CASE(many_are_found_as_each_alone),
        T_CASE(without_a_login_a_grant_to_anyone_is_needed),
    };

    return t_run(cases, COUNT(cases));
}
