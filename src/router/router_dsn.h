/* router_dsn.h: writes delivery status notifications (RFC 3461 section 6, 3464, 6522, 6533, 3834)
 * and says when one is due. Pure: no I/O, no clock. */
#pragma once
#include "router/router.h"

enum router_dsn_kind {
    ROUTER_DSN_FAILED,    /* not delivered, and no more tried */
    ROUTER_DSN_DELAYED,   /* not yet, and still tried */
    ROUTER_DSN_DELIVERED, /* it is in the mailbox */
    ROUTER_DSN_RELAYED,   /* given to a system that tells nothing further */
    ROUTER_DSN_EXPANDED,  /* given to a list's or group's members */
    ROUTER_DSN_KIND_MAX,
};

const char *router_dsn_kind_name(enum router_dsn_kind kind); /* "failed" and so on */

#define ROUTER_DSN_STATUS_BYTES 16

/* Whatever is in these strings, the report stays whole: they are cleaned, cut and folded. */
struct router_dsn_rcpt {
    struct slice address;    /* where the message was to go in the end */
    struct slice orcpt;      /* as received (struct router_rcpt), or empty */
    struct slice status;     /* "5.1.1" (RFC 3463); where it is none, the kind's own "5.0.0" */
    struct slice remote;     /* the name of the server that answered; empty: none did */
    struct slice diagnostic; /* "smtp; 550 5.1.1 No such user"; without a type it is "smtp" where
                              * there is a remote, otherwise "x-posthorse"; or empty */
    int64_t tried_ms;        /* the last attempt; 0: not said */
    int64_t until_ms;        /* DELAYED: when trying ends; 0: not said */
};

struct router_dsn {
    enum router_dsn_kind kind; /* of all rcpts; others have a report of their own */
    struct slice mta;          /* this server's name */
    struct slice from_name;    /* "Mail Delivery System"; UTF-8 */
    struct slice from;         /* "postmaster@example.net" */
    struct slice to;           /* the sender of the message this is about; not empty */
    struct slice envid;        /* as received, xtext, or empty */
    struct slice guid;         /* the report's Message-ID is <guid@mta> */
    struct slice boundary;     /* 16 to 60 random letters and digits, drawn when the original was
                                * there already, so that it cannot hold them */
    struct slice words;        /* of router_dsn_text_read() */
    int64_t arrived_ms;        /* when we took the original; 0: not said */
    int64_t now_ms;
    const struct router_dsn_rcpt *rcpts;
    size_t rcpt_count;   /* at least one */
    struct slice header; /* of the original, with or without its blank line */
    bool whole;          /* the original comes back whole (router_dsn_whole()) */
    bool eight_bit;      /* whole: there are bytes beyond ASCII in its body */
};

/* Gets the report's text, piece by piece; it borrows. */
typedef void router_dsn_put(void *ctx, struct slice text);

/* The report up to where the original stands; without whole, its header too. With whole the caller
 * then puts the original's bytes as they are, header and body. */
void router_dsn_begin(const struct router_dsn *dsn, router_dsn_put *put, void *ctx);
/* What comes behind the original. */
void router_dsn_end(const struct router_dsn *dsn, router_dsn_put *put, void *ctx);

/* Whether the sender is to have a report of that kind (RFC 3461 sections 4.1, 5.2 and 6.1). notify:
 * enum router_notify; where nothing was said failures and delays are told, successes not. Never
 * about a message whose sender is <>. */
bool router_dsn_wanted(enum router_dsn_kind kind, unsigned notify, bool null_sender);
/* Whether the original goes back whole (RFC 3461 section 4.3): only with a failure, unless RET=HDRS
 * was said, and only up to bytes_max. */
bool router_dsn_whole(enum router_dsn_kind kind, enum router_ret ret, uint64_t bytes,
                      uint64_t bytes_max);
/* The status to report for an SMTP reply: enhanced ("5.1.1", RFC 2034; or empty) where it is one
 * and of the code's class, otherwise "5.0.0", "2.0.0", or "4.0.0" where code is anything else (0:
 * there was no reply). */
void router_dsn_status(int code, struct slice enhanced, char status_r[ROUTER_DSN_STATUS_BYTES]);
