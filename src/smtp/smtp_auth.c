#include "base/mem.h"
#include "base/text.h"
#include "conf/conf.h"
#include "directory/directory_auth.h"
#include "smtp/smtp_cmd.h"

#define SASL_BYTES_MAX (8 * KIB)

static void end_auth(struct smtp_session *session)
{
    auth_sasl_free(&session->sasl);
    session->state = SMTP_READY;
}

static void refuse(struct smtp_session *session, enum st st)
{
    enum auth_why why = auth_sasl_why(session->sasl);

    directory_auth_log(session->conn, "submission", session->sasl_mechanism,
                       auth_sasl_name(session->sasl), why);
    end_auth(session);
    if (why == AUTH_WHY_THROTTLED)
        smtp_reply(session, 454, "4.7.0", "Too many failures, wait before trying again");
    else if (st == ST_IO)
        smtp_reply(session, 454, "4.7.0", "Temporary authentication failure");
    else if (st == ST_INVALID)
        smtp_reply(session, 501, "5.5.2", "Malformed authentication exchange");
    else
        smtp_reply(session, 535, "5.7.8", "Authentication credentials invalid");
}

static bool admitted(const struct smtp_session *session)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();

    return directory_auth_admits(directory_login(directory, auth_sasl_name(session->sasl)));
}

static void take(struct smtp_session *session, struct slice bytes)
{
    AUTO(buf) struct buf out = BUF(SASL_BYTES_MAX);
    AUTO(buf) struct buf coded = BUF(SASL_BYTES_MAX * 2);

    enum st st = auth_sasl_step(session->sasl, bytes, &out);
    if (st == ST_AGAIN && text_base64(&coded, buf_slice(&out)) == ST_OK) {
        session->state = SMTP_AUTH;
        conn_write(session->conn, SLICE("334 "));
        conn_write(session->conn, buf_slice(&coded));
        conn_write(session->conn, SLICE("\r\n"));
        return;
    }
    if (st != ST_OK) {
        refuse(session, st);
        return;
    }
    if (!admitted(session)) {
        end_auth(session);
        smtp_reply(session, 454, "4.3.2", "This server takes no new sessions now");
        return;
    }
    session->login = mem_copy(auth_sasl_name(session->sasl));
    directory_auth_log(session->conn, "submission", session->sasl_mechanism,
                       slice_str(session->login), AUTH_WHY_NONE);
    end_auth(session);
    smtp_reply(session, 235, "2.7.0", "Authentication succeeded");
}

void smtp_auth_step(struct smtp_session *session, struct slice line)
{
    AUTO(buf) struct buf bytes = BUF(SASL_BYTES_MAX);

    if (slice_eq(line, SLICE("*"))) {
        end_auth(session);
        smtp_reply(session, 501, "5.7.0", "Authentication given up");
    } else if (text_unbase64(&bytes, line) != ST_OK) {
        end_auth(session);
        smtp_reply(session, 501, "5.5.2", "Not base64");
    } else {
        take(session, buf_slice(&bytes));
    }
}

/* The mechanism as a literal: it is logged after the line is gone. */
static struct slice known_mechanism(struct slice name)
{
    static const char *const names[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_ieq(slice_str(names[i]), name))
            return slice_str(names[i]);
    return SLICE("other");
}

/* RFC 4954 section 4. */
void smtp_cmd_auth(struct smtp_session *session, struct slice args)
{
    struct directory_auth_room room;
    struct auth_options options;
    size_t space = slice_find(args, ' ');
    struct slice initial =
        space == SIZE_MAX ? SLICE("") : slice_trim(slice_sub(args, space, args.len));

    if (session->login != NULL) {
        smtp_reply(session, 503, "5.5.1", "Authenticated already");
        return;
    }
    directory_auth_options(session->context->auth, session->conn, &room, &options);
    session->sasl_mechanism = known_mechanism(slice_sub(args, 0, space));
    enum st st = auth_sasl_new(&options, slice_sub(args, 0, space), &session->sasl);
    if (st == ST_DENIED) {
        smtp_reply(session, 538, "5.7.11", "Encryption required for that mechanism");
    } else if (st != ST_OK) {
        smtp_reply(session, 504, "5.5.4", "No such mechanism");
    } else if (initial.len == 0) {
        take(session, SLICE(""));
    } else {
        smtp_auth_step(session, slice_eq(initial, SLICE("=")) ? SLICE("") : initial);
    }
}
