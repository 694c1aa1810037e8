#include "t.h"

#include "base/buf.h"
#include "dav/dav_path.h"

static const struct {
    const char *in;
    enum st st;
    enum dav_kind kind;
    const char *out; /* NULL: as in */
} rows[] = {
    {"/", ST_OK, DAV_KIND_ROOT, NULL},
    {"/dav", ST_OK, DAV_KIND_ROOT, "/dav/"},
    {"/dav/", ST_OK, DAV_KIND_ROOT, NULL},
    {"/.well-known/caldav", ST_OK, DAV_KIND_WELL_KNOWN, ""},
    {"/dav/principals/", ST_OK, DAV_KIND_PRINCIPALS, NULL},
    {"/dav/principals/alice", ST_OK, DAV_KIND_PRINCIPAL, "/dav/principals/alice/"},
    {"/dav/calendars/", ST_OK, DAV_KIND_HOMES, NULL},
    {"/dav/calendars/alice/", ST_OK, DAV_KIND_HOME, NULL},
    {"/dav/calendars/alice/work", ST_OK, DAV_KIND_CALENDAR, "/dav/calendars/alice/work/"},
    {"/dav/calendars/alice/inbox/", ST_OK, DAV_KIND_INBOX, NULL},
    {"/dav/calendars/alice/outbox/", ST_OK, DAV_KIND_OUTBOX, NULL},
    {"/dav/calendars/alice/work/1.ics", ST_OK, DAV_KIND_OBJECT, NULL},
    {"/dav/calendars/alice/inbox/1.ics", ST_OK, DAV_KIND_NOTICE, NULL},
    {"/dav/calendars/a/b/ c%+;\xc3\xa4.ics", ST_OK, DAV_KIND_OBJECT,
     "/dav/calendars/a/b/%20c%25%2B%3B%C3%A4.ics"},
    {"/dav/calendars/alice/outbox/1.ics", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/dav/calendars/alice/work/1.ics/2", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/dav/principals/alice/calendar-proxy-read", ST_OK, DAV_KIND_PROXY,
     "/dav/principals/alice/calendar-proxy-read/"},
    {"/dav/principals/alice/calendar-proxy-write/", ST_OK, DAV_KIND_PROXY, NULL},
    {"/dav/principals/alice/calendar-proxy-write/x", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/dav/principals/alice/work/", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/freebusy/alice.ifb", ST_OK, DAV_KIND_FREEBUSY, NULL},
    {"/freebusy/alice@example.test.ifb", ST_OK, DAV_KIND_FREEBUSY, NULL},
    {"/freebusy/.ifb", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/freebusy/alice", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/freebusy/alice.ifb/x", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/freebusy/../alice.ifb", ST_INVALID, DAV_KIND_NONE, ""},
    {"/DAV/", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/davx", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"dav/", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"", ST_NOT_FOUND, DAV_KIND_NONE, ""},
    {"/dav/calendars//work/", ST_INVALID, DAV_KIND_NONE, ""},
    {"/dav/calendars/../work/", ST_INVALID, DAV_KIND_NONE, ""},
    {"/dav/calendars/alice/./", ST_INVALID, DAV_KIND_NONE, ""},
    {"/dav/calendars/alice/a%2fb/", ST_INVALID, DAV_KIND_NONE, ""},
    {"/dav/calendars/alice/a%00/", ST_INVALID, DAV_KIND_NONE, ""},
    {"/dav/calendars/alice/a\n/", ST_INVALID, DAV_KIND_NONE, ""},
    {"/dav/calendars/alice/a\xff/", ST_INVALID, DAV_KIND_NONE, ""},
};

static void a_path_names_a_resource_and_is_written_encoded(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf out = BUF(KIB);
        struct dav_path path;

        T_ROW(i, rows[i].in);
        assert_int_equal(dav_path_parse(slice_str(rows[i].in), &path), rows[i].st);
        assert_int_equal(path.kind, rows[i].kind);
        if (path.kind == DAV_KIND_NONE || path.kind == DAV_KIND_WELL_KNOWN)
            continue;
        dav_path_write(&path, &out);
        T_EQ_SLICE(buf_slice(&out), slice_str(rows[i].out != NULL ? rows[i].out : rows[i].in));
    }
}

static void an_href_loses_its_scheme_and_its_escapes(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } hrefs[] = {
        {"/dav/a%20b", "/dav/a b"}, {"https://host:8443/dav/%C3%A4", "/dav/\xc3\xa4"},
        {"http://host", ""},        {"/a%2Fb%00%", "/a%2Fb%00%"},
        {"/a%4", "/a%4"},           {"/a%zz%41", "/a%zzA"},
        {"/http://x", "/http://x"},
    };

    for (size_t i = 0; i < COUNT(hrefs); i++) {
        char text[100];

        T_ROW(i, hrefs[i].in);
        snprintf(text, sizeof(text), "%s", hrefs[i].in);
        T_EQ_SLICE(dav_path_decode(text, strlen(text)), slice_str(hrefs[i].out));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_names_a_resource_and_is_written_encoded),
        cmocka_unit_test(an_href_loses_its_scheme_and_its_escapes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
