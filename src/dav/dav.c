#include "dav/dav.h"

#include "dav/dav_call.h"

struct http_service dav_service(struct dav_context *context)
{
    return (struct http_service){.ctx = context,
                                 .begin = dav_call_begin,
                                 .upload = dav_call_upload,
                                 .answer = dav_call_answer,
                                 .done = dav_call_done};
}
