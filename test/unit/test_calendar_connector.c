#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_connector_plan.h"
#include "directory/directory.h"

#include <string.h>
#include <time.h>

#define MONO_MS 1000000
#define DAY_S INT64_C(86400)

struct doc {
    const char *kind;
    const char *name;
    const char *body;
};

/* The later, the newer. */
static const struct doc docs[] = {
    {"server", "m1", ""},
    {"server", "m2", ""},
    {"server", "m3", ""},
    {"server", "da", ""},
    {"server", "db", ""},
    {"person", "ann", "server = m1\n"},
    {"person", "bob", "server = m1\nserver = m2\nserver = m3\nalias = robert\n"},
    {"person", "here", "server = m1\nserver = m2\n"},
    {"person", "soon", "server = m1\n"},
    {"person", "nowhere", "full_name = N\n"},
    {"person", "ghost", "server = gone\nserver = m2\n"},
    {"group", "crew", "member = ann\n"},
    {"settings", "rules", "rewrite_recipient = *@old.test *@here.test\n"},
    {"foreign-domain", "btex-b",
     "domain = BTEx\ncalendar_server = db\ncalendar = ews https://x.test/EWS/Exchange.asmx\n"
     "rewrite = *@BTEx *@exchange.test\n"},
    {"foreign-domain", "btex-a",
     "domain = BTEx\ncalendar_server = da\ncalendar = ews https://x.test/EWS/Exchange.asmx\n"
     "rewrite = *@BTEx *@exchange.test\n"},
    {"foreign-domain", "mute", "domain = mute\ncalendar_server = da\n"},
    {"foreign-domain", "none", "domain = none\ncalendar = caldav https://x.test/outbox/\n"},
    {"foreign-domain", "strange",
     "domain = strange\ncalendar_server = gone\ncalendar = caldav https://x.test/outbox/\n"},
    {"foreign-domain", "twice-1",
     "domain = twice\ncalendar_server = da\ncalendar = caldav https://x.test/outbox/\n"},
    {"foreign-domain", "twice-2",
     "domain = twice\ncalendar_server = da\ncalendar = ifb https://y.test/{local}.ifb\n"},
    {"foreign-domain", "blind",
     "domain = blind\ncalendar_server = da\ncalendar = caldav https://x.test/\nreader = m1\n"},
    {"foreign-domain", "both",
     "domain = merge\nshared_domain = shared.test\ncalendar_server = db\npriority = 7\n"
     "calendar = caldav https://z.test/{local}/\n"},
};

static const struct directory *make(const char *newest)
{
    struct directory *directory = directory_new(SLICE("here.test shared.test"));

    for (size_t i = 0; i < COUNT(docs); i++)
        directory_add(directory, slice_str(docs[i].kind), slice_str(docs[i].name),
                      strcmp(docs[i].name, newest) == 0 ? 100 : (int64_t)i,
                      slice_str(docs[i].body));
    directory_add_account(directory, SLICE("here"), 7);
    return directory_end(directory);
}

struct row {
    const char *server; /* this one */
    const char *states; /* "down=s1 busy=s2" */
    const char *address;
    const char *visited; /* "m1 m2" */
    unsigned hops_left;
    /* steps in order: "here", "-document", "server", "+server" for one that goes round; or why
     * there are none */
    const char *want;
};

#define A50 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A200 A50 A50 A50 A50
#define LONG A200 A200 A200 A200 A200 /* 1000 */

/* Rows whose hops are 1 leave detours aside. */
static const struct row rows[] = {
    /* an account: where it lies */
    {"m1", "", "ann@here.test", "", 1, ""}, /* not here yet, and nowhere else */
    {"m3", "", "ann@here.test", "", 1, "m1"},
    {"m3", "down=m1", "ann@here.test", "", 1, "m1"},
    {"m3", "restricted=m1", "ann@here.test", "", 1, ""},
    {"m3", "", "ANN+x@Here.test", "", 1, "m1"},
    {"m3", "", "nowhere@here.test", "", 1, ""},
    {"m3", "", "ghost@here.test", "", 1, "m2"},
    {"da", "", "bob@here.test", "", 1, "m1 m2 m3"},
    {"da", "", "robert@shared.test", "", 1, "m1 m2 m3"},
    {"da", "", "bob@old.test", "", 1, "m1 m2 m3"},
    {"da", "", "bob@old.test", "m3", 1, "stranger"}, /* rules are for where it begins */
    {"da", "busy=m1", "bob@here.test", "", 1, "m2 m3 m1"},
    {"da", "suspect=m1 busy=m2", "bob@here.test", "", 1, "m3 m2 m1"},
    {"da", "down=m1 restricted=m2", "bob@here.test", "", 1, "m3 m1"},
    {"m3", "", "bob@here.test", "", 1, "m1 m2"},
    {"m1", "", "here@here.test", "", 1, "here m2"},
    {"m1", "restricted=m1 down=m2", "here@here.test", "", 1, "here m2"},
    {"m1", "", "here@here.test", "", 0, "here"},
    {"m1", "", "here@here.test", "m2", 1, "here"},
    {"m2", "", "bob@here.test", "m3 m1", 1, ""},
    {"m2", "down=m1", "bob@here.test", "da", 1, "m3"}, /* the one before tries it itself */
    {"m1", "", "nobody@here.test", "", 2, "nobody"},
    {"m1", "", "crew@here.test", "", 2, "group"},
    {"m1", "", "crew@far.test", "", 2, "stranger"},
    {"m1", "", "crew", "", 2, "invalid"},
    {"m1", "", "@BTEx", "", 1, "invalid"}, /* the URL of all of them */
    {"m1", "", "..@BTEx", "", 1, "invalid"},
    {"m1", "", "a\nX-LINE:b@BTEx", "", 1, "invalid"},
    {"m1", "", "a\rb@BTEx", "", 1, "invalid"},
    {"m1", "", "bob+\r\nb@here.test", "", 1, "invalid"},
    {"m1", "", "a b@BTEx", "", 1, "invalid"},
    {"m1", "", "a\xff@BTEx", "", 1, "invalid"},
    {"m1", "", "\xc3\xa9.o'hara+x@BTEx", "", 1, "da db"},
    {"m1", "", LONG "@BTEx", "", 1, "invalid"},
    /* a foreign domain: last modified first */
    {"m1", "", "u@BTEx", "", 1, "da db"},
    {"m1", "", "u@btex", "", 0, ""},
    {"m1", "busy=da", "u@btex", "", 1, "db da"},
    {"m1", "suspect=da", "u@btex", "", 1, "db da"},
    {"m1", "restricted=da", "u@btex", "", 1, "db"},
    {"da", "", "u@btex", "", 1, "-btex-a db"},
    {"db", "", "u@btex", "", 1, "da -btex-b"},
    {"db", "", "u@btex", "m1", 1, "-btex-b da"}, /* it came here to be asked here */
    {"db", "", "u@btex", "da", 1, "-btex-b"},
    {"db", "down=db", "u@btex", "m1", 0, "-btex-b"},
    {"m1", "", "u@mute", "", 1, ""},
    {"da", "", "u@mute", "", 1, ""},
    {"da", "", "u@none", "", 1, ""},
    {"da", "", "u@strange", "", 1, ""},
    {"m1", "", "u@twice", "", 1, "da"},
    {"da", "", "u@twice", "", 1, "-twice-2 -twice-1"},
    {"m1", "", "u@blind", "", 1, ""},
    /* round those that are not reached */
    {"m3", "", "ann@here.test", "", 2, "m1 +da +db +m2"},
    {"m3", "down=m1", "ann@here.test", "", 2, "+da +db +m2 m1"},
    {"m3", "busy=da restricted=m2", "ann@here.test", "", 2, "m1 +db +da"},
    {"m3", "", "ann@here.test", "m2", 2, "m1 +da +db"},
    {"m1", "", "here@here.test", "", 2, "here m2 +da +db +m3"},
    {"da", "", "u@twice", "", 2, "-twice-2 -twice-1"}, /* nobody could do more */
    {"m1", "", "u@btex", "", 2, "da db +m2 +m3 +da +db"},
    {"m1", "", "u@strange", "", 2, ""},
    /* one SMTP domain for both */
    {"m1", "", "theirs@shared.test", "", 1, "db"},
    {"db", "", "theirs@shared.test", "", 1, "-both"},
    {"m3", "", "ann@shared.test", "", 1, "m1"},
    {"m3", "", "theirs@here.test", "", 1, "nobody"},
};

static const struct health_limits limits = {400, 800, 1000};

static void read_states(const char *text, struct health_server *servers, struct health_view *view)
{
    struct slice rest = slice_str(text);
    struct slice one;

    *view = (struct health_view){.servers = servers, .limits = limits};
    while (slice_split(&rest, ' ', &one)) {
        size_t at = slice_find(one, '=');
        struct health_server *server = &servers[view->count];
        enum health_state state;

        if (one.len == 0)
            continue;
        assert_int_equal(health_state_find(slice_sub(one, 0, at), &state), ST_OK);
        snprintf(server->name, sizeof(server->name), "%.*s",
                 SLICE_ARG(slice_sub(one, at + 1, SIZE_MAX)));
        server->peer = health_peer_as(&limits, state, MONO_MS);
        view->count++;
    }
}

static void show(const struct calendar_connector_plan *plan, struct buf *out)
{
    static const char *const ends[] = {"", "nobody", "group", "stranger", "invalid"};

    buf_put(out, slice_str(ends[plan->end]));
    for (size_t i = 0; i < plan->step_count; i++) {
        const struct calendar_connector_step *step = &plan->steps[i];
        bool round = plan->hedge[i].kind == CALENDAR_HEDGE_DETOUR;

        if (out->len > 0)
            buf_put(out, SLICE(" "));
        if (step->way == CALENDAR_CONNECTOR_HERE)
            buf_put(out, SLICE("here"));
        else if (step->way == CALENDAR_CONNECTOR_FOREIGN)
            buf_putf(out, "-%s", step->foreign->name);
        else
            buf_putf(out, "%s%s", round ? "+" : "", step->server->name);
        assert_true(step->why != NULL && step->why[0] != '\0');
        assert_int_equal(plan->hedge[i].kind == CALENDAR_HEDGE_OWN, step->server == NULL);
        assert_int_equal(step->hops_left > 0, round);
    }
}

static struct health_server servers[8];
static struct health_view view;
static struct slice visited[8];

static struct calendar_connector_question question_of(const struct directory *directory,
                                                      const struct row *row)
{
    struct slice rest = slice_str(row->visited);
    struct slice one;
    size_t count = 0;

    memset(servers, 0, sizeof(servers));
    read_states(row->states, servers, &view);
    while (slice_split(&rest, ' ', &one))
        if (one.len > 0)
            visited[count++] = one;
    return (struct calendar_connector_question){.directory = directory,
                                                .servers = &view,
                                                .mono_ms = MONO_MS,
                                                .server_name = row->server,
                                                .address = slice_str(row->address),
                                                .until_s = DAY_S,
                                                .visited = visited,
                                                .visited_count = count,
                                                .hops_left = row->hops_left,
                                                .pass_busy = true,
                                                .explain = true};
}

/* The snapshot is what all servers see, but for readers: those of row->server. */
static const struct directory *seen_by(const char *server)
{
    struct directory *directory = directory_new(SLICE("here.test shared.test"));

    directory_look(directory, slice_str(server));
    for (size_t i = 0; i < COUNT(docs); i++)
        directory_add(directory, slice_str(docs[i].kind), slice_str(docs[i].name), (int64_t)i,
                      slice_str(docs[i].body));
    if (strcmp(server, "m1") == 0)
        directory_add_account(directory, SLICE("here"), 7);
    return directory_end(directory);
}

static void test_each_attendee_has_his_sources_in_order(void **state)
{
    struct arena *arena = arena_new("plan", 64 * MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct directory *directory = seen_by(rows[i].server);
        const struct calendar_connector_question question = question_of(directory, &rows[i]);
        struct calendar_connector_plan plan;
        AUTO(buf) struct buf out = BUF(4000);
        size_t taken = 0;

        T_ROW(i, rows[i].address);
        calendar_connector_plan(&question, arena, &plan);
        show(&plan, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
        assert_true(plan.why[0] != '\0');
        for (size_t k = 0; k < plan.candidate_count; k++) {
            taken += plan.candidates[k].taken;
            assert_true(plan.candidates[k].name[0] != '\0' && plan.candidates[k].why[0] != '\0');
        }
        assert_int_equal(taken, plan.step_count);
        directory_unref(&directory);
    }
    arena_free(&arena);
}

/* --- the scenario of the two coexistence servers, DominoA and DominoB: da and db --- */

struct scene {
    const char *what;
    struct row row;
    const char *newest; /* the document that was edited last */
};

static const struct scene scenes[] = {
    {"the latest document modified first in order to the earliest modified document",
     {"m1", "", "u@BTEx", "", 2, "da db +m2 +m3 +da +db"},
     "btex-a"},
    {"any edit of the other document, and the order is the other one; both stay in it",
     {"m1", "", "u@BTEx", "", 2, "db da +m2 +m3 +da +db"},
     "btex-b"},
    {"all free busy requests flow to DominoA, which asks by itself",
     {"da", "", "u@BTEx", "m1", 0, "-btex-a"},
     "btex-a"},
    {"DominoA is down: all free busy requests flow to DominoB",
     {"m1", "down=da", "u@BTEx", "", 1, "db da"},
     "btex-a"},
    {"... and DominoB, which was asked, recognises that it is defined to handle them",
     {"db", "down=da", "u@BTEx", "m1", 0, "-btex-b"},
     "btex-a"},
    {"... and for those whose own server it is, without being asked",
     {"db", "down=da", "u@BTEx", "", 1, "-btex-b da"},
     "btex-a"},
    {"DominoA is just busy: the same", {"m1", "busy=da", "u@BTEx", "", 1, "db da"}, "btex-a"},
    {"DominoA is hung: nobody knows yet, so it is first; what is late is calendar_hedge's",
     {"m1", "", "u@BTEx", "", 1, "da db"},
     "btex-a"},
    {"DominoA is hung: its probes go unanswered",
     {"m1", "suspect=da", "u@BTEx", "", 1, "db da"},
     "btex-a"},
    {"both are down: both are tried, for what is known of them may be old",
     {"m1", "down=da down=db", "u@BTEx", "", 1, "da db"},
     "btex-a"},
    {"asked on the listed server itself, the other one being first",
     {"db", "", "u@BTEx", "", 1, "da -btex-b"},
     "btex-a"},
    {"asked on the listed server itself", {"db", "", "u@BTEx", "", 1, "-btex-b da"}, "btex-b"},
};

static void test_the_scenario_of_two_calendar_servers(void **state)
{
    struct arena *arena = arena_new("plan", 64 * MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(scenes); i++) {
        const struct directory *directory = make(scenes[i].newest);
        const struct calendar_connector_question question = question_of(directory, &scenes[i].row);
        struct calendar_connector_plan plan;
        AUTO(buf) struct buf out = BUF(4000);

        T_ROW(i, scenes[i].what);
        calendar_connector_plan(&question, arena, &plan);
        show(&plan, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(scenes[i].row.want));
        directory_unref(&directory);
    }
    arena_free(&arena);
}

/* The documents name readers, so that each coexistence server sees its own alone, as was told; an
 * edit may not undo it, and here nothing depends on it. */
static void test_with_readers_each_calendar_server_takes_itself(void **state)
{
    static const char *const wants[][2] = {
        {"m1", "da db"}, {"da", "-btex-a"}, {"db", "-btex-b"}, {"m2", "stranger"}};
    struct arena *arena = arena_new("plan", 64 * MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(wants); i++) {
        struct directory *making = directory_new(SLICE("here.test"));
        const struct row row = {wants[i][0], "", "u@BTEx", "", 1, wants[i][1]};
        struct calendar_connector_plan plan;
        AUTO(buf) struct buf out = BUF(4000);

        T_ROW(i, row.server);
        directory_look(making, slice_str(row.server));
        for (size_t k = 0; k < 5; k++)
            directory_add(making, slice_str(docs[k].kind), slice_str(docs[k].name), 1,
                          slice_str(docs[k].body));
        directory_add(making, SLICE("group"), SLICE("servers"), 1, SLICE("member = m1\n"));
        directory_add(making, SLICE("foreign-domain"), SLICE("btex-a"), 9,
                      SLICE("domain = BTEx\ncalendar_server = da\nreader = servers\nreader = da\n"
                            "calendar = ews https://x.test/\n"));
        directory_add(making, SLICE("foreign-domain"), SLICE("btex-b"), 8,
                      SLICE("domain = BTEx\ncalendar_server = db\nreader = servers\nreader = db\n"
                            "calendar = ews https://x.test/\n"));
        const struct directory *directory = directory_end(making);
        const struct calendar_connector_question question = question_of(directory, &row);
        calendar_connector_plan(&question, arena, &plan);
        show(&plan, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(row.want));
        directory_unref(&directory);
    }
    arena_free(&arena);
}

static void test_a_step_says_how_its_source_is_asked(void **state)
{
    const struct directory *directory = make("btex-b");
    struct arena *arena = arena_new("plan", 64 * MIB);
    const struct row rows_of[] = {{"db", "", "u@BTEx", "m1", 1, ""},
                                  {"db", "", "theirs@shared.test", "", 1, ""},
                                  {"m1", "", "here@old.test", "", 1, ""}};
    struct calendar_connector_plan plan;
    struct calendar_connector_question question = question_of(directory, &rows_of[0]);

    (void)state;
    calendar_connector_plan(&question, arena, &plan);
    T_EQ_SLICE(plan.steps[0].address, SLICE("u@exchange.test"));
    assert_false(plan.steps[0].each);
    T_EQ_SLICE(plan.steps[1].address, SLICE("u@BTEx")); /* to a server as we write it */
    assert_int_equal(plan.visited_count, 2);
    T_EQ_SLICE(plan.visited[1], SLICE("db"));
    question = question_of(directory, &rows_of[1]);
    calendar_connector_plan(&question, arena, &plan);
    assert_true(plan.steps[0].each);
    T_EQ_SLICE(plan.steps[0].address, SLICE("theirs@shared.test"));
    question = question_of(directory, &rows_of[2]);
    calendar_connector_plan(&question, arena, &plan);
    assert_int_equal(plan.steps[0].account_id, 7);
    T_EQ_SLICE(plan.steps[1].address, SLICE("here@here.test"));
    question.until_s = question.from_s;
    calendar_connector_plan(&question, arena, &plan);
    assert_int_equal(plan.end, CALENDAR_CONNECTOR_INVALID);
    arena_free(&arena);
    directory_unref(&directory);
}

/* Two systems that share a domain would ask each other for ever. */
static void test_a_foreign_system_is_told_of_nobody_but_ours(void **state)
{
    static const char *const wants[][2] = {{"theirs@shared.test", "nobody"},
                                           {"u@BTEx", "stranger"},
                                           {"bob@shared.test", "m1 m2 m3"},
                                           {"crew@here.test", "group"}};
    const struct directory *directory = make("btex-b");
    struct arena *arena = arena_new("plan", 64 * MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(wants); i++) {
        const struct row row = {"db", "", wants[i][0], "", 1, ""};
        struct calendar_connector_question question = question_of(directory, &row);
        struct calendar_connector_plan plan;
        AUTO(buf) struct buf out = BUF(4000);

        T_ROW(i, wants[i][0]);
        question.from_foreign = true;
        calendar_connector_plan(&question, arena, &plan);
        show(&plan, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(wants[i][1]));
    }
    arena_free(&arena);
    directory_unref(&directory);
}

static void test_a_catch_all_is_nobodys_calendar(void **state)
{
    struct directory *making = directory_new(SLICE("here.test"));
    struct arena *arena = arena_new("plan", 64 * MIB);
    struct calendar_connector_plan plan;

    (void)state;
    directory_add(making, SLICE("person"), SLICE("ann"), 1, SLICE("alias = *\nserver = m1\n"));
    const struct directory *directory = directory_end(making);
    const struct row row = {"m1", "", "anybody@here.test", "", 1, ""};
    const struct calendar_connector_question question = question_of(directory, &row);
    calendar_connector_plan(&question, arena, &plan);
    assert_int_equal(plan.end, CALENDAR_CONNECTOR_NOBODY);
    assert_non_null(strstr(plan.why, "catch-all"));
    arena_free(&arena);
    directory_unref(&directory);
}

static void test_it_says_who_was_passed_over_and_why(void **state)
{
    static const struct {
        struct row row;
        const char *candidates; /* "name|state|why" in order */
    } cases[] = {
        {{"m3", "restricted=m1 down=m2", "bob@here.test", "", 1, ""},
         "server m1|restricted for 0 s|passed over: restricted\n"
         "server m2|down for 0 s|tried last: it is down\n"
         "server m3|here|passed over: the account is not in its store yet\n"},
        {{"m1", "", "ghost@here.test", "m2", 1, ""},
         "server gone||passed over: there is no server document of this name\n"
         "server m2||passed over: the question comes from there\n"},
        {{"m1", "up=db", "u@BTEx", "", 0, ""},
         "calendar server da of btex-a||passed over: the question has no hops left\n"
         "calendar server db of btex-b|up for 0 s|passed over: the question has no hops left\n"},
        {{"m1", "", "u@mute", "", 1, ""},
         "calendar server da of mute||passed over: the document does not say how to ask "
         "(calendar)\n"},
        {{"m1", "", "u@none", "", 1, ""},
         "document none||passed over: the document names no calendar server\n"},
        {{"m1", "", "u@twice", "", 1, ""},
         "calendar server da of twice-2||the document's calendar server\n"
         "calendar server da of twice-1||passed over: it is asked already\n"},
        {{"m2", "down=db", "u@BTEx", "m1", 1, ""},
         "calendar server da of btex-a||the document's calendar server\n"
         "calendar server db of btex-b|down for 0 s|passed over: it is down, and the question was "
         "handed on to this server\n"},
        {{"m1", "", "u@blind", "", 1, ""},
         "calendar server da of blind||passed over: it may not see the document\n"},
    };
    struct arena *arena = arena_new("plan", 64 * MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct directory *directory = seen_by(cases[i].row.server);
        const struct calendar_connector_question question = question_of(directory, &cases[i].row);
        struct calendar_connector_plan plan;
        AUTO(buf) struct buf out = BUF(4000);

        T_ROW(i, cases[i].row.address);
        calendar_connector_plan(&question, arena, &plan);
        for (size_t k = 0; k < plan.candidate_count; k++)
            buf_putf(&out, "%s|%s|%s\n", plan.candidates[k].name, plan.candidates[k].state,
                     plan.candidates[k].why);
        T_EQ_SLICE(buf_slice(&out), slice_str(cases[i].candidates));
        directory_unref(&directory);
    }
    arena_free(&arena);
}

/* --- how long it takes; printed, not judged --- */

#define PERSONS 10000
#define PLANS 20000
#define SERVERS 100

static const struct directory *make_large(struct health_server *known)
{
    struct directory *making = directory_new(SLICE("here.test"));
    char name[32];

    for (int i = 0; i < SERVERS; i++) {
        snprintf(name, sizeof(name), "server%03d.here.test", i);
        directory_add(making, SLICE("server"), slice_str(name), 1, SLICE(""));
        snprintf(known[i].name, sizeof(known[i].name), "%s", name);
        known[i].peer = health_peer_as(&limits, HEALTH_UP, MONO_MS);
    }
    for (int i = 0; i < PERSONS; i++) {
        snprintf(name, sizeof(name), "person%d", i);
        directory_add(making, SLICE("person"), slice_str(name), i,
                      SLICE("server = server001.here.test\nserver = server099.here.test\n"));
    }
    return directory_end(making);
}

static void test_a_plan_in_a_large_directory(void **state)
{
    static struct health_server known[SERVERS];
    const struct directory *directory = make_large(known);
    const struct health_view large = {known, SERVERS, limits};
    struct arena *arena = arena_new("plan", 64 * MIB);
    struct timespec from;
    struct timespec to;

    (void)state;
    for (unsigned hops = 1; hops <= 2; hops++) {
        clock_gettime(CLOCK_MONOTONIC, &from);
        for (int i = 0; i < PLANS; i++) {
            struct calendar_connector_plan plan;
            char address[64];

            snprintf(address, sizeof(address), "person%d@here.test", i % PERSONS);
            const struct calendar_connector_question question = {.directory = directory,
                                                                 .servers = &large,
                                                                 .mono_ms = MONO_MS,
                                                                 .server_name =
                                                                     "server050.here.test",
                                                                 .address = slice_str(address),
                                                                 .until_s = DAY_S,
                                                                 .hops_left = hops};
            arena_reset(arena);
            calendar_connector_plan(&question, arena, &plan);
            assert_true(plan.step_count >= 2 &&
                        plan.step_count <= 2 + CALENDAR_CONNECTOR_DETOURS_MAX);
        }
        clock_gettime(CLOCK_MONOTONIC, &to);
        printf(
            "# calendar_connector_plan: %.2f us each with %u hops, %d persons, %d servers\n",
            ((double)(to.tv_sec - from.tv_sec) * 1e6 + (double)(to.tv_nsec - from.tv_nsec) / 1e3) /
                PLANS,
            hops, PERSONS, SERVERS);
    }
    arena_free(&arena);
    directory_unref(&directory);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_attendee_has_his_sources_in_order),
        cmocka_unit_test(test_the_scenario_of_two_calendar_servers),
        cmocka_unit_test(test_with_readers_each_calendar_server_takes_itself),
        cmocka_unit_test(test_a_step_says_how_its_source_is_asked),
        cmocka_unit_test(test_a_foreign_system_is_told_of_nobody_but_ours),
        cmocka_unit_test(test_a_catch_all_is_nobodys_calendar),
        cmocka_unit_test(test_it_says_who_was_passed_over_and_why),
        cmocka_unit_test(test_a_plan_in_a_large_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
