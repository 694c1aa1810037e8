/* The verbs that are a line or two. */
#include "smtp/smtp_cmd.h"

void smtp_cmd_noop(struct smtp_session *session, struct slice args)
{
    (void)args;
    smtp_reply(session, 250, "2.0.0", "OK");
}

void smtp_cmd_rset(struct smtp_session *session, struct slice args)
{
    (void)args;
    smtp_mail_free(session);
    if (session->state != SMTP_GREET)
        session->state = SMTP_READY;
    smtp_reply(session, 250, "2.0.0", "OK");
}

void smtp_cmd_quit(struct smtp_session *session, struct slice args)
{
    (void)args;
    smtp_reply(session, 221, "2.0.0", "%s Goodbye", session->context->server_name);
    session->closing = true;
}

void smtp_cmd_help(struct smtp_session *session, struct slice args)
{
    (void)args;
    smtp_reply(session, 214, "2.0.0", "RFC 5321; this is Posthorse " POSTHORSE_VERSION);
}

/* RFC 5321 section 7.3: a server need not tell who has a mailbox. */
void smtp_cmd_vrfy(struct smtp_session *session, struct slice args)
{
    (void)args;
    smtp_reply(session, 252, "2.5.0", "Send some mail, it will be tried");
}

void smtp_cmd_starttls(struct smtp_session *session, struct slice args)
{
    (void)args;
    if (!conn_tls_possible(session->conn)) {
        smtp_reply(session, conn_tls(session->conn) ? 503 : 454,
                   conn_tls(session->conn) ? "5.5.1" : "4.7.0",
                   conn_tls(session->conn) ? "TLS is on already" : "TLS is not available");
        return;
    }
    smtp_reply(session, 220, "2.0.0", "Ready to start TLS");
    smtp_mail_free(session);
    session->state = SMTP_GREET; /* RFC 3207 section 4.2: nothing from before counts */
    conn_starttls(session->conn);
}
