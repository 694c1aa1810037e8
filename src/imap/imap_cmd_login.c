#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_login.h"

/* RFC 3501 section 6.2.3. */
enum st imap_cmd_login(struct imap_session *session, struct imap_run *run)
{
    struct slice name;
    struct slice password;
    enum st st = imap_parse_space(&run->args);

    if (st == ST_OK)
        st = imap_parse_astring(&run->args, &name);
    if (st == ST_OK)
        st = imap_parse_space(&run->args);
    if (st == ST_OK)
        st = imap_parse_astring(&run->args, &password);
    if (st == ST_OK)
        st = imap_parse_end(&run->args);
    if (st != ST_OK)
        return st;

    struct directory_auth_room room;
    struct auth_options options;
    struct auth_person person = {.disabled = false};
    enum auth_why why = AUTH_WHY_NONE;
    directory_auth_options(session->context->auth, session->conn, &room, &options);
    st = auth_login(&options, name, password, &person, &why);
    if (st == ST_OK)
        return imap_login_done(session, run, SLICE("LOGIN"), slice_str(person.name));
    if (why == AUTH_WHY_MALFORMED) /* an empty name or password is as wrong as any other */
        why = AUTH_WHY_PASSWORD;
    return imap_login_failed(session, run, SLICE("LOGIN"), name, why);
}
