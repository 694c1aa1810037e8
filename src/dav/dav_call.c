#include "dav/dav_call.h"

#include "base/mem.h"
#include "calendar/calendar_connector.h"
#include "conf/conf.h"
#include "dav/dav_view.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <string.h>

#define ARENA_BYTES_MAX (256 * MIB)
#define ALLOW_BYTES_MAX 1024
#define ERROR_BYTES_MAX (4 * KIB)

const struct dav_method dav_methods[] = {
#define THERE false
#define NEW true
#define DAV_METHOD(name, kinds, body, rights, new, handler) \
    {#name, kinds, DAV_BODY_##body, DAV_RIGHTS_##rights, new, dav_method_##handler},
#include "dav/dav_method.def"
#undef THERE
#undef NEW
};

/* What is true of every resource here (RFC 4918 section 10.1). */
#define CLASSES \
    "1, 3, access-control, extended-mkcol, calendar-access, calendar-auto-schedule, " \
    "calendar-availability, calendar-no-timezone, calendar-proxy"

/* --- life --- */

static struct dav_call *call_new(const struct dav_context *context, struct http_request *request)
{
    struct dav_call *call = mem_new(struct dav_call);

    call->context = context;
    call->request = request;
    call->arena = arena_new("dav", ARENA_BYTES_MAX);
    call->directory = directory_ref();
    call->begun_ms = sys_mono_ms();
    call->refs = 1;
    buf_init(&call->body, conf_get()->dav_xml_bytes_max);
    http_request_mine_set(request, call);
    return call;
}

struct dav_call *dav_call_ref(struct dav_call *call)
{
    call->refs++;
    return call;
}

void dav_call_unref(void *arg)
{
    struct dav_call *call = arg;

    if (--call->refs > 0)
        return;
    buf_fini(&call->body);
    dav_view_free(&call->view);
    calendar_connector_end(&call->lookup);
    directory_unref(&call->directory);
    arena_free(&call->arena);
    mem_free(call);
}

/* --- refusals --- */

enum st dav_refuse(struct dav_call *call, unsigned status, enum xml_ns ns, const char *condition,
                   const char *sentence)
{
    AUTO(buf) struct buf element = BUF(ERROR_BYTES_MAX);

    if (condition != NULL)
        xml_write_empty(&element, ns, condition);
    return dav_refuse_xml(call, status, buf_slice(&element), sentence);
}

enum st dav_refuse_rights(struct dav_call *call, const struct dav_path *path, const char *privilege)
{
    AUTO(buf) struct buf element = BUF(ERROR_BYTES_MAX);

    xml_write_open(&element, XML_DAV, "need-privileges");
    xml_write_open(&element, XML_DAV, "resource");
    dav_href_write(path, &element);
    xml_write_open(&element, XML_DAV, "privilege");
    xml_write_empty(&element, XML_DAV, privilege);
    xml_write_close(&element, XML_DAV, "privilege");
    xml_write_close(&element, XML_DAV, "resource");
    xml_write_close(&element, XML_DAV, "need-privileges");
    return dav_refuse_xml(call, 403, buf_slice(&element),
                          "This is not yours, and not shared with you for this");
}

enum st dav_refuse_xml(struct dav_call *call, unsigned status, struct slice condition_xml,
                       const char *sentence)
{
    AUTO(buf) struct buf out = BUF(2 * ERROR_BYTES_MAX);

    xml_write_begin(&out, XML_DAV, "error");
    buf_put(&out, condition_xml);
    xml_write_text_in(&out, XML_DAV, "responsedescription", slice_str(sentence));
    xml_write_close(&out, XML_DAV, "error");
    buf_put(&out, SLICE("\n"));
    count_add(COUNT_DAV_REFUSALS, 1);
    log_event(EV_DAV_REFUSED, 0, LOG_C("method", http_request_method(call->request)),
              LOG_C("path", http_request_path(call->request)),
              LOG_C("peer", http_request_peer(call->request)),
              LOG_C("name", call->me != NULL ? call->me->name : ""), LOG_U("status", status),
              LOG_S("condition", condition_xml), LOG_C("why", sentence));
    http_reply(call->request, status, DAV_XML_TYPE, buf_slice(&out));
    return ST_OK;
}

/* The status of an st for which nothing better is known, and its sentence. */
static enum st refuse_st(struct dav_call *call, enum st st)
{
    static const struct {
        unsigned status;
        const char *condition;
        const char *sentence;
    } rows[] = {
        [ST_OK] = {500, NULL, "Nothing was done"},
        [ST_AGAIN] = {503, NULL, "Try again"},
        [ST_INVALID] = {400, NULL, "The request makes no sense"},
        [ST_TOO_BIG] = {507, NULL, "The answer would be over a limit"},
        [ST_DENIED] = {403, "need-privileges", "This is not yours and not shared with you"},
        [ST_NOT_FOUND] = {404, NULL, "There is no such resource"},
        [ST_EXISTS] = {405, "resource-must-be-null", "It exists already"},
        [ST_CONFLICT] = {503, NULL, "Somebody else changed it meanwhile; try again"},
        [ST_FULL] = {507, "quota-not-exceeded", "The account is full"},
        [ST_IO] = {503, NULL, "The store failed; the server's log says why"},
    };
    static_assert(COUNT(rows) == ST_MAX, "each status has its answer");

    if (rows[st].status == 503)
        http_reply_header(call->request, "Retry-After", "5");
    return dav_refuse(call, rows[st].status, XML_DAV, rows[st].condition, rows[st].sentence);
}

static void refuse_method(struct dav_call *call, bool known)
{
    dav_refuse(call, known ? 405 : 501, XML_DAV, NULL,
               known ? "The method does not fit this resource; see Allow"
                     : "There is no such method here");
}

/* --- what may be done --- */

static void write_allow(enum dav_kind kind, struct buf *out)
{
    for (size_t i = 0; i < COUNT(dav_methods); i++)
        if ((dav_methods[i].kinds & (1u << kind)) != 0)
            buf_putf(out, "%s%s", out->len > 0 ? ", " : "", dav_methods[i].name);
}

static const struct dav_method *find_method(const char *name)
{
    for (size_t i = 0; i < COUNT(dav_methods); i++)
        if (strcmp(dav_methods[i].name, name) == 0)
            return &dav_methods[i];
    return NULL;
}

/* RFC 6764 section 5: any method is sent on to the root. */
static void redirect(struct http_request *request)
{
    http_reply_header(request, "Location", DAV_ROOT);
    http_reply(request, 301, NULL, SLICE(""));
}

static void add_headers(struct dav_call *call)
{
    AUTO(buf) struct buf allow = BUF(ALLOW_BYTES_MAX);

    http_reply_header(call->request, "DAV", CLASSES);
    write_allow(call->target.path.kind, &allow);
    if (call->method == NULL || (call->method->kinds & (1u << call->target.path.kind)) == 0 ||
        strcmp(call->method->name, "OPTIONS") == 0)
        http_reply_header(call->request, "Allow", allow.len > 0 ? allow.ptr : "OPTIONS");
}

/* Some of them are there for those, too, who do not log in. */
static bool needs_login(struct dav_call *call)
{
    return call->method->rights > DAV_RIGHTS_NOBODY &&
           (call->target.path.kind != DAV_KIND_FREEBUSY ||
            http_request_header(call->request, "Authorization") != NULL);
}

/* The one place that decides whether the request is legal. False: replied. */
static bool guard(struct dav_call *call)
{
    struct slice path = arena_copy(call->arena, slice_str(http_request_path(call->request)));
    enum st st = dav_path_parse(path, &call->target.path);
    bool whole = strcmp(http_request_path(call->request), "*") == 0;

    if (whole) /* RFC 9110 section 9.3.7 */
        call->target.path.kind = DAV_KIND_ROOT;
    add_headers(call);
    if (call->method == NULL)
        refuse_method(call, false);
    else if (needs_login(call) && !dav_auth(call, call->context->auth))
        return false;
    else if (st == ST_INVALID)
        dav_refuse(call, 400, XML_DAV, NULL, "No resource can have such a path");
    else if (st != ST_OK && !whole)
        refuse_st(call, st);
    else if ((call->method->kinds & (1u << call->target.path.kind)) == 0)
        refuse_method(call, true);
    else
        return true;
    return false;
}

void dav_call_begin(void *ctx, struct http_request *request)
{
    struct dav_path path;

    count_add(COUNT_DAV_REQUESTS, 1);
    if (dav_path_parse(slice_str(http_request_path(request)), &path) == ST_OK &&
        path.kind == DAV_KIND_WELL_KNOWN) {
        redirect(request);
        return;
    }
    struct dav_call *call = call_new(ctx, request);
    call->method = find_method(http_request_method(request));
    if (!guard(call))
        return;
    if (call->method->body == DAV_BODY_DATA)
        call->body.bytes_max = conf_get()->calendar_object_bytes_max;
    http_request_body_max(request, UINT64_MAX); /* http_request_gather() looks */
}

void dav_call_upload(void *ctx, struct http_request *request, struct slice bytes)
{
    struct dav_call *call = http_request_mine(request);

    if (http_request_gather(request, bytes, &call->body))
        return;
    if (call->method->body == DAV_BODY_DATA)
        dav_refuse(call, 403, XML_CALDAV, "max-resource-size", "The object is too long");
    else
        dav_refuse(call, 413, XML_DAV, NULL, "The request's body is too long");
}

/* --- the body is in --- */

static bool read_xml(struct dav_call *call)
{
    struct xml_limits limits = xml_limits_default;
    struct xml_error error;

    if (call->body.len == 0)
        return true;
    if (call->method->body == DAV_BODY_NONE) {
        dav_refuse(call, 415, XML_DAV, NULL, "This method takes no body");
        return false;
    }
    limits.bytes_max = conf_get()->dav_xml_bytes_max;
    enum st st = xml_parse(call->arena, buf_slice(&call->body), &limits, &call->xml, &error);
    if (st == ST_OK)
        return true;
    AUTO(buf) struct buf why = BUF(KIB);
    buf_putf(&why, "Line %u: %s", error.line, error.text);
    dav_refuse(call, st == ST_TOO_BIG ? 413 : 400, XML_DAV, NULL, why.ptr);
    return false;
}

/* What the method wants of the resource must be so. */
static enum st find_target(struct dav_call *call)
{
    static const char *const privileges[] = {
        [DAV_RIGHTS_NOBODY] = "read", [DAV_RIGHTS_BUSY] = "read",   [DAV_RIGHTS_SEE] = "read",
        [DAV_RIGHTS_READ] = "read",   [DAV_RIGHTS_WRITE] = "write", [DAV_RIGHTS_ACT] = "write",
        [DAV_RIGHTS_OWN] = "all",
    };
    enum st st = dav_resource_find(call, &call->target.path, &call->target);

    if (st != ST_OK)
        return st;
    if (call->target.rights < call->method->rights)
        return dav_refuse_rights(call, &call->target.path, privileges[call->method->rights]);
    return dav_resource_is(&call->target) || call->method->may_be_new ? ST_OK : ST_NOT_FOUND;
}

void dav_call_answer(void *ctx, struct http_request *request)
{
    struct dav_call *call = http_request_mine(request);
    enum st st = ST_OK;

    if (call->method->body != DAV_BODY_DATA && !read_xml(call))
        return;
    if (call->method->rights > DAV_RIGHTS_NOBODY && call->target.path.kind != DAV_KIND_FREEBUSY)
        st = find_target(call);
    if (st == ST_OK && !http_replied(request))
        st = call->method->run(call);
    if (st != ST_OK)
        refuse_st(call, st);
}

void dav_call_done(void *ctx, struct http_request *request)
{
    struct dav_call *call = http_request_mine(request);

    if (call == NULL)
        return;
    log_event(EV_DAV_REQUEST, 0, LOG_C("method", http_request_method(request)),
              LOG_C("path", http_request_path(request)), LOG_C("peer", http_request_peer(request)),
              LOG_C("name", call->me != NULL ? call->me->name : ""),
              LOG_U("ms", sys_mono_ms() - call->begun_ms));
    call->request = NULL;
    dav_call_unref(call);
}

/* --- looking at the request --- */

enum st dav_depth(struct dav_call *call, uint32_t otherwise, uint32_t *depth_r)
{
    const char *text = http_request_header(call->request, "Depth");
    struct slice depth = slice_str(text);

    *depth_r = otherwise;
    if (text == NULL)
        return ST_OK;
    if (slice_ieq(depth, SLICE("infinity")))
        *depth_r = DAV_INFINITY;
    else if (slice_eq(depth, SLICE("0")) || slice_eq(depth, SLICE("1")))
        *depth_r = (uint32_t)(depth.ptr[0] - '0');
    else
        return ST_INVALID;
    return ST_OK;
}

bool dav_prefers(struct dav_call *call, const char *what)
{
    struct slice rest = slice_str(http_request_header(call->request, "Prefer"));
    struct slice part;

    while (slice_split(&rest, ',', &part))
        if (slice_ieq(slice_trim(part), slice_str(what)))
            return true;
    return false;
}
