/* Scheduling decided (RFC 5546, RFC 6638): tables of an object, a change or message, and what comes
 * of it. In texts "|" ends a line. */
#include "itip_t.h"
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_itip.h"
#include "ical/ical.h"

#define ORG "ORGANIZER:mailto:o@example.org\n"
#define OWN "ATTENDEE;PARTSTAT=ACCEPTED:mailto:o@example.org\n"
#define A(stat) "ATTENDEE;PARTSTAT=" stat ":mailto:a@example.org\n"
#define B(stat) "ATTENDEE;PARTSTAT=" stat ":mailto:b@example.org\n"
#define STAMP(s) "DTSTAMP:20260101T0000" s "Z\n"
#define EVENT "UID:1\nSUMMARY:Talk\nDTSTART:20260210T100000Z\nDTEND:20260210T110000Z\n" ORG
#define DAILY EVENT "RRULE:FREQ=DAILY;COUNT=5\n"
#define ONE(day, hour) \
    "UID:1\nSUMMARY:Talk\nRECURRENCE-ID:202602" day "T100000Z\nDTSTART:202602" day "T" hour \
    "0000Z\nDURATION:PT1H\n" ORG

struct change {
    const char *name, *who;
    const char *before, *after; /* NULL: none */
    const char *want;           /* "METHOD recipient" and, for each component, what is in it */
    const char *store;          /* something in what is stored */
};

static void put_messages(struct arena *arena, const struct calendar_itip_messages *messages,
                         struct buf *out)
{
    for (size_t i = 0; i < messages->count; i++) {
        const struct calendar_itip_message *message = &messages->at[i];

        buf_putf(out, "%s%s %.*s", i > 0 ? "; " : "", calendar_itip_method_name(message->method),
                 SLICE_ARG(slice_sub(message->recipient, 7, 1)));
        for (const struct ical_comp *comp = message->vcalendar->comps; comp != NULL;
             comp = comp->next) {
            struct slice id = ical_prop_value(comp, ICAL_RECURRENCE_ID);
            const struct ical_prop *attendee = ical_prop_find(comp, ICAL_ATTENDEE);

            if (comp->id == ICAL_VTIMEZONE)
                continue;
            buf_putf(out, " [%s#%.*s", id.len > 0 ? "" : "all",
                     SLICE_ARG(ical_prop_value(comp, ICAL_SEQUENCE)));
            if (id.len > 0)
                buf_putf(out, "@%.*s", SLICE_ARG(slice_sub(id, 6, 2)));
            for (const struct ical_prop *out_of = ical_prop_find(comp, ICAL_EXDATE); out_of != NULL;
                 out_of = ical_prop_next(out_of))
                buf_putf(out, "-%.*s", SLICE_ARG(slice_sub(out_of->value, 6, 2)));
            if (message->method == CALENDAR_ITIP_REPLY && attendee != NULL)
                buf_putf(out, " %.*s", SLICE_ARG(ical_param_text(attendee, "PARTSTAT")));
            buf_put(out, SLICE("]"));
        }
    }
}

static const struct change changes[] = {
    {"a new meeting is sent to all but the organizer", "o@example.org", NULL,
     EVENT OWN A("NEEDS-ACTION") B("NEEDS-ACTION"), "REQUEST a [all#]; REQUEST b [all#]",
     "DTSTAMP:20260101T000000Z"},
    {"an attendee who is there twice is asked once", "o@example.org", NULL,
     EVENT A("NEEDS-ACTION") A("NEEDS-ACTION"), "REQUEST a [all#]", ""},
    {"the address is known whatever its case, and by EMAIL", "MAILTO:O@Example.ORG", NULL,
     "UID:1\nDTSTART:20260210T100000Z\nORGANIZER;EMAIL=O@example.org:/p/o/\n" A("NEEDS-ACTION"),
     "REQUEST a [all#]", ""},
    {"no organizer: nothing is sent", "o@example.org", NULL,
     "UID:1\nDTSTART:20260210T100000Z\n" A("NEEDS-ACTION"), "", ""},
    {"SCHEDULE-AGENT=CLIENT and NONE are left to others", "o@example.org", NULL,
     EVENT "ATTENDEE;SCHEDULE-AGENT=CLIENT:mailto:a@example.org\n"
           "ATTENDEE;SCHEDULE-AGENT=none:mailto:b@example.org\n",
     "", ""},
    {"an organizer with SCHEDULE-AGENT=CLIENT hears of no answer", "a@example.org", NULL,
     "UID:1\nDTSTART:20260210T100000Z\n"
     "ORGANIZER;SCHEDULE-AGENT=CLIENT:mailto:o@example.org\n" A("ACCEPTED"),
     "", ""},
    {"another time: SEQUENCE goes up, answers are void", "o@example.org",
     EVENT A("ACCEPTED") STAMP("00"),
     "UID:1\nSUMMARY:Talk\nDTSTART:20260210T120000Z\nDTEND:20260210T130000Z\n" ORG A("ACCEPTED"),
     "REQUEST a [all#1]", "ATTENDEE;PARTSTAT=NEEDS-ACTION:"},
    {"another subject: answers stay, DTSTAMP is later though the clock is not", "o@example.org",
     EVENT A("ACCEPTED") STAMP("30"),
     "UID:1\nSUMMARY:Walk\nDTSTART:20260210T100000Z\nDTEND:20260210T110000Z\n" ORG A("ACCEPTED"),
     "REQUEST a [all#]", "DTSTAMP:20260101T000031Z"},
    {"the same in other words (DURATION, zone) is no change", "o@example.org",
     EVENT A("ACCEPTED") STAMP("00"),
     "UID:1\nSUMMARY:Talk\nDTSTART;TZID=Europe/Berlin:20260210T110000\nDURATION:PT1H\n" ORG
     "X-MOZ-LASTACK:20260101T000000Z\n" A("ACCEPTED"),
     "", "PARTSTAT=ACCEPTED"},
    {"FORCE-SEND sends what has not changed, and is not kept", "o@example.org",
     EVENT A("ACCEPTED") STAMP("00"),
     EVENT "ATTENDEE;PARTSTAT=ACCEPTED;SCHEDULE-FORCE-SEND=REQUEST:mailto:a@example.org\n",
     "REQUEST a [all#]", "ATTENDEE;PARTSTAT=ACCEPTED:"},
    {"who is taken off gets a CANCEL, the others nothing but the new list", "o@example.org",
     EVENT A("ACCEPTED") B("ACCEPTED") STAMP("00"), EVENT A("ACCEPTED"),
     "CANCEL b [all#0]; REQUEST a [all#]", ""},
    {"deleted: a CANCEL with a higher SEQUENCE", "o@example.org", EVENT A("ACCEPTED") STAMP("00"),
     NULL, "CANCEL a [all#1]", NULL},
    {"STATUS:CANCELLED is a CANCEL", "o@example.org", EVENT A("ACCEPTED") STAMP("00"),
     EVENT "STATUS:CANCELLED\n" A("ACCEPTED"), "CANCEL a [all#1]", ""},
    {"an instance falls out: a CANCEL of it alone", "o@example.org",
     DAILY A("ACCEPTED") STAMP("00"), DAILY "EXDATE:20260212T100000Z\n" A("ACCEPTED"),
     "CANCEL a [#1@12]", "PARTSTAT=ACCEPTED"},
    {"who attends one instance gets that; the others the series without it", "o@example.org", NULL,
     DAILY A("NEEDS-ACTION") "--\n" ONE("12", "15") B("NEEDS-ACTION"),
     "REQUEST a [all#-12]; REQUEST b [#@12]", ""},
    {"off the list of one instance: a CANCEL of it", "o@example.org",
     DAILY A("ACCEPTED") B("ACCEPTED") STAMP("00"),
     DAILY A("ACCEPTED") B("ACCEPTED") "--\n" ONE("12", "10") A("ACCEPTED"),
     "CANCEL b [#0@12]; REQUEST a [all#] [#@12]", ""},
    {"two organizers", "o@example.org", NULL,
     DAILY A("ACCEPTED") "--\nUID:1\nRECURRENCE-ID:20260212T100000Z\n"
                         "DTSTART:20260212T100000Z\nORGANIZER:mailto:b@example.org\n",
     "!same-organizer-in-all-components", NULL},
    {"an organizer cannot give the meeting away", "o@example.org", EVENT A("ACCEPTED"),
     "UID:1\nDTSTART:20260210T100000Z\nORGANIZER:mailto:a@example.org\n" A("ACCEPTED"),
     "!allowed-organizer-scheduling-object-change", NULL},
    {"an attendee answers", "a@example.org", EVENT "SEQUENCE:2\n" A("NEEDS-ACTION"),
     EVENT "SEQUENCE:7\nTRANSP:TRANSPARENT\n" A("ACCEPTED"), "REPLY o [all#2 ACCEPTED]",
     "SEQUENCE:2"},
    {"alarms and categories are the attendee's", "a@example.org", EVENT A("ACCEPTED"),
     EVENT A("ACCEPTED") "CATEGORIES:Work\nBEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM\n", "",
     "CATEGORIES:Work"},
    {"the time is not", "a@example.org", EVENT A("ACCEPTED"),
     "UID:1\nSUMMARY:Talk\nDTSTART:20260210T100000Z\nDTEND:20260210T120000Z\n" ORG A("ACCEPTED"),
     "!allowed-attendee-scheduling-object-change", NULL},
    {"nor the subject", "a@example.org", EVENT A("ACCEPTED"),
     "UID:1\nSUMMARY:Walk\nDTSTART:20260210T100000Z\nDTEND:20260210T110000Z\n" ORG A("ACCEPTED"),
     "!allowed-attendee-scheduling-object-change", NULL},
    {"nor who is invited", "a@example.org", EVENT A("ACCEPTED"), EVENT A("ACCEPTED") B("ACCEPTED"),
     "!allowed-attendee-scheduling-object-change", NULL},
    {"nor who organizes", "a@example.org", EVENT A("ACCEPTED"), "UID:1\nDTSTART:20260210T100000Z\n",
     "!allowed-attendee-scheduling-object-change", NULL},
    {"what others answered is put back", "a@example.org", EVENT A("ACCEPTED") B("DECLINED"),
     EVENT A("ACCEPTED") B("ACCEPTED"), "", "PARTSTAT=DECLINED:mailto:b"},
    {"an attendee answers one instance", "a@example.org", DAILY A("ACCEPTED"),
     DAILY A("ACCEPTED") "--\n" ONE("12", "10") A("DECLINED"), "REPLY o [#0@12 DECLINED]", ""},
    {"an instance under this-and-future is at its time", "a@example.org",
     DAILY A("ACCEPTED") "--\nUID:1\nSUMMARY:Talk\n"
                         "RECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z\nDTSTART:"
                         "20260212T150000Z\n"
                         "DURATION:PT1H\n" ORG A("ACCEPTED"),
     DAILY A("ACCEPTED") "--\nUID:1\nSUMMARY:Talk\n"
                         "RECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z\nDTSTART:"
                         "20260212T150000Z\n"
                         "DURATION:PT1H\n" ORG A("ACCEPTED") "--\n" ONE("13", "15") A("DECLINED"),
     "REPLY o [#0@13 DECLINED]", ""},
    {"and not at the series' time", "a@example.org",
     DAILY A("ACCEPTED") "--\nUID:1\nSUMMARY:Talk\n"
                         "RECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z\nDTSTART:"
                         "20260212T150000Z\n"
                         "DURATION:PT1H\n" ORG A("ACCEPTED"),
     DAILY A("ACCEPTED") "--\nUID:1\nSUMMARY:Talk\n"
                         "RECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z\nDTSTART:"
                         "20260212T150000Z\n"
                         "DURATION:PT1H\n" ORG A("ACCEPTED") "--\n" ONE("13", "10") A("DECLINED"),
     "!allowed-attendee-scheduling-object-change", NULL},
    {"an override that is left out keeps what was answered to it alone", "o@example.org",
     DAILY A("ACCEPTED")
         STAMP("00") "--\n" ONE("12", "10") "ATTENDEE;PARTSTAT=DECLINED;X-POSTHORSE-REPLIED="
                                            "20260101T000000Z:mailto:a@example.org\n" STAMP("00"),
     DAILY A("ACCEPTED"), "",
     "ATTENDEE;PARTSTAT=DECLINED;X-POSTHORSE-REPLIED=20260101T000000Z:mailto:a@example.org"},
    {"of this-and-future that is undone the times change back: it is asked for anew",
     "o@example.org",
     DAILY A("ACCEPTED") "--\nUID:1\nSUMMARY:Talk\n"
                         "RECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z\nDTSTART:"
                         "20260212T150000Z\n"
                         "DURATION:PT1H\n" ORG A("ACCEPTED"),
     DAILY A("ACCEPTED"), "REQUEST a [all#1] [#1@12]", "X-POSTHORSE-RESET:1"},
    {"where its times were those of the series it goes", "o@example.org",
     DAILY A("ACCEPTED") "--\nUID:1\nSUMMARY:Walk\n"
                         "RECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z\nDTSTART:"
                         "20260212T100000Z\n"
                         "DURATION:PT1H\n" ORG A("ACCEPTED"),
     DAILY A("ACCEPTED"), "REQUEST a [all#1]", ""},
    {"an attendee takes an instance out", "a@example.org", DAILY A("ACCEPTED"),
     DAILY "EXDATE:20260213T100000Z\n" A("ACCEPTED"), "REPLY o [#0@13 DECLINED]",
     "X-POSTHORSE-LEFT;X-POSTHORSE-ANSWERED=0;X-POSTHORSE-REPLIED=20260101T000000Z:"
     "20260213T100000Z"},
    {"an attendee deletes", "a@example.org", EVENT A("ACCEPTED"), NULL, "REPLY o [all#0 DECLINED]",
     NULL},
};

static void a_change_sends_what_it_should(void **state)
{
    for (size_t i = 0; i < COUNT(changes); i++) {
        const struct change *row = &changes[i];
        AUTO(buf) struct buf got = BUF(MIB);
        struct calendar_itip_sent sent;
        struct ical_error error = {0};
        struct itip_t t;
        enum st st;

        T_ROW(i, row->name);
        itip_t_init(&t, row->who);
        st = calendar_itip_outgoing(
            &t.world, row->before != NULL ? itip_t_object(t.arena, row->before) : NULL,
            row->after != NULL ? itip_t_object(t.arena, row->after) : NULL, &sent, &error);
        if (st == ST_DENIED)
            buf_putf(&got, "!%s", calendar_fault_element(sent.fault));
        else
            assert_int_equal(st, ST_OK);
        put_messages(t.arena, &sent.messages, &got);
        T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
        assert_true((sent.store == NULL) == (row->store == NULL));
        struct slice text = itip_t_text(t.arena, sent.store, false);
        if (row->store != NULL && slice_find_slice(text, slice_str(row->store)) == SIZE_MAX) {
            printf("# stored %.*s\n", SLICE_ARG(text));
            fail();
        }
        itip_t_fini(&t);
    }
}

struct message {
    const char *name, *who, *sender;
    const char *stored; /* NULL: none */
    const char *message;
    const char *want; /* the verdict, and " +inbox", " +hidden", answers */
    const char *store;
};

#define OUTLOOK \
    "BEGIN:VCALENDAR\nPRODID:-//Microsoft Corporation//Outlook 16.0 MIMEDIR//EN\nVERSION:2.0\n" \
    "METHOD:REQUEST\nX-MS-OLK-FORCEINSPECTOROPEN:TRUE\nBEGIN:VTIMEZONE\nTZID:W. Europe Standard " \
    "Time\nBEGIN:STANDARD\nDTSTART:16011028T030000\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\n" \
    "TZOFFSETFROM:+0200\nTZOFFSETTO:+0100\nEND:STANDARD\nBEGIN:DAYLIGHT\n" \
    "DTSTART:16010325T020000\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\nTZOFFSETFROM:+0100\n" \
    "TZOFFSETTO:+0200\nEND:DAYLIGHT\nEND:VTIMEZONE\nBEGIN:VEVENT\n" \
    "ATTENDEE;CN=\"A\";RSVP=TRUE:MAILTO:A@EXAMPLE.ORG\nCLASS:PUBLIC\n" \
    "DTEND;TZID=\"W. Europe Standard Time\":20260210T120000\n" \
    "DTSTART;TZID=\"W. Europe Standard Time\":20260210T110000\n" \
    "ORGANIZER;CN=\"O\":invalid:nomail\nSEQUENCE:\nUID:1\n" \
    "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE\nX-MICROSOFT-CDO-IMPORTANCE:1\n" \
    "BEGIN:VALARM\nTRIGGER:-PT15M\nACTION:DISPLAY\nEND:VALARM\nEND:VEVENT\nEND:VCALENDAR\n"

static const struct message messages[] = {
    {"RFC 5546 4.2.1: an invitation", "a@example.org", "o@example.org", NULL,
     "METHOD:REQUEST\n" EVENT A("NEEDS-ACTION") STAMP("00"), "applied +inbox", "SUMMARY:Talk"},
    {"an invitation in small letters, an alarm in it", "A@example.org", "O@EXAMPLE.org", NULL,
     "METHOD:request\n" EVENT "ATTENDEE;PARTSTAT=needs-action:MAILTO:a%40example.org\n" STAMP(
         "00") "BEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM\n",
     "applied +inbox", "UID:1\n"},
    {"Outlook's: empty SEQUENCE, no DTSTAMP, a Windows zone", "a@example.org", "invalid:nomail",
     NULL, OUTLOOK, "applied +inbox", "X-MICROSOFT-CDO-BUSYSTATUS:TENTATIVE"},
    {"twice", "a@example.org", "o@example.org", EVENT A("ACCEPTED") STAMP("00"),
     "METHOD:REQUEST\n" EVENT A("NEEDS-ACTION") STAMP("00"), "duplicate", NULL},
    {"older by DTSTAMP", "a@example.org", "o@example.org", EVENT A("ACCEPTED") STAMP("10"),
     "METHOD:REQUEST\n" EVENT A("NEEDS-ACTION") STAMP("00"), "stale", NULL},
    {"older by SEQUENCE, though later by DTSTAMP", "a@example.org", "o@example.org",
     EVENT "SEQUENCE:3\n" A("ACCEPTED") STAMP("00"),
     "METHOD:REQUEST\n" EVENT "SEQUENCE:2\n" A("NEEDS-ACTION") STAMP("30"), "stale", NULL},
    {"4.2.2: the answer stays where the time does; alarms and categories too", "a@example.org",
     "o@example.org",
     EVENT "ATTENDEE;PARTSTAT=ACCEPTED;X-POSTHORSE-ANSWERED=0:mailto:a@example.org\n"
           "CATEGORIES:Mine\n" STAMP("00") "BEGIN:VALARM\nTRIGGER:-PT5M\nEND:VALARM\n",
     "METHOD:REQUEST\nUID:1\nSUMMARY:Walk\nDTSTART:20260210T100000Z\nDURATION:PT1H\n" ORG
     "SEQUENCE:1\nCATEGORIES:Theirs\n" A("NEEDS-ACTION") STAMP("10"),
     "applied +inbox",
     "PARTSTAT=ACCEPTED;X-POSTHORSE-ANSWERED=0:mailto:a@example.org\nCATEGORIES:Mine"},
    {"and goes where it does not", "a@example.org", "o@example.org",
     EVENT "ATTENDEE;PARTSTAT=ACCEPTED;X-POSTHORSE-ANSWERED=0:mailto:a@example.org\n" STAMP("00"),
     "METHOD:REQUEST\nUID:1\nDTSTART:20260211T100000Z\n" ORG "SEQUENCE:1\n" A("NEEDS-ACTION")
         STAMP("10"),
     "applied +inbox", "ATTENDEE;PARTSTAT=NEEDS-ACTION:"},
    {"not invited", "c@example.org", "o@example.org", NULL,
     "METHOD:REQUEST\n" EVENT A("NEEDS-ACTION") STAMP("00"), "stranger", NULL},
    {"not from the organizer", "a@example.org", "b@example.org", EVENT A("ACCEPTED") STAMP("00"),
     "METHOD:REQUEST\n" EVENT "SEQUENCE:9\n" A("NEEDS-ACTION") STAMP("10"), "forged", NULL},
    {"SENT-BY in a change is nothing that the organizer said", "a@example.org", "b@example.org",
     EVENT A("ACCEPTED") STAMP("00"),
     "METHOD:CANCEL\nUID:1\nORGANIZER;SENT-BY=\"mailto:b@example.org\":mailto:o@example.org\n"
     "SEQUENCE:9\n" STAMP("10"),
     "forged", NULL},
    {"but it may invite", "a@example.org", "b@example.org", NULL,
     "METHOD:REQUEST\nUID:1\nDTSTART:20260210T100000Z\n"
     "ORGANIZER;SENT-BY=\"MAILTO:B@example.org\":mailto:o@example.org\n" A("NEEDS-ACTION")
         STAMP("00"),
     "applied +inbox", "SENT-BY"},
    {"another organizer", "a@example.org", "b@example.org", EVENT A("ACCEPTED") STAMP("00"),
     "METHOD:REQUEST\nUID:1\nDTSTART:20260210T100000Z\nORGANIZER:mailto:b@example.org\n"
     "SEQUENCE:9\n" A("NEEDS-ACTION") STAMP("10"),
     "forged", NULL},
    {"4.2.5: a delegate is invited by the one who delegates", "b@example.org", "a@example.org",
     NULL,
     "METHOD:REQUEST\n" EVENT
     "ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:b@example.org\":mailto:a@example.org\n"
     "ATTENDEE;DELEGATED-FROM=\"mailto:a@example.org\":mailto:b@example.org\n" STAMP("00"),
     "applied +inbox", "DELEGATED-FROM"},
    {"4.2.9: cancelled; it says no more than which", "a@example.org", "o@example.org",
     EVENT A("ACCEPTED") STAMP("00"), "METHOD:CANCEL\nUID:1\n" ORG "SEQUENCE:1\n" STAMP("10"),
     "applied +inbox", "STATUS:CANCELLED\nSUMMARY:Talk"},
    {"a CANCEL before its REQUEST is remembered, unseen", "a@example.org", "o@example.org", NULL,
     "METHOD:CANCEL\nUID:1\n" ORG "SEQUENCE:1\n" A("ACCEPTED") STAMP("10"), "applied +hidden",
     "X-POSTHORSE-HIDDEN:1"},
    {"and that REQUEST is stale then", "a@example.org", "o@example.org",
     "UID:1\n" ORG "SEQUENCE:1\nSTATUS:CANCELLED\nDTSTART:20260101T000010Z\n"
     "X-POSTHORSE-HIDDEN:1\n" STAMP("10"),
     "METHOD:REQUEST\n" EVENT A("NEEDS-ACTION") STAMP("00"), "stale", NULL},
    {"4.4.4: one instance is cancelled", "a@example.org", "o@example.org",
     DAILY A("ACCEPTED") STAMP("00"),
     "METHOD:CANCEL\nUID:1\nRECURRENCE-ID:20260212T100000Z\n" ORG "SEQUENCE:1\n" STAMP("10"),
     "applied +inbox", "DTSTART:20260212T100000Z\nORGANIZER:mailto:o@example.org\nRECURRENCE-ID"},
    {"4.4.6: this and the future", "a@example.org", "o@example.org",
     DAILY A("ACCEPTED") STAMP("00") "--\n" ONE("13", "15") A("ACCEPTED") STAMP("00"),
     "METHOD:CANCEL\nUID:1\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z\n" ORG
     "SEQUENCE:1\n" STAMP("10"),
     "applied +inbox", "RECURRENCE-ID;RANGE=THISANDFUTURE:20260212T100000Z"},
    {"4.4.3: one instance moves; its RECURRENCE-ID in another zone", "a@example.org",
     "o@example.org", DAILY A("ACCEPTED") STAMP("00"),
     "METHOD:REQUEST\nUID:1\nRECURRENCE-ID;TZID=Europe/Berlin:20260212T110000\n"
     "DTSTART:20260212T150000Z\n" ORG "SEQUENCE:1\n" A("NEEDS-ACTION") STAMP("10"),
     "applied +inbox", "RECURRENCE-ID;TZID=Europe/Berlin:20260212T110000"},
    {"an instance before its series", "a@example.org", "o@example.org",
     ONE("12", "15") "SEQUENCE:1\n" A("ACCEPTED") STAMP("10"),
     "METHOD:REQUEST\n" DAILY A("NEEDS-ACTION") STAMP("00"), "applied +inbox",
     "DTSTART:20260212T150000Z"},
    {"4.4.5: ADD makes an RDATE", "a@example.org", "o@example.org", DAILY A("ACCEPTED") STAMP("00"),
     "METHOD:ADD\nUID:1\nDTSTART:20260301T100000Z\nSUMMARY:More\n" ORG
     "SEQUENCE:1\n" A("NEEDS-ACTION") STAMP("10"),
     "applied +inbox", "RDATE:20260301T100000Z"},
    {"4.4.7: ADD to what is not there asks for it", "a@example.org", "o@example.org", NULL,
     "METHOD:ADD\nUID:1\nDTSTART:20260301T100000Z\n" ORG "SEQUENCE:1\n" A("NEEDS-ACTION")
         STAMP("10"),
     "unknown REFRESH o [all#]", NULL},
    {"PUBLISH", "a@example.org", "o@example.org", NULL, "METHOD:PUBLISH\n" EVENT STAMP("00"),
     "ignored", NULL},
    {"4.2.3: a reply, in small letters", "o@example.org", "A@example.org",
     EVENT A("NEEDS-ACTION") STAMP("00"),
     "METHOD:REPLY\nUID:1\n" ORG "ATTENDEE;PARTSTAT=accepted:MAILTO:A@Example.org\n" STAMP("10"),
     "applied +inbox",
     "PARTSTAT=ACCEPTED;SCHEDULE-STATUS=2.0;X-POSTHORSE-REPLIED=20260101T000010Z"},
    {"an older reply", "o@example.org", "a@example.org",
     EVENT "ATTENDEE;PARTSTAT=ACCEPTED;X-POSTHORSE-REPLIED=20260101T000010Z:mailto:"
           "a@example.org\n",
     "METHOD:REPLY\nUID:1\n" ORG A("DECLINED") STAMP("05"), "stale", NULL},
    {"a reply to the time before", "o@example.org", "a@example.org",
     EVENT "SEQUENCE:2\nX-POSTHORSE-RESET:2\n" A("NEEDS-ACTION") STAMP("10"),
     "METHOD:REPLY\nUID:1\nSEQUENCE:1\n" ORG A("ACCEPTED") STAMP("20"), "stale", NULL},
    {"a reply for somebody else", "o@example.org", "b@example.org",
     EVENT A("NEEDS-ACTION") B("NEEDS-ACTION"),
     "METHOD:REPLY\nUID:1\n" ORG A("DECLINED") STAMP("10"), "forged", NULL},
    {"a party crasher", "o@example.org", "b@example.org", EVENT A("NEEDS-ACTION"),
     "METHOD:REPLY\nUID:1\n" ORG B("ACCEPTED") STAMP("10"), "stranger", NULL},
    {"4.2.5: who delegates names another", "o@example.org", "a@example.org",
     EVENT A("NEEDS-ACTION"),
     "METHOD:REPLY\nUID:1\n" ORG "ATTENDEE;PARTSTAT=DELEGATED;DELEGATED-TO=\"mailto:"
     "b@example.org\":mailto:a@example.org\n" STAMP("10"),
     "applied +inbox",
     "ATTENDEE;DELEGATED-FROM=mailto:a@example.org;PARTSTAT=NEEDS-ACTION:mailto:b"},
    {"a reply to one instance makes an override", "o@example.org", "a@example.org",
     DAILY A("ACCEPTED") STAMP("00"),
     "METHOD:REPLY\nUID:1\nRECURRENCE-ID:20260213T100000Z\n" ORG A("DECLINED") STAMP("10"),
     "applied +inbox", "RECURRENCE-ID:20260213T100000Z"},
    {"a reply to an instance that is none", "o@example.org", "a@example.org",
     DAILY A("ACCEPTED") STAMP("00"),
     "METHOD:REPLY\nUID:1\nRECURRENCE-ID:20260213T103000Z\n" ORG A("DECLINED") STAMP("10"),
     "unknown", NULL},
    {"a reply to what is not there", "o@example.org", "a@example.org", NULL,
     "METHOD:REPLY\nUID:1\n" ORG A("ACCEPTED") STAMP("10"), "unknown", NULL},
    {"4.2.6: REFRESH is answered", "o@example.org", "a@example.org",
     EVENT A("ACCEPTED") STAMP("00"), "METHOD:REFRESH\nUID:1\n" ORG A("ACCEPTED") STAMP("10"),
     "noted REQUEST a [all#]", NULL},
    {"but not for strangers", "o@example.org", "b@example.org", EVENT A("ACCEPTED") STAMP("00"),
     "METHOD:REFRESH\nUID:1\n" ORG B("ACCEPTED") STAMP("10"), "stranger", NULL},
    {"4.2.4: COUNTER is for a person", "o@example.org", "a@example.org",
     EVENT A("ACCEPTED") STAMP("00"),
     "METHOD:COUNTER\nUID:1\nDTSTART:20260210T160000Z\n" ORG A("TENTATIVE") STAMP("10"),
     "noted +inbox", "X-POSTHORSE-COUNTERED=20260101T000010Z"},
    {"DECLINECOUNTER", "a@example.org", "o@example.org", EVENT A("ACCEPTED") STAMP("00"),
     "METHOD:DECLINECOUNTER\nUID:1\n" ORG STAMP("10"), "noted +inbox", NULL},
};

static void a_message_changes_what_it_should(void **state)
{
    for (size_t i = 0; i < COUNT(messages); i++) {
        const struct message *row = &messages[i];
        AUTO(buf) struct buf got = BUF(MIB);
        struct calendar_itip_policy policy = {0};
        struct calendar_itip_result result;
        struct ical_error error = {0};
        struct itip_t t;

        T_ROW(i, row->name);
        itip_t_init(&t, row->who);
        assert_int_equal(
            calendar_itip_incoming(
                &t.world, &policy, row->stored != NULL ? itip_t_object(t.arena, row->stored) : NULL,
                itip_t_object(t.arena, row->message), slice_str(row->sender), &result, &error),
            ST_OK);
        buf_putf(&got, "%s%s%s%s", calendar_itip_verdict_name(result.verdict),
                 result.inbox ? " +inbox" : "", result.hidden ? " +hidden" : "",
                 result.answers.count > 0 ? " " : "");
        put_messages(t.arena, &result.answers, &got);
        printf("# %s\n", result.line.text);
        T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
        struct slice text = itip_t_text(t.arena, result.store, false);
        if (row->store == NULL ? result.store != NULL
                               : slice_find_slice(text, slice_str(row->store)) == SIZE_MAX) {
            printf("# stored %.*s\n", SLICE_ARG(text));
            fail();
        }
        assert_true(slice_find_slice(text, SLICE("VALARM")) == SIZE_MAX || row->stored != NULL);
        itip_t_fini(&t);
    }
}

static void ten_thousand_attendees_share_one_text(void **state)
{
    AUTO(buf) struct buf text = BUF(8 * MIB);
    AUTO(buf) struct buf reply = BUF(MIB);
    struct calendar_itip_policy policy = {0};
    struct calendar_itip_sent sent;
    struct calendar_itip_result result;
    struct ical_error error = {0};
    struct itip_t t;

    itip_t_init(&t, "o@example.org");
    buf_put(&text, SLICE(DAILY));
    for (int i = 0; i < 10000; i++)
        buf_putf(&text, "ATTENDEE;PARTSTAT=NEEDS-ACTION:mailto:p%d@example.org\n", i);
    struct ical_comp *object = itip_t_object(t.arena, text.ptr);
    assert_int_equal(calendar_itip_outgoing(&t.world, NULL, object, &sent, &error), ST_OK);
    assert_int_equal(sent.messages.count, 10000);
    assert_ptr_equal(sent.messages.at[0].vcalendar, sent.messages.at[9999].vcalendar);
    object = sent.store;
    assert_int_equal(calendar_itip_outgoing(&t.world, object, NULL, &sent, &error), ST_OK);
    assert_int_equal(sent.messages.count, 10000);
    buf_put(&reply, SLICE("METHOD:REPLY\nUID:1\n" ORG
                          "ATTENDEE;PARTSTAT=ACCEPTED:mailto:p7777@example.org\n" STAMP("10")));
    assert_int_equal(calendar_itip_incoming(&t.world, &policy, object,
                                            itip_t_object(t.arena, reply.ptr),
                                            SLICE("p7777@example.org"), &result, &error),
                     ST_OK);
    assert_int_equal(result.verdict, CALENDAR_ITIP_APPLIED);
    itip_t_fini(&t);
}

static void a_series_that_cannot_be_held_becomes_instances(void **state)
{
    const struct calendar_itip_holds simple = {.rdate = true};
    const struct calendar_itip_holds all = {true, true, true, true};
    const struct ical_comp *out;
    struct ical_error error = {0};
    struct itip_t t;
    size_t count = 0;

    itip_t_init(&t, "o@example.org");
    struct ical_comp *object =
        itip_t_object(t.arena, DAILY "RDATE;VALUE=PERIOD:20260220T100000Z/PT3H\n" A("ACCEPTED"));
    assert_int_equal(
        calendar_itip_series(&t.world, object, &all, 0, INT64_C(1800000000), 100, &out, &error),
        ST_OK);
    assert_ptr_equal(out, object);
    assert_int_equal(
        calendar_itip_series(&t.world, object, &simple, 0, INT64_C(1800000000), 100, &out, &error),
        ST_OK);
    for (const struct ical_comp *comp = out->comps; comp != NULL; comp = comp->next)
        count++;
    assert_int_equal(count, 6);
    struct slice text = itip_t_text(t.arena, out, false);
    assert_true(slice_find_slice(text, SLICE("DTEND:20260220T130000Z")) != SIZE_MAX);
    assert_true(slice_find_slice(text, SLICE("RRULE")) == SIZE_MAX);
    assert_int_equal(
        calendar_itip_series(&t.world, object, &simple, 0, INT64_C(1800000000), 3, &out, &error),
        ST_TOO_BIG);
    itip_t_fini(&t);
}

static void principals_have_urls(void **state)
{
    static const struct {
        const char *address, *host, *name; /* name NULL: it is none */
    } rows[] = {
        {"/dav/principals/bob/", "", "bob"},
        {"/dav/principals/bob", "", "bob"},
        {"/dav/principals/Bob%40Example.org/", "", "bob@example.org"},
        {"https://mail.example.org/dav/principals/bob/", "mail.example.org", "bob"},
        {"HTTP://mail.example.org:8008/dav/principals/bob/", "mail.example.org:8008", "bob"},
        {"https:///dav/principals/bob/", NULL, NULL},
        {"https://mail.example.org/principals/bob/", NULL, NULL},
        {"/dav/principals/bob/calendar-proxy-read/", NULL, NULL},
        {"/dav/principals/", NULL, NULL},
        {"/dav/principals//", NULL, NULL},
        {"/dav/principals/a-name-that-is-too-long-for-the-room/", NULL, NULL},
        {"mailto:bob@example.org", NULL, NULL},
        {"urn:uuid:0f2a4a3c-9b5d-4a52-8f0e-0d8a5b1d2c3e", NULL, NULL},
        {"", NULL, NULL},
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice host, name;
        char room[20];
        bool is = calendar_address_principal(slice_str(rows[i].address), room, sizeof(room), &host,
                                             &name);

        T_ROW(i, rows[i].address);
        assert_int_equal(is, rows[i].name != NULL);
        if (!is)
            continue;
        T_EQ_SLICE(host, slice_str(rows[i].host));
        T_EQ_SLICE(name, slice_str(rows[i].name));
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(principals_have_urls),
        cmocka_unit_test(a_change_sends_what_it_should),
        cmocka_unit_test(a_message_changes_what_it_should),
        cmocka_unit_test(ten_thousand_attendees_share_one_text),
        cmocka_unit_test(a_series_that_cannot_be_held_becomes_instances),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
