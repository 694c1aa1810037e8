/* router.h: takes messages over: into accounts of this store, and into the queue for what goes
 * elsewhere. */
#pragma once
#include "router/router_queue.h"
#include "router/router_resolve.h"
#include "router/router_spool.h"
#include "router/router_submission.h"
#include "store/store_account.h"
#include "store/store_blob.h"

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

/* A recipient as the client gave it. */
struct router_rcpt {
    struct slice address;      /* what stood between the angle brackets; the caller's memory */
    struct slice orcpt;        /* ORCPT as received, "rfc822;a+2Bb@c", to be relayed so; or empty */
    uint8_t notify;            /* enum router_notify */
    struct router_reach reach; /* what it became */
    bool known;                /* out: it was taken under the message's xguid before */
    const char *refused;       /* it is nobody, and the sender is to be told so; NULL */
};

struct router_message {
    struct blob_writer *body; /* ended */
    struct slice envelope;    /* of mime_scan */
    struct slice structure;
    char guid[STORE_GUID_BYTES];
    int64_t now_ms;
    struct slice sender;     /* without brackets; "": the null sender */
    struct slice message_id; /* the header's, or "" */
    struct slice origin;     /* who gave it: "smtp 192.0.2.1", "submission alice" */
    uint64_t flags;          /* STORE_ENVELOPE_UTF8, _8BIT, _REPORT */
    uint64_t body_offset;    /* what lies before is not sent on */
    struct slice envid;      /* ENVID as received, xtext, to be relayed so; or empty */
    enum router_ret ret;
    int8_t priority;    /* MT-PRIORITY, -9 to 9; 0 where nothing was said by one who may */
    bool enforce_quota; /* a full account is told by its own status; otherwise it takes the message
                         */
    struct router_rcpt *rcpts;
    size_t rcpt_count;
    struct router_targets *targets; /* what the recipients became */
    /* The store is away: body is one of router_spool_store(), and the message goes there, to the
     * recipients as they were given; NULL: into the store. */
    struct router_spool *spool;
    bool copy; /* a second server is to have it first, where the settings say so */
    /* What another server of the domain calls the message; "": it came otherwise. Recipients that
     * were taken under it before are passed over, exactly once whatever crashes; where that is all
     * of them nothing is kept and the end is ST_EXISTS. */
    struct slice xguid;
    bool claim; /* the guid is noted, so that a spooled copy of it is not stored again */
    struct router_submission *submission; /* of one who logged in; NULL: it is none */
    /* Run in the same transaction once the message is in it; NULL: nothing. */
    store_body *also;
    void *also_arg;
};

/* A message on its way into the store. */
struct router_work;

/* Puts the message into each local target's INBOX and queues it for the remote ones: the body once,
 * all in one transaction. message with all it points to must stay until router_accept_end(). done
 * is told when it is over, on any thread; it must only note that (net_wake). queue may be NULL
 * where no target is remote and no report was asked for. */
struct router_work *router_accept_new(struct store *store, struct router_queue *queue,
                                      struct router_message *message, void (*done)(void *ctx),
                                      void *ctx);
/* For a thread that may wait: all three in one. */
MUST_USE enum st router_accept(struct store *store, struct router_queue *queue,
                               struct router_message *message);
/* True: over already, done is not called. False: once done was called, router_accept_again(). */
MUST_USE bool router_accept_begin(struct router_work *work);
/* Goes on after done was called. True: it is over. False: done will be called once more. */
MUST_USE bool router_accept_again(struct router_work *work);
/* Once it is over. ST_OK: it is durable; each target's st tells. Anything else: nothing was
 * kept; ST_EXISTS: a submission that was taken before; ST_AGAIN: no second server took a copy, as
 * the settings want it. Frees work and sets it to NULL. */
MUST_USE enum st router_accept_end(struct router_work **work, uint64_t sid);
struct router_plan;
struct router_question;
struct health_view;
/* The origin of what a server of the domain handed over is "transfer NAME", and " again" behind it
 * where the message was here before. */
#define ROUTER_HANDED_OVER "transfer"
#define ROUTER_AGAIN "again"
/* What router_plan() is asked as things are now. address: local@domain; origin: the envelope's;
 * servers: NULL where nothing is known. All of it is borrowed. */
struct router_question router_question_now(const struct router_queue *queue,
                                           const struct directory *directory, struct slice address,
                                           struct slice origin, const struct health_view *servers);
/* router_plan() of that, with how the servers are now. */
struct router_asked {
    struct slice address;
    struct slice origin;
    const char *queued_as; /* NULL: it is new */
};
void router_plan_now(const struct router_queue *queue, const struct directory *directory,
                     const struct router_asked *asked, struct arena *arena,
                     struct router_plan *plan_r);
/* Whether the message goes on from here to none of the domain's servers, as things are now. */
bool router_ends_here(const struct router_queue *queue, const struct router_targets *targets,
                      struct slice origin);
struct store_rcpt;
/* One way for all who queue: the event that says which way a recipient's message goes, and why. */
void router_log_queued(uint64_t sid, const char *guid, const struct store_rcpt *rcpt,
                       struct slice destination, const char *why);
/* The worst that became of those the recipient leads to. */
enum st router_rcpt_st(const struct router_rcpt *rcpt);
