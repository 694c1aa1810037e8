#include "t.h"

#include "base/buf.h"
#include "http/http_negotiate.h"

static void test_a_header_is_read_by_its_scheme(void **state)
{
    static const struct {
        const char *in;
        enum st st;
        enum http_scheme scheme;
        const char *out;
    } rows[] = {
        {"", ST_OK, HTTP_SCHEME_NONE, ""},
        {"  ", ST_OK, HTTP_SCHEME_NONE, ""},
        {"Basic YTpi", ST_OK, HTTP_SCHEME_BASIC, "a:b"},
        {"bAsIc \t YTpi ", ST_OK, HTTP_SCHEME_BASIC, "a:b"},
        {"Negotiate YQ==", ST_OK, HTTP_SCHEME_NEGOTIATE, "a"},
        {"NTLM YWI=", ST_OK, HTTP_SCHEME_NTLM, "ab"},
        {"Negotiate", ST_INVALID, HTTP_SCHEME_NEGOTIATE, ""},
        {"Negotiate ", ST_INVALID, HTTP_SCHEME_NEGOTIATE, ""},
        {"NTLM YQ", ST_INVALID, HTTP_SCHEME_NTLM, ""},
        {"NTLM YQ== YQ==", ST_INVALID, HTTP_SCHEME_NTLM, ""},
        {"Negotiate YQ==,Basic YTpi", ST_INVALID, HTTP_SCHEME_NEGOTIATE, ""},
        {"NegotiateYQ==", ST_OK, HTTP_SCHEME_OTHER, ""},
        {"Digest username=a", ST_OK, HTTP_SCHEME_OTHER, ""},
        {"Bearer YQ==", ST_OK, HTTP_SCHEME_OTHER, ""},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(100);
        enum http_scheme scheme;

        assert_int_equal(rows[i].st, http_negotiate_read(slice_str(rows[i].in), &scheme, &out));
        assert_int_equal(rows[i].scheme, scheme);
        if (rows[i].st == ST_OK)
            T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out));
    }
}

static void test_only_plain_names_of_our_realms_are_somebody(void **state)
{
    static const struct {
        const char *name;
        const char *person; /* NULL: nobody */
    } rows[] = {
        {"alice@EXAMPLE.TEST", "alice"},
        {"alice@example.test", "alice"},
        {"CORP\\alice", "alice"},
        {"corp\\al.ice$", "al.ice$"},
        {"alice@OTHER.TEST", NULL},
        {"alice@EXAMPLE.TEST.OTHER", NULL},
        {"alice@EXAMPLE", NULL},
        {"alice@", NULL},
        {"@EXAMPLE.TEST", NULL},
        {"alice", NULL},
        {"", NULL},
        {"alice/admin@EXAMPLE.TEST", NULL},
        {"HTTP/localhost@EXAMPLE.TEST", NULL},
        {"alice\\@OTHER@EXAMPLE.TEST", NULL},
        {"alice@OTHER@EXAMPLE.TEST", NULL},
        {"EXAMPLE.TEST\\alice@EXAMPLE.TEST", NULL},
        {"OTHER\\alice", NULL},
        {"\\alice", NULL},
        {"CORP\\", NULL},
        {"CORP\\alice\\bob", NULL},
        {"alice@EXAMPLE.TEST CORP", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice person = SLICE("");
        bool is =
            http_negotiate_person(slice_str(rows[i].name), SLICE("example.test  CORP"), &person);

        assert_int_equal(rows[i].person != NULL, is);
        if (is)
            T_EQ_SLICE(person, slice_str(rows[i].person));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_header_is_read_by_its_scheme),
        cmocka_unit_test(test_only_plain_names_of_our_realms_are_somebody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
