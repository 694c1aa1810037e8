#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "imap/imap_match.h"
#include "imap/imap_set.h"
#include "imap/imap_utf7.h"

static const struct {
    const char *wire;
    const char *utf8; /* NULL: refused */
} names[] = {
    {"INBOX", "INBOX"},
    {"", ""},
    {"A &- B", "A & B"},
    {"Entw&APw-rfe", "Entwürfe"},
    {"&ZeVnLIqe-", "日本語"},
    {"&U,BTFw-", "台北"},
    {"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"},
    {"&2D3eAA-", "😀"},
    {"&-&-", "&&"},
    {"&", NULL},          /* never closed */
    {"&APw", NULL},       /* never closed */
    {"&AGE-", NULL},      /* printing ASCII must not be encoded */
    {"&AAA-", NULL},      /* NUL */
    {"&APw-&APw-", NULL}, /* two runs side by side */
    {"&APx-", NULL},      /* bits left over */
    {"&A-", NULL},        /* less than a unit */
    {"&2D0-", NULL},      /* half a pair */
    {"&3gA-", NULL},      /* the other half */
    {"&AP/-", NULL},      /* a digit of base64 that is not one here */
    {"&APw-x", "üx"},
    /* UTF-8 is longer than what it was made from. */
    {"&ZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIq"
     "eZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIqeZeVnLIq"
     "e-",
     "日本語日本語日本語日本語日本語日本語日本語日本語"
     "日本語日本語日本語日本語日本語日本語日本語日本語"
     "日本語日本語日本語日本語"},
};

static void utf7_is_decoded_and_encoded_back(void **state)
{
    struct arena *arena = arena_new("test", MIB);

    for (size_t i = 0; i < COUNT(names); i++) {
        AUTO(buf) struct buf back = {.len = 0};
        struct slice utf8;
        enum st st = imap_utf7_decode(arena, slice_str(names[i].wire), &utf8);

        T_ROW(i, names[i].wire);
        assert_int_equal(st, names[i].utf8 != NULL ? ST_OK : ST_INVALID);
        if (st != ST_OK)
            continue;
        T_EQ_SLICE(utf8, slice_str(names[i].utf8));
        buf_init(&back, 1000);
        imap_utf7_encode(utf8, &back);
        T_EQ_SLICE(buf_slice(&back), slice_str(names[i].wire));
    }
    arena_free(&arena);
}

static void names_are_written_as_strings(void **state)
{
    static const struct {
        const char *utf8;
        const char *wire;
    } rows[] = {
        {"INBOX", "INBOX"},       {"", "\"\""},           {"A B", "\"A B\""},
        {"nil", "\"nil\""},       {"a\"b", "\"a\\\"b\""}, {"a\\b", "\"a\\\\b\""},
        {"ü", "&APw-"},           {"a%", "\"a%\""},       {"(x)", "\"(x)\""},
        {"\xff\xfe", "&,,3,,Q-"}, /* no UTF-8: U+FFFD */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = {.len = 0};

        T_ROW(i, rows[i].utf8);
        buf_init(&out, 1000);
        imap_utf7_write(slice_str(rows[i].utf8), &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].wire));
    }
}

static void patterns_match_names(void **state)
{
    static const struct {
        const char *pattern;
        const char *name;
        bool fits;
    } rows[] = {
        {"*", "a/b/c", true},
        {"%", "a/b", false},
        {"%", "a", true},
        {"%/%", "a/b", true},
        {"%/%", "a/b/c", false},
        {"*/c", "a/b/c", true},
        {"%/c", "a/b/c", false},
        {"a%", "abc", true},
        {"a%c", "abbc", true},
        {"a%c", "ab/c", false},
        {"a*c", "ab/c", true},
        {"", "", true},
        {"", "a", false},
        {"a", "", false},
        {"inbox", "INBOX", true},
        {"inb%", "INBOX", true},
        {"INBOX/%", "inbox/x", true},
        {"Inbox", "InboxX", false},
        {"work", "Work", false},
        {"%a%", "xay", true},
        {"%a%b", "xaya/b", false},
        {"*%", "a/b", true},
        {"%*", "a/b", true},
        {"*a*a*a*", "banana", true},
        {"*a*a*a*a", "banana", false},
        {"%/b%/c", "a/bx/c", true},
        {"**", "", true},
        {"*/%", "a/b/c", true},
        {"*/%/x", "a/b/c/x", true},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].pattern);
        assert_int_equal(imap_match(slice_str(rows[i].pattern), slice_str(rows[i].name), '/'),
                         rows[i].fits);
    }
}

static void hostile_pattern_ends_soon(void **state)
{
    char pattern[1001];
    char name[1001];

    for (size_t i = 0; i < 1000; i++) {
        pattern[i] = i % 2 == 0 ? '*' : 'a';
        name[i] = 'a';
    }
    pattern[999] = 'b';
    assert_false(imap_match((struct slice){pattern, 1000}, (struct slice){name, 1000}, '/'));
}

static void sets_are_resolved_and_written(void **state)
{
    static const struct {
        const char *text;
        uint32_t max;
        const char *want; /* NULL: refused */
    } rows[] = {
        {"1", 10, "1"},
        {"1:3", 10, "1:3"},
        {"3:1", 10, "1:3"},
        {"*", 10, "10"},
        {"5:*", 10, "5:10"},
        {"*:5", 10, "5:10"},
        {"12:*", 10, "10:12"},
        {"1,2,3,5", 10, "1:3,5"},
        {"5,1,3:4,2", 10, "1:5"},
        {"1:*", 0, ""},
        {"*,4", 0, "4"},
        {"4294967295", 1, "4294967295"},
        {"1:4294967295,3", 1, "1:4294967295"},
        {"0", 1, NULL},
        {"", 1, NULL},
        {"1:", 1, NULL},
        {"1,,2", 1, NULL},
        {"4294967296", 1, NULL},
        {",1", 1, NULL},
        {"1:2:3", 1, NULL},
    };
    struct arena *arena = arena_new("test", MIB);

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct imap_parse p = {.rest = slice_str(rows[i].text), .arena = arena};
        AUTO(buf) struct buf out = {.len = 0};
        struct imap_set set;
        enum st st = imap_parse_set(&p, &set);

        T_ROW(i, rows[i].text);
        if (st == ST_OK)
            st = imap_parse_end(&p);
        assert_int_equal(st, rows[i].want != NULL ? ST_OK : ST_INVALID);
        if (st != ST_OK)
            continue;
        buf_init(&out, 1000);
        imap_set_resolve(&set, rows[i].max);
        imap_set_write(&set, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].want));
    }
    arena_free(&arena);
}

static void numbers_gather_into_ranges(void **state)
{
    AUTO(imap_numbers) struct imap_numbers numbers = {.cap = 0};

    for (uint32_t n = 1; n <= 100000; n++)
        if (n % 1000 != 0)
            imap_numbers_add(&numbers, n);
    assert_int_equal(numbers.set.count, 100);
    assert_int_equal(imap_set_size(&numbers.set), 99900);
    assert_true(imap_set_has(&numbers.set, 99999));
    assert_false(imap_set_has(&numbers.set, 5000));
    assert_false(imap_set_has(&numbers.set, 100001));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf7_is_decoded_and_encoded_back),
        cmocka_unit_test(names_are_written_as_strings),
        cmocka_unit_test(patterns_match_names),
        cmocka_unit_test(hostile_pattern_ends_soon),
        cmocka_unit_test(sets_are_resolved_and_written),
        cmocka_unit_test(numbers_gather_into_ranges),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
