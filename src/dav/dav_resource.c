#include "calendar/calendar.h"
#include "dav/dav_call.h"
#include "sys/sys_time.h"

/* --- hrefs --- */

void dav_href_write(const struct dav_path *path, struct buf *out)
{
    xml_write_open(out, XML_DAV, "href");
    dav_path_write(path, out); /* nothing in it needs escaping */
    xml_write_close(out, XML_DAV, "href");
}

void dav_href_write_of(const struct directory_person *person, enum dav_kind kind, struct buf *out)
{
    struct dav_path path = {.kind = kind, .person = slice_str(person->name)};

    if (kind == DAV_KIND_INBOX)
        path.calendar = SLICE("inbox");
    if (kind == DAV_KIND_OUTBOX)
        path.calendar = SLICE("outbox");
    dav_href_write(&path, out);
}

/* --- the calendars everybody has --- */

struct ensuring {
    struct arena *arena;
    int64_t account_id;
};

static enum st make_calendars(struct store_tx *tx, void *arg)
{
    const struct ensuring *ensuring = arg;

    return calendar_ensure(tx, ensuring->arena, ensuring->account_id, sys_now_ms());
}

/* --- finding --- */

struct finding {
    struct dav_call *call;
    struct dav_resource *resource;
    const struct directory_person *home; /* whose home the path is in */
    bool unused;                         /* the account may have no calendars yet */
};

/* A calendar of somebody else that is shown in this home; where who asks may not see it there is
 * none. */
static enum st find_shared(struct store_tx *tx, struct finding *finding)
{
    struct dav_resource *resource = finding->resource;
    struct arena *arena = finding->call->arena;
    struct store_calendar *calendar = arena_one(arena, struct store_calendar);
    const struct directory_person *owner;
    enum dav_rights rights;
    struct slice name;

    if ((resource->path.kind != DAV_KIND_CALENDAR && resource->path.kind != DAV_KIND_OBJECT) ||
        !dav_shared_read(finding->call->directory, resource->path.calendar, &owner, &name) ||
        owner == resource->person)
        return ST_OK;
    enum st st = store_calendar_find(tx, arena, owner->account_id, name, calendar);
    if (st == ST_OK)
        st = dav_rights_find(finding->call, tx, owner, resource->path.kind, calendar->calendar_id,
                             &rights);
    if (st != ST_OK || rights < DAV_RIGHTS_READ || calendar->kind != STORE_CALENDAR_PLAIN)
        return st == ST_NOT_FOUND ? ST_OK : st;
    resource->person = owner;
    resource->calendar = calendar;
    finding->unused = false;
    return ST_OK;
}

/* A home and an outbox have been used when there is an inbox. */
static enum st find_calendar(struct store_tx *tx, struct finding *finding)
{
    struct dav_resource *resource = finding->resource;
    struct arena *arena = finding->call->arena;
    struct store_calendar *calendar = arena_one(arena, struct store_calendar);
    bool stored = ((1u << resource->path.kind) & DAV_STORED) != 0;
    enum st st = store_calendar_find(tx, arena, resource->person->account_id,
                                     stored ? resource->path.calendar : SLICE("inbox"), calendar);

    finding->unused = st == ST_NOT_FOUND;
    resource->calendar = st == ST_OK && stored ? calendar : NULL;
    return st == ST_NOT_FOUND ? find_shared(tx, finding) : st;
}

static enum st find_event(struct store_tx *tx, const struct finding *finding)
{
    struct dav_resource *resource = finding->resource;
    struct arena *arena = finding->call->arena;
    struct store_event *event = arena_one(arena, struct store_event);
    enum st st =
        store_event_find(tx, arena, resource->calendar->calendar_id, resource->path.object, event);

    resource->event = st == ST_OK ? event : NULL;
    resource->masked = st == ST_OK && dav_mask(arena, resource->rights, event);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st find(struct store_tx *tx, void *arg)
{
    struct finding *finding = arg;
    struct dav_resource *resource = finding->resource;
    unsigned kind = 1u << resource->path.kind;
    enum st st = ST_OK;

    resource->person = finding->home;
    resource->calendar = NULL;
    resource->event = NULL;
    st = find_calendar(tx, finding);
    /* Who sees nothing of the account is not told what is there. */
    enum st rights = dav_rights_find(
        finding->call, tx, resource->person, resource->path.kind,
        resource->calendar != NULL ? resource->calendar->calendar_id : 0, &resource->rights);
    if (rights != ST_OK || resource->rights < DAV_RIGHTS_SEE)
        return rights;
    return st == ST_OK && (kind & DAV_OBJECTS) != 0 && resource->calendar != NULL
               ? find_event(tx, finding)
               : st;
}

static bool is_open_to_all(enum dav_kind kind)
{
    return kind == DAV_KIND_ROOT || kind == DAV_KIND_PRINCIPALS || kind == DAV_KIND_HOMES;
}

static enum st find_in_home(struct dav_call *call, struct dav_resource *resource)
{
    struct finding finding = {call, resource, resource->person, false};

    if (resource->person->account_id == 0)
        return ST_AGAIN;
    enum st st = store_read(call->context->store, find, &finding);
    if (st != ST_OK || !finding.unused || resource->rights < DAV_RIGHTS_SEE)
        return st;
    struct ensuring ensuring = {call->arena, resource->person->account_id};
    st = store_write(call->context->store, make_calendars, &ensuring);
    return st == ST_OK || st == ST_EXISTS ? store_read(call->context->store, find, &finding) : st;
}

enum st dav_resource_find(struct dav_call *call, const struct dav_path *path,
                          struct dav_resource *resource_r)
{
    struct dav_resource resource = {.path = *path, .rights = DAV_RIGHTS_READ};
    enum st st = ST_OK;

    if (!is_open_to_all(path->kind)) {
        resource.person = directory_login(call->directory, path->person);
        if (resource.person == NULL && path->kind == DAV_KIND_PRINCIPAL)
            resource.group = directory_group(call->directory, path->person);
        if (resource.group != NULL)
            resource.path.kind = DAV_KIND_GROUP;
        else if (resource.person == NULL ||
                 !slice_eq(slice_str(resource.person->name), path->person))
            return ST_NOT_FOUND; /* other ways to write the name are no paths */
    }
    if (path->kind == DAV_KIND_PRINCIPAL || path->kind == DAV_KIND_PROXY)
        resource.rights = resource.person == call->me ? DAV_RIGHTS_OWN : DAV_RIGHTS_READ;
    else if (resource.person != NULL)
        st = find_in_home(call, &resource);
    *resource_r = resource;
    return st;
}

bool dav_resource_is(const struct dav_resource *resource)
{
    unsigned kind = 1u << resource->path.kind;

    if ((kind & DAV_OBJECTS) != 0)
        return resource->event != NULL;
    return (kind & DAV_CALENDARS) == 0 || resource->calendar != NULL;
}

/* --- members --- */

void dav_list_add(struct dav_call *call, struct dav_list *list, const struct dav_resource *resource)
{
    if (list->count == list->cap)
        list->at = arena_grow(call->arena, list->at, list->count, &list->cap, sizeof(*list->at));
    list->at[list->count++] = *resource;
}

struct members {
    struct dav_call *call;
    const struct dav_resource *of;
    struct dav_list *list;
    size_t count_before;
};

static enum st add_calendars(struct store_tx *tx, void *arg)
{
    const struct members *members = arg;
    struct dav_resource resource = *members->of;
    struct store_calendar *calendars;
    size_t count;
    enum st st = store_calendar_list(tx, members->call->arena, resource.person->account_id,
                                     &calendars, &count);

    members->list->count = members->count_before;
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        bool inbox = calendars[i].kind == STORE_CALENDAR_INBOX;

        resource.path.kind = inbox ? DAV_KIND_INBOX : DAV_KIND_CALENDAR;
        resource.path.calendar = calendars[i].name;
        resource.calendar = &calendars[i];
        st = dav_rights_find(members->call, tx, resource.person, resource.path.kind,
                             calendars[i].calendar_id, &resource.rights);
        if (st == ST_OK && resource.rights >= (inbox ? DAV_RIGHTS_ACT : DAV_RIGHTS_READ))
            dav_list_add(members->call, members->list, &resource);
    }
    return st == ST_OK && members->of->person == members->call->me
               ? dav_shared_add(members->call, tx, members->of, members->list)
               : st;
}

#define MEMBERS_MAX 200000 /* of one calendar in one answer; more would fill the call's arena */

static enum st add_event(void *ctx, const struct store_event *event)
{
    const struct members *members = ctx;
    struct arena *arena = members->call->arena;
    struct dav_resource resource = *members->of;

    if (members->list->count == MEMBERS_MAX)
        return ST_TOO_BIG;
    resource.path.kind = resource.path.kind == DAV_KIND_INBOX ? DAV_KIND_NOTICE : DAV_KIND_OBJECT;
    resource.event = arena_one(arena, struct store_event);
    *resource.event = *event;
    resource.event->body = SLICE("");
    resource.event->uid = SLICE("");
    resource.event->name = resource.path.object = arena_copy(arena, event->name);
    resource.masked = dav_mask(arena, resource.rights, resource.event);
    dav_list_add(members->call, members->list, &resource);
    return ST_OK;
}

static enum st add_events(struct store_tx *tx, void *arg)
{
    struct members *members = arg;

    members->list->count = members->count_before;
    return store_event_each(tx, members->of->calendar->calendar_id, false, add_event, members);
}

static void add(struct dav_call *call, struct dav_list *list, enum dav_kind kind,
                const struct directory_person *person)
{
    struct dav_resource resource = {.path.kind = kind, .rights = DAV_RIGHTS_READ};

    if (person != NULL) {
        resource.person = person;
        resource.path.person = slice_str(person->name);
        resource.rights = DAV_RIGHTS_OWN;
    }
    if (kind == DAV_KIND_OUTBOX)
        resource.path.calendar = SLICE("outbox");
    dav_list_add(call, list, &resource);
}

static void add_proxy(struct dav_call *call, const struct dav_resource *principal,
                      struct slice name, struct dav_list *list)
{
    struct dav_resource resource = *principal;

    resource.path.kind = DAV_KIND_PROXY;
    resource.path.calendar = name;
    dav_list_add(call, list, &resource);
}

static enum st add_home(struct dav_call *call, const struct dav_resource *home,
                        struct dav_list *list)
{
    struct members members = {call, home, list, list->count};
    enum st st = store_read(call->context->store, add_calendars, &members);

    if (st == ST_OK && home->rights >= DAV_RIGHTS_ACT)
        add(call, list, DAV_KIND_OUTBOX, home->person);
    return st;
}

enum st dav_resource_members(struct dav_call *call, const struct dav_resource *resource,
                             struct dav_list *list)
{
    struct members members = {call, resource, list, list->count};

    switch ((int)resource->path.kind) {
    case DAV_KIND_ROOT:
        add(call, list, DAV_KIND_PRINCIPALS, NULL);
        add(call, list, DAV_KIND_HOMES, NULL);
        break;
    case DAV_KIND_PRINCIPALS: /* the others are found by a search, not in a list */
        add(call, list, DAV_KIND_PRINCIPAL, call->me);
        break;
    case DAV_KIND_PRINCIPAL:
        add_proxy(call, resource, SLICE(DAV_PROXY_READ), list);
        add_proxy(call, resource, SLICE(DAV_PROXY_WRITE), list);
        break;
    case DAV_KIND_HOMES:
        add(call, list, DAV_KIND_HOME, call->me);
        break;
    case DAV_KIND_HOME:
        return add_home(call, resource, list);
    case DAV_KIND_CALENDAR:
    case DAV_KIND_INBOX:
        return store_read(call->context->store, add_events, &members);
    default:
        break;
    }
    return ST_OK;
}
