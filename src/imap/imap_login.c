#include "imap/imap_login.h"

#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "directory/directory_auth.h"
#include "imap/imap_account.h"
#include "imap/imap_capability.h"
#include "imap/imap_limit.h"

static enum st refuse(struct imap_run *run, enum st st, const char *code, const char *text)
{
    buf_put(&run->code, slice_str(code));
    run->text = text;
    return st;
}

enum st imap_login_done(struct imap_session *session, struct imap_run *run, struct slice mechanism,
                        struct slice name)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct directory_person *person = directory_login(directory, name);
    const struct conf *conf = conf_get();

    if (person == NULL || person->account_id == 0)
        return refuse(run, ST_NOT_FOUND, "UNAVAILABLE", "The account is not on this server");
    if (!directory_auth_admits(person))
        return refuse(run, ST_DENIED, "UNAVAILABLE", "This server takes no new sessions now");
    if (imap_account_open(session, person->account_id) != ST_OK)
        return refuse(run, ST_DENIED, "CONTACTADMIN", "IMAP is off for this account");
    if (!imap_limit_take(person->account_id, conf->imap_connections_per_account_max)) {
        imap_account_close(session);
        return refuse(run, ST_TOO_BIG, "LIMIT", "Too many connections of this account");
    }
    session->counted = true;
    session->account_id = person->account_id;
    session->name = mem_copy(slice_str(person->name));
    session->state = IMAP_AUTH;
    conn_timeout(session->conn, conf->imap_idle_timeout_ms);
    imap_capability_write(session, &run->code);
    run->text = "Logged in";
    directory_auth_log(session->conn, "imap", mechanism, name, AUTH_WHY_NONE);
    return ST_OK;
}

enum st imap_login_failed(struct imap_session *session, struct imap_run *run,
                          struct slice mechanism, struct slice name, enum auth_why why)
{
    directory_auth_log(session->conn, "imap", mechanism, name, why);
    switch ((int)why) {
    case AUTH_WHY_DIRECTORY:
        return ST_IO;
    case AUTH_WHY_THROTTLED:
        return refuse(run, ST_DENIED, "UNAVAILABLE", "Too many failed log-ins, wait a little");
    case AUTH_WHY_MALFORMED:
        return refuse(run, ST_INVALID, NULL, "The log-in is malformed");
    case AUTH_WHY_AUTHZID:
        return refuse(run, ST_DENIED, "AUTHORIZATIONFAILED", "Nobody acts for somebody else");
    default:
        return refuse(run, ST_DENIED, "AUTHENTICATIONFAILED", "Name or password is wrong");
    }
}

void imap_login_end(struct imap_session *session)
{
    auth_sasl_free(&session->sasl);
    imap_account_close(session);
    if (session->counted)
        imap_limit_release(session->account_id);
    session->counted = false;
}

uint64_t imap_login_quota(const struct imap_session *session)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct directory_person *person = directory_login(directory, slice_str(session->name));

    if (person != NULL && person->quota_bytes != 0)
        return person->quota_bytes;
    return conf_get()->quota_bytes;
}
