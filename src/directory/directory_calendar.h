/* directory_calendar.h: how a foreign system is asked for free time, as a foreign-domain document
 * says it. Pure.
 *
 *   calendar = ews https://mail.exchange.example/EWS/Exchange.asmx
 *   calendar = caldav https://dav.example/calendars/outbox/    (the scheduling outbox of the user
 * who logs in: RFC 6638 section 5) calendar = caldav https://dav.example/calendars/{local}/   (each
 * person's calendars or one of them: RFC 4791 section 7.10) calendar = ifb
 * https://www.example/freebusy/{local}.ifb    (a VFREEBUSY to fetch) calendar_user =
 * EXAMPLE\posthorse calendar_password = secret calendar_auth = ntlm (basic, ntlm or negotiate)
 *
 * The user of an outbox is the ORGANIZER of the requests: an address, or a name in the attendees'
 * domain. A password is sent by https alone, but to loopback.
 *
 *   calendar_impersonate = posthorse@exchange.example   (ews: whose rights count, where the user
 * has the role ApplicationImpersonation)
 *
 * In a URL {local}, {domain} and {address} stand for the attendee's address as the foreign system
 * writes it. */
#pragma once
#include "directory/directory_text.h"

/* The fields; the type has a member foreign. */
#define DIRECTORY_CALENDAR_FIELDS(type) \
    {"calendar", directory_calendar_take, offsetof(type, foreign.calendar)}, \
        {"calendar_user", directory_text_take, offsetof(type, foreign.calendar.user)}, \
        {"calendar_password", directory_text_take, offsetof(type, foreign.calendar.password)}, \
        {"calendar_impersonate", directory_text_take, \
         offsetof(type, foreign.calendar.impersonate)}, \
    { \
        "calendar_auth", directory_calendar_take_auth, offsetof(type, foreign.calendar.auth) \
    }
directory_take_fn directory_calendar_take;      /* struct directory_calendar: way and URL */
directory_take_fn directory_calendar_take_auth; /* enum directory_calendar_auth */
/* Before the first field is read. */
void directory_calendar_begin(struct directory_calendar *calendar);
/* Once all fields are read: what no line alone can be refused for. */
enum st directory_calendar_end(struct directory_reading *reading,
                               const struct directory_calendar *calendar);
