/* router.h: decides where a message goes. So far every recipient is an account of this store; what
 * goes elsewhere is refused at RCPT. */
#pragma once
#include "store/store_account.h"
#include "store/store_blob.h"

struct directory;

enum router_verdict {
    ROUTER_LOCAL,    /* an account of this store */
    ROUTER_NOBODY,   /* the domain is ours and there is no such address */
    ROUTER_FOREIGN,  /* another domain; nothing here can send there yet */
    ROUTER_NO_STORE, /* a person of the directory whose account is not in this store */
};

/* What the sender wants to be told of a recipient (NOTIFY, RFC 3461 section 4.1). No bit: nothing
 * was said. NEVER stands alone. */
enum router_notify {
    ROUTER_NOTIFY_NEVER = 1u << 0,
    ROUTER_NOTIFY_SUCCESS = 1u << 1,
    ROUTER_NOTIFY_FAILURE = 1u << 2,
    ROUTER_NOTIFY_DELAY = 1u << 3,
};

/* How much of the message a failure report shall bring back (RET, RFC 3461 section 4.3). */
enum router_ret {
    ROUTER_RET_UNSAID,
    ROUTER_RET_FULL,
    ROUTER_RET_HDRS,
};

struct router_rcpt {
    int64_t account_id;
    uint64_t quota_bytes; /* 0: none */
    const char *name;     /* the account's, for the log; the caller's memory */
    struct slice orcpt;   /* ORCPT as received, "rfc822;a+2Bb@c", to be relayed so; or empty */
    uint8_t notify;       /* enum router_notify */
    enum st st;           /* what became of it: ST_OK, ST_FULL, ST_NOT_FOUND (removed meanwhile) */
};

/* What becomes of mail for the address. */
enum router_verdict router_resolve(const struct directory *directory, struct slice local,
                                   struct slice domain, int64_t *account_id_r,
                                   uint64_t *quota_bytes_r, const char **name_r);

struct router_message {
    struct blob_writer *body; /* ended */
    struct slice envelope;    /* of mime_scan */
    struct slice structure;
    char guid[STORE_GUID_BYTES];
    int64_t now_ms;
    struct slice envid; /* ENVID as received, xtext, to be relayed so; or empty */
    enum router_ret ret;
    int8_t priority;    /* MT-PRIORITY, -9 to 9; 0 where nothing was said by one who may */
    bool enforce_quota; /* a full account is told by its own status; otherwise it takes the message
                         */
    struct router_rcpt *rcpts;
    size_t rcpt_count;
};

/* A message on its way into the store. */
struct router_work;

/* Puts the message into each recipient's INBOX: the body once, all in one transaction. message with
 * all it points to must stay until router_accept_end(). done is told when it is over, on any
 * thread; it must only note that (net_wake). */
struct router_work *router_accept_new(struct store *store, struct router_message *message,
                                      void (*done)(void *ctx), void *ctx);
/* True: over already, done is not called. */
MUST_USE bool router_accept_begin(struct router_work *work);
/* Once it is over. ST_OK: it is durable; each recipient's st tells. Anything else: nothing was
 * kept. Frees work and sets it to NULL. */
MUST_USE enum st router_accept_end(struct router_work **work, uint64_t sid);
