/* ews_xml.h: what the readers and writers of EWS share: elements of its two namespaces, envelopes,
 * faults, response messages. Pure. Inside ews/. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "xml/xml_write.h"

/* Clients mix the namespaces of messages and types: a name is looked for in both. NULL is fine, and
 * comes where there is none. */
const struct xml_element *ews_child(const struct xml_element *element, const char *name);
/* The next one of that name in the same element, or NULL. */
const struct xml_element *ews_again(const struct xml_element *element);
/* The text of a child without blanks around it; "" where there is none. */
struct slice ews_text(const struct xml_element *element, const char *name);
/* "true", "1"; otherwise where there is none or it is something else. */
bool ews_bool(const struct xml_element *element, const char *name, bool otherwise);
/* A number, or otherwise where there is no such child. ST_INVALID: it is none, or over max. */
MUST_USE enum st ews_number(const struct xml_element *element, const char *name, uint64_t otherwise,
                            uint64_t max, uint64_t *number_r);

/* What is wrong with a request: a ResponseCode, and a sentence; both literals or in an arena. */
struct ews_fault {
    const char *code;
    const char *why;
};

/* The envelope with its header up to <s:Body>, and what closes them. */
void ews_envelope_begin(struct buf *out);
void ews_envelope_end(struct buf *out);
/* The same with the header that Autodiscover's SOAP has. */
void ews_envelope_begin_discover(struct buf *out);
/* A whole envelope with a soap:Fault. */
void ews_fault_write(struct buf *out, const struct ews_fault *fault);
/* <m:NAME ResponseClass="Success">; for what is wrong it is Error, with text, code and link, up to
 * where it is to be closed. */
void ews_message_open(struct buf *out, const char *name, const struct ews_fault *fault);
/* The same with ResponseClass="Warning". */
void ews_message_open_warning(struct buf *out, const char *name, const struct ews_fault *fault);
/* <t:NAME>true</t:NAME> */
void ews_write_bool(struct buf *out, const char *name, bool value);
void ews_write_number(struct buf *out, const char *name, uint64_t value);
