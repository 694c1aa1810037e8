#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_lines.h"
#include "ctl/ctl_maildir.h"
#include "ctl/ctl_mbox.h"
#include "ctl/ctl_progress.h"

#include <stdlib.h>

/* --- Maildir --- */

static const struct {
    const char *folder;
    const char *dir;
} folders[] = {
    {"INBOX", ""},
    {"Sent", ".Sent"},
    {"Work/2025/Q1", ".Work.2025.Q1"},
    {"Entwürfe", ".Entw&APw-rfe"},
    {"v1.2/x", ".v1&AC4-2.x"},
    {"A & B", ".A &- B"},
    {"INBOX/x", ".INBOX.x"},
};

static void folders_become_names_and_come_back(void **state)
{
    struct arena *arena = arena_new("test", MIB);

    for (size_t i = 0; i < COUNT(folders); i++) {
        AUTO(buf) struct buf dir = BUF(KIB);
        struct slice folder;

        T_ROW(i, folders[i].folder);
        ctl_maildir_folder_write(slice_str(folders[i].folder), &dir);
        T_EQ_SLICE(buf_slice(&dir), slice_str(folders[i].dir));
        assert_int_equal(ctl_maildir_folder_read(arena, slice_str(folders[i].dir), &folder), ST_OK);
        T_EQ_SLICE(folder, slice_str(folders[i].folder));
    }
    arena_free(&arena);
}

static void what_is_no_folder_is_refused(void **state)
{
    static const char *const names[] = {"cur", ".", "..", "..x", "new"};
    struct arena *arena = arena_new("test", MIB);
    struct slice folder;

    for (size_t i = 0; i < COUNT(names); i++)
        assert_int_equal(ctl_maildir_folder_read(arena, slice_str(names[i]), &folder), ST_INVALID);
    assert_int_equal(ctl_maildir_folder_read(arena, SLICE(".Rock & Roll"), &folder), ST_OK);
    T_EQ_SLICE(folder, SLICE("Rock & Roll"));
    arena_free(&arena);
}

static json_t *list_of(const char *flags)
{
    struct slice rest = slice_str(flags);
    struct slice flag;
    json_t *list = json_array();

    while (slice_split(&rest, ' ', &flag))
        if (flag.len > 0)
            json_array_append_new(list, json_stringn(flag.ptr, flag.len));
    return list;
}

static void flags_stand_in_the_name_and_come_back(void **state)
{
    static const struct {
        const char *flags;
        const char *info;
        const char *back;
    } rows[] = {
        {"", "2,", ""},
        {"\\Seen \\Flagged", "2,FS", "\\Flagged \\Seen"},
        {"\\Draft \\Answered \\Deleted", "2,DRT", "\\Draft \\Answered \\Deleted"},
        {"$Forwarded Work", "2,Pa", "$Forwarded Work"},
        {"Junk Work \\Seen", "2,Sab", "\\Seen Work Junk"},
    };
    struct arena *arena = arena_new("test", MIB);
    struct ctl_maildir_keywords keywords = {{NULL}};

    for (size_t i = 0; i < COUNT(rows); i++) {
        json_t *flags = list_of(rows[i].flags);
        json_t *want = list_of(rows[i].back);
        AUTO(buf) struct buf name = BUF(KIB);

        T_ROW(i, rows[i].flags);
        buf_put(&name, SLICE("123.U1_x:"));
        ctl_maildir_info_write(arena, flags, &keywords, &name);
        T_EQ_SLICE(slice_sub(buf_slice(&name), 9, name.len), slice_str(rows[i].info));
        json_t *back = ctl_maildir_info_read(buf_slice(&name), &keywords);
        assert_true(json_equal(back, want));
        json_decref(flags);
        json_decref(want);
        json_decref(back);
    }
    arena_free(&arena);
}

static void keywords_are_kept_in_a_file_of_their_own(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct ctl_maildir_keywords keywords;
    AUTO(buf) struct buf out = BUF(KIB);

    ctl_maildir_keywords_read(arena, SLICE("0 Work\nnonsense\n3 $Junk\n99 far\n"), &keywords);
    ctl_maildir_keywords_write(&keywords, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("0 Work\n3 $Junk\n"));
    arena_free(&arena);
}

/* --- mbox --- */

static void on_begin(void *ctx, int64_t date_s, json_t *flags)
{
    char *text = json_dumps(flags, JSON_COMPACT);

    if (date_s == INT64_MIN)
        buf_putf(ctx, "{- %s}", text);
    else
        buf_putf(ctx, "{%lld %s}", (long long)date_s, text);
    free(text);
}

static void on_bytes(void *ctx, struct slice bytes)
{
    buf_put(ctx, bytes);
}

static void on_end(void *ctx)
{
    buf_put(ctx, SLICE("{/}"));
}

static const struct ctl_mbox_fns fns = {on_begin, on_bytes, on_end};

static const struct {
    const char *file;
    const char *told; /* NULL: refused */
} mboxes[] = {
    {"", ""},
    {"From a Thu Jan  1 00:00:10 1970\nA: b\n\nx\n\n", "{10 []}A: b\n\nx\n{/}"},
    {"From a Thu Jan  1 00:00:10 1970\nA: b\n\nx", "{10 []}A: b\n\nx{/}"},
    {"From nobody\nA: b\n\n\n", "{- []}A: b\n\n{/}"},
    {"From a\nStatus: RO\nX-Status: AF\nA: b\n\nx\n\n",
     "{- [\"\\\\Seen\",\"\\\\Answered\",\"\\\\Flagged\"]}A: b\n\nx\n{/}"},
    {"From a\nX-Keywords: Work, $Junk\nA: b\n\nStatus: R\n\n",
     "{- [\"Work\",\"$Junk\"]}A: b\n\nStatus: R\n{/}"},
    {"From a\nA: b\n\n>From x\n>>From y\n> From z\n>Fromage\n\n",
     "{- []}A: b\n\nFrom x\n>From y\n> From z\n>Fromage\n{/}"},
    {"From a\nA: b\n\nx\n\nFrom b\nC: d\n\ny\n\n", "{- []}A: b\n\nx\n{/}{- []}C: d\n\ny\n{/}"},
    {"From a\nA: b\n\nx\nFrom here on\ny\n\n", "{- []}A: b\n\nx\nFrom here on\ny\n{/}"},
    {"From a\nA: b\n\n\n\nx\n\n\n", "{- []}A: b\n\n\n\nx\n\n{/}"},
    {"From a\r\nA: b\r\n\r\nx\r\n\r\n", "{- []}A: b\r\n\r\nx\r\n{/}"},
    {"From a\nA: b\n\nFrom b\nC: d\n\n", "{- []}A: b\n\n{/}{- []}C: d\n\n{/}"},
    {"A: b\n\nx\n", NULL},
};

static enum st read_mbox(struct slice file, size_t step, struct buf *out)
{
    struct ctl_mbox_reader *reader = ctl_mbox_reader_new(&fns, out);
    enum st st = ST_OK;

    while (st == ST_OK && file.len > 0) {
        struct slice part = slice_sub(file, 0, step);
        st = ctl_mbox_feed(reader, part);
        file = slice_sub(file, part.len, file.len);
    }
    if (st == ST_OK)
        st = ctl_mbox_end(reader);
    ctl_mbox_reader_free(&reader);
    return st;
}

static void an_mbox_is_read_the_same_at_any_split(void **state)
{
    for (size_t i = 0; i < COUNT(mboxes); i++) {
        struct slice file = slice_str(mboxes[i].file);

        T_ROW(i, mboxes[i].file);
        for (size_t step = 1; step <= file.len + 1; step++) {
            AUTO(buf) struct buf out = BUF(10 * KIB);
            enum st st = read_mbox(file, step, &out);

            assert_int_equal(st, mboxes[i].told != NULL ? ST_OK : ST_INVALID);
            if (st == ST_OK)
                T_EQ_SLICE(buf_slice(&out), slice_str(mboxes[i].told));
        }
    }
}

static void what_is_written_as_an_mbox_is_read_back(void **state)
{
    static const char *const messages[] = {
        "A: b\n\nFrom x\n>From y\n>>From z\nFrom\n>\n\n\n",
        "A: b\n\n",
        "A: b\n\nFro",
        "From x in a header\n\nx\n",
        "A: b\n\n\n\n",
    };
    json_t *flags = list_of("\\Seen \\Draft Work");

    for (size_t i = 0; i < COUNT(messages); i++)
        for (size_t step = 1; step < 8; step++) {
            struct ctl_mbox_writer writer;
            struct slice rest = slice_str(messages[i]);
            AUTO(buf) struct buf file = BUF(10 * KIB);
            AUTO(buf) struct buf back = BUF(10 * KIB);
            AUTO(buf) struct buf want = BUF(10 * KIB);

            T_ROW(i, messages[i]);
            ctl_mbox_write_begin(&writer, 86400, flags, &file);
            for (; rest.len > 0; rest = slice_sub(rest, step, rest.len))
                ctl_mbox_write(&writer, slice_sub(rest, 0, step), &file);
            ctl_mbox_write_end(&writer, &file);
            buf_putf(&want, "{86400 [\"\\\\Seen\",\"\\\\Draft\",\"Work\"]}%s%s{/}", messages[i],
                     messages[i][strlen(messages[i]) - 1] == '\n' ? "" : "\n");
            assert_int_equal(read_mbox(buf_slice(&file), 1000, &back), ST_OK);
            if (i != 3) /* in the header it keeps its quote: no mbox can tell */
                T_EQ_SLICE(buf_slice(&back), buf_slice(&want));
        }
    json_decref(flags);
}

static void a_line_longer_than_memory_passes_in_pieces(void **state)
{
    AUTO(buf) struct buf file = BUF(4 * MIB);
    AUTO(buf) struct buf out = BUF(4 * MIB);

    buf_put(&file, SLICE("From a\nA: b\n\nx"));
    for (size_t i = 0; i < 300000; i++)
        buf_put(&file, SLICE("From "));
    buf_put(&file, SLICE("\nend\n\n"));
    assert_int_equal(read_mbox(buf_slice(&file), 50000, &out), ST_OK);
    assert_int_equal(out.len, strlen("{- []}A: b\n\nx") + 300000UL * 5 + strlen("\nend\n{/}"));
}

/* --- line ends and progress --- */

static void line_ends_are_turned_at_any_split(void **state)
{
    static const struct {
        const char *in, *crlf, *lf;
    } rows[] = {{"a\nb\n", "a\r\nb\r\n", "a\nb\n"},
                {"a\r\nb", "a\r\nb", "a\nb"},
                {"a\rb\r", "a\rb\r", "a\rb\r"},
                {"\n\r\n\r\r\n", "\r\n\r\n\r\r\n", "\n\n\r\n"}};

    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t step = 1; step < 8; step++) {
            struct ctl_lines to_crlf = {false};
            struct ctl_lines to_lf = {false};
            AUTO(buf) struct buf crlf = BUF(KIB);
            AUTO(buf) struct buf lf = BUF(KIB);

            for (struct slice rest = slice_str(rows[i].in); rest.len > 0;
                 rest = slice_sub(rest, step, rest.len)) {
                ctl_lines_to_crlf(&to_crlf, slice_sub(rest, 0, step), &crlf);
                ctl_lines_to_lf(&to_lf, slice_sub(rest, 0, step), &lf);
            }
            ctl_lines_to_lf_end(&to_lf, &lf);
            T_EQ_SLICE(buf_slice(&crlf), slice_str(rows[i].crlf));
            T_EQ_SLICE(buf_slice(&lf), slice_str(rows[i].lf));
        }
}

static void progress_tells_rate_and_time_left(void **state)
{
    struct ctl_progress progress = {
        .unit = "messages", .total_bytes = 100 * MIB, .count = 1200, .bytes = 25 * MIB};
    AUTO(buf) struct buf out = BUF(KIB);

    ctl_progress_write(&progress, 5 * SEC_MS, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("1,200 messages, 25 MiB of 100 MiB, 5.0 MiB a second, "
                                      "15 s left"));
    buf_clear(&out);
    progress.total_bytes = 0;
    ctl_progress_write(&progress, 0, &out);
    T_EQ_SLICE(buf_slice(&out), SLICE("1,200 messages, 25 MiB, 0 bytes a second"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_become_names_and_come_back),
        cmocka_unit_test(what_is_no_folder_is_refused),
        cmocka_unit_test(flags_stand_in_the_name_and_come_back),
        cmocka_unit_test(keywords_are_kept_in_a_file_of_their_own),
        cmocka_unit_test(an_mbox_is_read_the_same_at_any_split),
        cmocka_unit_test(what_is_written_as_an_mbox_is_read_back),
        cmocka_unit_test(a_line_longer_than_memory_passes_in_pieces),
        cmocka_unit_test(line_ends_are_turned_at_any_split),
        cmocka_unit_test(progress_tells_rate_and_time_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
