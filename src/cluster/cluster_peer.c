#include "cluster/cluster_run.h"

#include "cluster/cluster_fellow.h"
#include "conf/conf.h"
#include "log/log.h"
#include "sys/sys_sock.h"
#include "sys/sys_stream.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 1000
#define BACKOFF_FLAPS_MAX_MS 5000
#define STEADY_MS 3000 /* a connection that stands so long is one */
#define CONNECT_MIN_MS 500
#define VIEW_EVERY_MS 1000
#define INPUT_BYTES_MAX (2 * MIB)
#define READ_BYTES (64 * KIB)

/* One connection to the peer while it stands. */
struct talk {
    struct cluster_peer *peer;
    struct cluster_link link;
    struct sys_stream stream;
    struct buf in;
    uint64_t ping_ms; /* when the next is due */
    uint64_t view_ms;
};

static bool stopped(const struct cluster_peer *peer, uint64_t wait_ms)
{
    struct pollfd fd = {.fd = peer->stop_fd, .events = POLLIN};

    return poll(&fd, 1, (int)wait_ms) > 0;
}

uint64_t cluster_patience_ms(void)
{
    uint64_t ms = conf_get()->cluster_down_ms;

    return ms > CONNECT_MIN_MS ? ms : CONNECT_MIN_MS;
}

/* detail may be "". The first reason counts. */
static enum st fail(struct talk *talk, enum st st, const char *what, const char *detail)
{
    if (talk->link.why[0] == '\0')
        snprintf(talk->link.why, sizeof(talk->link.why), "%.100s%s%.180s", what,
                 detail[0] != '\0' ? ": " : "", detail);
    return st;
}

/* --- connecting --- */

static enum st say_why(char *why, enum st st, const char *what, const char *detail)
{
    snprintf(why, CLUSTER_WHY_BYTES, "%.100s%s%.180s", what, detail[0] != '\0' ? ": " : "", detail);
    return st;
}

/* Of one step. */
static uint64_t step_deadline_ms(const struct cluster_dialing *dialing)
{
    return dialing->deadline_ms > 0 ? dialing->deadline_ms : sys_mono_ms() + cluster_patience_ms();
}

/* The address of the host. The resolver waits as long as it likes: whoever has a deadline takes
 * what the peer's own thread found. */
static bool resolve(const struct cluster_dialing *dialing, const char *host,
                    char resolved[SYS_ADDR_BYTES])
{
    struct cluster_peer *peer = dialing->peer;
    struct cluster *cluster = peer->cluster;
    bool asks = dialing->deadline_ms == 0;

    if (asks && sys_resolve(host, resolved) != ST_OK)
        return false;
    pthread_mutex_lock(&cluster->lock);
    bool current = strcmp(peer->address, dialing->address) == 0;
    if (asks && current)
        snprintf(peer->resolved, sizeof(peer->resolved), "%s", resolved);
    else if (!asks)
        snprintf(resolved, SYS_ADDR_BYTES, "%.*s", SYS_ADDR_BYTES - 1,
                 current && peer->resolved[0] != '\0' ? peer->resolved : host);
    pthread_mutex_unlock(&cluster->lock);
    return true;
}

static enum st dial(const struct cluster_dialing *dialing, struct sys_stream *stream, char *why)
{
    char name[CLUSTER_ADDRESS_BYTES];
    char resolved[SYS_ADDR_BYTES];
    struct slice host;
    uint16_t port;
    int fd;

    if (sys_host_port(slice_str(dialing->address), &host, &port) != ST_OK)
        return say_why(why, ST_INVALID, "not host:port", dialing->address);
    snprintf(name, sizeof(name), "%.*s", SLICE_ARG(host));
    if (!resolve(dialing, name, resolved))
        return say_why(why, ST_NOT_FOUND, "no address", name);
    uint64_t deadline_ms = step_deadline_ms(dialing);
    uint64_t now_ms = sys_mono_ms();
    enum st st = sys_connect(resolved, port, deadline_ms > now_ms ? deadline_ms - now_ms : 0,
                             dialing->stop_fd, &fd);
    if (st == ST_INVALID) /* the name itself: nobody has found out its address yet */
        return say_why(why, ST_NOT_FOUND, "no address", name);
    if (st != ST_OK)
        return say_why(why, st, st == ST_AGAIN ? "no answer" : strerror(errno), "");
    sys_stream_init(stream, fd, dialing->stop_fd);
    return ST_OK;
}

static enum st shake(const struct cluster_dialing *dialing, struct sys_stream *stream, char *why)
{
    AUTO(buf) struct buf reason = BUF(2 * CLUSTER_PATH_BYTES);
    struct sys_tls_client *client = NULL;

    enum st st = cluster_fellow_client(dialing->peer->cluster, &reason, &client);
    if (st != ST_OK)
        return say_why(why, st, reason.ptr != NULL ? reason.ptr : "", "");
    st = sys_stream_starttls(stream, client, NULL, false, step_deadline_ms(dialing));
    sys_tls_client_free(&client);
    if (st == ST_AGAIN)
        return say_why(why, st, "it accepts and says nothing", "");
    return st == ST_OK ? ST_OK : say_why(why, st, "TLS", sys_tls_error(stream->tls));
}

enum st cluster_dial(const struct cluster_dialing *dialing, struct sys_stream *stream,
                     int64_t *issued_ms_r, char *why)
{
    char shown[CLUSTER_NAME_BYTES_MAX + 1] = "";
    enum st st = dial(dialing, stream, why);

    if (st == ST_OK)
        st = shake(dialing, stream, why);
    if (st != ST_OK)
        return st;
    if (cluster_tls_name(stream->tls, shown, issued_ms_r) != ST_OK ||
        strcmp(shown, dialing->peer->name) != 0)
        return say_why(why, ST_DENIED, "it shows the certificate of another server", shown);
    return ST_OK;
}

/* The link's end of it: who it is, and whether it is still of the domain. */
static enum st connect_link(struct talk *talk)
{
    struct cluster_peer *peer = talk->peer;
    struct cluster_link *link = &talk->link;
    const struct cluster_dialing dialing = {
        .peer = peer, .address = peer->address, .stop_fd = peer->stop_fd};
    enum st st = cluster_dial(&dialing, &talk->stream, &link->issued_ms, link->why);

    if (st != ST_OK)
        return st;
    snprintf(link->name, sizeof(link->name), "%s", peer->name);
    return cluster_link_allowed(link) ? ST_OK : ST_DENIED;
}

/* --- talking --- */

static enum st send_some(struct talk *talk)
{
    struct buf *out = &talk->link.out;
    enum st st = ST_OK;
    size_t done = 0;

    while (st == ST_OK && done < out->len) {
        size_t len = 0;

        st = sys_stream_send(&talk->stream, slice_sub(buf_slice(out), done, out->len), &len);
        done += len;
    }
    buf_drop(out, done);
    return st == ST_OK || st == ST_AGAIN ? ST_OK : fail(talk, st, "the connection broke", "");
}

static enum st receive_some(struct talk *talk)
{
    enum st st = ST_OK;

    while (st == ST_OK) {
        size_t len = 0;
        size_t used = 0;
        char *room = buf_room(&talk->in, READ_BYTES);

        if (room == NULL)
            return fail(talk, ST_TOO_BIG, "too much came at once", "");
        st = sys_stream_recv(&talk->stream, room, READ_BYTES, &len);
        if (st == ST_AGAIN)
            return ST_OK;
        if (st != ST_OK || len == 0)
            return fail(talk, ST_IO, "the connection broke", "");
        buf_grew(&talk->in, len);
        st = cluster_link_input(&talk->link, buf_slice(&talk->in), &used);
        buf_drop(&talk->in, used);
    }
    return st;
}

static void ping_if_due(struct talk *talk)
{
    uint64_t now_ms = sys_mono_ms();

    if (now_ms < talk->ping_ms || talk->link.out.len > CLUSTER_LINK_PUSH_BYTES)
        return;
    bool view = now_ms >= talk->view_ms;
    if (view)
        talk->view_ms = now_ms + VIEW_EVERY_MS;
    talk->ping_ms = now_ms + conf_get()->cluster_ping_ms;
    cluster_link_ping(&talk->link, view && talk->link.greeted);
}

static enum st turn(struct talk *talk)
{
    struct cluster_link *link = &talk->link;
    unsigned ready = 0;
    bool more = false;

    if (link->greeted)
        ping_if_due(talk);
    if (atomic_load(&link->cluster->renew) && atomic_load(&talk->peer->authority) && link->greeted)
        cluster_link_renew(link);
    enum st st = cluster_link_push(link, &more);
    if (st == ST_OK)
        st = send_some(talk);
    if (st != ST_OK)
        return st;
    uint64_t deadline_ms = sys_mono_ms() + (more ? 1 : conf_get()->cluster_ping_ms);
    if (link->greeted && !more && talk->ping_ms < deadline_ms)
        deadline_ms = talk->ping_ms;
    st =
        sys_stream_wait(&talk->stream, SYS_STREAM_READ | (link->out.len > 0 ? SYS_STREAM_WRITE : 0),
                        deadline_ms, &ready);
    if (st == ST_OK && (ready & SYS_STREAM_READ) != 0)
        return receive_some(talk);
    return st == ST_OK || st == ST_AGAIN ? ST_OK : fail(talk, st, "stopped", "");
}

static void set_connected(struct cluster_peer *peer, bool connected, const char *why)
{
    struct cluster *cluster = peer->cluster;

    pthread_mutex_lock(&cluster->lock);
    peer->connected = connected;
    bool news = strcmp(peer->why, why) != 0;
    snprintf(peer->why, sizeof(peer->why), "%s", why);
    pthread_mutex_unlock(&cluster->lock);
    if (news && !connected)
        log_event(EV_CLUSTER_UNREACHED, 0, LOG_C("server", peer->name),
                  LOG_C("address", peer->address), LOG_C("why", why));
}

static void tell_connected(const struct cluster_peer *peer)
{
    log_event(EV_CLUSTER_CONNECTED, 0, LOG_C("server", peer->name),
              LOG_C("address", peer->address));
}

/* One that ends again and again for the same reason is told of once. */
static void tell_lost(struct cluster_peer *peer, const char *why, bool steady)
{
    if (!peer->flaps || strcmp(peer->lost_why, why) != 0)
        log_event(EV_CLUSTER_LOST, 0, LOG_C("server", peer->name), LOG_C("why", why));
    snprintf(peer->lost_why, sizeof(peer->lost_why), "%s", why);
    peer->flaps = !steady;
}

/* Until the connection ends. */
static void converse(struct talk *talk)
{
    struct cluster_link *link = &talk->link;
    uint64_t begun_ms = sys_mono_ms();
    bool told = false;
    enum st st = ST_OK;

    link->heard_ms = sys_mono_ms();
    cluster_link_hello(link);
    while (st == ST_OK && !stopped(talk->peer, 0)) {
        st = turn(talk);
        if (st == ST_OK && !cluster_link_allowed(link))
            st = ST_DENIED;
        if (link->greeted && !told) {
            told = true;
            count_add(COUNT_CLUSTER_LINKS, 1);
            set_connected(talk->peer, true, "");
            if (!talk->peer->flaps)
                tell_connected(talk->peer);
        }
        if (told && talk->peer->flaps && sys_mono_ms() - begun_ms > STEADY_MS) {
            talk->peer->flaps = false;
            tell_connected(talk->peer);
        }
        if (sys_mono_ms() - link->heard_ms > 2 * cluster_patience_ms())
            st = fail(talk, ST_AGAIN, "silence", "");
    }
    if (!told)
        return;
    count_add(COUNT_CLUSTER_LINKS, -1);
    tell_lost(talk->peer, link->why, sys_mono_ms() - begun_ms > STEADY_MS);
}

/* Returns whether there was a connection that both had greeted on. */
static bool connect_once(struct cluster_peer *peer)
{
    struct talk talk = {.peer = peer, .stream = {.fd = -1}};

    cluster_link_init(&talk.link, peer->cluster, true);
    talk.link.peer = peer;
    buf_init(&talk.in, INPUT_BYTES_MAX);
    if (connect_link(&talk) == ST_OK)
        converse(&talk);
    bool greeted = talk.link.greeted;
    sys_stream_fini(&talk.stream);
    if (!stopped(peer, 0)) {
        set_connected(peer, false, talk.link.why);
        health_report_failed(peer->cluster->context.health, slice_str(peer->name), sys_mono_ms());
        if (greeted)
            cluster_asks_drop(peer->cluster->asks, peer);
    }
    buf_fini(&talk.in);
    cluster_link_fini(&talk.link);
    return greeted;
}

static void *run(void *arg)
{
    struct cluster_peer *peer = arg;
    uint64_t backoff_ms = BACKOFF_MIN_MS;

    while (!stopped(peer, 0)) {
        bool greeted = connect_once(peer);
        uint64_t max_ms = greeted ? BACKOFF_FLAPS_MAX_MS : BACKOFF_MAX_MS;

        if (greeted && !peer->flaps)
            backoff_ms = BACKOFF_MIN_MS;
        if (stopped(peer, backoff_ms))
            break;
        backoff_ms = 2 * backoff_ms < max_ms ? 2 * backoff_ms : max_ms;
    }
    return NULL;
}

enum st cluster_peer_start(struct cluster_peer *peer)
{
    assert(!peer->runs);
    peer->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (peer->stop_fd < 0)
        return ST_IO;
    enum st st =
        health_add(peer->cluster->context.health, slice_str(peer->name), false, sys_mono_ms());
    if (st == ST_OK && pthread_create(&peer->thread, NULL, run, peer) != 0)
        st = ST_IO;
    if (st != ST_OK)
        close(peer->stop_fd);
    peer->runs = st == ST_OK;
    return st;
}

void cluster_peer_stop(struct cluster_peer *peer)
{
    const uint64_t one = 1;

    if (!peer->runs)
        return;
    if (write(peer->stop_fd, &one, sizeof(one)) == sizeof(one))
        pthread_join(peer->thread, NULL);
    close(peer->stop_fd);
    peer->runs = false;
    health_remove(peer->cluster->context.health, slice_str(peer->name));
    pthread_mutex_lock(&peer->cluster->lock);
    peer->connected = false;
    pthread_mutex_unlock(&peer->cluster->lock);
}
