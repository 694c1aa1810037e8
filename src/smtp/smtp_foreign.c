#include "smtp/smtp_foreign.h"

#include "base/arena.h"
#include "base/mem.h"
#include "directory/directory_name.h"
#include "log/log.h"
#include "mime/mime_address.h"
#include "router/router_foreign.h"

struct smtp_foreign {
    const struct directory *directory; /* the one it began with */
    struct router_foreign rewriting;
    struct router_foreign_header *header;
    struct slice given; /* the sender as it was; in the transaction's arena */
};

void smtp_foreign_free(struct smtp_foreign **foreign)
{
    if (*foreign == NULL)
        return;
    router_foreign_header_free(&(*foreign)->header);
    directory_unref(&(*foreign)->directory);
    mem_free(*foreign);
    *foreign = NULL;
}

bool smtp_foreign_begin(struct smtp_session *session, const struct smtp_path *path)
{
    struct smtp_mail *mail = session->mail;
    const struct directory *directory = directory_ref();
    const struct directory_foreign *origin = NULL;

    if (session->kind == SMTP_KIND_SMTP && session->login == NULL)
        origin = router_foreign_origin(directory, session->context->server_name,
                                       conn_peer(session->conn), path->text);
    if (origin == NULL) {
        directory_unref(&directory);
        return false;
    }
    struct smtp_foreign *foreign = mem_new(struct smtp_foreign);
    foreign->directory = directory;
    foreign->rewriting = (struct router_foreign){directory, origin, DIRECTORY_IN};
    foreign->header = router_foreign_header_new(&foreign->rewriting);
    foreign->given = arena_copy(mail->arena, path->text);
    mail->foreign = foreign;
    (void)router_foreign_address(&foreign->rewriting, mail->arena, foreign->given, &mail->from);
    return true;
}

void smtp_foreign_rcpt(struct smtp_session *session, struct smtp_path *path, struct slice *orcpt)
{
    struct smtp_mail *mail = session->mail;
    struct mime_address parsed = {.broken = false};
    struct slice address;

    if (mail->foreign == NULL ||
        !router_foreign_address(&mail->foreign->rewriting, mail->arena, path->text, &address) ||
        !mime_address_spec(mail->arena, address, &parsed) ||
        !directory_domain_is_local(mail->foreign->directory, parsed.domain))
        return;
    if (orcpt->len == 0)
        *orcpt = router_foreign_orcpt(mail->arena, path->text);
    path->text = address;
    path->local = parsed.local;
    path->domain = parsed.domain;
}

void smtp_foreign_feed(struct smtp_foreign *foreign, struct slice text, mime_rewrite_put *fn,
                       void *ctx)
{
    mime_rewrite_feed(router_foreign_header(foreign->header), text, fn, ctx);
}

void smtp_foreign_end(struct smtp_foreign *foreign, mime_rewrite_put *fn, void *ctx)
{
    mime_rewrite_end(router_foreign_header(foreign->header), fn, ctx);
}

void smtp_foreign_log(const struct smtp_session *session)
{
    const struct smtp_mail *mail = session->mail;
    const struct smtp_foreign *foreign = mail->foreign;

    if (foreign == NULL)
        return;
    const struct mime_rewrite_facts *facts =
        mime_rewrite_facts(router_foreign_header(foreign->header));
    if (facts->count == 0 && slice_eq(foreign->given, mail->from))
        return;
    log_event(EV_FOREIGN_REWRITTEN, conn_sid(session->conn), LOG_C("guid", mail->message.guid),
              LOG_C("document", foreign->rewriting.foreign->name), LOG_C("way", "in"),
              LOG_S("from", foreign->given), LOG_S("as", mail->from),
              LOG_U("addresses", facts->count), LOG_U("signed", facts->signature));
}
