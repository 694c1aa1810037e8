#include "base/mem.h"
#include "cluster/cluster_rcpts.h"
#include "cluster/cluster_shadow_run.h"
#include "cluster/cluster_shadow_step.h"
#include "conf/conf.h"
#include "log/log.h"
#include "store/store_blob.h"
#include "sys/sys_time.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000
#define ALIVE_MS SEC_MS /* something is said so often */
#define LIST_EVERY_MS MIN_MS
#define IN_BYTES_MAX (2 * MIB)
#define OUT_BYTES_MAX (4 * MIB)
#define FLUSH_BYTES (256 * KIB)
#define READ_BYTES (64 * KIB)
#define MIME_BYTES_MAX (4 * MIB)
#define STEADY_MIN_MS 1000

static bool stopped(const struct shadow_partner *partner, uint64_t wait_ms)
{
    struct pollfd fd = {.fd = partner->stop_fd, .events = POLLIN};

    return poll(&fd, 1, (int)wait_ms) > 0;
}

static enum st fail(struct shadow_partner *partner, enum st st, const char *why)
{
    if (partner->why[0] == '\0')
        snprintf(partner->why, sizeof(partner->why), "%s", why);
    return st;
}

/* How long a partner may think about a batch before another one is asked. */
static uint64_t patience_ms(void)
{
    uint64_t ms = 2 * conf_get()->cluster_down_ms;

    return ms > STEADY_MIN_MS ? ms : STEADY_MIN_MS;
}

/* --- writing --- */

static enum st flush(struct shadow_partner *partner)
{
    uint64_t deadline_ms = sys_mono_ms() + patience_ms();
    size_t done = 0;
    enum st st = ST_OK;

    while (st == ST_OK && done < partner->out.len) {
        size_t len = 0;
        unsigned ready;

        st = sys_stream_send(&partner->stream,
                             slice_sub(buf_slice(&partner->out), done, partner->out.len), &len);
        done += len;
        if (st == ST_AGAIN)
            st = sys_stream_wait(&partner->stream, SYS_STREAM_WRITE, deadline_ms, &ready);
    }
    buf_clear(&partner->out);
    partner->spoke_ms = sys_mono_ms();
    return st == ST_OK ? ST_OK : fail(partner, ST_IO, "it takes nothing more");
}

static enum st say(struct shadow_partner *partner, const struct cluster_frame *frame)
{
    enum st st = cluster_frame_write(frame, &partner->out);

    if (st != ST_OK)
        return fail(partner, st, "a copy over the limit");
    return partner->out.len >= FLUSH_BYTES ? flush(partner) : ST_OK;
}

static enum st say_part(struct shadow_partner *partner, enum cluster_part part, struct slice bytes)
{
    struct cluster_frame frame = {.type = CLUSTER_DATA, .data = {.part = part}};
    enum st st = ST_OK;

    while (st == ST_OK && bytes.len > 0) {
        frame.data.bytes = slice_sub(bytes, 0, CLUSTER_DATA_BYTES_MAX);
        bytes = slice_sub(bytes, frame.data.bytes.len, bytes.len);
        st = say(partner, &frame);
    }
    return st;
}

static enum st say_chunk(void *ctx, struct slice chunk)
{
    return say_part(ctx, CLUSTER_PART_CHUNK, chunk);
}

static enum st say_head(struct shadow_partner *partner, const struct cluster_copy *copy,
                        const struct blob_packed *packed)
{
    const struct store_envelope *envelope = &copy->envelope;
    const struct cluster_frame frame = {
        .type = CLUSTER_COPY,
        .copy = {.flags = envelope->flags,
                 .bytes = packed->bytes,
                 .priority = envelope->priority,
                 .accepted_ms = (uint64_t)envelope->accepted_ms,
                 .body_offset = envelope->body_offset,
                 .chunk_count = packed->chunk_count,
                 .guid = slice_str(envelope->guid),
                 .sender = envelope->sender,
                 .envid = envelope->envid,
                 .message_id = envelope->message_id,
                 .origin = envelope->origin,
                 .sha256 = {(const char *)packed->sha256, sizeof(packed->sha256)}}};
    AUTO(buf) struct buf rcpts = BUF(MIME_BYTES_MAX);
    enum st st = say(partner, &frame);

    for (size_t i = 0; i < copy->count; i++)
        cluster_rcpt_write(&copy->rcpts[i], &rcpts);
    if (rcpts.over)
        return fail(partner, ST_TOO_BIG, "too many recipients");
    return st == ST_OK ? say_part(partner, CLUSTER_PART_RCPTS, buf_slice(&rcpts)) : st;
}

static enum st say_copy(struct shadow_partner *partner, const struct cluster_copy *copy)
{
    struct store *store = partner->shadows->cluster->context.store;
    AUTO(buf) struct buf envelope = BUF(MIME_BYTES_MAX);
    AUTO(buf) struct buf structure = BUF(MIME_BYTES_MAX);
    int64_t blob_id = copy->envelope.envelope_id;
    struct blob_packed packed;
    enum st st = ST_OK;

    if (copy->body != NULL)
        blob_writer_look(copy->body, &packed);
    else
        st = blob_packed_look(store, blob_id, &packed, &envelope, &structure);
    if (st == ST_NOT_FOUND)
        return ST_OK; /* it was done meanwhile */
    if (st == ST_OK)
        st = say_head(partner, copy, &packed);
    if (st == ST_OK)
        st = say_part(partner, CLUSTER_PART_ENVELOPE,
                      copy->body != NULL ? copy->mime_envelope : buf_slice(&envelope));
    if (st == ST_OK)
        st = say_part(partner, CLUSTER_PART_STRUCTURE,
                      copy->body != NULL ? copy->mime_structure : buf_slice(&structure));
    if (st != ST_OK)
        return st;
    st = copy->body != NULL
             ? blob_writer_each_packed(copy->body, say_chunk, partner)
             : blob_packed_each(store, blob_id, packed.chunk_count, say_chunk, partner);
    return st == ST_OK ? ST_OK : fail(partner, st, "a body cannot be read");
}

/* --- a batch --- */

static struct shadow_batch *free_batch(struct shadow_partner *partner)
{
    for (size_t i = 0; i < SHADOW_BATCHES; i++)
        if (partner->batches[i].number == 0)
            return &partner->batches[i];
    return NULL;
}

static uint64_t bytes_of(const struct cluster_copy *copy)
{
    return copy->body != NULL ? blob_writer_bytes(copy->body) : copy->envelope.bytes;
}

/* Takes what waits, as much as fits. Lock held. */
static void fill(struct shadow_partner *partner, struct shadow_batch *batch)
{
    struct cluster_shadows *shadows = partner->shadows;
    uint64_t bytes = 0;

    batch->count = 0;
    while (shadows->chosen == partner && shadows->first != NULL &&
           batch->count < SHADOW_BATCH_COPIES && bytes < SHADOW_BATCH_BYTES) {
        struct cluster_copy *copy = shadows->first;
        struct shadow_slot *slot = &batch->slots[batch->count++];

        shadows->first = copy->next;
        if (shadows->first == NULL)
            shadows->tail = &shadows->first;
        copy->stage = CLUSTER_COPY_WRITTEN;
        bytes += bytes_of(copy);
        slot->copy = copy;
        memcpy(slot->guid, copy->envelope.guid, sizeof(slot->guid));
    }
}

static enum st write_batch(struct shadow_partner *partner, struct shadow_batch *batch,
                           struct slice finished)
{
    const struct cluster_frame done = {.type = CLUSTER_DONE, .done = {.lines = finished}};
    const struct cluster_frame save = {.type = CLUSTER_SAVE, .save = {.number = batch->number}};
    enum st st = finished.len > 0 ? say(partner, &done) : ST_OK;

    for (size_t i = 0; st == ST_OK && i < batch->count; i++)
        st = say_copy(partner, batch->slots[i].copy);
    if (st == ST_OK)
        st = say(partner, &save);
    if (st == ST_OK)
        st = flush(partner);
    pthread_mutex_lock(&partner->shadows->lock);
    for (size_t i = 0; i < batch->count; i++)
        batch->slots[i].copy->stage = CLUSTER_COPY_SENT;
    pthread_mutex_unlock(&partner->shadows->lock);
    batch->sent_ms = sys_mono_ms();
    return st;
}

/* One batch, where there is something to send. *sent_r: there was. */
static enum st send_batch(struct shadow_partner *partner, bool *sent_r)
{
    struct cluster_shadows *shadows = partner->shadows;
    struct shadow_batch *batch = free_batch(partner);
    AUTO(buf) struct buf finished = BUF(CLUSTER_DATA_BYTES_MAX);

    *sent_r = false;
    if (batch == NULL || partner->lists_anew)
        return ST_OK;
    pthread_mutex_lock(&shadows->lock);
    fill(partner, batch);
    buf_put(&finished, buf_slice(&partner->finished));
    buf_clear(&partner->finished);
    bool due = sys_mono_ms() - partner->spoke_ms >= ALIVE_MS;
    if (batch->count > 0 || finished.len > 0 || due)
        batch->number = ++partner->numbers;
    pthread_mutex_unlock(&shadows->lock);
    if (batch->number == 0)
        return ST_OK;
    *sent_r = true;
    return write_batch(partner, batch, buf_slice(&finished));
}

/* --- settling --- */

struct settling {
    struct shadow_partner *partner;
    struct slice lines;
    struct given {
        int64_t envelope_id;
        struct slice guid;
    } * given;
    size_t given_count;
    struct buf finished;
};

static bool is_active(struct cluster_shadows *shadows, struct slice guid)
{
    struct cluster_copy *copy;

    pthread_mutex_lock(&shadows->lock);
    HASH_FIND(hh, shadows->active, guid.ptr, guid.len, copy);
    pthread_mutex_unlock(&shadows->lock);
    return copy != NULL;
}

/* Held, and we know of it: so it stays. Taken: it is the other's from now on. */
static enum st settle_line(struct store_tx *tx, struct settling *s, struct slice guid, bool taken)
{
    int64_t envelope_id = 0;

    bool active = is_active(s->partner->shadows, guid); /* first: it may just be stored */
    enum st st = store_shadow_known(tx, slice_str(s->partner->name), guid, &envelope_id);
    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    enum cluster_settle verdict = cluster_shadow_settle(taken, st == ST_OK, active);
    if (verdict == CLUSTER_SETTLE_KEEP)
        return ST_OK;
    st = ST_OK;
    if (verdict == CLUSTER_SETTLE_GIVE_UP) {
        s->given[s->given_count++] = (struct given){envelope_id, guid};
        st = store_shadow_give_up(tx, envelope_id);
    }
    buf_putf(&s->finished, "%.*s 0\n", SLICE_ARG(guid));
    return st;
}

static enum st settle_body(struct store_tx *tx, void *arg)
{
    struct settling *s = arg;
    struct slice rest = s->lines;
    struct slice line;
    enum st st = ST_OK;

    s->given_count = 0;
    buf_clear(&s->finished);
    while (st == ST_OK && slice_split(&rest, '\n', &line)) {
        if (line.len > CLUSTER_GUID_BYTES + 1)
            st = settle_line(
                tx, s, slice_sub(line, 0, CLUSTER_GUID_BYTES),
                slice_eq(slice_sub(line, CLUSTER_GUID_BYTES + 1, line.len), SLICE("taken")));
    }
    return st;
}

static enum st settled_body(struct store_tx *tx, void *arg)
{
    return store_shadow_settled(tx, slice_str(((const struct shadow_partner *)arg)->name));
}

static void tell_given_up(const struct settling *s)
{
    const struct cluster_shadow_hooks *hooks = &s->partner->shadows->hooks;
    char guid[CLUSTER_GUID_BYTES + 1];

    for (size_t i = 0; i < s->given_count; i++) {
        snprintf(guid, sizeof(guid), "%.*s", SLICE_ARG(s->given[i].guid));
        if (hooks->given_up != NULL)
            hooks->given_up(hooks->ctx, s->given[i].envelope_id, guid, s->partner->name);
    }
}

/* All was listed: it gets copies from now on. */
static enum st end_listing(struct shadow_partner *partner)
{
    struct cluster_shadows *shadows = partner->shadows;

    partner->listing = false;
    if (!partner->lists_anew)
        return ST_OK;
    enum st st = store_write(shadows->cluster->context.store, settled_body, partner);
    if (st != ST_OK)
        return fail(partner, st, "the store failed");
    partner->lists_anew = false;
    partner->settled = true;
    pthread_mutex_lock(&shadows->lock);
    partner->ready = true;
    partner->doubtful = partner->settling = false;
    shadow_choose(shadows);
    pthread_mutex_unlock(&shadows->lock);
    log_event(EV_SHADOW_SETTLED, 0, LOG_C("server", partner->name));
    if (shadows->hooks.settled != NULL)
        shadows->hooks.settled(shadows->hooks.ctx, partner->name);
    return ST_OK;
}

static enum st take_held(struct shadow_partner *partner, const struct cluster_held *held)
{
    struct settling s = {.partner = partner, .lines = held->lines};

    if (!partner->listing)
        return fail(partner, ST_INVALID, "it lists what was not asked for");
    s.given = mem_alloc((held->lines.len / CLUSTER_GUID_BYTES + 1) * sizeof(s.given[0]));
    buf_init(&s.finished, CLUSTER_DATA_BYTES_MAX);
    enum st st = held->lines.len == 0
                     ? ST_OK
                     : store_write(partner->shadows->cluster->context.store, settle_body, &s);
    if (st == ST_OK)
        tell_given_up(&s);
    if (st == ST_OK && s.finished.len > 0) {
        const struct cluster_frame done = {.type = CLUSTER_DONE,
                                           .done = {.lines = buf_slice(&s.finished)}};
        st = say(partner, &done);
    }
    buf_fini(&s.finished);
    mem_free(s.given);
    if (st != ST_OK)
        return fail(partner, st, "the store failed");
    return held->more == 1 ? ST_OK : end_listing(partner);
}

static enum st ask_list(struct shadow_partner *partner)
{
    const struct cluster_frame ask = {.type = CLUSTER_COPIES,
                                      .copies = {.protocol = CLUSTER_PROTOCOL}};

    partner->listing = true;
    partner->listed_ms = sys_mono_ms();
    enum st st = say(partner, &ask);
    return st == ST_OK ? flush(partner) : st;
}

/* --- answers --- */

static bool is_refused(struct slice refused, const char *guid)
{
    return slice_find_slice(refused, slice_str(guid)) != SIZE_MAX;
}

static enum st take_saved(struct shadow_partner *partner, const struct cluster_saved *saved)
{
    struct cluster_shadows *shadows = partner->shadows;
    struct cluster_copy *over = NULL;
    struct shadow_batch *batch = NULL;

    pthread_mutex_lock(&shadows->lock);
    for (size_t i = 0; i < SHADOW_BATCHES; i++)
        if (partner->batches[i].number == saved->number)
            batch = &partner->batches[i];
    for (size_t i = 0; batch != NULL && saved->ok == 1 && i < batch->count; i++) {
        struct shadow_slot *slot = &batch->slots[i];

        if (slot->copy == NULL)
            buf_putf(&partner->finished, "%s 0\n", slot->guid);
        else if (is_refused(saved->refused, slot->guid))
            shadow_end(slot->copy, ST_AGAIN, "", &over);
        else
            shadow_end(slot->copy, ST_OK, partner->name, &over);
    }
    if (batch != NULL && saved->ok == 1)
        batch->number = 0;
    pthread_mutex_unlock(&shadows->lock);
    shadow_tell(over);
    if (batch == NULL)
        return fail(partner, ST_INVALID, "it saved what was not sent");
    return saved->ok == 1 ? ST_OK : fail(partner, ST_IO, "its store takes nothing");
}

static enum st take_frame(struct shadow_partner *partner, const struct cluster_frame *frame)
{
    if (frame->type == CLUSTER_HELD)
        return take_held(partner, &frame->held);
    if (frame->type == CLUSTER_SAVED)
        return take_saved(partner, &frame->saved);
    return fail(partner, ST_INVALID, "a frame that does not fit among copies");
}

static enum st take_frames(struct shadow_partner *partner)
{
    enum st st = ST_OK;

    while (st == ST_OK) {
        struct cluster_frame frame;
        size_t used;

        st = cluster_frame_read(buf_slice(&partner->in), CLUSTER_FRAME_BYTES_MAX, &frame, &used);
        if (st == ST_OK)
            st = take_frame(partner, &frame);
        else if (st != ST_AGAIN)
            (void)fail(partner, st, "what came is no frame");
        buf_drop(&partner->in, used);
    }
    return st == ST_AGAIN ? ST_OK : st;
}

static enum st receive(struct shadow_partner *partner)
{
    enum st st = ST_OK;

    while (st == ST_OK) {
        size_t len = 0;
        char *room = buf_room(&partner->in, READ_BYTES);

        if (room == NULL)
            return fail(partner, ST_TOO_BIG, "too much came at once");
        st = sys_stream_recv(&partner->stream, room, READ_BYTES, &len);
        if (st == ST_AGAIN)
            return ST_OK;
        if (st != ST_OK || len == 0)
            return fail(partner, ST_IO, "the connection broke");
        buf_grew(&partner->in, len);
        st = take_frames(partner);
    }
    return st;
}

/* --- the thread --- */

static bool waits_too_long(const struct shadow_partner *partner, uint64_t now_ms)
{
    for (size_t i = 0; i < SHADOW_BATCHES; i++)
        if (partner->batches[i].number != 0 && now_ms - partner->batches[i].sent_ms > patience_ms())
            return true;
    return partner->listing && now_ms - partner->listed_ms > 10 * patience_ms();
}

static void await(const struct shadow_partner *partner)
{
    struct pollfd fds[] = {{.fd = partner->stream.fd, .events = POLLIN},
                           {.fd = partner->wake_fd, .events = POLLIN},
                           {.fd = partner->stop_fd, .events = POLLIN}};
    uint64_t count;

    (void)poll(fds, COUNT(fds), (int)(ALIVE_MS / 4));
    if ((fds[1].revents & POLLIN) != 0 &&
        read(partner->wake_fd, &count, sizeof(count)) != sizeof(count))
        return;
}

static bool is_doubtful(const struct shadow_partner *partner)
{
    pthread_mutex_lock(&partner->shadows->lock);
    bool doubtful = partner->doubtful;
    pthread_mutex_unlock(&partner->shadows->lock);
    return doubtful;
}

static enum st turn(struct shadow_partner *partner)
{
    uint64_t now_ms = sys_mono_ms();
    bool sent = false;
    enum st st = receive(partner);

    if (st == ST_OK &&
        cluster_is_revoked(partner->shadows->cluster, partner->name, partner->issued_ms))
        return fail(partner, ST_DENIED, "its certificate was revoked");
    if (st == ST_OK && partner->ready && is_doubtful(partner))
        return fail(partner, ST_AGAIN, "this server was away");
    if (st == ST_OK && !partner->listing && now_ms - partner->listed_ms > LIST_EVERY_MS)
        st = ask_list(partner);
    if (st == ST_OK)
        st = send_batch(partner, &sent);
    if (st == ST_OK && waits_too_long(partner, sys_mono_ms()))
        return fail(partner, ST_AGAIN, "silence");
    if (st == ST_OK && !sent)
        await(partner);
    return st;
}

/* Nobody knows whether it saved them: they go to another one, or to it again. */
static void give_back(struct shadow_partner *partner)
{
    struct cluster_shadows *shadows = partner->shadows;

    pthread_mutex_lock(&shadows->lock);
    if (partner->ready)
        partner->lost_ms = sys_mono_ms();
    partner->ready = false;
    buf_clear(&partner->finished);
    for (size_t b = 0; b < SHADOW_BATCHES; b++) {
        struct shadow_batch *batch = &partner->batches[b];

        for (size_t i = 0; batch->number != 0 && i < batch->count; i++) {
            struct cluster_copy *copy = batch->slots[i].copy;

            if (copy == NULL)
                continue;
            copy->stage = CLUSTER_COPY_WAITS;
            copy->next = shadows->first;
            if (shadows->first == NULL)
                shadows->tail = &copy->next;
            shadows->first = copy;
        }
        batch->number = 0;
    }
    shadow_choose(shadows);
    if (shadows->chosen != NULL)
        shadow_wake(shadows->chosen);
    pthread_mutex_unlock(&shadows->lock);
}

/* While we were apart it may have taken over what it has. */
static enum st unsettle_body(struct store_tx *tx, void *arg)
{
    return store_shadow_unsettle_one(tx, slice_str(((const struct shadow_partner *)arg)->name));
}

static void set_settling(struct shadow_partner *partner, bool settling)
{
    pthread_mutex_lock(&partner->shadows->lock);
    partner->settling = settling;
    pthread_mutex_unlock(&partner->shadows->lock);
}

static enum st open_connection(struct shadow_partner *partner)
{
    struct cluster *cluster = partner->shadows->cluster;
    struct cluster_peer *peer = cluster_peer_get(cluster, slice_str(partner->name));
    char address[CLUSTER_ADDRESS_BYTES] = "";

    partner->why[0] = '\0';
    if (peer != NULL) {
        pthread_mutex_lock(&cluster->lock);
        snprintf(address, sizeof(address), "%s", peer->address);
        pthread_mutex_unlock(&cluster->lock);
    }
    if (address[0] == '\0')
        return fail(partner, ST_NOT_FOUND, "its document names no address");
    const struct cluster_dialing dialing = {
        .peer = peer, .address = address, .stop_fd = partner->stop_fd};
    enum st st = cluster_dial(&dialing, &partner->stream, &partner->issued_ms, partner->why);
    if (st != ST_OK)
        return st;
    partner->lists_anew = true;
    set_settling(partner, true);
    st = store_write(cluster->context.store, unsettle_body, partner);
    return st == ST_OK ? ask_list(partner) : fail(partner, st, "the store failed");
}

/* It went before we were settled anew: we were here all the time, and our messages go on. */
static void go_on(struct shadow_partner *partner)
{
    struct cluster_shadows *shadows = partner->shadows;

    if (!partner->lists_anew || !partner->settled || is_doubtful(partner))
        return;
    partner->lists_anew = false;
    set_settling(partner, false);
    if (store_write(shadows->cluster->context.store, settled_body, partner) == ST_OK &&
        shadows->hooks.settled != NULL)
        shadows->hooks.settled(shadows->hooks.ctx, partner->name);
}

/* Whether it was settled with. */
static bool connect_once(struct shadow_partner *partner)
{
    buf_init(&partner->in, IN_BYTES_MAX);
    buf_init(&partner->out, OUT_BYTES_MAX);
    enum st st = open_connection(partner);
    while (st == ST_OK && !stopped(partner, 0))
        st = turn(partner);
    bool settled = partner->ready;
    give_back(partner);
    go_on(partner);
    if (settled && !stopped(partner, 0))
        log_event(EV_SHADOW_LOST, 0, LOG_C("server", partner->name), LOG_C("why", partner->why));
    sys_stream_fini(&partner->stream);
    partner->stream.fd = -1;
    buf_fini(&partner->in);
    buf_fini(&partner->out);
    return settled;
}

void *shadow_partner_main(void *arg)
{
    struct shadow_partner *partner = arg;
    uint64_t backoff_ms = BACKOFF_MIN_MS;

    while (!stopped(partner, 0)) {
        if (connect_once(partner))
            backoff_ms = BACKOFF_MIN_MS;
        if (stopped(partner, backoff_ms))
            break;
        backoff_ms = 2 * backoff_ms < BACKOFF_MAX_MS ? 2 * backoff_ms : BACKOFF_MAX_MS;
    }
    return NULL;
}
