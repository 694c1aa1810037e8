/* Requests of EWS: each input is an XML text whose outermost element is taken for a
 * GetUserAvailabilityRequest, and for a text of HTML. What is asked keeps its limits; the answer is
 * XML again, with as many digits as it should have. */
#include "base/arena.h"
#include "ews/ews_html.h"
#include "ews/ews_suggest.h"
#include "ews/ews_time.h"
#include "ical/ical_zone.h"
#include "xml/xml.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_BYTES_MAX 20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_ask(const struct ews_ask *ask)
{
    must(ask->count > 0 && ask->count <= EWS_MAILBOXES_MAX);
    must(ask->view != EWS_VIEW_NONE || ask->suggestions_wanted);
    if (ask->view != EWS_VIEW_NONE) {
        must(ask->from_s < ask->until_s &&
             ask->until_s - ask->from_s <= EWS_WINDOW_DAYS_MAX * ICAL_DAY_S);
        must(ask->interval_min >= 5 && ask->interval_min <= 1440);
    }
    if (ask->suggestions_wanted)
        must(ask->suggestions.from_s < ask->suggestions.until_s);
}

static const struct xml_element *answer_of(struct arena *arena, const struct ews_ask *ask,
                                           const struct ews_told *told,
                                           const struct ews_attending *attending)
{
    static const struct calendar_week week = {.hours = {{0x1f, 480, 1020}}, .count = 1};
    AUTO(buf) struct buf out = BUF(16 * MIB);
    struct xml_limits limits = xml_limits_default;
    struct xml_element *root = NULL;
    struct xml_error error;

    limits.bytes_max = 16 * MIB;
    limits.elements_max = 1000000;
    ews_envelope_begin(&out);
    if (ask->view != EWS_VIEW_NONE)
        ews_view_write(ask, told, &out);
    if (ask->suggestions_wanted)
        ews_suggest_write(ask, attending, &week, &out);
    ews_envelope_end(&out);
    must(!out.over);
    must(xml_parse(arena, buf_slice(&out), &limits, &root, &error) == ST_OK);
    return xml_child(root, XML_SOAP, "Body");
}

static void check_answer(struct arena *arena, const struct ews_ask *ask)
{
    const int64_t from_s = ask->view != EWS_VIEW_NONE ? ask->from_s : ask->suggestions.from_s;
    const struct calendar_busy_row row = {from_s, from_s + 1801, STORE_BUSY_BUSY, 0};
    const struct calendar_detail event = {from_s,         from_s + 1801,      STORE_BUSY_BUSY,
                                          true,           SLICE("a & b <c>"), SLICE(""),
                                          .meeting = true};
    struct calendar_week week;
    struct ews_told told = {.times = {&row, 1, from_s, from_s + 86400},
                            .events = &event,
                            .event_count = 1,
                            .view = ask->view,
                            .week = &week};
    struct ews_attending *attending = arena_many(arena, struct ews_attending, ask->count);

    calendar_week(arena, SLICE(""), NULL, ask->zone, from_s, &week);
    attending[0] = (struct ews_attending){true, told.times};
    const struct xml_element *body = answer_of(arena, ask, &told, attending);
    if (ews_view_is_merged(ask->view))
        must(ews_text(ews_child(ews_child(body, "FreeBusyResponse"), "FreeBusyView"),
                      "MergedFreeBusy")
                 .len == ews_digits_count(ask->from_s, ask->until_s, ask->interval_min));
}

static void check_html(struct slice text)
{
    AUTO(buf) struct buf out = BUF(4 * TEXT_BYTES_MAX);

    (void)ews_html_is(text);
    ews_html_words(text, &out);
    must(!out.over);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct xml_element *root = NULL;
    struct xml_error error;

    if (size == 0 || size > TEXT_BYTES_MAX)
        return 0;
    check_html(text);
    struct arena *arena = arena_new("fuzz", GIB);
    struct ical_zones *zones = ical_zones_new("/usr/share/zoneinfo");
    struct ews_fault fault = {NULL, NULL};
    struct ews_ask ask;
    if (xml_parse(arena, text, &xml_limits_default, &root, &error) == ST_OK) {
        if (ews_ask_read(arena, root, root, zones, &ask, &fault)) {
            check_ask(&ask);
            check_answer(arena, &ask);
        } else {
            must(fault.code != NULL && fault.why != NULL);
        }
    }
    ical_zones_free(&zones);
    arena_free(&arena);
    return 0;
}
