/* smtp_session.h: one SMTP, submission or LMTP connection. Inside smtp/. */
#pragma once
#include "auth/auth_sasl.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_scan.h"
#include "router/router.h"
#include "smtp/smtp.h"
#include "smtp/smtp_dot.h"

struct arena;
struct cluster_fellow;
struct smtp_foreign;
struct smtp_header;

enum smtp_kind { SMTP_KIND_SMTP, SMTP_KIND_SUBMISSION, SMTP_KIND_LMTP, SMTP_KIND_TRANSFER };
#define SMTP_FOR(kind) (1u << SMTP_KIND_##kind)

enum smtp_state {
    SMTP_GREET, /* EHLO is yet to come */
    SMTP_READY,
    SMTP_MAIL,
    SMTP_RCPT,
    SMTP_CHUNK,  /* a chunk was taken, others follow (RFC 3030) */
    SMTP_DATA,   /* the message's text */
    SMTP_BDAT,   /* a chunk of it */
    SMTP_COMMIT, /* nothing: the store is making the message durable */
    SMTP_AUTH,   /* the answer to a challenge */
};

/* One mail transaction, from MAIL until it ends. */
struct smtp_mail {
    struct arena *arena; /* from, envid, recipients */
    struct slice from;
    bool utf8;
    bool said_8bit; /* BODY=8BITMIME */
    bool eight_bit; /* and there are such bytes */
    bool chunk_last;
    uint64_t chunk_left;
    uint64_t declared_bytes; /* SIZE= */
    enum router_ret ret;
    struct slice envid; /* xtext as received */
    struct slice xguid; /* what another server of the domain calls the message; "" */
    int8_t priority;    /* MT-PRIORITY= of one who may ask for it */
    struct router_rcpt *rcpts;
    size_t rcpt_count;
    size_t rcpt_cap;
    struct router_targets targets;
    struct smtp_dot dot;
    struct blob_writer *body;
    struct mime_scan *scan;
    struct smtp_header *header;   /* submission: mends the header while it passes */
    struct smtp_foreign *foreign; /* a foreign system gives it to its gateway; NULL: not so */
    struct sys_sha256 digest;     /* submission: of the text as the client sends it */
    bool digesting;               /* digest is to be ended */
    struct router_submission submission;
    uint64_t trace_offset; /* where Return-Path ends and the trace begins */
    struct buf structure;  /* of the scanned message */
    struct buf origin;
    struct router_message message;
    struct router_work *work;
    bool spooled; /* the store is away */
    bool too_big;
    bool nul;    /* its text has a NUL, which no mail text may have (RFC 5321 section 4.1.1.4) */
    bool failed; /* the store took no more */
};

struct smtp_session {
    struct conn *conn;
    const struct smtp_context *context;
    enum smtp_kind kind;
    enum smtp_state state;
    bool extended; /* greeted with EHLO or LHLO */
    bool closing;  /* the reply just written is the last */
    uint64_t errors;
    uint64_t waste_left;           /* of the chunk of a refused BDAT, still to be thrown away */
    char *helo;                    /* on the heap; NULL before the greeting */
    char *login;                   /* the person's name once logged in */
    struct cluster_fellow *fellow; /* of a transfer: the other server; on the heap */
    struct auth_sasl *sasl;
    struct slice sasl_mechanism; /* a literal's */
    struct smtp_mail *mail;
};

/* Writes "code enhanced text"; enhanced "" where RFC 2034 wants none. Codes from 400 on are
 * counted, logged, and after smtp_errors_max of them the connection is closed. */
void smtp_reply(struct smtp_session *session, int code, const char *enhanced, const char *fmt, ...)
    PRINTF(4, 5);
/* "smtp", "submission" and so on. */
const char *smtp_kind_name(enum smtp_kind kind);
/* On the transfer port: notes that the peer may not, or no longer, send mail here. */
void smtp_transfer_refused(const struct smtp_session *session, const char *why);
/* The reply for a status that is not the peer's fault or not one of the command's own. */
void smtp_reply_st(struct smtp_session *session, enum st st);
/* The reply for a parameter of MAIL or RCPT that is not known here (ST_NOT_FOUND), or whose value
 * is bad or said twice (ST_INVALID, RFC 3461 section 5.1). */
void smtp_reply_param(struct smtp_session *session, enum st st);

void smtp_mail_new(struct smtp_session *session);
void smtp_mail_free(struct smtp_session *session); /* no transaction is fine */

/* --- smtp_data.c --- */
/* Takes the text; replies at its end. Returns what it is done with. */
size_t smtp_data_input(struct smtp_session *session, struct slice in);
size_t smtp_bdat_input(struct smtp_session *session, struct slice in);
/* The chunk of a BDAT that was refused is thrown away, whatever it holds. */
void smtp_bdat_waste(struct smtp_session *session, struct slice args);

/* The store is done with the message: replies. */
void smtp_data_committed(struct smtp_session *session);

/* --- smtp_auth.c --- */
void smtp_auth_step(struct smtp_session *session, struct slice line);
