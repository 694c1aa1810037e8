/* ConvertId, GetFolder and GetDelegate: what programs ask before anything else, to see that they
 * are logged in and whose mailbox it is. There is no mail here: folders have a name, an id and a
 * class, and are empty. */
#include "base/text.h"
#include "calendar/calendar_principal.h"
#include "ews/ews_call.h"

#include <string.h>

#define ITEMS_MAX 200
#define ID_BYTES_MAX 200
#define NEVER "2000-01-01T00:00:00Z" /* nothing changes in them */
#define XSI "http://www.w3.org/2001/XMLSchema-instance"

static const struct folder {
    const char *id; /* as DistinguishedFolderId */
    const char *element;
    const char *title;
} folders[] = {
    {"root", "Folder", "Root"},
    {"msgfolderroot", "Folder", "Top of Information Store"},
    {"inbox", "Folder", "Inbox"},
    {"calendar", "CalendarFolder", "Calendar"},
    {"contacts", "ContactsFolder", "Contacts"},
    {"tasks", "TasksFolder", "Tasks"},
    {"drafts", "Folder", "Drafts"},
    {"outbox", "Folder", "Outbox"},
    {"sentitems", "Folder", "Sent Items"},
    {"deleteditems", "Folder", "Deleted Items"},
    {"junkemail", "Folder", "Junk Email"},
    {"searchfolders", "Folder", "Search Folders"},
};

/* "folder:inbox", as base64: what is in an id is nobody's business. */
static void write_folder_id(const struct folder *folder, struct buf *out)
{
    AUTO(buf) struct buf id = BUF(ID_BYTES_MAX);

    buf_putf(&id, "folder:%s", folder->id);
    buf_put(out, SLICE("<t:FolderId Id=\""));
    if (text_base64(out, buf_slice(&id)) != ST_OK)
        out->over = true;
    buf_put(out, SLICE("\" ChangeKey=\"AQAAAA==\"/>"));
}

static const struct folder *folder_of_id(struct slice id)
{
    AUTO(buf) struct buf text = BUF(ID_BYTES_MAX);

    if (text_unbase64(&text, id) != ST_OK || !slice_starts(buf_slice(&text), SLICE("folder:")))
        return NULL;
    struct slice name = slice_sub(buf_slice(&text), 7, text.len);
    for (size_t i = 0; i < COUNT(folders); i++)
        if (slice_eq(name, slice_str(folders[i].id)))
            return &folders[i];
    return NULL;
}

static const struct folder *find(const struct ews_call *call, const struct xml_element *id)
{
    struct slice mailbox = ews_text(ews_child(id, "Mailbox"), "EmailAddress");

    if (mailbox.len > 0 && calendar_principal_of(call->directory, mailbox) != call->me)
        return NULL;
    if (slice_eq(id->name, SLICE("FolderId")))
        return folder_of_id(xml_attr(id, "Id"));
    for (size_t i = 0; i < COUNT(folders); i++)
        if (slice_ieq(xml_attr(id, "Id"), slice_str(folders[i].id)))
            return &folders[i];
    return NULL;
}

/* What kind of things a folder is for: PidTagContainerClass. */
static const char *class_of(const struct folder *folder)
{
    static const char *const classes[][2] = {
        {"CalendarFolder", "IPF.Appointment"},
        {"ContactsFolder", "IPF.Contact"},
        {"TasksFolder", "IPF.Task"},
    };

    for (size_t i = 0; i < COUNT(classes); i++)
        if (strcmp(classes[i][0], folder->element) == 0)
            return classes[i][1];
    return "IPF.Note";
}

/* By its tag, of those that DavMail reads without asking whether they are there. */
static const char *property_of(const struct folder *folder, struct slice tag)
{
    static const struct {
        const char *tag;
        const char *value;
    } properties[] = {
        {"0x3008", NEVER},   /* PidTagLastModificationTime */
        {"0x3602", "0"},     /* PidTagContentCount */
        {"0x3603", "0"},     /* PidTagContentUnreadCount */
        {"0x360a", "false"}, /* PidTagSubfolders */
        {"0x670a", NEVER},   /* PidTagLocalCommitTimeMax */
    };

    if (slice_ieq(tag, SLICE("0x3613")))
        return class_of(folder);
    for (size_t i = 0; i < COUNT(properties); i++)
        if (slice_ieq(tag, slice_str(properties[i].tag)))
            return properties[i].value;
    return NULL;
}

/* Those that are asked for with a FolderShape. */
static void write_properties(const struct folder *folder, const struct xml_element *shape,
                             struct buf *out)
{
    const struct xml_element *asked = ews_child(shape, "AdditionalProperties");
    size_t count = 0;

    for (const struct xml_element *one = asked != NULL ? asked->children : NULL;
         one != NULL && count++ < ITEMS_MAX; one = one->next) {
        const char *value = property_of(folder, xml_attr(one, "PropertyTag"));

        if (value == NULL || !slice_eq(one->name, SLICE("ExtendedFieldURI")))
            continue;
        buf_put(out, SLICE("<t:ExtendedProperty><t:ExtendedFieldURI PropertyTag=\""));
        xml_write_value(out, xml_attr(one, "PropertyTag"));
        buf_put(out, SLICE("\" PropertyType=\""));
        xml_write_value(out, xml_attr(one, "PropertyType"));
        buf_putf(out, "\"/><t:Value>%s</t:Value></t:ExtendedProperty>", value);
    }
}

static void write_folder(const struct folder *folder, const struct xml_element *shape,
                         struct buf *out)
{
    buf_putf(out, "<m:Folders><t:%s>", folder->element);
    write_folder_id(folder, out);
    buf_putf(out,
             "<t:DisplayName>%s</t:DisplayName><t:TotalCount>0</t:TotalCount>"
             "<t:ChildFolderCount>0</t:ChildFolderCount>",
             folder->title);
    write_properties(folder, shape, out);
    buf_putf(out, "</t:%s></m:Folders>", folder->element);
}

void ews_run_folder(struct ews_call *call)
{
    static const struct ews_fault none = {"ErrorFolderNotFound", "There is no such folder here"};
    const struct xml_element *ids = ews_child(call->asked, "FolderIds");
    const struct xml_element *shape = ews_child(call->asked, "FolderShape");
    size_t count = 0;

    buf_put(&call->out, SLICE("<m:GetFolderResponse><m:ResponseMessages>"));
    for (const struct xml_element *id = ids != NULL ? ids->children : NULL;
         id != NULL && count++ < ITEMS_MAX; id = id->next) {
        const struct folder *folder = find(call, id);

        ews_message_open(&call->out, "GetFolderResponseMessage", folder != NULL ? NULL : &none);
        if (folder != NULL)
            write_folder(folder, shape, &call->out);
        xml_write_close(&call->out, XML_EWS, "GetFolderResponseMessage");
    }
    buf_put(&call->out, SLICE("</m:ResponseMessages></m:GetFolderResponse>"));
}

/* Ids are the same in every format. */
static void write_id(struct ews_call *call, struct slice format, struct slice id)
{
    struct buf *out = &call->out;

    buf_put(out,
            SLICE("<m:AlternateId xmlns:xsi=\"" XSI "\" xsi:type=\"t:AlternateIdType\" Format=\""));
    xml_write_value(out, format);
    buf_put(out, SLICE("\" Id=\""));
    xml_write_value(out, id);
    buf_put(out, SLICE("\" Mailbox=\""));
    xml_write_value(out, ews_address_of(call, call->me));
    buf_put(out, SLICE("\"/>"));
}

void ews_run_convert_id(struct ews_call *call)
{
    static const struct ews_fault malformed = {"ErrorInvalidIdMalformed",
                                               "This is no id that was given here"};
    const struct xml_element *ids = ews_child(call->asked, "SourceIds");
    size_t count = 0;

    buf_put(&call->out, SLICE("<m:ConvertIdResponse><m:ResponseMessages>"));
    for (const struct xml_element *id = ids != NULL ? ids->children : NULL;
         id != NULL && count++ < ITEMS_MAX; id = id->next) {
        const bool ours = folder_of_id(xml_attr(id, "Id")) != NULL;

        ews_message_open(&call->out, "ConvertIdResponseMessage", ours ? NULL : &malformed);
        if (ours)
            write_id(call, xml_attr(call->asked, "DestinationFormat"), xml_attr(id, "Id"));
        xml_write_close(&call->out, XML_EWS, "ConvertIdResponseMessage");
    }
    buf_put(&call->out, SLICE("</m:ResponseMessages></m:ConvertIdResponse>"));
}

/* Who acts for somebody is not told here, which is an error of the answer: evolution-ews takes no
 * fault for one. */
void ews_run_delegate(struct ews_call *call)
{
    static const struct ews_fault none = {"ErrorInvalidOperation",
                                          "This server does not have that operation"};

    ews_message_open(&call->out, "GetDelegateResponse", &none);
    xml_write_close(&call->out, XML_EWS, "GetDelegateResponse");
}
