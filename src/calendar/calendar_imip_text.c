/* What a scheduling message says, in words for those whose mail program has no calendar. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "calendar/calendar_imip.h"
#include "ical/ical_zone.h"
#include "mime/mime_write.h"

#define SUMMARY_BYTES_MAX 300
#define LINE_BYTES_MAX 1000
#define NOTES_BYTES_MAX (8 * KIB)
#define PEOPLE_MAX 30
#define COMPONENTS_MAX 20

static const struct ical_comp *first_of(const struct ical_comp *vcalendar)
{
    const struct ical_comp *found = NULL;

    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next) {
        if (comp->id == ICAL_VTIMEZONE)
            continue;
        if (found == NULL || ical_prop_find(comp, ICAL_RECURRENCE_ID) == NULL)
            found = comp;
        if (ical_prop_find(comp, ICAL_RECURRENCE_ID) == NULL)
            return found;
    }
    return found;
}

/* A TEXT on one line. */
static void put_line(struct arena *arena, struct slice value, size_t bytes_max, struct buf *out)
{
    AUTO(buf) struct buf clean = BUF(bytes_max + 8);

    mime_write_clean(slice_trim(ical_text_decode(arena, value)), bytes_max, true, &clean);
    buf_put(out, slice_trim(buf_slice(&clean)));
}

/* --- the subject --- */

static struct slice answer_of(const struct ical_comp *comp)
{
    const struct ical_prop *attendee = ical_prop_find(comp, ICAL_ATTENDEE);

    return attendee != NULL ? ical_param_text(attendee, "PARTSTAT") : SLICE("");
}

static const char *word_of_answer(struct slice partstat)
{
    static const struct {
        const char *partstat, *word;
    } words[] = {
        {"ACCEPTED", "Accepted"},   {"DECLINED", "Declined"},   {"TENTATIVE", "Tentative"},
        {"DELEGATED", "Delegated"}, {"COMPLETED", "Completed"}, {"IN-PROCESS", "In process"},
    };

    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_ieq(partstat, slice_str(words[i].partstat)))
            return words[i].word;
    return "Answer";
}

static const char *word_of(enum calendar_itip_method method, const struct ical_comp *comp)
{
    static const char *const words[] = {
        [CALENDAR_ITIP_NONE] = "Event",
        [CALENDAR_ITIP_PUBLISH] = "Event",
        [CALENDAR_ITIP_REQUEST] = "Invitation",
        [CALENDAR_ITIP_REPLY] = "Answer",
        [CALENDAR_ITIP_ADD] = "Added",
        [CALENDAR_ITIP_CANCEL] = "Canceled",
        [CALENDAR_ITIP_REFRESH] = "Please send again",
        [CALENDAR_ITIP_COUNTER] = "New time proposed",
        [CALENDAR_ITIP_DECLINECOUNTER] = "Proposal declined",
    };
    static_assert(COUNT(words) == CALENDAR_ITIP_METHOD_MAX, "a word for each");
    uint64_t sequence = 0;

    if (method == CALENDAR_ITIP_REPLY)
        return word_of_answer(answer_of(comp));
    if (method == CALENDAR_ITIP_REQUEST &&
        slice_to_u64(slice_trim(ical_prop_value(comp, ICAL_SEQUENCE)), &sequence) == ST_OK &&
        sequence > 0)
        return "Updated invitation";
    return words[method];
}

void calendar_imip_subject(struct arena *arena, const struct calendar_imip_letter *letter,
                           struct buf *out)
{
    const struct ical_comp *comp = first_of(letter->vcalendar);
    size_t before;

    if (comp == NULL) {
        buf_put(out, SLICE("Calendar"));
        return;
    }
    buf_putf(out, "%s: ", word_of(calendar_itip_method(letter->vcalendar), comp));
    before = out->len;
    put_line(arena, ical_prop_value(comp, ICAL_SUMMARY), SUMMARY_BYTES_MAX, out);
    if (out->len == before)
        buf_put(out, SLICE("(no title)"));
}

/* --- when --- */

struct times {
    struct ical_time start, end;
    bool has_end;
};

static void put_day(int64_t local_s, struct buf *out)
{
    static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
    static const char *const months[] = {"",    "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct ical_civil c = ical_civil(local_s);

    buf_putf(out, "%s, %u %s %d", days[ical_weekday(ical_day_of(local_s))], c.day, months[c.month],
             (int)c.year);
}

static void put_clock(int64_t local_s, struct buf *out)
{
    struct ical_civil c = ical_civil(local_s);

    buf_putf(out, "%02u:%02u", c.hour, c.minute);
}

/* "Mon, 21 Sep 2026, 10:00 - 11:00". */
static void put_span(int64_t start_s, int64_t end_s, struct buf *out)
{
    put_day(start_s, out);
    buf_put(out, SLICE(", "));
    put_clock(start_s, out);
    if (end_s == start_s)
        return;
    buf_put(out, SLICE(" - "));
    if (ical_day_of(end_s) != ical_day_of(start_s)) {
        put_day(end_s, out);
        buf_put(out, SLICE(", "));
    }
    put_clock(end_s, out);
}

static void put_days(const struct times *t, struct buf *out)
{
    int64_t last_s = t->has_end ? t->end.local_s - ICAL_DAY_S : t->start.local_s;

    put_day(t->start.local_s, out);
    if (last_s > t->start.local_s) {
        buf_put(out, SLICE(" - "));
        put_day(last_s, out);
    }
}

static bool read_times(struct ical_tz *tz, const struct ical_comp *comp, struct times *times_r)
{
    const struct ical_prop *start = ical_prop_find(comp, ICAL_DTSTART);
    const struct ical_prop *end = ical_prop_find(comp, ICAL_DTEND);
    struct ical_duration duration;

    *times_r = (struct times){0};
    if (start == NULL) /* a CANCEL may say no more than which; a to-do may only be due */
        start = ical_prop_find(comp, ICAL_RECURRENCE_ID);
    if (start == NULL)
        start = ical_prop_find(comp, ICAL_DUE);
    if (end == NULL)
        end = ical_prop_find(comp, ICAL_DUE);
    if (start == NULL ||
        ical_tz_time(tz, start, slice_trim(start->value), &times_r->start) != ST_OK)
        return false;
    if (end != NULL)
        times_r->has_end = ical_tz_time(tz, end, slice_trim(end->value), &times_r->end) == ST_OK;
    else if (ical_duration_parse(slice_trim(ical_prop_value(comp, ICAL_DURATION)), &duration) ==
             ST_OK) {
        times_r->end = ical_time_add(times_r->start, duration);
        times_r->has_end = true;
    }
    return true;
}

static void put_when(struct ical_tz *tz, const struct ical_comp *comp, struct buf *out)
{
    const struct ical_prop *start = ical_prop_find(comp, ICAL_DTSTART);
    struct times t;

    if (!read_times(tz, comp, &t))
        return;
    buf_put(out, SLICE("When:  "));
    if (t.start.form == ICAL_DATE) {
        put_days(&t, out);
        buf_put(out, SLICE("\r\n"));
        return;
    }
    int64_t start_s = ical_time_utc(t.start, NULL);
    int64_t end_s = t.has_end ? ical_time_utc(t.end, NULL) : start_s;
    if (t.start.form == ICAL_ZONED && t.start.zone != NULL) {
        put_span(t.start.local_s, ical_zone_local(t.start.zone, end_s), out);
        buf_put(out, SLICE(" ("));
        mime_write_clean(start != NULL ? ical_param_text(start, "TZID") : SLICE(""), 100, true,
                         out);
        buf_put(out, SLICE(")\r\n       "));
    }
    put_span(start_s, end_s, out);
    buf_put(out, t.start.form == ICAL_UTC || t.start.zone != NULL
                     ? SLICE(" UTC\r\n")
                     : SLICE(" (by your own clock)\r\n"));
}

static void put_repeats(const struct ical_comp *comp, struct buf *out)
{
    const struct ical_prop *rule = ical_prop_find(comp, ICAL_RRULE);
    bool more = ical_prop_find(comp, ICAL_RDATE) != NULL;

    if (rule == NULL && !more)
        return;
    buf_put(out, SLICE("Repeats: "));
    for (; rule != NULL; rule = ical_prop_next(rule)) {
        calendar_imip_rule(rule->value, out);
        buf_put(out, SLICE("; "));
    }
    if (more)
        buf_put(out, SLICE("on further days; "));
    if (ical_prop_find(comp, ICAL_EXDATE) != NULL)
        buf_put(out, SLICE("not on some of them; "));
    buf_cut(out, out->len - 2);
    buf_put(out, SLICE("\r\n"));
}

/* --- where, who, what --- */

static void put_text(struct arena *arena, const char *name, struct slice value, struct buf *out)
{
    size_t before = out->len;

    buf_put(out, slice_str(name));
    size_t bare = out->len;
    put_line(arena, value, LINE_BYTES_MAX, out);
    if (out->len == bare)
        buf_cut(out, before);
    else
        buf_put(out, SLICE("\r\n"));
}

static void put_person(const struct ical_prop *prop, struct buf *out)
{
    struct slice address = prop->value;
    struct slice name = ical_param_text(prop, "CN");

    if (slice_istarts(address, SLICE("mailto:")))
        address = slice_sub(address, 7, SIZE_MAX);
    if (name.len > 0 && !slice_ieq(name, address)) {
        mime_write_clean(name, 200, true, out);
        buf_put(out, SLICE(" <"));
        mime_write_clean(address, 300, true, out);
        buf_put(out, SLICE(">"));
    } else {
        mime_write_clean(address, 300, true, out);
    }
}

static void put_people(const struct ical_comp *comp, struct buf *out)
{
    const struct ical_prop *organizer = ical_prop_find(comp, ICAL_ORGANIZER);
    size_t count = 0;

    if (organizer != NULL) {
        buf_put(out, SLICE("From:  "));
        put_person(organizer, out);
        buf_put(out, SLICE("\r\n"));
    }
    for (const struct ical_prop *prop = ical_prop_find(comp, ICAL_ATTENDEE); prop != NULL;
         prop = ical_prop_next(prop)) {
        if (count++ >= PEOPLE_MAX)
            continue;
        buf_put(out, count == 1 ? SLICE("Who:   ") : SLICE("       "));
        put_person(prop, out);
        buf_put(out, SLICE("\r\n"));
    }
    if (count > PEOPLE_MAX)
        buf_putf(out, "       and %zu more\r\n", count - PEOPLE_MAX);
}

/* Text of several lines; its line ends become CR LF. */
static void put_notes(struct arena *arena, struct slice value, struct buf *out)
{
    struct slice rest = slice_trim(ical_text_decode(arena, value));
    size_t before = out->len;
    struct slice line;

    if (rest.len == 0)
        return;
    buf_put(out, SLICE("\r\n"));
    while (slice_split(&rest, '\n', &line)) {
        if (out->len - before > NOTES_BYTES_MAX) {
            buf_put(out, SLICE("...\r\n"));
            return;
        }
        mime_write_clean(slice_trim(line), NOTES_BYTES_MAX, true, out);
        buf_put(out, SLICE("\r\n"));
    }
}

/* --- together --- */

static void put_intro(const struct calendar_imip_letter *letter, const struct ical_comp *comp,
                      struct buf *out)
{
    enum calendar_itip_method method = calendar_itip_method(letter->vcalendar);
    static const char *const says[] = {
        [CALENDAR_ITIP_NONE] = "sends you:",
        [CALENDAR_ITIP_PUBLISH] = "sends you:",
        [CALENDAR_ITIP_REQUEST] = "invites you to:",
        [CALENDAR_ITIP_REPLY] = "answers:",
        [CALENDAR_ITIP_ADD] = "adds a date to:",
        [CALENDAR_ITIP_CANCEL] = "has canceled:",
        [CALENDAR_ITIP_REFRESH] = "asks to be sent the invitation again:",
        [CALENDAR_ITIP_COUNTER] = "proposes another time for:",
        [CALENDAR_ITIP_DECLINECOUNTER] = "declines the time proposed for:",
    };
    static_assert(COUNT(says) == CALENDAR_ITIP_METHOD_MAX, "words for each");

    mime_write_clean(letter->name.len > 0 ? letter->name : letter->from, 300, true, out);
    if (method == CALENDAR_ITIP_REPLY)
        buf_putf(out, " answers: %s\r\n\r\n", word_of_answer(answer_of(comp)));
    else
        buf_putf(out, " %s\r\n\r\n", says[method]);
}

static void put_component(struct arena *arena, struct ical_tz *tz, const struct ical_comp *comp,
                          struct buf *out)
{
    put_text(arena, "What:  ", ical_prop_value(comp, ICAL_SUMMARY), out);
    put_when(tz, comp, out);
    put_repeats(comp, out);
    put_text(arena, "Where: ", ical_prop_value(comp, ICAL_LOCATION), out);
}

void calendar_imip_text(struct arena *arena, const struct calendar_imip_letter *letter,
                        struct buf *out)
{
    const struct ical_comp *first = first_of(letter->vcalendar);
    struct ical_tz *tz = ical_tz_new(arena, letter->vcalendar, letter->zones);
    size_t count = 0;

    if (first == NULL)
        return;
    put_intro(letter, first, out);
    put_component(arena, tz, first, out);
    put_people(first, out);
    put_text(arena, "Link:  ", ical_prop_value(first, ICAL_URL), out);
    put_notes(arena, ical_prop_value(first, ICAL_DESCRIPTION), out);
    put_notes(arena, ical_prop_value(first, ICAL_COMMENT), out);
    for (const struct ical_comp *comp = letter->vcalendar->comps; comp != NULL; comp = comp->next) {
        if (comp == first || comp->id == ICAL_VTIMEZONE)
            continue;
        if (count++ == 0)
            buf_put(out, SLICE("\r\nAnd these dates:\r\n"));
        if (count > COMPONENTS_MAX)
            continue;
        buf_put(out, SLICE("\r\n"));
        put_component(arena, tz, comp, out);
    }
    if (count > COMPONENTS_MAX)
        buf_putf(out, "\r\nand %zu more\r\n", count - COMPONENTS_MAX);
    if (letter->cut)
        buf_putf(out,
                 "\r\nThe series goes on: only its first %d dates are in this message, one by "
                 "one.\r\n",
                 CALENDAR_IMIP_INSTANCES_MAX);
}
