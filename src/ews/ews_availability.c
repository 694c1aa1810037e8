/* GetUserAvailability: who is busy when, and when could they meet? */
#include "calendar/calendar.h"
#include "calendar/calendar_connector.h"
#include "calendar/calendar_freebusy.h"
#include "calendar/calendar_hours.h"
#include "calendar/calendar_principal.h"
#include "ews/ews_call.h"
#include "ews/ews_group.h"
#include "ews/ews_suggest.h"
#include "ews/ews_time.h"
#include "ews/ews_view.h"

#define MAILBOX_BYTES_MAX (32 * MIB)
#define SPARE_BYTES MIB       /* for errors of the mailboxes behind */
#define ATTENDEES_MAX 1000    /* with those of groups, and beside them who asks */
#define GROUP_ROWS_MAX 200000 /* of all groups */
#define EVENTS_MAX 10000      /* of one mailbox */

/* Whom a mailbox stands for: its attendees in the connector's question. */
struct seat {
    size_t first, count;
    bool group;
};

struct asking {
    struct ews_call *call;
    struct ews_ask ask;
    int64_t from_s, until_s; /* of both windows */
    struct seat *seats;
    struct slice *attendees;
    size_t attendee_count;
    size_t me; /* who asks, among them; where suggestions are wanted */
    size_t group_rows;
    struct ews_told *told;
    struct ews_attending *attending;
};

/* --- whom it is about --- */

/* However somebody's address is written, it is asked once about him. */
static struct slice own_address(const struct ews_call *call, struct slice address)
{
    const struct directory_person *person = calendar_principal_of(call->directory, address);

    return person != NULL ? ews_address_of(call, person) : address;
}

static bool asked_before(const struct asking *asking, struct slice address, size_t *attendee_r)
{
    for (size_t i = 0; i < asking->attendee_count; i++)
        if (slice_ieq(asking->attendees[i], address)) {
            *attendee_r = i;
            return true;
        }
    return false;
}

/* A group is asked about by its members; one that is too large, or for which the question has no
 * room any more, has none. */
static void take_seat(struct asking *asking, size_t at)
{
    struct ews_call *call = asking->call;
    struct seat *seat = &asking->seats[at];
    struct slice members[EWS_MEMBERS_MAX];
    struct slice address = asking->ask.mailboxes[at].address;

    seat->first = asking->attendee_count;
    seat->group = ews_group_members(call->arena, call->directory, address, members, &seat->count);
    if (!seat->group) {
        seat->count = 1;
        members[0] = own_address(call, address);
    }
    /* those behind it have a place each */
    const size_t room = ATTENDEES_MAX - asking->attendee_count - (asking->ask.count - at - 1);
    if (seat->count > EWS_MEMBERS_MAX || seat->count > room)
        seat->count = 0;
    if (!seat->group && asked_before(asking, members[0], &seat->first))
        return;
    for (size_t i = 0; i < seat->count; i++)
        asking->attendees[asking->attendee_count++] = members[i];
}

/* By the hours of who asks a time is work time. */
static void find_seats(struct asking *asking)
{
    struct ews_call *call = asking->call;
    const struct slice me = ews_address_of(call, call->me);

    asking->seats = arena_many(call->arena, struct seat, asking->ask.count);
    asking->attendees = arena_many(call->arena, struct slice, ATTENDEES_MAX + 1);
    for (size_t i = 0; i < asking->ask.count; i++)
        take_seat(asking, i);
    if (!asking->ask.suggestions_wanted || asked_before(asking, me, &asking->me))
        return;
    asking->me = asking->attendee_count;
    asking->attendees[asking->attendee_count++] = me;
}

/* --- an answer --- */

static const struct ews_fault too_big = {"ErrorResultSetTooBig",
                                         "There are too many times in the window"};

static const struct ews_fault *fault_of(const struct calendar_connector_answer *answer)
{
    static const struct ews_fault faults[CALENDAR_CONNECTOR_RESULT_MAX] = {
        [CALENDAR_CONNECTOR_DENIED] = {"ErrorNoFreeBusyAccess",
                                       "You may not know when this mailbox is busy"},
        [CALENDAR_CONNECTOR_NOT_FOUND] = {"ErrorMailRecipientNotFound", "Nobody has this address"},
        [CALENDAR_CONNECTOR_IS_GROUP] = {"ErrorFreeBusyDLLimitReached",
                                         "The group is too large, or nobody is in it"},
        [CALENDAR_CONNECTOR_NO_WAY] = {"ErrorServiceDiscoveryFailed",
                                       "Nothing says how the system of this address is asked"},
        [CALENDAR_CONNECTOR_BAD_ASK] = {"ErrorMailRecipientNotFound", "This is no address"},
    };

    return faults[answer->result].code != NULL ? &faults[answer->result] : NULL;
}

static bool is_known(const struct calendar_connector_answer *answer)
{
    return answer->result == CALENDAR_CONNECTOR_FRESH || answer->result == CALENDAR_CONNECTOR_KNOWN;
}

/* When any of those is busy of whom it is known; the rest count for nothing. */
static void take_group(struct asking *asking, size_t at, struct calendar_connector_lookup *lookup)
{
    static const struct ews_fault limit = {"ErrorFreeBusyDLLimitReached",
                                           "The group is too large, or nobody is in it"};
    const struct seat *seat = &asking->seats[at];
    struct ews_told *told = &asking->told[at];
    struct calendar_busy_row *rows = NULL;
    size_t count = 0, cap = 0;

    *told = (struct ews_told){.fault = seat->count == 0 ? &limit : NULL, .view = asking->ask.view};
    for (size_t i = 0; i < seat->count; i++) {
        const struct calendar_connector_answer *answer =
            calendar_connector_get(lookup, seat->first + i);

        if (!is_known(answer))
            continue;
        told->times.from_s = asking->from_s;
        told->times.until_s = asking->until_s;
        if (asking->group_rows + answer->count > GROUP_ROWS_MAX) {
            told->fault = &too_big;
            break;
        }
        asking->group_rows += answer->count;
        for (size_t k = 0; k < answer->count; k++) {
            if (count == cap)
                rows = arena_grow(asking->call->arena, rows, count, &cap, sizeof(*rows));
            rows[count++] = answer->rows[k];
        }
    }
    told->times.rows = calendar_freebusy_merge(asking->call->arena, rows, count, asking->from_s,
                                               asking->until_s, &told->times.count);
    asking->attending[at] =
        (struct ews_attending){told->times.from_s < told->times.until_s, told->times};
}

static void take(struct asking *asking, size_t at, const struct calendar_connector_answer *answer)
{
    struct ews_told *told = &asking->told[at];
    const bool known = is_known(answer);

    *told = (struct ews_told){.fault = fault_of(answer),
                              .view = asking->ask.view,
                              .elsewhere = ews_client_is_new(asking->call)};
    if (known) {
        told->times =
            (struct ews_times){answer->rows, answer->count, answer->from_s, answer->until_s};
        told->events = answer->events;
        told->event_count = answer->event_count;
    }
    if (known && ews_view_has_events(asking->ask.view) && answer->count > EVENTS_MAX)
        told->fault = &too_big;
    if (known)
        told->week = answer->week;
    asking->attending[at] = (struct ews_attending){known, told->times};
}

/* Details are only told of what is here: what was asked for may be more than what is told. */
static void lower_view(struct ews_told *told)
{
    if (told->events != NULL || told->fault != NULL)
        return;
    if (told->view == EWS_VIEW_DETAILED)
        told->view = EWS_VIEW_FREE_BUSY;
    else if (told->view == EWS_VIEW_DETAILED_MERGED)
        told->view = EWS_VIEW_FREE_BUSY_MERGED;
}

/* The connector is asked once for both windows; each is told what is in its own. */
static void cut(struct ews_times *times, int64_t from_s, int64_t until_s)
{
    while (times->count > 0 && times->rows[0].end_s <= from_s) {
        times->rows++;
        times->count--;
    }
    while (times->count > 0 && times->rows[times->count - 1].start_s >= until_s)
        times->count--;
    times->from_s = times->from_s > from_s ? times->from_s : from_s;
    times->until_s = times->until_s < until_s ? times->until_s : until_s;
}

/* What the answer has no room for is told to be too much, and the rest of the mailboxes have
 * theirs.
 */
static void write_told(struct asking *asking, struct ews_told *told, struct buf *one)
{
    struct buf *out = &asking->call->out;

    lower_view(told);
    cut(&told->times, asking->ask.from_s, asking->ask.until_s);
    buf_clear(one);
    ews_view_write(&asking->ask, told, one);
    if (one->over || out->len + one->len > EWS_ANSWER_BYTES_MAX - SPARE_BYTES) {
        told->fault = &too_big;
        ews_view_write(&asking->ask, told, out);
        return;
    }
    buf_put(out, buf_slice(one));
}

static void suggest(struct asking *asking, const struct calendar_connector_answer *me)
{
    const struct ews_call *call = asking->call;
    struct calendar_week usual;

    if (me->week == NULL)
        calendar_week(call->arena, SLICE(""), calendar_zones(call->context->calendar), NULL,
                      asking->from_s, &usual);
    ews_suggest_write(&asking->ask, asking->attending, me->week != NULL ? me->week : &usual,
                      &asking->call->out);
}

static void ask_connector(struct asking *asking)
{
    struct ews_call *call = asking->call;
    const struct calendar_connector_ask ask = {
        .who = call->foreign ? NULL : &call->who,
        .asker = call->foreign ? SLICE("") : ews_address_of(call, call->me),
        .attendees = asking->attendees,
        .count = asking->attendee_count,
        .from_s = asking->from_s,
        .until_s = asking->until_s,
        .details = !call->foreign && ews_view_is_detailed(asking->ask.view),
        .week = true,
        .from_foreign = call->foreign,
    };
    struct calendar_connector_lookup *lookup =
        calendar_connector_begin(calendar_connector(call->context->calendar), &ask);
    for (size_t i = 0; i < asking->ask.count; i++)
        if (asking->seats[i].group)
            take_group(asking, i, lookup);
        else
            take(asking, i, calendar_connector_get(lookup, asking->seats[i].first));
    if (asking->ask.view != EWS_VIEW_NONE) {
        AUTO(buf) struct buf one = BUF(MAILBOX_BYTES_MAX);

        xml_write_open(&call->out, XML_EWS, "FreeBusyResponseArray");
        for (size_t i = 0; i < asking->ask.count; i++)
            write_told(asking, &asking->told[i], &one);
        xml_write_close(&call->out, XML_EWS, "FreeBusyResponseArray");
    }
    if (asking->ask.suggestions_wanted)
        suggest(asking, calendar_connector_get(lookup, asking->me));
    calendar_connector_end(&lookup);
}

static void find_window(struct asking *asking)
{
    const struct ews_ask *ask = &asking->ask;
    const bool both = ask->view != EWS_VIEW_NONE && ask->suggestions_wanted;

    asking->from_s = ask->view != EWS_VIEW_NONE ? ask->from_s : ask->suggestions.from_s;
    asking->until_s = ask->view != EWS_VIEW_NONE ? ask->until_s : ask->suggestions.until_s;
    if (both && ask->suggestions.from_s < asking->from_s)
        asking->from_s = ask->suggestions.from_s;
    if (both && ask->suggestions.until_s > asking->until_s)
        asking->until_s = ask->suggestions.until_s;
}

void ews_run_availability(struct ews_call *call)
{
    struct asking *asking = arena_one(call->arena, struct asking);

    asking->call = call;
    if (!ews_ask_read(call->arena, call->header, call->asked,
                      calendar_zones(call->context->calendar), &asking->ask, &call->fault))
        return;
    find_window(asking);
    if (asking->until_s - asking->from_s > ICAL_DAY_S * 2 * EWS_WINDOW_DAYS_MAX) {
        ews_fail(call, "ErrorTimeIntervalTooBig", "The two windows lie too far apart");
        return;
    }
    asking->told = arena_many(call->arena, struct ews_told, asking->ask.count);
    asking->attending = arena_many(call->arena, struct ews_attending, asking->ask.count);
    find_seats(asking);
    xml_write_open(&call->out, XML_EWS, "GetUserAvailabilityResponse");
    ask_connector(asking);
    xml_write_close(&call->out, XML_EWS, "GetUserAvailabilityResponse");
}
