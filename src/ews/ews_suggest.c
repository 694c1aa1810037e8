#include "ews/ews_suggest.h"

#include "ews/ews_time.h"

#define MINUTE_S 60
#define STEP_S (INT64_C(30) * MINUTE_S)
#define DAY_STEPS 48

static const char *const qualities[EWS_QUALITY_MAX] = {"Poor", "Fair", "Good", "Excellent"};

static const char *quality_name(enum ews_quality quality)
{
    return qualities[quality];
}

bool ews_quality_find(struct slice name, unsigned *quality_r)
{
    *quality_r = EWS_QUALITY_FAIR;
    for (unsigned i = 0; name.len > 0 && i < EWS_QUALITY_MAX; i++)
        if (slice_ieq(name, slice_str(qualities[i]))) {
            *quality_r = i;
            return true;
        }
    return name.len == 0;
}

enum ews_quality ews_quality_of(unsigned free_percent, uint64_t good_threshold)
{
    if (free_percent >= 100)
        return EWS_QUALITY_EXCELLENT;
    if (free_percent >= good_threshold + 50)
        return EWS_QUALITY_GOOD;
    return free_percent >= 50 ? EWS_QUALITY_FAIR : EWS_QUALITY_POOR;
}

/* --- a time --- */

struct slot {
    int64_t start_s, end_s;
    bool work_time;
    bool forbidden; /* somebody is busy without whom it cannot be */
    enum ews_quality quality;
};

/* The strongest of what is said of the time; *gap_r: of a part of it nothing is. */
static enum store_busy_kind busy_in(const struct ews_times *times, const struct slot *slot,
                                    bool *gap_r)
{
    enum store_busy_kind kind = STORE_BUSY_FREE;
    size_t low = 0, high = times->count;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (times->rows[middle].end_s <= slot->start_s)
            low = middle + 1;
        else
            high = middle;
    }
    *gap_r = times->from_s > slot->start_s || times->until_s < slot->end_s;
    for (size_t i = low; i < times->count && times->rows[i].start_s < slot->end_s; i++)
        if (times->rows[i].kind == STORE_BUSY_UNKNOWN)
            *gap_r = true;
        else if (times->rows[i].kind > kind)
            kind = times->rows[i].kind;
    return kind;
}

static bool is_work_time(const struct ical_zone *zone, const struct slot *slot,
                         const struct calendar_week *week)
{
    const int64_t local_s = zone != NULL ? ical_zone_local(zone, slot->start_s) : slot->start_s;
    const int64_t from_min = ical_second_of(local_s) / MINUTE_S;
    const int64_t until_min = from_min + (slot->end_s - slot->start_s) / MINUTE_S;
    const unsigned weekday = ical_weekday(ical_day_of(local_s));

    for (size_t i = 0; i < week->count; i++)
        if ((week->hours[i].days & (1u << weekday)) != 0 && from_min >= week->hours[i].from_min &&
            until_min <= week->hours[i].until_min)
            return true;
    return false;
}

static void judge(const struct ews_ask *ask, const struct ews_attending *attending,
                  struct slot *slot)
{
    unsigned people = 0, free = 0;

    for (size_t i = 0; i < ask->count; i++) {
        bool gap;
        const bool busy = busy_in(&attending[i].times, slot, &gap) >= STORE_BUSY_TENTATIVE;

        slot->forbidden |= ask->mailboxes[i].exclude_conflicts && busy;
        if (!attending[i].known || gap)
            continue;
        people++;
        free += !busy;
    }
    slot->quality =
        ews_quality_of(people > 0 ? free * 100 / people : 0, ask->suggestions.good_threshold);
}

/* --- a day --- */

/* The best of each kind that there is room for stay, in the order of their times. */
static size_t choose(const struct ews_suggestions_ask *ask, struct slot *slots, size_t count)
{
    uint64_t room[2] = {ask->outside_max, ask->by_day_max};
    bool chosen[DAY_STEPS] = {false};
    size_t kept = 0;

    for (unsigned quality = EWS_QUALITY_MAX; quality-- > ask->quality_min;)
        for (size_t i = 0; i < count; i++)
            if (slots[i].quality == quality && !slots[i].forbidden &&
                room[slots[i].work_time] > 0) {
                chosen[i] = true;
                room[slots[i].work_time]--;
            }
    for (size_t i = 0; i < count; i++)
        if (chosen[i])
            slots[kept++] = slots[i];
    return kept;
}

static void write_conflicts(const struct ews_ask *ask, const struct ews_attending *attending,
                            const struct slot *slot, struct buf *out)
{
    xml_write_open(out, XML_EWST, "AttendeeConflictDataArray");
    for (size_t i = 0; i < ask->count; i++) {
        bool gap;
        const enum store_busy_kind kind = busy_in(&attending[i].times, slot, &gap);

        if (!attending[i].known || gap) {
            xml_write_empty(out, XML_EWST, "UnknownAttendeeConflictData");
            continue;
        }
        xml_write_open(out, XML_EWST, "IndividualAttendeeConflictData");
        xml_write_text_in(
            out, XML_EWST, "BusyType",
            slice_str(ews_busy_name(kind >= STORE_BUSY_TENTATIVE ? kind : STORE_BUSY_FREE)));
        xml_write_close(out, XML_EWST, "IndividualAttendeeConflictData");
    }
    xml_write_close(out, XML_EWST, "AttendeeConflictDataArray");
}

static void write_slot(const struct ews_ask *ask, const struct ews_attending *attending,
                       const struct slot *slot, struct buf *out)
{
    xml_write_open(out, XML_EWST, "Suggestion");
    xml_write_open(out, XML_EWST, "MeetingTime");
    ews_time_write(ask->zone, slot->start_s, out);
    xml_write_close(out, XML_EWST, "MeetingTime");
    ews_write_bool(out, "IsWorkTime", slot->work_time);
    xml_write_text_in(out, XML_EWST, "SuggestionQuality", slice_str(quality_name(slot->quality)));
    write_conflicts(ask, attending, slot, out);
    xml_write_close(out, XML_EWST, "Suggestion");
}

/* Every half hour from its midnight. */
static size_t make_slots(const struct ews_ask *ask, const struct ews_attending *attending,
                         const struct calendar_week *week, int64_t day_local_s, struct slot *slots)
{
    size_t count = 0;

    for (int64_t step = 0; step < DAY_STEPS; step++) {
        const int64_t local_s = day_local_s + step * STEP_S;
        bool gap = false;
        struct slot slot = {.start_s = local_s};

        if (ask->zone != NULL)
            slot.start_s = ical_zone_utc(ask->zone, local_s, &gap);
        slot.end_s = slot.start_s + (int64_t)ask->suggestions.meeting_min * MINUTE_S;
        if (gap || slot.start_s < ask->suggestions.from_s || slot.end_s > ask->suggestions.until_s)
            continue;
        slot.work_time = is_work_time(ask->zone, &slot, week);
        judge(ask, attending, &slot);
        slots[count++] = slot;
    }
    return count;
}

static void write_day(const struct ews_ask *ask, const struct ews_attending *attending,
                      const struct calendar_week *week, int64_t day_local_s, struct buf *out)
{
    struct slot slots[DAY_STEPS];
    size_t count = make_slots(ask, attending, week, day_local_s, slots);
    const struct ical_civil civil = ical_civil(day_local_s);
    enum ews_quality best = EWS_QUALITY_POOR;

    count = choose(&ask->suggestions, slots, count);
    for (size_t i = 0; i < count; i++)
        best = slots[i].quality > best ? slots[i].quality : best;
    xml_write_open(out, XML_EWST, "SuggestionDayResult");
    buf_putf(out, "<t:Date>%04d-%02u-%02uT00:00:00</t:Date>", civil.year, civil.month, civil.day);
    xml_write_text_in(out, XML_EWST, "DayQuality", slice_str(quality_name(best)));
    xml_write_open(out, XML_EWST, "SuggestionArray");
    for (size_t i = 0; i < count; i++)
        write_slot(ask, attending, &slots[i], out);
    xml_write_close(out, XML_EWST, "SuggestionArray");
    xml_write_close(out, XML_EWST, "SuggestionDayResult");
}

void ews_suggest_write(const struct ews_ask *ask, const struct ews_attending *attending,
                       const struct calendar_week *week, struct buf *out)
{
    const struct ews_suggestions_ask *s = &ask->suggestions;
    const struct ical_zone *zone = ask->zone;
    const int64_t from_s = zone != NULL ? ical_zone_local(zone, s->from_s) : s->from_s;
    const int64_t until_s = zone != NULL ? ical_zone_local(zone, s->until_s) : s->until_s;

    xml_write_open(out, XML_EWS, "SuggestionsResponse");
    ews_message_open(out, "ResponseMessage", NULL);
    xml_write_close(out, XML_EWS, "ResponseMessage");
    xml_write_open(out, XML_EWS, "SuggestionDayResultArray");
    for (int64_t day_s = ical_day_of(from_s) * ICAL_DAY_S; day_s < until_s; day_s += ICAL_DAY_S)
        write_day(ask, attending, week, day_s, out);
    xml_write_close(out, XML_EWS, "SuggestionDayResultArray");
    xml_write_close(out, XML_EWS, "SuggestionsResponse");
}
