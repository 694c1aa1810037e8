/* dav_acl.h: privileges, access control lists (RFC 3744) and delegates, as grants of the store.
 * Inside dav/. */
#pragma once
#include "dav/dav_prop.h"

enum dav_privilege {
    DAV_PRIVILEGE_NONE,
#define DAV_PRIVILEGE(id, ns, name, part_of, abstract, kinds, rights) DAV_PRIVILEGE_##id,
#include "dav/dav_privilege.def"
    DAV_PRIVILEGE_MAX,
};

struct dav_privilege_row {
    enum xml_ns ns;
    const char *name;
    enum dav_privilege part_of;
    bool abstract;
    unsigned kinds;
    enum dav_rights rights;
};
extern const struct dav_privilege_row dav_privileges[];

#define DAV_ACES_MAX 200

struct dav_ace {
    struct slice grantee; /* as in a store_calendar_grant */
    unsigned privileges;  /* bits 1 << enum dav_privilege */
    enum store_calendar_rights rights;
};
struct dav_acl {
    struct dav_ace *at;
    size_t count;
    const char *condition; /* that was missed (RFC 3744 section 8.1.1) */
    const char *why;       /* a sentence */
};

/* The name in a principal's href: a person's or a group's that is there. Empty: it is none. */
struct slice dav_principal_read(struct arena *arena, const struct directory *directory,
                                struct slice href);
/* Writes <D:href> of the principal of that name. */
void dav_principal_write(struct slice name, struct buf *out);

/* All grants of an account, in arena. */
struct dav_grants {
    struct store_calendar_grant *at;
    size_t count, cap;
    struct arena *arena;
};
MUST_USE enum st dav_grants_read(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                 struct dav_grants *grants_r);

/* The members that a proxy is to have. */
struct dav_delegates {
    struct slice *at;
    size_t count;
};
MUST_USE enum st dav_delegates_store(struct store_tx *tx, struct arena *arena,
                                     const struct dav_resource *proxy,
                                     const struct dav_delegates *delegates);
