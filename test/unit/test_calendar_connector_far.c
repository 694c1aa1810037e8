/* Whole look-ups: attendees of this store and of foreign systems, played by servers that follow
 * scripts: who is asked, whose answer counts, what is left when they die, many threads, and the
 * end.
 */
#include "calendar_t.h"

#include "calendar/calendar.h"
#include "calendar/calendar_connector.h"
#include "conf/conf.h"
#include "router_peer.h"
#include "store/store_document.h"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#define FROM_S INT64_C(1796083200) /* 2026-12-01T00:00:00Z */
#define UNTIL_S (FROM_S + T_DAY_S)
#define PATIENCE_MS (30 * SEC_MS) /* far more than it takes */
#define DOCUMENTS_MAX 2
#define THREADS 8
#define ROUNDS 5
#define NOBODY_PORT 1 /* refuses */

static struct t_store t;

/* --- documents, and servers that they name --- */

static enum st put_document(struct store_tx *tx, void *arg)
{
    return store_document_put(tx, arg);
}

/* The document of far0.test, far1.test ... */
static void document(const char *name, const char *domain, unsigned priority, uint16_t port)
{
    static int64_t modified_ms = 1000;
    AUTO(buf) struct buf text = BUF(KIB);

    buf_putf(&text,
             "domain = %s\ncalendar_server = test\npriority = %u\n"
             "calendar = ifb http://127.0.0.1:%u/{local}\n",
             domain, priority, port);
    struct store_document put = {.kind = SLICE("foreign-domain"),
                                 .name = slice_str(name),
                                 .modified_ms = modified_ms++,
                                 .body = buf_slice(&text)};
    assert_int_equal(store_write(t.store, put_document, &put), ST_OK);
}

static enum st remove_document(struct store_tx *tx, void *arg)
{
    static int64_t modified_ms = 100000;
    const enum st st =
        store_document_delete(tx, &(struct store_document){.kind = SLICE("foreign-domain"),
                                                           .name = slice_str(arg),
                                                           .modified_ms = modified_ms++});

    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void no_documents(void)
{
    static char names[][4] = {"one", "two"};

    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(store_write(t.store, remove_document, names[i]), ST_OK);
    directory_reload();
}

/* --- questions --- */

static struct calendar *calendar_begin(void)
{
    return calendar_new(&(struct calendar_context){t.store, NULL, "test"});
}

static struct calendar_connector_ask ask_of(const struct slice *attendees, size_t count,
                                            uint64_t ms)
{
    return (struct calendar_connector_ask){.attendees = attendees,
                                           .count = count,
                                           .from_s = FROM_S,
                                           .until_s = UNTIL_S,
                                           .deadline_ms = sys_mono_ms() + ms};
}

/* "fresh [0-12] 10-11/3 document one"; the window where it is not all, the age where there is one.
 */
static void show(const struct calendar_connector_answer *answer, struct buf *out)
{
    buf_put(out, slice_str(calendar_connector_result_name(answer->result)));
    if (answer->from_s > FROM_S || (answer->until_s < UNTIL_S && answer->until_s != 0))
        buf_putf(out, " [%g-%g]", (double)(answer->from_s - FROM_S) / 3600,
                 (double)(answer->until_s - FROM_S) / 3600);
    if (answer->age_ms >= MIN_MS)
        buf_putf(out, " ~%u", (unsigned)(answer->age_ms / 1000));
    for (size_t i = 0; i < answer->count; i++)
        buf_putf(out, " %g-%g/%d", (double)(answer->rows[i].start_s - FROM_S) / 3600,
                 (double)(answer->rows[i].end_s - FROM_S) / 3600, (int)answer->rows[i].kind);
    buf_putf(out, "%s%s;", answer->source[0] != '\0' ? " " : "", answer->source);
}

/* All of them, in the order of the question. */
static void look_up(struct calendar *calendar, const struct calendar_connector_ask *ask,
                    struct buf *out)
{
    struct calendar_connector_lookup *lookup =
        calendar_connector_begin(calendar_connector(calendar), ask);

    for (size_t i = 0; i < ask->count; i++)
        show(calendar_connector_get(lookup, i), out);
    calendar_connector_end(&lookup);
    assert_null(lookup);
}

/* --- one attendee, one or two documents --- */

#define HTTP "S:HTTP/1.1 200 OK\nS:Connection: close\nS:\n"
#define FB(inner) "request:GET /a HTTP\n" HTTP "R:BEGIN:VFREEBUSY\\n" inner "END:VFREEBUSY\\n\n"
#define BUSY(hour, kind) "FREEBUSY;FBTYPE=" kind ":20261201T" hour "0000Z/PT1H\\n"
#define UNTIL(hour) "DTSTART:20261101T000000Z\\nDTEND:20261201T" hour "0000Z\\n"
#define GOOD_1 FB(BUSY("10", "BUSY"))
#define GOOD_2 FB(BUSY("11", "BUSY-TENTATIVE"))
#define HALF_1 FB(UNTIL("12") BUSY("10", "BUSY"))
#define QUARTER_2 FB(UNTIL("06") BUSY("05", "BUSY"))
#define UNKNOWN(hours) "FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:" hours "\\n"
#define GAPS_1 \
    FB(UNKNOWN("20261201T080000Z/PT2H,20261201T200000Z/PT1H") BUSY("10", "BUSY") BUSY("12", \
                                                                                      "BUS" \
                                                                                      "Y"))
#define OLD_1 FB("COMMENT;X-POSTHORSE-AGE=PT5M:x\\n" BUSY("10", "BUSY"))
#define STATUS(s) "request:GET /a HTTP\nS:HTTP/1.1 " s "\nS:Content-Length: 0\nS:\n"
#define HANG "maybe\nrequest:GET /a HTTP\nhang\n"
#define SLOW "maybe\nrequest:GET /a HTTP\n" HTTP "drip\n"
#define GARBAGE "request:GET /a HTTP\n" HTTP "R:<html>\n"
#define CLOSES "request:GET /a HTTP\nclose\n"

static const struct row {
    const char *name, *scripts[DOCUMENTS_MAX]; /* NULL: nobody is to be asked, or "": gone */
    const char *want;
    uint64_t ms; /* the deadline; 0: PATIENCE_MS, of which half is not needed */
} rows[] = {
    {"an answer", {GOOD_1}, "fresh 10-11/3 document one;", 0},
    {"the first is not reached", {"", GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"the first is overloaded", {STATUS("503 No"), GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"the first talks garbage", {GARBAGE, GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"the first closes", {CLOSES, GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"the first hangs", {HANG, GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"the first is slow", {SLOW, GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"both hang", {HANG, HANG}, "no data;", 700},
    {"both are down", {STATUS("503 No"), ""}, "no data;", 0},
    {"the first knows a part, the second all", {HALF_1, GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"a part is better than nothing",
     {HALF_1, STATUS("503 No")},
     "fresh [0-12] 10-11/3 document one;",
     0},
    {"a part, and who hangs is not waited for",
     {HALF_1, HANG},
     "fresh [0-12] 10-11/3 document one;",
     0},
    {"of two parts the longer", {HALF_1, QUARTER_2}, "fresh [0-12] 10-11/3 document one;", 0},
    {"gaps in the middle are unknown, and they alone",
     {GAPS_1},
     "fresh 8-10/5 10-11/3 12-13/3 20-21/5 document one;",
     0},
    {"gaps, and the second knows all", {GAPS_1, GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"of two parts the one with more, gaps left out",
     {HALF_1, FB(UNKNOWN("20261201T020000Z/PT20H"))},
     "fresh [0-12] 10-11/3 document one;",
     0},
    {"a part is better than what was known",
     {OLD_1, QUARTER_2},
     "fresh [0-6] 5-6/3 document two;",
     0},
    {"what the far side remembers has its age",
     {OLD_1, STATUS("503 No")},
     "known ~300 10-11/3 document one;",
     0},
    {"nobody knows him", {STATUS("404 No"), STATUS("404 No")}, "not found;", 0},
    {"the first does not know him", {STATUS("404 No"), GOOD_2}, "fresh 11-12/2 document two;", 0},
    {"no document", {NULL}, "no way;", 0},
};

static void run_row(const struct row *row)
{
    static const char *const names[] = {"one", "two"};
    static const struct slice attendee = {"mailto:a@far.test", 17};
    struct router_peer_server *peers[DOCUMENTS_MAX] = {NULL};
    struct calendar *calendar = calendar_begin();
    AUTO(buf) struct buf got = BUF(KIB);

    for (size_t i = 0; i < DOCUMENTS_MAX && row->scripts[i] != NULL; i++) {
        uint16_t port = NOBODY_PORT;

        if (row->scripts[i][0] != '\0')
            peers[i] = router_peer_start(row->scripts[i], NULL, &port);
        document(names[i], "far.test", (unsigned)i, port);
    }
    directory_reload();
    const uint64_t begun_ms = sys_mono_ms();
    const struct calendar_connector_ask ask =
        ask_of(&attendee, 1, row->ms > 0 ? row->ms : PATIENCE_MS);
    look_up(calendar, &ask, &got);
    const uint64_t took_ms = sys_mono_ms() - begun_ms;
    T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
    assert_true(took_ms < PATIENCE_MS / 2);
    calendar_free(&calendar); /* who hangs is let go */
    assert_true(sys_mono_ms() - begun_ms < PATIENCE_MS / 2);
    for (size_t i = 0; i < DOCUMENTS_MAX; i++)
        if (peers[i] != NULL)
            router_peer_end(&peers[i]);
    no_documents();
}

static void whoever_fails_the_answer_is_the_best_that_there_is(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].name);
        run_row(&rows[i]);
    }
}

/* --- when the far side dies --- */

static void expect(struct calendar *calendar, const struct calendar_connector_ask *ask,
                   const char *want)
{
    AUTO(buf) struct buf got = BUF(KIB);

    look_up(calendar, ask, &got);
    T_EQ_SLICE(buf_slice(&got), slice_str(want));
}

static void what_was_known_is_given_when_the_far_side_is_dead(void **state)
{
    static const struct slice attendee = {"a@far.test", 10}, same = {"MAILTO:A@FAR.test", 17};
    struct conf conf = conf_defaults;
    struct calendar *calendar = calendar_begin();
    uint16_t port;
    struct router_peer_server *peer =
        router_peer_start(HALF_1 "close\naccept\n" GOOD_1, NULL, &port);
    struct calendar_connector_ask ask = ask_of(&attendee, 1, PATIENCE_MS);

    document("one", "far.test", 1, port);
    directory_reload();
    expect(calendar, &ask, "fresh [0-12] 10-11/3 document one;");
    expect(calendar, &ask, "fresh 10-11/3 document one;");
    router_peer_end(&peer);
    expect(calendar, &ask, "known 10-11/3 this server's memory;");
    ask.attendees = &same;
    expect(calendar, &ask, "known 10-11/3 this server's memory;");
    ask.but_uid = SLICE("1"); /* what he is asked for without is not known */
    expect(calendar, &ask, "no data;");
    ask.but_uid = SLICE("");
    ask.until_s += T_DAY_S;
    expect(calendar, &ask, "known 10-11/3 this server's memory;");
    ask.from_s += 2 * T_DAY_S;
    ask.until_s += 2 * T_DAY_S;
    expect(calendar, &ask, "no data;");
    conf.freebusy_age_max_ms = 0;
    conf_use(&conf);
    usleep(2000); /* so that it is older than nothing */
    ask = ask_of(&attendee, 1, PATIENCE_MS);
    expect(calendar, &ask, "no data;");
    conf_use(&conf_defaults);
    calendar_free(&calendar);
    no_documents();
}

static void who_is_gone_is_not_known_any_more(void **state)
{
    static const struct slice attendee = {"a@far.test", 10};
    struct calendar *calendar = calendar_begin();
    uint16_t port;
    struct router_peer_server *peer =
        router_peer_start(GOOD_1 "close\naccept\n" STATUS("404 No"), NULL, &port);
    const struct calendar_connector_ask ask = ask_of(&attendee, 1, PATIENCE_MS);

    document("one", "far.test", 1, port);
    directory_reload();
    expect(calendar, &ask, "fresh 10-11/3 document one;");
    expect(calendar, &ask, "not found;");
    router_peer_end(&peer);
    expect(calendar, &ask, "no data;");
    calendar_free(&calendar);
    no_documents();
}

/* --- several attendees --- */

static void nobodys_failure_is_anothers(void **state)
{
    static const struct slice attendees[] = {{"a@far.test", 10},       {"alice@localhost", 15},
                                             {"x@nowhere.test", 14},   {"a@other.test", 12},
                                             {"nobody@localhost", 16}, {"?", 1}};
    struct calendar *calendar = calendar_begin();
    uint16_t ports[2];
    struct router_peer_server *peers[] = {router_peer_start(HANG, NULL, &ports[0]),
                                          router_peer_start(GOOD_2, NULL, &ports[1])};
    const struct calendar_connector_ask ask = ask_of(attendees, COUNT(attendees), 3 * SEC_MS);
    const struct calendar_connector_answer *answer;
    AUTO(buf) struct buf got = BUF(KIB);
    size_t last = SIZE_MAX, count = 0;

    document("one", "far.test", 1, ports[0]);
    document("two", "other.test", 1, ports[1]);
    directory_reload();
    struct calendar_connector_lookup *lookup =
        calendar_connector_begin(calendar_connector(calendar), &ask);
    while ((answer = calendar_connector_next(lookup)) != NULL) {
        last = answer->attendee;
        count++;
    }
    assert_int_equal(count, COUNT(attendees));
    assert_int_equal(last, 0); /* who hangs holds back nobody */
    for (size_t i = 0; i < COUNT(attendees); i++)
        show(calendar_connector_get(lookup, i), &got);
    calendar_connector_end(&lookup);
    T_EQ_SLICE(buf_slice(&got), SLICE("no data;fresh this server;no way;fresh 11-12/2 document two;"
                                      "not found;bad question;"));
    calendar_free(&calendar);
    for (size_t i = 0; i < 2; i++)
        router_peer_end(&peers[i]);
    no_documents();
}

/* --- threads --- */

struct asking {
    struct calendar *calendar;
    pthread_t thread;
    struct buf got;
};

static void *ask_again_and_again(void *arg)
{
    static const struct slice attendees[] = {
        {"a@far.test", 10}, {"alice@localhost", 15}, {"a@other.test", 12}};
    struct asking *asking = arg;

    for (int i = 0; i < ROUNDS; i++) {
        const struct calendar_connector_ask ask = ask_of(attendees, COUNT(attendees), PATIENCE_MS);

        buf_clear(&asking->got);
        look_up(asking->calendar, &ask, &asking->got);
        if (!slice_eq(buf_slice(&asking->got),
                      SLICE("fresh 10-11/3 document one;fresh this server;no data;")))
            break;
    }
    return NULL;
}

static void eight_threads_ask_at_once(void **state)
{
    struct calendar *calendar = calendar_begin();
    struct asking askings[THREADS];
    AUTO(buf) struct buf script = BUF(64 * KIB);
    uint16_t port;

    for (int i = 0; i < THREADS * ROUNDS; i++)
        buf_putf(&script, "%s%s", i > 0 ? "close\naccept\n" : "", GOOD_1);
    struct router_peer_server *peer = router_peer_start(script.ptr, NULL, &port);
    document("one", "far.test", 1, port);
    document("two", "other.test", 1, NOBODY_PORT);
    directory_reload();
    for (size_t i = 0; i < THREADS; i++) {
        askings[i] = (struct asking){.calendar = calendar, .got = BUF(KIB)};
        assert_int_equal(pthread_create(&askings[i].thread, NULL, ask_again_and_again, &askings[i]),
                         0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(askings[i].thread, NULL);
        T_EQ_SLICE(buf_slice(&askings[i].got),
                   SLICE("fresh 10-11/3 document one;fresh this server;no data;"));
        buf_fini(&askings[i].got);
    }
    calendar_free(&calendar);
    router_peer_end(&peer);
    no_documents();
}

/* --- those who have had enough --- */

static void await_question(int fd)
{
    assert_int_equal(poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, PATIENCE_MS), 1);
}

/* Before its question is out, while it is, and after the deadline of a question that is out. */
static void a_look_up_that_ends_early_leaves_its_questions_to_themselves(void **state)
{
    static const struct slice attendee = {"a@far.test", 10};
    uint16_t port;
    const int fd = router_peer_silent(&port);

    document("one", "far.test", 1, port);
    directory_reload();
    for (int round = 0; round < 3; round++) {
        struct calendar *calendar = calendar_begin();
        const struct calendar_connector_ask ask =
            ask_of(&attendee, 1, round == 2 ? 50 : PATIENCE_MS);
        const uint64_t begun_ms = sys_mono_ms();

        T_ROW((size_t)round, "ends");
        struct calendar_connector_lookup *lookup =
            calendar_connector_begin(calendar_connector(calendar), &ask);
        if (round == 1)
            await_question(fd);
        if (round == 2)
            assert_int_equal(calendar_connector_next(lookup)->result, CALENDAR_CONNECTOR_NO_DATA);
        calendar_connector_end(&lookup);
        calendar_free(&calendar);
        assert_true(sys_mono_ms() - begun_ms < PATIENCE_MS / 2);
    }
    no_documents();
    close(fd);
}

static void *ask_who_hangs(void *arg)
{
    static const struct slice attendee = {"a@far.test", 10};
    struct asking *asking = arg;
    const struct calendar_connector_ask ask = ask_of(&attendee, 1, 10 * MIN_MS);

    look_up(asking->calendar, &ask, &asking->got);
    return NULL;
}

static void the_end_waits_for_nobody(void **state)
{
    struct calendar *calendar = calendar_begin();
    struct asking asking = {.calendar = calendar, .got = BUF(KIB)};
    uint16_t port;
    const int fd = router_peer_silent(&port);

    document("one", "far.test", 1, port);
    directory_reload();
    assert_int_equal(pthread_create(&asking.thread, NULL, ask_who_hangs, &asking), 0);
    await_question(fd);
    const uint64_t begun_ms = sys_mono_ms();
    calendar_connector_stop(calendar_connector(calendar));
    pthread_join(asking.thread, NULL);
    T_EQ_SLICE(buf_slice(&asking.got), SLICE("no data;"));
    buf_clear(&asking.got);
    (void)ask_who_hangs(&asking); /* from now on nobody is asked */
    T_EQ_SLICE(buf_slice(&asking.got), SLICE("no data;"));
    assert_true(sys_mono_ms() - begun_ms < PATIENCE_MS / 2);
    buf_fini(&asking.got);
    calendar_free(&calendar);
    close(fd);
    no_documents();
}

static int set_up(void **state)
{
    t = (struct t_store){.engine = "sqlite"};
    t_store_new(&t);
    struct t_calendar people = t_calendar_begin(&t, NULL);
    calendar_free(&people.calendar);
    return 0;
}

static int tear_down(void **state)
{
    directory_close();
    t_store_free(&t);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whoever_fails_the_answer_is_the_best_that_there_is),
        cmocka_unit_test(what_was_known_is_given_when_the_far_side_is_dead),
        cmocka_unit_test(who_is_gone_is_not_known_any_more),
        cmocka_unit_test(nobodys_failure_is_anothers),
        cmocka_unit_test(eight_threads_ask_at_once),
        cmocka_unit_test(a_look_up_that_ends_early_leaves_its_questions_to_themselves),
        cmocka_unit_test(the_end_waits_for_nobody),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
