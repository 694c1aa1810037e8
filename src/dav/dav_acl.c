/* ACL (RFC 3744 section 8.1): who else may use a calendar, or all of somebody's, or ask when he is
 * busy. */
#include "dav/dav_acl.h"

#include <string.h>

#define SHAREABLE (DAV_IN(CALENDAR) | DAV_IN(HOME))
#define WRITABLE (DAV_CALENDARS | DAV_OBJECTS | DAV_IN(HOME))
#define CHANGEABLE (DAV_CALENDARS | DAV_IN(HOME) | DAV_IN(PROXY))
#define PLAIN false
#define ABSTRACT true

const struct dav_privilege_row dav_privileges[] = {
    {XML_OTHER, "", DAV_PRIVILEGE_NONE, true, 0, DAV_RIGHTS_OWN},
#define DAV_PRIVILEGE(id, ns, name, part_of, abstract, kinds, rights) \
    {XML_##ns, name, DAV_PRIVILEGE_##part_of, abstract, kinds, DAV_RIGHTS_##rights},
#include "dav/dav_privilege.def"
};

#define BIT(privilege) (1u << DAV_PRIVILEGE_##privilege)

/* --- reading --- */

struct reading {
    struct arena *arena;
    const struct directory *directory;
    enum dav_kind kind;
    const struct directory_person *owner;
    struct dav_acl *acl;
};

static enum st refuse(struct reading *r, const char *condition, const char *why)
{
    r->acl->condition = condition;
    r->acl->why = why;
    return ST_INVALID;
}

struct slice dav_principal_read(struct arena *arena, const struct directory *directory,
                                struct slice href)
{
    struct slice trimmed = slice_trim(href);
    struct slice text = dav_path_decode(slice_cstr(arena, trimmed), trimmed.len);
    struct dav_path path;

    if (dav_path_parse(text, &path) != ST_OK || path.kind != DAV_KIND_PRINCIPAL)
        return SLICE("");
    const struct directory_person *person = directory_login(directory, path.person);
    bool is = person != NULL ? slice_eq(slice_str(person->name), path.person)
                             : directory_group(directory, path.person) != NULL;
    return is ? path.person : SLICE("");
}

/* Sets *grantee_r, empty: it grants nothing to others. */
static enum st read_principal(struct reading *r, const struct xml_element *principal,
                              struct slice *grantee_r)
{
    const struct xml_element *href = xml_child(principal, XML_DAV, "href");
    const struct xml_element *property = xml_child(principal, XML_DAV, "property");

    *grantee_r = SLICE("");
    if (xml_child(property, XML_DAV, "owner") != NULL)
        return ST_OK;
    if (xml_child(principal, XML_DAV, "authenticated") != NULL) {
        *grantee_r = SLICE("*");
        return ST_OK;
    }
    if (xml_child(principal, XML_DAV, "all") != NULL) {
        *grantee_r = SLICE(STORE_ANYONE);
        return ST_OK;
    }
    if (href == NULL)
        return refuse(r, "allowed-principal",
                      "Rights are for persons, groups, DAV:authenticated and DAV:all");
    *grantee_r = dav_principal_read(r->arena, r->directory, href->text);
    if (grantee_r->len == 0)
        return refuse(r, "recognized-principal", "There is no such person or group");
    if (slice_eq(*grantee_r, slice_str(r->owner->name)))
        *grantee_r = SLICE("");
    return ST_OK;
}

static enum dav_privilege find_privilege(const struct xml_element *element)
{
    for (size_t i = DAV_PRIVILEGE_NONE + 1; i < DAV_PRIVILEGE_MAX; i++)
        if (xml_is(element, dav_privileges[i].ns, dav_privileges[i].name))
            return (enum dav_privilege)i;
    return DAV_PRIVILEGE_NONE;
}

/* With what it is made of; a part stands below its whole. */
static unsigned with_parts(enum dav_privilege privilege)
{
    unsigned bits = 1u << privilege;

    for (size_t i = 1; i < DAV_PRIVILEGE_MAX; i++)
        if (dav_privileges[i].part_of != DAV_PRIVILEGE_NONE &&
            (bits & (1u << dav_privileges[i].part_of)) != 0)
            bits |= 1u << i;
    return bits;
}

static enum st read_privileges(struct reading *r, const struct xml_element *grant, unsigned *bits_r)
{
    const struct xml_element *one = xml_child(grant, XML_DAV, "privilege");

    for (*bits_r = 0; one != NULL; one = xml_again(one))
        for (const struct xml_element *name = one->children; name != NULL; name = name->next) {
            enum dav_privilege privilege = find_privilege(name);

            if (privilege == DAV_PRIVILEGE_NONE ||
                (dav_privileges[privilege].kinds & (1u << r->kind)) == 0)
                return refuse(r, "not-supported-privilege",
                              "There is no such privilege here; see supported-privilege-set");
            if (dav_privileges[privilege].abstract)
                return refuse(r, "no-abstract", "This privilege cannot be given to others");
            *bits_r |= with_parts(privilege);
        }
    return ST_OK;
}

static enum st add(struct reading *r, struct slice grantee, unsigned bits)
{
    struct dav_acl *acl = r->acl;

    for (size_t i = 0; i < acl->count; i++)
        if (slice_eq(acl->at[i].grantee, grantee)) {
            acl->at[i].privileges |= bits;
            return ST_OK;
        }
    if (acl->count == DAV_ACES_MAX)
        return refuse(r, "limited-number-of-aces", "A list names 200 persons and groups at most");
    acl->at[acl->count++] = (struct dav_ace){.grantee = grantee, .privileges = bits};
    return ST_OK;
}

static enum st read_ace(struct reading *r, const struct xml_element *ace)
{
    struct slice grantee;
    unsigned bits;

    if (xml_child(ace, XML_DAV, "protected") != NULL ||
        xml_child(ace, XML_DAV, "inherited") != NULL)
        return ST_OK;
    if (xml_child(ace, XML_DAV, "invert") != NULL)
        return refuse(r, "no-invert", "Rights are given to somebody, not to all but somebody");
    if (xml_child(ace, XML_DAV, "deny") != NULL)
        return refuse(r, "grant-only", "Rights are given, never denied");
    enum st st = read_principal(r, xml_child(ace, XML_DAV, "principal"), &grantee);
    if (st == ST_OK && grantee.len == 0)
        return ST_OK;
    if (st == ST_OK)
        st = read_privileges(r, xml_child(ace, XML_DAV, "grant"), &bits);
    return st == ST_OK ? add(r, grantee, bits) : st;
}

/* What the store can hold: busy times; reading; reading and writing. */
static enum st decide(struct reading *r, struct dav_ace *ace)
{
    const unsigned writes = BIT(WRITE_CONTENT) | BIT(BIND) | BIT(UNBIND);
    unsigned bits = ace->privileges;

    if (r->kind == DAV_KIND_INBOX) {
        ace->rights =
            (bits & BIT(SCHEDULE_QUERY_FREEBUSY)) != 0 ? STORE_RIGHTS_BUSY : STORE_RIGHTS_NONE;
        return (bits & ~with_parts(DAV_PRIVILEGE_SCHEDULE_DELIVER)) == 0
                   ? ST_OK
                   : refuse(r, "not-supported-privilege",
                            "Of an inbox only schedule-deliver and its parts are given to others");
    }
    if ((bits & (writes | BIT(WRITE_PROPERTIES))) != 0 &&
        ((bits & writes) != writes || (bits & BIT(READ)) == 0))
        return refuse(r, "not-supported-privilege",
                      "Who may write may write all of it, and read: grant DAV:read and DAV:write");
    ace->rights = (bits & writes) != 0                ? STORE_RIGHTS_WRITE
                  : (bits & BIT(READ)) != 0           ? STORE_RIGHTS_READ
                  : (bits & BIT(READ_FREE_BUSY)) != 0 ? STORE_RIGHTS_BUSY
                                                      : STORE_RIGHTS_NONE;
    if (ace->rights > STORE_RIGHTS_BUSY && slice_eq(ace->grantee, SLICE(STORE_ANYONE)))
        return refuse(r, "allowed-principal",
                      "Who does not log in learns at most when somebody is busy");
    return ST_OK;
}

/* The ACEs that grant something to others than the owner, one for each grantee; what the server
 * itself says (protected, inherited) is passed over. In arena. ST_INVALID: condition and why. */
static enum st read_acl(struct arena *arena, const struct directory *directory, enum dav_kind kind,
                        const struct directory_person *owner, const struct xml_element *element,
                        struct dav_acl *acl_r)
{
    struct reading r = {arena, directory, kind, owner, acl_r};
    const struct xml_element *ace = xml_child(element, XML_DAV, "ace");
    enum st st = ST_OK;

    *acl_r = (struct dav_acl){.at = arena_many(arena, struct dav_ace, DAV_ACES_MAX)};
    for (; st == ST_OK && ace != NULL; ace = xml_again(ace))
        st = read_ace(&r, ace);
    for (size_t i = 0; st == ST_OK && i < acl_r->count; i++)
        st = decide(&r, &acl_r->at[i]);
    return st;
}

/* --- storing --- */

static enum st note_grant(void *ctx, const struct store_calendar_grant *grant)
{
    struct dav_grants *grants = ctx;

    if (grants->count == grants->cap)
        grants->at =
            arena_grow(grants->arena, grants->at, grants->count, &grants->cap, sizeof(*grants->at));
    grants->at[grants->count] = *grant;
    grants->at[grants->count++].grantee = arena_copy(grants->arena, grant->grantee);
    return ST_OK;
}

enum st dav_grants_read(struct store_tx *tx, struct arena *arena, int64_t account_id,
                        struct dav_grants *grants_r)
{
    *grants_r = (struct dav_grants){.arena = arena};
    return store_calendar_grants_of(tx, account_id, note_grant, grants_r);
}

struct storing {
    struct dav_call *call;
    const struct dav_acl *acl;
    int64_t calendar_id;
};

static enum st grant_one(struct store_tx *tx, const struct storing *s, struct slice grantee,
                         enum store_calendar_rights rights)
{
    const struct store_calendar_grant grant = {.account_id = s->call->target.person->account_id,
                                               .calendar_id = s->calendar_id,
                                               .grantee = grantee,
                                               .rights = rights};

    return store_calendar_grant(tx, &grant);
}

/* Delegates are the proxies' matter. */
static bool is_fixed(const struct store_calendar_grant *grant)
{
    return grant->calendar_id == 0 && grant->rights == STORE_RIGHTS_ACT;
}

static enum st remove_old(struct store_tx *tx, const struct storing *s,
                          const struct dav_grants *grants)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < grants->count; i++)
        if (grants->at[i].calendar_id == s->calendar_id && !is_fixed(&grants->at[i]))
            st = grant_one(tx, s, grants->at[i].grantee, STORE_RIGHTS_NONE);
    return st;
}

static bool is_delegate(const struct dav_grants *grants, struct slice grantee)
{
    for (size_t i = 0; i < grants->count; i++)
        if (is_fixed(&grants->at[i]) && slice_eq(grants->at[i].grantee, grantee))
            return true;
    return false;
}

/* On an inbox: no grant lets everybody ask, so that only the owner is named where nobody may. */
static enum st close_inbox(struct store_tx *tx, const struct storing *s)
{
    for (size_t i = 0; i < s->acl->count; i++)
        if (s->acl->at[i].rights != STORE_RIGHTS_NONE)
            return ST_OK;
    return grant_one(tx, s, slice_str(s->call->target.person->name), STORE_RIGHTS_BUSY);
}

static bool is_open(const struct dav_acl *acl)
{
    for (size_t i = 0; i < acl->count; i++)
        if (slice_eq(acl->at[i].grantee, SLICE("*")) && acl->at[i].rights != STORE_RIGHTS_NONE)
            return true;
    return false;
}

static enum st store_acl(struct store_tx *tx, void *arg)
{
    const struct storing *s = arg;
    struct dav_grants grants;
    bool inbox = s->call->target.path.kind == DAV_KIND_INBOX;
    enum st st = dav_grants_read(tx, s->call->arena, s->call->target.person->account_id, &grants);

    if (st == ST_OK)
        st = remove_old(tx, s, &grants);
    if (inbox && is_open(s->acl))
        return st;
    for (size_t i = 0; st == ST_OK && i < s->acl->count; i++) {
        const struct dav_ace *ace = &s->acl->at[i];

        if (ace->rights != STORE_RIGHTS_NONE &&
            (s->calendar_id != 0 || !is_delegate(&grants, ace->grantee)))
            st = grant_one(tx, s, ace->grantee, ace->rights);
    }
    return st == ST_OK && inbox ? close_inbox(tx, s) : st;
}

enum st dav_method_acl(struct dav_call *call)
{
    const struct dav_resource *target = &call->target;
    struct dav_acl acl;
    struct storing storing = {call, &acl,
                              target->calendar != NULL ? target->calendar->calendar_id : 0};

    if (call->xml == NULL || !xml_is(call->xml, XML_DAV, "acl"))
        return dav_refuse(call, 400, XML_DAV, NULL, "The body must be a DAV:acl");
    if (read_acl(call->arena, call->directory, target->path.kind, target->person, call->xml,
                 &acl) != ST_OK)
        return dav_refuse(call, 403, XML_DAV, acl.condition, acl.why);
    enum st st = store_write(call->context->store, store_acl, &storing);
    if (st == ST_OK)
        http_reply(call->request, 200, NULL, SLICE(""));
    return st;
}
