#include "cluster/cluster_fellow.h"
#include "cluster/cluster_session.h"

#include "base/mem.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/net.h"
#include "sys/sys_time.h"

#define LAST_WORD_MS SEC_MS /* for what is said at or after the deadline */

struct cluster_asked {
    struct cluster *cluster;
    struct conn *conn;
    struct cluster_fellow fellow;
    const char *doubt; /* why it may not ask; NULL */
    uint64_t number;
    uint64_t deadline_ms;
    struct slice question; /* in the session's input */
};

struct slice cluster_asked_question(const struct cluster_asked *asked)
{
    return asked->question;
}

const char *cluster_asked_server(const struct cluster_asked *asked)
{
    return asked->fellow.name;
}

uint64_t cluster_asked_deadline_ms(const struct cluster_asked *asked)
{
    return asked->deadline_ms;
}

void cluster_serve(struct cluster *cluster, cluster_asked_fn *fn, void *ctx)
{
    cluster->asked_fn = fn;
    cluster->asked_ctx = ctx;
}

struct cluster_asked *cluster_asked_new(struct cluster *cluster, struct conn *conn)
{
    struct cluster_asked *asked = mem_new(struct cluster_asked);

    asked->cluster = cluster;
    asked->conn = conn;
    asked->doubt = cluster_fellow_read(cluster, conn_tls_handle(conn), &asked->fellow);
    return asked;
}

void cluster_asked_free(struct cluster_asked **asked)
{
    mem_free(*asked);
    *asked = NULL;
}

void cluster_asked_stop(struct cluster *cluster)
{
    atomic_store(&cluster->asked_stopping, true);
    pthread_mutex_lock(&cluster->lock);
    for (const struct cluster_session *session = cluster->sessions; session != NULL;
         session = session->next)
        if (session->asked != NULL)
            net_cut(cluster->context.net, conn_id(session->conn));
    pthread_mutex_unlock(&cluster->lock);
}

/* --- answering --- */

static enum st say(struct cluster_asked *asked, const struct cluster_frame *frame, bool at_once)
{
    AUTO(buf) struct buf out = BUF(CLUSTER_FRAME_BYTES_MAX + KIB);
    enum st st = cluster_frame_write(frame, &out);

    if (st != ST_OK)
        return st;
    conn_write(asked->conn, buf_slice(&out));
    if (at_once)
        conn_flush(asked->conn);
    return conn_broken(asked->conn) ? ST_IO : ST_OK;
}

static enum st answer_with(struct cluster_asked *asked, struct slice answer, bool at_once)
{
    const struct cluster_frame frame = {.type = CLUSTER_ANSWER,
                                        .answer = {.number = asked->number, .body = answer}};

    if (atomic_load(&asked->cluster->asked_stopping) || conn_broken(asked->conn) ||
        sys_mono_ms() >= asked->deadline_ms ||
        cluster_fellow_doubt(asked->cluster, &asked->fellow) != NULL)
        return ST_IO;
    return say(asked, &frame, at_once);
}

enum st cluster_asked_answer(struct cluster_asked *asked, struct slice answer)
{
    return answer_with(asked, answer, true);
}

enum st cluster_asked_more(struct cluster_asked *asked, struct slice answer)
{
    return answer_with(asked, answer, false);
}

/* The last word. */
static enum st conclude(struct cluster_asked *asked, const char *why)
{
    const struct cluster_frame frame = {
        .type = CLUSTER_ANSWERED,
        .answered = {.number = asked->number, .ok = why == NULL, .why = slice_str(why)}};
    uint64_t now_ms = sys_mono_ms();

    conn_write_deadline(asked->conn, asked->deadline_ms > now_ms + LAST_WORD_MS
                                         ? asked->deadline_ms
                                         : now_ms + LAST_WORD_MS);
    enum st st = say(asked, &frame, true);
    conn_write_deadline(asked->conn, 0);
    return st;
}

/* Questions may not take all threads. */
static bool enter(struct cluster *cluster)
{
    const struct conf *conf = conf_get();
    uint64_t half = conf->threads_max / 2;
    uint64_t max =
        conf->cluster_questions_served_max < half ? conf->cluster_questions_served_max : half;

    if (atomic_fetch_add(&cluster->asked_count, 1) < max)
        return true;
    atomic_fetch_sub(&cluster->asked_count, 1);
    return false;
}

static const char *work(struct cluster_asked *asked)
{
    struct cluster *cluster = asked->cluster;

    if (cluster->asked_fn == NULL)
        return "it answers no questions";
    if (atomic_load(&cluster->asked_stopping))
        return "it is stopping";
    if (!enter(cluster)) {
        count_add(COUNT_QUESTIONS_BUSY, 1);
        return "it is busy with other questions";
    }
    count_add(COUNT_QUESTIONS_SERVED, 1);
    conn_write_deadline(asked->conn, asked->deadline_ms);
    net_block_begin();
    enum st st = cluster->asked_fn(cluster->asked_ctx, asked);
    net_block_end();
    atomic_fetch_sub(&cluster->asked_count, 1);
    return st == ST_OK ? NULL : "it failed with the question";
}

enum st cluster_asked_input(struct cluster_asked *asked, struct slice in, size_t *used_r,
                            const char **why_r)
{
    struct cluster_frame frame;

    *why_r =
        asked->doubt != NULL ? asked->doubt : cluster_fellow_doubt(asked->cluster, &asked->fellow);
    if (*why_r != NULL)
        return ST_DENIED;
    enum st st = cluster_frame_read(in, CLUSTER_FRAME_BYTES_MAX, &frame, used_r);
    if (st == ST_AGAIN && (frame.type == 0 || frame.type == CLUSTER_ASK))
        return ST_OK;
    *why_r = "what came is no question";
    if (st != ST_OK || frame.type != CLUSTER_ASK)
        return ST_INVALID;
    asked->number = frame.ask.number;
    asked->deadline_ms = sys_mono_ms() + frame.ask.timeout_ms;
    asked->question = frame.ask.body;
    *why_r = "it does not read";
    st = conclude(asked, work(asked));
    asked->question = SLICE("");
    return st;
}
