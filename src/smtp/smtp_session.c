#include "smtp/smtp_session.h"

#include "base/arena.h"
#include "base/mem.h"
#include "cluster/cluster_fellow.h"
#include "conf/conf.h"
#include "log/log.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_foreign.h"
#include "smtp/smtp_header.h"

#include <stdarg.h>
#include <stdio.h>

#define LINE_BYTES_MAX 4096       /* RFC 5321 section 4.5.3.1.4 with what extensions add */
#define AUTH_LINE_BYTES_MAX 12288 /* RFC 4954 section 4 */
#define MAIL_BYTES_MAX (4 * GIB)  /* beyond what group_members_max lets recipients become */

const char *smtp_kind_name(enum smtp_kind kind)
{
    static const char *const names[] = {"smtp", "submission", "lmtp", "transfer"};

    assert(kind < COUNT(names));
    return names[kind];
}

/* A reply that quotes the peer stays one line of text (RFC 5321 section 4.2). Bytes beyond
 * ASCII are left for those who sent them. */
static void make_printable(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

void smtp_reply(struct smtp_session *session, int code, const char *enhanced, const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    make_printable(text);
    conn_writef(session->conn, "%d %s%s%s\r\n", code, enhanced, enhanced[0] != '\0' ? " " : "",
                text);
    if (code < 400)
        return;
    log_event(EV_SMTP_REFUSED, conn_sid(session->conn),
              LOG_C("proto", smtp_kind_name(session->kind)),
              LOG_C("peer", conn_peer(session->conn)), LOG_I("code", code), LOG_C("text", text));
    if (session->kind == SMTP_KIND_TRANSFER) /* one connection carries many messages */
        return;
    if (++session->errors >= conf_get()->smtp_errors_max && !session->closing) {
        session->closing = true;
        conn_writef(session->conn, "421 4.7.0 %s Too many errors\r\n",
                    session->context->server_name);
    }
}

static const struct {
    int code;
    const char *enhanced;
    const char *text;
} replies[] = {
    [ST_OK] = {250, "2.0.0", "OK"},
    [ST_AGAIN] = {451, "4.3.0", "Internal error: unfinished command"},
    [ST_INVALID] = {501, "5.5.4", "Invalid arguments"},
    [ST_TOO_BIG] = {552, "5.3.4", "Message too big"},
    [ST_DENIED] = {550, "5.7.1", "Not permitted"},
    [ST_NOT_FOUND] = {550, "5.1.1", "No such mailbox"},
    [ST_EXISTS] = {451, "4.3.0", "Internal error: already exists"},
    [ST_CONFLICT] = {451, "4.3.0", "Try again"},
    [ST_FULL] = {552, "5.2.2", "The mailbox is full"},
    [ST_IO] = {452, "4.3.1", "Storage is unavailable, try again later"},
};
static_assert(COUNT(replies) == ST_MAX, "one reply for each enum st");

void smtp_reply_st(struct smtp_session *session, enum st st)
{
    assert(st < ST_MAX);
    smtp_reply(session, replies[st].code, replies[st].enhanced, "%s", replies[st].text);
}

void smtp_reply_param(struct smtp_session *session, enum st st)
{
    if (st == ST_NOT_FOUND)
        smtp_reply(session, 555, "5.5.4", "Parameter not understood");
    else
        smtp_reply(session, 501, "5.5.4", "Parameter with a bad value, or said twice");
}

void smtp_mail_new(struct smtp_session *session)
{
    struct smtp_mail *mail = mem_new(struct smtp_mail);

    assert(session->mail == NULL);
    mail->arena = arena_new("mail transaction", MAIL_BYTES_MAX);
    mail->targets.arena = mail->arena;
    session->mail = mail;
}

void smtp_mail_free(struct smtp_session *session)
{
    struct smtp_mail *mail = session->mail;
    unsigned char unused[SYS_SHA256_BYTES];

    session->mail = NULL;
    if (mail == NULL)
        return;
    blob_writer_free(&mail->body);
    mime_scan_free(&mail->scan);
    buf_fini(&mail->structure);
    buf_fini(&mail->origin);
    smtp_header_free(&mail->header);
    if (mail->digesting)
        sys_sha256_end(&mail->digest, unused);
    smtp_foreign_free(&mail->foreign);
    mem_free(mail->rcpts);
    arena_free(&mail->arena);
    mem_free(mail);
}

static enum net_next open_kind(struct smtp_session *session, struct conn *conn, enum smtp_kind kind)
{
    session->conn = conn;
    session->context = conn_context(conn);
    session->kind = kind;
    session->state = SMTP_GREET;
    conn_timeout(conn, conf_get()->smtp_timeout_ms);
    conn_writef(conn, "220 %s %s Posthorse\r\n", session->context->server_name,
                kind == SMTP_KIND_LMTP ? "LMTP" : "ESMTP");
    return NET_READ;
}

static enum net_next open_smtp(void *session, struct conn *conn)
{
    return open_kind(session, conn, SMTP_KIND_SMTP);
}

static enum net_next open_submission(void *session, struct conn *conn)
{
    return open_kind(session, conn, SMTP_KIND_SUBMISSION);
}

static enum net_next open_lmtp(void *session, struct conn *conn)
{
    return open_kind(session, conn, SMTP_KIND_LMTP);
}

void smtp_transfer_refused(const struct smtp_session *session, const char *why)
{
    count_add(COUNT_TRANSFER_REFUSALS, 1);
    log_event(EV_TRANSFER_REFUSED, conn_sid(session->conn), LOG_C("peer", conn_peer(session->conn)),
              LOG_C("server", session->fellow->name), LOG_C("why", why));
}

static enum net_next open_transfer(void *at, struct conn *conn)
{
    struct smtp_session *session = at;
    const struct smtp_context *context = conn_context(conn);
    const char *why = "no TLS";

    session->conn = conn;
    session->fellow = mem_new(struct cluster_fellow);
    if (conn_tls_handle(conn) != NULL)
        why = cluster_fellow_read(context->cluster, conn_tls_handle(conn), session->fellow);
    if (why == NULL)
        return open_kind(session, conn, SMTP_KIND_TRANSFER);
    smtp_transfer_refused(session, why);
    return NET_CLOSE;
}

/* One command line, or a SASL answer. Returns what it is done with, 0 while the line is not whole.
 */
static size_t input_line(struct smtp_session *session, struct slice in)
{
    size_t max = session->state == SMTP_AUTH ? AUTH_LINE_BYTES_MAX : LINE_BYTES_MAX;
    size_t lf = slice_find(in, '\n');
    struct slice line = slice_sub(in, 0, lf);

    if (line.len >= max) {
        smtp_reply(session, 500, "5.5.6", "Line too long");
        session->closing = true;
        return in.len;
    }
    if (lf == SIZE_MAX)
        return 0;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (session->state == SMTP_AUTH)
        smtp_auth_step(session, line);
    else
        smtp_cmd_dispatch(session, line);
    return lf + 1;
}

static enum net_next input(void *ctx, struct slice in, size_t *used_r)
{
    struct smtp_session *session = ctx;

    if (session->waste_left > 0) {
        *used_r = slice_sub(in, 0, session->waste_left).len;
        session->waste_left -= *used_r;
    } else if (session->state == SMTP_DATA)
        *used_r = smtp_data_input(session, in);
    else if (session->state == SMTP_BDAT)
        *used_r = smtp_bdat_input(session, in);
    else
        *used_r = input_line(session, in);
    return session->closing ? NET_CLOSE : session->state == SMTP_COMMIT ? NET_WAIT : NET_READ;
}

static enum net_next wake(void *ctx)
{
    struct smtp_session *session = ctx;

    assert(session->state == SMTP_COMMIT);
    if (!router_accept_again(session->mail->work))
        return NET_WAIT;
    smtp_data_committed(session);
    return session->closing ? NET_CLOSE : NET_READ;
}

static void farewell(void *ctx)
{
    struct smtp_session *session = ctx;

    if (conn_ending(session->conn))
        conn_writef(session->conn, "421 4.3.2 %s The server is shutting down\r\n",
                    session->context->server_name);
    else
        conn_writef(session->conn, "421 4.4.2 %s Silent for too long\r\n",
                    session->context->server_name);
}

static void close_session(void *ctx)
{
    struct smtp_session *session = ctx;

    smtp_mail_free(session);
    auth_sasl_free(&session->sasl);
    mem_free(session->helo);
    mem_free(session->login);
    mem_free(session->fellow);
}

#define SMTP_PROTO(n, open_fn) \
    { \
        .name = (n), .busy = "421 4.3.2 Too many connections, come back later\r\n", \
        .session_bytes = sizeof(struct smtp_session), .open = (open_fn), .input = input, \
        .wake = wake, .farewell = farewell, .close = close_session, \
    }

const struct net_proto proto_smtp = SMTP_PROTO("smtp", open_smtp);
const struct net_proto proto_submission = SMTP_PROTO("submission", open_submission);
const struct net_proto proto_lmtp = SMTP_PROTO("lmtp", open_lmtp);
const struct net_proto proto_transfer = SMTP_PROTO("transfer", open_transfer);
