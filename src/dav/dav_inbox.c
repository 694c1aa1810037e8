/* What an account's owner says of it on the scheduling inbox: where invitations go, and when he is
 * to be had (RFC 6638 section 9.2, RFC 7953 section 7.2.4). */
#include "dav/dav_prop.h"
#include "ical/ical.h"
#include "ical/ical_check.h"

struct choosing {
    const struct dav_call *call;
    const struct dav_resource *inbox;
    struct store_calendar calendar;
    bool found;
};

/* The named one, else the first: where calendar_arrive.c puts an invitation. */
static enum st choose(struct store_tx *tx, void *arg)
{
    struct choosing *choosing = arg;
    struct arena *arena = choosing->call->arena;
    struct store_calendar_account account;
    struct store_calendar *list = NULL;
    size_t count = 0;
    int64_t account_id = choosing->inbox->person->account_id;
    enum st st = store_calendar_account_get(tx, arena, account_id, &account);

    if (st == ST_OK)
        st = store_calendar_list(tx, arena, account_id, &list, &count);
    choosing->found = false;
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (list[i].kind == STORE_CALENDAR_PLAIN &&
            (!choosing->found || list[i].calendar_id == account.default_calendar_id)) {
            choosing->calendar = list[i];
            choosing->found = true;
        }
    return st;
}

enum st dav_prop_schedule_default_calendar_url(const struct dav_call *call,
                                               const struct dav_resource *resource, struct buf *out)
{
    struct choosing choosing = {.call = call, .inbox = resource};
    struct dav_path path = resource->path;
    enum st st = store_read(call->context->store, choose, &choosing);

    if (st != ST_OK)
        return st;
    if (!choosing.found)
        return ST_NOT_FOUND;
    path.kind = DAV_KIND_CALENDAR;
    path.calendar = choosing.calendar.name;
    dav_href_write(&path, out);
    return ST_OK;
}

static enum st refuse(struct dav_setting *setting)
{
    setting->condition = "valid-schedule-default-calendar-URL";
    return ST_DENIED;
}

enum st dav_set_default_calendar(struct dav_setting *setting, const struct xml_element *element)
{
    const struct xml_element *href = xml_child(element, XML_DAV, "href");
    const struct dav_resource *inbox = &setting->call->target;
    struct store_calendar calendar;
    struct dav_path path;
    int64_t calendar_id = 0;

    if (element != NULL) {
        struct slice text = slice_trim(href != NULL ? href->text : SLICE(""));
        char *room = slice_cstr(setting->arena, text);

        text = dav_path_decode(room, text.len);
        if (dav_path_parse(text, &path) != ST_OK || path.kind != DAV_KIND_CALENDAR ||
            !slice_eq(path.person, inbox->path.person))
            return refuse(setting);
        enum st st = store_calendar_find(setting->tx, setting->arena, inbox->person->account_id,
                                         path.calendar, &calendar);
        if (st != ST_OK)
            return refuse(setting);
        calendar_id = calendar.calendar_id;
    }
    setting->account->default_calendar_id = calendar_id;
    setting->account_changed = true;
    return ST_OK;
}

/* --- availability --- */

static enum st write_availability(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out);

enum st dav_prop_calendar_availability(const struct dav_call *call,
                                       const struct dav_resource *resource, struct buf *out)
{
    return write_availability(call, resource, out);
}

enum st dav_prop_cs_calendar_availability(const struct dav_call *call,
                                          const struct dav_resource *resource, struct buf *out)
{
    return write_availability(call, resource, out);
}

struct loading {
    const struct dav_call *call;
    int64_t account_id;
    struct store_calendar_account account;
};

static enum st load(struct store_tx *tx, void *arg)
{
    struct loading *loading = arg;

    return store_calendar_account_get(tx, loading->call->arena, loading->account_id,
                                      &loading->account);
}

static enum st write_availability(const struct dav_call *call, const struct dav_resource *resource,
                                  struct buf *out)
{
    struct loading loading = {.call = call, .account_id = resource->person->account_id};
    enum st st = store_read(call->context->store, load, &loading);

    if (st != ST_OK)
        return st;
    if (loading.account.availability.len == 0)
        return ST_NOT_FOUND;
    xml_write_text(out, loading.account.availability);
    return ST_OK;
}

/* One VCALENDAR with nothing but VAVAILABILITYs and VTIMEZONEs. */
static bool is_availability(struct slice text)
{
    struct ical_limits limits = ical_limits_default;
    struct ical_comp *calendar = NULL;
    struct ical_error error;
    bool any = false;

    limits.bytes_max = STORE_CALENDAR_TEXT_BYTES_MAX;
    limits.lines_max = STORE_CALENDAR_TEXT_BYTES_MAX / 4;
    limits.params_max = STORE_CALENDAR_TEXT_BYTES_MAX / 4;
    struct arena *arena = arena_new("availability", 2 * ical_limits_arena_bytes(&limits));
    bool is = ical_parse(arena, text, &limits, &calendar, &error) == ST_OK &&
              calendar->id == ICAL_VCALENDAR && calendar->next == NULL &&
              ical_check(calendar, ICAL_LENIENT, &error) == ST_OK;
    for (const struct ical_comp *comp = is ? calendar->comps : NULL; comp != NULL;
         comp = comp->next) {
        any |= comp->id == ICAL_VAVAILABILITY;
        is &= comp->id == ICAL_VAVAILABILITY || comp->id == ICAL_VTIMEZONE;
    }
    arena_free(&arena);
    return is && any;
}

enum st dav_set_availability(struct dav_setting *setting, const struct xml_element *element)
{
    struct slice text = element != NULL ? slice_trim(element->text) : SLICE("");

    if (text.len > STORE_CALENDAR_TEXT_BYTES_MAX)
        return ST_TOO_BIG;
    if (element != NULL && !is_availability(text)) {
        setting->condition = "valid-calendar-data";
        return ST_DENIED;
    }
    setting->account->availability = text;
    setting->account_changed = true;
    return ST_OK;
}
