/* A report's body on objects: each input is the XML of a calendar-query, and behind a line "%%" may
 * stand an object; else samples are taken. What the store's row alone says of an object is what a
 * look inside says; what calendar-data makes of an object can be read again. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_busy.h"
#include "calendar/calendar_object.h"
#include "dav/dav_data.h"
#include "dav/dav_filter.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"
#include "xml/xml.h"

#include <stdlib.h>

#define TEXT_BYTES_MAX 20000
#define STEPS_MAX 2000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct calendar_limits limits = {TEXT_BYTES_MAX, 100};
static const char *const samples[] = {
    "BEGIN:VEVENT\nUID:1\nDTSTAMP:20260101T000000Z\nDTSTART:20260301T100000Z\n"
    "DTEND:20260301T110000Z\nSUMMARY:Lunch\\, late\nCATEGORIES:A,B\nEND:VEVENT\n",
    "BEGIN:VEVENT\nUID:2\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260301\n"
    "ATTENDEE;PARTSTAT=ACCEPTED;CN=\"B\":mailto:b@example.org\nEND:VEVENT\n",
    "BEGIN:VEVENT\nUID:3\nDTSTAMP:20260101T000000Z\nDTSTART:20260301T100000\nDURATION:PT1H\n"
    "RRULE:FREQ=WEEKLY;COUNT=5\nEXDATE:20260308T100000\nBEGIN:VALARM\nACTION:DISPLAY\n"
    "DESCRIPTION:x\nTRIGGER:-PT15M\nEND:VALARM\nEND:VEVENT\nBEGIN:VEVENT\nUID:3\n"
    "DTSTAMP:20260101T000000Z\nRECURRENCE-ID:20260315T100000\nDTSTART:20260316T100000\nEND:"
    "VEVENT\n",
    "BEGIN:VTODO\nUID:4\nDTSTAMP:20260101T000000Z\nDUE:20260301T100000Z\nEND:VTODO\n",
    "BEGIN:VTODO\nUID:5\nDTSTAMP:20260101T000000Z\nCOMPLETED:20260301T100000Z\nEND:VTODO\n",
    "BEGIN:VJOURNAL\nUID:6\nDTSTAMP:20260101T000000Z\nDTSTART;VALUE=DATE:20260301\nEND:VJOURNAL\n",
};

static void must(bool truth)
{
    if (!truth)
        abort();
}

struct input {
    struct arena *arena, *scratch;
    const struct xml_element *report;
    struct dav_comp_filter *filter; /* NULL: none that can be read */
    struct dav_data data;
    bool has_data;
};

/* As calendar_write.c fills it. False: nothing with a time, or limits. */
static bool row_of(struct input *in, const struct calendar_object *object, struct ical_tz *tz,
                   struct store_event *row)
{
    const struct calendar_busy_ask ask = {.from_s = ICAL_LOCAL_MIN,
                                          .until_s = ICAL_LOCAL_MAX,
                                          .rows_max = 300,
                                          .steps_max = STEPS_MAX};
    struct ical_error error;

    *row = (struct store_event){
        .kind = object->kind, .flags = object->flags, .first_s = INT64_MAX, .last_s = INT64_MIN};
    enum st st = calendar_busy_bounds(in->arena, object->vcalendar, tz, &ask, &row->first_s,
                                      &row->last_s, &error);
    return st == ST_OK || st == ST_NOT_FOUND;
}

static void check_filter(struct input *in, const struct calendar_object *object, struct ical_tz *tz)
{
    struct store_event row;
    struct dav_match match = {.scratch = in->scratch,
                              .vcalendar = object->vcalendar,
                              .tz = tz,
                              .ranges_left = DAV_MATCH_RANGES_MAX};
    bool matches = dav_filter_match(in->filter, &match);

    if (!row_of(in, object, tz, &row))
        return;
    enum dav_look look = dav_filter_look(in->filter, &row);
    must(look != DAV_LOOK_NO || !matches);
    must(look != DAV_LOOK_YES || matches);
}

static void check_data(struct input *in, const struct calendar_object *object, struct ical_tz *tz)
{
    const struct dav_data_world world = {
        .arena = in->arena, .scratch = in->scratch, .vcalendar = object->vcalendar, .tz = tz};
    AUTO(buf) struct buf text = BUF(8 * MIB);
    AUTO(buf) struct buf escaped = BUF(64 * MIB);
    struct ical_comp *again;
    struct ical_error error;
    enum st st = dav_data_write(&in->data, &world, &text);

    must(st == ST_OK || st == ST_TOO_BIG);
    dav_data_escape(buf_slice(&text), &escaped);
    must(!escaped.over);
    if (st == ST_OK && text.len < MIB) {
        arena_reset(in->scratch);
        must(ical_parse(in->scratch, buf_slice(&text), &ical_limits_default, &again, &error) ==
             ST_OK);
    }
}

static void check_object(struct input *in, struct slice text)
{
    struct calendar_object object;
    enum calendar_fault fault;
    struct ical_error error;

    if (calendar_object_read(in->arena, text, &limits, &object, &fault, &error) != ST_OK)
        return;
    struct ical_tz *tz = ical_tz_new(in->arena, object.vcalendar, NULL);
    if (in->filter != NULL)
        check_filter(in, &object, tz);
    if (in->has_data)
        check_data(in, &object, tz);
}

static void check_samples(struct input *in)
{
    for (size_t i = 0; i < COUNT(samples); i++) {
        AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);

        buf_putf(&text, "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:x\n%sEND:VCALENDAR\n", samples[i]);
        check_object(in, buf_slice(&text));
    }
}

static void read_report(struct input *in, const struct xml_element *report)
{
    const struct xml_element *data =
        xml_child(xml_child(report, XML_DAV, "prop"), XML_CALDAV, "calendar-data");
    struct dav_fault fault = {.sentence = NULL};

    if (dav_filter_read(in->arena, xml_child(report, XML_CALDAV, "filter"), &in->filter, &fault) !=
        ST_OK) {
        must(fault.sentence != NULL && fault.condition != NULL);
        in->filter = NULL;
    }
    in->has_data = data != NULL && dav_data_read(in->arena, data, &in->data, &fault) == ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {.arena = arena_new("fuzz", 2 * dav_data_arena_bytes()),
                       .scratch = arena_new("fuzz scratch", dav_data_arena_bytes())};
    struct slice text = {(const char *)data, size < TEXT_BYTES_MAX ? size : TEXT_BYTES_MAX};
    size_t at = slice_find_slice(text, SLICE("\n%%\n"));
    struct xml_element *report;
    struct xml_error error;

    if (xml_parse(in.arena, slice_sub(text, 0, at), &xml_limits_default, &report, &error) ==
        ST_OK) {
        read_report(&in, report);
        if (at != SIZE_MAX)
            check_object(&in, slice_sub(text, at + 4, text.len));
        else
            check_samples(&in);
    }
    arena_free(&in.scratch);
    arena_free(&in.arena);
    return 0;
}
