#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"

static const char sample[] =
    "From: a@b\r\nContent-Type: multipart/mixed; boundary=\"out\"\r\n\r\n"
    "--out\r\n\r\none\r\n"
    "--out\r\nContent-Type: message/rfc822\r\n\r\n"
    "Subject: in\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    "--in\r\n\r\ntext\r\n--in\r\nContent-Type: text/html; charset=utf-8\r\n"
    "Content-Transfer-Encoding: quoted-printable\r\nContent-Language: de, en\r\n\r\n"
    "<p>\r\n--in--\r\n"
    "--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: plain\r\n\r\nbody\r\n"
    "--out\r\nContent-Type: application/pdf; name*0=\"a\"; name*1=\"b\"\r\n"
    "Content-ID: <i>\r\nContent-Description: d\r\nContent-MD5: m==\r\nContent-Location: l\r\n"
    "Content-Disposition: attachment; filename*=utf-8''%C3%BC\r\n"
    "Content-Transfer-Encoding: base64\r\n\r\nZm9v\r\n--out--\r\n";

static struct mime_scan *scan_of(struct slice text)
{
    struct mime_scan *scan = mime_scan_new(NULL);

    mime_scan_feed(scan, text);
    mime_scan_end(scan);
    return scan;
}

static void test_sections_name_parts(void **state)
{
    static const struct {
        const char *section;
        const char *type; /* NULL: none */
    } rows[] = {
        {"1", "text/plain"},
        {"2", "message/rfc822"},
        {"2.1", "text/plain"},
        {"2.2", "text/html"},
        {"2.3", NULL},
        {"2.1.1", NULL},
        {"3", "message/rfc822"},
        {"3.1", "text/plain"},
        {"3.2", NULL},
        {"3.1.1", NULL},
        {"4", "application/pdf"},
        {"4.1", NULL},
        {"5", NULL},
        {"0", NULL},
        {"01", NULL},
        {"", NULL},
        {"1.", NULL},
        {".1", NULL},
        {"x", NULL},
        {"99999999999999999999", NULL},
    };
    struct mime_scan *scan = scan_of((struct slice){sample, sizeof(sample) - 1});
    const struct mime_part *root = mime_scan_end(scan);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct mime_part *part = mime_part_find(root, slice_str(rows[i].section));

        T_ROW(i, rows[i].section);
        if (rows[i].type == NULL) {
            assert_null(part);
            continue;
        }
        assert_non_null(part);
        struct slice rest = slice_str(rows[i].type);
        struct slice type;
        assert_true(slice_split(&rest, '/', &type));
        assert_true(mime_part_is(part, type, rest));
    }
    const struct mime_part *inner = mime_part_find(root, SLICE("3.1"));
    T_EQ_SLICE(slice_sub(slice_str(sample), inner->body_start, inner->body_end - inner->body_start),
               SLICE("body"));
    mime_scan_free(&scan);
}

static void test_sections_of_what_is_no_multipart(void **state)
{
    struct mime_scan *scan = scan_of(SLICE("\r\nbody"));
    const struct mime_part *root = mime_scan_end(scan);

    (void)state;
    assert_ptr_equal(mime_part_find(root, SLICE("1")), root);
    assert_null(mime_part_find(root, SLICE("2")));
    assert_null(mime_part_find(root, SLICE("1.1")));
    mime_scan_free(&scan);

    scan = scan_of(SLICE("Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\nbody"));
    root = mime_scan_end(scan);
    assert_ptr_equal(mime_part_find(root, SLICE("1")), root);
    assert_ptr_equal(mime_part_find(root, SLICE("1.1")), root->child);
    assert_null(mime_part_find(root, SLICE("1.1.1")));
    mime_scan_free(&scan);
}

#define NIL8 "NIL NIL NIL NIL NIL NIL NIL NIL"

static void test_bodystructures(void **state)
{
    static const struct {
        const char *text;
        const char *body;
        const char *bodystructure;
    } rows[] = {
        {"", "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0)",
         "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)"},
        {"Content-Type: image/gif\r\n\r\nabc", "(\"image\" \"gif\" NIL NIL NIL \"7bit\" 3)",
         "(\"image\" \"gif\" NIL NIL NIL \"7bit\" 3 NIL NIL NIL NIL)"},
        {"Content-Type: multipart/mixed; boundary=b\r\n\r\n",
         "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0) \"mixed\")",
         "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 0 0 NIL NIL NIL NIL)"
         " \"mixed\" (\"boundary\" \"b\") NIL NIL NIL)"},
        {"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nabc",
         "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 3)",
         "(\"application\" \"octet-stream\" NIL NIL NIL \"base64\" 3 NIL NIL NIL NIL)"},
        {sample,
         "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0)"
         "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 209 (NIL \"in\" " NIL8 ") "
         "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0)"
         "(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 3 0)"
         " \"alternative\") 12)"
         "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 22 (NIL \"plain\" " NIL8 ") "
         "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0) 2)"
         "(\"application\" \"pdf\" (\"name\" \"ab\") \"<i>\" \"d\" \"base64\" 4) \"mixed\")",
         "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 3 0 NIL NIL NIL NIL)"
         "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 209 (NIL \"in\" " NIL8 ") "
         "((\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL NIL)"
         "(\"text\" \"html\" (\"charset\" \"utf-8\") NIL NIL \"quoted-printable\" 3 0 NIL NIL "
         "(\"de\" \"en\") NIL)"
         " \"alternative\" (\"boundary\" \"in\") NIL NIL NIL) 12 NIL NIL NIL NIL)"
         "(\"message\" \"rfc822\" NIL NIL NIL \"7bit\" 22 (NIL \"plain\" " NIL8 ") "
         "(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL \"7bit\" 4 0 NIL NIL NIL NIL) 2 "
         "NIL NIL NIL NIL)"
         "(\"application\" \"pdf\" (\"name\" \"ab\") \"<i>\" \"d\" \"base64\" 4 \"m==\" "
         "(\"attachment\" (\"filename*\" \"utf-8''%C3%BC\")) NIL \"l\") "
         "\"mixed\" (\"boundary\" \"out\") NIL NIL NIL)"},
    };
    AUTO(buf) struct buf out = BUF(MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct mime_scan *scan = scan_of(slice_str(rows[i].text));

        T_ROW(i, "structure");
        buf_clear(&out);
        mime_bodystructure_write(mime_scan_end(scan), false, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].body));
        buf_clear(&out);
        mime_bodystructure_write(mime_scan_end(scan), true, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].bodystructure));
        mime_scan_free(&scan);
    }
}

static void test_stored_structures_come_back_whole(void **state)
{
    struct mime_scan *scan = scan_of((struct slice){sample, sizeof(sample) - 1});
    struct arena *arena = arena_new("test", MIB);
    const struct mime_part *back;
    AUTO(buf) struct buf stored = BUF(MIB);
    AUTO(buf) struct buf again = BUF(MIB);
    AUTO(buf) struct buf want = BUF(MIB);
    AUTO(buf) struct buf got = BUF(MIB);

    (void)state;
    mime_structure_write(mime_scan_end(scan), &stored);
    assert_int_equal(mime_structure_read(arena, buf_slice(&stored), &back), ST_OK);
    mime_structure_write(back, &again);
    T_EQ_SLICE(buf_slice(&again), buf_slice(&stored));
    mime_bodystructure_write(mime_scan_end(scan), true, &want);
    mime_bodystructure_write(back, true, &got);
    T_EQ_SLICE(buf_slice(&got), buf_slice(&want));
    T_EQ_SLICE(back->envelope, mime_scan_end(scan)->envelope);
    assert_null(back->id.ptr);
    mime_scan_free(&scan);
    arena_free(&arena);
}

static void test_cut_or_changed_structures_are_refused_or_sound(void **state)
{
    struct mime_scan *scan = scan_of((struct slice){sample, sizeof(sample) - 1});
    struct arena *arena = arena_new("test", MIB);
    const struct mime_part *back;
    AUTO(buf) struct buf stored = BUF(MIB);
    AUTO(buf) struct buf again = BUF(MIB);

    (void)state;
    mime_structure_write(mime_scan_end(scan), &stored);
    for (size_t len = 0; len < stored.len; len++) {
        assert_int_equal(mime_structure_read(arena, slice_sub(buf_slice(&stored), 0, len), &back),
                         ST_INVALID);
        arena_reset(arena);
    }
    for (size_t i = 0; i < stored.len; i++)
        for (int bit = 0; bit < 8; bit++) {
            stored.ptr[i] = (char)(stored.ptr[i] ^ 1 << bit);
            if (mime_structure_read(arena, buf_slice(&stored), &back) == ST_OK) {
                buf_clear(&again);
                mime_structure_write(back, &again);
                T_EQ_SLICE(buf_slice(&again), buf_slice(&stored));
            }
            arena_reset(arena);
            stored.ptr[i] = (char)(stored.ptr[i] ^ 1 << bit);
        }
    buf_put(&stored, SLICE("\0"));
    assert_int_equal(mime_structure_read(arena, buf_slice(&stored), &back), ST_INVALID);
    mime_scan_free(&scan);
    arena_free(&arena);
}

static void test_impossible_structures_are_refused(void **state)
{
#define HEAD \
    "\1\0\4text\5plain\0\0\0\4" \
    "7bit\0\0\0\0\0"
#define ENV "\51" MIME_ENV
#define MIME_ENV "(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"
    static const struct {
        const char *what;
        struct slice bytes;
        enum st st;
    } rows[] = {
        {"sound", {HEAD "\0\2\3\1" ENV "\0", sizeof(HEAD "\0\2\3\1" ENV "\0") - 1}, ST_OK},
        {"the root not at 0",
         {HEAD "\1\2\3\1" ENV "\0", sizeof(HEAD "\1\2\3\1" ENV "\0") - 1},
         ST_INVALID},
        {"more lines than bytes",
         {HEAD "\0\2\3\4" ENV "\0", sizeof(HEAD "\0\2\3\4" ENV "\0") - 1},
         ST_INVALID},
        {"a leaf with a child",
         {HEAD "\0\2\3\1" ENV "\1", sizeof(HEAD "\0\2\3\1" ENV "\1") - 1},
         ST_INVALID},
        {"a number not in its shortest form",
         {HEAD "\0\2\203\0\1" ENV "\0", sizeof(HEAD "\0\2\203\0\1" ENV "\0") - 1},
         ST_INVALID},
        {"offsets that wrap",
         {HEAD "\0\2\377\377\377\377\377\377\377\377\377\1\1" ENV "\0",
          sizeof(HEAD "\0\2\377\377\377\377\377\377\377\377\377\1\1" ENV "\0") - 1},
         ST_INVALID},
        {"another version", {"\2", 1}, ST_INVALID},
    };
    struct arena *arena = arena_new("test", MIB);
    const struct mime_part *root;

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, rows[i].what);
        assert_int_equal(mime_structure_read(arena, rows[i].bytes, &root), rows[i].st);
    }
    arena_free(&arena);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sections_name_parts),
        cmocka_unit_test(test_sections_of_what_is_no_multipart),
        cmocka_unit_test(test_bodystructures),
        cmocka_unit_test(test_stored_structures_come_back_whole),
        cmocka_unit_test(test_cut_or_changed_structures_are_refused_or_sound),
        cmocka_unit_test(test_impossible_structures_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
