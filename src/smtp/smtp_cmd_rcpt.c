#include "base/arena.h"
#include "base/mem.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "router/router_plan.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_dsn.h"
#include "smtp/smtp_foreign.h"
#include "smtp/smtp_path.h"
#include "store/store_account.h"
#include "sys/sys_net.h"

struct room {
    int64_t account_id;
    uint64_t bytes_used;
};

static enum st read_used(struct store_tx *tx, void *arg)
{
    struct room *room = arg;
    struct store_account account;
    enum st st = store_account_get(tx, room->account_id, &account);

    room->bytes_used = account.bytes_used;
    return st;
}

/* A full mailbox is told here: after DATA one reply stands for all recipients. Members of groups
 * are not asked: the group is there, whoever of it is full. */
static enum st check_quota(struct smtp_session *session, const struct router_target *target)
{
    struct room room = {.account_id = target->account_id};

    if (store_away(session->context->store)) /* it is taken into the spool */
        return ST_OK;
    if (target->kind != ROUTER_LOCAL || target->quota_bytes == 0 || target->expanded ||
        target->forwarded)
        return ST_OK;
    enum st st = store_read(session->context->store, read_used, &room);
    if (st == ST_OK && room.bytes_used + session->mail->declared_bytes >= target->quota_bytes)
        st = ST_FULL;
    return st;
}

static enum st check_quotas(struct smtp_session *session, const struct router_reach *reach)
{
    enum st st = ST_OK;

    for (size_t i = 0; i < reach->count && st == ST_OK; i++)
        st = check_quota(session, reach->targets[i]);
    return st;
}

static void add_rcpt(struct smtp_mail *mail, const struct router_rcpt *rcpt)
{
    if (mail->rcpt_count == mail->rcpt_cap) {
        mail->rcpt_cap = mail->rcpt_cap == 0 ? 4 : 2 * mail->rcpt_cap;
        mail->rcpts = mem_grow(mail->rcpts, mail->rcpt_cap, sizeof(*mail->rcpts));
    }
    mail->rcpts[mail->rcpt_count] = *rcpt;
    mail->rcpts[mail->rcpt_count++].address = arena_copy(mail->arena, rcpt->address);
}

/* --- what becomes of an address --- */

static const struct {
    int code;
    const char *enhanced;
    const char *text;
} refusals[] = {
    [ROUTER_OK] = {250, "2.1.5", "OK"},
    [ROUTER_FOREIGN] = {550, "5.7.1", "relaying denied: the domain is not served here"},
    [ROUTER_NOBODY] = {550, "5.1.1", "no such mailbox"},
    [ROUTER_NO_STORE] = {451, "4.3.0", "the mailbox is not in this store"},
    [ROUTER_EMPTY] = {550, "5.2.4", "leads to nobody: no members, or forwards in a circle"},
    [ROUTER_TOO_MANY] = {550, "5.2.4", "leads to more recipients than group_members_max allows"},
    [ROUTER_LATER] = {452, "4.5.3", "too many recipients together; send it in another transaction"},
};
static_assert(COUNT(refusals) == ROUTER_VERDICT_MAX, "one reply for each verdict");

static void refuse(struct smtp_session *session, const struct smtp_path *path,
                   enum router_verdict verdict)
{
    smtp_reply(session, refusals[verdict].code, refusals[verdict].enhanced, "<%.*s>: %s",
               SLICE_ARG(path->text), refusals[verdict].text);
}

/* Another server of the domain gave it for a reason: a document that is not here yet, or not for
 * this server to see. It keeps the message, and makes its plan anew (RFC 3463 section 3.5). */
static void refuse_unknown(struct smtp_session *session, const struct smtp_path *path)
{
    smtp_reply(session, 451, "4.4.3", "<%.*s>: no document that this server sees knows it; later",
               SLICE_ARG(path->text));
}

/* Whether the peer may send to other domains at all. */
static bool may_relay(const struct smtp_session *session)
{
    if (session->kind == SMTP_KIND_SUBMISSION)
        return session->login != NULL;
    if (session->kind == SMTP_KIND_TRANSFER)
        return true;
    return session->kind == SMTP_KIND_SMTP &&
           sys_net_contains(slice_str(conf_get()->relay_networks),
                            slice_str(conn_peer(session->conn)));
}

/* True when mail for the path is taken; otherwise it has replied why not. */
static bool resolve(struct smtp_session *session, const struct smtp_path *path,
                    struct router_rcpt *rcpt)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct router_targets *targets = &session->mail->targets;
    struct slice domain = path->domain.len > 0 ? path->domain : directory_first_domain(directory);
    enum router_verdict verdict =
        router_resolve(directory, path->local, domain, targets, &rcpt->reach);

    if (session->kind == SMTP_KIND_TRANSFER &&
        (verdict == ROUTER_NOBODY || !router_plan_knows(directory, domain))) {
        if (verdict == ROUTER_OK || verdict == ROUTER_FOREIGN)
            router_resolve_undo(targets);
        refuse_unknown(session, path);
        return false;
    }
    if (verdict != ROUTER_OK && verdict != ROUTER_FOREIGN) {
        refuse(session, path, verdict);
        return false;
    }
    if (verdict == ROUTER_FOREIGN && !may_relay(session)) {
        router_resolve_undo(targets);
        refuse(session, path, ROUTER_FOREIGN);
        return false;
    }
    if (rcpt->reach.lost_count > 0)
        log_event(EV_ROUTER_LOST, conn_sid(session->conn), LOG_S("rcpt", path->text),
                  LOG_U("lost", rcpt->reach.lost_count), LOG_C("first", rcpt->reach.lost));
    return true;
}

/* ST_NOT_FOUND: one is not understood; ST_INVALID: one of RFC 3461 is bad. */
static enum st read_params(const struct smtp_session *session, struct slice rest,
                           struct smtp_dsn_rcpt *dsn)
{
    struct slice keyword;
    struct slice value;

    while (slice_trim(rest).len > 0) {
        if (!session->extended || smtp_param_next(&rest, &keyword, &value) != ST_OK)
            return ST_NOT_FOUND;
        enum st st = smtp_dsn_rcpt(keyword, value, session->mail->utf8, dsn);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* Takes path and parameters; false: it has replied why not. */
static bool read_rcpt(struct smtp_session *session, struct slice args, struct smtp_path *path,
                      struct smtp_dsn_rcpt *dsn)
{
    struct slice rest = slice_sub(args, 3, args.len);

    if (!slice_istarts(args, SLICE("TO:")) ||
        smtp_path_parse(conn_arena(session->conn), &rest, true, path) != ST_OK || path->null) {
        smtp_reply(session, 501, "5.1.3", "Not an address: %.*s",
                   SLICE_ARG(slice_sub(args, 0, 200)));
        return false;
    }
    if (!session->mail->utf8 && !utf8_ascii(path->text)) { /* RFC 6531 section 3.5 */
        smtp_reply(session, 553, "5.6.7", "That address needs SMTPUTF8");
        return false;
    }
    enum st st = read_params(session, rest, dsn);
    if (st != ST_OK)
        smtp_reply_param(session, st);
    return st == ST_OK;
}

void smtp_cmd_rcpt(struct smtp_session *session, struct slice args)
{
    struct smtp_mail *mail = session->mail;
    struct router_rcpt rcpt = {.notify = 0};
    struct smtp_dsn_rcpt dsn = {0};
    struct smtp_path path;

    if (!read_rcpt(session, args, &path, &dsn))
        return;
    if (mail->rcpt_count >= conf_get()->smtp_rcpt_count_max) {
        smtp_reply(session, 452, "4.5.3",
                   "Too many recipients; send the others in another transaction");
        return;
    }
    smtp_foreign_rcpt(session, &path, &dsn.orcpt);
    rcpt.address = path.text;
    if (!resolve(session, &path, &rcpt))
        return;
    enum st st = check_quotas(session, &rcpt.reach);
    if (st != ST_OK) {
        router_resolve_undo(&mail->targets);
        smtp_reply_st(session, st);
        return;
    }
    rcpt.notify = dsn.notify;
    rcpt.orcpt = arena_copy(mail->arena, dsn.orcpt);
    add_rcpt(mail, &rcpt);
    session->state = SMTP_RCPT;
    smtp_reply(session, 250, "2.1.5", "OK");
}
