#include "t.h"

#include "base/buf.h"
#include "conf/conf.h"

#include <stdlib.h>
#include <unistd.h>

static enum st read_text(const char *text, struct conf *conf, struct buf *why)
{
    char path[] = "/tmp/posthorse-conf-XXXXXX";
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    *conf = conf_defaults;
    enum st st = conf_file_read(conf, path, why);
    unlink(path);
    return st;
}

static void test_values_are_read_in_their_units(void **state)
{
    struct conf conf;
    AUTO(buf) struct buf why = BUF(4096);

    (void)state;
    assert_int_equal(
        read_text("; a comment\n  # another\nsmtp_rcpt_count_max: 500 ; "
                  "five=hundred\r\nmessage_bytes_max = 3 MiB\n"
                  "smtp_timeout_ms = 90 s\nsmtp_tls_required = yes\ndomains=a.test b.test",
                  &conf, &why),
        ST_OK);
    assert_int_equal(conf.smtp_rcpt_count_max, 500);
    assert_int_equal(conf.message_bytes_max, 3 * MIB);
    assert_int_equal(conf.smtp_timeout_ms, 90000);
    assert_true(conf.smtp_tls_required);
    assert_string_equal(conf.domains, "a.test b.test");
    assert_int_equal(read_text("\xef\xbb\xbfuser = a;b =c\n", &conf, &why), ST_OK);
    assert_string_equal(conf.user, "a;b =c");
}

static void test_the_root_of_uidvalidity_is_a_byte_or_off(void **state)
{
    static const struct {
        const char *text;
        int root; /* -2: refused */
    } rows[] = {
        {"", -1},      {"= off", -1}, {"= Off", -1}, {"= 0", 0}, {"= 255", 255},
        {"= 256", -2}, {"= -1", -2},  {"= no", -2},  {"=", -2},  {"= 1 s", -2},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct conf conf;
        AUTO(buf) struct buf why = BUF(4096);
        AUTO(buf) struct buf text = BUF(4096);

        T_ROW(i, rows[i].text);
        if (rows[i].text[0] != '\0')
            buf_putf(&text, "imap_uidvalidity_root %s\n", rows[i].text);
        else
            buf_putf(&text, "; nothing\n");
        enum st st = read_text(text.ptr, &conf, &why);
        assert_int_equal(st, rows[i].root == -2 ? ST_INVALID : ST_OK);
        if (st == ST_OK)
            assert_int_equal(conf_uidvalidity_root(&conf), rows[i].root);
        else
            assert_non_null(strstr(why.ptr, "must be off, or a whole number from 0 to 255"));
    }
}

static void test_faults_are_named_with_line_and_remedy(void **state)
{
    static const struct {
        const char *text;
        const char *says[2];
    } rows[] = {
        {"\nsmtp_rcpt_count = 5\n", {":2: ", "nearest is smtp_rcpt_count_max"}},
        {"smtp_rcpt_count_max = 5\n", {":1: smtp_rcpt_count_max = 5: ", "from 100 to 100000"}},
        {"smtp_timeout_ms = 5 parsecs\n",
         {"smtp_timeout_ms = 5 parsecs", "units: ms, s, min, h, d"}},
        {"smtp_tls_required = maybe\n", {"maybe", "yes or no"}},
        {"log_level = loud\n", {"loud", "debug, info, warn or error"}},
        {"imip_accept = all\n", {"imip_accept = all", "off, inside, known or anyone"}},
        {"listen_imaps = 127.0.0.1:993\n", {"listen_imaps", "tls_certificate_file"}},
        {"[x]\nuser = a\n", {":2: ", "no section"}},
        {"what is this\n", {":1: ", "name = value"}},
        {"user ; = a\n", {":1: ", "name = value"}},
        {"user = a\n domains = b.test\n", {":2: ", "begins with a blank"}},
        {"[x ; ]\n", {":1: ", "[ without ]"}},
    };
    struct conf conf;
    AUTO(buf) struct buf why = BUF(4096);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].text);
        assert_int_equal(read_text(rows[i].text, &conf, &why), ST_INVALID);
        for (size_t k = 0; k < COUNT(rows[i].says); k++) {
            assert_non_null(strstr(why.ptr, rows[i].says[k]));
        }
    }
}

static void test_every_value_is_read_back_as_written(void **state)
{
    AUTO(buf) struct buf text = BUF(4096);
    AUTO(buf) struct buf why = BUF(4096);
    struct conf conf = conf_defaults;

    (void)state;
    for (size_t i = 0; i < conf_field_count; i++) {
        buf_clear(&text);
        conf_value_write(&conf_defaults, &conf_fields[i], &text);
        T_ROW(i, conf_fields[i].name);
        assert_int_equal(conf_set(&conf, &conf_fields[i], buf_slice(&text), &why), ST_OK);
        assert_true(conf_same(&conf, &conf_defaults, &conf_fields[i]));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_read_in_their_units),
        cmocka_unit_test(test_the_root_of_uidvalidity_is_a_byte_or_off),
        cmocka_unit_test(test_faults_are_named_with_line_and_remedy),
        cmocka_unit_test(test_every_value_is_read_back_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
