/* sync-collection (RFC 6578 section 3.2): what changed in a calendar since a token. */
#include "dav/dav_report.h"
#include "dav/dav_tag.h"
#include "dav/dav_view.h"

struct sync {
    struct dav_call *call;
    struct slice token; /* "": from the beginning */
    uint64_t limit;     /* responses at most */
    struct dav_results *results;
    struct store_calendar calendar;
    struct dav_list gone;
    struct dav_list *noting;
    bool valid; /* the token is the calendar's */
    bool cut;   /* there is more */
    uint64_t modseq;
};

static enum st note(void *ctx, const struct store_event *event)
{
    struct sync *sync = ctx;
    struct dav_resource resource = sync->call->target;
    struct store_event *copy = arena_one(sync->call->arena, struct store_event);

    *copy = *event;
    copy->uid = copy->body = SLICE("");
    copy->name = resource.path.object = arena_copy(sync->call->arena, event->name);
    resource.path.kind = resource.path.kind == DAV_KIND_INBOX ? DAV_KIND_NOTICE : DAV_KIND_OBJECT;
    resource.event = copy;
    resource.masked = dav_mask(sync->call->arena, resource.rights, copy);
    dav_list_add(sync->call, sync->noting, &resource);
    return ST_OK;
}

/* Both lists are by modseq. The earlier limit of them become the results. */
static void merge(struct sync *sync, const struct dav_list *changed, const struct dav_list *gone)
{
    size_t c = 0;
    size_t g = 0;

    sync->modseq = sync->calendar.modseq;
    while (c < changed->count || g < gone->count) {
        bool is_gone = c == changed->count || (g < gone->count && gone->at[g].event->modseq <
                                                                      changed->at[c].event->modseq);
        struct dav_resource resource = is_gone ? gone->at[g++] : changed->at[c++];

        if (sync->results->list.count == sync->limit) {
            sync->cut = true;
            return;
        }
        if (sync->results->list.count + 1 == sync->limit)
            sync->modseq = resource.event->modseq;
        if (is_gone)
            resource.event = NULL;
        dav_list_add(sync->call, &sync->results->list, &resource);
    }
    sync->modseq = sync->calendar.modseq;
}

static enum st look(struct store_tx *tx, void *arg)
{
    struct sync *sync = arg;
    struct dav_call *call = sync->call;
    struct dav_list changed = {NULL, 0, 0};
    struct dav_list gone = {NULL, 0, 0};
    int64_t calendar_id = call->target.calendar->calendar_id;
    uint64_t since = 0;
    enum st st = store_calendar_get(tx, call->arena, calendar_id, &sync->calendar);

    sync->results->list.count = 0;
    sync->cut = false;
    if (st != ST_OK)
        return st;
    sync->valid =
        sync->token.len == 0 || dav_sync_token_read(sync->token, &sync->calendar, &since) == ST_OK;
    if (!sync->valid)
        return ST_OK;
    sync->noting = &changed;
    st = store_event_changed(tx, calendar_id, since, sync->limit + 1, note, sync);
    sync->noting = &gone;
    if (st == ST_OK && sync->token.len > 0) /* at first there is nothing to forget */
        st = store_event_gone(tx, calendar_id, since, sync->limit + 1, note, sync);
    if (st == ST_OK)
        merge(sync, &changed, &gone);
    return st;
}

static void write_tail(struct sync *sync)
{
    AUTO(buf) struct buf tail = BUF(4 * KIB);
    struct store_calendar as_told = sync->calendar;

    if (sync->cut)
        dav_status_write(&sync->call->target.path, "HTTP/1.1 507 Insufficient Storage",
                         "number-of-matches-within-limits", &tail);
    as_told.modseq = sync->modseq;
    xml_write_open(&tail, XML_DAV, "sync-token");
    dav_sync_token_write(&as_told, &tail);
    xml_write_close(&tail, XML_DAV, "sync-token");
    sync->results->tail = arena_copy(sync->call->arena, buf_slice(&tail));
}

/* False: replied. */
static bool read_request(struct sync *sync)
{
    struct dav_call *call = sync->call;
    const struct xml_element *token = xml_child(call->xml, XML_DAV, "sync-token");
    const struct xml_element *level = xml_child(call->xml, XML_DAV, "sync-level");
    const struct xml_element *limit = xml_child(call->xml, XML_DAV, "limit");
    const char *why = NULL;
    uint32_t depth;

    /* 1 was right in the drafts, and python3-caldav still sends it. */
    if (dav_depth(call, 0, &depth) != ST_OK || depth == DAV_INFINITY)
        why = "Depth must be 0; DAV:sync-level says how deep it goes";
    else if (token == NULL)
        why = "A DAV:sync-token is missing; the first one is empty";
    else if (level != NULL && !slice_eq(slice_trim(level->text), SLICE("1")) &&
             !slice_eq(slice_trim(level->text), SLICE("infinite")))
        why = "DAV:sync-level is 1 or infinite";
    else if (limit != NULL && (xml_child(limit, XML_DAV, "nresults") == NULL ||
                               slice_to_u64(slice_trim(xml_child(limit, XML_DAV, "nresults")->text),
                                            &sync->limit) != ST_OK ||
                               sync->limit == 0))
        why = "DAV:nresults is a number above 0";
    else if (dav_results_wants(call, call->xml, sync->results) != ST_OK)
        why = "A report asks for DAV:prop";
    else
        sync->token = slice_trim(token->text);
    if (sync->limit > DAV_RESULTS_MAX)
        sync->limit = DAV_RESULTS_MAX;
    return why == NULL || dav_refuse(call, 400, XML_DAV, NULL, why) != ST_OK;
}

enum st dav_report_sync(struct dav_call *call)
{
    struct sync sync = {.call = call,
                        .limit = DAV_RESULTS_MAX,
                        .results = arena_one(call->arena, struct dav_results)};
    enum st st = ST_OK;

    if (!read_request(&sync))
        return ST_OK;
    if (xml_child(xml_child(call->xml, XML_DAV, "prop"), XML_CALDAV, "calendar-data") != NULL)
        st = dav_view_begin(call, call->xml);
    if (st == ST_OK)
        st = store_read(call->context->store, look, &sync);
    if (st != ST_OK)
        return http_replied(call->request) ? ST_OK : st;
    if (!sync.valid)
        return dav_refuse(call, 403, XML_DAV, "valid-sync-token",
                          "The token is none of this calendar's; begin with an empty one");
    write_tail(&sync);
    return dav_results_reply(call, sync.results);
}
