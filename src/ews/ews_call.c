#include "ews/ews_call.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "http/http_login.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <string.h>

#define ARENA_BYTES_MAX (512 * MIB)

static const struct operation {
    const char *name;
    enum xml_ns ns;
    void (*run)(struct ews_call *call);
} operations[] = {
#define EWS_OPERATION(element, ns, handler) {#element, XML_##ns, ews_run_##handler},
#include "ews/ews_operation.def"
};

struct http_service ews_service(struct ews_context *context)
{
    return (struct http_service){.ctx = context,
                                 .begin = ews_call_begin,
                                 .upload = ews_call_upload,
                                 .answer = ews_call_answer,
                                 .done = ews_call_done};
}

/* --- life --- */

static enum ews_door door_of(const char *path)
{
    static const struct {
        const char *path;
        enum ews_door door;
    } doors[] = {
        {"/ews/exchange.asmx", EWS_DOOR_SERVICES},
        {"/autodiscover/autodiscover.xml", EWS_DOOR_DISCOVER},
        {"/autodiscover/autodiscover.svc", EWS_DOOR_DISCOVER_SOAP},
    };

    for (size_t i = 0; i < COUNT(doors); i++)
        if (slice_ieq(slice_str(path), slice_str(doors[i].path)))
            return doors[i].door;
    return EWS_DOOR_NONE;
}

static struct ews_call *call_new(struct ews_context *context, struct http_request *request)
{
    struct ews_call *call = mem_new(struct ews_call);

    call->context = context;
    call->request = request;
    call->door = door_of(http_request_path(request));
    call->arena = arena_new("ews", ARENA_BYTES_MAX);
    call->directory = directory_ref();
    call->begun_ms = sys_mono_ms();
    call->operation = "";
    buf_init(&call->body, conf_get()->ews_xml_bytes_max);
    buf_init(&call->out, EWS_ANSWER_BYTES_MAX);
    http_request_mine_set(request, call);
    return call;
}

void ews_call_done(void *ctx, struct http_request *request)
{
    struct ews_call *call = http_request_mine(request);

    log_event(EV_EWS_REQUEST, 0, LOG_C("path", http_request_path(request)),
              LOG_C("operation", call->operation),
              LOG_C("agent", http_request_header(request, "User-Agent")),
              LOG_C("peer", http_request_peer(request)),
              LOG_C("name", call->me != NULL ? call->me->name : ""),
              LOG_U("ms", sys_mono_ms() - call->begun_ms));
    buf_fini(&call->body);
    buf_fini(&call->out);
    directory_unref(&call->directory);
    arena_free(&call->arena);
    mem_free(call);
}

/* --- refusals --- */

static void refused(struct ews_call *call, const char *code, const char *why)
{
    count_add(COUNT_EWS_REFUSALS, 1);
    log_event(EV_EWS_REFUSED, 0, LOG_C("path", http_request_path(call->request)),
              LOG_C("operation", call->operation), LOG_C("peer", http_request_peer(call->request)),
              LOG_C("agent", http_request_header(call->request, "User-Agent")),
              LOG_C("name", call->me != NULL ? call->me->name : ""), LOG_C("code", code),
              LOG_C("why", why));
}

static void refuse(struct ews_call *call, unsigned status, const char *why)
{
    AUTO(buf) struct buf text = BUF(KIB);

    buf_putf(&text, "%s\n", why);
    refused(call, "", why);
    http_reply(call->request, status, "text/plain; charset=utf-8", buf_slice(&text));
}

void ews_fail(struct ews_call *call, const char *code, const char *why)
{
    call->fault = (struct ews_fault){code, why};
}

/* A fault is sent with status 200: by another one programs think of their log-in or give up for
 * good. */
static void reply(struct ews_call *call)
{
    if (call->out.over)
        ews_fail(call, "ErrorResultSetTooBig", "The answer would be over a limit");
    if (call->fault.code != NULL) {
        buf_fini(&call->out);
        buf_init(&call->out, EWS_ANSWER_BYTES_MAX);
        ews_fault_write(&call->out, &call->fault);
        refused(call, call->fault.code, call->fault.why);
    }
    http_reply_take(call->request, 200, EWS_XML_TYPE, &call->out);
}

/* --- the header is in --- */

static bool log_in(struct ews_call *call)
{
    struct http_login login;

    if (!http_login(call->request, call->directory, call->context->auth, &login)) {
        refuse(call, login.status, login.why);
        return false;
    }
    call->me = login.person;
    call->foreign = http_login_is_foreign(call->me->name);
    calendar_who_init(call->directory, call->arena, call->me, &call->who);
    return true;
}

/* Programs that look for Autodiscover without TLS want to be sent on. */
static bool redirected(struct ews_call *call)
{
    AUTO(buf) struct buf url = BUF(4 * KIB);

    if (call->door != EWS_DOOR_DISCOVER || http_request_tls(call->request) ||
        strcmp(http_request_method(call->request), "GET") != 0)
        return false;
    buf_putf(&url, "%s/autodiscover/autodiscover.xml", ews_base_url(call));
    http_reply_header(call->request, "Location", url.ptr);
    http_reply(call->request, 302, NULL, SLICE(""));
    return true;
}

void ews_call_begin(void *ctx, struct http_request *request)
{
    struct ews_call *call = call_new(ctx, request);
    const bool get = strcmp(http_request_method(request), "GET") == 0 ||
                     strcmp(http_request_method(request), "HEAD") == 0;

    count_add(COUNT_EWS_REQUESTS, 1);
    if (call->door == EWS_DOOR_NONE)
        refuse(call, 404, "Nothing is here");
    else if (redirected(call) || !log_in(call))
        return;
    else if (get)
        http_reply(request, 200, "text/plain",
                   SLICE("This is for programs, which POST their questions here.\n"));
    else if (strcmp(http_request_method(request), "POST") != 0) {
        http_reply_header(request, "Allow", "GET, HEAD, POST");
        refuse(call, 405, "Only POST means something here");
    }
    http_request_body_max(request, UINT64_MAX); /* http_request_gather() looks */
}

void ews_call_upload(void *ctx, struct http_request *request, struct slice bytes)
{
    struct ews_call *call = http_request_mine(request);

    if (http_request_gather(request, bytes, &call->body))
        return;
    ews_fail(call, "ErrorRequestStreamTooBig", "The request is too long");
    reply(call);
}

/* --- the body is in --- */

static bool read_xml(struct ews_call *call)
{
    struct xml_limits limits = xml_limits_default;
    struct xml_element *root = NULL;
    struct xml_error error;

    limits.bytes_max = conf_get()->ews_xml_bytes_max;
    enum st st = xml_parse(call->arena, buf_slice(&call->body), &limits, &root, &error);
    call->root = root;
    if (st == ST_OK)
        return true;
    AUTO(buf) struct buf why = BUF(KIB);
    buf_putf(&why, "Line %u: %s", error.line, error.text);
    ews_fail(call, st == ST_TOO_BIG ? "ErrorRequestStreamTooBig" : "ErrorSchemaValidation",
             arena_copy(call->arena, buf_slice(&why)).ptr);
    return false;
}

static const struct operation *find_operation(const struct xml_element *element)
{
    for (size_t i = 0; i < COUNT(operations); i++)
        if (xml_is(element, operations[i].ns, operations[i].name))
            return &operations[i];
    return NULL;
}

static void run_operation(struct ews_call *call)
{
    const struct xml_element *body = xml_child(call->root, XML_SOAP, "Body");

    call->header = xml_child(call->root, XML_SOAP, "Header");
    if (!xml_is(call->root, XML_SOAP, "Envelope") || body == NULL || body->children == NULL) {
        ews_fail(call, "ErrorSchemaValidation", "It is no SOAP 1.1 envelope with a question in it");
        return;
    }
    call->asked = body->children;
    call->operation = slice_cstr(call->arena, slice_sub(call->asked->name, 0, 64));
    const struct operation *operation = find_operation(call->asked);
    if (operation == NULL) {
        ews_fail(call, "ErrorInvalidOperation", "This server does not have that operation");
        return;
    }
    if (operation->ns == XML_AUTO)
        ews_envelope_begin_discover(&call->out);
    else
        ews_envelope_begin(&call->out);
    operation->run(call);
    ews_envelope_end(&call->out);
}

void ews_call_answer(void *ctx, struct http_request *request)
{
    struct ews_call *call = http_request_mine(request);

    if (read_xml(call)) {
        if (call->door == EWS_DOOR_DISCOVER)
            ews_discover_run(call);
        else
            run_operation(call);
    }
    reply(call);
}

/* --- looking --- */

struct slice ews_address_of(const struct ews_call *call, const struct directory_person *person)
{
    AUTO(buf) struct buf address = BUF(KIB);

    buf_putf(&address, "%s@%.*s", person->name, SLICE_ARG(directory_first_domain(call->directory)));
    return arena_copy(call->arena, buf_slice(&address));
}

bool ews_client_is_new(const struct ews_call *call)
{
    const struct xml_element *version = ews_child(call->header, "RequestServerVersion");
    struct slice text = version != NULL ? xml_attr(version, "Version") : SLICE("");

    return !slice_istarts(text, SLICE("Exchange2007")) &&
           !slice_istarts(text, SLICE("Exchange2010")) && text.len > 0;
}

const char *ews_base_url(const struct ews_call *call)
{
    const char *set = conf_get()->http_url;
    struct slice host = slice_str(http_request_header(call->request, "Host"));
    AUTO(buf) struct buf url = BUF(2 * KIB);

    if (set[0] != '\0')
        return set;
    for (size_t i = 0; i < host.len; i++) /* it is sent back */
        if ((unsigned char)host.ptr[i] <= ' ' || host.ptr[i] == '<' || host.ptr[i] == '/')
            host = SLICE("localhost");
    if (!http_request_tls(call->request) && slice_find(host, ']') == SIZE_MAX)
        host = slice_sub(host, 0, slice_find(host, ':'));
    buf_putf(&url, "https://%.*s", SLICE_ARG(slice_sub(host, 0, 255)));
    return arena_copy(call->arena, buf_slice(&url)).ptr;
}
