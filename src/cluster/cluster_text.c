#include "cluster/cluster_text.h"

#include "base/buf.h"
#include "base/slice.h"
#include "cluster/cluster_run.h"

static bool is_line_of(struct slice line, const char *field, struct slice *value_r)
{
    size_t equals = slice_find(line, '=');

    *value_r = SLICE("");
    if (equals == SIZE_MAX || !slice_eq(slice_trim(slice_sub(line, 0, equals)), slice_str(field)))
        return false;
    *value_r = slice_trim(slice_sub(line, equals + 1, line.len));
    size_t comment = slice_find_slice(*value_r, SLICE(" ;"));
    if (comment != SIZE_MAX)
        *value_r = slice_trim(slice_sub(*value_r, 0, comment));
    return true;
}

void cluster_text_get(struct slice body, const char *field, struct buf *value)
{
    struct slice line;
    struct slice found;

    while (slice_split(&body, '\n', &line))
        if (is_line_of(line, field, &found)) {
            buf_put(value, found);
            return;
        }
}

void cluster_text_set(struct slice body, const char *field, const char *value, struct buf *out)
{
    struct slice line;
    struct slice found;
    bool done = false;

    while (slice_split(&body, '\n', &line)) {
        if (body.ptr == NULL && line.len == 0)
            break; /* behind the last line's end */
        if (done || !is_line_of(line, field, &found)) {
            buf_putf(out, "%.*s\n", SLICE_ARG(line));
            continue;
        }
        buf_putf(out, "%s = %s\n", field, value);
        done = true;
    }
    if (!done)
        buf_putf(out, "%s = %s\n", field, value);
}

int64_t cluster_text_before_ms(struct slice body)
{
    AUTO(buf) struct buf value = BUF(100);
    uint64_t before_ms;

    cluster_text_get(body, "before_ms", &value);
    if (slice_to_u64(buf_slice(&value), &before_ms) != ST_OK || before_ms > INT64_MAX)
        return 0;
    return (int64_t)before_ms;
}

/* --- revoking --- */

struct revoking {
    struct slice server;
    int64_t now_ms;
};

static enum st revoke(struct store_tx *tx, void *arg)
{
    const struct revoking *revoking = arg;
    AUTO(buf) struct buf body = BUF(100);

    buf_putf(&body, "before_ms = %lld\n", (long long)revoking->now_ms);
    const struct store_document document = {.kind = SLICE(CLUSTER_REVOCATION),
                                            .name = revoking->server,
                                            .modified_ms = revoking->now_ms,
                                            .body = buf_slice(&body)};
    return store_document_put(tx, &document);
}

enum st cluster_revoke(struct store *store, struct slice server, int64_t now_ms)
{
    struct revoking revoking = {server, now_ms};

    return server.len > 0 && server.len <= CLUSTER_NAME_BYTES_MAX
               ? store_write(store, revoke, &revoking)
               : ST_INVALID;
}

struct telling {
    cluster_revoked_fn *fn;
    void *ctx;
};

static enum st tell(void *ctx, const struct store_document *document)
{
    const struct telling *telling = ctx;
    AUTO(buf) struct buf name = BUF(CLUSTER_NAME_BYTES_MAX);
    int64_t before_ms = cluster_text_before_ms(document->body);

    buf_put(&name, document->name);
    if (slice_eq(document->kind, SLICE(CLUSTER_REVOCATION)) && before_ms > 0 && !name.over)
        telling->fn(telling->ctx, name.ptr, before_ms);
    return ST_OK;
}

static enum st tell_all(struct store_tx *tx, void *arg)
{
    return store_document_each(tx, tell, arg);
}

enum st cluster_revoked_each(struct store *store, cluster_revoked_fn *fn, void *ctx)
{
    struct telling telling = {fn, ctx};

    return store_read(store, tell_all, &telling);
}
