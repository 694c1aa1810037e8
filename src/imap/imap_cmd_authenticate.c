#include "base/slice.h"
#include "base/text.h"
#include "imap/imap_cmd.h"
#include "imap/imap_login.h"

#define CHALLENGE_BYTES_MAX (16 * KIB)

static enum st ended(struct imap_session *session, struct imap_run *run, enum st st)
{
    struct slice name = auth_sasl_name(session->sasl);
    struct slice mechanism = slice_str(session->mechanism);

    if (st == ST_OK)
        st = imap_login_done(session, run, mechanism, name);
    else
        st = imap_login_failed(session, run, mechanism, name, auth_sasl_why(session->sasl));
    auth_sasl_free(&session->sasl);
    return st;
}

/* One step with what the client said, base64 undone. */
static enum st step(struct imap_session *session, struct imap_run *run, struct slice said)
{
    AUTO(buf) struct buf challenge = BUF(CHALLENGE_BYTES_MAX);
    AUTO(buf) struct buf text = BUF(2 * CHALLENGE_BYTES_MAX);
    enum st st;

    st = auth_sasl_step(session->sasl, said, &challenge);
    if (st != ST_AGAIN)
        return ended(session, run, st);
    if (text_base64(&text, buf_slice(&challenge)) != ST_OK)
        return ended(session, run, ST_IO);
    conn_write(session->conn, SLICE("+ "));
    conn_write(session->conn, buf_slice(&text));
    conn_write(session->conn, SLICE("\r\n"));
    return ST_AGAIN;
}

/* initial: "=" stands for an empty response (RFC 4959). */
static enum st step_base64(struct imap_session *session, struct imap_run *run, struct slice text,
                           bool initial)
{
    AUTO(buf) struct buf said = BUF(CHALLENGE_BYTES_MAX);

    if (initial && slice_eq(text, SLICE("=")))
        text = SLICE("");
    if (text_unbase64(&said, text) == ST_OK)
        return step(session, run, buf_slice(&said));
    auth_sasl_free(&session->sasl);
    run->text = "Not base64";
    return ST_INVALID;
}

static enum st answer(struct imap_session *session, struct imap_run *run, struct slice line)
{
    if (slice_eq(line, SLICE("*"))) {
        auth_sasl_free(&session->sasl);
        run->text = "Log-in given up";
        return ST_INVALID;
    }
    return step_base64(session, run, line, false);
}

/* The mechanism as a literal: it is logged after the line is gone. */
static const char *known_mechanism(struct slice name)
{
    static const char *const names[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_ieq(slice_str(names[i]), name))
            return names[i];
    return "other";
}

static enum st begin(struct imap_session *session, struct imap_run *run, struct slice mechanism)
{
    struct directory_auth_room room;
    struct auth_options options;
    enum st st;

    session->mechanism = known_mechanism(mechanism);
    directory_auth_options(session->context->auth, session->conn, &room, &options);
    st = auth_sasl_new(&options, mechanism, &session->sasl);
    if (st == ST_NOT_FOUND) {
        buf_put(&run->code, SLICE("CANNOT"));
        run->text = "No such mechanism here";
    }
    if (st == ST_DENIED) {
        buf_put(&run->code, SLICE("PRIVACYREQUIRED"));
        run->text = "Passwords only under TLS";
    }
    return st;
}

/* RFC 3501 section 6.2.2, the initial response of RFC 4959. */
enum st imap_cmd_authenticate(struct imap_session *session, struct imap_run *run)
{
    struct slice mechanism;
    struct slice initial = {NULL, 0};
    enum st st = imap_parse_space(&run->args);

    if (st == ST_OK)
        st = imap_parse_atom(&run->args, &mechanism);
    if (st == ST_OK && imap_parse_char(&run->args, ' ')) {
        initial = run->args.rest;
        run->args.rest.len = 0;
    }
    if (st == ST_OK)
        st = imap_parse_end(&run->args);
    if (st == ST_OK)
        st = begin(session, run, mechanism);
    if (st != ST_OK)
        return st;
    if (initial.ptr != NULL)
        st = step_base64(session, run, initial, true);
    else
        st = step(session, run, SLICE(""));
    if (st == ST_AGAIN)
        imap_session_hold(session, run, answer);
    return st;
}
