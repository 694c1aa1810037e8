#include "ews/ews_ask.h"

#include "ews/ews_suggest.h"
#include "ews/ews_time.h"

#define ADDRESS_BYTES_MAX 1000
#define INTERVAL_MIN_MIN 5
#define DAY_MIN 1440
#define RESULTS_MAX 48 /* of a day */
#define MEETING_MIN_MIN 30

static const char *const views[EWS_VIEW_MAX] = {
    [EWS_VIEW_NONE] = "None",          [EWS_VIEW_MERGED_ONLY] = "MergedOnly",
    [EWS_VIEW_FREE_BUSY] = "FreeBusy", [EWS_VIEW_FREE_BUSY_MERGED] = "FreeBusyMerged",
    [EWS_VIEW_DETAILED] = "Detailed",  [EWS_VIEW_DETAILED_MERGED] = "DetailedMerged",
};

const char *ews_view_name(enum ews_view view)
{
    return views[view];
}

bool ews_view_is_merged(enum ews_view view)
{
    return view == EWS_VIEW_MERGED_ONLY || view == EWS_VIEW_FREE_BUSY_MERGED ||
           view == EWS_VIEW_DETAILED_MERGED;
}

bool ews_view_has_events(enum ews_view view)
{
    return view >= EWS_VIEW_FREE_BUSY;
}

bool ews_view_is_detailed(enum ews_view view)
{
    return view >= EWS_VIEW_DETAILED;
}

static bool wrong(struct ews_fault *fault, const char *code, const char *why)
{
    *fault = (struct ews_fault){code, why};
    return false;
}

static bool read_zone(struct arena *arena, const struct xml_element *header,
                      const struct xml_element *request, struct ical_zones *zones,
                      const struct ical_zone **zone_r)
{
    const struct xml_element *rules = ews_child(request, "TimeZone");
    const struct xml_element *named =
        ews_child(ews_child(header, "TimeZoneContext"), "TimeZoneDefinition");

    if (rules != NULL)
        return ews_zone_read(arena, rules, zone_r) == ST_OK;
    if (named != NULL)
        *zone_r = ical_zones_find(zones, xml_attr(named, "Id"));
    return named == NULL || *zone_r != NULL;
}

static enum ews_attendee read_type(struct slice text)
{
    static const struct {
        const char *name;
        enum ews_attendee type;
    } types[] = {{"Organizer", EWS_ATTENDEE_ORGANIZER},
                 {"Optional", EWS_ATTENDEE_OPTIONAL},
                 {"Room", EWS_ATTENDEE_ROOM},
                 {"Resource", EWS_ATTENDEE_RESOURCE}};

    for (size_t i = 0; i < COUNT(types); i++)
        if (slice_ieq(text, slice_str(types[i].name)))
            return types[i].type;
    return EWS_ATTENDEE_REQUIRED;
}

static bool read_mailboxes(struct arena *arena, const struct xml_element *request,
                           struct ews_ask *ask, struct ews_fault *fault)
{
    const struct xml_element *array = ews_child(request, "MailboxDataArray");
    const struct xml_element *first = ews_child(array, "MailboxData");

    for (const struct xml_element *at = first; at != NULL; at = ews_again(at))
        ask->count++;
    if (ask->count == 0)
        return wrong(fault, "ErrorMailboxDataArrayEmpty", "There is no mailbox in the request");
    if (ask->count > EWS_MAILBOXES_MAX)
        return wrong(fault, "ErrorMailboxDataArrayTooBig",
                     "A request may ask about 100 mailboxes at most");
    ask->mailboxes = arena_many(arena, struct ews_mailbox, ask->count);
    struct ews_mailbox *mailbox = ask->mailboxes;
    for (const struct xml_element *at = first; at != NULL; at = ews_again(at), mailbox++) {
        struct slice address = ews_text(ews_child(at, "Email"), "Address");

        mailbox->address =
            slice_istarts(address, SLICE("smtp:")) ? slice_sub(address, 5, address.len) : address;
        if (mailbox->address.len > ADDRESS_BYTES_MAX)
            mailbox->address = SLICE("");
        mailbox->type = read_type(ews_text(at, "AttendeeType"));
        mailbox->exclude_conflicts = ews_bool(at, "ExcludeConflicts", false);
    }
    return true;
}

static bool read_window(const struct xml_element *window, const struct ical_zone *zone,
                        int64_t *from_s_r, int64_t *until_s_r, struct ews_fault *fault)
{
    if (ews_time_read(ews_text(window, "StartTime"), zone, from_s_r) != ST_OK ||
        ews_time_read(ews_text(window, "EndTime"), zone, until_s_r) != ST_OK)
        return wrong(fault, "ErrorInvalidTimeInterval",
                     "StartTime and EndTime must be times as 2026-11-23T09:00:00");
    if (*from_s_r >= *until_s_r)
        return wrong(fault, "ErrorInvalidTimeInterval", "EndTime must be after StartTime");
    if (*until_s_r - *from_s_r > EWS_WINDOW_DAYS_MAX * ICAL_DAY_S)
        return wrong(fault, "ErrorTimeIntervalTooBig", "A request may be about 62 days at most");
    return true;
}

static bool read_view(const struct xml_element *options, struct ews_ask *ask,
                      struct ews_fault *fault)
{
    struct slice name = ews_text(options, "RequestedView");

    if (ews_number(options, "MergedFreeBusyIntervalInMinutes", EWS_INTERVAL_MIN_DEFAULT, DAY_MIN,
                   &ask->interval_min) != ST_OK ||
        ask->interval_min < INTERVAL_MIN_MIN)
        return wrong(fault, "ErrorInvalidMergedFreeBusyInterval",
                     "MergedFreeBusyIntervalInMinutes must be 5 to 1440");
    ask->view = EWS_VIEW_MERGED_ONLY;
    while (ask->view < EWS_VIEW_MAX && !slice_ieq(name, slice_str(views[ask->view])))
        ask->view++;
    if (ask->view == EWS_VIEW_MAX)
        return wrong(fault, "ErrorInvalidFreeBusyViewType",
                     "RequestedView must be MergedOnly, FreeBusy, FreeBusyMerged, Detailed or "
                     "DetailedMerged");
    return read_window(ews_child(options, "TimeWindow"), ask->zone, &ask->from_s, &ask->until_s,
                       fault);
}

static bool read_suggestions(const struct xml_element *options, struct ews_ask *ask,
                             struct ews_fault *fault)
{
    struct ews_suggestions_ask *s = &ask->suggestions;
    struct slice current = ews_text(options, "CurrentMeetingTime");

    if (ews_number(options, "GoodThreshold", 25, 50, &s->good_threshold) != ST_OK ||
        ews_number(options, "MaximumResultsByDay", 10, RESULTS_MAX, &s->by_day_max) != ST_OK ||
        ews_number(options, "MaximumNonWorkHourResultsByDay", 0, RESULTS_MAX, &s->outside_max) !=
            ST_OK ||
        ews_number(options, "MeetingDurationInMinutes", 60, DAY_MIN, &s->meeting_min) != ST_OK ||
        s->meeting_min < MEETING_MIN_MIN ||
        !ews_quality_find(ews_text(options, "MinimumSuggestionQuality"), &s->quality_min))
        return wrong(fault, "ErrorInvalidArgument", "A number of SuggestionsViewOptions is amiss");
    s->current_s = INT64_MIN;
    if (current.len > 0 && ews_time_read(current, ask->zone, &s->current_s) != ST_OK)
        return wrong(fault, "ErrorInvalidArgument", "CurrentMeetingTime is no time");
    return read_window(ews_child(options, "DetailedSuggestionsWindow"), ask->zone, &s->from_s,
                       &s->until_s, fault);
}

bool ews_ask_read(struct arena *arena, const struct xml_element *header,
                  const struct xml_element *request, struct ical_zones *zones,
                  struct ews_ask *ask_r, struct ews_fault *fault_r)
{
    const struct xml_element *view = ews_child(request, "FreeBusyViewOptions");
    const struct xml_element *suggestions = ews_child(request, "SuggestionsViewOptions");

    *ask_r = (struct ews_ask){.interval_min = EWS_INTERVAL_MIN_DEFAULT};
    if (!read_zone(arena, header, request, zones, &ask_r->zone))
        return wrong(fault_r, "ErrorTimeZone", "The time zone makes no sense, or nobody knows it");
    if (!read_mailboxes(arena, request, ask_r, fault_r))
        return false;
    if (view == NULL && suggestions == NULL)
        return wrong(fault_r, "ErrorInvalidFreeBusyViewType",
                     "Neither FreeBusyViewOptions nor SuggestionsViewOptions: nothing is asked");
    if (view != NULL && !read_view(view, ask_r, fault_r))
        return false;
    ask_r->suggestions_wanted = suggestions != NULL;
    return suggestions == NULL || read_suggestions(suggestions, ask_r, fault_r);
}
