/* Autodiscover: where the services of a mailbox are; as plain old XML, and by SOAP. */
#include "calendar/calendar_principal.h"
#include "ews/ews_call.h"
#include "sys/sys_time.h"

#define USERS_MAX 100
#define SETTINGS_MAX 200
#define POX_SCHEMA "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
#define POX_ROOT "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
#define SERVICES_PATH "/EWS/Exchange.asmx"

/* --- plain old XML --- */

/* Its elements are in namespaces that programs mix up: names alone count. */
static const struct xml_element *named(const struct xml_element *in, const char *name)
{
    const struct xml_element *at = in != NULL ? in->children : NULL;

    while (at != NULL && !slice_ieq(at->name, slice_str(name)))
        at = at->next;
    return at;
}

static struct slice text_named(const struct xml_element *in, const char *name)
{
    const struct xml_element *element = named(in, name);

    return element != NULL ? slice_trim(element->text) : SLICE("");
}

static void put_text(struct buf *out, const char *name, struct slice text)
{
    buf_putf(out, "<%s>", name);
    xml_write_text(out, text);
    buf_putf(out, "</%s>", name);
}

static void pox_error(struct ews_call *call, unsigned code, const char *why)
{
    const int64_t day_s = sys_now_ms() / 1000 % (INT64_C(24) * 3600);

    buf_clear(&call->out);
    buf_putf(&call->out,
             "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"" POX_ROOT
             "\">"
             "<Response><Error Time=\"%02d:%02d:%02d.0000000\" Id=\"1\"><ErrorCode>%u</ErrorCode>"
             "<Message>%s</Message><DebugData/></Error></Response></Autodiscover>\n",
             (int)(day_s / 3600), (int)(day_s / 60 % 60), (int)(day_s % 60), code, why);
}

static void put_protocol(struct ews_call *call, const char *type)
{
    static const char *const urls[] = {"ASUrl", "EwsUrl", "OOFUrl", "SharingUrl"};
    struct slice base = slice_str(ews_base_url(call));
    AUTO(buf) struct buf url = BUF(4 * KIB);

    buf_putf(&url, "%.*s%s", SLICE_ARG(base), SERVICES_PATH);
    buf_putf(&call->out, "<Protocol><Type>%s</Type>", type);
    put_text(&call->out, "Server", slice_sub(base, sizeof("https://") - 1, base.len));
    buf_put(&call->out, SLICE("<SSL>On</SSL><AuthPackage>Basic</AuthPackage>"));
    for (size_t i = 0; i < COUNT(urls); i++)
        put_text(&call->out, urls[i], buf_slice(&url));
    buf_put(&call->out, SLICE("</Protocol>"));
}

static void put_user(struct ews_call *call, const struct directory_person *person,
                     struct slice address)
{
    AUTO(buf) struct buf dn = BUF(KIB);

    buf_putf(&dn, "/o=Posthorse/ou=Posthorse/cn=Recipients/cn=%s", person->name);
    buf_put(&call->out, SLICE("<User>"));
    put_text(&call->out, "DisplayName",
             slice_str(person->full_name[0] != '\0' ? person->full_name : person->name));
    put_text(&call->out, "LegacyDN", buf_slice(&dn));
    put_text(&call->out, "AutoDiscoverSMTPAddress", address);
    buf_put(&call->out, SLICE("<DeploymentId>00000000-0000-0000-0000-000000000000</DeploymentId>"
                              "</User>"));
}

void ews_discover_run(struct ews_call *call)
{
    const struct xml_element *request = named(call->root, "Request");
    struct slice address = text_named(request, "EMailAddress");
    struct slice schema = text_named(request, "AcceptableResponseSchema");
    const struct directory_person *person = calendar_principal_of(call->directory, address);

    call->operation = "Autodiscover";
    if (request == NULL || address.len == 0) {
        pox_error(call, 600, "Invalid Request");
        return;
    }
    if (schema.len > 0 && !slice_ieq(schema, SLICE(POX_SCHEMA))) {
        pox_error(call, 601, "Provider is not available");
        return;
    }
    if (person == NULL) {
        pox_error(call, 500, "The email address can't be found.");
        return;
    }
    buf_put(&call->out,
            SLICE("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Autodiscover xmlns=\"" POX_ROOT
                  "\"><Response xmlns=\"" POX_SCHEMA "\">"));
    put_user(call, person, address);
    buf_put(&call->out,
            SLICE("<Account><AccountType>email</AccountType><Action>settings</Action>"));
    put_protocol(call, "EXCH");
    put_protocol(call, "EXPR");
    buf_put(&call->out, SLICE("</Account></Response></Autodiscover>\n"));
}

/* --- SOAP --- */

/* What a setting is; false: there is no such thing here. */
static bool value_of(struct ews_call *call, const struct directory_person *person,
                     struct slice setting, struct buf *out)
{
    static const char *const services[] = {"ExternalEwsUrl", "InternalEwsUrl"};

    for (size_t i = 0; i < COUNT(services); i++)
        if (slice_eq(setting, slice_str(services[i]))) {
            buf_putf(out, "%s%s", ews_base_url(call), SERVICES_PATH);
            return true;
        }
    if (slice_eq(setting, SLICE("UserDisplayName")))
        buf_put(out, slice_str(person->full_name[0] != '\0' ? person->full_name : person->name));
    else if (slice_eq(setting, SLICE("AutoDiscoverSMTPAddress")))
        buf_put(out, ews_address_of(call, person));
    else if (slice_eq(setting, SLICE("EwsSupportedSchemas")))
        buf_put(out, SLICE("Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, "
                           "Exchange2010_SP2, Exchange2013, Exchange2016"));
    else if (slice_eq(setting, SLICE("ExternalEwsVersion")))
        buf_put(out, SLICE("15.01.2507.006"));
    else
        return false;
    return true;
}

static void write_error(struct buf *out, const char *code, const char *why)
{
    xml_write_text_in(out, XML_AUTO, "ErrorCode", slice_str(code));
    xml_write_text_in(out, XML_AUTO, "ErrorMessage", slice_str(why));
}

#define NIL \
    "<a:RedirectTarget xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" i:nil=\"true\"/>"

static void write_settings(struct ews_call *call, const struct directory_person *person,
                           const struct xml_element *first)
{
    struct buf *out = &call->out;
    size_t count = 0;

    xml_write_open(out, XML_AUTO, "UserSettingErrors");
    for (const struct xml_element *at = first; at != NULL && count++ < SETTINGS_MAX;
         at = xml_again(at)) {
        AUTO(buf) struct buf value = BUF(4 * KIB);

        if (value_of(call, person, slice_trim(at->text), &value))
            continue;
        xml_write_open(out, XML_AUTO, "UserSettingError");
        write_error(out, "SettingIsNotAvailable", "There is no such thing here");
        xml_write_text_in(out, XML_AUTO, "SettingName", slice_trim(at->text));
        xml_write_close(out, XML_AUTO, "UserSettingError");
    }
    xml_write_close(out, XML_AUTO, "UserSettingErrors");
    xml_write_open(out, XML_AUTO, "UserSettings");
    count = 0;
    for (const struct xml_element *at = first; at != NULL && count++ < SETTINGS_MAX;
         at = xml_again(at)) {
        AUTO(buf) struct buf value = BUF(4 * KIB);

        if (!value_of(call, person, slice_trim(at->text), &value))
            continue;
        buf_put(out, SLICE("<a:UserSetting xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" "
                           "i:type=\"a:StringSetting\">"));
        xml_write_text_in(out, XML_AUTO, "Name", slice_trim(at->text));
        xml_write_text_in(out, XML_AUTO, "Value", buf_slice(&value));
        xml_write_close(out, XML_AUTO, "UserSetting");
    }
    xml_write_close(out, XML_AUTO, "UserSettings");
}

static void write_user(struct ews_call *call, struct slice address, const struct xml_element *first)
{
    const struct directory_person *person = calendar_principal_of(call->directory, address);
    struct buf *out = &call->out;

    xml_write_open(out, XML_AUTO, "UserResponse");
    if (person == NULL)
        write_error(out, "InvalidUser", "Nobody here has this address");
    else
        write_error(out, "NoError", "No error.");
    buf_put(out, SLICE(NIL));
    if (person != NULL)
        write_settings(call, person, first);
    xml_write_close(out, XML_AUTO, "UserResponse");
}

void ews_run_settings(struct ews_call *call)
{
    const struct xml_element *request = xml_child(call->asked, XML_AUTO, "Request");
    const struct xml_element *user =
        xml_child(xml_child(request, XML_AUTO, "Users"), XML_AUTO, "User");
    const struct xml_element *first =
        xml_child(xml_child(request, XML_AUTO, "RequestedSettings"), XML_AUTO, "Setting");
    size_t count = 0;

    xml_write_open(&call->out, XML_AUTO, "GetUserSettingsResponseMessage");
    xml_write_open(&call->out, XML_AUTO, "Response");
    write_error(&call->out, "NoError", "");
    xml_write_open(&call->out, XML_AUTO, "UserResponses");
    for (; user != NULL && count++ < USERS_MAX; user = xml_again(user)) {
        const struct xml_element *mailbox = xml_child(user, XML_AUTO, "Mailbox");

        write_user(call, mailbox != NULL ? slice_trim(mailbox->text) : SLICE(""), first);
    }
    xml_write_close(&call->out, XML_AUTO, "UserResponses");
    xml_write_close(&call->out, XML_AUTO, "Response");
    xml_write_close(&call->out, XML_AUTO, "GetUserSettingsResponseMessage");
}
