#include "t.h"

#include "admin/admin_frame.h"
#include "base/buf.h"

static enum st on_begin(void *ctx, json_t *message)
{
    buf_putf(ctx, "{%s}", json_string_value(json_object_get(message, "folder")));
    return ST_OK;
}

static enum st on_bytes(void *ctx, struct slice bytes)
{
    buf_put(ctx, bytes);
    return slice_find(bytes, '!') != SIZE_MAX ? ST_FULL : ST_OK;
}

static enum st on_end(void *ctx)
{
    buf_put(ctx, SLICE("{/}"));
    return ST_OK;
}

static const struct admin_frame_fns fns = {on_begin, on_bytes, on_end};

static const struct {
    const char *in;
    const char *told;
    enum st st;
    bool whole;
} rows[] = {
    {"", "", ST_OK, true},
    {"{\"folder\":\"A\"}\n0\n", "{A}{/}", ST_OK, true},
    {"{\"folder\":\"A\"}\n3\nabc2\n\n\n0\n{\"folder\":\"B\"}\n0\n", "{A}abc\n\n{/}{B}{/}", ST_OK,
     true},
    {"{\"folder\":\"A\"}\n3\nab", "{A}ab", ST_OK, false},
    {"{\"folder\":\"A\"}\n", "{A}", ST_OK, false},
    {"{\"folder\"", "", ST_OK, false},
    {"[]\n", "", ST_INVALID, false},
    {"{\"folder\":\"A\"}\nx\n", "{A}", ST_INVALID, false},
    {"{\"folder\":\"A\"}\n-1\n", "{A}", ST_INVALID, false},
    {"{\"folder\":\"A\"}\n1\n!0\n", "{A}!", ST_FULL, false},
};

static void a_stream_is_read_the_same_at_any_split(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t step = 1; step <= strlen(rows[i].in) + 1; step++) {
            AUTO(buf) struct buf out = BUF(KIB);
            struct admin_frame *frame = admin_frame_new(&fns, &out);
            enum st st = ST_OK;

            T_ROW(i, rows[i].in);
            for (struct slice rest = slice_str(rows[i].in); rest.len > 0;
                 rest = slice_sub(rest, step, rest.len))
                st = admin_frame_feed(frame, slice_sub(rest, 0, step));
            assert_int_equal(st, rows[i].st);
            assert_int_equal(admin_frame_is_whole(frame), rows[i].whole);
            T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].told));
            admin_frame_free(&frame);
        }
}

static void a_line_without_end_is_refused(void **state)
{
    AUTO(buf) struct buf out = BUF(KIB);
    struct admin_frame *frame = admin_frame_new(&fns, &out);
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < 100000; i++)
        st = admin_frame_feed(frame, SLICE("{\"folder\""));
    assert_int_equal(st, ST_INVALID);
    admin_frame_free(&frame);
}

static void what_is_written_is_read(void **state)
{
    json_t *message = json_pack("{s:s}", "folder", "A\nB");
    AUTO(buf) struct buf stream = BUF(KIB);
    AUTO(buf) struct buf out = BUF(KIB);
    struct admin_frame *frame = admin_frame_new(&fns, &out);

    admin_frame_begin(message, &stream);
    admin_frame_bytes(SLICE("x"), &stream);
    admin_frame_bytes(SLICE(""), &stream); /* would be the end */
    admin_frame_bytes(SLICE("y"), &stream);
    admin_frame_end(&stream);
    assert_int_equal(admin_frame_feed(frame, buf_slice(&stream)), ST_OK);
    assert_true(admin_frame_is_whole(frame));
    T_EQ_SLICE(buf_slice(&out), SLICE("{A\nB}xy{/}"));
    admin_frame_free(&frame);
    json_decref(message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_is_read_the_same_at_any_split),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(what_is_written_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
