#include "t.h"

#include "base/buf.h"
#include "directory/directory_lint.h"

#define BASE \
    "server a|\nserver b|\ncluster ab|member = a;member = b\nperson ann|\n" \
    "group crew|member = a;member = ann;role = sailors\n"

/* Documents, one a line: "kind name|line;line"; then "kind name: part" of each finding, in order.
 */
static const struct {
    const char *documents;
    const char *findings[4];
} rows[] = {
    {"", {NULL}},
    {BASE, {NULL}},
    {"server a|\n", {NULL}}, /* one server needs no cluster */
    {"server a|\nserver b|\n", {"server a: it is in no cluster", "server b: it is in no cluster"}},
    {BASE "cluster c|member = b;member = c",
     {"cluster c: the member b is in the cluster ab too", "cluster c: the member c has no server"}},
    {BASE "cluster c|", {"cluster c: nobody is in it"}},
    {BASE "group g|member = Ann;member = crew;member = b;member = far@x.test", {NULL}},
    {BASE "group g|member = bob", {"group g: the member bob leads nowhere"}},
    {BASE "group g|reader = [sailors]", {NULL}}, /* server a is a sailor by crew */
    {BASE "group g|reader = [cooks];reader = a", {"group g: the reader [cooks] is nobody"}},
    {BASE "group g|author = ann", {"group g: no server may see it"}},
    {BASE "person p|server = b;server = z", {"person p: the server z is to hold"}},
    {BASE "group g|membr = x", {"group g: it cannot be read and counts nowhere: line 1"}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test", {NULL}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test;priority = 1\n"
          "foreign-domain g|domain = x;mail_server = b;host = h.test",
     {NULL}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test\n"
          "foreign-domain g|domain = X;mail_server = b;host = h.test",
     {"foreign-domain g: it and f have the priority 100 for x"}},
    {BASE "foreign-domain f|domain = x;mail_server = z;host = h.test",
     {"foreign-domain f: the mail_server z has no server document",
      "foreign-domain f: nobody can reach x"}},
    {BASE "foreign-domain f|domain = x;mail_server = a",
     {"foreign-domain f: its gateway a has no host", "foreign-domain f: nobody can reach x"}},
    {BASE "foreign-domain f|domain = x;mail_server = a;calendar_server = b;host = h.test;"
          "calendar = ews https://h.test/;reader = a",
     {"foreign-domain f: its own calendar_server b may not see it"}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test;calendar_server = z;"
          "calendar = ews https://h.test/",
     {"foreign-domain f: the calendar_server z has no server document"}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test;calendar_server = b",
     {"foreign-domain f: its calendar_server b does not know how to ask"}},
    {BASE
     "foreign-domain f|domain = x;mail_server = a;host = h.test;calendar = ews https://h.test/",
     {"foreign-domain f: nobody asks https://h.test/ for free time"}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test;calendar_server = b;"
          "calendar = ews http://h.test/;calendar_user = u;calendar_password = p",
     {"foreign-domain f: its calendar_password goes to http://h.test/ for everybody"}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test;calendar_server = b;"
          "calendar = ews http://h.test/;calendar_user = u;calendar_password = p;"
          "calendar_auth = ntlm",
     {NULL}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test;calendar_server = b;"
          "calendar = ews http://127.0.0.1:81/;calendar_user = u;calendar_password = p",
     {NULL}},
    {BASE "foreign-domain f|domain = x;mail_server = a;host = h.test;calendar_server = b;"
          "calendar = ews http://127.0.0.1.test/;calendar_user = u;calendar_password = p",
     {"foreign-domain f: its calendar_password goes to http://127.0.0.1.test/ for everybody"}},
    {BASE "connection c|domain = x;host = h.test\nconnection d|domain = x;host = i.test", {NULL}},
    {BASE "connection c|domain = x;host = h.test\nconnection d|domain = x;host = h.test",
     {"connection d: it is never used: the connection c"}},
    {BASE "connection c|domain = x;host = h.test\n"
          "connection d|domain = x;domain = *.y;host = h.test",
     {NULL}},
    {BASE "connection c|domain = *;host = h.test\nconnection d|domain = x;host = h.test", {NULL}},
};

static void put_finding(void *ctx, struct slice kind, struct slice name, struct slice sentence)
{
    buf_putf(ctx, "%.*s %.*s: %.*s\n", SLICE_ARG(kind), SLICE_ARG(name), SLICE_ARG(sentence));
}

static void add(struct directory_lint *lint, struct slice line)
{
    size_t blank = slice_find(line, ' ');
    size_t bar = slice_find(line, '|');
    struct slice rest = slice_sub(line, bar + 1, line.len);
    struct slice part;
    AUTO(buf) struct buf body = BUF(KIB);

    if (line.len == 0)
        return;
    while (slice_split(&rest, ';', &part))
        buf_putf(&body, "%.*s\n", SLICE_ARG(part));
    directory_lint_add(lint, slice_sub(line, 0, blank), slice_sub(line, blank + 1, bar - blank - 1),
                       1, buf_slice(&body));
}

static void test_each_surprise_is_found_and_nothing_else(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct directory_lint *lint = directory_lint_new();
        struct slice rest = slice_str(rows[i].documents);
        struct slice line;
        AUTO(buf) struct buf said = BUF(64 * KIB);

        T_ROW(i, rows[i].documents);
        while (slice_split(&rest, '\n', &line))
            add(lint, line);
        directory_lint_run(lint, put_finding, &said);
        rest = buf_slice(&said);
        for (size_t k = 0; k < COUNT(rows[i].findings) && rows[i].findings[k] != NULL; k++) {
            slice_split(&rest, '\n', &line);
            if (!slice_starts(line, slice_str(rows[i].findings[k])))
                fail_msg("%.*s", SLICE_ARG(buf_slice(&said)));
        }
        if (rest.len > 0)
            fail_msg("%.*s", SLICE_ARG(rest));
        directory_lint_free(&lint);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_surprise_is_found_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
