#include "base/mem.h"
#include "conf/conf.h"
#include "directory/directory_auth.h"
#include "smtp/smtp_cmd.h"

/* What a client may call itself: anything printable that fits into a trace line. */
static bool name_ok(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] <= ' ' || name.ptr[i] == 0x7f || name.ptr[i] == '(' || name.ptr[i] == ')')
            return false;
    return name.len > 0 && name.len <= 255;
}

static bool greet(struct smtp_session *session, struct slice name)
{
    if (!name_ok(name)) {
        smtp_reply(session, 501, "5.5.4", "Tell your host name");
        return false;
    }
    smtp_mail_free(session);
    mem_free(session->helo);
    session->helo = mem_copy(name);
    session->state = SMTP_READY;
    return true;
}

/* RFC 5321 section 4.1.1.1; each extension's keyword is told only where it can be used. */
void smtp_cmd_ehlo(struct smtp_session *session, struct slice args)
{
    AUTO(buf) struct buf mechanisms = BUF(512);
    struct directory_auth_room room;
    struct auth_options options;

    if (!greet(session, args))
        return;
    session->extended = true;
    conn_writef(session->conn,
                "250-%s\r\n250-PIPELINING\r\n250-SIZE "
                "%llu\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-CHUNKING\r\n250-DSN\r\n",
                session->context->server_name, (unsigned long long)conf_get()->message_bytes_max);
    if (conn_tls_possible(session->conn))
        conn_write(session->conn, SLICE("250-STARTTLS\r\n"));
    if (session->kind == SMTP_KIND_TRANSFER)
        conn_write(session->conn, SLICE("250-XPOSTHORSE\r\n"));
    if (session->kind == SMTP_KIND_SUBMISSION || session->kind == SMTP_KIND_TRANSFER)
        /* from others it would be a way past the queue */
        conn_write(session->conn, SLICE("250-MT-PRIORITY\r\n"));
    if (session->kind == SMTP_KIND_SUBMISSION && session->login == NULL) {
        directory_auth_options(session->context->auth, session->conn, &room, &options);
        if (auth_sasl_mechanisms(&options, " ", &mechanisms) == ST_OK && mechanisms.len > 0)
            conn_writef(session->conn, "250-AUTH%s\r\n", mechanisms.ptr);
    }
    conn_write(session->conn, SLICE("250 ENHANCEDSTATUSCODES\r\n"));
}

void smtp_cmd_helo(struct smtp_session *session, struct slice args)
{
    if (!greet(session, args))
        return;
    session->extended = false;
    smtp_reply(session, 250, "", "%s", session->context->server_name);
}
