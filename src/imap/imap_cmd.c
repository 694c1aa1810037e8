#include "imap/imap_cmd.h"

#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "imap/imap_folder.h"
#include "imap/imap_reply.h"
#include "log/log.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CODE_BYTES_MAX (4 * MIB) /* COPYUID of a set with many holes */
#define BAD_COUNT_MAX 20

const struct imap_cmd imap_cmds[] = {
#define IMAP_CMD(verb, states, flags, fn) {verb, states, flags, fn},
#include "imap/imap_cmd.def"
};
const size_t imap_cmd_count = COUNT(imap_cmds);

static int verb_cmp(const void *key, const void *row)
{
    const struct slice *verb = key;
    const struct imap_cmd *cmd = row;
    int order = strncasecmp(verb->ptr, cmd->verb, verb->len);

    return order != 0 ? order : (cmd->verb[verb->len] == '\0' ? 0 : -1);
}

const struct imap_cmd *imap_cmd_find(struct slice verb)
{
    if (verb.len == 0)
        return NULL;
    return bsearch(&verb, imap_cmds, imap_cmd_count, sizeof(imap_cmds[0]), verb_cmp);
}

bool imap_cmd_password_allowed(const struct imap_session *session)
{
    return conn_tls(session->conn) || conf_get()->auth_plain_without_tls;
}

static enum st refuse(struct imap_run *run, enum st st, const char *code, const char *text)
{
    buf_put(&run->code, slice_str(code));
    run->text = text;
    return st;
}

static const char *state_text(enum imap_state state)
{
    static const char *const texts[IMAP_STATE_MAX] = {
        [IMAP_NOT_AUTH] = "Log in first",
        [IMAP_AUTH] = "Not now: no mailbox is selected, or the log-in is done",
        [IMAP_SELECTED] = "Not now: the log-in is done",
    };

    return texts[state];
}

/* The guard: everything that makes a known command illegal now. */
static enum st guard(const struct imap_session *session, struct imap_run *run)
{
    const struct imap_cmd *cmd = run->cmd;

    if ((cmd->states & (1u << session->state)) == 0)
        return refuse(run, ST_INVALID, NULL, state_text(session->state));
    if (run->uid && (cmd->flags & IMAP_UID) == 0)
        return refuse(run, ST_INVALID, NULL, "UID does not go with this command");
    if ((cmd->flags & IMAP_NO_ARGS) != 0 && run->args.rest.len > 0)
        return refuse(run, ST_INVALID, NULL, "No arguments expected");
    if ((cmd->flags & IMAP_CLEAR) != 0 && conn_tls(session->conn))
        return refuse(run, ST_INVALID, NULL, "TLS is already on");
    if ((cmd->flags & IMAP_CLEAR) != 0 && !conn_tls_possible(session->conn))
        return refuse(run, ST_DENIED, NULL, "TLS is not available");
    if ((cmd->flags & IMAP_PASSWORD) != 0 && !imap_cmd_password_allowed(session))
        return refuse(run, ST_DENIED, "PRIVACYREQUIRED", "Passwords only under TLS");
    if ((cmd->flags & IMAP_WRITES) != 0 && !imap_folder_writable(session->folder))
        return refuse(run, ST_DENIED, NULL, "Mailbox is selected read-only");
    return ST_OK;
}

/* tag SP ["UID" SP] verb */
static enum st parse_verb(struct imap_run *run)
{
    struct slice verb;
    enum st st = imap_parse_tag(&run->args, &run->tag);

    if (st == ST_OK)
        st = imap_parse_space(&run->args);
    if (st == ST_OK) {
        run->uid = imap_parse_word(&run->args, "UID ");
        st = imap_parse_atom(&run->args, &verb);
    }
    if (st != ST_OK)
        return st;
    run->cmd = imap_cmd_find(verb);
    return run->cmd != NULL ? ST_OK : imap_parse_fail(&run->args, "Unknown command");
}

static void log_refused(const struct imap_session *session, const struct imap_run *run,
                        const char *word, const char *text)
{
    const char *verb = run->cmd != NULL ? run->cmd->verb : "";

    log_event(EV_IMAP_REFUSED, conn_sid(session->conn), LOG_S("tag", run->tag),
              LOG_C("command", verb), LOG_C("answer", word), LOG_C("reason", text));
}

void imap_cmd_count_bad(struct imap_session *session, bool bad)
{
    session->bad_count = bad ? session->bad_count + 1 : 0;
    if (session->bad_count >= BAD_COUNT_MAX)
        imap_session_bye(session, NULL, "Too many wrong commands");
}

/* The tagged line. */
static void reply(struct imap_session *session, struct imap_run *run, enum st st)
{
    const struct imap_reply *row = imap_reply_for(st);
    enum imap_reply_kind kind = run->bad ? IMAP_REPLY_BAD : row->kind;
    const char *word = imap_reply_word(kind);
    const char *text = run->text;
    struct slice code = run->code.len > 0 ? buf_slice(&run->code) : slice_str(row->code);
    struct slice tag = run->tag.len > 0 ? run->tag : SLICE("*");

    if (text == NULL && st == ST_INVALID)
        text = run->args.why;
    if (text == NULL)
        text = row->text;
    if (st != ST_OK)
        log_refused(session, run, word, text);
    if (!session->mute) {
        conn_write(session->conn, tag);
        conn_writef(session->conn, " %s ", word);
        if (code.len > 0) {
            conn_write(session->conn, SLICE("["));
            conn_write(session->conn, code);
            conn_write(session->conn, SLICE("] "));
        }
        conn_writef(session->conn, "%s\r\n", text);
    }
    imap_cmd_count_bad(session, kind == IMAP_REPLY_BAD);
}

void imap_cmd_finish(struct imap_session *session, struct imap_run *run, enum st st)
{
    bool hold = run->cmd != NULL && (run->cmd->flags & IMAP_HOLD) != 0 && !run->uid;

    /* Where the store is away the command has waited for it already. */
    if (session->folder != NULL && !session->mute && !session->ending && st != ST_IO)
        imap_folder_sync(session, &(struct imap_sync){.hold = hold, .uid = run->uid});
    reply(session, run, st);
    buf_fini(&run->code);
}

enum st imap_cmd_dispatch(struct imap_session *session, struct slice text, struct arena *arena)
{
    struct imap_run run = {.arena = arena, .args = {.rest = text, .arena = arena}};
    enum st st = parse_verb(&run);

    buf_init(&run.code, CODE_BYTES_MAX);
    if (st == ST_OK)
        st = guard(session, &run);
    if (st == ST_OK)
        st = run.cmd->run(session, &run);
    if (st == ST_AGAIN)
        buf_fini(&run.code);
    else
        imap_cmd_finish(session, &run, st);
    return st;
}

void imap_session_hold(struct imap_session *session, const struct imap_run *run, imap_line_fn *fn)
{
    session->line = fn;
    session->held = run->cmd;
    session->held_tag = mem_copy(run->tag);
    session->frame.plain = true;
}

void imap_cmd_line(struct imap_session *session, struct slice line, struct arena *arena)
{
    struct imap_run run = {.arena = arena,
                           .args = {.rest = line, .arena = arena},
                           .tag = slice_str(session->held_tag),
                           .cmd = session->held};
    enum st st;

    buf_init(&run.code, CODE_BYTES_MAX);
    st = session->line(session, &run, line);
    if (st == ST_AGAIN) {
        buf_fini(&run.code);
        return;
    }
    session->line = NULL;
    session->frame.plain = false;
    imap_cmd_finish(session, &run, st);
    mem_free(session->held_tag);
    session->held_tag = NULL;
}
