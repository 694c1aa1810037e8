#include "t.h"

#include "base/buf.h"
#include "base/text.h"
#include "sys/sys_hash.h"

static void eq_hex(const unsigned char *got, size_t len, const char *want)
{
    AUTO(buf) struct buf hex = BUF(1000);

    assert_int_equal(text_hex(&hex, (struct slice){(const char *)got, len}), ST_OK);
    T_EQ_SLICE(buf_slice(&hex), slice_str(want));
}

static void test_sha256_vectors_of_fips_180(void **state)
{
    static const struct {
        const char *text;
        const char *digest;
    } rows[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    unsigned char out[SYS_SHA256_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice text = slice_str(rows[i].text);

        T_ROW(i, rows[i].text);
        sys_sha256(text, out);
        eq_hex(out, sizeof(out), rows[i].digest);
        for (size_t cut = 0; cut <= text.len; cut++) {
            struct sys_sha256 hash;

            sys_sha256_init(&hash);
            sys_sha256_add(&hash, slice_sub(text, 0, cut));
            sys_sha256_add(&hash, slice_sub(text, cut, SIZE_MAX));
            sys_sha256_end(&hash, out);
            eq_hex(out, sizeof(out), rows[i].digest);
        }
    }
}

static void test_hmac_vectors_of_rfc_4231(void **state)
{
    static const struct {
        struct slice key;
        struct slice parts[2];
        const char *digest;
    } rows[] = {
        {{"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b", 20},
         {{"Hi ", 3}, {"There", 5}},
         "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
        {{"Jefe", 4},
         {{"what do ya want ", 16}, {"for nothing?", 12}},
         "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        {{"", 0},
         {{"", 0}, {NULL, 0}},
         "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"},
    };
    unsigned char out[SYS_SHA256_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].digest);
        sys_hmac_sha256(rows[i].key, rows[i].parts, COUNT(rows[i].parts), out);
        eq_hex(out, sizeof(out), rows[i].digest);
    }
}

static void test_pbkdf2_vectors_of_rfc_7914(void **state)
{
    unsigned char out[64];

    (void)state;
    sys_pbkdf2_sha256(SLICE("passwd"), SLICE("salt"), 1, out, sizeof(out));
    eq_hex(out, sizeof(out),
           "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
           "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783");
}

static void test_secrets_compare_by_all_bytes(void **state)
{
    (void)state;
    assert_true(sys_secret_eq(SLICE("same"), SLICE("same")));
    assert_true(sys_secret_eq(SLICE(""), (struct slice){NULL, 0}));
    assert_false(sys_secret_eq(SLICE("same"), SLICE("samf")));
    assert_false(sys_secret_eq(SLICE("same"), SLICE("same2")));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256_vectors_of_fips_180),
        cmocka_unit_test(test_hmac_vectors_of_rfc_4231),
        cmocka_unit_test(test_pbkdf2_vectors_of_rfc_7914),
        cmocka_unit_test(test_secrets_compare_by_all_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
