/* ResolveNames, GetRoomLists and GetRooms: who is there. */
#include "calendar/calendar_principal.h"
#include "ews/ews_call.h"

#define CANDIDATES_MAX 100
#define ENTRIES_MAX 100
#define LISTS_MAX 1000
/* The list that has every room, beside the groups that have nothing but rooms. */
#define ROOMS_NAME "rooms"
#define ROOMS_TITLE "Rooms"

/* --- ResolveNames --- */

struct search {
    struct ews_call *call;
    struct slice text;
    const struct directory_person *found[CANDIDATES_MAX];
    size_t count;
    bool more;
};

/* A word of the text begins with it. */
static bool word_begins(struct slice text, struct slice with)
{
    struct slice word;

    if (slice_istarts(text, with))
        return true;
    while (slice_split(&text, ' ', &word))
        if (slice_istarts(word, with))
            return true;
    return false;
}

static void look(void *ctx, const struct directory_person *person)
{
    struct search *search = ctx;

    if (!word_begins(slice_str(person->full_name), search->text) &&
        !slice_istarts(slice_str(person->name), search->text))
        return;
    if (search->count == CANDIDATES_MAX)
        search->more = true;
    else
        search->found[search->count++] = person;
}

static void find(struct search *search)
{
    static const char *const schemes[] = {"smtp:", "sip:", "mailto:", "="};

    for (size_t i = 0; i < COUNT(schemes); i++)
        if (slice_istarts(search->text, slice_str(schemes[i])))
            search->text = slice_sub(search->text, slice_str(schemes[i]).len, search->text.len);
    const struct directory_person *person =
        calendar_principal_of(search->call->directory, search->text);
    if (person != NULL)
        search->found[search->count++] = person;
    else if (search->text.len > 0)
        directory_each(search->call->directory, look, search);
}

static void write_mailbox(struct buf *out, const char *name, struct slice address, const char *type)
{
    xml_write_text_in(out, XML_EWST, "Name", slice_str(name));
    xml_write_text_in(out, XML_EWST, "EmailAddress", address);
    xml_write_text_in(out, XML_EWST, "RoutingType", SLICE("SMTP"));
    xml_write_text_in(out, XML_EWST, "MailboxType", slice_str(type));
}

static const char *title_of(const struct directory_person *person)
{
    return person->full_name[0] != '\0' ? person->full_name : person->name;
}

static void write_person(struct ews_call *call, const struct directory_person *person)
{
    struct buf *out = &call->out;
    struct slice address = ews_address_of(call, person);

    xml_write_open(out, XML_EWST, "Resolution");
    xml_write_open(out, XML_EWST, "Mailbox");
    write_mailbox(out, title_of(person), address, "Mailbox");
    xml_write_close(out, XML_EWST, "Mailbox");
    if (slice_eq(xml_attr(call->asked, "ReturnFullContactData"), SLICE("true")) ||
        slice_eq(xml_attr(call->asked, "ReturnFullContactData"), SLICE("1"))) {
        xml_write_open(out, XML_EWST, "Contact");
        xml_write_text_in(out, XML_EWST, "DisplayName", slice_str(title_of(person)));
        buf_put(out, SLICE("<t:EmailAddresses><t:Entry Key=\"EmailAddress1\">SMTP:"));
        xml_write_text(out, address);
        buf_put(out, SLICE("</t:Entry></t:EmailAddresses>"));
        xml_write_text_in(out, XML_EWST, "ContactSource", SLICE("ActiveDirectory"));
        xml_write_close(out, XML_EWST, "Contact");
    }
    xml_write_close(out, XML_EWST, "Resolution");
}

static void write_found(const struct search *search)
{
    static const struct ews_fault nobody = {"ErrorNameResolutionNoResults", "Nobody has this name"};
    static const struct ews_fault many = {"ErrorNameResolutionMultipleResults",
                                          "Several people have this name"};
    struct buf *out = &search->call->out;

    if (search->count > 1)
        ews_message_open_warning(out, "ResolveNamesResponseMessage", &many);
    else
        ews_message_open(out, "ResolveNamesResponseMessage", search->count == 0 ? &nobody : NULL);
    if (search->count > 0) {
        buf_putf(out, "<m:ResolutionSet TotalItemsInView=\"%zu\" IncludesLastItemInRange=\"%s\">",
                 search->count, search->more ? "false" : "true");
        for (size_t i = 0; i < search->count; i++)
            write_person(search->call, search->found[i]);
        xml_write_close(out, XML_EWS, "ResolutionSet");
    }
    xml_write_close(out, XML_EWS, "ResolveNamesResponseMessage");
}

void ews_run_names(struct ews_call *call)
{
    const struct xml_element *entry = ews_child(call->asked, "UnresolvedEntry");
    size_t count = 0;

    buf_put(&call->out, SLICE("<m:ResolveNamesResponse><m:ResponseMessages>"));
    for (; entry != NULL && count++ < ENTRIES_MAX; entry = ews_again(entry)) {
        struct search search = {.call = call, .text = slice_trim(entry->text)};

        find(&search);
        write_found(&search);
    }
    buf_put(&call->out, SLICE("</m:ResponseMessages></m:ResolveNamesResponse>"));
}

/* --- rooms --- */

static bool is_room(const struct directory_person *person)
{
    return person->kind == DIRECTORY_PERSON_ROOM || person->kind == DIRECTORY_PERSON_RESOURCE;
}

static const struct directory_person *room_of(const struct ews_call *call, struct slice member)
{
    struct directory_found found;

    if (slice_find(member, '@') != SIZE_MAX)
        found.person = calendar_principal_of(call->directory, member);
    else if (!directory_find_name(call->directory, member, &found))
        return NULL;
    return found.person != NULL && is_room(found.person) ? found.person : NULL;
}

/* A group that has rooms and nothing else. */
static bool is_list(const struct ews_call *call, const struct directory_group *group)
{
    for (size_t i = 0; i < group->member_count; i++)
        if (room_of(call, group->members[i]) == NULL)
            return false;
    return group->member_count > 0;
}

struct lists {
    struct ews_call *call;
    struct directory_texts names;
};

static bool has(const struct directory_texts *names, struct slice name)
{
    for (size_t i = 0; i < names->count; i++)
        if (slice_eq(names->at[i], name))
            return true;
    return false;
}

static void add_lists(void *ctx, const struct directory_person *person)
{
    struct lists *lists = ctx;
    struct directory_texts groups;

    if (!is_room(person))
        return;
    directory_groups_of(lists->call->directory, lists->call->arena, slice_str(person->name),
                        &groups);
    for (size_t i = 0; i < groups.count && lists->names.count < LISTS_MAX; i++) {
        const struct directory_group *group = directory_group(lists->call->directory, groups.at[i]);

        if (group == NULL || has(&lists->names, groups.at[i]) || !is_list(lists->call, group))
            continue;
        if (lists->names.count == lists->names.cap)
            lists->names.at = arena_grow(lists->call->arena, lists->names.at, lists->names.count,
                                         &lists->names.cap, sizeof(*lists->names.at));
        lists->names.at[lists->names.count++] = groups.at[i];
    }
}

static void write_list(struct ews_call *call, const char *name, const char *title)
{
    AUTO(buf) struct buf address = BUF(KIB);

    buf_putf(&address, "%s@%.*s", name, SLICE_ARG(directory_first_domain(call->directory)));
    xml_write_open(&call->out, XML_EWST, "Address");
    write_mailbox(&call->out, title, buf_slice(&address), "PublicDL");
    xml_write_close(&call->out, XML_EWST, "Address");
}

/* Whether the list of all rooms is it; false where somebody has that name. */
static bool is_all_rooms(const struct ews_call *call, struct slice local)
{
    struct directory_found found;

    return slice_ieq(local, SLICE(ROOMS_NAME)) &&
           !directory_find_name(call->directory, SLICE(ROOMS_NAME), &found);
}

void ews_run_room_lists(struct ews_call *call)
{
    struct lists lists = {.call = call};

    directory_each(call->directory, add_lists, &lists);
    ews_message_open(&call->out, "GetRoomListsResponse", NULL);
    xml_write_open(&call->out, XML_EWS, "RoomLists");
    if (is_all_rooms(call, SLICE(ROOMS_NAME)))
        write_list(call, ROOMS_NAME, ROOMS_TITLE);
    for (size_t i = 0; i < lists.names.count; i++) {
        const struct directory_group *group = directory_group(call->directory, lists.names.at[i]);

        write_list(call, group->name, group->full_name[0] != '\0' ? group->full_name : group->name);
    }
    xml_write_close(&call->out, XML_EWS, "RoomLists");
    xml_write_close(&call->out, XML_EWS, "GetRoomListsResponse");
}

static void write_room(struct ews_call *call, const struct directory_person *room)
{
    buf_put(&call->out, SLICE("<t:Room><t:Id>"));
    write_mailbox(&call->out, title_of(room), ews_address_of(call, room), "Mailbox");
    buf_put(&call->out, SLICE("</t:Id></t:Room>"));
}

static void write_if_room(void *ctx, const struct directory_person *person)
{
    if (is_room(person))
        write_room(ctx, person);
}

void ews_run_rooms(struct ews_call *call)
{
    static const struct ews_fault none = {"ErrorNameResolutionNoResults",
                                          "There is no list of rooms of this address"};
    struct slice address = ews_text(ews_child(call->asked, "RoomList"), "EmailAddress");
    const size_t at = slice_find_last(address, '@');
    struct slice local = slice_sub(address, 0, at);
    struct directory_found found = {.group = NULL};
    const bool all = is_all_rooms(call, local);

    if (at != SIZE_MAX &&
        !directory_find(call->directory, local, slice_sub(address, at + 1, address.len), &found))
        found.group = NULL;
    ews_message_open(&call->out, "GetRoomsResponse", all || found.group != NULL ? NULL : &none);
    if (all || found.group != NULL) {
        xml_write_open(&call->out, XML_EWS, "Rooms");
        if (all)
            directory_each(call->directory, write_if_room, call);
        for (size_t i = 0; !all && i < found.group->member_count; i++) {
            const struct directory_person *room = room_of(call, found.group->members[i]);

            if (room != NULL)
                write_room(call, room);
        }
        xml_write_close(&call->out, XML_EWS, "Rooms");
    }
    xml_write_close(&call->out, XML_EWS, "GetRoomsResponse");
}
