/* Conversations with messages as others write them: the examples of RFC 5546 section 4, and samples
 * made after what Google, Microsoft and Apple document of theirs. */
#include "itip_t.h"
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_itip.h"
#include "ical/ical.h"

#include <stdlib.h>

#define HEAD(prodid) "BEGIN:VCALENDAR\nPRODID:" prodid "\nVERSION:2.0\n"
#define RFC(method) HEAD("-//Example/ExampleCalendarClient//EN") "METHOD:" method "\nBEGIN:VEVENT\n"
#define END "END:VEVENT\nEND:VCALENDAR\n"
#define GROUP "UID:calsrv.example.com-873970198738777@example.com\n"

struct step {
    const char *name;   /* "= ..." begins a conversation */
    const char *who;    /* whose calendar it comes to: each has one object in a conversation */
    const char *sender; /* NULL: the owner stores it himself */
    const char *message;
    const char *want;  /* the verdict */
    const char *store; /* something in what is stored; "!x": not in it */
};

#define GROUP_REQUEST(method) \
    RFC(method) \
    "ORGANIZER:mailto:a@example.com\nATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED;CN=A:" \
    "mailto:a@example.com\nATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL;CN=B:mailto:b@example.com\n" \
    "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL;CN=C:mailto:c@example.com\n" \
    "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL;CN=Hal:mailto:d@example.com\n" \
    "ATTENDEE;RSVP=FALSE;CUTYPE=ROOM:conf_big@example.com\n" \
    "ATTENDEE;ROLE=NON-PARTICIPANT;RSVP=FALSE:mailto:e@example.com\n" \
    "DTSTAMP:19970611T190000Z\nDTSTART:19970701T200000Z\nDTEND:19970701T2100000Z\n" \
    "SUMMARY:Conference\n" GROUP "SEQUENCE:0\nSTATUS:CONFIRMED\n" END

#define COUNTERED(method, from, to, stamp, place) \
    RFC(method) \
    "ORGANIZER:mailto:a@example.com\nATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:a@example.com\n" \
    "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL:mailto:b@example.com\n" \
    "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL:mailto:c@example.com\n" \
    "DTSTART:19970701T" from "0000Z\nDTEND:19970701T" to "0000Z\nDTSTAMP:" stamp \
    "\nSUMMARY:Discuss the Merits of the election results\nLOCATION:" place \
    "\nUID:calsrv.example.com-873970198738777a@example.com\nSEQUENCE:0\n" END

#define MONTHLY(method) \
    RFC(method) \
    "UID:guid-1@example.com\nSEQUENCE:0\n" \
    "RRULE:FREQ=MONTHLY;BYMONTHDAY=1;UNTIL=19980901T210000Z\n" \
    "ORGANIZER:mailto:a@example.com\n" \
    "ATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:a@example.com\n" \
    "ATTENDEE;RSVP=TRUE:mailto:b@example.com\nATTENDEE;RSVP=TRUE:mailto:d@example.com\n" \
    "DESCRIPTION:IETF-C&S Conference Call\nCLASS:PUBLIC\n" \
    "SUMMARY:IETF Calendaring Working Group Meeting\n" \
    "DTSTART:19970601T210000Z\nDTEND:19970601T220000Z\nLOCATION:Conference Call\n" \
    "DTSTAMP:19970526T083000Z\nSTATUS:CONFIRMED\n" END

#define GOOGLE(method, tail) \
    HEAD("-//Google Inc//Google Calendar 70.9054//EN") \
    "CALSCALE:GREGORIAN\nMETHOD:" method "\nBEGIN:VEVENT\n" tail END
#define GOOGLE_A(stat) \
    "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=" stat \
    ";RSVP=TRUE;CN=a@example.org;X-NUM-GUESTS=0:mailto:a@example.org\n"
#define GOOGLE_ORG "ORGANIZER;CN=Olga O:mailto:o@gmail.com\nUID:3hq5kfd9n0@google.com\n"
#define GOOGLE_REST \
    "CREATED:20260101T080000Z\nDESCRIPTION:Join with Google Meet\\n\\nPlease do not edit this " \
    "section.\nLAST-MODIFIED:20260101T080000Z\nLOCATION:\nSTATUS:CONFIRMED\nSUMMARY:Weekly\n" \
    "TRANSP:OPAQUE\n"
#define GOOGLE_SERIES(stamp, sequence) \
    "DTSTART;TZID=Europe/Berlin:20260209T100000\nDTEND;TZID=Europe/Berlin:20260209T110000\n" \
    "RRULE:FREQ=WEEKLY;BYDAY=MO\nDTSTAMP:20260101T" stamp "Z\n" GOOGLE_ORG \
    "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;RSVP=TRUE;CN=Olga O;" \
    "X-NUM-GUESTS=0:mailto:o@gmail.com\n" GOOGLE_A( \
        "NEEDS-ACTION") "X-MICROSOFT-CDO-OWNERAPPTID:-1453627\n" GOOGLE_REST "SEQUENCE:" sequence \
                        "\n"

#define EXCHANGE_ZONE \
    "BEGIN:VTIMEZONE\nTZID:W. Europe Standard Time\nBEGIN:STANDARD\nDTSTART:16010101T030000\n" \
    "TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=10\n" \
    "END:STANDARD\nBEGIN:DAYLIGHT\nDTSTART:16010101T020000\nTZOFFSETFROM:+0100\n" \
    "TZOFFSETTO:+0200\nRRULE:FREQ=YEARLY;INTERVAL=1;BYDAY=-1SU;BYMONTH=3\nEND:DAYLIGHT\n" \
    "END:VTIMEZONE\n"
#define EXCHANGE(method, tail) \
    HEAD("Microsoft Exchange Server 2010") \
    "METHOD:" method "\n" EXCHANGE_ZONE "BEGIN:VEVENT\n" tail END
#define EXCHANGE_UID \
    "UID:040000008200E00074C5B7101A82E00800000000B0F4D5A8\n 7C5ADC01000000000000000010000000\n"
#define EXCHANGE_TIME(day, hour, end) \
    "DTSTART;TZID=W. Europe Standard Time:202602" day "T" hour \
    "0000\n" \
    "DTEND;TZID=W. Europe Standard Time:202602" day "T" end "0000\n"
#define EXCHANGE_REST(sequence) \
    "CLASS:PUBLIC\nPRIORITY:5\nTRANSP:OPAQUE\nSEQUENCE:" sequence \
    "\nLOCATION;LANGUAGE=en-US:Room 1\nX-MICROSOFT-CDO-APPT-SEQUENCE:" sequence \
    "\nX-MICROSOFT-CDO-OWNERAPPTID:2119811934\nX-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE\n" \
    "X-MICROSOFT-CDO-INTENDEDSTATUS:BUSY\nX-MICROSOFT-CDO-ALLDAYEVENT:FALSE\n" \
    "X-MICROSOFT-CDO-IMPORTANCE:1\nX-MICROSOFT-CDO-INSTTYPE:1\n" \
    "X-MICROSOFT-DISALLOW-COUNTER:FALSE\n"
#define EXCHANGE_FROM_O \
    "ORGANIZER;CN=Otto:mailto:Otto@contoso.example\n" \
    "ATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=a:mailto:a@exam\n ple.org\n"
#define ALARM \
    "BEGIN:VALARM\nDESCRIPTION:REMINDER\nTRIGGER;RELATED=START:-PT15M\nACTION:DISPLAY\nEND:" \
    "VALARM\n"

#define ICLOUD(method, tail) \
    HEAD("-//Apple Inc.//macOS 15.2//EN") \
    "CALSCALE:GREGORIAN\nMETHOD:" method "\nBEGIN:VEVENT\n" tail END
#define ICLOUD_ORG \
    "ORGANIZER;CN=Ola;EMAIL=ola@icloud.com:mailto:2_HEYTSNBSGM4DEMB@imip.me.com\n" \
    "UID:6B5F5B7E-AD40-4F35-8B0C-2F3E0D1B7A11\n"
#define ICLOUD_A(stat) \
    "ATTENDEE;CN=a@example.org;CUTYPE=INDIVIDUAL;EMAIL=a@example.org;PARTSTAT=" stat \
    ";ROLE=REQ-PARTICIPANT;RSVP=TRUE:mailto:a@example.org\n"

static const struct step steps[] =
    {
        {"= RFC 5546 4.2.1, with its wrong DTEND", "b@example.com", "a@example.com",
         GROUP_REQUEST("REQUEST"), "applied", "SUMMARY:Conference"},
        {"the room is asked by a mere address", "conf_big@example.com", "a@example.com",
         GROUP_REQUEST("REQUEST"), "applied", "SUMMARY:Conference"},
        {"the organizer's", "a@example.com", NULL, GROUP_REQUEST("PUBLISH"), NULL, NULL},
        {"4.2.2: a reply", "a@example.com", "b@example.com",
         RFC("REPLY") "ATTENDEE;PARTSTAT=ACCEPTED:mailto:b@example.com\nORGANIZER:mailto:a@example."
                      "com\n" GROUP
                      "SEQUENCE:0\nREQUEST-STATUS:2.0;Success\nDTSTAMP:19970612T190000Z\n" END,
         "applied", "PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0"},
        {"4.2.3: an update", "b@example.com", "a@example.com",
         RFC("REQUEST") "ORGANIZER:mailto:a@example.com\n"
                        "ATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:a@example.com\n"
                        "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL:mailto:b@example.com\n"
                        "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL:mailto:c@example.com\n"
                        "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL;CN=Hal:mailto:d@example.com\n"
                        "ATTENDEE;ROLE=NON-PARTICIPANT;RSVP=FALSE;CUTYPE=ROOM:mailto:conf@example."
                        "com\n"
                        "ATTENDEE;ROLE=NON-PARTICIPANT;RSVP=FALSE:mailto:e@example.com\n"
                        "DTSTART:19970701T180000Z\nDTEND:19970701T190000Z\nSUMMARY:Phone "
                        "Conference\n" GROUP
                        "SEQUENCE:1\nDTSTAMP:19970613T190000Z\nSTATUS:CONFIRMED\n" END,
         "applied", "SUMMARY:Phone Conference"},
        {"4.2.1 once more, late", "b@example.com", "a@example.com", GROUP_REQUEST("REQUEST"),
         "stale", "SUMMARY:Phone Conference"},
        {"4.2.5: C delegates to E", "a@example.com", "c@example.com",
         RFC("REPLY") "ORGANIZER:MAILTO:a@example.com\nATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="
                      "\"mailto:e@example.com\":mailto:c@example.com\n" GROUP
                      "SEQUENCE:0\nREQUEST-STATUS:2.0;Success\nDTSTAMP:19970611T190000Z\n" END,
         "applied", "DELEGATED-TO=mailto:e@example.com"},
        {"and asks E", "e@example.com", "c@example.com",
         RFC("REQUEST") "ORGANIZER:mailto:a@example.com\nATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="
                        "\"mailto:e@example.com\":mailto:c@example.com\nATTENDEE;RSVP=TRUE;"
                        "DELEGATED-FROM="
                        "\"mailto:c@example.com\":mailto:e@example.com\nDTSTART:19970701T180000Z\n"
                        "DTEND:19970701T200000Z\nSUMMARY:Phone Conference\n" GROUP
                        "SEQUENCE:0\nSTATUS:CONFIRMED\nDTSTAMP:19970611T190000Z\n" END,
         "applied", "SUMMARY:Phone Conference"},
        {"4.2.6: E accepts, naming C, too", "a@example.com", "e@example.com",
         RFC("REPLY") "ORGANIZER:mailto:a@example.com\nATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO="
                      "\"mailto:e@example.com\":mailto:c@example.com\nATTENDEE;PARTSTAT=ACCEPTED;"
                      "DELEGATED-FROM="
                      "\"mailto:c@example.com\":mailto:e@example.com\n" GROUP
                      "SEQUENCE:0\nREQUEST-STATUS:2.0;Success\nDTSTAMP:19970614T190000Z\n" END,
         "applied", "X-POSTHORSE-REPLIED=19970614T190000Z:mailto:e@example.com"},
        {"4.2.10: B is off the hook", "b@example.com", "a@example.com",
         RFC("CANCEL") "ORGANIZER:mailto:a@example.com\nATTENDEE:mailto:b@example.com\n"
                       "COMMENT:You're off the hook for this meeting\n" GROUP
                       "SEQUENCE:1\nDTSTAMP:19970613T193000Z\n" END,
         "applied", "STATUS:CANCELLED"},
        {"4.2.11: another organizer is not believed", "e@example.com", "b@example.com",
         RFC("REQUEST") "ORGANIZER:mailto:b@example.com\nATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:"
                        "mailto:b@example.com\nATTENDEE;RSVP=TRUE:mailto:e@example.com\nDTSTAMP:"
                        "19970611T190000Z\n"
                        "DTSTART:19970701T200000Z\n" GROUP "SEQUENCE:2\n" END,
         "forged", "ORGANIZER:mailto:a@example.com"},

        {"= 4.2.9: all is cancelled", "b@example.com", "a@example.com", GROUP_REQUEST("REQUEST"),
         "applied", NULL},
        {"", "b@example.com", "a@example.com",
         RFC("CANCEL") "ORGANIZER:mailto:a@example.com\n"
                       "ATTENDEE;CUTYPE=INDIVIDUAL:mailto:a@example.com\n"
                       "ATTENDEE;CUTYPE=INDIVIDUAL:mailto:b@example.com\n"
                       "ATTENDEE;CUTYPE=INDIVIDUAL:mailto:c@example.com\n"
                       "ATTENDEE;CUTYPE=INDIVIDUAL:mailto:d@example.com\n"
                       "COMMENT:Mr. B cannot attend. It's raining. Lets cancel.\n" GROUP
                       "SEQUENCE:1\nSTATUS:CANCELLED\nDTSTAMP:19970613T190000Z\n" END,
         "applied", "STATUS:CANCELLED"},

        {"= 4.2.4: a counter-proposal that names all", "a@example.com", NULL,
         COUNTERED("PUBLISH", "19", "20", "19970611T190000Z", "The Big Conference Room"), NULL,
         NULL},
        {"by B", "a@example.com", "b@example.com",
         COUNTERED("COUNTER", "16", "17", "19970612T190000Z", "The Small Conference Room"), "noted",
         "DTSTART:19970701T190000Z"},
        {"B has it", "b@example.com", "a@example.com",
         COUNTERED("REQUEST", "19", "20", "19970611T190000Z", "The Big Conference Room"), "applied",
         NULL},
        {"A declines it", "b@example.com", "a@example.com",
         RFC("DECLINECOUNTER") "ORGANIZER:mailto:a@example.com\n"
                               "ATTENDEE;RSVP=TRUE;CUTYPE=INDIVIDUAL:mailto:b@example.com\n"
                               "COMMENT:Sorry, I cannot change this meeting time\n"
                               "UID:calsrv.example.com-873970198738777a@example.com\nSEQUENCE:0\n"
                               "DTSTAMP:19970614T190000Z\n" END,
         "noted", "DTSTART:19970701T190000Z"},

        {"= 4.4.2: a series", "b@example.com", "a@example.com", MONTHLY("REQUEST"), "applied",
         "RRULE"},
        {"one instance at another time", "b@example.com", "a@example.com",
         RFC("REQUEST") "UID:guid-1@example.com\nRECURRENCE-ID:19970701T210000Z\nSEQUENCE:1\n"
                        "ORGANIZER:mailto:a@example.com\n"
                        "ATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:a@example.com\n"
                        "ATTENDEE;RSVP=TRUE:mailto:b@example.com\nATTENDEE;RSVP=TRUE:mailto:d@"
                        "example.com\n"
                        "DESCRIPTION:IETF-C&S Discuss Conference Call\nCLASS:PUBLIC\n"
                        "SUMMARY:IETF Calendaring Working Group Meeting\nDTSTART:19970703T210000Z\n"
                        "DTEND:19970703T220000Z\nLOCATION:Conference "
                        "Call\nDTSTAMP:19970626T093000Z\n"
                        "STATUS:CONFIRMED\n" END,
         "applied", "DTSTART:19970703T210000Z"},
        {"4.4.3: one instance is cancelled", "b@example.com", "a@example.com",
         RFC("CANCEL") "UID:guid-1@example.com\nORGANIZER:mailto:a@example.com\n"
                       "ATTENDEE:mailto:a@example.com\nATTENDEE:mailto:b@example.com\n"
                       "ATTENDEE:mailto:d@example.com\nRECURRENCE-ID:19970801T210000Z\nSEQUENCE:2\n"
                       "STATUS:CANCELLED\nDTSTAMP:19970721T093000Z\n" END,
         "applied", "RECURRENCE-ID:19970801T210000Z\nSEQUENCE:2\nSTATUS:CANCELLED"},
        {"4.4.5: all that are to come", "b@example.com", "a@example.com",
         RFC("REQUEST") "UID:guid-1@example.com\n"
                        "RECURRENCE-ID;RANGE=THISANDFUTURE:19970901T210000Z\nSEQUENCE:3\n"
                        "ORGANIZER:mailto:a@example.com\n"
                        "ATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:a@example.com\n"
                        "ATTENDEE;RSVP=TRUE:mailto:b@example.com\nDESCRIPTION:IETF-C&S Discuss "
                        "Conference Call\n"
                        "SUMMARY:IETF Calendaring Working Group Meeting\nDTSTART:19970901T210000Z\n"
                        "DTEND:19970901T220000Z\nLOCATION:Building 32\\, Microsoft\\, Seattle\\, "
                        "WA\n"
                        "DTSTAMP:19970826T093000Z\nSTATUS:CONFIRMED\n" END,
         "applied", "RECURRENCE-ID;RANGE=THISANDFUTURE:19970901T210000Z"},
        {"4.4.6: one more", "b@example.com", "a@example.com",
         RFC("ADD") "UID:guid-1@example.com\nSEQUENCE:4\nORGANIZER:mailto:a@example.com\n"
                    "ATTENDEE;ROLE=CHAIR;PARTSTAT=ACCEPTED:mailto:a@example.com\n"
                    "ATTENDEE;RSVP=TRUE:mailto:b@example.com\nATTENDEE;RSVP=TRUE:mailto:d@example."
                    "com\n"
                    "DESCRIPTION:IETF-C&S Conference Call\nSUMMARY:IETF Calendaring Working Group "
                    "Meeting\n"
                    "DTSTART:19970715T210000Z\nDTEND:19970715T220000Z\nLOCATION:Conference Call\n"
                    "DTSTAMP:19970629T093000Z\nSTATUS:CONFIRMED\n" END,
         "applied", "RDATE:19970715T210000Z"},
        {"4.4.4: the series is cancelled", "b@example.com", "a@example.com",
         RFC("CANCEL") "UID:guid-1@example.com\nORGANIZER:mailto:a@example.com\n"
                       "ATTENDEE:mailto:a@example.com\nATTENDEE:mailto:b@example.com\n"
                       "ATTENDEE:mailto:d@example.com\nDTSTAMP:19970921T103000Z\nSEQUENCE:5\n"
                       "STATUS:CANCELLED\n" END,
         "applied", "!STATUS:CONFIRMED"},

        {"= 4.4.8: a series is asked for again, and an instance countered (4.4.9)", "a@example.com",
         NULL, MONTHLY("PUBLISH"), NULL, NULL},
        {"", "a@example.com", "b@example.com",
         RFC("REFRESH") "UID:guid-1@example.com\nORGANIZER:mailto:a@example.com\n"
                        "ATTENDEE:mailto:b@example.com\nDTSTAMP:19970603T094000Z\n" END,
         "noted, REQUEST mailto:b@example.com", "RRULE"},
        {"", "a@example.com", "d@example.com",
         RFC("COUNTER") "UID:guid-1@example.com\nRECURRENCE-ID:19970715T210000Z\nSEQUENCE:4\n"
                        "ORGANIZER:mailto:a@example.com\n"
                        "ATTENDEE;ROLE=CHAIR;RSVP=TRUE:mailto:a@example.com\n"
                        "ATTENDEE;RSVP=TRUE:mailto:b@example.com\nATTENDEE;RSVP=TRUE:mailto:d@"
                        "example.com\n"
                        "DTSTART:19970715T220000Z\nDTEND:19970715T230000Z\nLOCATION:Conference "
                        "Call\n"
                        "COMMENT:May we bump this by an hour? I have a "
                        "conflict\nDTSTAMP:19970629T094000Z\n" END,
         "noted", "!19970715T220000Z"},

        {"= Google: a weekly series", "a@example.org", "o@gmail.com",
         GOOGLE("REQUEST", GOOGLE_SERIES("090000", "0")), "applied", "RRULE:FREQ=WEEKLY;BYDAY=MO"},
        {"this event only: the instance alone comes", "a@example.org", "o@gmail.com",
         GOOGLE("REQUEST",
                "DTSTART;TZID=Europe/Berlin:20260216T140000\n"
                "DTEND;TZID=Europe/Berlin:20260216T150000\nDTSTAMP:20260101T100000Z\n" GOOGLE_ORG
                "RECURRENCE-ID;TZID=Europe/Berlin:20260216T100000\n" GOOGLE_A("NEEDS-ACTION")
                    GOOGLE_REST "SEQUENCE:1\n"),
         "applied", "DTSTART;TZID=Europe/Berlin:20260216T140000"},
        {"this event is deleted", "a@example.org", "o@gmail.com",
         GOOGLE(
             "CANCEL",
             "DTSTART;TZID=Europe/Berlin:20260223T100000\n"
             "DTEND;TZID=Europe/Berlin:20260223T110000\nDTSTAMP:20260101T110000Z\n" GOOGLE_ORG
             "RECURRENCE-ID;TZID=Europe/Berlin:20260223T100000\n" GOOGLE_A(
                 "NEEDS-ACTION") "SEQUENCE:1\nSTATUS:CANCELLED\nSUMMARY:Weekly\nTRANSP:OPAQUE\n"),
         "applied", "STATUS:CANCELLED"},
        {"all events are deleted", "a@example.org", "o@gmail.com",
         GOOGLE("CANCEL",
                "DTSTART;TZID=Europe/Berlin:20260209T100000\n"
                "DTEND;TZID=Europe/Berlin:20260209T110000\nRRULE:FREQ=WEEKLY;BYDAY=MO\n"
                "DTSTAMP:20260101T120000Z\n" GOOGLE_ORG GOOGLE_A(
                    "NEEDS-ACTION") "SEQUENCE:2\nSTATUS:CANCELLED\nSUMMARY:Weekly\n"),
         "applied", "!STATUS:CONFIRMED"},

        {"= Google answers: a series of ours", "a@example.org", NULL,
         GOOGLE("PUBLISH",
                "DTSTART;TZID=Europe/Berlin:20260209T100000\n"
                "DTEND;TZID=Europe/Berlin:20260209T110000\nRRULE:FREQ=WEEKLY;BYDAY=MO\n"
                "DTSTAMP:20260101T090000Z\nORGANIZER:mailto:a@example.org\nUID:3\nSEQUENCE:0\n"
                "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:o@gmail.com\n"),
         NULL, NULL},
        {"yes, to all", "a@example.org", "o@gmail.com",
         GOOGLE("REPLY",
                "DTSTART;TZID=Europe/Berlin:20260209T100000\n"
                "DTEND;TZID=Europe/Berlin:20260209T110000\nRRULE:FREQ=WEEKLY;BYDAY=MO\n"
                "DTSTAMP:20260101T100000Z\nORGANIZER;CN=a:mailto:a@example.org\nUID:3\n"
                "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=ACCEPTED;CN=Olga O;"
                "X-NUM-GUESTS=0:mailto:o@gmail.com\nSEQUENCE:0\nSTATUS:CONFIRMED\nSUMMARY:Weekly\n"
                "TRANSP:OPAQUE\n"),
         "applied", "PARTSTAT=ACCEPTED"},
        {"no, to one", "a@example.org", "o@gmail.com",
         GOOGLE("REPLY",
                "DTSTART;TZID=Europe/Berlin:20260216T100000\n"
                "DTEND;TZID=Europe/Berlin:20260216T110000\nDTSTAMP:20260101T110000Z\n"
                "ORGANIZER;CN=a:mailto:a@example.org\nUID:3\n"
                "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=DECLINED;CN=Olga O;"
                "X-NUM-GUESTS=0:mailto:o@gmail.com\n"
                "RECURRENCE-ID;TZID=Europe/Berlin:20260216T100000\nSEQUENCE:0\n"),
         "applied", "PARTSTAT=DECLINED"},
        {"a proposal of a new time for one", "a@example.org", "o@gmail.com",
         GOOGLE("COUNTER",
                "DTSTART:20260223T130000Z\nDTEND:20260223T140000Z\nDTSTAMP:20260101T120000Z\n"
                "ORGANIZER;CN=a:mailto:a@example.org\nUID:3\n"
                "ATTENDEE;CUTYPE=INDIVIDUAL;ROLE=REQ-PARTICIPANT;PARTSTAT=DECLINED;CN=Olga O;"
                "X-NUM-GUESTS=0;X-RESPONSE-COMMENT=\"after lunch?\":mailto:o@gmail.com\n"
                "RECURRENCE-ID;TZID=Europe/Berlin:20260223T100000\nCOMMENT:after "
                "lunch?\nSEQUENCE:0\n"),
         "noted", "!20260223T130000Z"},

        {"= Exchange: a meeting", "a@example.org", "otto@contoso.example",
         EXCHANGE(
             "REQUEST", EXCHANGE_FROM_O
             "DESCRIPTION;LANGUAGE=en-US:\\n\n" EXCHANGE_UID
             "SUMMARY;LANGUAGE=en-US:Plan\n" EXCHANGE_TIME(
                 "10", "11", "12") "DTSTAMP:20260101T090000Z\nSTATUS:CONFIRMED\n" EXCHANGE_REST("0")
                 ALARM),
         "applied", "SUMMARY;LANGUAGE=en-US:Plan"},
        {"at another time", "a@example.org", "otto@contoso.example",
         EXCHANGE(
             "REQUEST",
             EXCHANGE_FROM_O EXCHANGE_UID "SUMMARY;LANGUAGE=en-US:Plan\n" EXCHANGE_TIME(
                 "11", "11", "12") "DTSTAMP:20260101T100000Z\nSTATUS:CONFIRMED\n" EXCHANGE_REST("1")
                 ALARM),
         "applied", "20260211T110000"},
        {"cancelled", "a@example.org", "otto@contoso.example",
         EXCHANGE("CANCEL", EXCHANGE_FROM_O EXCHANGE_UID
                  "SUMMARY;LANGUAGE=en-US:Canceled: Plan\n" EXCHANGE_TIME(
                      "11", "11",
                      "12") "DTSTAMP:20260101T110000Z\nSTATUS:CANCELLED\n" EXCHANGE_REST("2")),
         "applied", "STATUS:CANCELLED"},

        {"= Exchange answers without ORGANIZER", "a@example.org", NULL,
         EXCHANGE("PUBLISH",
                  "ORGANIZER:mailto:a@example.org\n"
                  "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:otto@contoso.example\n" EXCHANGE_UID
                      EXCHANGE_TIME("10", "11", "12") "DTSTAMP:20260101T090000Z\nSEQUENCE:0\n"),
         NULL, NULL},
        {"perhaps", "a@example.org", "otto@contoso.example",
         EXCHANGE("REPLY",
                  "ATTENDEE;PARTSTAT=TENTATIVE;CN=Otto:mailto:Otto@contoso.example\n"
                  "COMMENT;LANGUAGE=en-US:\\n\n" EXCHANGE_UID
                  "SUMMARY;LANGUAGE=en-US:Tentative: Plan\n" EXCHANGE_TIME(
                      "10", "11",
                      "12") "DTSTAMP:20260101T093000Z\nSTATUS:CONFIRMED\n" EXCHANGE_REST("0")),
         "applied", "PARTSTAT=TENTATIVE"},
        {"a new time is proposed", "a@example.org", "otto@contoso.example",
         EXCHANGE("COUNTER",
                  "ATTENDEE;PARTSTAT=TENTATIVE;CN=Otto:mailto:Otto@contoso.example\n"
                  "COMMENT;LANGUAGE=en-US:\\n\n" EXCHANGE_UID
                  "SUMMARY;LANGUAGE=en-US:New Time Proposed: Plan\n" EXCHANGE_TIME(
                      "10", "14", "15") "DTSTAMP:20260101T094000Z\nSTATUS:"
                                        "CONFIRMED\n" EXCHANGE_REST("0") "X-MS-OLK-ORIGINALSTART;"
                                                                         "TZID=W. Europe Standard "
                                                                         "Time:"
                                                                         "20260210T110000\nX-MS-"
                                                                         "OLK-ORIGINALEND;TZID=W. "
                                                                         "Europe Standard Time:"
                                                                         "20260210T120000\n"),
         "noted", "20260210T110000"},

        {"= iCloud: the organizer's address is one for messages", "a@example.org", "ola@icloud.com",
         ICLOUD("REQUEST",
                "DTSTART;TZID=Europe/Berlin:20260210T100000\n"
                "DTEND;TZID=Europe/Berlin:20260210T110000\nRRULE:FREQ=DAILY\nTRANSP:OPAQUE\n"
                "CREATED:20260101T080000Z\nLAST-MODIFIED:20260101T080000Z\nSUMMARY:Run\n" ICLOUD_ORG
                    ICLOUD_A("NEEDS-ACTION") "DTSTAMP:20260101T080000Z\nSEQUENCE:0\n"
                                             "X-APPLE-TRAVEL-ADVISORY-BEHAVIOR:AUTOMATIC\n"),
         "applied", "SUMMARY:Run"},
        {"one instance", "a@example.org", "ola@icloud.com",
         ICLOUD("REQUEST",
                "RECURRENCE-ID;TZID=Europe/Berlin:20260212T100000\n"
                "DTSTART;TZID=Europe/Berlin:20260212T120000\n"
                "DTEND;TZID=Europe/Berlin:20260212T130000\nSUMMARY:Run\n" ICLOUD_ORG ICLOUD_A(
                    "NEEDS-ACTION") "DTSTAMP:20260101T081000Z\nSEQUENCE:1\n"),
         "applied", "20260212T120000"},
        {"nobody else may", "a@example.org", "eve@icloud.com",
         ICLOUD("CANCEL",
                "ORGANIZER;CN=Ola;EMAIL=eve@icloud.com:mailto:2_HEYTSNBSGM4DEMB@imip.me.com\n"
                "UID:6B5F5B7E-AD40-4F35-8B0C-2F3E0D1B7A11\nDTSTAMP:20260101T090000Z\n"
                "SEQUENCE:2\n"),
         "forged", "SUMMARY:Run"},
        {"cancelled", "a@example.org", "ola@icloud.com",
         ICLOUD("CANCEL", ICLOUD_ORG ICLOUD_A(
                              "NEEDS-ACTION") "DTSTART;TZID=Europe/"
                                              "Berlin:20260210T100000\nDTSTAMP:20260101T090000Z\n"
                                              "SEQUENCE:2\nSTATUS:CANCELLED\n"),
         "applied", "STATUS:CANCELLED"},
};

struct owner {
    const char *who;
    struct ical_comp *stored;
};

static struct owner *owner_of(struct owner *owners, size_t max, const char *who)
{
    for (size_t i = 0; i < max; i++) {
        if (owners[i].who == NULL)
            owners[i].who = who;
        if (strcmp(owners[i].who, who) == 0)
            return &owners[i];
    }
    abort();
}

static void hear(struct itip_t *t, const struct step *step, struct owner *owner)
{
    AUTO(buf) struct buf got = BUF(MIB);
    struct calendar_itip_policy policy = {0};
    struct calendar_itip_result result;
    struct ical_error error = {0};
    struct slice own = slice_str(step->who);

    t->world.own = &own;
    assert_int_equal(calendar_itip_incoming(&t->world, &policy, owner->stored,
                                            itip_t_object(t->arena, step->message),
                                            slice_str(step->sender), &result, &error),
                     ST_OK);
    buf_put(&got, slice_str(calendar_itip_verdict_name(result.verdict)));
    for (size_t i = 0; i < result.answers.count; i++)
        buf_putf(&got, ", %s %.*s", calendar_itip_method_name(result.answers.at[i].method),
                 SLICE_ARG(result.answers.at[i].recipient));
    printf("# %s\n", result.line.text);
    T_EQ_SLICE(buf_slice(&got), slice_str(step->want));
    if (result.store != NULL)
        owner->stored = result.store;
}

static void others_write_as_they_do(void **state)
{
    struct owner owners[6] = {{0}};
    struct itip_t t;

    itip_t_init(&t, "nobody@example.org");
    for (size_t i = 0; i < COUNT(steps); i++) {
        const struct step *step = &steps[i];
        struct owner *owner;
        bool not = step->store != NULL && step->store[0] == '!';

        T_ROW(i, step->name);
        if (step->name[0] == '=')
            memset(owners, 0, sizeof(owners));
        owner = owner_of(owners, COUNT(owners), step->who);
        if (step->sender != NULL) {
            hear(&t, step, owner);
        } else {
            owner->stored = itip_t_object(t.arena, step->message);
            ical_prop_remove_all(owner->stored, ICAL_METHOD);
        }
        if (step->store == NULL)
            continue;
        struct slice text = itip_t_text(t.arena, owner->stored, false);
        if ((slice_find_slice(text, slice_str(step->store + not )) == SIZE_MAX) != not ) {
            printf("# stored %.*s\n", SLICE_ARG(text));
            fail();
        }
    }
    itip_t_fini(&t);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_write_as_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
