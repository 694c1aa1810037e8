#include "dav/dav_multistatus.h"

struct answer {
    struct dav_call *call;
    enum xml_ns ns;
    const char *root;
    dav_responses_fn *fn;
    void *ctx;
    bool begun;
};

static enum st more(void *ctx, struct buf *out)
{
    struct answer *answer = ctx;

    if (!answer->begun)
        xml_write_begin(out, answer->ns, answer->root);
    answer->begun = true;
    enum st st = answer->fn(answer->call, answer->ctx, out);
    if (st == ST_OK)
        xml_write_close(out, answer->ns, answer->root);
    return st;
}

static void release(void *ctx)
{
    dav_call_unref(((struct answer *)ctx)->call);
}

enum st dav_answer(struct dav_call *call, unsigned status, enum xml_ns ns, const char *root,
                   dav_responses_fn *fn, void *ctx)
{
    struct answer *answer = arena_one(call->arena, struct answer);
    const struct http_pieces pieces = {more, release, answer};

    *answer = (struct answer){dav_call_ref(call), ns, root, fn, ctx, false};
    return http_reply_pieces(call->request, status, DAV_XML_TYPE, &pieces);
}

enum st dav_multistatus(struct dav_call *call, dav_responses_fn *fn, void *ctx)
{
    return dav_answer(call, 207, XML_DAV, "multistatus", fn, ctx);
}
