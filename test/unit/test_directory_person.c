#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_person.h"

static enum st read_name_of(size_t bytes, struct arena *arena, struct directory_document *read,
                            struct buf *why)
{
    AUTO(buf) struct buf text = BUF(KIB);

    buf_put(&text, SLICE("full_name ="));
    for (size_t i = 0; i < bytes; i++)
        buf_put(&text, SLICE("x"));
    return directory_person_read(arena, SLICE("bob"), buf_slice(&text), read, why);
}

/* A document that was read once must be readable after every change of it. */
static void test_what_was_read_can_be_written_and_read_again(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct directory_document *read = arena_one(arena, struct directory_document);
    struct directory_document *again = arena_one(arena, struct directory_document);
    AUTO(buf) struct buf why = BUF(KIB);
    AUTO(buf) struct buf body = BUF(64 * KIB);

    (void)state;
    assert_int_equal(read_name_of(DIRECTORY_TEXT_BYTES_MAX, arena, read, &why), ST_OK);
    directory_person_write(read, &body);
    assert_int_equal(directory_person_read(arena, SLICE("bob"), buf_slice(&body), again, &why),
                     ST_OK);
    assert_string_equal(again->person.full_name, read->person.full_name);
    arena_free(&arena);
}

static void test_a_text_too_long_is_refused_in_a_sentence(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct directory_document *read = arena_one(arena, struct directory_document);
    AUTO(buf) struct buf why = BUF(KIB);

    (void)state;
    assert_int_equal(read_name_of(DIRECTORY_TEXT_BYTES_MAX + 1, arena, read, &why), ST_INVALID);
    assert_non_null(strstr(why.ptr, "longer than 170 bytes"));
    arena_free(&arena);
}

static void test_names_and_aliases(void **state)
{
    static const struct {
        const char *text;
        bool name;
        bool alias;
    } rows[] = {
        {"bob", true, true},         {"b.o-b_1", true, true},   {"", false, false},
        {".bob", false, false},      {"bob.", false, false},    {"Bob", false, false},
        {"bob@a.test", false, true}, {"@a.test", false, false}, {"bob@", false, false},
        {"bob smith", false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].text);
        assert_int_equal(directory_name_ok(slice_str(rows[i].text)), rows[i].name);
        assert_int_equal(directory_name_is_alias(slice_str(rows[i].text)), rows[i].alias);
    }
}

static void test_a_room_says_when_it_can_be_had(void **state)
{
    static const struct {
        const char *text, *want;
    } rows[] = {
        {"kind = room\nroom_capacity = 12\nroom_hours = 08:00-18:30\nroom_days = mon-fri\n"
         "room_minutes_max = 240\nroom_ahead_days = 180\nroom_series = partly\n",
         "kind = room\nroom_capacity = 12\nroom_hours = 08:00-18:30\n"
         "room_days = mon tue wed thu fri\nroom_minutes_max = 240\nroom_ahead_days = 180\n"
         "room_series = partly\n"},
        {"kind = resource\nroom_days = sat-mon wed\n",
         "kind = resource\nroom_days = mon wed sat sun\n"},
        {"kind = person\n", ""},
        {"kind = hall\n", NULL},
        {"room_hours = 18:00-08:00\n", NULL},
        {"room_hours = 8-18\n", NULL},
        {"room_hours = 08:00-24:01\n", NULL},
        {"room_days = mo\n", NULL},
        {"room_series = maybe\n", NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct arena *arena = arena_new("test", MIB);
        struct directory_document *read = arena_one(arena, struct directory_document);
        AUTO(buf) struct buf why = BUF(KIB);
        AUTO(buf) struct buf body = BUF(64 * KIB);
        enum st st =
            directory_person_read(arena, SLICE("oak"), slice_str(rows[i].text), read, &why);

        T_ROW(i, rows[i].text);
        assert_int_equal(st, rows[i].want != NULL ? ST_OK : ST_INVALID);
        if (st == ST_OK) {
            directory_person_write(read, &body);
            buf_put(&body, (struct slice){"", 1});
            if (rows[i].want[0] != '\0')
                assert_non_null(strstr(body.ptr, rows[i].want));
            else
                assert_null(strstr(body.ptr, "kind"));
            assert_int_equal(read->person.room != NULL, rows[i].want[0] != '\0');
        }
        arena_free(&arena);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_read_can_be_written_and_read_again),
        cmocka_unit_test(test_a_text_too_long_is_refused_in_a_sentence),
        cmocka_unit_test(test_names_and_aliases),
        cmocka_unit_test(test_a_room_says_when_it_can_be_had),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
