/* Who asks. */
#include "dav/dav_call.h"
#include "http/http_login.h"

bool dav_auth(struct dav_call *call, struct directory_auth *auth)
{
    struct http_login login;

    if (!http_login(call->request, call->directory, auth, &login)) {
        dav_refuse(call, login.status, XML_DAV, NULL, login.why);
        return false;
    }
    if (http_login_is_foreign(login.person->name)) {
        dav_refuse(call, 403, XML_DAV, NULL,
                   "This log-in is another organisation's, for EWS alone");
        return false;
    }
    call->me = login.person;
    calendar_who_init(call->directory, call->arena, call->me, &call->who);
    return true;
}
