#include "admin/admin_calendar.h"
#include "base/arena.h"
#include "calendar/calendar_availability.h"
#include "directory/directory.h"
#include "ical/ical_check.h"
#include "ical/ical_zone.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <string.h>

#define YEAR_S (INT64_C(366) * 86400)
#define INSTANCES_MAX 100000

static enum st need_calendar(struct admin_call *call)
{
    struct slice name;

    return admin_arg_need(call, "calendar", &name);
}

/* --- making, changing, removing --- */

struct changing {
    struct admin_calendar *of;
    struct slice wanted; /* the calendar's name */
    bool make;
    bool usual; /* invitations go there from now on */
    struct store_calendar calendar;
};

/* "#rrggbb", "#rrggbbaa" or a name of CSS. */
static bool color_ok(struct slice color)
{
    size_t letters = 0;

    if (color.len == 0)
        return true;
    for (size_t i = 0; i < color.len; i++) {
        unsigned char c = (unsigned char)color.ptr[i] | 0x20;

        if (color.ptr[0] == '#' && i > 0 && !((c >= 'a' && c <= 'f') || (c >= '0' && c <= '9')))
            return false;
        letters += c >= 'a' && c <= 'z';
    }
    return color.ptr[0] == '#' ? color.len == 7 || color.len == 9
                               : letters == color.len && color.len <= 30;
}

static enum st take_fields(struct changing *c)
{
    struct admin_call *call = c->of->call;

    if (admin_arg_has(call, "title"))
        c->calendar.title = admin_arg_text(call, "title");
    if (admin_arg_has(call, "color"))
        c->calendar.color = admin_arg_text(call, "color");
    if (!color_ok(c->calendar.color))
        return admin_refuse(call, ST_INVALID, "%.*s is no color; write #3a87ad or a name",
                            SLICE_ARG(c->calendar.color));
    return admin_arg_bool(call, "transparent", &c->calendar.transparent);
}

static enum st make(struct store_tx *tx, struct changing *c)
{
    struct admin_call *call = c->of->call;

    c->calendar = (struct store_calendar){.account_id = c->of->account.account_id,
                                          .name = c->wanted,
                                          .title = c->wanted,
                                          .created_ms = sys_now_ms(),
                                          .components = STORE_COMPONENTS_ALL};
    enum st st = take_fields(c);
    if (st == ST_OK)
        st = store_calendar_add(tx, &c->calendar, &c->calendar.calendar_id);
    if (st == ST_EXISTS)
        return admin_refuse(call, st, "%.*s has a calendar %.*s already", SLICE_ARG(c->of->name),
                            SLICE_ARG(c->wanted));
    if (st == ST_INVALID)
        return admin_refuse(call, st,
                            "a calendar's name has 1 to 255 bytes of UTF-8 without / and control "
                            "characters");
    return st;
}

static enum st set(struct store_tx *tx, struct changing *c)
{
    c->calendar = c->of->calendars[0];
    enum st st = take_fields(c);
    return st == ST_OK ? store_calendar_set(tx, &c->calendar) : st;
}

static enum st change_body(struct store_tx *tx, void *arg)
{
    struct changing *c = arg;
    struct admin_calendar *of = c->of;

    of->only = c->make ? SLICE("") : c->wanted;
    enum st st = admin_calendar_find_to_change(tx, of);
    if (st == ST_OK)
        st = c->make ? make(tx, c) : set(tx, c);
    if (st != ST_OK || !c->usual)
        return st;
    if (c->calendar.kind != STORE_CALENDAR_PLAIN)
        return admin_refuse(of->call, ST_INVALID, "an inbox holds messages, not events");
    of->settings.default_calendar_id = c->calendar.calendar_id;
    return store_calendar_account_set(tx, &of->settings);
}

static enum st change(struct admin_call *call, bool new)
{
    struct changing c = {.make = new, .wanted = admin_arg_text(call, "calendar")};
    enum st st = admin_calendar_new(call, NULL, &c.of);

    if (st == ST_OK)
        st = need_calendar(call);
    if (st == ST_OK)
        st = admin_arg_bool(call, "default", &c.usual);
    return st == ST_OK ? store_write(call->context->store, change_body, &c) : st;
}

enum st admin_calendar_make(struct admin_call *call)
{
    return change(call, true);
}

enum st admin_calendar_set(struct admin_call *call)
{
    return change(call, false);
}

static enum st remove_body(struct store_tx *tx, void *arg)
{
    struct admin_calendar *of = arg;
    enum st st = admin_calendar_find_to_change(tx, of);

    if (st != ST_OK)
        return st;
    if (of->calendars[0].kind != STORE_CALENDAR_PLAIN)
        return admin_refuse(of->call, ST_INVALID, "the inbox of invitations cannot be removed");
    st = store_calendar_remove(tx, &of->calendars[0]);
    if (st != ST_OK || of->settings.default_calendar_id != of->calendars[0].calendar_id)
        return st;
    of->settings.default_calendar_id = 0;
    return store_calendar_account_set(tx, &of->settings);
}

enum st admin_calendar_remove(struct admin_call *call)
{
    struct admin_calendar *of;
    enum st st = admin_calendar_new(call, "calendar", &of);

    if (st == ST_OK)
        st = need_calendar(call);
    return st == ST_OK ? store_write(call->context->store, remove_body, of) : st;
}

/* --- sharing --- */

struct sharing {
    struct admin_calendar *of;
    struct slice grantee;
    enum store_calendar_rights rights;
};

static enum st read_rights(struct admin_call *call, enum store_calendar_rights *rights_r)
{
    static const struct {
        const char *name;
        enum store_calendar_rights rights;
        bool one, all; /* of one calendar, of all of them */
    } words[] = {{"none", STORE_RIGHTS_NONE, true, true},
                 {"busy", STORE_RIGHTS_BUSY, true, true},
                 {"read", STORE_RIGHTS_READ, true, true},
                 {"write", STORE_RIGHTS_WRITE, true, true},
                 {"act", STORE_RIGHTS_ACT, false, true}};
    bool one = admin_arg_has(call, "calendar");
    struct slice said;
    enum st st = admin_arg_need(call, "rights", &said);

    for (size_t i = 0; st == ST_OK && i < COUNT(words); i++)
        if (slice_eq(said, slice_str(words[i].name)) && (one ? words[i].one : words[i].all)) {
            *rights_r = words[i].rights;
            return ST_OK;
        }
    return st != ST_OK
               ? st
               : admin_refuse(
                     call, ST_INVALID,
                     one ? "rights to a calendar are none, busy, read or write"
                         : "rights to an account's calendars are none, busy, read, write or act");
}

static bool is_all(struct slice grantee)
{
    return slice_eq(grantee, SLICE("*")) || slice_eq(grantee, SLICE(STORE_ANYONE));
}

/* Taking rights back from somebody who is gone must work. */
static enum st check_grantee(struct admin_call *call, const struct sharing *s)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct directory_found found;

    if (is_all(s->grantee) || s->rights == STORE_RIGHTS_NONE ||
        directory_find_name(directory, s->grantee, &found))
        return ST_OK;
    return admin_refuse(call, ST_NOT_FOUND, "%.*s is neither a person nor a group",
                        SLICE_ARG(s->grantee));
}

static enum st share_body(struct store_tx *tx, void *arg)
{
    const struct sharing *s = arg;
    enum st st = admin_calendar_find_to_change(tx, s->of);

    if (st != ST_OK)
        return st;
    bool one = s->of->only.len > 0;
    return store_calendar_grant(
        tx, &(struct store_calendar_grant){.account_id = s->of->account.account_id,
                                           .calendar_id = one ? s->of->calendars[0].calendar_id : 0,
                                           .grantee = s->grantee,
                                           .rights = s->rights});
}

enum st admin_calendar_share(struct admin_call *call)
{
    struct sharing s = {.rights = STORE_RIGHTS_NONE};
    enum st st = admin_calendar_new(call, "calendar", &s.of);

    if (st == ST_OK)
        st = admin_arg_need(call, "grantee", &s.grantee);
    if (st == ST_OK)
        st = read_rights(call, &s.rights);
    if (st != ST_OK)
        return st;
    if (slice_eq(s.grantee, SLICE(STORE_ANYONE)) && s.rights > STORE_RIGHTS_BUSY)
        return admin_refuse(call, ST_INVALID, "** (without a log-in too) can be given busy alone");
    if (!is_all(s.grantee))
        st = admin_arg_name(call, "grantee", &s.grantee);
    if (st == ST_OK)
        st = check_grantee(call, &s);
    return st == ST_OK ? store_write(call->context->store, share_body, &s) : st;
}

/* --- availability --- */

struct available {
    struct admin_calendar *of;
    const struct directory *directory;
    bool change;
    bool zone;
};

/* Whether the text says when somebody is available, and can be worked out. */
static enum st check_text(struct admin_call *call, struct slice text)
{
    struct arena *arena =
        arena_new("availability", 2 * ical_limits_arena_bytes(&ical_limits_default) + 64 * MIB);
    struct calendar_busy_row *rows;
    struct ical_error error = {0};
    struct ical_comp *comps;
    size_t count;
    int64_t now_s = sys_now_ms() / 1000;
    enum st st = ical_parse(arena, text, &ical_limits_default, &comps, &error);

    if (st == ST_OK && (comps->id != ICAL_VCALENDAR || comps->next != NULL ||
                        ical_comp_find(comps, ICAL_VAVAILABILITY) == NULL)) {
        ical_error_set(&error, comps->line, "it is not one VCALENDAR with a VAVAILABILITY");
        st = ST_INVALID;
    }
    if (st == ST_OK)
        st = ical_check(comps, ICAL_LENIENT, &error);
    if (st == ST_OK)
        st = calendar_availability(
            arena, comps, ical_tz_new(arena, comps, calendar_zones(call->context->calendar)), NULL,
            now_s, now_s + YEAR_S, INSTANCES_MAX, &rows, &count, &error);
    if (st != ST_OK)
        st = admin_refuse(call, ST_INVALID, "line %u: %s", error.line,
                          error.text[0] != '\0' ? error.text : "over a limit");
    arena_free(&arena);
    return st;
}

static enum st check_zone(struct admin_call *call)
{
    struct slice zone = admin_arg_text(call, "zone");

    if (zone.len == 0 || ical_zones_find(calendar_zones(call->context->calendar), zone) != NULL)
        return ST_OK;
    return admin_refuse(call, ST_INVALID, "nobody knows the zone %.*s; write Europe/Berlin",
                        SLICE_ARG(zone));
}

static enum st available_body(struct store_tx *tx, void *arg)
{
    struct available *a = arg;
    struct admin_call *call = a->of->call;

    if (!a->change)
        return admin_calendar_find(tx, a->of);
    enum st st = admin_calendar_find_to_change(tx, a->of);
    if (admin_arg_has(call, "text"))
        a->of->settings.availability = admin_arg_text(call, "text");
    if (a->zone)
        a->of->settings.zone = admin_arg_text(call, "zone");
    if (st == ST_OK)
        st = store_calendar_account_set(tx, &a->of->settings);
    if (st == ST_TOO_BIG)
        admin_refuse(call, st, "more than 64 KiB");
    if (st == ST_OK && a->zone)
        st = calendar_roll_account(a->of->calendar, a->directory, tx, a->of->arena,
                                   a->of->account.account_id, sys_now_ms());
    return st;
}

enum st admin_calendar_availability(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct available a = {.directory = directory, .zone = admin_arg_has(call, "zone")};
    struct store *store = call->context->store;
    struct slice text = admin_arg_text(call, "text");
    enum st st = admin_calendar_new(call, NULL, &a.of);

    a.change = a.zone || admin_arg_has(call, "text");
    if (st == ST_OK && text.len > 0)
        st = check_text(call, text);
    if (st == ST_OK && a.zone)
        st = check_zone(call);
    if (st == ST_OK)
        st = a.change ? store_write(store, available_body, &a)
                      : store_read(store, available_body, &a);
    if (st == ST_OK)
        call->reply = json_pack("{s:o, s:o}", "zone", admin_json_text(a.of->settings.zone), "text",
                                admin_json_text(a.of->settings.availability));
    return st;
}
