#include "t.h"

#include "sys/sys_net.h"

static void test_an_address_lies_in_its_networks(void **state)
{
    static const struct {
        const char *networks;
        const char *address;
        bool inside;
    } rows[] = {
        {"10.0.0.0/8", "10.255.1.2", true},
        {"10.0.0.0/8", "11.0.0.0", false},
        {"10.1.2.3/8", "10.9.9.9", true}, /* bits behind the prefix do not count */
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.200", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"2001:db8::/32", "2001:db8:ffff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"10.0.0.0/8", "::ffff:10.1.2.3", true},
        {"1.2.3.4/32  2001:db8::/32 10.0.0.0/8 ", "10.0.0.1", true},
        {"", "10.0.0.1", false},
        {"10.0.0.0/8", "", false},
        {"10.0.0.0/8", "local", false},
        {"0.0.0.0/0 ::/0", "local", false},
        {"rubbish 10.0.0.0/33 10.0.0.0/8", "10.0.0.1", true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].address);
        assert_int_equal(sys_net_contains(slice_str(rows[i].networks), slice_str(rows[i].address)),
                         rows[i].inside);
    }
}

static void test_what_is_a_network(void **state)
{
    static const struct {
        const char *text;
        bool ok;
    } rows[] = {
        {"10.0.0.0/8", true},    {"10.0.0.1", true},     {"2001:db8::/32", true},
        {"10.0.0.0/33", false},  {"10.0.0.0/", false},   {"2001:db8::/129", false},
        {"10.0.0/8", false},     {"/8", false},          {"", false},
        {"example.test", false}, {"10.0.0.0/-1", false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].text);
        assert_int_equal(sys_net_ok(slice_str(rows[i].text)), rows[i].ok);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_lies_in_its_networks),
        cmocka_unit_test(test_what_is_a_network),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
