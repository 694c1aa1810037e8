#include "cluster/cluster_ask.h"

#include "base/mem.h"
#include "cluster/cluster_fellow.h"
#include "cluster/cluster_run.h"
#include "conf/conf.h"
#include "log/log.h"
#include "sys/sys_stream.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define IDLE_MS (30 * SEC_MS)
#define LAST_IDLE_MS (5 * MIN_MS) /* of the one used last; the other keeps it for longer */
#define IDLE_MAX 8                /* kept for each server */
#define TICK_MS SEC_MS
#define TELL_EVERY_MS MIN_MS
#define IN_BYTES_MAX (2 * MIB)
#define READ_BYTES (64 * KIB)

/* A connection to another server's cluster port, for one question at a time. What was known when it
 * was made tells whether it is still of use. */
struct line {
    struct line *next;
    struct sys_stream stream;
    struct cluster_fellow fellow;
    char address[CLUSTER_ADDRESS_BYTES];
    uint64_t epoch;    /* the server's */
    int64_t issued_ms; /* our own certificate */
    uint64_t idle_ms;  /* since when nobody uses it */
    uint64_t numbers;
};

struct server {
    struct server *next;
    struct cluster_peer *peer;
    unsigned out;      /* questions */
    struct line *idle; /* the last used first */
    unsigned idle_count;
    bool failing;     /* told, and not yet that it works again */
    uint64_t told_ms; /* when that was told */
};

struct cluster_asks {
    struct cluster *cluster;
    pthread_mutex_t lock;
    pthread_cond_t ended; /* no question is out */
    int stop_fd;          /* readable: no waiting any more */
    bool stopping;
    unsigned out;
    uint64_t ticked_ms;
    struct server *servers;
};

struct question {
    struct cluster_asks *asks;
    struct server *server;
    struct line *line;
    struct slice body;
    uint64_t deadline_ms;
    cluster_answer_fn *fn;
    void *ctx;
    struct buf in;
    bool heard; /* something came back */
    bool last;  /* no more comes for it */
    bool over;  /* fn wants no more */
    bool away;  /* there is no connection to it, or the one that it was asked by broke */
    char why[CLUSTER_WHY_BYTES];
};

static enum st fail(struct question *q, enum st st, const char *why)
{
    snprintf(q->why, sizeof(q->why), "%s", why);
    return st;
}

/* --- connections --- */

static void line_free(struct line **line)
{
    if (*line == NULL)
        return;
    sys_stream_fini(&(*line)->stream);
    mem_free(*line);
    *line = NULL;
}

static void lines_free(struct line *first)
{
    while (first != NULL) {
        struct line *next = first->next;

        line_free(&first);
        first = next;
    }
}

/* What there is to know for a line that is made now. */
static void look(const struct cluster_peer *peer, struct line *line)
{
    struct cluster *cluster = peer->cluster;

    pthread_mutex_lock(&cluster->lock);
    snprintf(line->address, sizeof(line->address), "%s", peer->address);
    line->epoch = peer->epoch;
    line->issued_ms = cluster->issued_ms;
    pthread_mutex_unlock(&cluster->lock);
}

/* Nothing changed since it was made, and the other neither closed it nor said anything. */
static bool is_of_use(const struct question *q, struct line *line)
{
    struct line now = {0};
    char byte;
    size_t len;

    look(q->server->peer, &now);
    return strcmp(now.address, line->address) == 0 && now.epoch == line->epoch &&
           now.issued_ms == line->issued_ms && sys_mono_ms() - line->idle_ms < LAST_IDLE_MS &&
           cluster_fellow_doubt(q->asks->cluster, &line->fellow) == NULL &&
           sys_stream_recv(&line->stream, &byte, 1, &len) == ST_AGAIN;
}

static struct line *pop(struct question *q)
{
    struct server *server = q->server;

    pthread_mutex_lock(&q->asks->lock);
    struct line *line = server->idle;
    if (line != NULL) {
        server->idle = line->next;
        server->idle_count--;
    }
    pthread_mutex_unlock(&q->asks->lock);
    return line;
}

static struct line *take_idle(struct question *q)
{
    struct line *line = pop(q);

    while (line != NULL && !is_of_use(q, line)) {
        line_free(&line);
        line = pop(q);
    }
    return line;
}

static void give_back(struct question *q)
{
    struct server *server = q->server;

    q->line->idle_ms = sys_mono_ms();
    pthread_mutex_lock(&q->asks->lock);
    if (!q->asks->stopping && server->idle_count < IDLE_MAX) {
        q->line->next = server->idle;
        server->idle = q->line;
        server->idle_count++;
        q->line = NULL;
    }
    pthread_mutex_unlock(&q->asks->lock);
    line_free(&q->line);
}

/* Within the question's time. A connection that took longer than a server may be silent, or was
 * refused, says something of the server's health. */
static enum st connect_line(struct question *q)
{
    struct cluster *cluster = q->asks->cluster;
    struct line *line = mem_new(struct line);
    uint64_t from_ms = sys_mono_ms();
    int64_t issued_ms;

    line->stream.fd = -1;
    q->line = line;
    look(q->server->peer, line);
    if (line->address[0] == '\0')
        return fail(q, ST_NOT_FOUND, "its document names no address");
    const struct cluster_dialing dialing = {.peer = q->server->peer,
                                            .address = line->address,
                                            .stop_fd = q->asks->stop_fd,
                                            .deadline_ms = q->deadline_ms};
    enum st st = cluster_dial(&dialing, &line->stream, &issued_ms, q->why);
    q->away = st == ST_IO || (st == ST_AGAIN && sys_mono_ms() - from_ms >= cluster_patience_ms());
    if (st != ST_OK)
        return st == ST_AGAIN ? ST_IO : st;
    const char *doubt = cluster_fellow_read(cluster, line->stream.tls, &line->fellow);
    return doubt == NULL ? ST_OK : fail(q, ST_DENIED, doubt);
}

/* --- one question on one connection --- */

/* It died, or is about to: its other connections are worth no more, and it is not to be the first
 * that is asked next. A new one may be had nevertheless. */
static enum st broke(struct question *q)
{
    q->away = true;
    cluster_asks_drop(q->asks, q->server->peer);
    return fail(q, ST_IO, "the connection broke");
}

static enum st await(struct question *q, unsigned wanted)
{
    unsigned ready;
    enum st st = sys_stream_wait(&q->line->stream, wanted, q->deadline_ms, &ready);

    if (st == ST_AGAIN)
        return fail(q, ST_IO, wanted == SYS_STREAM_READ ? "no answer in time" : "it reads nothing");
    return st == ST_OK ? ST_OK : fail(q, ST_IO, "this server is stopping");
}

static enum st send_question(struct question *q)
{
    AUTO(buf) struct buf out = BUF(CLUSTER_FRAME_BYTES_MAX + KIB);
    struct cluster_frame frame = {.type = CLUSTER_ASK,
                                  .ask = {.number = ++q->line->numbers, .body = q->body}};
    uint64_t now_ms = sys_mono_ms();
    size_t done = 0;

    if (now_ms >= q->deadline_ms)
        return fail(q, ST_IO, "no answer in time");
    frame.ask.timeout_ms = q->deadline_ms - now_ms;
    enum st st = cluster_frame_write(&frame, &out);
    while (st == ST_OK && done < out.len) {
        size_t len = 0;

        st = sys_stream_send(&q->line->stream, slice_sub(buf_slice(&out), done, out.len), &len);
        done += len;
        if (st == ST_AGAIN)
            st = await(q, SYS_STREAM_WRITE);
        else if (st != ST_OK)
            st = broke(q);
    }
    return st;
}

static enum st take_frame(struct question *q, const struct cluster_frame *frame)
{
    uint64_t number = q->line->numbers;

    if (frame->type == CLUSTER_REFUSED) {
        snprintf(q->why, sizeof(q->why), "it refuses: %.*s", SLICE_ARG(frame->refused.why));
        return ST_DENIED;
    }
    if (frame->type == CLUSTER_ANSWER && frame->answer.number == number) {
        enum st st = q->fn(q->ctx, frame->answer.body);

        q->over = st != ST_OK;
        return st == ST_OK ? ST_OK : fail(q, st, "no more answers were wanted");
    }
    if (frame->type != CLUSTER_ANSWERED || frame->answered.number != number)
        return fail(q, ST_INVALID, "what came is no answer");
    q->last = true;
    if (frame->answered.ok == 1)
        return ST_OK;
    snprintf(q->why, sizeof(q->why), "%.*s", SLICE_ARG(frame->answered.why));
    return ST_AGAIN;
}

static enum st take_frames(struct question *q)
{
    enum st st = ST_OK;
    size_t used_all = 0;

    while (st == ST_OK && !q->last) {
        struct slice rest = slice_sub(buf_slice(&q->in), used_all, q->in.len);
        struct cluster_frame frame;
        size_t used;

        st = cluster_frame_read(rest, CLUSTER_FRAME_BYTES_MAX, &frame, &used);
        if (st == ST_AGAIN)
            break;
        used_all += used;
        if (st != ST_OK)
            return fail(q, ST_INVALID, "what came is no frame");
        if (cluster_fellow_doubt(q->asks->cluster, &q->line->fellow) != NULL)
            return fail(q, ST_DENIED, "its certificate was revoked");
        st = take_frame(q, &frame);
        if (st != ST_OK)
            break;
    }
    buf_drop(&q->in, used_all);
    return st == ST_AGAIN && !q->last && !q->over ? ST_OK : st;
}

static enum st converse(struct question *q)
{
    enum st st = send_question(q);

    while (st == ST_OK && !q->last) {
        char *room = buf_room(&q->in, READ_BYTES);
        size_t len = 0;

        if (room == NULL)
            return fail(q, ST_INVALID, "too much came at once");
        st = sys_stream_recv(&q->line->stream, room, READ_BYTES, &len);
        if (st == ST_AGAIN) {
            st = await(q, SYS_STREAM_READ);
            continue;
        }
        if (st != ST_OK || len == 0)
            return broke(q);
        q->heard = true;
        buf_grew(&q->in, len);
        st = take_frames(q);
    }
    return st;
}

/* One that was idle may have died without our knowing: then there is a second try. */
static enum st ask(struct question *q)
{
    enum st st = ST_OK;

    q->line = take_idle(q);
    bool kept = q->line != NULL;
    if (!kept)
        st = connect_line(q);
    if (st == ST_OK)
        st = converse(q);
    if (!kept || st != ST_IO || q->heard || sys_mono_ms() >= q->deadline_ms)
        return st;
    line_free(&q->line);
    st = connect_line(q);
    return st == ST_OK ? converse(q) : st;
}

/* --- what is told of it --- */

/* At most two lines a minute for each server. */
static void tell(const struct question *q, enum st st)
{
    struct server *server = q->server;
    bool fails = st == ST_IO || st == ST_INVALID || st == ST_DENIED;
    uint64_t now_ms = sys_mono_ms();

    pthread_mutex_lock(&q->asks->lock);
    bool begins = fails && !server->failing && !q->asks->stopping &&
                  (server->told_ms == 0 || now_ms - server->told_ms >= TELL_EVERY_MS);
    bool ends = server->failing && st == ST_OK;
    if (begins)
        server->told_ms = now_ms;
    server->failing = (server->failing || begins) && !ends;
    pthread_mutex_unlock(&q->asks->lock);
    if (begins)
        log_event(EV_QUESTIONS_FAIL, 0, LOG_C("server", server->peer->name), LOG_C("why", q->why));
    if (ends)
        log_event(EV_QUESTIONS_WORK, 0, LOG_C("server", server->peer->name));
}

static bool is_stopping(struct cluster_asks *asks)
{
    pthread_mutex_lock(&asks->lock);
    bool stopping = asks->stopping;
    pthread_mutex_unlock(&asks->lock);
    return stopping;
}

static void conclude(struct question *q, enum st st)
{
    struct cluster_asks *asks = q->asks;

    if (q->last && q->in.len == 0)
        give_back(q);
    line_free(&q->line);
    if (st != ST_OK && !q->over)
        count_add(COUNT_QUESTIONS_FAILED, 1);
    if (q->away && !is_stopping(asks))
        health_report_failed(asks->cluster->context.health, slice_str(q->server->peer->name),
                             sys_mono_ms());
    if (!q->over)
        tell(q, st);
}

/* --- asking --- */

/* The asks' lock is held. */
static struct server *server_of(struct cluster_asks *asks, struct cluster_peer *peer)
{
    struct server *server = asks->servers;

    while (server != NULL && server->peer != peer)
        server = server->next;
    if (server == NULL) {
        server = mem_new(struct server);
        server->peer = peer;
        server->next = asks->servers;
        asks->servers = server;
    }
    return server;
}

static struct cluster_peer *peer_of(struct cluster *cluster, struct slice name)
{
    struct cluster_peer *peer = cluster_peer_next(cluster, NULL);

    while (peer != NULL && !slice_eq(slice_str(peer->name), name))
        peer = cluster_peer_next(cluster, peer);
    return peer;
}

static enum st enter(struct question *q, struct slice name)
{
    struct cluster_asks *asks = q->asks;
    struct cluster_peer *peer = peer_of(asks->cluster, name);
    enum st st = ST_OK;

    if (peer == NULL)
        return fail(q, ST_NOT_FOUND, "no such server is known");
    if (q->body.len > CLUSTER_BODY_BYTES_MAX)
        return fail(q, ST_TOO_BIG, "the question is too long");
    pthread_mutex_lock(&asks->lock);
    q->server = server_of(asks, peer);
    if (asks->stopping) {
        st = fail(q, ST_IO, "this server is stopping");
    } else if (q->server->out >= conf_get()->cluster_questions_max) {
        st = fail(q, ST_TOO_BIG, "as many questions as are allowed are under way to it");
    } else {
        q->server->out++;
        asks->out++;
    }
    pthread_mutex_unlock(&asks->lock);
    return st;
}

static void leave(struct question *q)
{
    pthread_mutex_lock(&q->asks->lock);
    q->server->out--;
    q->asks->out--;
    if (q->asks->out == 0)
        pthread_cond_broadcast(&q->asks->ended);
    pthread_mutex_unlock(&q->asks->lock);
}

enum st cluster_ask(struct cluster *cluster, struct slice server, struct slice question,
                    uint64_t deadline_ms, cluster_answer_fn *fn, void *ctx, struct buf *why)
{
    uint64_t latest_ms = sys_mono_ms() + CLUSTER_ASK_MS_MAX;
    struct question q = {.asks = cluster->asks,
                         .body = question,
                         .deadline_ms = deadline_ms < latest_ms ? deadline_ms : latest_ms,
                         .fn = fn,
                         .ctx = ctx};
    enum st st = enter(&q, server);

    if (st == ST_OK) {
        count_add(COUNT_QUESTIONS_ASKED, 1);
        buf_init(&q.in, IN_BYTES_MAX);
        st = ask(&q);
        conclude(&q, st);
        buf_fini(&q.in);
        leave(&q);
    }
    if (st != ST_OK)
        buf_put(why, slice_str(q.why));
    return st;
}

/* --- life --- */

void cluster_asks_drop(struct cluster_asks *asks, const struct cluster_peer *peer)
{
    struct line *lines = NULL;

    pthread_mutex_lock(&asks->lock);
    for (struct server *server = asks->servers; server != NULL; server = server->next)
        if (server->peer == peer) {
            lines = server->idle;
            server->idle = NULL;
            server->idle_count = 0;
        }
    pthread_mutex_unlock(&asks->lock);
    lines_free(lines);
}

struct cluster_asks *cluster_asks_new(struct cluster *cluster)
{
    struct cluster_asks *asks = mem_new(struct cluster_asks);

    asks->cluster = cluster;
    pthread_mutex_init(&asks->lock, NULL);
    sys_cond_init(&asks->ended);
    asks->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return asks;
}

void cluster_asks_tick(struct cluster_asks *asks, uint64_t now_ms)
{
    struct line *old = NULL;

    if (now_ms - asks->ticked_ms < TICK_MS)
        return;
    asks->ticked_ms = now_ms;
    pthread_mutex_lock(&asks->lock);
    for (struct server *server = asks->servers; server != NULL; server = server->next) {
        struct line **at = &server->idle;

        while (*at != NULL &&
               (*at)->idle_ms + (at == &server->idle ? LAST_IDLE_MS : IDLE_MS) > now_ms)
            at = &(*at)->next;
        while (*at != NULL) { /* those behind it are older still */
            struct line *line = *at;

            *at = line->next;
            server->idle_count--;
            line->next = old;
            old = line;
        }
    }
    pthread_mutex_unlock(&asks->lock);
    lines_free(old);
}

/* Under the lock; whether it is noticed. */
static bool hurry(struct cluster_asks *asks)
{
    const uint64_t one = 1;

    asks->stopping = true;
    return write(asks->stop_fd, &one, sizeof(one)) == sizeof(one);
}

void cluster_hurry(struct cluster *cluster)
{
    if (cluster == NULL)
        return;
    pthread_mutex_lock(&cluster->asks->lock);
    (void)hurry(cluster->asks);
    pthread_mutex_unlock(&cluster->asks->lock);
}

void cluster_asks_stop(struct cluster_asks *asks)
{
    pthread_mutex_lock(&asks->lock);
    if (hurry(asks))
        while (asks->out > 0)
            pthread_cond_wait(&asks->ended, &asks->lock);
    for (struct server *server = asks->servers; server != NULL; server = server->next) {
        lines_free(server->idle);
        server->idle = NULL;
        server->idle_count = 0;
    }
    pthread_mutex_unlock(&asks->lock);
}

void cluster_asks_free(struct cluster_asks **asks)
{
    struct cluster_asks *gone = *asks;

    *asks = NULL;
    while (gone->servers != NULL) {
        struct server *server = gone->servers;

        gone->servers = server->next;
        lines_free(server->idle);
        mem_free(server);
    }
    close(gone->stop_fd);
    pthread_mutex_destroy(&gone->lock);
    pthread_cond_destroy(&gone->ended);
    mem_free(gone);
}
