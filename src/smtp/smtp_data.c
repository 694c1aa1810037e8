#include "base/arena.h"
#include "base/utf8.h"
#include "cluster/cluster_fellow.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "mime/mime_date.h"
#include "mime/mime_envelope.h"
#include "mime/mime_structure.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_foreign.h"
#include "smtp/smtp_header.h"
#include "store/store_queue.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#define TRACE_BYTES_MAX 4096
#define ORIGIN_BYTES_MAX 400
#define STRUCTURE_BYTES_MAX (4 * MIB)

/* Text of the message as it will lie in the store. */
static void store_text(void *ctx, struct slice text)
{
    struct smtp_mail *mail = ctx;

    if (mail->failed || mail->too_big)
        return;
    if (blob_writer_bytes(mail->body) + text.len >
        conf_get()->message_bytes_max + TRACE_BYTES_MAX) {
        mail->too_big = true;
        return;
    }
    mime_scan_feed(mail->scan, text);
    mail->eight_bit = mail->eight_bit || (mail->said_8bit && !utf8_ascii(text));
    mail->failed = blob_writer_add(mail->body, text) != ST_OK;
}

static void pass_text(void *ctx, struct slice text)
{
    struct smtp_mail *mail = ctx;

    if (mail->digesting)
        sys_sha256_add(&mail->digest, text);
    mail->nul = mail->nul || slice_find(text, '\0') != SIZE_MAX;
    if (mail->header != NULL)
        smtp_header_feed(mail->header, text, store_text, mail);
    else if (mail->foreign != NULL)
        smtp_foreign_feed(mail->foreign, text, store_text, mail);
    else
        store_text(mail, text);
}

/* "ESMTPSA" and its kin, RFC 3848. */
static void put_with(const struct smtp_session *session, struct buf *out)
{
    bool lmtp = session->kind == SMTP_KIND_LMTP;

    buf_putf(out, "%s%s%s%s", session->mail->utf8 ? "UTF8" : "",
             lmtp                ? "LMTP"
             : session->extended ? "ESMTP"
                                 : "SMTP",
             conn_tls(session->conn) ? "S" : "", session->login != NULL ? "A" : "");
}

/* Return-Path (final delivery, RFC 5321 section 4.4) and Received. */
static void put_trace(const struct smtp_session *session, int64_t now_ms, struct buf *out)
{
    AUTO(buf) struct buf tls = BUF(256);
    struct mime_date now = {.epoch = now_ms / 1000};

    conn_tls_describe(session->conn, &tls);
    buf_putf(out, "Return-Path: <%.*s>\r\n", SLICE_ARG(session->mail->from));
    buf_putf(out, "Received: from %s ([%s%s])\r\n\tby %s with ", session->helo,
             slice_find(slice_str(conn_peer(session->conn)), ':') != SIZE_MAX ? "IPv6:" : "",
             conn_peer(session->conn), session->context->server_name);
    put_with(session, out);
    buf_putf(out, " id %llx", (unsigned long long)conn_sid(session->conn));
    if (tls.len > 0)
        buf_putf(out, "\r\n\t(%s)", tls.ptr);
    buf_put(out, SLICE(";\r\n\t"));
    mime_date_write(now, out);
    buf_put(out, SLICE("\r\n"));
}

static struct smtp_header *header_mender(const struct smtp_session *session, int64_t now_ms)
{
    AUTO(buf) struct buf date = BUF(256);
    AUTO(buf) struct buf message_id = BUF(512);
    struct mime_date now = {.epoch = now_ms / 1000};
    char guid[SYS_GUID_HEX + 1];

    sys_guid(guid);
    buf_put(&date, SLICE("Date: "));
    mime_date_write(now, &date);
    buf_put(&date, SLICE("\r\n"));
    buf_putf(&message_id, "Message-ID: <%s@%s>\r\n", guid, session->context->server_name);
    return smtp_header_new(buf_slice(&date), buf_slice(&message_id));
}

static void data_begin(struct smtp_session *session)
{
    AUTO(buf) struct buf trace = BUF(TRACE_BYTES_MAX);
    struct smtp_mail *mail = session->mail;
    int64_t now_ms = sys_now_ms();

    put_trace(session, now_ms, &trace);
    mail->trace_offset = slice_find(buf_slice(&trace), '\n') + 1;
    mail->spooled =
        session->kind != SMTP_KIND_TRANSFER && router_spool_wanted(session->context->spool);
    mail->body = blob_writer_new(mail->spooled ? router_spool_store(session->context->spool)
                                               : session->context->store);
    struct mime_limits limits = mime_limits_default;
    limits.own_name = slice_str(session->context->server_name);
    mail->scan = mime_scan_new(&limits);
    store_text(mail, buf_slice(&trace));
    if (session->kind != SMTP_KIND_SUBMISSION)
        return;
    mail->header = header_mender(session, now_ms);
    sys_sha256_init(&mail->digest);
    mail->digesting = true;
}

static void wake_session(void *ctx)
{
    struct smtp_session *session = ctx; /* it waits, so it is there */

    net_wake(conn_net(session->conn), conn_id(session->conn));
}

static void put_origin(const struct smtp_session *session, struct buf *out)
{
    buf_init(out, ORIGIN_BYTES_MAX);
    buf_putf(out, "%s %s", smtp_kind_name(session->kind),
             session->login != NULL    ? session->login
             : session->fellow != NULL ? session->fellow->name
                                       : conn_peer(session->conn));
    if (session->fellow != NULL &&
        mime_scan_facts(session->mail->scan)->received_own_count > 1) /* ours just now is one */
        buf_put(out, SLICE(" " ROUTER_AGAIN));
}

static uint64_t flags_of(const struct smtp_mail *mail)
{
    return (mail->utf8 ? STORE_ENVELOPE_UTF8 : 0) | (mail->eight_bit ? STORE_ENVELOPE_8BIT : 0);
}

/* RFC 5321 section 6.3: too many servers, or this one too often (the line it just wrote is one). */
static enum st check_loop(const struct smtp_session *session)
{
    const struct smtp_mail *mail = session->mail;
    const struct mime_facts *facts = mime_scan_facts(mail->scan);
    const struct conf *conf = conf_get();

    if (facts->received_count > conf->smtp_received_max)
        return ST_DENIED;
    if (facts->received_own_count <= conf->smtp_received_own_max + 1)
        return ST_OK;
    if (session->kind != SMTP_KIND_TRANSFER)
        return ST_DENIED;
    /* Servers of the domain send it in a circle while their documents differ. */
    return router_ends_here(session->context->queue, &mail->targets, buf_slice(&mail->origin))
               ? ST_OK
               : ST_CONFLICT;
}

/* Who gives it, what it is known by, and whether a copy is kept. */
static void note_submission(struct smtp_session *session)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct smtp_mail *mail = session->mail;
    unsigned char digest[SYS_SHA256_BYTES];

    sys_sha256_end(&mail->digest, digest);
    mail->digesting = false;
    const struct directory_person *person = directory_login(directory, slice_str(session->login));
    if (person == NULL)
        return;
    router_submission_init(&mail->submission, person, mail->message.message_id, mail->from,
                           mail->rcpts, mail->rcpt_count, digest);
    mail->submission.account = session->login;
    mail->message.submission = &mail->submission;
}

/* The text is complete: what becomes of the message before it is offered to the store. */
static enum st end_text(struct smtp_session *session)
{
    struct smtp_mail *mail = session->mail;

    if (mail->header != NULL)
        smtp_header_end(mail->header, store_text, mail);
    else if (mail->foreign != NULL)
        smtp_foreign_end(mail->foreign, store_text, mail);
    if (mail->too_big)
        return ST_TOO_BIG;
    if (mail->nul)
        return ST_INVALID;
    if (mail->failed || blob_writer_end(mail->body) != ST_OK)
        return ST_IO;
    const struct mime_part *root = mime_scan_end(mail->scan);
    put_origin(session, &mail->origin);
    enum st st = check_loop(session);
    if (st != ST_OK)
        return st;
    buf_init(&mail->structure, STRUCTURE_BYTES_MAX);
    mime_structure_write(root, &mail->structure);
    mail->message = (struct router_message){.body = mail->body,
                                            .envelope = root->envelope,
                                            .structure = buf_slice(&mail->structure),
                                            .now_ms = sys_now_ms(),
                                            .sender = mail->from,
                                            .message_id = mime_envelope_message_id(root->envelope),
                                            .origin = buf_slice(&mail->origin),
                                            .flags = flags_of(mail),
                                            .body_offset = mail->trace_offset,
                                            .envid = mail->envid,
                                            .ret = mail->ret,
                                            .priority = mail->priority,
                                            .enforce_quota = session->kind == SMTP_KIND_LMTP,
                                            .rcpts = mail->rcpts,
                                            .rcpt_count = mail->rcpt_count,
                                            .targets = &mail->targets,
                                            .spool = mail->spooled ? session->context->spool : NULL,
                                            .copy = true,
                                            .claim = session->context->spool != NULL &&
                                                     session->kind != SMTP_KIND_TRANSFER,
                                            .xguid = mail->xguid};
    sys_guid(mail->message.guid);
    if (mail->digesting)
        note_submission(session);
    return ST_OK;
}

static void reply_rcpt(struct smtp_session *session, const struct router_rcpt *rcpt)
{
    enum st st = router_rcpt_st(rcpt);

    if (st == ST_OK)
        smtp_reply(session, 250, "2.1.5", "<%.*s> Delivered", SLICE_ARG(rcpt->address));
    else
        smtp_reply_st(session, st);
}

/* RFC 2033 section 4.2: LMTP replies once for each recipient. */
static void reply_all(struct smtp_session *session, enum st st)
{
    const struct smtp_mail *mail = session->mail;
    size_t replies = session->kind == SMTP_KIND_LMTP ? mail->rcpt_count : 1;

    for (size_t i = 0; i < replies; i++) {
        if (st == ST_DENIED)
            smtp_reply(session, 554, "5.4.6", "Too many Received lines: the message loops");
        else if (st == ST_CONFLICT)
            smtp_reply(session, 451, "4.4.6", "The message was here too often; later");
        else if (st == ST_INVALID)
            smtp_reply(session, 554, "5.6.0", "The message has a NUL byte; mail text must not");
        else if (st == ST_AGAIN)
            smtp_reply(session, 451, "4.3.2", "No second server could take a copy; try again");
        else if (st != ST_OK)
            smtp_reply_st(session, st);
        else if (session->kind == SMTP_KIND_LMTP)
            reply_rcpt(session, &mail->rcpts[i]);
        else
            smtp_reply(session, 250, "2.0.0", "Accepted");
    }
}

/* RFC 5321 section 4.5.4.1 has a client try again whose connection broke before it heard 250. */
static void end_repeated(struct smtp_session *session)
{
    const struct smtp_mail *mail = session->mail;

    log_event(EV_SUBMISSION_REPEATED, conn_sid(session->conn), LOG_C("login", session->login),
              LOG_S("from", mail->from), LOG_S("message_id", mail->message.message_id));
    smtp_reply(session, 250, "2.0.0", "Accepted before");
    smtp_mail_free(session);
    session->state = SMTP_READY;
}

/* What a server of the domain handed over; all: each recipient was taken before. */
static void log_known(const struct smtp_session *session, bool all)
{
    const struct smtp_mail *mail = session->mail;
    uint64_t known = 0;

    for (size_t i = 0; i < mail->rcpt_count; i++)
        known += all || mail->rcpts[i].known;
    if (known == 0)
        return;
    count_add(COUNT_TRANSFERS_KNOWN, (int64_t)known);
    log_event(EV_SMTP_KNOWN, conn_sid(session->conn),
              LOG_C("guid", all ? slice_cstr(mail->arena, mail->xguid) : mail->message.guid),
              LOG_S("xguid", mail->xguid), LOG_C("server", session->fellow->name),
              LOG_U("known", known), LOG_U("rcpts", mail->rcpt_count));
}

static void log_accepted(const struct smtp_session *session)
{
    const struct smtp_mail *mail = session->mail;

    log_event(EV_SMTP_ACCEPTED, conn_sid(session->conn), LOG_C("peer", conn_peer(session->conn)),
              LOG_S("from", mail->from), LOG_U("rcpts", mail->rcpt_count),
              LOG_U("bytes", blob_writer_bytes(mail->body)), LOG_C("guid", mail->message.guid),
              LOG_S("message_id", mail->message.message_id), LOG_S("origin", mail->message.origin),
              mail->xguid.len > 0 ? LOG_S("xguid", mail->xguid) : LOG_NONE);
}

static void end_mail(struct smtp_session *session, enum st st)
{
    const struct smtp_mail *mail = session->mail;
    bool all_known = st == ST_EXISTS && mail->xguid.len > 0;

    if (st == ST_EXISTS && mail->message.submission != NULL) {
        end_repeated(session);
        return;
    }
    if (mail->xguid.len > 0 && (st == ST_OK || all_known))
        log_known(session, all_known);
    if (st == ST_OK && mail->spooled)
        log_event(EV_SPOOLED, conn_sid(session->conn), LOG_C("guid", mail->message.guid),
                  LOG_S("from", mail->from));
    if (st == ST_OK)
        log_accepted(session);
    if (st == ST_OK)
        smtp_foreign_log(session);
    reply_all(session, all_known ? ST_OK : st);
    smtp_mail_free(session);
    session->state = SMTP_READY;
}

static void begin_commit(struct smtp_session *session)
{
    struct smtp_mail *mail = session->mail;

    mail->work = router_accept_new(session->context->store, session->context->queue, &mail->message,
                                   wake_session, session);
    session->state = SMTP_COMMIT;
    if (router_accept_begin(mail->work))
        smtp_data_committed(session);
}

/* The store went away while it was taking the message: whether it has it or not, the spool's copy
 * is stored only if it has not. */
static bool try_spool(struct smtp_session *session, enum st st)
{
    struct smtp_mail *mail = session->mail;

    if (st != ST_IO || mail->spooled || session->kind == SMTP_KIND_TRANSFER ||
        !router_spool_wanted(session->context->spool) || !blob_writer_movable(mail->body))
        return false;
    mail->spooled = true;
    mail->message.spool = session->context->spool;
    begin_commit(session);
    return true;
}

void smtp_data_committed(struct smtp_session *session)
{
    enum st st = router_accept_end(&session->mail->work, conn_sid(session->conn));

    if (!try_spool(session, st))
        end_mail(session, st);
}

static void finish(struct smtp_session *session)
{
    enum st st = end_text(session);

    if (st != ST_OK) {
        end_mail(session, st);
        return;
    }
    begin_commit(session);
}

void smtp_cmd_data(struct smtp_session *session, struct slice args)
{
    (void)args;
    data_begin(session);
    session->state = SMTP_DATA;
    smtp_reply(session, 354, "", "Go on, end with a line of one dot");
}

static void refuse_smuggling(struct smtp_session *session)
{
    log_event(EV_SMTP_SMUGGLING, conn_sid(session->conn), LOG_C("peer", conn_peer(session->conn)),
              LOG_S("from", session->mail->from));
    smtp_reply(session, 521, "5.5.2", "A lone dot between bare CR or LF; lines end in CR LF");
    session->closing = true;
}

size_t smtp_data_input(struct smtp_session *session, struct slice in)
{
    struct smtp_mail *mail = session->mail;
    size_t used = smtp_dot_feed(&mail->dot, in, pass_text, mail);

    if (mail->dot.smuggling)
        refuse_smuggling(session);
    else if (mail->dot.ended)
        finish(session);
    return used;
}

static void give_up(struct smtp_session *session, enum st st)
{
    smtp_reply_st(session, st);
    smtp_mail_free(session);
    session->state = SMTP_READY;
}

static void chunk_done(struct smtp_session *session)
{
    const struct smtp_mail *mail = session->mail;

    if (mail->chunk_last) {
        finish(session);
    } else if (mail->too_big || mail->failed) {
        give_up(session, mail->too_big ? ST_TOO_BIG : ST_IO);
    } else {
        session->state = SMTP_CHUNK;
        smtp_reply(session, 250, "2.0.0", "Chunk taken");
    }
}

static enum st read_bdat(struct slice args, uint64_t *bytes_r, bool *last_r)
{
    size_t space = slice_find(args, ' ');
    struct slice last =
        space == SIZE_MAX ? SLICE("") : slice_trim(slice_sub(args, space, args.len));

    *last_r = last.len > 0;
    if (last.len > 0 && !slice_ieq(last, SLICE("LAST")))
        return ST_INVALID;
    return slice_to_u64(slice_sub(args, 0, space), bytes_r);
}

/* RFC 3030 section 2: the chunk has been sent with the command, so it comes whatever is replied;
 * were it not passed over, its lines would be taken for commands. */
void smtp_bdat_waste(struct smtp_session *session, struct slice args)
{
    bool last;

    if (read_bdat(args, &session->waste_left, &last) != ST_OK) {
        session->waste_left = 0;
        session->closing = true; /* where the chunk ends is not known */
    }
}

/* RFC 3030 section 2: BDAT length [LAST]; the chunk follows at once. */
void smtp_cmd_bdat(struct smtp_session *session, struct slice args)
{
    struct smtp_mail *mail = session->mail;
    uint64_t bytes;
    bool last;

    if (read_bdat(args, &bytes, &last) != ST_OK) {
        smtp_reply(session, 501, "5.5.4", "Write BDAT length [LAST]");
        session->closing = true;
        return;
    }
    if (mail->rcpt_count == 0) {
        smtp_reply(session, 503, "5.5.1", "No recipient was accepted");
        smtp_bdat_waste(session, args);
        return;
    }
    if (session->state != SMTP_CHUNK)
        data_begin(session);
    mail->chunk_last = last;
    mail->chunk_left = bytes;
    session->state = SMTP_BDAT;
    if (bytes == 0)
        chunk_done(session);
}

/* A chunk is text as it is: nothing in it can end it (RFC 3030). */
size_t smtp_bdat_input(struct smtp_session *session, struct slice in)
{
    struct smtp_mail *mail = session->mail;
    struct slice part = slice_sub(in, 0, mail->chunk_left);

    pass_text(mail, part);
    mail->chunk_left -= part.len;
    if (mail->chunk_left == 0)
        chunk_done(session);
    return part.len;
}
