#include "ews/ews_xml.h"

/* What is claimed to be here: a version and a build that belong together, or clients guess. */
#define VERSION \
    "<s:Header><t:ServerVersionInfo MajorVersion=\"15\" MinorVersion=\"1\" " \
    "MajorBuildNumber=\"2507\" MinorBuildNumber=\"6\" Version=\"Exchange2016\"/></s:Header>"
#define VERSION_DISCOVER \
    "<s:Header><w:Action s:mustUnderstand=\"1\">http://schemas.microsoft.com/exchange/2010/" \
    "Autodiscover/Autodiscover/GetUserSettingsResponse</w:Action><a:ServerVersionInfo>" \
    "<a:MajorVersion>15</a:MajorVersion><a:MinorVersion>1</a:MinorVersion>" \
    "<a:MajorBuildNumber>2507</a:MajorBuildNumber><a:MinorBuildNumber>6</a:MinorBuildNumber>" \
    "<a:Version>Exchange2016</a:Version></a:ServerVersionInfo></s:Header>"

const struct xml_element *ews_child(const struct xml_element *element, const char *name)
{
    const struct xml_element *child = xml_child(element, XML_EWST, name);

    return child != NULL ? child : xml_child(element, XML_EWS, name);
}

const struct xml_element *ews_again(const struct xml_element *element)
{
    return xml_again(element);
}

struct slice ews_text(const struct xml_element *element, const char *name)
{
    const struct xml_element *child = ews_child(element, name);

    return child != NULL ? slice_trim(child->text) : SLICE("");
}

bool ews_bool(const struct xml_element *element, const char *name, bool otherwise)
{
    struct slice text = ews_text(element, name);

    if (slice_ieq(text, SLICE("true")) || slice_eq(text, SLICE("1")))
        return true;
    return slice_ieq(text, SLICE("false")) || slice_eq(text, SLICE("0")) ? false : otherwise;
}

enum st ews_number(const struct xml_element *element, const char *name, uint64_t otherwise,
                   uint64_t max, uint64_t *number_r)
{
    *number_r = otherwise;
    if (ews_child(element, name) == NULL)
        return ST_OK;
    if (slice_to_u64(ews_text(element, name), number_r) != ST_OK || *number_r > max)
        return ST_INVALID;
    return ST_OK;
}

void ews_envelope_begin(struct buf *out)
{
    xml_write_begin(out, XML_SOAP, "Envelope");
    buf_put(out, SLICE(VERSION));
    xml_write_open(out, XML_SOAP, "Body");
}

void ews_envelope_begin_discover(struct buf *out)
{
    xml_write_begin(out, XML_SOAP, "Envelope");
    buf_put(out, SLICE(VERSION_DISCOVER));
    xml_write_open(out, XML_SOAP, "Body");
}

void ews_envelope_end(struct buf *out)
{
    xml_write_close(out, XML_SOAP, "Body");
    xml_write_close(out, XML_SOAP, "Envelope");
}

void ews_fault_write(struct buf *out, const struct ews_fault *fault)
{
    ews_envelope_begin(out);
    xml_write_open(out, XML_SOAP, "Fault");
    buf_put(out, SLICE("<faultcode>s:Client</faultcode><faultstring xml:lang=\"en-US\">"));
    xml_write_text(out, slice_str(fault->why));
    buf_put(out, SLICE("</faultstring><detail>"));
    xml_write_text_in(out, XML_EWSE, "ResponseCode", slice_str(fault->code));
    xml_write_text_in(out, XML_EWSE, "Message", slice_str(fault->why));
    buf_put(out, SLICE("</detail>"));
    xml_write_close(out, XML_SOAP, "Fault");
    ews_envelope_end(out);
}

static void open_message(struct buf *out, const char *name, const char *class,
                         const struct ews_fault *fault)
{
    buf_put(out, SLICE("<m:"));
    buf_put(out, slice_str(name));
    buf_put(out, SLICE(" ResponseClass=\""));
    buf_put(out, slice_str(class));
    buf_put(out, SLICE("\">"));
    if (fault != NULL)
        xml_write_text_in(out, XML_EWS, "MessageText", slice_str(fault->why));
    xml_write_text_in(out, XML_EWS, "ResponseCode",
                      fault != NULL ? slice_str(fault->code) : SLICE("NoError"));
    if (fault != NULL)
        xml_write_text_in(out, XML_EWS, "DescriptiveLinkKey", SLICE("0"));
}

void ews_message_open(struct buf *out, const char *name, const struct ews_fault *fault)
{
    open_message(out, name, fault != NULL ? "Error" : "Success", fault);
}

void ews_message_open_warning(struct buf *out, const char *name, const struct ews_fault *fault)
{
    open_message(out, name, "Warning", fault);
}

void ews_write_bool(struct buf *out, const char *name, bool value)
{
    xml_write_text_in(out, XML_EWST, name, value ? SLICE("true") : SLICE("false"));
}

void ews_write_number(struct buf *out, const char *name, uint64_t value)
{
    char digits[20];
    size_t at = sizeof(digits);

    do
        digits[--at] = (char)('0' + value % 10);
    while ((value /= 10) > 0);
    xml_write_text_in(out, XML_EWST, name, (struct slice){digits + at, sizeof(digits) - at});
}
