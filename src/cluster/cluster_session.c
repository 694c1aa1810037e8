#include "cluster/cluster_session.h"

#include "auth/auth_throttle.h"
#include "cluster/cluster_token.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/net.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <string.h>

#define STRANGER_TIMEOUT_MS (10 * SEC_MS)
#define MEMBER_TIMEOUT_MS (60 * SEC_MS)
#define ASKED_TIMEOUT_MS (10 * MIN_MS) /* a new one takes longer than a question */
#define HOLD_TIMEOUT_MS (10 * SEC_MS)  /* it says something each second */
#define BINDING_BYTES_MAX 1024
#define PEM_BYTES_MAX (64 * KIB)

static void refused(const struct cluster_session *session, const char *why)
{
    count_add(COUNT_CLUSTER_REFUSALS, 1);
    log_event(EV_CLUSTER_REFUSED, conn_sid(session->conn), LOG_C("peer", conn_peer(session->conn)),
              LOG_C("server", session->linked ? session->link.name : ""), LOG_C("why", why));
}

static void list_add(struct cluster_session *session)
{
    struct cluster *cluster = session->link.cluster;

    pthread_mutex_lock(&cluster->lock);
    session->next = cluster->sessions;
    if (session->next != NULL)
        session->next->prev = session;
    cluster->sessions = session;
    pthread_mutex_unlock(&cluster->lock);
}

static void list_remove(struct cluster_session *session)
{
    struct cluster *cluster = session->link.cluster;

    pthread_mutex_lock(&cluster->lock);
    if (session->prev != NULL)
        session->prev->next = session->next;
    else
        cluster->sessions = session->next;
    if (session->next != NULL)
        session->next->prev = session->prev;
    pthread_mutex_unlock(&cluster->lock);
}

void cluster_session_wake_all(struct cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    for (const struct cluster_session *session = cluster->sessions; session != NULL;
         session = session->next)
        net_wake(cluster->context.net, conn_id(session->conn));
    pthread_mutex_unlock(&cluster->lock);
}

/* --- who it is --- */

static enum net_next open_member(struct cluster_session *session)
{
    struct cluster_link *link = &session->link;

    if (strcmp(link->name, link->cluster->context.server_name) == 0) {
        refused(session, "it shows a certificate of this server's name");
        return NET_CLOSE;
    }
    if (!cluster_link_allowed(link)) {
        refused(session, link->why);
        return NET_CLOSE;
    }
    link->peer = cluster_peer_get(link->cluster, slice_str(link->name));
    if (link->peer == NULL) {
        refused(session, "too many servers");
        return NET_CLOSE;
    }
    conn_timeout(session->conn, MEMBER_TIMEOUT_MS);
    list_add(session);
    return NET_READ;
}

static enum net_next open_session(void *at, struct conn *conn)
{
    struct cluster_session *session = at;

    session->conn = conn;
    session->stranger = true;
    cluster_link_init(&session->link, conn_context(conn), false);
    session->linked = true;
    if (conn_tls_handle(conn) == NULL)
        return NET_CLOSE;
    conn_timeout(conn, STRANGER_TIMEOUT_MS);
    if (cluster_tls_name(conn_tls_handle(conn), session->link.name, &session->link.issued_ms) !=
        ST_OK)
        return NET_READ;
    session->stranger = false;
    enum net_next next = open_member(session);
    if (next == NET_CLOSE)
        session->stranger = true; /* it is in no list */
    return next;
}

/* --- a stranger joins --- */

static enum st admit(struct cluster_session *session, const struct cluster_join *join,
                     struct buf *cert, struct buf *why)
{
    struct cluster *cluster = session->link.cluster;
    AUTO(buf) struct buf binding = BUF(BINDING_BYTES_MAX);
    char name[CLUSTER_NAME_BYTES_MAX + 1] = "";
    struct cluster_claim claim = {
        .invite = join->invite, .name = join->name, .request = join->request};

    memcpy(name, join->name.ptr, join->name.len);
    if (join->protocol != CLUSTER_PROTOCOL) {
        buf_put(why, SLICE("it speaks another version of the protocol"));
        return ST_INVALID;
    }
    if (sys_tls_channel_binding(conn_tls_handle(session->conn), SYS_TLS_EXPORTER, &binding) !=
        ST_OK)
        return ST_IO;
    claim.binding = buf_slice(&binding);
    net_block_begin();
    enum st st = cluster_domain_admit(cluster->context.data_dir, &claim, join->proof,
                                      cluster_issue_ms(cluster, name),
                                      conf_get()->cluster_certificate_ms, cert, why);
    net_block_end();
    return st;
}

static void answer(struct cluster_session *session, const struct cluster_frame *frame)
{
    if (cluster_frame_write(frame, &session->link.out) == ST_OK)
        conn_write(session->conn, buf_slice(&session->link.out));
    buf_clear(&session->link.out);
}

/* Only the log learns what was wrong. */
static enum net_next turn_away(struct cluster_session *session, struct slice said, const char *why)
{
    const struct cluster_frame frame = {.type = CLUSTER_REFUSED, .refused = {.why = said}};

    refused(session, why);
    answer(session, &frame);
    return NET_CLOSE;
}

static enum net_next take_join(struct cluster_session *session, const struct cluster_join *join)
{
    struct auth_throttle *throttle = session->link.cluster->throttle;
    struct slice address = slice_str(conn_peer(session->conn));
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf why = BUF(CLUSTER_WHY_BYTES);
    struct cluster_frame member = {.type = CLUSTER_MEMBER};

    if (!auth_throttle_ok(throttle, address, SLICE(""), sys_mono_ms()))
        return turn_away(session, SLICE("too many tries; come back in a minute"),
                         "too many tries to join from this address");
    if (admit(session, join, &cert, &why) != ST_OK) {
        auth_throttle_fail(throttle, address, SLICE(""), sys_mono_ms());
        return turn_away(session,
                         SLICE("the token does not open this domain: it was used, has expired, or "
                               "is for another server_name"),
                         why.ptr != NULL ? why.ptr : "no channel binding");
    }
    log_event(EV_DOMAIN_JOINED, conn_sid(session->conn), LOG_S("server", join->name),
              LOG_C("peer", conn_peer(session->conn)), LOG_S("invite", join->invite));
    member.member.certificate = buf_slice(&cert);
    answer(session, &member);
    return NET_CLOSE;
}

static enum net_next input_stranger(struct cluster_session *session, struct slice in,
                                    size_t *used_r)
{
    struct cluster_frame frame;
    enum st st = cluster_frame_read(in, CLUSTER_STRANGER_BYTES_MAX, &frame, used_r);

    if (st == ST_AGAIN && (frame.type == 0 || frame.type == CLUSTER_JOIN))
        return NET_READ;
    if (st != ST_OK && st != ST_AGAIN) {
        refused(session, st == ST_TOO_BIG ? "a stranger's frame over the limit"
                                          : "what a stranger sent is no frame");
        return NET_CLOSE;
    }
    if (frame.type != CLUSTER_JOIN)
        return turn_away(session, SLICE("show a certificate of the domain"),
                         "without a certificate one can only join");
    return take_join(session, &frame.join);
}

/* --- a member --- */

/* Sends what the link has to say, and documents it has not been told. */
static enum net_next answer_all(struct cluster_session *session)
{
    bool more = false;

    net_block_begin();
    enum st st = cluster_link_push(&session->link, &more);
    net_block_end();
    if (session->link.out.len > 0)
        conn_write(session->conn, buf_slice(&session->link.out));
    buf_clear(&session->link.out);
    if (st != ST_OK) {
        refused(session, session->link.why);
        return NET_CLOSE;
    }
    if (more)
        net_wake(conn_net(session->conn), conn_id(session->conn));
    return NET_READ;
}

/* The first frame of a connection tells what it is for. */
static void begin(struct cluster_session *session, struct slice in)
{
    struct cluster_frame frame;
    size_t used;

    if (session->link.greeted || session->hold != NULL || session->asked != NULL ||
        cluster_frame_read(in, CLUSTER_FRAME_BYTES_MAX, &frame, &used) != ST_OK)
        return;
    if (frame.type == CLUSTER_COPIES) {
        session->hold = cluster_hold_new(session->link.cluster, session->link.peer);
        conn_timeout(session->conn, HOLD_TIMEOUT_MS);
    } else if (frame.type == CLUSTER_ASK) {
        struct cluster_asked *asked = cluster_asked_new(session->link.cluster, session->conn);

        pthread_mutex_lock(&session->link.cluster->lock); /* cluster_asked_stop() looks */
        session->asked = asked;
        pthread_mutex_unlock(&session->link.cluster->lock);
        conn_timeout(session->conn, ASKED_TIMEOUT_MS);
    }
}

static enum net_next input_hold(struct cluster_session *session, struct slice in, size_t *used_r)
{
    struct buf *out = &session->link.out;
    const char *why = session->link.why;
    enum st st = ST_DENIED;

    if (cluster_link_allowed(&session->link))
        st = cluster_hold_input(session->hold, in, used_r, out, &why);
    if (out->len > 0)
        conn_write(session->conn, buf_slice(out));
    buf_clear(out);
    if (st == ST_OK)
        return NET_READ;
    refused(session, why);
    return NET_CLOSE;
}

static enum net_next input_asked(struct cluster_session *session, struct slice in, size_t *used_r)
{
    const char *why = "";

    if (cluster_asked_input(session->asked, in, used_r, &why) == ST_OK)
        return NET_READ;
    return conn_broken(session->conn) ? NET_CLOSE : turn_away(session, slice_str(why), why);
}

static enum net_next input_session(void *at, struct slice in, size_t *used_r)
{
    struct cluster_session *session = at;

    *used_r = 0;
    if (session->stranger)
        return input_stranger(session, in, used_r);
    begin(session, in);
    if (session->hold != NULL)
        return input_hold(session, in, used_r);
    if (session->asked != NULL)
        return input_asked(session, in, used_r);
    net_block_begin();
    enum st st = cluster_link_input(&session->link, in, used_r);
    net_block_end();
    if (st == ST_OK)
        return answer_all(session);
    refused(session, session->link.why);
    return NET_CLOSE;
}

static enum net_next wake_session(void *at)
{
    struct cluster_session *session = at;

    if (session->stranger)
        return NET_READ;
    if (cluster_link_allowed(&session->link))
        return session->hold != NULL || session->asked != NULL ? NET_READ : answer_all(session);
    refused(session, session->link.why);
    return NET_CLOSE;
}

static void farewell(void *at)
{
    (void)at;
}

static void close_session(void *at)
{
    struct cluster_session *session = at;

    cluster_hold_free(&session->hold);
    if (!session->stranger)
        list_remove(session);
    cluster_asked_free(&session->asked);
    if (session->linked)
        cluster_link_fini(&session->link);
}

const struct net_proto proto_cluster = {
    .name = "cluster",
    .session_bytes = sizeof(struct cluster_session),
    .open = open_session,
    .input = input_session,
    .wake = wake_session,
    .farewell = farewell,
    .close = close_session,
};
