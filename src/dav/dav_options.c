/* OPTIONS (RFC 9110 section 9.3.7). */
#include "dav/dav_call.h"

enum st dav_method_options(struct dav_call *call)
{
    http_reply(call->request, 200, NULL, SLICE(""));
    return ST_OK;
}
