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

/* --- rights --- */

struct granting {
    struct dav_call *call;
    int64_t calendar_id; /* 0: any of the account */
    enum dav_rights rights;
};

static enum st look_at_grant(void *ctx, const struct store_calendar_grant *grant)
{
    static const enum dav_rights of[] = {
        [STORE_RIGHTS_NONE] = DAV_RIGHTS_NOBODY, [STORE_RIGHTS_BUSY] = DAV_RIGHTS_NOBODY,
        [STORE_RIGHTS_READ] = DAV_RIGHTS_READ,   [STORE_RIGHTS_WRITE] = DAV_RIGHTS_WRITE,
        [STORE_RIGHTS_ACT] = DAV_RIGHTS_ACT,
    };
    struct granting *granting = ctx;

    if ((grant->calendar_id == 0 || granting->calendar_id == 0 ||
         grant->calendar_id == granting->calendar_id) &&
        (slice_eq(grant->grantee, SLICE("*")) ||
         slice_eq(grant->grantee, slice_str(granting->call->me->name))) &&
        of[grant->rights] > granting->rights)
        granting->rights = of[grant->rights];
    return ST_OK;
}

/* calendar_id 0: on the home; it is seen by whoever sees one of its calendars. */
static enum st find_rights(struct dav_call *call, struct store_tx *tx,
                           const struct directory_person *person, int64_t calendar_id,
                           enum dav_rights *rights_r)
{
    struct granting granting = {call, calendar_id, DAV_RIGHTS_NOBODY};
    enum st st = ST_OK;

    if (person == call->me) {
        *rights_r = DAV_RIGHTS_OWN;
        return ST_OK;
    }
    st = store_calendar_grants_of(tx, person->account_id, look_at_grant, &granting);
    *rights_r =
        calendar_id == 0 && granting.rights > DAV_RIGHTS_NOBODY ? DAV_RIGHTS_SEE : granting.rights;
    return st;
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
    bool unused; /* the account may have no calendars yet */
};

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
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st find_event(struct store_tx *tx, const struct finding *finding)
{
    struct dav_resource *resource = finding->resource;
    struct arena *arena = finding->call->arena;
    struct store_event *event = arena_one(arena, struct store_event);
    enum st st =
        store_event_find(tx, arena, resource->calendar->calendar_id, resource->path.object, event);

    resource->event = st == ST_OK ? event : NULL;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum st find(struct store_tx *tx, void *arg)
{
    struct finding *finding = arg;
    struct dav_resource *resource = finding->resource;
    unsigned kind = 1u << resource->path.kind;
    enum st st = ST_OK;

    resource->calendar = NULL;
    resource->event = NULL;
    st = find_calendar(tx, finding);
    /* Who sees nothing of the account is not told what is there. */
    enum st rights = find_rights(finding->call, tx, resource->person,
                                 resource->calendar != NULL ? resource->calendar->calendar_id : 0,
                                 &resource->rights);
    if (rights != ST_OK || resource->rights == DAV_RIGHTS_NOBODY)
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
    struct finding finding = {call, resource, false};

    if (resource->person->account_id == 0)
        return ST_AGAIN;
    enum st st = store_read(call->context->store, find, &finding);
    if (st != ST_OK || !finding.unused || resource->rights == DAV_RIGHTS_NOBODY)
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
        if (resource.person == NULL || !slice_eq(slice_str(resource.person->name), path->person))
            return ST_NOT_FOUND; /* other ways to write the name are no paths */
    }
    if (path->kind == DAV_KIND_PRINCIPAL)
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
        st = find_rights(members->call, tx, resource.person, calendars[i].calendar_id,
                         &resource.rights);
        if (st == ST_OK && resource.rights >= (inbox ? DAV_RIGHTS_ACT : DAV_RIGHTS_READ))
            dav_list_add(members->call, members->list, &resource);
    }
    return st;
}

static enum st add_event(void *ctx, const struct store_event *event)
{
    const struct members *members = ctx;
    struct arena *arena = members->call->arena;
    struct dav_resource resource = *members->of;

    resource.path.kind = resource.path.kind == DAV_KIND_INBOX ? DAV_KIND_NOTICE : DAV_KIND_OBJECT;
    resource.event = arena_one(arena, struct store_event);
    *resource.event = *event;
    resource.event->body = SLICE("");
    resource.event->uid = SLICE("");
    resource.event->name = resource.path.object = arena_copy(arena, event->name);
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
