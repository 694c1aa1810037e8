#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_check.h"
#include "directory/directory_connection.h"
#include "directory/directory_group.h"
#include "directory/directory_name.h"
#include "directory/directory_person.h"
#include "directory/directory_settings.h"

/* What a document is refused for names the line; "" is taken. */
static const struct {
    enum directory_kind kind;
    const char *body;
    const char *why;
} texts[] = {
    {DIRECTORY_PERSON, "full_name = A\nforward = b@c.test\nforward_keep = no\nalias = *@d.test\n",
     ""},
    {DIRECTORY_PERSON, "# a\n ; b\n\nalias = x\n", ""},
    {DIRECTORY_PERSON, "full_name = A\nforward = a b@c.test\n", "line 2: a b@c.test is neither"},
    {DIRECTORY_PERSON, "forward_keep = maybe\n", "line 1: maybe is neither yes nor no"},
    {DIRECTORY_PERSON, "forward = @c.test\n", "line 1: "},
    {DIRECTORY_PERSON, "forward = a..b@c.test\n", "line 1: "},
    {DIRECTORY_PERSON, "forward = a@-c.test\n", "line 1: "},
    {DIRECTORY_PERSON, "forward = a@c..test\n", "line 1: "},
    {DIRECTORY_PERSON, "alias = **\n", "line 1: alias ** is not an address"},
    {DIRECTORY_PERSON, "alias = a*@x.test\n", "line 1: "},
    {DIRECTORY_PERSON, "member = a\n", "line 1: member is not a field of a person"},
    {DIRECTORY_PERSON, "quota_bytes = 1 GiB\n", "line 1: 1 GiB is not a whole number"},
    {DIRECTORY_PERSON, "[x]\nalias = a\n", "[x]: a document has no sections"},
    {DIRECTORY_PERSON, "alias = a\n  b\n", "line 2: begins with a blank"},
    {DIRECTORY_PERSON,
     "\xef\xbb\xbf"
     "alias = a\n",
     "line 1: begins with a byte order mark"},
    {DIRECTORY_GROUP, "", ""},
    {DIRECTORY_GROUP, "member = Alice\nmember = B.B+x@c.test\nmember = j\xc3\xbcrg@d.test\n", ""},
    {DIRECTORY_GROUP, "member = alice\nmember = a;b\n", "line 2: a;b is neither"},
    {DIRECTORY_GROUP, "forward = a\n", "line 1: forward is not a field of a group"},
    {DIRECTORY_CONNECTION,
     "domain = a.test\ndomain = *.b.test\ndomain = *\nhost = smtp.a.test:587\nhost = [::1]:25\n"
     "host = 192.0.2.1\nhost = mx\nuser = u\npassword = p\ntls = verified\ntls_first = yes\n"
     "connections_max = 4\npriority = 0\n",
     ""},
    {DIRECTORY_CONNECTION, "host = mx\n", "there is no domain"},
    {DIRECTORY_CONNECTION, "domain = *a.test\n", "line 1: *a.test is not a domain"},
    {DIRECTORY_CONNECTION, "domain = a.*.test\n", "line 1: "},
    {DIRECTORY_CONNECTION, "domain = a.test\nhost = a.test:0\n", "line 2: a.test:0 is not a host"},
    {DIRECTORY_CONNECTION, "domain = a.test\nhost = a.test:65536\n", "line 2: "},
    {DIRECTORY_CONNECTION, "domain = a.test\nhost = ::1\n", "line 2: "},
    {DIRECTORY_CONNECTION, "domain = a.test\nhost = [a]:25\n", "line 2: "},
    {DIRECTORY_CONNECTION, "domain = a.test\ntls = maybe\n", "line 2: tls = maybe: write none"},
    {DIRECTORY_CONNECTION, "domain = a.test\ntls = none\ntls_first = yes\n", "exclude each other"},
    {DIRECTORY_CONNECTION, "domain = a.test\nconnections_max = 0\n", "line 2: 0 is not between"},
    {DIRECTORY_CONNECTION, "domain = a.test\npassword = x\n", "a password without a user"},
    {DIRECTORY_SERVER, "", ""},
    {DIRECTORY_SERVER,
     "address = 192.0.2.1\nsmtp = a.test:25\ncluster = [::1]:7025\nrole = gates\nreader = "
     "[gates]\n",
     ""},
    {DIRECTORY_SERVER, "smtp = mx\n", "line 1: mx is not a host"},
    {DIRECTORY_SERVER, "address = a.test:25\n", "line 1: a.test:25: an address has no port"},
    {DIRECTORY_SERVER, "role = a b\n", "line 1: a b is not the name"},
    {DIRECTORY_CLUSTER, "member = A\nmember = b\npriority = 7\nauthor = ann\n", ""},
    {DIRECTORY_CLUSTER, "member = a@b.test\n", "line 1: a@b.test is not the name"},
    {DIRECTORY_FOREIGN,
     "domain = BTEx\nmail_server = a\ncalendar_server = B\nhost = x.test:25\nuser = u\n"
     "password = p\ntls = none\nrewrite = *@BTEx *@x.test\nshared_domain = example.test\n",
     ""},
    {DIRECTORY_FOREIGN, "mail_server = a\n", "there is no domain"},
    {DIRECTORY_FOREIGN, "domain = *.x\n", "line 1: *.x is not a domain"},
    {DIRECTORY_FOREIGN, "domain = x\nrewrite = *@*.x *@y\n", "line 2: *@*.x *@y cannot be undone"},
    {DIRECTORY_FOREIGN, "domain = x\nrewrite = *@x a@y\n", "line 2: "},
    {DIRECTORY_FOREIGN, "domain = x\nnetwork = 192.0.2.0/24\nnetwork = ::1\n", ""},
    {DIRECTORY_FOREIGN, "domain = x\nnetwork = 192.0.2\n", "line 2: 192.0.2 is not a network"},
    {DIRECTORY_FOREIGN, "domain = x\npassword = p\n", "a password without a user"},
    {DIRECTORY_FOREIGN,
     "domain = x\ncalendar = ews https://x.test/EWS/Exchange.asmx\ncalendar_user = X\\u\n"
     "calendar_password = p\ncalendar_auth = ntlm\ncalendar_impersonate = u@x.test\n",
     ""},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = caldav  https://x.test/outbox/\n", ""},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = caldav http://x.test/{domain}/{local}/\n", ""},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ifb https://x.test/{address}.ifb\n", ""},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ifb https://x.test/free.ifb\n",
     "calendar = ifb https://x.test/free.ifb names nobody"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews\n", "line 2: ews is no way to ask"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = none https://x.test/\n", "line 2: none https"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews ftp://x.test/\n", "line 2: ews ftp"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews https://\n", "line 2: ews https://"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews https://x.test/a b\n", "line 2: ews https"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ifb https://x.test/{user}\n", "line 2: ifb"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews https://u:p@x.test/\n", "line 2: ews"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews https://x.test/u@y\n", ""},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar_auth = digest\n",
     "line 2: calendar_auth = digest: write basic, ntlm or negotiate"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews https://x.test/\ncalendar_password = p\n",
     "a calendar_password without a calendar_user"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar_user = u\n", "a calendar_user, and no calendar"},
    {DIRECTORY_FOREIGN, "domain = x\ncalendar = ews https://x.test/\ncalendar_impersonate = u\n",
     "calendar_impersonate = u is no address"},
    {DIRECTORY_FOREIGN,
     "domain = x\ncalendar = ews https://x.test/\ncalendar_impersonate = u v@x\n",
     "calendar_impersonate = u v@x is no address"},
    {DIRECTORY_FOREIGN,
     "domain = x\ncalendar = ifb https://x.test/{local}\ncalendar_impersonate = u@x\n",
     "a calendar_impersonate is for calendar = ews alone"},
    {DIRECTORY_FOREIGN, "domain = x\npriority = -1\n", "line 2: -1 is not a whole number"},
    {DIRECTORY_GROUP, "reader = []\n", "line 1: [] is nobody who may read"},
    {DIRECTORY_GROUP, "author = a@b.test\n", "line 1: a@b.test is nobody"},
    {DIRECTORY_PERSON, "sent_copy = on\nsent_copy = off\nsent_copy = setting\n", ""},
    {DIRECTORY_PERSON, "sent_copy = yes\n", "line 1: yes is neither on nor off"},
    {DIRECTORY_PERSON, "priority = 1000001\n", "line 1: 1000001 is not between"},
    {DIRECTORY_SETTINGS, "rewrite_recipient = *@a.test *@b.test\n", ""},
    {DIRECTORY_SETTINGS, "rewrite_sender = x.*@*.a.test *.y@b.test\n", ""},
    {DIRECTORY_SETTINGS, "rewrite_sender = *@* x@b.test\n", ""},
    {DIRECTORY_SETTINGS, "rewrite_sender = *@a.test\n", "line 1: *@a.test is not a rule"},
    {DIRECTORY_SETTINGS, "rewrite_sender = a@a.test *@b.test\n", "line 1: "},
    {DIRECTORY_SETTINGS, "rewrite_sender = **@a.test *@b.test\n", "line 1: "},
    {DIRECTORY_SETTINGS, "rewrite_sender = *@a.test *@*.test\n", "line 1: "},
    {DIRECTORY_SETTINGS, "rewrite_sender = *@a.test *@b.test x\n", "line 1: "},
    {DIRECTORY_SETTINGS, "rewrite_sender = @a.test *@b.test\n", "line 1: "},
};

static void test_a_fault_names_its_line_and_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct arena *arena = arena_new("test", MIB);
        struct directory_checked checked;
        AUTO(buf) struct buf why = BUF(4 * KIB);

        T_ROW(i, texts[i].body);
        enum st st = directory_check(texts[i].kind, arena, SLICE("name"), slice_str(texts[i].body),
                                     &checked, &why);
        assert_int_equal(st, texts[i].why[0] == '\0' ? ST_OK : ST_INVALID);
        if (st != ST_OK && strstr(why.ptr, texts[i].why) == NULL)
            fail_msg("%s", why.ptr);
        arena_free(&arena);
    }
}

static void test_a_connection_says_what_its_text_says(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct directory_connection_document *read =
        arena_one(arena, struct directory_connection_document);
    const struct directory_connection *connection = &read->connection;
    AUTO(buf) struct buf why = BUF(4 * KIB);

    (void)state;
    assert_int_equal(
        directory_connection_read(arena, SLICE("c"), slice_str(texts[19].body), read, &why), ST_OK);
    assert_int_equal(read->domains.count, 3);
    assert_int_equal(connection->host_count, 4);
    assert_string_equal(connection->hosts[0].name, "smtp.a.test");
    assert_int_equal(connection->hosts[0].port, 587);
    assert_string_equal(connection->hosts[1].name, "::1");
    assert_int_equal(connection->hosts[1].port, 25);
    assert_int_equal(connection->hosts[2].port, 0);
    assert_false(connection->hosts[2].mx);
    assert_true(connection->hosts[3].mx);
    assert_int_equal(connection->tls, DIRECTORY_TLS_VERIFIED);
    assert_true(connection->tls_first);
    assert_int_equal(connection->connections_max, 4);
    arena_free(&arena);
}

static void test_a_calendar_url_names_the_attendee_escaped(void **state)
{
    static const struct {
        const char *url, *local, *domain;
        const char *becomes;
        bool each;
    } rows[] = {
        {"https://x.test/a", "ann", "x.test", "https://x.test/a", false},
        {"https://x.test/{local}.ifb", "ann", "x.test", "https://x.test/ann.ifb", true},
        {"https://x.test/{domain}/{local}", "a", "y", "https://x.test/y/a", true},
        {"https://x.test/?who={address}", "o'a+b", "y.test",
         "https://x.test/?who=o%27a%2Bb%40y.test", true},
        {"https://x.test/{local}", "../x\r\n", "y", "https://x.test/..%2Fx%0D%0A", true},
        {"https://x.test/{local}{local}", "{local}", "y", "https://x.test/%7Blocal%7D%7Blocal%7D",
         true},
    };
    struct arena *arena = arena_new("test", MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct directory_calendar calendar = {.way = DIRECTORY_CALENDAR_IFB,
                                                    .url = rows[i].url};

        T_ROW(i, rows[i].url);
        assert_string_equal(directory_calendar_url(&calendar, arena, slice_str(rows[i].local),
                                                   slice_str(rows[i].domain)),
                            rows[i].becomes);
        assert_int_equal(directory_calendar_is_each(&calendar), rows[i].each);
    }
    arena_free(&arena);
}

static void test_a_person_keeps_forwards_when_written(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct directory_document *read = arena_one(arena, struct directory_document);
    struct directory_document *again = arena_one(arena, struct directory_document);
    AUTO(buf) struct buf why = BUF(KIB);
    AUTO(buf) struct buf body = BUF(64 * KIB);

    (void)state;
    assert_int_equal(
        directory_person_read(arena, SLICE("a"),
                              SLICE("forward = B@C.test\nforward = Dan\nforward_keep = no\n"
                                    "sent_copy = off\n"),
                              read, &why),
        ST_OK);
    directory_person_write(read, &body);
    assert_int_equal(directory_person_read(arena, SLICE("a"), buf_slice(&body), again, &why),
                     ST_OK);
    assert_int_equal(again->person.forward_count, 2);
    T_EQ_SLICE(again->person.forwards[0], SLICE("B@C.test"));
    T_EQ_SLICE(again->person.forwards[1], SLICE("dan"));
    assert_false(again->person.forward_keep);
    assert_int_equal(again->person.sent_copy, DIRECTORY_SENT_OFF);
    arena_free(&arena);
}

/* --- rules --- */

static void test_rules_rewrite_once_the_first_that_fits(void **state)
{
    static const struct {
        const char *rules;
        const char *address;
        const char *becomes; /* NULL: it stays */
    } rows[] = {
        {"*@old.test *@new.test", "Ann@OLD.test", "Ann@new.test"},
        {"*@old.test *@new.test", "ann@x.old.test", NULL},
        {"*@*.old.test *@new.test", "ann@x.y.old.test", "ann@new.test"},
        {"*@*.old.test *@new.test", "ann@old.test", NULL},
        {"*@*.old.test *@new.test", "ann@bold.test", NULL},
        {"*@* all@new.test", "ann@anywhere.test", "all@new.test"},
        {"ann@x.test bob@y.test", "ANN@X.TEST", "bob@y.test"},
        {"ann@x.test bob@y.test", "anna@x.test", NULL},
        {"a.*@x.test *.b@y.test", "A.mid.dle@x.test", "mid.dle.b@y.test"},
        {"a*@x.test *@y.test", "a@x.test", NULL}, /* nothing would be left */
        {"a*b@x.test *@y.test", "ab@x.test", NULL},
        {"a*b@x.test z*@y.test", "ab@x.test", "z@y.test"},
        {"aa*aa@x.test z*@y.test", "aaa@x.test", NULL},
        {"*@a.test *@b.test\n*@b.test *@c.test", "x@a.test", "x@b.test"},
        {"*@a.test *@b.test\n*@a.test *@c.test", "x@a.test", "x@b.test"},
        {"*@a.test *@a.test", "x@a.test", "x@a.test"},
        {"*@a.test 0123456789012345678901234567890123456789*@b.test",
         "0123456789012345678901234@a.test", NULL}, /* longer than a local part may be */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new("test", MIB);
        struct directory_settings_document *read =
            arena_one(arena, struct directory_settings_document);
        struct slice rest = slice_str(rows[i].rules);
        struct slice rule;
        struct slice local;
        struct slice domain;
        AUTO(buf) struct buf body = BUF(KIB);
        AUTO(buf) struct buf why = BUF(KIB);

        T_ROW(i, rows[i].address);
        while (slice_split(&rest, '\n', &rule))
            buf_putf(&body, "rewrite_sender = %.*s\n", SLICE_ARG(rule));
        assert_int_equal(directory_settings_read(arena, SLICE("s"), buf_slice(&body), read, &why),
                         ST_OK);
        directory_name_split(slice_str(rows[i].address), &local, &domain);
        assert_false(directory_rule_rewrite(&read->rules[DIRECTORY_REWRITE_RECIPIENT], arena,
                                            &local, &domain));
        assert_int_equal(
            directory_rule_rewrite(&read->rules[DIRECTORY_REWRITE_SENDER], arena, &local, &domain),
            rows[i].becomes != NULL);
        T_EQ_SLICE(directory_name_join(arena, local, domain),
                   slice_str(rows[i].becomes != NULL ? rows[i].becomes : rows[i].address));
        arena_free(&arena);
    }
}

/* --- connections --- */

static void add(struct directory *directory, const char *name, int64_t modified_ms,
                const char *body)
{
    directory_add(directory, SLICE("connection"), slice_str(name), modified_ms, slice_str(body));
}

static void test_connections_nearest_then_priority_then_newest(void **state)
{
    static const struct {
        const char *domain;
        const char *names;
    } rows[] = {
        {"example.net", "exact"},
        {"EXAMPLE.net", "exact"},
        {"a.example.net", "below-new below-old"},
        {"b.a.example.net", "below-a"},
        {"other.net", "all wide"},
        {"net", "all low"},
        {"", ""},
        {".net", "all low"},
        {"bad.test", "all low"},
    };
    struct directory *making = directory_new(SLICE("example.test"));

    (void)state;
    add(making, "exact", 1, "domain = example.net\ndomain = Example.Net\npriority = 9\n");
    add(making, "below-old", 1, "domain = *.example.net\n");
    add(making, "below-new", 2, "domain = *.example.net\n");
    add(making, "below-a", 1, "domain = *.a.example.net\npriority = 99\n");
    add(making, "wide", 1, "domain = *.net\n");
    add(making, "low", 9, "domain = *\npriority = 2\n");
    add(making, "all", 1, "domain = *\ndomain = *.net\npriority = 1\n");
    add(making, "bad", 1, "domain = bad.test\nhost = :25\n");
    const struct directory *directory = directory_end(making);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct directory_connection *list[DIRECTORY_CONNECTIONS_MAX];
        AUTO(buf) struct buf names = BUF(KIB);

        T_ROW(i, rows[i].domain);
        size_t count =
            directory_connections(directory, slice_str(rows[i].domain), list, COUNT(list));
        for (size_t k = 0; k < count; k++)
            buf_putf(&names, "%s%s", k > 0 ? " " : "", list[k]->name);
        T_EQ_SLICE(buf_slice(&names), slice_str(rows[i].names));
        if (count > 1)
            assert_int_equal(directory_connections(directory, slice_str(rows[i].domain), list, 1),
                             1);
    }
    directory_unref(&directory);
}

/* --- names --- */

static void test_whose_name_it_is(void **state)
{
    static const struct {
        const char *alias;
        const char *owner;
    } rows[] = {
        {"amy", "amy"},         {"amy@one.test", "amy"}, {"amy@two.test", "amy"},
        {"a", "amy"},           {"a@two.test", "amy"},   {"crew", "crew"},
        {"*", "crew"},          {"*@one.test", NULL},    {"*@far.test", "amy"},
        {"amy@far.test", NULL}, {"x@far.test", "crew"},  {"x@one.test", NULL},
        {"postmaster", NULL},
    };
    struct directory *making = directory_new(SLICE("one.test two.test"));

    (void)state;
    directory_add(making, SLICE("group"), SLICE("crew"), 0,
                  SLICE("alias = *\nalias = x@far.test\nalias = a\n"));
    directory_add(making, SLICE("group"), SLICE("amy"), 0, SLICE("member = crew\n"));
    directory_add(making, SLICE("person"), SLICE("amy"), 0,
                  SLICE("alias = a\nalias = *@far.test\n"));
    directory_add(making, SLICE("unknown"), SLICE("x"), 0, SLICE("y = z\n"));
    directory_add_account(making, SLICE("amy"), 1);
    const struct directory *directory = directory_end(making);
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *owner = directory_owner(directory, slice_str(rows[i].alias));

        T_ROW(i, rows[i].alias);
        T_EQ_SLICE(slice_str(owner), slice_str(rows[i].owner));
    }
    assert_non_null(directory_login(directory, SLICE("amy@two.test")));
    assert_null(directory_login(directory, SLICE("crew")));
    directory_unref(&directory);
}

/* --- masks --- */

static void test_a_mask_keeps_what_stood_there(void **state)
{
    static const struct {
        const char *old;
        const char *shown;
        const char *sent;
        const char *kept; /* NULL: refused */
    } rows[] = {
        {"user = u\npassword = p\n", "user = u\npassword = ********\n",
         "user = v\npassword = ********\n", "user = v\npassword = p\n"},
        {"password: p=1 \n", "password = ********\n", "password : ********", "password: p=1 \n"},
        {"password = a\npassword = b\n", "password = ********\npassword = ********\n",
         "password = ********\n", "password = b\n"},
        {"calendar_password = p\npassword = q\n",
         "calendar_password = ********\npassword = ********\n",
         "password = ********\ncalendar_password = ********\n",
         "password = q\ncalendar_password = p\n"},
        {"password = p\n", "password = ********\n", "password = new\n", "password = new\n"},
        {"password =\n", "password =\n", "password = ********\n", NULL},
        {"", "", "user = u\npassword = ********\n", NULL},
        {"password_scram = s\npassword_yescrypt = y",
         "password_scram = ********\npassword_yescrypt = ********\n",
         "password_yescrypt = ********\npassword_scram = ********\n",
         "password_yescrypt = y\npassword_scram = s\n"},
        {"full_name = password = x\n", "full_name = password = x\n", "", ""},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf shown = BUF(KIB);
        AUTO(buf) struct buf kept = BUF(KIB);
        AUTO(buf) struct buf why = BUF(KIB);

        T_ROW(i, rows[i].old);
        directory_check_hide(slice_str(rows[i].old), &shown);
        T_EQ_SLICE(buf_slice(&shown), slice_str(rows[i].shown));
        enum st st =
            directory_check_unhide(slice_str(rows[i].sent), slice_str(rows[i].old), &kept, &why);
        assert_int_equal(st, rows[i].kept != NULL ? ST_OK : ST_INVALID);
        if (rows[i].kept != NULL)
            T_EQ_SLICE(buf_slice(&kept), slice_str(rows[i].kept));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_fault_names_its_line_and_says_why),
        cmocka_unit_test(test_a_connection_says_what_its_text_says),
        cmocka_unit_test(test_a_calendar_url_names_the_attendee_escaped),
        cmocka_unit_test(test_a_person_keeps_forwards_when_written),
        cmocka_unit_test(test_rules_rewrite_once_the_first_that_fits),
        cmocka_unit_test(test_connections_nearest_then_priority_then_newest),
        cmocka_unit_test(test_whose_name_it_is),
        cmocka_unit_test(test_a_mask_keeps_what_stood_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
