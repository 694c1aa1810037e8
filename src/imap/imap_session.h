/* imap_session.h: one client's connection: its state, and what a running command knows. */
#pragma once
#include "base/buf.h"
#include "imap/imap.h"
#include "imap/imap_frame.h"
#include "imap/imap_parse.h"

struct auth_sasl;
struct imap_account;
struct imap_append;
struct imap_cmd;
struct imap_folder;
struct imap_run;

enum imap_state { IMAP_NOT_AUTH, IMAP_AUTH, IMAP_SELECTED, IMAP_STATE_MAX };

/* Gets a line that is no command (IDLE's DONE, an answer to AUTHENTICATE's challenge); ST_AGAIN:
 * the next line comes here too; anything else is how the command ended. */
struct imap_session;
typedef enum st imap_line_fn(struct imap_session *session, struct imap_run *run, struct slice line);

struct imap_session {
    struct conn *conn;
    struct imap_context *context;
    enum imap_state state;
    bool ending;    /* close once the output is sent */
    bool mute;      /* a literal broke off: nothing that follows would be understood */
    bool condstore; /* FETCH tells MODSEQ from now on, RFC 7162 section 3.1 */
    bool qresync;   /* expunges are told as VANISHED, RFC 7162 section 3.2 */
    bool dropping;  /* what is left of a refused APPEND passes by */
    bool counted;   /* among the account's connections */
    unsigned bad_count;
    struct imap_frame frame;
    int64_t account_id;
    char *name;                   /* the account's; owned */
    struct imap_account *account; /* from the log-in on */
    struct imap_folder *folder;   /* in IMAP_SELECTED */
    struct imap_append *append;   /* while messages come */
    struct auth_sasl *sasl;       /* while AUTHENTICATE goes on */
    const char *mechanism;        /* of it, for the log */
    imap_line_fn *line;           /* lines go there while a command waits for them */
    const struct imap_cmd *held;  /* that command */
    char *held_tag;
};

/* One command under way. */
struct imap_run {
    struct slice tag;
    const struct imap_cmd *cmd; /* NULL while not known */
    bool uid;                   /* UID stood before it */
    struct imap_parse args;     /* what follows the verb, with the space before it */
    struct arena *arena;
    struct buf code;  /* the response code of the tagged reply, without brackets; may be empty */
    const char *text; /* its text; NULL: the usual one */
    bool bad;         /* BAD instead of NO for a failure that is no ST_INVALID */
};

static inline struct store *imap_store(const struct imap_session *session)
{
    return session->context->store;
}
/* Keeps the command under way: its next lines go to fn. */
void imap_session_hold(struct imap_session *session, const struct imap_run *run, imap_line_fn *fn);
/* Ends the session with an untagged BYE. code may be NULL. */
void imap_session_bye(struct imap_session *session, const char *code, const char *text);
/* Sends a buf and empties it. */
void imap_session_send(struct imap_session *session, struct buf *out);
/* Leaves the folder that is selected, if any. */
void imap_session_deselect(struct imap_session *session);
