#include "imap/imap_session.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "imap/imap_account.h"
#include "imap/imap_append.h"
#include "imap/imap_capability.h"
#include "imap/imap_cmd.h"
#include "imap/imap_folder.h"
#include "imap/imap_login.h"
#include "log/log.h"

#define GREETING_BYTES_MAX (4 * KIB)

void imap_session_send(struct imap_session *session, struct buf *out)
{
    if (out->len > 0 && !session->mute)
        conn_write(session->conn, buf_slice(out));
    buf_clear(out);
}

void imap_session_bye(struct imap_session *session, const char *code, const char *text)
{
    if (!session->ending && !session->mute) {
        if (code != NULL)
            conn_writef(session->conn, "* BYE [%s] %s\r\n", code, text);
        else
            conn_writef(session->conn, "* BYE %s\r\n", text);
    }
    session->ending = true;
}

void imap_session_deselect(struct imap_session *session)
{
    imap_folder_close(session);
}

static enum net_next session_open(void *arg, struct conn *conn)
{
    struct imap_session *session = arg;
    AUTO(buf) struct buf out = BUF(GREETING_BYTES_MAX);

    session->conn = conn;
    session->context = conn_context(conn);
    imap_frame_init(&session->frame, conf_get()->imap_line_bytes_max);
    conn_timeout(conn, conf_get()->imap_login_timeout_ms);
    buf_put(&out, SLICE("* OK ["));
    imap_capability_write(session, &out);
    buf_put(&out, SLICE("] Posthorse ready\r\n"));
    imap_session_send(session, &out);
    return NET_READ;
}

/* A command passed imap_line_bytes_max. */
static void too_big(struct imap_session *session, struct slice text)
{
    struct imap_parse p = {.rest = text};
    struct slice tag;

    if (imap_parse_tag(&p, &tag) != ST_OK)
        tag = SLICE("*");
    log_event(EV_IMAP_REFUSED, conn_sid(session->conn), LOG_S("tag", tag), LOG_C("answer", "BAD"),
              LOG_C("reason", "command too long"));
    conn_write(session->conn, tag);
    conn_write(session->conn, SLICE(" BAD [TOOBIG] Command is too long\r\n"));
    imap_cmd_count_bad(session, true);
    if (session->line != NULL || session->state == IMAP_NOT_AUTH)
        imap_session_bye(session, NULL, "Too long");
}

/* An APPEND whose message is about to come: refused now, or taken. */
static void message_begins(struct imap_session *session, struct slice text)
{
    bool welcome = false;

    if (session->append != NULL)
        welcome = imap_append_next(session, text, session->frame.number);
    else if (!session->dropping)
        welcome = imap_cmd_dispatch(session, text, conn_arena(session->conn)) == ST_AGAIN;
    if (!welcome) {
        session->dropping = imap_frame_drop(&session->frame);
        if (session->dropping && session->state == IMAP_NOT_AUTH)
            imap_session_bye(session, NULL, "Log in first");
        return;
    }
    imap_frame_take(&session->frame);
    if (session->frame.sync)
        conn_write(session->conn, SLICE("+ Send the message\r\n"));
}

static void message_ends(struct imap_session *session, struct slice text)
{
    if (session->append != NULL)
        imap_append_end(session, text, conn_arena(session->conn));
    session->dropping = false;
}

static void command(struct imap_session *session, struct slice text)
{
    struct arena *arena = conn_arena(session->conn);

    if (session->line != NULL)
        imap_cmd_line(session, text, arena);
    else
        imap_cmd_dispatch(session, text, arena);
}

/* True: one thing is done; what waits behind it comes with the next call. */
static bool handle(struct imap_session *session, enum imap_frame_event event, struct slice text)
{
    switch (event) {
    case IMAP_FRAME_MORE:
        return true;
    case IMAP_FRAME_LITERAL:
        conn_write(session->conn, SLICE("+ Go on\r\n"));
        return false;
    case IMAP_FRAME_COMMAND:
        command(session, text);
        break;
    case IMAP_FRAME_MESSAGE:
        message_begins(session, text);
        return true;
    case IMAP_FRAME_DATA:
        imap_append_data(session->append, text);
        return false;
    case IMAP_FRAME_END:
        message_ends(session, text);
        break;
    case IMAP_FRAME_TOO_BIG:
        too_big(session, text);
        break;
    }
    imap_frame_clear(&session->frame);
    return true;
}

static enum net_next session_input(void *arg, struct slice in, size_t *used_r)
{
    struct imap_session *session = arg;
    struct slice rest = in;
    bool done = false;

    imap_account_look(session);
    while (!done && !session->ending) {
        struct slice text = SLICE("");

        done = handle(session, imap_frame_next(&session->frame, &rest, &text), text);
    }
    *used_r = in.len - rest.len;
    return session->ending || session->mute ? NET_CLOSE : NET_READ;
}

static enum net_next session_wake(void *arg)
{
    struct imap_session *session = arg;

    imap_account_look(session);
    if (!session->ending && session->folder != NULL && atomic_load(&session->folder->idle))
        imap_folder_sync(session, &(struct imap_sync){.hold = false});
    return session->ending ? NET_CLOSE : NET_READ;
}

static void session_farewell(void *arg)
{
    struct imap_session *session = arg;

    if (conn_ending(session->conn))
        imap_session_bye(session, "UNAVAILABLE", "Server is shutting down");
    else if (session->state == IMAP_NOT_AUTH)
        imap_session_bye(session, NULL, "Log-in took too long");
    else
        imap_session_bye(session, NULL, "Silent for too long");
}

static void session_close(void *arg)
{
    struct imap_session *session = arg;

    imap_folder_close(session);
    imap_append_free(&session->append);
    imap_login_end(session);
    imap_frame_fini(&session->frame);
    mem_free(session->held_tag);
    mem_free(session->name);
}

const struct net_proto proto_imap = {
    .name = "imap",
    .busy = "* BYE [UNAVAILABLE] Too many connections, come back later\r\n",
    .session_bytes = sizeof(struct imap_session),
    .open = session_open,
    .input = session_input,
    .wake = session_wake,
    .farewell = session_farewell,
    .close = session_close,
};
