#include "base/arena.h"
#include "cluster/cluster_fellow.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_dsn.h"
#include "smtp/smtp_foreign.h"
#include "smtp/smtp_path.h"
#include "store/store.h"
#include "sys/sys_random.h"

#include <string.h>

struct params {
    uint64_t bytes;
    bool utf8;
    bool eight_bit;
    struct slice xguid;
    struct smtp_dsn_mail dsn;
};

/* What a server of the domain calls the message. */
static enum st read_xguid(struct slice value, struct params *params)
{
    if (value.len != SYS_GUID_HEX || params->xguid.len > 0)
        return ST_INVALID;
    for (size_t i = 0; i < value.len; i++)
        if (memchr("0123456789abcdef", value.ptr[i], 16) == NULL)
            return ST_INVALID;
    params->xguid = value;
    return ST_OK;
}

/* SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954 section 5). ST_NOT_FOUND:
 * it is none of them. */
static enum st read_param(struct slice keyword, struct slice value, struct params *params)
{
    if (slice_ieq(keyword, SLICE("SIZE")))
        return slice_to_u64(value, &params->bytes) == ST_OK ? ST_OK : ST_NOT_FOUND;
    if (slice_ieq(keyword, SLICE("BODY"))) {
        params->eight_bit = slice_ieq(value, SLICE("8BITMIME"));
        return params->eight_bit || slice_ieq(value, SLICE("7BIT")) ? ST_OK : ST_NOT_FOUND;
    }
    if (slice_ieq(keyword, SLICE("AUTH")))
        return ST_OK;
    if (!slice_ieq(keyword, SLICE("SMTPUTF8")) || value.len > 0)
        return ST_NOT_FOUND;
    params->utf8 = true;
    return ST_OK;
}

/* ST_NOT_FOUND: one is not understood; ST_INVALID: one of RFC 3461 or of ours is bad. */
static enum st read_params(const struct smtp_session *session, struct slice rest,
                           struct params *params)
{
    struct slice keyword;
    struct slice value;

    while (slice_trim(rest).len > 0) {
        if (smtp_param_next(&rest, &keyword, &value) != ST_OK)
            return ST_NOT_FOUND;
        enum st st = smtp_dsn_mail(keyword, value, &params->dsn);
        if (st == ST_NOT_FOUND && session->kind == SMTP_KIND_TRANSFER &&
            slice_ieq(keyword, SLICE("XGUID")))
            st = read_xguid(value, params);
        else if (st == ST_NOT_FOUND)
            st = read_param(keyword, value, params);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

/* RFC 6409 section 6.1: a submission's sender belongs to the login. */
static bool owns_sender(struct smtp_session *session, const struct smtp_path *path)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();

    if (session->kind != SMTP_KIND_SUBMISSION || path->null)
        return true;
    const struct directory_person *person = directory_login(directory, slice_str(session->login));
    return person != NULL && directory_owns(directory, person, path->local, path->domain);
}

static bool sender_ok(struct smtp_session *session, const struct smtp_path *path,
                      const struct params *params)
{
    if (params->bytes > conf_get()->message_bytes_max)
        smtp_reply(session, 552, "5.3.4", "The limit is %llu bytes",
                   (unsigned long long)conf_get()->message_bytes_max);
    else if (!path->null && path->domain.len == 0)
        smtp_reply(session, 553, "5.1.7", "A sender needs a domain");
    else if (!owns_sender(session, path))
        smtp_reply(session, 553, "5.7.1", "<%.*s> is not an address of %s", SLICE_ARG(path->text),
                   session->login);
    else
        return true;
    return false;
}

/* The sender as the directory's rules want it. */
static struct slice rewritten(struct smtp_session *session, const struct smtp_path *path)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct arena *arena = session->mail->arena;
    struct slice local = path->local;
    struct slice domain = path->domain;

    if (path->null || session->kind == SMTP_KIND_TRANSFER || /* the first server did it */
        !directory_rewrite(directory, DIRECTORY_REWRITE_SENDER, arena, &local, &domain))
        return arena_copy(arena, path->text);
    return directory_name_join(arena, local, domain);
}

/* Takes path and parameters; false: it has replied why not. */
static bool read_mail(struct smtp_session *session, struct slice args, struct smtp_path *path,
                      struct params *params)
{
    struct slice rest = slice_sub(args, 5, args.len);

    /* What the parameters allow decides how the path is read. */
    if (smtp_path_parse(conn_arena(session->conn), &rest, true, path) != ST_OK) {
        smtp_reply(session, 501, "5.1.7", "Not an address: %.*s",
                   SLICE_ARG(slice_sub(args, 5, 200)));
        return false;
    }
    enum st st =
        rest.len > 0 && !session->extended ? ST_NOT_FOUND : read_params(session, rest, params);
    if (st != ST_OK) {
        smtp_reply_param(session, st);
        return false;
    }
    rest = slice_sub(args, 5, args.len);
    if (smtp_path_parse(conn_arena(session->conn), &rest, params->utf8, path) != ST_OK) {
        smtp_reply(session, 553, "5.6.7", "That address needs SMTPUTF8");
        return false;
    }
    return true;
}

/* A server may have been thrown out since it connected. And what it hands over is never spooled: it
 * keeps the message, and only the store knows whether that was here before. */
static bool server_ok(struct smtp_session *session)
{
    if (session->kind != SMTP_KIND_TRANSFER)
        return true;
    const char *why = cluster_fellow_doubt(session->context->cluster, session->fellow);
    if (why != NULL) {
        smtp_transfer_refused(session, why);
        smtp_reply(session, 421, "4.7.0", "%s", why);
        session->closing = true;
    } else if (store_away(session->context->store)) {
        smtp_reply_st(session, ST_IO);
    } else {
        return true;
    }
    return false;
}

/* RFC 3463: X.3.2 system not accepting network messages. */
static bool wants_mail(struct smtp_session *session)
{
    if (conf_restriction() != CONF_NO_MAIL || session->login != NULL ||
        session->kind == SMTP_KIND_TRANSFER)
        return true;
    smtp_reply(session, 451, "4.3.2", "This server takes no mail now");
    return false;
}

void smtp_cmd_mail(struct smtp_session *session, struct slice args)
{
    struct params params = {0};
    struct smtp_path path;

    if (!slice_istarts(args, SLICE("FROM:"))) {
        smtp_reply(session, 501, "5.5.4", "Write MAIL FROM:<address>");
        return;
    }
    if (!server_ok(session) || !wants_mail(session))
        return;
    if (!read_mail(session, args, &path, &params) || !sender_ok(session, &path, &params))
        return;
    smtp_mail_new(session);
    struct smtp_mail *mail = session->mail;
    if (!smtp_foreign_begin(session, &path) || slice_eq(mail->from, path.text))
        mail->from = rewritten(session, &path);
    mail->utf8 = params.utf8;
    mail->said_8bit = params.eight_bit;
    mail->declared_bytes = params.bytes;
    mail->ret = params.dsn.ret;
    mail->envid = arena_copy(mail->arena, params.dsn.envid);
    mail->xguid = arena_copy(mail->arena, params.xguid);
    /* RFC 6710 section 5: a stranger's wish is heard and counts for nothing. */
    if (session->login != NULL || session->kind == SMTP_KIND_TRANSFER)
        mail->priority = params.dsn.priority;
    session->state = SMTP_MAIL;
    smtp_reply(session, 250, "2.1.0", "OK");
}
