#include "t.h"

#include "auth/auth_cache.h"
#include "auth/auth_password.h"
#include "auth/auth_sasl.h"
#include "auth/auth_scram.h"
#include "base/buf.h"

static void test_made_verifier_fits_its_password_only(void **state)
{
    AUTO(buf) struct buf one = BUF(AUTH_VERIFIER_BYTES_MAX);
    AUTO(buf) struct buf two = BUF(AUTH_VERIFIER_BYTES_MAX);

    (void)state;
    assert_int_equal(auth_password_make(SLICE("correct horse"), &one), ST_OK);
    assert_int_equal(auth_password_make(SLICE("correct horse"), &two), ST_OK);
    assert_true(slice_starts(buf_slice(&one), SLICE("$y$")));
    assert_false(slice_eq(buf_slice(&one), buf_slice(&two)));
    assert_true(auth_password_check(one.ptr, SLICE("correct horse")));
    assert_true(auth_password_check(two.ptr, SLICE("correct horse")));
    assert_false(auth_password_check(one.ptr, SLICE("correct horsf")));
    assert_false(auth_password_check(one.ptr, SLICE("")));
    assert_false(auth_password_check("", SLICE("correct horse")));
    assert_false(auth_password_check("*", SLICE("correct horse")));
    assert_false(auth_password_check("*0", SLICE("correct horse")));
}

static void test_two_spellings_of_a_letter_are_one_password(void **state)
{
    AUTO(buf) struct buf made = BUF(AUTH_VERIFIER_BYTES_MAX);

    (void)state;
    assert_int_equal(auth_password_make(SLICE("caf\xc3\xa9"), &made), ST_OK);
    assert_true(auth_password_check(made.ptr, SLICE("cafe\xcc\x81")));
    assert_false(auth_password_check(made.ptr, SLICE("cafe")));
}

static void test_passwords_that_cannot_be_are_refused(void **state)
{
    char long_one[AUTH_PASSWORD_BYTES_MAX + 1];
    const struct slice rows[] = {
        {"", 0},
        {"\xff\xfe", 2},
        {"bell\a", 5},
        {"a\0b", 3},
        {"\xc2\xad", 2},
        {long_one, 600},
        {long_one, sizeof(long_one)},
    };

    (void)state;
    memset(long_one, 'x', sizeof(long_one));
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf made = BUF(AUTH_VERIFIER_BYTES_MAX);

        T_ROW(i, "");
        assert_int_equal(auth_password_make(rows[i], &made), ST_INVALID);
        if (rows[i].len != 600)
            assert_int_equal(auth_scram_make(rows[i], &made), ST_INVALID);
        assert_false(auth_password_check("", rows[i]));
    }
}

static void test_every_check_costs_one_derivation(void **state)
{
    static const char *const verifiers[] = {"", "*", "$y$bad", "rubbish"};
    static const char *const passwords[] = {"right", "", "\xff", "bell\a"};

    (void)state;
    for (size_t i = 0; i < COUNT(verifiers); i++)
        for (size_t k = 0; k < COUNT(passwords); k++) {
            uint64_t before = auth_password_derivations();

            assert_false(auth_password_check(verifiers[i], slice_str(passwords[k])));
            assert_true(auth_password_derivations() == before + 1);
        }
    uint64_t before = auth_password_derivations();
    auth_password_check_nobody(SLICE("right"));
    assert_true(auth_password_derivations() == before + 1);
}

static void test_scram_text_parses_and_refuses(void **state)
{
#define K "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    static const struct {
        const char *text;
        enum st st;
    } rows[] = {
        {"SCRAM-SHA-256$4096:c2FsdA==$" K ":" K, ST_OK},
        {"SCRAM-SHA-256$1:c2FsdA==$" K ":" K, ST_OK},
        {"SCRAM-SHA-256$0:c2FsdA==$" K ":" K, ST_INVALID},
        {"SCRAM-SHA-256$99999999:c2FsdA==$" K ":" K, ST_INVALID},
        {"SCRAM-SHA-256$4096:$" K ":" K, ST_INVALID},
        {"SCRAM-SHA-256$4096:c2FsdA==$" K ":", ST_INVALID},
        {"SCRAM-SHA-256$4096:c2FsdA==$" K, ST_INVALID},
        {"SCRAM-SHA-256$4096:c2FsdA==$c2FsdA==:" K, ST_INVALID},
        {"SCRAM-SHA-256$4096", ST_INVALID},
        {"SCRAM-SHA-1$4096:c2FsdA==$" K ":" K, ST_INVALID},
        {"", ST_INVALID},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct auth_scram scram;

        T_ROW(i, rows[i].text);
        assert_int_equal(auth_scram_parse(slice_str(rows[i].text), &scram), rows[i].st);
        if (rows[i].st != ST_OK)
            continue;
        T_EQ_SLICE(scram.salt, SLICE("c2FsdA=="));
        T_EQ_SLICE(scram.stored_key, SLICE(K));
        T_EQ_SLICE(scram.server_key, SLICE(K));
    }
#undef K
}

static void test_scram_make_gives_what_parses(void **state)
{
    AUTO(buf) struct buf made = BUF(AUTH_VERIFIER_BYTES_MAX);
    struct auth_scram scram;

    (void)state;
    assert_int_equal(auth_scram_make(SLICE("pencil"), &made), ST_OK);
    assert_int_equal(auth_scram_parse(buf_slice(&made), &scram), ST_OK);
    assert_int_equal(scram.rounds, AUTH_SCRAM_ROUNDS);
}

static void test_fake_salt_is_steady_and_looks_real(void **state)
{
    AUTO(buf) struct buf one = BUF(100);
    AUTO(buf) struct buf two = BUF(100);
    AUTO(buf) struct buf other = BUF(100);

    (void)state;
    assert_int_equal(auth_scram_fake_salt(SLICE("nobody"), &one), ST_OK);
    assert_int_equal(auth_scram_fake_salt(SLICE("NoBody"), &two), ST_OK);
    assert_int_equal(auth_scram_fake_salt(SLICE("nobody2"), &other), ST_OK);
    T_EQ_SLICE(buf_slice(&one), buf_slice(&two));
    assert_false(slice_eq(buf_slice(&one), buf_slice(&other)));
    assert_int_equal(one.len, 24);
}

static void test_cache_hits_the_same_three_until_they_age(void **state)
{
    struct auth_cache *cache = auth_cache_new();
    const struct slice name = SLICE("alice");
    const struct slice password = SLICE("right");

    (void)state;
    assert_false(auth_cache_has(cache, name, password, "$y$1", 1000));
    auth_cache_add(cache, name, password, "$y$1", 1000);
    assert_true(auth_cache_has(cache, name, password, "$y$1", 1000));
    assert_false(auth_cache_has(cache, name, SLICE("righ"), "$y$1", 1000));
    assert_false(auth_cache_has(cache, SLICE("alic"), SLICE("eright"), "$y$1", 1000));
    assert_false(auth_cache_has(cache, name, password, "$y$2", 1000));
    assert_true(auth_cache_has(cache, name, password, "$y$1", 1000 + AUTH_CACHE_AGE_MS));
    assert_false(auth_cache_has(cache, name, password, "$y$1", 1001 + AUTH_CACHE_AGE_MS));
    assert_false(auth_cache_has(cache, name, password, "$y$1", 1000));
    auth_cache_free(&cache);
    assert_null(cache);
}

static void test_cache_is_bounded_and_keeps_the_new(void **state)
{
    struct auth_cache *cache = auth_cache_new();
    char name[40];
    size_t kept = 0;

    (void)state;
    for (unsigned i = 0; i < 4 * AUTH_CACHE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof(name), "person%u", i);
        auth_cache_add(cache, slice_str(name), SLICE("p"), "v", i);
        assert_true(auth_cache_has(cache, slice_str(name), SLICE("p"), "v", i));
    }
    for (unsigned i = 0; i < 4 * AUTH_CACHE_ENTRIES_MAX; i++) {
        snprintf(name, sizeof(name), "person%u", i);
        kept += auth_cache_has(cache, slice_str(name), SLICE("p"), "v", i);
    }
    assert_in_range(kept, AUTH_CACHE_ENTRIES_MAX / 2, AUTH_CACHE_ENTRIES_MAX);
    auth_cache_free(&cache);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_made_verifier_fits_its_password_only),
        cmocka_unit_test(test_two_spellings_of_a_letter_are_one_password),
        cmocka_unit_test(test_passwords_that_cannot_be_are_refused),
        cmocka_unit_test(test_every_check_costs_one_derivation),
        cmocka_unit_test(test_scram_text_parses_and_refuses),
        cmocka_unit_test(test_scram_make_gives_what_parses),
        cmocka_unit_test(test_fake_salt_is_steady_and_looks_real),
        cmocka_unit_test(test_cache_hits_the_same_three_until_they_age),
        cmocka_unit_test(test_cache_is_bounded_and_keeps_the_new),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
