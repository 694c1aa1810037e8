#include "base/arena.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "mime/mime_utf8.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_dsn.h"
#include "smtp/smtp_path.h"
#include "store/store_account.h"

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

/* A full mailbox is told here: after DATA one reply stands for all recipients. */
static enum st check_quota(struct smtp_session *session, const struct router_rcpt *rcpt)
{
    struct room room = {.account_id = rcpt->account_id};

    if (rcpt->quota_bytes == 0)
        return ST_OK;
    enum st st = store_read(session->context->store, read_used, &room);
    if (st == ST_OK && room.bytes_used + session->mail->declared_bytes >= rcpt->quota_bytes)
        st = ST_FULL;
    return st;
}

static void add_rcpt(struct smtp_mail *mail, const struct router_rcpt *rcpt)
{
    if (mail->rcpt_count == mail->rcpt_cap) {
        mail->rcpt_cap = mail->rcpt_cap == 0 ? 4 : 2 * mail->rcpt_cap;
        mail->rcpts = mem_grow(mail->rcpts, mail->rcpt_cap, sizeof(*mail->rcpts));
    }
    mail->rcpts[mail->rcpt_count] = *rcpt;
    mail->rcpts[mail->rcpt_count++].name = slice_cstr(mail->arena, slice_str(rcpt->name));
}

/* True when mail for the path is taken; otherwise it has replied why not. */
static bool resolve(struct smtp_session *session, const struct smtp_path *path,
                    struct router_rcpt *rcpt)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct slice domain = path->domain.len > 0 ? path->domain : directory_first_domain(directory);
    const char *name = "";

    switch (router_resolve(directory, path->local, domain, &rcpt->account_id, &rcpt->quota_bytes,
                           &name)) {
    case ROUTER_LOCAL:
        rcpt->name = slice_cstr(conn_arena(session->conn), slice_str(name));
        return true;
    case ROUTER_FOREIGN:
        smtp_reply(session, 550, "5.7.1", "<%.*s>: relaying denied: the domain is not served here",
                   SLICE_ARG(path->text));
        return false;
    case ROUTER_NO_STORE:
        smtp_reply(session, 451, "4.3.0", "<%.*s>: the mailbox is not in this store",
                   SLICE_ARG(path->text));
        return false;
    case ROUTER_NOBODY:
        break;
    }
    smtp_reply(session, 550, "5.1.1", "<%.*s>: no such mailbox", SLICE_ARG(path->text));
    return false;
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
    if (!session->mail->utf8 && !mime_utf8_ascii(path->text)) { /* RFC 6531 section 3.5 */
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
    struct router_rcpt rcpt = {.st = ST_OK};
    struct smtp_dsn_rcpt dsn = {0};
    struct smtp_path path;

    if (!read_rcpt(session, args, &path, &dsn))
        return;
    if (mail->rcpt_count >= conf_get()->smtp_rcpt_count_max) {
        smtp_reply(session, 452, "4.5.3",
                   "Too many recipients; send the others in another transaction");
        return;
    }
    if (!resolve(session, &path, &rcpt))
        return;
    enum st st = check_quota(session, &rcpt);
    if (st != ST_OK) {
        smtp_reply_st(session, st);
        return;
    }
    rcpt.notify = dsn.notify;
    rcpt.orcpt = arena_copy(mail->arena, dsn.orcpt);
    add_rcpt(mail, &rcpt);
    session->state = SMTP_RCPT;
    smtp_reply(session, 250, "2.1.5", "OK");
}
