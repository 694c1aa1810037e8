#include "server/sandbox_calendar.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_put.h"
#include "directory/directory.h"
#include "ical/ical_time.h"
#include "server/sandbox_server.h"
#include "store/store.h"
#include "store/store_account.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX (64 * KIB)
#define PERSON(name) "mailto:" name "@example.test"

/* Days are counted from today, those of series from the Monday of this week. */
static const struct sample {
    const char *owner;
    const char *uid;
    const char *summary;
    int day;
    int hour, minutes; /* 0: all of the day */
    bool weekly;
    const char *more;
} samples[] = {
    {"alice", "stand-up", "Stand-up", -28, 9, 15, true,
     "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\r\nLOCATION:Kitchen\r\n"},
    {"alice", "dentist", "Dentist", 2, 15, 60, false, "CLASS:PRIVATE\r\n"},
    {"alice", "workshop", "Workshop", 3, 13, 180, false,
     "STATUS:TENTATIVE\r\nLOCATION:Library\r\n"},
    {"alice", "away", "Hiking", 5, 0, 0, false, "X-MICROSOFT-CDO-BUSYSTATUS:OOF\r\n"},
    {"bob", "lunch", "Lunch with Carol", 0, 12, 60, false, "TRANSP:TRANSPARENT\r\n"},
    {"bob", "focus", "No meetings", -21, 14, 120, true, "RRULE:FREQ=WEEKLY;BYDAY=TU,TH\r\n"},
    {"bob", "fair", "Fair", 4, 0, 0, false, "TRANSP:TRANSPARENT\r\n"},
    {"room-1", "board", "Board", -14, 13, 120, true, "RRULE:FREQ=WEEKLY;BYDAY=WE\r\n"},
    {"room-1", "paint", "Painting", 3, 8, 240, false, ""},
    {"alice", "plan", "Plan of the year", 1, 10, 90, false,
     "LOCATION:Room 1\r\nORGANIZER:" PERSON("alice") "\r\nATTENDEE;PARTSTAT=ACCEPTED:" PERSON(
         "alice") "\r\nATTENDEE;RSVP=TRUE:" PERSON("bob") "\r\n"
                                                          "ATTENDEE;CUTYPE=ROOM;RSVP=TRUE:" PERSON(
                                                              "room-1") "\r\n"},
    {"carol", "train", "Train to Ulm", 1, 8, 180, false, "LOCATION:Platform 3\r\n"},
    {"carol", "choir", "Choir", -21, 17, 60, true, "RRULE:FREQ=WEEKLY;BYDAY=MO,TH\r\n"},
    {"user", "plant", "Tour of the plant", 1, 9, 120, false, ""},
    {"user", "call", "Call", -28, 13, 30, true, "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR\r\n"},
    {"gina", "offer", "Offer", 1, 14, 90, false, "STATUS:TENTATIVE\r\n"},
    {"gina", "leave", "On leave", 3, 0, 0, false, "X-MICROSOFT-CDO-BUSYSTATUS:OOF\r\n"},
};

struct furnishing {
    const struct sandbox_server *server;
    struct calendar *calendar;
    const struct directory_person *owner;
    struct arena *arena;
    int64_t now_ms;
    bool fresh; /* the account had no calendars */
    int64_t calendar_id;
};

static void write_time(int64_t local_s, bool day, struct buf *out)
{
    ical_time_write((struct ical_time){local_s, day ? ICAL_DATE : ICAL_UTC, NULL}, out);
}

static void write_sample(const struct furnishing *f, const struct sample *sample, struct buf *out)
{
    bool whole = sample->minutes == 0;
    int32_t today = ical_day_of(f->now_ms / 1000);
    int64_t day = (sample->weekly ? today - (int32_t)ical_weekday(today) : today) + sample->day;

    buf_putf(out,
             "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Posthorse//Sandbox//EN\r\n"
             "BEGIN:VEVENT\r\nUID:%s-%s@%s\r\nSUMMARY:%s\r\nDTSTAMP:",
             sample->uid, sample->owner, f->server->domain, sample->summary);
    write_time(f->now_ms / 1000, false, out);
    buf_putf(out, "\r\nDTSTART%s:", whole ? ";VALUE=DATE" : "");
    write_time(day * ICAL_DAY_S + sample->hour * INT64_C(3600), whole, out);
    if (whole)
        buf_put(out, SLICE("\r\nDURATION:P1D\r\n"));
    else
        buf_putf(out, "\r\nDURATION:PT%dM\r\n", sample->minutes);
    buf_putf(out, "%sEND:VEVENT\r\nEND:VCALENDAR\r\n", sample->more);
}

static enum st put(struct furnishing *f, const struct sample *sample)
{
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);
    char name[100];

    write_sample(f, sample, &text);
    snprintf(name, sizeof(name), "%s-%s.ics", sample->uid, sample->owner);
    struct calendar_put event = {.owner = f->owner,
                                 .calendar_id = f->calendar_id,
                                 .name = slice_str(name),
                                 .body = buf_slice(&text),
                                 .now_ms = f->now_ms};
    return calendar_put(f->calendar, &event);
}

static enum st look_body(struct store_tx *tx, void *arg)
{
    struct furnishing *f = arg;
    int64_t account_id = f->owner->account_id;
    struct store_calendar *calendars;
    struct store_calendar calendar;
    size_t count = 0;

    arena_reset(f->arena);
    enum st st = store_calendar_list(tx, f->arena, account_id, &calendars, &count);
    f->fresh = count == 0;
    if (st == ST_OK)
        st = calendar_ensure(tx, f->arena, account_id, f->now_ms);
    if (st == ST_OK)
        st = store_calendar_find(tx, f->arena, account_id, SLICE("calendar"), &calendar);
    f->calendar_id = st == ST_OK ? calendar.calendar_id : 0;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Where several servers are a domain, who is invited is on another one. */
static enum st furnish_person(struct furnishing *f)
{
    enum st st = store_write(calendar_store(f->calendar), look_body, f);

    for (size_t i = 0; st == ST_OK && f->fresh && i < COUNT(samples); i++)
        if (strcmp(samples[i].owner, f->owner->name) == 0 &&
            (!f->server->cluster || strstr(samples[i].more, "ATTENDEE") == NULL))
            st = put(f, &samples[i]);
    return st;
}

struct finding {
    struct slice name;
    struct store_account account;
};

static enum st find_body(struct store_tx *tx, void *arg)
{
    struct finding *finding = arg;
    enum st st = store_account_find(tx, finding->name, &finding->account);

    if (st == ST_NOT_FOUND)
        finding->account.account_id = 0;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* Whoever has an account here; a server that just joined a domain may have no documents yet. */
static enum st furnish_account(struct furnishing *f, const struct directory *directory,
                               const char *name)
{
    struct finding finding = {.name = slice_str(name)};
    struct directory_person alone = {.name = name, .full_name = ""};
    enum st st = store_read(calendar_store(f->calendar), find_body, &finding);

    alone.account_id = finding.account.account_id;
    if (st != ST_OK || alone.account_id == 0)
        return st;
    f->owner = directory_login(directory, finding.name);
    if (f->owner == NULL || f->owner->account_id == 0)
        f->owner = &alone;
    return furnish_person(f);
}

enum st sandbox_calendar_furnish(struct calendar *calendar, void *ctx)
{
    /* Who is invited first, so that an invitation is not what makes the calendars. */
    static const char *const names[] = {"bob", "room-1", "alice", "carol", "user", "gina"};
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct furnishing f = {.server = ctx, .calendar = calendar, .now_ms = sys_now_ms()};
    enum st st = ST_OK;

    f.arena = arena_new("sandbox calendars", MIB);
    for (size_t i = 0; st == ST_OK && i < COUNT(names); i++)
        st = furnish_account(&f, directory, names[i]);
    arena_free(&f.arena);
    return st;
}
