/* PROPPATCH (RFC 4918 section 9.2), and the same lists in MKCALENDAR and MKCOL. */
#include "calendar/calendar.h"
#include "dav/dav_acl.h"
#include "dav/dav_multistatus.h"
#include "dav/dav_prop.h"
#include "sys/sys_time.h"

#define PROPSTATS_BYTES_MAX (1 * MIB)

struct change {
    struct change *next;
    const struct xml_element *element;
    const char *condition; /* CALDAV's, of what was refused */
    enum st st;
};

/* Whether the resource has the property at all. */
static bool fits(const struct dav_setting *setting, const struct dav_prop *prop)
{
    enum dav_kind kind =
        setting->call != NULL ? setting->call->target.path.kind : DAV_KIND_CALENDAR;

    return (prop->kinds & (1u << kind)) != 0 &&
           (setting->calendar != NULL || kind == DAV_KIND_PROXY);
}

static enum st apply(struct dav_setting *setting, const struct xml_element *element, bool value)
{
    const struct dav_prop *prop = dav_prop_find(element);

    if (prop == NULL && setting->calendar == NULL)
        return ST_DENIED;
    if (prop == NULL)
        return dav_dead_set(setting, element, value);
    return prop->set != NULL && fits(setting, prop) ? prop->set(setting, value ? element : NULL)
                                                    : ST_DENIED;
}

static struct change *apply_all(struct dav_setting *setting, const struct xml_element *element)
{
    struct change *first = NULL, **end = &first;
    const struct xml_element *part = element != NULL ? element->children : NULL;

    for (; part != NULL; part = part->next) {
        bool value = xml_is(part, XML_DAV, "set");
        const struct xml_element *prop = xml_child(part, XML_DAV, "prop");

        if (!value && !xml_is(part, XML_DAV, "remove"))
            continue;
        for (prop = prop != NULL ? prop->children : NULL; prop != NULL; prop = prop->next) {
            struct change *change = arena_one(setting->arena, struct change);

            change->element = prop;
            setting->condition = NULL;
            change->st = apply(setting, prop, value);
            change->condition = setting->condition;
            *end = change;
            end = &change->next;
        }
    }
    return first;
}

static void write_propstat(const struct change *change, bool all_taken, struct buf *out)
{
    static const struct {
        const char *status;
        const char *condition;
    } rows[] = {
        [ST_OK] = {"HTTP/1.1 200 OK", NULL},
        [ST_AGAIN] = {"HTTP/1.1 424 Failed Dependency", NULL},
        [ST_INVALID] = {"HTTP/1.1 409 Conflict", NULL},
        [ST_TOO_BIG] = {"HTTP/1.1 507 Insufficient Storage", NULL},
        [ST_DENIED] = {"HTTP/1.1 403 Forbidden", "cannot-modify-protected-property"},
    };
    enum st st = change->st == ST_OK && !all_taken ? ST_AGAIN : change->st;

    assert(st <= ST_DENIED);
    xml_write_open(out, XML_DAV, "propstat");
    xml_write_open(out, XML_DAV, "prop");
    xml_write_empty_name(out, change->element->uri, change->element->name);
    xml_write_close(out, XML_DAV, "prop");
    xml_write_text_in(out, XML_DAV, "status", slice_str(rows[st].status));
    if (rows[st].condition != NULL || change->condition != NULL) {
        xml_write_open(out, XML_DAV, "error");
        if (change->condition != NULL)
            xml_write_empty(out, XML_CALDAV, change->condition);
        else
            xml_write_empty(out, XML_DAV, rows[st].condition);
        xml_write_close(out, XML_DAV, "error");
    }
    xml_write_close(out, XML_DAV, "propstat");
}

enum st dav_props_change(struct dav_setting *setting, const struct xml_element *element,
                         struct buf *propstats)
{
    const struct change *changes = apply_all(setting, element);
    enum st st = ST_OK;

    for (const struct change *change = changes; change != NULL; change = change->next)
        if (change->st != ST_OK)
            st = change->st;
    for (const struct change *change = changes; change != NULL; change = change->next)
        write_propstat(change, st == ST_OK, propstats);
    return propstats->over ? ST_TOO_BIG : st;
}

/* --- PROPPATCH --- */

struct patching {
    struct dav_call *call;
    struct store_calendar calendar;
    struct buf propstats;
    bool taken;
};

/* Days and floating times are other ones where the zone is. */
static enum st set_calendar(struct store_tx *tx, const struct dav_setting *setting)
{
    const struct store_calendar *before = setting->call->target.calendar;
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    enum st st = store_calendar_set(tx, setting->calendar);

    if (st != ST_OK || slice_eq(before->zone, setting->calendar->zone))
        return st;
    return calendar_roll_account(setting->call->context->calendar, directory, tx,
                                 setting->call->arena, setting->calendar->account_id, sys_now_ms());
}

static enum st store(struct store_tx *tx, const struct dav_setting *setting)
{
    enum st st = ST_OK;

    if (setting->calendar != NULL)
        st = set_calendar(tx, setting);
    if (st == ST_OK && setting->account_changed)
        st = store_calendar_account_set(tx, setting->account);
    if (st == ST_OK && setting->delegates != NULL)
        st = dav_delegates_store(tx, setting->call->arena, &setting->call->target,
                                 setting->delegates);
    return st;
}

static enum st patch(struct store_tx *tx, void *arg)
{
    struct patching *patching = arg;
    struct dav_call *call = patching->call;
    const struct store_calendar *before = call->target.calendar;
    struct store_calendar_account account;
    struct dav_setting setting = {.arena = call->arena, .call = call, .tx = tx};
    enum st st = ST_OK;

    buf_clear(&patching->propstats);
    if (before != NULL) {
        st = store_calendar_get(tx, call->arena, before->calendar_id, &patching->calendar);
        setting.calendar = &patching->calendar;
    }
    if (st == ST_OK && call->target.path.kind == DAV_KIND_INBOX) {
        st = store_calendar_account_get(tx, call->arena, before->account_id, &account);
        setting.account = &account;
    }
    if (st != ST_OK)
        return st;
    patching->taken = dav_props_change(&setting, call->xml, &patching->propstats) == ST_OK;
    return patching->taken ? store(tx, &setting) : ST_OK;
}

static void reply(struct dav_call *call, const struct patching *patching)
{
    AUTO(buf) struct buf out = BUF(2 * PROPSTATS_BYTES_MAX);

    xml_write_begin(&out, XML_DAV, "multistatus");
    xml_write_open(&out, XML_DAV, "response");
    dav_href_write(&call->target.path, &out);
    buf_put(&out, buf_slice(&patching->propstats));
    xml_write_close(&out, XML_DAV, "response");
    xml_write_close(&out, XML_DAV, "multistatus");
    http_reply(call->request, 207, DAV_XML_TYPE, buf_slice(&out));
}

enum st dav_method_proppatch(struct dav_call *call)
{
    struct patching patching = {.call = call};

    if (call->xml == NULL || !xml_is(call->xml, XML_DAV, "propertyupdate"))
        return dav_refuse(call, 400, XML_DAV, NULL, "The body must be a DAV:propertyupdate");
    buf_init(&patching.propstats, PROPSTATS_BYTES_MAX);
    enum st st = store_write(call->context->store, patch, &patching);
    if (st == ST_OK && patching.taken && dav_prefers(call, "return=minimal"))
        http_reply(call->request, 200, NULL, SLICE(""));
    else if (st == ST_OK)
        reply(call, &patching);
    buf_fini(&patching.propstats);
    return st;
}
