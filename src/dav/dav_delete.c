/* DELETE (RFC 4918 section 9.6). */
#include "dav/dav_put.h"

static enum st remove_calendar(struct store_tx *tx, void *arg)
{
    const struct dav_call *call = arg;
    struct store_calendar calendar;
    enum st st = store_calendar_get(tx, call->arena, call->target.calendar->calendar_id, &calendar);

    return st == ST_OK ? store_calendar_remove(tx, &calendar) : st;
}

enum st dav_method_delete(struct dav_call *call)
{
    if (call->target.event != NULL)
        return dav_delete_object(call);
    if (call->target.rights < DAV_RIGHTS_OWN)
        return dav_refuse_rights(call, &call->target.path, "unbind");
    enum st st = store_write(call->context->store, remove_calendar, call);
    if (st != ST_OK)
        return st;
    http_reply(call->request, 204, NULL, SLICE(""));
    return ST_OK;
}
