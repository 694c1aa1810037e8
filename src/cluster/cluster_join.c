#include "cluster/cluster_run.h"

#include "cluster/cluster_token.h"
#include "sys/sys_cert.h"
#include "sys/sys_hash.h"
#include "sys/sys_sock.h"
#include "sys/sys_stream.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PEM_BYTES_MAX (64 * KIB)
#define BINDING_BYTES_MAX 1024
#define INPUT_BYTES_MAX (2 * MIB)

struct joining {
    const struct cluster_join_options *options;
    struct cluster_token token;
    struct buf *why;
    uint64_t deadline_ms;
    struct sys_stream stream;
    struct buf in;
    struct buf out;
    size_t used; /* of in: the last frame */
};

static enum st fail(struct joining *j, enum st st, const char *sentence)
{
    if (j->why->len == 0)
        buf_putf(j->why, "%s: %s", j->options->address, sentence);
    return st;
}

/* --- the connection --- */

static enum st dial(struct joining *j)
{
    char name[CLUSTER_ADDRESS_BYTES];
    char address[SYS_ADDR_BYTES];
    struct slice host;
    uint16_t port;
    int fd;
    uint64_t now_ms = sys_mono_ms();

    if (sys_host_port(slice_str(j->options->address), &host, &port) != ST_OK ||
        host.len >= sizeof(name))
        return fail(j, ST_INVALID, "not host:port");
    snprintf(name, sizeof(name), "%.*s", SLICE_ARG(host));
    if (sys_resolve(name, address) != ST_OK)
        return fail(j, ST_NOT_FOUND, "the name has no address");
    enum st st =
        sys_connect(address, port, j->deadline_ms > now_ms ? j->deadline_ms - now_ms : 0, -1, &fd);
    if (st != ST_OK)
        return fail(j, st, st == ST_AGAIN ? "no answer in time" : strerror(errno));
    sys_stream_init(&j->stream, fd, -1);
    return ST_OK;
}

/* member: as one that has joined. */
static enum st shake(struct joining *j, bool member)
{
    char files[2][CLUSTER_PATH_BYTES];
    struct sys_tls_client *client = NULL;

    cluster_domain_path(j->options->data_dir, CLUSTER_FILE_MEMBER, files[0]);
    cluster_domain_path(j->options->data_dir, CLUSTER_FILE_AUTHORITY, files[1]);
    enum st st = sys_tls_client_new_mutual(member ? files[0] : NULL, member ? files[1] : NULL,
                                           j->why, &client);
    if (st != ST_OK)
        return st;
    st = sys_stream_starttls(&j->stream, client, NULL, false, j->deadline_ms);
    sys_tls_client_free(&client);
    return st == ST_OK ? ST_OK
                       : fail(j, st, st == ST_AGAIN ? "no answer in time" : "no TLS 1.3 there");
}

static enum st send_all(struct joining *j)
{
    size_t done = 0;
    unsigned ready;

    while (done < j->out.len) {
        size_t len = 0;
        enum st st =
            sys_stream_send(&j->stream, slice_sub(buf_slice(&j->out), done, SIZE_MAX), &len);

        if (st == ST_AGAIN)
            st = sys_stream_wait(&j->stream, SYS_STREAM_WRITE, j->deadline_ms, &ready);
        if (st != ST_OK)
            return fail(j, st, "the connection broke");
        done += len;
    }
    buf_clear(&j->out);
    return ST_OK;
}

static enum st receive_more(struct joining *j)
{
    size_t len = 0;
    unsigned ready;
    char *room = buf_room(&j->in, 16 * KIB);

    if (room == NULL)
        return fail(j, ST_TOO_BIG, "it says more than is allowed");
    enum st st = sys_stream_recv(&j->stream, room, 16 * KIB, &len);
    if (st == ST_AGAIN)
        st = sys_stream_wait(&j->stream, SYS_STREAM_READ, j->deadline_ms, &ready);
    else if (st == ST_OK && len == 0)
        st = ST_IO;
    buf_grew(&j->in, len);
    return st == ST_OK ? ST_OK : fail(j, st, st == ST_AGAIN ? "no answer in time" : "it hung up");
}

/* The next frame; its texts live until the next call. */
static enum st await_frame(struct joining *j, struct cluster_frame *frame)
{
    enum st st;

    buf_drop(&j->in, j->used);
    j->used = 0;
    do {
        st = cluster_frame_read(buf_slice(&j->in), CLUSTER_FRAME_BYTES_MAX, frame, &j->used);
        if (st == ST_AGAIN && receive_more(j) != ST_OK)
            return ST_IO;
    } while (st == ST_AGAIN);
    if (st != ST_OK)
        return fail(j, st, "what it says is no frame");
    if (frame->type != CLUSTER_REFUSED)
        return ST_OK;
    if (j->why->len == 0)
        buf_putf(j->why, "%s refuses: %.*s", j->options->address, SLICE_ARG(frame->refused.why));
    return ST_DENIED;
}

static void hang_up(struct joining *j)
{
    sys_stream_fini(&j->stream);
    buf_clear(&j->in);
    buf_clear(&j->out);
    j->used = 0;
}

/* --- the certificate --- */

static enum st ask(struct joining *j, struct slice request)
{
    AUTO(buf) struct buf binding = BUF(BINDING_BYTES_MAX);
    unsigned char proof[CLUSTER_KEY_BYTES];
    struct cluster_claim claim = {.invite = slice_str(j->token.invite),
                                  .name = slice_str(j->options->server_name),
                                  .request = request};
    struct cluster_frame frame = {.type = CLUSTER_JOIN};

    if (sys_tls_channel_binding(j->stream.tls, SYS_TLS_EXPORTER, &binding) != ST_OK)
        return fail(j, ST_IO, "the connection cannot be bound");
    claim.binding = buf_slice(&binding);
    cluster_token_prove(&j->token, &claim, proof);
    frame.join = (struct cluster_join){.protocol = CLUSTER_PROTOCOL,
                                       .invite = claim.invite,
                                       .proof = {(const char *)proof, sizeof(proof)},
                                       .name = claim.name,
                                       .request = request};
    if (cluster_frame_write(&frame, &j->out) != ST_OK)
        return fail(j, ST_TOO_BIG, "the request is too long");
    return send_all(j);
}

/* Nothing is said before the other has shown to be of the token's domain. */
static enum st get_certificate(struct joining *j)
{
    AUTO(buf) struct buf authority = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf key = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf request = BUF(PEM_BYTES_MAX);
    struct cluster_frame frame;
    enum st st = dial(j);

    if (st == ST_OK)
        st = shake(j, false);
    if (st == ST_OK && sys_tls_peer_authority(j->stream.tls,
                                              (struct slice){(const char *)j->token.fingerprint,
                                                             sizeof(j->token.fingerprint)},
                                              &authority) != ST_OK)
        st = fail(j, ST_DENIED,
                  "not a server of the domain that the token is for; nothing was told to it");
    if (st == ST_OK && sys_cert_make_request(j->options->server_name, &key, &request) != ST_OK)
        st = fail(j, ST_INVALID, "no certificate can be asked for under this server_name");
    if (st == ST_OK)
        st = ask(j, buf_slice(&request));
    if (st == ST_OK)
        st = await_frame(j, &frame);
    if (st == ST_OK && frame.type != CLUSTER_MEMBER)
        st = fail(j, ST_INVALID, "an answer that does not fit");
    if (st == ST_OK)
        st = cluster_domain_keep(j->options->data_dir, j->options->server_name,
                                 frame.member.certificate, buf_slice(&key), buf_slice(&authority),
                                 j->why);
    if (key.ptr != NULL)
        sys_secret_wipe(key.ptr, key.len);
    hang_up(j);
    return st;
}

/* --- documents --- */

/* Documents up to the number that the pong tells, which is asked for first. */
static enum st take_documents(struct joining *j, struct cluster_batch *batch, uint64_t *count_r)
{
    struct cluster_frame frame;
    uint64_t last = UINT64_MAX;
    uint64_t reached = 0;
    uint64_t new_count;
    enum st st = ST_OK;

    while (st == ST_OK && reached < last) {
        st = await_frame(j, &frame);
        if (st == ST_OK && frame.type == CLUSTER_PONG)
            last = frame.pong.documents;
        if (st != ST_OK || frame.type != CLUSTER_DOCUMENT)
            continue;
        reached = frame.document.sequence;
        cluster_batch_add(batch, &frame.document); /* one at a time: the next frame moves it */
        st = cluster_batch_merge(j->options->store, batch, j->options->address, &new_count);
        *count_r += new_count;
    }
    return st;
}

static enum st get_documents(struct joining *j, uint64_t *count_r)
{
    struct cluster_frame hello = {.type = CLUSTER_HELLO,
                                  .hello = {.protocol = CLUSTER_PROTOCOL,
                                            .epoch = 1,
                                            .name = slice_str(j->options->server_name),
                                            .version = SLICE(POSTHORSE_VERSION)}};
    const struct cluster_frame ping = {.type = CLUSTER_PING};
    struct cluster_batch *batch = mem_new(struct cluster_batch);
    enum st st = dial(j);

    if (st == ST_OK)
        st = shake(j, true);
    if (st == ST_OK && (cluster_frame_write(&hello, &j->out) != ST_OK ||
                        cluster_frame_write(&ping, &j->out) != ST_OK))
        st = ST_TOO_BIG;
    if (st == ST_OK)
        st = send_all(j);
    if (st == ST_OK)
        st = take_documents(j, batch, count_r);
    hang_up(j);
    mem_free(batch);
    return st;
}

static enum st check(struct joining *j)
{
    struct cluster_domain_look look;
    AUTO(buf) struct buf ignored = BUF(CLUSTER_PATH_BYTES + KIB);

    if (cluster_token_parse(slice_str(j->options->token), &j->token) != ST_OK) {
        buf_put(j->why, SLICE("that is no token; copy it whole as posthorse domain invite "
                              "printed it"));
        return ST_INVALID;
    }
    if (cluster_domain_look(j->options->data_dir, &look, &ignored) == ST_NOT_FOUND)
        return ST_OK;
    buf_putf(j->why, "this server is of the domain %s already; remove %s/domain to leave it",
             look.domain, j->options->data_dir);
    return ST_EXISTS;
}

enum st cluster_join(const struct cluster_join_options *options, uint64_t *document_count_r,
                     struct buf *why)
{
    struct joining j = {.options = options,
                        .why = why,
                        .deadline_ms = sys_mono_ms() + options->timeout_ms,
                        .stream = {.fd = -1}};

    *document_count_r = 0;
    buf_init(&j.in, INPUT_BYTES_MAX);
    buf_init(&j.out, PEM_BYTES_MAX);
    enum st st = check(&j);
    if (st == ST_OK)
        st = get_certificate(&j);
    if (st == ST_OK && get_documents(&j, document_count_r) != ST_OK)
        st = ST_AGAIN;
    sys_secret_wipe(&j.token, sizeof(j.token));
    buf_fini(&j.in);
    buf_fini(&j.out);
    return st;
}
