/* What who asks may do, what that hides, and the calendars that others share with him. */
#include "calendar/calendar_mask.h"
#include "conf/conf.h"
#include "dav/dav_call.h"
#include "ical/ical.h"

#define SHARED_MAX 500 /* calendars of others in one home */

enum st dav_rights_find(const struct dav_call *call, struct store_tx *tx,
                        const struct directory_person *owner, enum dav_kind kind,
                        int64_t calendar_id, enum dav_rights *rights_r)
{
    static const enum dav_rights of[] = {
        [STORE_RIGHTS_NONE] = DAV_RIGHTS_NOBODY, [STORE_RIGHTS_BUSY] = DAV_RIGHTS_BUSY,
        [STORE_RIGHTS_READ] = DAV_RIGHTS_READ,   [STORE_RIGHTS_WRITE] = DAV_RIGHTS_WRITE,
        [STORE_RIGHTS_ACT] = DAV_RIGHTS_ACT,
    };
    const unsigned messages = DAV_IN(INBOX) | DAV_IN(OUTBOX) | DAV_IN(NOTICE);
    struct calendar_rights rights;

    *rights_r = DAV_RIGHTS_OWN;
    if (owner == call->me)
        return ST_OK;
    *rights_r = DAV_RIGHTS_NOBODY;
    enum st st = calendar_rights(tx, &call->who, owner, calendar_id, &rights);
    if (st != ST_OK)
        return st;
    if ((messages & (1u << kind)) != 0) /* only who acts for the owner has to do with them */
        *rights_r = rights.account == STORE_RIGHTS_ACT ? DAV_RIGHTS_ACT : DAV_RIGHTS_NOBODY;
    else if (calendar_id != 0)
        *rights_r = of[rights.calendar];
    else if (rights.account < STORE_RIGHTS_READ && rights.best >= STORE_RIGHTS_READ)
        *rights_r = DAV_RIGHTS_SEE; /* a home is seen by whoever reads one of its calendars */
    else
        *rights_r = of[rights.account];
    return ST_OK;
}

/* --- private events --- */

static struct slice masked_text(struct arena *arena, struct slice body)
{
    const size_t bytes_max = ical_limits_default.bytes_max;
    struct arena *work = arena_new("mask", 2 * ical_limits_arena_bytes(&ical_limits_default));
    AUTO(buf) struct buf text = BUF(bytes_max);
    struct ical_comp *vcalendar = NULL;
    struct ical_error error;

    if (ical_parse(work, body, &ical_limits_default, &vcalendar, &error) == ST_OK)
        ical_write(calendar_mask(work, vcalendar), &text);
    arena_free(&work);
    return text.over ? SLICE("") : arena_copy(arena, buf_slice(&text));
}

bool dav_mask(struct arena *arena, enum dav_rights rights, struct store_event *event)
{
    if (rights == DAV_RIGHTS_OWN || (event->flags & STORE_EVENT_PRIVATE) == 0)
        return false;
    if (event->body.len > 0) {
        event->body = masked_text(arena, event->body);
        event->bytes = event->body.len;
    }
    return true;
}

/* --- calendars of others in one's own home --- */

/* "bob~work": no person's name has a '~'. */
bool dav_shared_read(const struct directory *directory, struct slice name,
                     const struct directory_person **owner_r, struct slice *calendar_r)
{
    size_t at = slice_find(name, '~');
    struct slice owner = slice_sub(name, 0, at);

    if (at == SIZE_MAX || at == 0)
        return false;
    *owner_r = directory_login(directory, owner);
    *calendar_r = slice_sub(name, at + 1, name.len);
    return *owner_r != NULL && (*owner_r)->account_id != 0 &&
           slice_eq(slice_str((*owner_r)->name), owner);
}

static struct slice shared_name(struct arena *arena, const char *owner, struct slice calendar)
{
    AUTO(buf) struct buf name = BUF(2 * KIB);

    buf_putf(&name, "%s~%.*s", owner, SLICE_ARG(calendar));
    return arena_copy(arena, buf_slice(&name));
}

struct given {
    struct store_calendar_grant *at;
    size_t count, cap;
    struct arena *arena;
};

static enum st note_given(void *ctx, const struct store_calendar_grant *grant)
{
    struct given *given = ctx;

    for (size_t i = 0; i < given->count; i++)
        if (given->at[i].account_id == grant->account_id &&
            given->at[i].calendar_id == grant->calendar_id)
            return ST_OK;
    if (grant->rights < STORE_RIGHTS_READ || given->count == SHARED_MAX)
        return ST_OK;
    if (given->count == given->cap)
        given->at =
            arena_grow(given->arena, given->at, given->count, &given->cap, sizeof(*given->at));
    given->at[given->count++] = (struct store_calendar_grant){.account_id = grant->account_id,
                                                              .calendar_id = grant->calendar_id};
    return ST_OK;
}

static bool is_listed(const struct dav_list *list, int64_t calendar_id)
{
    for (size_t i = 0; i < list->count; i++)
        if (list->at[i].calendar != NULL && list->at[i].calendar->calendar_id == calendar_id)
            return true;
    return false;
}

static enum st add_one(struct dav_call *call, struct store_tx *tx, const struct dav_resource *home,
                       const struct directory_person *owner, struct store_calendar *calendar,
                       struct dav_list *list)
{
    struct dav_resource resource = {.path = home->path, .person = owner, .calendar = calendar};

    if (calendar->kind != STORE_CALENDAR_PLAIN || is_listed(list, calendar->calendar_id))
        return ST_OK;
    resource.path.kind = DAV_KIND_CALENDAR;
    resource.path.calendar = shared_name(call->arena, owner->name, calendar->name);
    enum st st = dav_rights_find(call, tx, owner, DAV_KIND_CALENDAR, calendar->calendar_id,
                                 &resource.rights);
    if (st == ST_OK && resource.rights >= DAV_RIGHTS_READ &&
        resource.path.calendar.len <= DAV_NAME_BYTES_MAX)
        dav_list_add(call, list, &resource);
    return st;
}

static enum st add_given(struct dav_call *call, struct store_tx *tx,
                         const struct dav_resource *home, const struct store_calendar_grant *grant,
                         struct dav_list *list)
{
    struct store_account account;
    struct store_calendar *calendars = NULL;
    size_t count = 0;
    enum st st = store_account_get(tx, grant->account_id, &account);

    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    const struct directory_person *owner =
        directory_login(call->directory, slice_str(account.name));
    if (owner == NULL || owner == home->person)
        return ST_OK;
    st = store_calendar_list(tx, call->arena, grant->account_id, &calendars, &count);
    for (size_t i = 0; st == ST_OK && i < count; i++)
        if (grant->calendar_id == 0 || grant->calendar_id == calendars[i].calendar_id)
            st = add_one(call, tx, home, owner, &calendars[i], list);
    return st;
}

enum st dav_shared_add(struct dav_call *call, struct store_tx *tx, const struct dav_resource *home,
                       struct dav_list *list)
{
    struct given given = {.arena = call->arena};
    enum st st = calendar_rights_given(tx, &call->who, note_given, &given);

    for (size_t i = 0; st == ST_OK && i < given.count; i++)
        st = add_given(call, tx, home, &given.at[i], list);
    return st;
}
