/* imap_cmd.h: the IMAP command table and the one place that decides whether a command is legal
 * now (RFC 3501 section 3). */
#pragma once
#include "imap/imap_session.h"

#define IMAP_IN(s) (1u << IMAP_##s)
#define IMAP_ANY ((1u << IMAP_STATE_MAX) - 1)
#define IMAP_LOGGED_IN (IMAP_IN(AUTH) | IMAP_IN(SELECTED))

enum imap_cmd_flag {
    IMAP_NO_ARGS = 1u << 0,
    IMAP_UID = 1u << 1,      /* may follow UID */
    IMAP_HOLD = 1u << 2,     /* no EXPUNGE while it runs, unless after UID (section 7.4.1) */
    IMAP_WRITES = 1u << 3,   /* wants the folder selected read-write */
    IMAP_CLEAR = 1u << 4,    /* only before TLS, where TLS can be had */
    IMAP_PASSWORD = 1u << 5, /* a password in the clear: only under TLS, or where allowed */
};

struct imap_cmd {
    const char *verb;
    unsigned states;
    unsigned flags;
    /* ST_OK: done. ST_AGAIN: the reply comes later (imap_session_hold(), or an APPEND). Else the
     * reply is that of imap_reply.h, with run's code and text where set. */
    enum st (*run)(struct imap_session *session, struct imap_run *run);
};

#define IMAP_CMD(verb, states, flags, fn) \
    MUST_USE enum st fn(struct imap_session *session, struct imap_run *run);
#include "imap/imap_cmd.def"

extern const struct imap_cmd imap_cmds[];
extern const size_t imap_cmd_count;

/* NULL: no such command. */
const struct imap_cmd *imap_cmd_find(struct slice verb);
/* Runs a whole command and replies, unless its handler returned ST_AGAIN. Returns what the handler
 * or the guard said. */
enum st imap_cmd_dispatch(struct imap_session *session, struct slice text, struct arena *arena);
/* Replies for a command that was under way: the changes of the folder first, then the tagged
 * line. Frees run's code. */
void imap_cmd_finish(struct imap_session *session, struct imap_run *run, enum st st);
/* The same for a command that was held, with the line that has come. */
void imap_cmd_line(struct imap_session *session, struct slice line, struct arena *arena);
/* One more BAD, or the end of a row of them; after too many the session ends. */
void imap_cmd_count_bad(struct imap_session *session, bool bad);
/* A password may cross this connection. */
bool imap_cmd_password_allowed(const struct imap_session *session);
