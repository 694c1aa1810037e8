#include "ews/ews_view.h"

#include "ews/ews_time.h"

#include <string.h>

#define MINUTE_S 60

static const struct {
    const char *name;
    char digit;
} kinds[STORE_BUSY_KIND_MAX] = {
    [STORE_BUSY_FREE] = {"Free", '0'},           [STORE_BUSY_ELSEWHERE] = {"WorkingElsewhere", '0'},
    [STORE_BUSY_TENTATIVE] = {"Tentative", '1'}, [STORE_BUSY_BUSY] = {"Busy", '2'},
    [STORE_BUSY_UNAVAILABLE] = {"OOF", '3'},
};

const char *ews_busy_name(enum store_busy_kind kind)
{
    return kinds[kind].name;
}

/* --- digits --- */

size_t ews_digits_count(int64_t from_s, int64_t until_s, uint64_t interval_min)
{
    const int64_t step_s = (int64_t)interval_min * MINUTE_S;

    return (size_t)((until_s - from_s + step_s - 1) / step_s);
}

/* Of [start_s, end_s) the digits become what they were or the one given, the higher. */
static void raise(char *digits, size_t count, int64_t start_s, int64_t end_s, int64_t step_s,
                  char digit)
{
    const int64_t first = start_s > 0 ? start_s / step_s : 0;

    for (int64_t i = first; end_s > 0 && i < (int64_t)count && i * step_s < end_s; i++)
        if (digits[i] < digit)
            digits[i] = digit;
}

void ews_digits(const struct ews_times *times, int64_t from_s, int64_t until_s,
                uint64_t interval_min, char *digits)
{
    const size_t count = ews_digits_count(from_s, until_s, interval_min);
    const int64_t step_s = (int64_t)interval_min * MINUTE_S;

    memset(digits, '0', count);
    for (size_t i = 0; i < times->count; i++) {
        const struct calendar_busy_row *row = &times->rows[i];

        if (row->start_s < until_s && row->end_s > from_s)
            raise(digits, count, row->start_s - from_s, row->end_s - from_s, step_s,
                  kinds[row->kind].digit);
    }
    if (times->from_s >= times->until_s) {
        memset(digits, EWS_DIGIT_NO_DATA, count);
        return;
    }
    raise(digits, count, 0, times->from_s - from_s, step_s, EWS_DIGIT_NO_DATA);
    if (times->until_s < until_s)
        raise(digits, count, times->until_s - from_s, until_s - from_s, step_s, EWS_DIGIT_NO_DATA);
}

static void write_digits(const struct ews_ask *ask, const struct ews_told *told, struct buf *out)
{
    const size_t count = ews_digits_count(ask->from_s, ask->until_s, ask->interval_min);

    xml_write_open(out, XML_EWST, "MergedFreeBusy");
    char *room = buf_room(out, count);
    if (room == NULL) {
        out->over = true;
        return;
    }
    ews_digits(&told->times, ask->from_s, ask->until_s, ask->interval_min, room);
    buf_grew(out, count);
    xml_write_close(out, XML_EWST, "MergedFreeBusy");
}

/* --- events --- */

/* Most of an answer are these: few and long puts. */
static void write_span(struct ews_clock *clock, int64_t start_s, int64_t end_s, const char *kind,
                       struct buf *out)
{
    static const struct slice begun = {"<t:CalendarEvent><t:StartTime>", 30};
    char text[EWS_TIME_BYTES_MAX];

    buf_put(out, begun);
    buf_put(out, (struct slice){text, ews_clock_tell(clock, start_s, text)});
    buf_put(out, SLICE("</t:StartTime><t:EndTime>"));
    buf_put(out, (struct slice){text, ews_clock_tell(clock, end_s, text)});
    buf_put(out, SLICE("</t:EndTime><t:BusyType>"));
    buf_put(out, slice_str(kind));
    buf_put(out, SLICE("</t:BusyType>"));
}

static void end_event(struct buf *out)
{
    buf_put(out, SLICE("</t:CalendarEvent>"));
}

static void write_details(const struct calendar_detail *event, struct buf *out)
{
    xml_write_open(out, XML_EWST, "CalendarEventDetails");
    if (event->subject.len > 0)
        xml_write_text_in(out, XML_EWST, "Subject", event->subject);
    if (event->place.len > 0)
        xml_write_text_in(out, XML_EWST, "Location", event->place);
    ews_write_bool(out, "IsMeeting", event->meeting);
    ews_write_bool(out, "IsRecurring", event->recurring);
    ews_write_bool(out, "IsException", event->exception);
    ews_write_bool(out, "IsReminderSet", false);
    ews_write_bool(out, "IsPrivate", event->private);
    xml_write_close(out, XML_EWST, "CalendarEventDetails");
}

static void write_event(struct ews_clock *clock, const struct ews_told *told,
                        const struct calendar_detail *event, struct buf *out)
{
    const bool known = told->elsewhere || event->kind != STORE_BUSY_ELSEWHERE;

    write_span(clock, event->start_s, event->end_s,
               ews_busy_name(known ? event->kind : STORE_BUSY_FREE), out);
    if (event->told && ews_view_is_detailed(told->view))
        write_details(event, out);
    end_event(out);
}

/* A list without times would say that all is free. */
static void write_unknown(struct ews_clock *clock, int64_t start_s, int64_t end_s, struct buf *out)
{
    if (start_s >= end_s)
        return;
    write_span(clock, start_s, end_s, "NoData", out);
    end_event(out);
}

static void write_events(const struct ews_ask *ask, const struct ews_told *told, struct buf *out)
{
    const bool known = told->times.from_s < told->times.until_s;
    struct ews_clock clock;

    ews_clock_init(&clock, ask->zone);
    xml_write_open(out, XML_EWST, "CalendarEventArray");
    write_unknown(&clock, ask->from_s, known ? told->times.from_s : ask->until_s, out);
    for (size_t i = 0; told->events != NULL && i < told->event_count; i++)
        if (told->events[i].start_s < ask->until_s && told->events[i].end_s > ask->from_s)
            write_event(&clock, told, &told->events[i], out);
    for (size_t i = 0; told->events == NULL && i < told->times.count; i++) {
        const struct calendar_busy_row *row = &told->times.rows[i];
        const struct calendar_detail event = {row->start_s, row->end_s, row->kind, .told = false};

        write_event(&clock, told, &event, out);
    }
    if (known)
        write_unknown(&clock, told->times.until_s, ask->until_s, out);
    xml_write_close(out, XML_EWST, "CalendarEventArray");
}

/* --- the whole --- */

static void write_period(const struct calendar_hours *hours, struct buf *out)
{
    const char *blank = "";

    xml_write_open(out, XML_EWST, "WorkingPeriod");
    xml_write_open(out, XML_EWST, "DayOfWeek");
    for (unsigned i = 0; i < COUNT(ews_weekdays); i++)
        if ((hours->days & (1u << i)) != 0) {
            buf_putf(out, "%s%s", blank, ews_weekdays[(i + 1) % 7]);
            blank = " ";
        }
    xml_write_close(out, XML_EWST, "DayOfWeek");
    ews_write_number(out, "StartTimeInMinutes", hours->from_min);
    ews_write_number(out, "EndTimeInMinutes", hours->until_min);
    xml_write_close(out, XML_EWST, "WorkingPeriod");
}

static void write_hours(const struct calendar_week *week, struct buf *out)
{
    xml_write_open(out, XML_EWST, "WorkingHours");
    ews_zone_write(&week->zone, out);
    xml_write_open(out, XML_EWST, "WorkingPeriodArray");
    for (size_t i = 0; i < week->count; i++)
        write_period(&week->hours[i], out);
    xml_write_close(out, XML_EWST, "WorkingPeriodArray");
    xml_write_close(out, XML_EWST, "WorkingHours");
}

void ews_view_write(const struct ews_ask *ask, const struct ews_told *told, struct buf *out)
{
    const enum ews_view view = told->fault != NULL ? EWS_VIEW_NONE : told->view;

    xml_write_open(out, XML_EWS, "FreeBusyResponse");
    ews_message_open(out, "ResponseMessage", told->fault);
    xml_write_close(out, XML_EWS, "ResponseMessage");
    xml_write_open(out, XML_EWS, "FreeBusyView");
    xml_write_text_in(out, XML_EWST, "FreeBusyViewType", slice_str(ews_view_name(view)));
    if (ews_view_is_merged(view))
        write_digits(ask, told, out);
    if (ews_view_has_events(view))
        write_events(ask, told, out);
    if (view != EWS_VIEW_NONE && told->week != NULL)
        write_hours(told->week, out);
    xml_write_close(out, XML_EWS, "FreeBusyView");
    xml_write_close(out, XML_EWS, "FreeBusyResponse");
}
