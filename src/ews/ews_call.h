/* ews_call.h: one request on its way: who asks, for what. Inside ews/. */
#pragma once
#include "calendar/calendar_rights.h"
#include "directory/directory.h"
#include "ews/ews.h"
#include "ews/ews_xml.h"

#define EWS_ANSWER_BYTES_MAX (64 * MIB)
#define EWS_XML_TYPE "text/xml; charset=utf-8"

/* What a path names. */
enum ews_door {
    EWS_DOOR_NONE,
    EWS_DOOR_SERVICES,     /* /EWS/Exchange.asmx */
    EWS_DOOR_DISCOVER,     /* /autodiscover/autodiscover.xml: plain old XML */
    EWS_DOOR_DISCOVER_SOAP /* /autodiscover/autodiscover.svc */
};

struct ews_call {
    const struct ews_context *context;
    struct http_request *request;
    enum ews_door door;
    struct arena *arena;
    struct buf body, out;
    const struct directory *directory;
    const struct directory_person *me;
    struct calendar_who who; /* the same, with the groups */
    bool foreign;            /* it asks for another organisation */
    const struct xml_element *root;
    const struct xml_element *header; /* of the envelope; NULL: none */
    const struct xml_element *asked;  /* the operation's element */
    const char *operation;
    struct ews_fault fault; /* code NULL: none */
    uint64_t begun_ms;
};

/* The functions of an http_service; ctx: struct ews_context. */
void ews_call_begin(void *ctx, struct http_request *request);
void ews_call_upload(void *ctx, struct http_request *request, struct slice bytes);
void ews_call_answer(void *ctx, struct http_request *request);
void ews_call_done(void *ctx, struct http_request *request);

/* Operations write what stands in <s:Body>, or leave a fault. */
#define EWS_OPERATION(element, ns, handler) void ews_run_##handler(struct ews_call *call);
#include "ews/ews_operation.def"
/* The answer is a soap:Fault. Literals, or texts in the call's arena. */
void ews_fail(struct ews_call *call, const char *code, const char *why);
/* Autodiscover's plain old XML: the whole answer (ews_discover.c). */
void ews_discover_run(struct ews_call *call);

/* NAME@DOMAIN, in the call's arena. */
struct slice ews_address_of(const struct ews_call *call, const struct directory_person *person);
/* Whether the client knows what Exchange 2013 knows. */
bool ews_client_is_new(const struct ews_call *call);
/* "https://HOST", by the setting http_url or as it was asked for; in the call's arena. */
const char *ews_base_url(const struct ews_call *call);
