/* MKCALENDAR (RFC 4791 section 5.3.1) and MKCOL of a calendar (RFC 5689). */
#include "dav/dav_prop.h"
#include "sys/sys_time.h"

#define PROPSTATS_BYTES_MAX (1 * MIB)

struct making {
    struct dav_call *call;
    struct store_calendar calendar;
};

static enum st make(struct store_tx *tx, void *arg)
{
    struct making *making = arg;
    int64_t calendar_id;

    return store_calendar_add(tx, &making->calendar, &calendar_id);
}

/* A property that is not taken undoes all. */
static void refuse_props(struct dav_call *call, enum xml_ns ns, const char *root,
                         const struct buf *propstats)
{
    AUTO(buf) struct buf out = BUF(2 * PROPSTATS_BYTES_MAX);

    xml_write_begin(&out, ns, root);
    buf_put(&out, buf_slice(propstats));
    xml_write_close(&out, ns, root);
    http_reply(call->request, 424, DAV_XML_TYPE, buf_slice(&out));
}

static enum st make_calendar(struct dav_call *call, enum xml_ns ns, const char *root)
{
    AUTO(buf) struct buf propstats = BUF(PROPSTATS_BYTES_MAX);
    struct making making = {.call = call,
                            .calendar = {.account_id = call->target.person->account_id,
                                         .name = call->target.path.calendar,
                                         .created_ms = sys_now_ms(),
                                         .components = STORE_COMPONENTS_ALL}};
    struct dav_setting setting = {
        .arena = call->arena, .calendar = &making.calendar, .making = true};

    if (call->target.calendar != NULL)
        return dav_refuse(call, 405, XML_DAV, "resource-must-be-null", "It exists already");
    if (dav_props_change(&setting, call->xml, &propstats) != ST_OK) {
        refuse_props(call, ns, root, &propstats);
        return ST_OK;
    }
    enum st st = store_write(call->context->store, make, &making);
    if (st != ST_OK)
        return st;
    http_reply_header(call->request, "Cache-Control", "no-cache");
    http_reply(call->request, 201, NULL, SLICE(""));
    return ST_OK;
}

enum st dav_method_mkcalendar(struct dav_call *call)
{
    if (call->xml != NULL && !xml_is(call->xml, XML_CALDAV, "mkcalendar"))
        return dav_refuse(call, 400, XML_DAV, NULL, "The body must be a CALDAV:mkcalendar");
    return make_calendar(call, XML_CALDAV, "mkcalendar-response");
}

enum st dav_method_mkcol(struct dav_call *call)
{
    const struct xml_element *set = xml_child(call->xml, XML_DAV, "set");
    const struct xml_element *prop = NULL;

    if (call->xml != NULL && !xml_is(call->xml, XML_DAV, "mkcol"))
        return dav_refuse(call, 415, XML_DAV, NULL, "The body must be a DAV:mkcol");
    for (; set != NULL && prop == NULL; set = xml_again(set))
        prop = xml_child(xml_child(set, XML_DAV, "prop"), XML_DAV, "resourcetype");
    if (xml_child(prop, XML_CALDAV, "calendar") == NULL)
        return dav_refuse(call, 403, XML_DAV, "valid-resourcetype",
                          "Only calendars can be made here");
    return make_calendar(call, XML_DAV, "mkcol-response");
}
