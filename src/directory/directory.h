/* directory.h: the domain's documents as an immutable snapshot: who is who, who has which address,
 * and how mail goes elsewhere.
 *
 * Log-in and recipient look-up read the snapshot in memory; no query. A change of a document makes
 * a new snapshot; readers of the old one go on undisturbed. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;
struct directory;
struct store;

/* A list of texts in an arena. */
struct directory_texts {
    struct slice *at;
    size_t count;
    size_t cap;
};

/* Whether a person's submissions are kept in the folder of sent messages. */
enum directory_sent {
    DIRECTORY_SENT_SETTING, /* the document does not say: sent_copy */
    DIRECTORY_SENT_OFF,
    DIRECTORY_SENT_ON,
    DIRECTORY_SENT_MAX,
};

/* What an account stands for; rooms and resources answer invitations themselves. */
enum directory_person_kind {
    DIRECTORY_PERSON_HUMAN, /* "person" */
    DIRECTORY_PERSON_ROOM,
    DIRECTORY_PERSON_RESOURCE,
    DIRECTORY_PERSON_KIND_MAX,
};

enum directory_series {
    DIRECTORY_SERIES_YES, /* as a whole or not at all */
    DIRECTORY_SERIES_NO,
    DIRECTORY_SERIES_PARTLY, /* but for the instances that conflict */
    DIRECTORY_SERIES_MAX,
};

/* When and for what a room or resource can be had. */
struct directory_room {
    uint64_t capacity;            /* people; 0: any */
    uint32_t open_min, close_min; /* of the day, on the account's clock; both 0: always */
    uint8_t days;                 /* bit 0 is Monday; 0: all */
    uint64_t duration_max_min;    /* 0: any */
    uint64_t ahead_days;          /* 0: any */
    enum directory_series series;
};

struct directory_person {
    const char *name; /* log-in name and account name, lower case */
    const char *full_name;
    const char *yescrypt; /* "" : no password, cannot log in with PLAIN */
    const char *scram;    /* "SCRAM-SHA-256$..." or "" */
    uint64_t quota_bytes; /* 0: the setting's */
    /* Where mail goes on to: names of persons and groups, and addresses. */
    const struct slice *forwards;
    unsigned forward_count;
    bool forward_keep; /* a copy stays */
    enum directory_sent sent_copy;
    bool disabled; /* cannot log in; mail is still taken */
    bool admin;
    enum directory_person_kind kind;
    const struct directory_room *room; /* NULL of a human */
    const struct slice
        *servers; /* that hold the account, in order; none: all that have the store */
    unsigned server_count;
    int64_t account_id; /* the account in this store; 0: none here */
};

struct directory_group {
    const char *name; /* lower case; its address is the name in every domain served here */
    const char *full_name;
    const struct slice *members; /* names of persons and groups (lower case), and addresses */
    size_t member_count;
};

enum directory_tls {
    DIRECTORY_TLS_SETTING, /* the document does not say: smtp_out_tls */
    DIRECTORY_TLS_NONE,
    DIRECTORY_TLS_OPPORTUNISTIC,
    DIRECTORY_TLS_REQUIRED, /* any certificate */
    DIRECTORY_TLS_VERIFIED,
    DIRECTORY_TLS_MAX,
};

struct directory_host {
    const char *name; /* lower case; an address of version 6 without brackets */
    uint16_t port;    /* 0: the document does not say */
    bool mx;          /* the hosts that the domain name system names for the destination */
};

/* How mail goes to a destination. */
struct directory_connection {
    const char *name;
    struct directory_host *hosts; /* in order; none: as one that is mx */
    size_t host_count;
    const char *user; /* "": no log-in */
    const char *password;
    enum directory_tls tls;
    bool tls_first;           /* TLS from the first byte */
    uint64_t connections_max; /* 0: the setting's */
    uint64_t priority;
    int64_t modified_ms;
};

/* A server of the domain. */
struct directory_server {
    const char *name; /* lower case; its setting server_name */
    const char *full_name;
    struct directory_host smtp;    /* where it takes mail; port 0: the usual one */
    struct directory_host cluster; /* where it talks to other servers; port 0: the usual one */
    uint64_t priority;
    int64_t modified_ms;
};

/* Servers that hold each other's accounts and messages. */
struct directory_cluster {
    const char *name;
    const char *full_name;
    const struct slice *servers; /* their names, in order */
    size_t server_count;
};

/* How a foreign system is asked for free time. */
enum directory_calendar_way {
    DIRECTORY_CALENDAR_NONE, /* the document does not say */
    DIRECTORY_CALENDAR_EWS,  /* GetUserAvailability */
    DIRECTORY_CALENDAR_CALDAV,
    DIRECTORY_CALENDAR_IFB, /* a VFREEBUSY to fetch */
    DIRECTORY_CALENDAR_MAX,
};
enum directory_calendar_auth {
    DIRECTORY_CALENDAR_BASIC,
    DIRECTORY_CALENDAR_NTLM,
    DIRECTORY_CALENDAR_NEGOTIATE,
    DIRECTORY_CALENDAR_AUTH_MAX,
};
struct directory_calendar {
    enum directory_calendar_way way;
    enum directory_calendar_auth auth;
    const char *url;  /* "" with NONE */
    const char *user; /* "": no log-in */
    const char *password;
    const char *impersonate; /* with EWS: the address as whom it is asked; "": the user's own */
};

struct directory_rules;

/* One way to another mail system. */
struct directory_foreign {
    const char *name;
    const char *full_name;
    const struct slice *domains; /* the foreign domain's names, lower case */
    size_t domain_count;
    const struct slice *shared; /* SMTP domains whose addresses live here or there, lower case */
    size_t shared_count;
    const char *mail_server;            /* our gateway's name; "": none */
    const char *calendar_server;        /* our server that asks for free time there; "": none */
    struct directory_calendar calendar; /* how it does */
    /* Where its own mail comes from; none: the sender's address alone tells. */
    const struct slice *networks;
    size_t network_count;
    /* How the gateway reaches it: hosts in order, log-in, TLS; its name, priority and modified_ms
     * are the document's. */
    struct directory_connection connection;
    const struct directory_rules *out, *in; /* for directory_foreign_rewrite() */
    bool guarded;                           /* not everybody may see it: of the servers these */
    const struct slice *seen_by;            /* lower case */
    size_t seen_by_count;
};

/* The newest snapshot, with a reference; never NULL after directory_open(). */
const struct directory *directory_ref(void);
void directory_unref(const struct directory **directory);
static inline void directory_cleanup(const struct directory **directory)
{
    directory_unref(directory);
}
/* AUTO_DIRECTORY const struct directory *dir = directory_ref(); */
#define AUTO_DIRECTORY __attribute__((cleanup(directory_cleanup)))

/* By log-in name: "alice" or "alice@example.test" with a domain served here; without case. NULL. */
const struct directory_person *directory_login(const struct directory *directory,
                                               struct slice name);

/* Who has an address or a name: one of person and group. */
struct directory_found {
    const struct directory_person *person;
    const struct directory_group *group;
    const char *via; /* "direct", "alias", "catch-all" or "postmaster"; a literal */
};

/* By mail address (local part, domain): a name, an alias, name+detail, postmaster (who always
 * reaches somebody), at last a catch-all. Without case. False: nobody. */
bool directory_find(const struct directory *directory, struct slice local, struct slice domain,
                    struct directory_found *found_r);
/* By the name that a group's member or a forward gives: a name, or an alias without a domain. */
bool directory_find_name(const struct directory *directory, struct slice name,
                         struct directory_found *found_r);
/* Who reads postmaster's mail when nobody has the address: the first administrator with an account
 * here, else the first person with one. NULL: there is none. */
const struct directory_person *directory_postmaster(const struct directory *directory);
/* Whether the person may send as this address (its own, or one of its aliases). */
bool directory_owns(const struct directory *directory, const struct directory_person *person,
                    struct slice local, struct slice domain);
/* The name of the person or group that has this name, address or alias ("*@domain" too) and no
 * other way to it; NULL: free. */
const char *directory_owner(const struct directory *directory, struct slice alias);
bool directory_domain_is_local(const struct directory *directory, struct slice domain);
/* The first of the domains served here. */
struct slice directory_first_domain(const struct directory *directory);

/* Connections for a domain, at most max into list_r: those that name the domain; where there are
 * none those for what lies below its nearest parent; at last those for everything. What is said of
 * a domain itself is all that is said of it: a document for everything is no way round it. By
 * priority, then the newest first. They live as long as the snapshot. Returns how many. */
#define DIRECTORY_CONNECTIONS_MAX 64
size_t directory_connections(const struct directory *directory, struct slice domain,
                             const struct directory_connection **list_r, size_t max);

/* By name, without case; NULL: no such server that this one may see. */
const struct directory_server *directory_server(const struct directory *directory,
                                                struct slice name);
/* Calls fn for each server in the order of their names, this one too. */
typedef void directory_server_fn(void *ctx, const struct directory_server *server);
void directory_server_each(const struct directory *directory, directory_server_fn *fn, void *ctx);
/* The cluster that the server is in; where several name it, the first by name. NULL: none. */
const struct directory_cluster *directory_cluster_of(const struct directory *directory,
                                                     struct slice server);
/* Documents for a foreign domain that this server may see, at most max into list_r: by priority,
 * then last modified first, then by name. They live as long as the snapshot. Returns how many. */
size_t directory_foreign(const struct directory *directory, struct slice domain,
                         const struct directory_foreign **list_r, size_t max);
/* The same for an SMTP domain that is shared with a foreign system: for addresses that nobody here
 * has. */
size_t directory_foreign_shared(const struct directory *directory, struct slice domain,
                                const struct directory_foreign **list_r, size_t max);
/* The same for those that name the server as their mail server: it is their gateway. */
size_t directory_foreign_gateway(const struct directory *directory, struct slice server,
                                 const struct directory_foreign **list_r, size_t max);
/* Whether the server may see the document too, by the groups and roles that this one knows of. */
bool directory_foreign_is_seen_by(const struct directory_foreign *foreign, struct slice server);
enum directory_way {
    DIRECTORY_OUT, /* from our form of an address to the foreign system's */
    DIRECTORY_IN,  /* and back */
};
/* Applies the document's first rule that fits, once: true, and both halves are texts in arena. */
bool directory_foreign_rewrite(const struct directory_foreign *foreign, enum directory_way way,
                               struct arena *arena, struct slice *local, struct slice *domain);

/* Whether the URL names an attendee, so that each needs a question of its own. */
bool directory_calendar_is_each(const struct directory_calendar *calendar);
/* The URL for an attendee, by the halves of the address as the foreign system writes it, escaped;
 * in arena. */
const char *directory_calendar_url(const struct directory_calendar *calendar, struct arena *arena,
                                   struct slice local, struct slice domain);

enum directory_rewrite {
    DIRECTORY_REWRITE_RECIPIENT,
    DIRECTORY_REWRITE_SENDER,
    DIRECTORY_REWRITE_MAX,
};
/* Applies the first rule that fits, once: true, and both halves are texts in arena. */
bool directory_rewrite(const struct directory *directory, enum directory_rewrite kind,
                       struct arena *arena, struct slice *local, struct slice *domain);

/* "none", "opportunistic", "required", "verified"; ST_INVALID. */
MUST_USE enum st directory_tls_find(struct slice name, enum directory_tls *tls_r);

/* The aliases of a person or group, in no order; an empty domain: in each that is served here.
 * Catch-alls are none. Reads the whole table of names: for what is asked once a session. */
typedef void directory_alias_fn(void *ctx, struct slice local, struct slice domain);
void directory_aliases(const struct directory *directory, struct slice name, directory_alias_fn *fn,
                       void *ctx);
/* The group of exactly this name; NULL: there is none. */
const struct directory_group *directory_group(const struct directory *directory, struct slice name);
/* Names of the groups that the person or group is in, at any depth, by its name or its address in
 * a domain served here. In arena. */
void directory_groups_of(const struct directory *directory, struct arena *arena, struct slice name,
                         struct directory_texts *groups_r);
/* The domains served here, in order: NULL where there are no more. */
const struct slice *directory_domain(const struct directory *directory, size_t at);

/* Calls fn for each person in the order of their names. */
typedef void directory_fn(void *ctx, const struct directory_person *person);
void directory_each(const struct directory *directory, directory_fn *fn, void *ctx);

/* --- documents --- */

enum directory_kind {
    DIRECTORY_PERSON,
    DIRECTORY_GROUP,
    DIRECTORY_CONNECTION,
    DIRECTORY_SETTINGS,
    DIRECTORY_SERVER,
    DIRECTORY_CLUSTER,
    DIRECTORY_FOREIGN,
    DIRECTORY_KIND_MAX,
};
const char *directory_kind_name(enum directory_kind kind); /* as in the store: "person" */
MUST_USE enum st directory_kind_find(struct slice name, enum directory_kind *kind_r);

/* --- life --- */

/* Makes the first snapshot, of what the store's server may see. From then on a change of a document
 * in the store, by any server, has the next directory_ref() make a new one; conf_get() is looked at
 * then too. */
MUST_USE enum st directory_open(struct store *store);
void directory_close(void);
void directory_reload(void); /* the settings changed */
/* Makes the accounts that documents give to the server of this name and that the store does not
 * have yet; then there is a new snapshot. What store_write() says. */
MUST_USE enum st directory_place(struct store *store, struct slice server);

/* A snapshot of what another server may see, as far as this store knows: its accounts are those
 * that documents give to it. Unref ends it. NULL: the store cannot be read. */
const struct directory *directory_seen_by(struct slice server);

/* A snapshot from texts instead of a store, for whoever asks what would be: domains are separated
 * by blanks, each document adds to it, each account gives a person its number. Unref ends it. */
struct directory *directory_new(struct slice domains);
void directory_add(struct directory *directory, struct slice kind, struct slice name,
                   int64_t modified_ms, struct slice body);
void directory_add_account(struct directory *directory, struct slice name, int64_t account_id);
/* It becomes what the server of this name may see; before, or without it: all there is. */
void directory_look(struct directory *directory, struct slice server);
/* After the last one; from then on it may be looked at. */
const struct directory *directory_end(struct directory *directory);
