#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "imap/imap_cmd.h"
#include "imap/imap_flags.h"
#include "imap/imap_items.h"
#include "imap/imap_list.h"
#include "imap/imap_reply.h"
#include "imap/imap_search.h"
#include "imap/imap_status.h"

static struct arena *arena;

static struct imap_parse over(const char *text)
{
    arena_reset(arena);
    return (struct imap_parse){.rest = slice_str(text), .arena = arena};
}

static void strings_are_read(void **state)
{
    static const struct {
        const char *text;
        const char *want; /* NULL: refused */
        const char *rest;
    } rows[] = {
        {"atom rest", "atom", " rest"},
        {"a]b", "a]b", ""},
        {"\"\"", "", ""},
        {"\"a b\")", "a b", ")"},
        {"\"a\\\"b\\\\\"", "a\"b\\", ""},
        {"{3}\r\nabcd", "abc", "d"},
        {"{3+}\r\nabc", "abc", ""},
        {"{0}\r\n", "", ""},
        {"{3}\r\nab", NULL, ""},
        {"{3\r\nabc", NULL, ""},
        {"{}\r\n", NULL, ""},
        {"{99999999999}\r\nx", NULL, ""},
        {"\"abc", NULL, ""},
        {"\"a\\x\"", NULL, ""},
        {"\"a\r\nb\"", NULL, ""},
        {"(a)", NULL, ""},
        {"", NULL, ""},
        {"\\Seen", NULL, ""},
        {"\x80", NULL, ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_parse p = over(rows[i].text);
        struct slice got;
        enum st st = imap_parse_astring(&p, &got);

        T_ROW(i, "of the table"); /* the text has line ends, which TAP has not */
        assert_int_equal(st, rows[i].want != NULL ? ST_OK : ST_INVALID);
        if (st == ST_OK) {
            T_EQ_SLICE(got, slice_str(rows[i].want));
            T_EQ_SLICE(p.rest, slice_str(rows[i].rest));
        } else {
            assert_non_null(p.why);
        }
    }
}

static void append_is_told_from_what_only_looks_like_it(void **state)
{
    static const struct {
        const char *text;
        bool is;
    } rows[] = {
        {"a APPEND INBOX {10}\r\n", true},
        {"a append INBOX (\\Seen) {10+}\r\n", true},
        {"a APPEND \"a b\" {10}\r\n", true},
        {"a APPEND \"a\\\"b\" {10}\r\n", true},
        {"a APPEND {5}\r\nINBOX {10}\r\n", true},
        {"a APPEND {5}\r\n", false},
        {"a APPEND {5+}\r\n", false},
        {"a APPEND {10}\r\nshort", false},
        {"a APPENDX INBOX {10}\r\n", false},
        {"a LOGIN APPEND {10}\r\n", false},
        {"a UID APPEND INBOX {10}\r\n", false},
        {" APPEND INBOX {10}\r\n", false},
        {"a APPEND \"INBOX {10}\r\n", false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, "of the table"); /* the text has line ends, which TAP has not */
        assert_int_equal(imap_parse_is_append(slice_str(rows[i].text)), rows[i].is);
    }
}

static void fetch_items_are_read_and_sections_written_back(void **state)
{
    static const struct {
        const char *text;
        const char *sections; /* NULL: refused */
        unsigned want;
        bool seen;
    } rows[] = {
        {"FLAGS", "", IMAP_WANT(FLAGS), false},
        {"(uid Flags)", "", IMAP_WANT(UID) | IMAP_WANT(FLAGS), false},
        {"FAST", "", IMAP_WANT(FLAGS) | IMAP_WANT(INTERNALDATE) | IMAP_WANT(SIZE), false},
        {"BODY", "", IMAP_WANT(BODY), false},
        {"BODYSTRUCTURE", "", IMAP_WANT(BODYSTRUCTURE), false},
        {"BODY[]", "BODY[]", 0, true},
        {"body.peek[]<0.100>", "BODY[]<0>", 0, false},
        {"BODY[1.2.MIME]", "BODY[1.2.MIME]", 0, true},
        {"BODY[1]", "BODY[1]", 0, true},
        {"BODY[header.fields (Date \"From\")]", "BODY[HEADER.FIELDS (Date From)]", 0, true},
        {"(BODY.PEEK[3.HEADER.FIELDS.NOT (a)] BODY[TEXT])",
         "BODY[3.HEADER.FIELDS.NOT (a)]BODY[TEXT]", 0, true},
        {"RFC822", "RFC822", 0, true},
        {"RFC822.HEADER", "RFC822.HEADER", 0, false},
        {"RFC822.TEXT", "RFC822.TEXT", 0, true},
        {"RFC822.SIZE", "", IMAP_WANT(SIZE), false},
        {"(EMAILID THREADID)", "", IMAP_WANT(EMAILID) | IMAP_WANT(THREADID), false},
        {"FLAGS (CHANGEDSINCE 5)", "", IMAP_WANT(FLAGS) | IMAP_WANT(MODSEQ), false},
        {"(FLAGS) (CHANGEDSINCE 5 VANISHED)", "", IMAP_WANT(FLAGS) | IMAP_WANT(MODSEQ), false},
        {"", NULL, 0, false},
        {"()", NULL, 0, false},
        {"FLAGS UID", NULL, 0, false},
        {"FLAGSX", NULL, 0, false},
        {"BODY[", NULL, 0, false},
        {"BODY[0]", NULL, 0, false},
        {"BODY[1.]", NULL, 0, false},
        {"BODY[.1]", NULL, 0, false},
        {"BODY[1.FOO]", NULL, 0, false},
        {"BODY[MIME]", NULL, 0, false},
        {"BODY[HEADER.FIELDS ()]", NULL, 0, false},
        {"BODY[HEADER.FIELDS]", NULL, 0, false},
        {"BODY[]<1>", NULL, 0, false},
        {"BODY[]<1.0>", NULL, 0, false},
        {"(FLAGS) (CHANGEDSINCE)", NULL, 0, false},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_parse p = over(rows[i].text);
        AUTO(buf) struct buf out = {.len = 0};
        struct imap_items items;
        enum st st = imap_items_parse(&p, &items);

        T_ROW(i, rows[i].text);
        assert_int_equal(st, rows[i].sections != NULL ? ST_OK : ST_INVALID);
        if (st != ST_OK)
            continue;
        buf_init(&out, 1000);
        for (const struct imap_section *s = items.sections; s != NULL; s = s->next)
            imap_section_write(s, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].sections));
        assert_int_equal(items.want, rows[i].want);
        assert_int_equal(items.sets_seen, rows[i].seen);
    }
}

static void show(const struct imap_key *key, struct buf *out)
{
    static const char *const names[IMAP_KEY_MAX] = {
        [IMAP_KEY_AND] = "and",         [IMAP_KEY_ALL] = "all",
        [IMAP_KEY_NONE] = "none",       [IMAP_KEY_FLAGS] = "flags",
        [IMAP_KEY_UNFLAGS] = "unflags", [IMAP_KEY_KEYWORD] = "kw",
        [IMAP_KEY_UNKEYWORD] = "unkw",  [IMAP_KEY_NEW] = "new",
        [IMAP_KEY_OLD] = "old",         [IMAP_KEY_RECENT] = "recent",
        [IMAP_KEY_SEQNOS] = "seq",      [IMAP_KEY_UIDS] = "uid",
        [IMAP_KEY_MODSEQ] = "modseq",   [IMAP_KEY_NOT] = "not",
        [IMAP_KEY_OR] = "or",           [IMAP_KEY_DATE] = "date",
        [IMAP_KEY_LARGER] = "larger",   [IMAP_KEY_SMALLER] = "smaller",
        [IMAP_KEY_EMAILID] = "emailid", [IMAP_KEY_HEADER] = "header",
        [IMAP_KEY_SENT] = "sent",       [IMAP_KEY_BODY] = "body",
        [IMAP_KEY_TEXT] = "text",
    };

    buf_putf(out, "%s", names[key->kind]);
    if (key->child == NULL)
        return;
    buf_put(out, SLICE("("));
    for (const struct imap_key *child = key->child; child != NULL; child = child->next) {
        show(child, out);
        buf_put(out, child->next != NULL ? SLICE(" ") : SLICE(""));
    }
    buf_put(out, SLICE(")"));
}

static void search_becomes_a_tree_with_the_cheap_keys_first(void **state)
{
    static const struct {
        const char *text;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"ALL", "and(all)"},
        {"TEXT foo SEEN LARGER 5", "and(flags larger text)"},
        {"OR BODY x SEEN", "and(or(body flags))"},
        {"OR (1:3 UID 5) NOT SUBJECT x UNSEEN", "and(unflags or(and(seq uid) not(header)))"},
        {"NOT NOT ALL", "and(not(not(all)))"},
        {"CHARSET utf-8 KEYWORD $x", "and(kw)"},
        {"RETURN (MIN MAX) MODSEQ 5", "and(modseq)"},
        {"MODSEQ \"/flags/\\\\draft\" all 620162338", "and(modseq)"},
        {"SENTBEFORE \"1-Jan-2020\" ON 2-Feb-2021", "and(date sent)"},
        {"HEADER X-Foo \"\" 2,4:*", "and(seq header)"},
        {"SEEN(ALL)", NULL},
        {"", NULL},
        {"()", NULL},
        {"(ALL", NULL},
        {"ALL)", NULL},
        {"OR ALL", NULL},
        {"NOT", NULL},
        {"FROM", NULL},
        {"LARGER x", NULL},
        {"BEFORE 32-Jan-2020", NULL},
        {"RETURN (FOO) ALL", NULL},
        {"ALLX", NULL},
        {"ALL  SEEN", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_parse p = over(rows[i].text);
        AUTO(buf) struct buf out = {.len = 0};
        struct imap_search search;
        enum st st = imap_search_parse(&p, &search);

        T_ROW(i, rows[i].text);
        assert_int_equal(st, rows[i].want != NULL ? ST_OK : ST_INVALID);
        if (st != ST_OK)
            continue;
        buf_init(&out, 1000);
        show(search.key, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
    }
}

static void search_nesting_and_length_are_bounded(void **state)
{
    AUTO(buf) struct buf text = {.len = 0};
    struct imap_search search;

    buf_init(&text, MIB);
    for (int i = 0; i < 60; i++)
        buf_put(&text, SLICE("NOT "));
    buf_put(&text, SLICE("ALL"));
    struct imap_parse p = over(text.ptr);
    assert_int_equal(imap_search_parse(&p, &search), ST_INVALID);
    buf_clear(&text);
    for (int i = 0; i < 3000; i++)
        buf_put(&text, SLICE("ALL "));
    p = over(text.ptr);
    assert_int_equal(imap_search_parse(&p, &search), ST_INVALID);
    p = over("CHARSET koi8-r ALL");
    assert_int_equal(imap_search_parse(&p, &search), ST_DENIED);
}

static void list_is_read(void **state)
{
    static const struct {
        const char *text;
        bool good;
        unsigned select;
        unsigned returns;
        size_t patterns;
    } rows[] = {
        {" \"\" *", true, 0, 0, 1},
        {" \"\" \"\"", true, 0, 0, 1},
        {" (SUBSCRIBED RECURSIVEMATCH) \"\" (a b%)", true,
         IMAP_LIST_SUBSCRIBED | IMAP_LIST_RECURSIVE, 0, 2},
        {" \"\" % RETURN (CHILDREN STATUS (MESSAGES UNSEEN))", true, 0,
         IMAP_LIST_TELL_CHILDREN | IMAP_LIST_TELL_STATUS, 1},
        {" () \"\" % RETURN ()", true, 0, 0, 1},
        {" \"\"", false, 0, 0, 0},
        {" (RECURSIVEMATCH) \"\" %", false, 0, 0, 0},
        {" \"\" () ", false, 0, 0, 0},
        {" \"\" % RETURN (STATUS)", false, 0, 0, 0},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_parse p = over(rows[i].text);
        struct imap_list list = {.lsub = false};
        enum st st = imap_list_parse(&p, &list);

        T_ROW(i, rows[i].text);
        assert_int_equal(st, rows[i].good ? ST_OK : ST_INVALID);
        if (st != ST_OK)
            continue;
        assert_int_equal(list.select, rows[i].select);
        assert_int_equal(list.returns, rows[i].returns);
        assert_int_equal(list.patterns.count, rows[i].patterns);
    }
}

static void flags_are_read_and_written(void **state)
{
    static const struct {
        const char *text;
        uint64_t system;
        size_t keywords;
        bool good;
    } rows[] = {
        {"(\\Seen \\deleted)", STORE_SEEN | STORE_DELETED, 0, true},
        {"()", 0, 0, true},
        {"\\Answered $Junk foo", STORE_ANSWERED, 2, true},
        {"(\\Recent)", 0, 0, true},
        {"(\\Bogus)", 0, 0, false},
        {"(\\Seen", 0, 0, false},
        {"(a b]c)", 0, 0, false},
    };
    struct imap_keywords keywords = {.known = 1ull << 9, .names = {[9] = NULL}};
    AUTO(buf) struct buf out = {.len = 0};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_parse p = over(rows[i].text);
        struct imap_slices names;
        struct imap_flags flags;
        enum st st = imap_parse_flags(&p, &names);

        T_ROW(i, rows[i].text);
        if (st == ST_OK)
            st = imap_flags_read(&p, &names, &flags);
        assert_int_equal(st, rows[i].good ? ST_OK : ST_INVALID);
        if (st != ST_OK)
            continue;
        assert_int_equal(flags.system, rows[i].system);
        assert_int_equal(flags.keywords.count, rows[i].keywords);
    }
    char name[] = "$x";
    keywords.names[9] = name;
    buf_init(&out, 1000);
    imap_flags_write(&keywords, STORE_SEEN | STORE_FLAGGED | 1ull << 9 | 1ull << 20, true, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("(\\Flagged \\Seen \\Recent $x)"));
}

static void commands_stand_in_order_and_are_found(void **state)
{
    for (size_t i = 0; i < imap_cmd_count; i++) {
        T_ROW(i, imap_cmds[i].verb);
        assert_true(i == 0 || strcmp(imap_cmds[i - 1].verb, imap_cmds[i].verb) < 0);
        assert_ptr_equal(imap_cmd_find(slice_str(imap_cmds[i].verb)), &imap_cmds[i]);
    }
    assert_ptr_equal(imap_cmd_find(SLICE("fetch")), imap_cmd_find(SLICE("FETCH")));
    assert_null(imap_cmd_find(SLICE("FETC")));
    assert_null(imap_cmd_find(SLICE("FETCHX")));
    assert_null(imap_cmd_find(SLICE("")));
}

static void every_status_has_a_reply(void **state)
{
    for (int st = 0; st < ST_MAX; st++)
        assert_non_null(imap_reply_for((enum st)st)->text);
    assert_string_equal(imap_reply_word(imap_reply_for(ST_INVALID)->kind), "BAD");
    assert_string_equal(imap_reply_for(ST_IO)->code, "UNAVAILABLE");
    assert_string_equal(imap_reply_for(ST_FULL)->code, "OVERQUOTA");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_read),
        cmocka_unit_test(append_is_told_from_what_only_looks_like_it),
        cmocka_unit_test(fetch_items_are_read_and_sections_written_back),
        cmocka_unit_test(search_becomes_a_tree_with_the_cheap_keys_first),
        cmocka_unit_test(search_nesting_and_length_are_bounded),
        cmocka_unit_test(list_is_read),
        cmocka_unit_test(flags_are_read_and_written),
        cmocka_unit_test(commands_stand_in_order_and_are_found),
        cmocka_unit_test(every_status_has_a_reply),
    };

    arena = arena_new("test", 16 * MIB);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    arena_free(&arena);
    return failed;
}
