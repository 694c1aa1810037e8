#include "base/arena.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "smtp/smtp_cmd.h"
#include "smtp/smtp_path.h"

struct params {
    uint64_t bytes;
    bool utf8;
};

/* SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), AUTH (RFC 4954 section 5). */
static enum st read_params(struct slice rest, struct params *params)
{
    struct slice keyword;
    struct slice value;
    enum st st;

    while ((st = smtp_param_next(&rest, &keyword, &value)) == ST_OK) {
        if (slice_ieq(keyword, SLICE("SIZE")) && slice_to_u64(value, &params->bytes) == ST_OK)
            continue;
        if (slice_ieq(keyword, SLICE("BODY")) &&
            (slice_ieq(value, SLICE("7BIT")) || slice_ieq(value, SLICE("8BITMIME"))))
            continue;
        if (slice_ieq(keyword, SLICE("AUTH")))
            continue;
        if (!slice_ieq(keyword, SLICE("SMTPUTF8")) || value.len > 0)
            return ST_INVALID;
        params->utf8 = true;
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
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

    if (path->null ||
        !directory_rewrite(directory, DIRECTORY_REWRITE_SENDER, arena, &local, &domain))
        return arena_copy(arena, path->text);
    return directory_name_join(arena, local, domain);
}

void smtp_cmd_mail(struct smtp_session *session, struct slice args)
{
    struct params params = {0};
    struct smtp_path path;
    struct slice rest = slice_sub(args, 5, args.len);

    if (!slice_istarts(args, SLICE("FROM:"))) {
        smtp_reply(session, 501, "5.5.4", "Write MAIL FROM:<address>");
        return;
    }
    /* What the parameters allow decides how the path is read. */
    if (smtp_path_parse(conn_arena(session->conn), &rest, true, &path) != ST_OK) {
        smtp_reply(session, 501, "5.1.7", "Not an address: %.*s",
                   SLICE_ARG(slice_sub(args, 5, 200)));
        return;
    }
    if ((rest.len > 0 && !session->extended) || read_params(rest, &params) != ST_OK) {
        smtp_reply(session, 555, "5.5.4", "Parameter not understood");
        return;
    }
    rest = slice_sub(args, 5, args.len);
    if (smtp_path_parse(conn_arena(session->conn), &rest, params.utf8, &path) != ST_OK) {
        smtp_reply(session, 553, "5.6.7", "That address needs SMTPUTF8");
        return;
    }
    if (!sender_ok(session, &path, &params))
        return;
    smtp_mail_new(session);
    session->mail->from = rewritten(session, &path);
    session->mail->utf8 = params.utf8;
    session->mail->declared_bytes = params.bytes;
    session->state = SMTP_MAIL;
    smtp_reply(session, 250, "2.1.0", "OK");
}
