/* Questions to foreign systems: their answers read, and asked of a server that follows a script. */
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar.h"
#include "calendar/calendar_far_data.h"
#include "calendar/calendar_far_lack.h"
#include "directory/directory.h"
#include "ical/ical.h"
#include "router_peer.h"
#include "sys/sys_time.h"

#define DAY_S INT64_C(86400)
#define FROM_S INT64_C(1796083200) /* 2026-12-01T00:00:00Z */
#define UNTIL_S (FROM_S + DAY_S)
#define HOUR(n) (FROM_S + (n)*INT64_C(3600))

/* What is known of persons, as "g 10-11/3 12-13/2; u; " in hours of the day; "p[6-8]" where it is
 * not of the whole day, "/5" of nobody knows what, "~60" old by so many seconds. */
static void show_known(const struct calendar_far_person *person, struct buf *out)
{
    if (person->answer <= CALENDAR_HEDGE_PART &&
        (person->from_s > FROM_S || person->until_s < UNTIL_S))
        buf_putf(out, "[%g-%g]", (double)(person->from_s - FROM_S) / 3600,
                 (double)(person->until_s - FROM_S) / 3600);
    if (person->age_ms > 0)
        buf_putf(out, "~%u", (unsigned)(person->age_ms / 1000));
}

static void show(const struct calendar_far_part *part, struct buf *out)
{
    static const char answers[] = "gpb!ua";

    for (size_t i = 0; i < part->count; i++) {
        const struct calendar_far_person *person = &part->persons[i];

        buf_putf(out, "%c", answers[person->answer]);
        show_known(person, out);
        for (size_t j = 0; j < person->count && person->answer <= CALENDAR_HEDGE_PART; j++)
            buf_putf(out, " %g-%g/%d", (double)(person->rows[j].start_s - FROM_S) / 3600,
                     (double)(person->rows[j].end_s - FROM_S) / 3600, (int)person->rows[j].kind);
        buf_put(out, SLICE("; "));
    }
}

static struct calendar_far_part persons_new(struct arena *arena, size_t count)
{
    static const struct slice addresses[] = {{"a@far.example", 13}, {"b@far.example", 13}};
    struct calendar_far_part part = {arena_many(arena, struct calendar_far_person, count), count};

    for (size_t i = 0; i < count; i++)
        part.persons[i] = (struct calendar_far_person){
            .address = addresses[i], .answer = CALENDAR_HEDGE_GOOD, .why = ""};
    return part;
}

struct row {
    const char *name, *text, *want, *why; /* why: of the first person */
    size_t count;
    unsigned status; /* of EWS */
};

typedef void read_fn(struct arena *arena, const struct row *row,
                     const struct calendar_far_part *part);

static void run_rows(const struct row *rows, size_t count, read_fn *read)
{
    for (size_t i = 0; i < count; i++) {
        struct arena *arena = arena_new("t", GIB);
        struct calendar_far_part part = persons_new(arena, rows[i].count);
        AUTO(buf) struct buf got = BUF(64 * KIB);

        T_ROW(i, rows[i].name);
        read(arena, &rows[i], &part);
        for (size_t k = 0; k < part.count; k++)
            if (part.persons[k].answer == CALENDAR_HEDGE_GOOD)
                calendar_far_settle(arena, &part.persons[k], FROM_S, UNTIL_S);
        show(&part, &got);
        T_EQ_SLICE(buf_slice(&got), slice_str(rows[i].want));
        if (strstr(part.persons[0].why, rows[i].why) == NULL)
            fail_msg("why: %s", part.persons[0].why);
        arena_free(&arena);
    }
}

/* --- ifb --- */

#define CAL(inner) "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:t\n" inner "END:VCALENDAR\n"
#define FB(inner) "BEGIN:VFREEBUSY\n" inner "END:VFREEBUSY\n"

static const struct row ifb_rows[] = {
    {"periods",
     CAL(FB("FREEBUSY:20261201T100000Z/PT1H,20261201T120000Z/20261201T130000Z\n"
            "FREEBUSY;FBTYPE=BUSY-TENTATIVE:20261201T150000Z/PT1H\n"
            "FREEBUSY;FBTYPE=FREE:20261201T170000Z/PT1H\n")),
     "g 10-11/3 12-13/3 15-16/2; ", "", 1, 0},
    {"nothing busy", CAL(FB("")), "g; ", "", 1, 0},
    {"others' times are left out", CAL(FB("FREEBUSY:20251201T100000Z/PT1H\n")), "g; ", "", 1, 0},
    {"two of them",
     CAL(FB("FREEBUSY:20261201T100000Z/PT1H\n") FB("FREEBUSY:20261201T110000Z/PT1H\n")),
     "g 10-12/3; ", "", 1, 0},
    {"it ends before", CAL(FB("DTSTART:20260101T000000Z\nDTEND:20260201T000000Z\n")), "b; ",
     "other times", 1, 0},
    {"it knows until noon",
     CAL(FB("DTSTART:20261101T000000Z\nDTEND:20261201T120000Z\nFREEBUSY:20261201T100000Z/PT3H\n")),
     "p[0-12] 10-12/3; ", "", 1, 0},
    {"it knows from noon on", CAL(FB("DTSTART:20261201T120000Z\n")), "p[12-24]; ", "a part of", 1,
     0},
    {"bounds in no zone know less", CAL(FB("DTSTART;VALUE=DATE:20261130\nDTEND:20261202T000000\n")),
     "p[0-10]; ", "a part of", 1, 0},
    {"two that touch, in any order",
     CAL(FB("DTSTART:20261201T120000Z\nDTEND:20261202T000000Z\n")
             FB("DTSTART:20261201T000000Z\nDTEND:20261201T120000Z\n")),
     "g; ", "", 1, 0},
    {"two that do not touch: what is between is unknown",
     CAL(FB("DTSTART:20261201T020000Z\nDTEND:20261201T120000Z\n") FB(
         "DTSTART:20261201T000000Z\nDTEND:20261201T010000Z\nFREEBUSY:20261201T003000Z/PT1H\n")),
     "p[0-12] 0.5-1/3 1-2/5; ", "a part of", 1, 0},
    {"a bound that cannot be read", CAL(FB("DTEND:bald\n")), "!; ", "DTEND is no time", 1, 0},
    {"it ends before it begins", CAL(FB("DTSTART:20261201T120000Z\nDTEND:20261201T110000Z\n")),
     "b; ", "other times", 1, 0},
    {"one like us says what it does not know, and how old it is",
     CAL(FB("DTSTART:20261201T000000Z\nDTEND:20261202T000000Z\n"
            "COMMENT;X-POSTHORSE-AGE=PT5M:so\n"
            "FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:20261201T000000Z/PT2H\n"
            "FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:20261201T200000Z/PT4H\n")),
     "p[2-20]~300; ", "a part of", 1, 0},
    {"one like us knows nothing",
     CAL(FB("FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:20261201T000000Z/P1D\n")), "b; ", "knows nothing",
     1, 0},
    {"one like us says what it does not know in the middle",
     CAL(FB("FREEBUSY;FBTYPE=X-POSTHORSE-UNKNOWN:20261201T080000Z/PT2H,20261201T200000Z/PT1H\n"
            "FREEBUSY:20261201T070000Z/PT2H,20261201T100000Z/PT30M\n")),
     "p 7-8/3 8-10/5 10-10.5/3 20-21/5; ", "a part of", 1, 0},
    {"an event is none", CAL("BEGIN:VEVENT\nUID:1\nEND:VEVENT\n"), "!; ", "no VFREEBUSY", 1, 0},
    {"a bad period", CAL(FB("FREEBUSY:gestern\n")), "!; ", "cannot be read", 1, 0},
    {"no iCalendar", "<html>", "!; ", "line 1", 1, 0},
    {"nothing", "", "!; ", "", 1, 0},
};

static void read_ifb(struct arena *arena, const struct row *row,
                     const struct calendar_far_part *part)
{
    calendar_far_ifb_read(arena, slice_str(row->text), FROM_S, UNTIL_S, part->persons);
}

static void a_fetched_vfreebusy_is_read(void **state)
{
    run_rows(ifb_rows, COUNT(ifb_rows), read_ifb);
}

/* --- CalDAV --- */

#define SCHED(inner) \
    "<?xml version=\"1.0\"?><C:schedule-response xmlns:D=\"DAV:\" " \
    "xmlns:C=\"urn:ietf:params:xml:ns:caldav\">" inner "</C:schedule-response>"
#define RESP(who, status, data) \
    "<C:response><C:recipient><D:href>" who "</D:href></C:recipient><C:request-status>" status \
    "</C:request-status>" data "</C:response>"
#define DATA "<C:calendar-data>" CAL(FB("FREEBUSY:20261201T100000Z/PT1H\n")) "</C:calendar-data>"

static const struct row caldav_rows[] = {
    {"in another order",
     SCHED(RESP("MAILTO:B@far.example", "3.7;Invalid calendar user", "")
               RESP("mailto:a@far.example", "2.0;Success", DATA)),
     "g 10-11/3; u; ", "", 2, 0},
    {"no scheduling", SCHED(RESP("mailto:a@far.example", "5.3;No scheduling support", "")), "u; ",
     "5.3;No scheduling support", 1, 0},
    {"no authority", SCHED(RESP("mailto:a@far.example", "3.8;No authority", "")), "b; ", "3.8", 1,
     0},
    {"one is left out", SCHED(RESP("mailto:b@far.example", "2.0;Success", DATA)), "!; g 10-11/3; ",
     "says nothing", 2, 0},
    {"success without data", SCHED(RESP("mailto:a@far.example", "2.0;Success", "")), "!; ", "", 1,
     0},
    {"no status", SCHED(RESP("mailto:a@far.example", "", DATA)), "!; ", "request-status", 1, 0},
    {"one is garbage",
     SCHED(RESP("mailto:a@far.example", "2.0;Success", "<C:calendar-data>x</C:calendar-data>")
               RESP("mailto:b@far.example", "2.0", DATA)),
     "!; g 10-11/3; ", "line 1", 2, 0},
    {"twice",
     SCHED(RESP("mailto:a@far.example", "2.0;Success", DATA)
               RESP("mailto:a@far.example", "3.8;No authority", "")),
     "g 10-11/3; ", "", 1, 0},
    {"another document", "<html/>", "!; ", "no schedule-response", 1, 0},
    {"entities", "<!DOCTYPE x [<!ENTITY a \"b\">]><x>&a;</x>", "!; ", "", 1, 0},
    {"cut off", "<C:schedule-resp", "!; !; ", "line 1", 2, 0},
};

static void read_caldav(struct arena *arena, const struct row *row,
                        const struct calendar_far_part *part)
{
    calendar_far_caldav_read(arena, slice_str(row->text), FROM_S, UNTIL_S, part);
}

static void a_schedule_response_is_read(void **state)
{
    run_rows(caldav_rows, COUNT(caldav_rows), read_caldav);
}

/* --- EWS --- */

#define NS_SOAP "http://schemas.xmlsoap.org/soap/envelope/"
#define NS_EWS "http://schemas.microsoft.com/exchange/services/2006/"
#define ENVELOPE(inner) \
    "<e:Envelope xmlns:e='" NS_SOAP "' xmlns='" NS_EWS "messages' xmlns:t='" NS_EWS \
    "types'>" \
    "<e:Header/><e:Body>" inner "</e:Body></e:Envelope>"
#define ANSWER(inner) \
    ENVELOPE("<GetUserAvailabilityResponse><FreeBusyResponseArray>" inner \
             "</FreeBusyResponseArray></GetUserAvailabilityResponse>")
#define ONE(view) \
    "<FreeBusyResponse><ResponseMessage ResponseClass='Success'><ResponseCode>NoError" \
    "</ResponseCode></ResponseMessage><FreeBusyView>" view "</FreeBusyView></FreeBusyResponse>"
#define NOT(code) \
    "<FreeBusyResponse><ResponseMessage ResponseClass='Error'><MessageText>so</MessageText>" \
    "<ResponseCode>" code "</ResponseCode></ResponseMessage></FreeBusyResponse>"
#define VIEW(type) "<t:FreeBusyViewType>" type "</t:FreeBusyViewType>"
#define EVENT(start, end, type) \
    "<t:CalendarEvent><t:StartTime>" start "</t:StartTime><t:EndTime>" end \
    "</t:EndTime><t:BusyType>" type "</t:BusyType></t:CalendarEvent>"
#define EVENTS(inner) "<t:CalendarEventArray>" inner "</t:CalendarEventArray>"
#define DIGITS(digits) "<t:MergedFreeBusy>" digits "</t:MergedFreeBusy>"
#define FREE24 "000000000000000000000000"

static const struct row ews_rows[] = {
    {"events of each kind and with each offset",
     ANSWER(ONE(VIEW("DetailedMerged") DIGITS("1") EVENTS(
         EVENT("2026-12-01T10:00:00", "2026-12-01T11:00:00.000Z", "Busy")
             EVENT("2026-12-01T13:00:00+01:00", "2026-12-01T07:00:00-06:00", "Tentative")
                 EVENT("2026-12-01T14:00:00", "2026-12-01T15:00:00", "OOF")
                     EVENT("2026-12-01T16:00:00", "2026-12-01T17:00:00", "WorkingElsewhere")
                         EVENT("2026-12-01T18:00:00", "2026-12-01T19:00:00", "Free")
                             EVENT("2026-12-01T20:00:00", "2026-12-01T21:00:00", "NoData")))),
     "p 10-11/3 12-13/2 14-15/4 16-17/1 20-21/5; ", "a part of", 1, 200},
    {"no events", ANSWER(ONE(VIEW("FreeBusyMerged") DIGITS("0"))), "g; ", "", 1, 200},
    {"digits where more is not allowed",
     ANSWER(ONE(VIEW("MergedOnly") DIGITS("22" FREE24 FREE24 FREE24 "00000000000000000000"
                                          "34"))),
     "p[0-23.75] 0-0.5/3 23.5-23.75/4; ", "a part of", 1, 200},
    {"digits that begin and end without data",
     ANSWER(ONE(VIEW("MergedOnly") DIGITS("44" FREE24 FREE24 FREE24 "00000000000000000200"
                                          "44"))),
     "p[0.5-23.5] 22.75-23/3; ", "a part of", 1, 200},
    {"digits without data in between: unknown there, and there alone",
     ANSWER(ONE(VIEW("MergedOnly") DIGITS("0004" FREE24 FREE24 FREE24 "04400000000000000200"))),
     "p 0.75-1/5 19.25-19.75/5 23.25-23.5/3; ", "a part of", 1, 200},
    {"events, and digits that say of what there is no data",
     ANSWER(ONE(VIEW("FreeBusyMerged") DIGITS("4444" FREE24 FREE24 FREE24 "00000000000000000200")
                    EVENTS(EVENT("2026-12-01T23:15:00", "2026-12-01T23:30:00", "Busy")))),
     "p[1-24] 23.25-23.5/3; ", "a part of", 1, 200},
    {"an event without data within one that is busy",
     ANSWER(ONE(VIEW("FreeBusy")
                    EVENTS(EVENT("2026-12-01T10:00:00", "2026-12-01T12:00:00", "Busy")
                               EVENT("2026-12-01T10:30:00", "2026-12-01T11:00:00", "NoData")
                                   EVENT("2026-12-01T22:00:00", "2026-12-02T11:00:00", "NoData")))),
     "p[0-22] 10-10.5/3 10.5-11/5 11-12/3; ", "a part of", 1, 200},
    {"events that are all without data",
     ANSWER(ONE(VIEW("FreeBusy")
                    EVENTS(EVENT("2026-11-01T10:00:00", "2026-12-02T12:00:00", "NoData")))),
     "b; ", "knows nothing", 1, 200},
    {"too few digits", ANSWER(ONE(VIEW("MergedOnly") DIGITS("22"))), "!; ", "as long as", 1, 200},
    {"no data", ANSWER(ONE(VIEW("None"))), "b; ", "no data", 1, 200},
    {"an error of one", ANSWER(NOT("ErrorMailRecipientNotFound") ONE(VIEW("FreeBusy"))), "u; g; ",
     "ErrorMailRecipientNotFound: so", 2, 200},
    {"another error", ANSWER(ONE(VIEW("FreeBusy")) NOT("ErrorMailboxFailover")), "g; b; ", "", 2,
     200},
    {"an event without an end",
     ANSWER(ONE(VIEW("FreeBusy") EVENTS(EVENT("2026-12-01T10:00:00", "", "Busy")))), "!; ",
     "cannot be read", 1, 200},
    {"a day that is none",
     ANSWER(
         ONE(VIEW("FreeBusy") EVENTS(EVENT("2026-02-30T10:00:00", "2026-12-01T11:00:00", "Busy")))),
     "!; ", "cannot be read", 1, 200},
    {"one answer for two", ANSWER(ONE(VIEW("FreeBusy"))), "!; !; ", "not one answer", 2, 200},
    {"a fault",
     ENVELOPE("<e:Fault><faultcode>x</faultcode><faultstring>too busy</faultstring></e:Fault>"),
     "b; ", "a fault: too busy", 1, 500},
    {"a fault with 200", ENVELOPE("<e:Fault><faultstring>so</faultstring></e:Fault>"), "b; ", "so",
     1, 200},
    {"500 and a page", "<html>", "b; ", "status 500", 1, 500},
    {"200 and a page", "<html/>", "!; ", "", 1, 200},
    {"200 and no XML", "hello", "!; ", "line 1", 1, 200},
};

static void read_ews(struct arena *arena, const struct row *row,
                     const struct calendar_far_part *part)
{
    calendar_far_ews_read(arena, slice_str(row->text), FROM_S, UNTIL_S, row->status, part);
}

static void an_answer_to_get_user_availability_is_read(void **state)
{
    run_rows(ews_rows, COUNT(ews_rows), read_ews);
}

/* --- asked --- */

struct asked {
    const char *name, *script, *want, *why; /* script: what the server wants and says */
    enum directory_calendar_way way;
    const char *path, *user; /* an address: EWS impersonates it */
    size_t count, days;
    bool hangs;
};

#define HTTP "S:HTTP/1.1 200 OK\nS:Connection: close\nS:\n"
#define NEXT "close\naccept\n"
#define EWS DIRECTORY_CALENDAR_EWS, "/EWS/Exchange.asmx"
#define OUTBOX DIRECTORY_CALENDAR_CALDAV, "/outbox/"
#define EACH DIRECTORY_CALENDAR_CALDAV, "/{local}/"
#define IFB DIRECTORY_CALENDAR_IFB, "/{domain}/{local}.ifb"
#define VFREEBUSY \
    "R:BEGIN:VCALENDAR\\nBEGIN:VFREEBUSY\\nFREEBUSY:20261130T230000Z/PT3H,20261201T010000Z/PT3H" \
    "\\nEND:VFREEBUSY\\nEND:VCALENDAR\\n\n"

#define STATUS(s) "S:HTTP/1.1 " s "\nS:Content-Length: 0\nS:\n"
#define MULTISTATUS "S:HTTP/1.1 207 Multi-Status\nS:Connection: close\nS:\nR:"
#define EVENTS_OF(objects) \
    MULTISTATUS "<multistatus xmlns='DAV:' xmlns:C='urn:ietf:params:xml:ns:caldav'>" objects \
                "</multistatus>\n"
#define OBJECT(inner) \
    "<response><href>/x</href><propstat><prop><C:calendar-data>BEGIN:VCALENDAR\\n" \
    "BEGIN:VEVENT\\nUID:1\\nDTSTAMP:20260101T000000Z\\n" inner \
    "END:VEVENT\\n" \
    "END:VCALENDAR\\n</C:calendar-data></prop></propstat></response>"
static const struct asked asked[] = {
    {"a server without free-busy-query",
     "request:REPORT /a/ HTTP\nhas:free-busy-query\n" STATUS(
         "207 Multi-Status") "request:REPORT /a/ "
                             "HTTP\nhas:calendar-query\nhas:start="
                             "\"20261130T000000Z\"\n" EVENTS_OF(OBJECT(
                                 "DTSTART:"
                                 "20261130T100000Z\\nDURA"
                                 "TION:PT1H\\nRRULE:FREQ="
                                 "DAILY\\n") OBJECT("DTSTART:"
                                                    "20261201T103000Z\\n"
                                                    "DURATION:PT1H\\n") OBJECT("DTSTART:"
                                                                               "20261201T150000Z\\"
                                                                               "nDURATION:"
                                                                               "PT1H\\nTRANSP:"
                                                                               "TRANSPARENT\\n")),
     "g 10-11.5/3; ", "", EACH, "", 1, 1, false},
    {"a server without free-busy-query: nothing there",
     "request:REPORT /a/ HTTP\n" STATUS("501 No") "request:REPORT\n" EVENTS_OF(""), "g; ", "", EACH,
     "", 1, 1, false},
    {"a server without free-busy-query: an event that cannot be read",
     "request:REPORT /a/ HTTP\n" STATUS("501 No") "request:REPORT\n" EVENTS_OF(
         OBJECT("DTSTART:morgen\\n")),
     "!; ", "calendar", EACH, "", 1, 1, false},
    {"a server without free-busy-query: an event that is not there",
     "request:REPORT /a/ HTTP\n" STATUS("501 No") "request:REPORT\n" EVENTS_OF(
         "<response><href>/x</href></response>"),
     "!; ", "not there", EACH, "", 1, 1, false},
    {"ifb, cut and merged", "request:GET /far.example/a.ifb\n" HTTP VFREEBUSY, "g 0-4/3; ", "", IFB,
     "", 1, 1, false},
    {"ifb, nobody there",
     "request:GET\nS:HTTP/1.1 404 No\nS:Content-Length: 0\nS:\nrequest:GET "
     "/far.example/b.ifb\n" HTTP VFREEBUSY,
     "u; g 0-4/3; ", "404", IFB, "", 2, 1, false},
    {"a report of each",
     "request:REPORT /a/ HTTP\nhas:free-busy-query\nhas:start=\"20261201T000000Z\" "
     "end=\"20261202T000000Z\"\nhas:Depth: 1\n" HTTP VFREEBUSY NEXT
     "request:REPORT /b/ HTTP\nS:HTTP/1.1 403 No\nS:Content-Length: 0\nS:\n",
     "g 0-4/3; b; ", "", EACH, "", 2, 1, false},
    {"an outbox: its user is the organizer",
     "request:POST /outbox/\nhas:Authorization: Basic\nhas:Content-Type: text/calendar\n"
     "has:METHOD:REQUEST\nhas:ORGANIZER:mailto:desk@far.example\nhas:ATTENDEE:mailto:"
     "a@far.example\nhas:ATTENDEE:mailto:b@far.example\nhas:DTSTART:20261201T000000Z\n" HTTP
     "R:" SCHED(RESP("mailto:b@far.example", "2.0;Success",
                     "<C:calendar-data>BEGIN:VFREEBUSY\\nEND:VFREEBUSY\\n</C:calendar-data>")) "\n",
     "!; g; ", "says nothing", OUTBOX, "FAR\\desk", 2, 1, false},
    {"an outbox that does not know its user's name",
     "request:POST /outbox/\nhas:ORGANIZER:mailto:desk@far.example\nS:HTTP/1.1 403 No\n"
     "S:Content-Length: 0\nS:\nrequest:POST\nhas:ORGANIZER:mailto:me@home.example\n"
     "S:HTTP/1.1 403 No\nS:Content-Length: 0\nS:\n",
     "b; ", "status 403", OUTBOX, "desk", 1, 1, false},
    {"EWS",
     "request:POST /EWS/Exchange.asmx\nhasnt:Impersonation\nhasnt:X-Anchor\nhas:Content-Type: "
     "text/xml\nhas:<t:Address>a@far.example<\n"
     "has:<t:StartTime>2026-12-01T00:00:00</t:StartTime><t:EndTime>2026-12-02T00:00:00<\n" HTTP
     "R:" ANSWER(ONE(VIEW("FreeBusy")
                         EVENTS(EVENT("2026-11-01T00:00:00", "2026-12-01T04:00:00", "Busy")))) "\n",
     "g 0-4/3; ", "", EWS, "", 1, 1, false},
    {"EWS, as somebody",
     "request:POST\nhas:X-AnchorMailbox: desk&co@far.example\nhas:<t:PrimarySmtpAddress>"
     "desk&amp;co@far.example</t:PrimarySmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>\n"
     "has:Exchange2010_SP2\n" HTTP "R:" ANSWER(ONE(VIEW("FreeBusy"))) "\n",
     "g; ", "", EWS, "desk&co@far.example", 1, 1, false},
    {"EWS, 100 days: three pieces",
     "request:POST\nhas:2026-12-01T00:00:00<\nhas:2027-01-12T00:00:00<\n" HTTP "R:" ANSWER(ONE(VIEW(
         "FreeBusy"))) "\n" NEXT
                       "request:POST\nhas:2027-01-12T00:00:00<\nhas:2027-02-23T00:00:00<\n" HTTP
                       "R:" ANSWER(ONE(VIEW("FreeBusy") EVENTS(
                           EVENT("2027-01-31T22:00:00", "2027-02-23T04:00:00",
                                 "Busy")))) "\n" NEXT "request:POST\nhas:2027-02-23T00:00:00<\nhas:"
                                            "2027-03-11T00:00:00<\n" HTTP
                                            "R:" ANSWER(ONE(VIEW("FreeBusy") EVENTS(
                                                EVENT("2027-01-31T22:00:00", "2027-02-23T04:00:00",
                                                      "Busy")))) "\n",
     "g 1486-2020/3; ", "", EWS, "", 1, 100, false},
    {"EWS, 100 days: a piece fails",
     "request:POST\n" HTTP
     "R:" ANSWER(ONE(VIEW("FreeBusy"))) "\n" NEXT "request:POST\n" HTTP
                                        "R:" ANSWER(NOT("ErrorMailboxFailover")) "\n",
     "b; ", "Failover", EWS, "", 1, 100, false},
    {"EWS, refused", "request:POST\nS:HTTP/1.1 401 No\nS:Content-Length: 0\nS:\n", "b; b; ",
     "refuses the log-in", EWS, "", 2, 1, false},
    {"EWS, 503", "request:POST\nS:HTTP/1.1 503 No\nS:Content-Length: 0\nS:\n", "b; ", "status 503",
     EWS, "", 1, 1, false},
    {"100 MB", "request:POST\n" HTTP "fill:100000000\n", "!; ", "larger than", EWS, "", 1, 1,
     false},
    {"100 MB in two answers",
     "request:GET\n" HTTP "fill:900000\n" NEXT "request:GET\n" HTTP "fill:900000\n", "!; !; ", "",
     IFB, "", 2, 1, false},
    {"hung", "request:POST\nhang\n", "a; a; ", "no answer in time", EWS, "", 2, 1, true},
    {"ifb that ends at noon: a part",
     "request:GET\n" HTTP "R:BEGIN:VFREEBUSY\\nDTSTART:20261101T000000Z\\nDTEND:20261201T120000Z\\n"
     "FREEBUSY:20261201T100000Z/PT3H,20261201T150000Z/PT1H\\nEND:VFREEBUSY\\n\n",
     "p[0-12] 10-12/3; ", "a part of these times", IFB, "", 1, 1, false},
    {"ifb that another server remembers: it cannot answer",
     "request:GET\n" HTTP "R:BEGIN:VFREEBUSY\\nCOMMENT;X-POSTHORSE-AGE=PT1M:x\\nEND:VFREEBUSY\\n\n",
     "b~60; ", "what it remembers", IFB, "", 1, 1, false},
    {"EWS, without any data",
     "request:POST\n" HTTP
     "R:" ANSWER(ONE(VIEW("MergedOnly") DIGITS("444444444444444444444444444444444444444444444444444"
                                               "444444444444444444444444444444444444444"
                                               "444444"))) "\n",
     "b; ", "knows nothing", EWS, "", 1, 1, false},
    {"a trickle", "request:GET\n" HTTP "drip\n", "a; ", "no answer in time", IFB, "", 1, 1, true},
    {"gone", "request:POST\n", "a; ", "", OUTBOX, "u", 1, 1, false},
};

static void ask_one(struct calendar *calendar, const struct asked *row)
{
    static const struct slice addresses[] = {{"a@far.example", 13}, {"b@far.example", 13}};
    AUTO(buf) struct buf url = BUF(KIB), got = BUF(64 * KIB);
    uint16_t port;
    struct router_peer_server *peer = router_peer_start(row->script, NULL, &port);
    struct calendar_far_answer answers[2];

    buf_putf(&url, "http://127.0.0.1:%u%s", port, row->path);
    const struct directory_calendar way = {.way = row->way,
                                           .url = url.ptr,
                                           .user = row->user,
                                           .password = "p",
                                           .impersonate =
                                               strchr(row->user, '@') != NULL ? row->user : ""};
    const struct calendar_far_ask ask = {
        .calendar = &way,
        .asker = SLICE("me@home.example"),
        .addresses = addresses,
        .count = row->count,
        .from_s = FROM_S,
        .until_s = FROM_S + (int64_t)row->days * DAY_S,
        .deadline_ms = sys_mono_ms() + (row->hangs ? 500 : 20000),
        .bytes_max = MIB,
    };
    struct arena *arena = arena_new("t", calendar_far_arena_bytes(&ask));
    calendar_far_ask(calendar, arena, &ask, answers);
    for (size_t i = 0; i < row->count; i++) {
        struct calendar_far_person person = {.answer = answers[i].answer,
                                             .rows = answers[i].rows,
                                             .count = answers[i].count,
                                             .from_s = answers[i].from_s,
                                             .until_s = answers[i].until_s,
                                             .age_ms = answers[i].age_ms};

        show(&(struct calendar_far_part){&person, 1}, &got);
    }
    T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
    if (strstr(answers[0].why, row->why) == NULL)
        fail_msg("why: %s", answers[0].why);
    arena_free(&arena);
    router_peer_end(&peer);
}

static void each_person_has_an_answer_whatever_the_foreign_system_does(void **state)
{
    for (size_t i = 0; i < COUNT(asked); i++) {
        struct calendar *calendar = calendar_new(&(struct calendar_context){.server_name = "t"});

        T_ROW(i, asked[i].name);
        ask_one(calendar, &asked[i]);
        calendar_free(&calendar);
    }
}

static const char no_query[] =
    "request:REPORT /a/ HTTP\nhas:free-busy-query\n" STATUS("501 No") "request:REPORT /a/ HTTP\n"
    "has:calendar-query\n" EVENTS_OF("") NEXT
    "request:REPORT /a/ HTTP\nhas:calendar-query\n" STATUS("501 No")
    "request:REPORT /a/ HTTP\nhas:free-busy-query\n" HTTP VFREEBUSY;

static void a_server_without_free_busy_query_is_not_asked_for_one_each_time(void **state)
{
    static const struct asked row = {"", no_query, "g; b; g 0-4/3; ", "", EACH, "", 1, 1, false};
    static const struct slice address = {"a@far.example", 13};
    struct calendar *calendar = calendar_new(&(struct calendar_context){.server_name = "t"});
    AUTO(buf) struct buf url = BUF(KIB), got = BUF(KIB);
    uint16_t port;
    struct router_peer_server *peer = router_peer_start(row.script, NULL, &port);

    buf_putf(&url, "http://127.0.0.1:%u%s", port, row.path);
    const struct directory_calendar way = {
        .way = row.way, .url = url.ptr, .user = "", .password = "", .impersonate = ""};
    const struct calendar_far_ask ask = {.calendar = &way,
                                         .addresses = &address,
                                         .count = 1,
                                         .from_s = FROM_S,
                                         .until_s = UNTIL_S,
                                         .deadline_ms = sys_mono_ms() + 20000,
                                         .bytes_max = MIB};
    for (int i = 0; i < 3; i++) {
        struct arena *arena = arena_new("t", calendar_far_arena_bytes(&ask));
        struct calendar_far_answer answer;

        calendar_far_ask(calendar, arena, &ask, &answer);
        show(&(struct calendar_far_part){&(struct calendar_far_person){.answer = answer.answer,
                                                                       .rows = answer.rows,
                                                                       .count = answer.count,
                                                                       .from_s = answer.from_s,
                                                                       .until_s = answer.until_s},
                                         1},
             &got);
        arena_free(&arena);
    }
    T_EQ_SLICE(buf_slice(&got), slice_str(row.want));
    router_peer_end(&peer);
    calendar_free(&calendar);
}

static void what_a_system_lacks_is_known_for_a_while_and_of_so_many(void **state)
{
    struct calendar_far_lacks *lacks = calendar_far_lacks_new();
    char url[40];

    assert_false(calendar_far_lacks_query(lacks, "http://a/", 0));
    for (unsigned i = 0; i <= CALENDAR_FAR_LACK_MAX; i++) {
        snprintf(url, sizeof(url), "http://%u/", i);
        calendar_far_lack_note(lacks, url, true, i);
        calendar_far_lack_note(lacks, url, true, i);
    }
    assert_false(calendar_far_lacks_query(lacks, "http://0/", 100));
    assert_true(calendar_far_lacks_query(lacks, "http://1/", 100));
    assert_true(calendar_far_lacks_query(lacks, url, 100));
    assert_true(calendar_far_lacks_query(lacks, "http://1/", CALENDAR_FAR_LACK_MS));
    assert_false(calendar_far_lacks_query(lacks, "http://1/", CALENDAR_FAR_LACK_MS + 1));
    calendar_far_lack_note(lacks, url, false, 100);
    assert_false(calendar_far_lacks_query(lacks, url, 100));
    calendar_far_lacks_free(&lacks);
}

static void an_address_that_is_hostile_stays_inside_its_element(void **state)
{
    struct arena *arena = arena_new("t", MIB);
    struct calendar_far_part part = persons_new(arena, 1);
    AUTO(buf) struct buf ews = BUF(MIB), caldav = BUF(MIB);
    const struct calendar_far_request request = {
        .organizer = SLICE("o@x"), .uid = "1", .from_s = FROM_S, .until_s = UNTIL_S};

    part.persons[0].address = SLICE("a</t:Address>&\r\nX-EVIL:1\r\n@far.example");
    calendar_far_ews_write(&part, FROM_S, UNTIL_S, "", &ews);
    calendar_far_caldav_write(arena, &request, &part, &caldav);
    assert_non_null(strstr(ews.ptr, "a&lt;/t:Address&gt;&amp;"));
    assert_null(strstr(caldav.ptr, "\r\nX-EVIL"));
    arena_free(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fetched_vfreebusy_is_read),
        cmocka_unit_test(a_schedule_response_is_read),
        cmocka_unit_test(an_answer_to_get_user_availability_is_read),
        cmocka_unit_test(each_person_has_an_answer_whatever_the_foreign_system_does),
        cmocka_unit_test(a_server_without_free_busy_query_is_not_asked_for_one_each_time),
        cmocka_unit_test(what_a_system_lacks_is_known_for_a_while_and_of_so_many),
        cmocka_unit_test(an_address_that_is_hostile_stays_inside_its_element),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
