#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/text.h"

#include <stdlib.h>

static void test_buf_limit_holds(void **state)
{
    AUTO(buf) struct buf buf = BUF(8);

    (void)state;
    assert_int_equal(buf_add(&buf, SLICE("12345678")), ST_OK);
    assert_int_equal(buf_add(&buf, SLICE("9")), ST_TOO_BIG);
    assert_int_equal(buf.len, 8);
    assert_false(buf.over);
    buf_put(&buf, SLICE("9"));
    assert_true(buf.over);
    buf_drop(&buf, 6);
    T_EQ_SLICE(buf_slice(&buf), SLICE("78"));
}

static void test_buf_addf_grows_and_take_gives_away(void **state)
{
    AUTO(buf) struct buf buf = BUF(4096);

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(buf_addf(&buf, "%02d ", i), ST_OK);
    char *text = buf_take(&buf);
    assert_int_equal(strlen(text), 300);
    assert_int_equal(buf_slice(&buf).len, 0);
    free(text);
}

static void test_arena_copies_and_frees_as_a_whole(void **state)
{
    struct arena *arena = arena_new("test", 1 << 20);
    struct slice copy = {"", 0};

    (void)state;
    for (int i = 0; i < 1000; i++)
        copy = arena_copy(arena, SLICE("hello"));
    assert_memory_equal(copy.ptr, "hello", 6);
    assert_int_equal(arena_many(arena, int, 2000)[1999], 0);
    arena_free(&arena);
    assert_null(arena);
}

static void test_split_sees_every_part(void **state)
{
    static const struct {
        const char *text;
        const char *parts[4];
    } rows[] = {
        {"", {"", NULL}}, {"a", {"a", NULL}}, {"a,b", {"a", "b", NULL}}, {",", {"", "", NULL}}};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = slice_str(rows[i].text);
        struct slice part;
        size_t n = 0;

        T_ROW(i, rows[i].text);
        while (slice_split(&rest, ',', &part))
            T_EQ_SLICE(part, slice_str(rows[i].parts[n++]));
        assert_null(rows[i].parts[n]);
    }
}

static void test_numbers_are_strict(void **state)
{
    static const struct {
        const char *text;
        enum st st;
        uint64_t value;
    } rows[] = {
        {"0", ST_OK, 0},       {"18446744073709551615", ST_OK, UINT64_MAX},
        {"", ST_INVALID, 0},   {"18446744073709551616", ST_INVALID, 0},
        {"-1", ST_INVALID, 0}, {"1 ", ST_INVALID, 0},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 0;

        T_ROW(i, rows[i].text);
        assert_int_equal(slice_to_u64(slice_str(rows[i].text), &value), rows[i].st);
        if (rows[i].st == ST_OK)
            assert_true(value == rows[i].value);
    }
}

static void test_base64_and_hex_round_trip_and_refuse(void **state)
{
    static const char *const bad[] = {"A", "A===", "AA=A", "AAA*", "AA==AAAA"};
    AUTO(buf) struct buf coded = BUF(4096);
    AUTO(buf) struct buf plain = BUF(4096);

    (void)state;
    for (size_t len = 0; len < 40; len++) {
        struct slice in =
            slice_sub(SLICE("\x00\xff\x80 any bytes at all \x01\x02\x03 and more \xfe"), 0, len);

        buf_clear(&coded);
        buf_clear(&plain);
        assert_int_equal(text_base64(&coded, in), ST_OK);
        assert_int_equal(text_unbase64(&plain, buf_slice(&coded)), ST_OK);
        T_EQ_SLICE(buf_slice(&plain), in);
        buf_clear(&coded);
        buf_clear(&plain);
        assert_int_equal(text_hex(&coded, in), ST_OK);
        assert_int_equal(text_unhex(&plain, buf_slice(&coded)), ST_OK);
        T_EQ_SLICE(buf_slice(&plain), in);
    }
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(text_unbase64(&plain, slice_str(bad[i])), ST_INVALID);
    assert_int_equal(text_unhex(&plain, SLICE("0g")), ST_INVALID);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_limit_holds),
        cmocka_unit_test(test_buf_addf_grows_and_take_gives_away),
        cmocka_unit_test(test_arena_copies_and_frees_as_a_whole),
        cmocka_unit_test(test_split_sees_every_part),
        cmocka_unit_test(test_numbers_are_strict),
        cmocka_unit_test(test_base64_and_hex_round_trip_and_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
