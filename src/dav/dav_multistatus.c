#include "dav/dav_multistatus.h"

struct answer {
    struct dav_call *call;
    dav_responses_fn *fn;
    void *ctx;
    bool begun;
};

static enum st more(void *ctx, struct buf *out)
{
    struct answer *answer = ctx;

    if (!answer->begun)
        xml_write_begin(out, XML_DAV, "multistatus");
    answer->begun = true;
    enum st st = answer->fn(answer->call, answer->ctx, out);
    if (st == ST_OK)
        xml_write_close(out, XML_DAV, "multistatus");
    return st;
}

static void release(void *ctx)
{
    dav_call_unref(((struct answer *)ctx)->call);
}

enum st dav_multistatus(struct dav_call *call, dav_responses_fn *fn, void *ctx)
{
    struct answer *answer = arena_one(call->arena, struct answer);
    const struct http_pieces pieces = {more, release, answer};

    *answer = (struct answer){.call = dav_call_ref(call), .fn = fn, .ctx = ctx};
    return http_reply_pieces(call->request, 207, DAV_XML_TYPE, &pieces);
}
