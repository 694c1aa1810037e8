#include "net/net.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "net/net_conn.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uthash.h>

#define THREADS_SPARE 2 /* beyond one a processor: threads that wait for events or handle one */
#define THREAD_STACK_BYTES (512 * KIB)
#define THREAD_IDLE_MS 10000
#define ARENA_BYTES_MAX (256 * MIB)
#define SWEEP_MS 100
#define ACCEPTS_PER_TURN 64
#define SLOTS_PER_BLOCK 1024
#define BLOCKS_MAX 1024
#define LISTENERS_MAX 64
#define LISTENER_BIT (UINT64_C(1) << 63) /* in an epoll event: a listener, not a connection */

/* A place for a connection. Slots are never freed, so that an id that outlives its connection finds
 * another generation there, not freed memory. */
struct slot {
    pthread_mutex_t lock;
    struct conn *conn;
    uint32_t gen;
    bool running; /* a thread has it; it is not armed */
    bool wake;
    bool timed_up;
    uint64_t deadline_ms; /* of its silence, while armed */
    uint32_t next_free;
};

struct peer {
    UT_hash_handle hh;
    uint64_t count;
    char address[SYS_ADDR_BYTES];
};

struct net_listener {
    int fd;
    bool tls_first;
    atomic_bool paused; /* out of file descriptors: the sweeper tries again */
    uint64_t peer_max;
    const struct net_proto *proto;
    void *context;
    _Atomic(struct sys_tls_server *) tls; /* its own; NULL: as all */
    struct peer *peers;                   /* under net->lock */
};

struct net {
    int epoll;
    pthread_mutex_t lock; /* slots' list, peers, threads */
    pthread_cond_t changed;
    atomic_ullong threads_max;
    atomic_ullong connections_max;
    atomic_ullong write_timeout_ms;
    _Atomic(struct sys_tls_server *) tls;
    atomic_bool ending;    /* no more accepting, sessions are being closed */
    atomic_bool over;      /* threads leave */
    pthread_cond_t wanted; /* parked threads: one is to serve */
    /* Under lock. A thread is active unless it is parked or blocked: it waits for events or handles
     * one. As many are active as the processors can use; each that blocks has another take its
     * place, and is one too many when it is back. */
    unsigned active;
    unsigned active_want;
    unsigned parked;
    unsigned calls;      /* parked threads that were called and are not back yet */
    atomic_uint waiting; /* in epoll_wait */
    uint64_t thread_count;
    uint64_t conn_count;
    uint32_t slot_count;
    uint32_t free_slot; /* index + 1 */
    _Atomic(struct slot *) blocks[BLOCKS_MAX];
    struct net_listener listeners[LISTENERS_MAX];
    size_t listener_count;
    pthread_t sweeper;
    bool sweeper_runs;
    int rouse_fds[2]; /* a pipe that is always ready, once net_stop() made it */
};

static atomic_ullong last_sid;

bool net_is_ending(const struct net *net)
{
    return atomic_load_explicit(&net->ending, memory_order_relaxed);
}

uint64_t net_write_timeout_ms(const struct net *net)
{
    return atomic_load(&net->write_timeout_ms);
}

struct sys_tls_server *net_tls(const struct net *net)
{
    return atomic_load(&net->tls);
}

const struct net_proto *net_listener_proto(const struct net_listener *listener)
{
    return listener->proto;
}

void *net_listener_context(const struct net_listener *listener)
{
    return listener->context;
}

void net_set_options(struct net *net, const struct net_options *options)
{
    atomic_store(&net->threads_max, options->threads_max);
    atomic_store(&net->connections_max, options->connections_max);
    atomic_store(&net->write_timeout_ms, options->write_timeout_ms);
}

struct net *net_new(const struct net_options *options)
{
    struct net *net = mem_new(struct net);

    net->rouse_fds[0] = net->rouse_fds[1] = -1;
    net->epoll = epoll_create1(EPOLL_CLOEXEC);
    assert(net->epoll >= 0);
    pthread_mutex_init(&net->lock, NULL);
    sys_cond_init(&net->changed);
    sys_cond_init(&net->wanted);
    net->active_want = (unsigned)sysconf(_SC_NPROCESSORS_ONLN) + THREADS_SPARE;
    net_set_options(net, options);
    return net;
}

void net_tls_use(struct net *net, struct sys_tls_server *tls)
{
    atomic_store(&net->tls, tls);
}

void net_tls_use_for(struct net *net, const struct net_proto *proto, struct sys_tls_server *tls)
{
    for (size_t i = 0; i < net->listener_count; i++)
        if (net->listeners[i].proto == proto)
            atomic_store(&net->listeners[i].tls, tls);
}

void net_listen(struct net *net, int fd, const struct net_proto *proto, void *context,
                bool tls_first, uint64_t peer_max)
{
    assert(net->listener_count < LISTENERS_MAX);
    struct net_listener *listener = &net->listeners[net->listener_count++];

    *listener = (struct net_listener){
        .fd = fd, .proto = proto, .context = context, .tls_first = tls_first, .peer_max = peer_max};
}

/* --- slots --- */

/* NULL: there never was one. */
static struct slot *slot_find(struct net *net, uint32_t index)
{
    struct slot *block = index / SLOTS_PER_BLOCK < BLOCKS_MAX
                             ? atomic_load(&net->blocks[index / SLOTS_PER_BLOCK])
                             : NULL;

    return block != NULL ? &block[index % SLOTS_PER_BLOCK] : NULL;
}

static struct slot *slot_at(struct net *net, uint32_t index)
{
    struct slot *slot = slot_find(net, index);

    assert(slot != NULL);
    return slot;
}

/* Under net->lock. NULL: every slot there can be is taken. */
static struct slot *slot_take(struct net *net, uint32_t *index_r)
{
    if (net->free_slot == 0) {
        uint32_t block_no = net->slot_count / SLOTS_PER_BLOCK;
        if (block_no == BLOCKS_MAX)
            return NULL;
        struct slot *block = mem_alloc(SLOTS_PER_BLOCK * sizeof(*block));
        for (uint32_t i = SLOTS_PER_BLOCK; i-- > 0;) {
            pthread_mutex_init(&block[i].lock, NULL);
            block[i].next_free = net->free_slot;
            net->free_slot = net->slot_count + i + 1;
        }
        net->slot_count += SLOTS_PER_BLOCK;
        atomic_store(&net->blocks[block_no], block);
    }
    *index_r = net->free_slot - 1;
    struct slot *slot = slot_at(net, *index_r);
    net->free_slot = slot->next_free;
    return slot;
}

static uint64_t id_of(uint32_t gen, uint32_t index)
{
    return (uint64_t)(gen & 0x7fffffff) << 32 | index;
}

/* Arms the connection for one event. Under slot->lock. */
static void arm(struct net *net, struct slot *slot, int op, bool at_once)
{
    struct conn *conn = slot->conn;
    bool write_only = conn->want_write || conn->tls_write;
    struct epoll_event event = {.events = EPOLLONESHOT | EPOLLRDHUP, .data.u64 = conn->id};

    event.events |= write_only ? EPOLLOUT : EPOLLIN;
    if (at_once) /* a connected socket with room: the event comes immediately */
        event.events |= EPOLLOUT | EPOLLIN;
    epoll_ctl(net->epoll, op, conn->fd, &event);
}

/* Has a thread look at the connection soon. Under slot->lock. */
static void kick(struct net *net, struct slot *slot)
{
    if (!slot->running && slot->conn != NULL)
        arm(net, slot, EPOLL_CTL_MOD, true);
}

void net_wake(struct net *net, uint64_t id)
{
    struct slot *slot = slot_find(net, (uint32_t)id);

    if (slot == NULL)
        return;
    pthread_mutex_lock(&slot->lock);
    if (slot->conn != NULL && slot->conn->id == id && !slot->wake) {
        slot->wake = true;
        kick(net, slot);
    }
    pthread_mutex_unlock(&slot->lock);
}

void net_cut(struct net *net, uint64_t id)
{
    struct slot *slot = slot_find(net, (uint32_t)id);

    if (slot == NULL)
        return;
    pthread_mutex_lock(&slot->lock);
    if (slot->conn != NULL && slot->conn->id == id)
        shutdown(slot->conn->fd, SHUT_RDWR);
    pthread_mutex_unlock(&slot->lock);
}

/* --- accepting --- */

/* Counts the peer in; false when it has too many. Under net->lock. */
static bool peer_enter(struct net_listener *listener, const char *address)
{
    struct peer *peer;

    HASH_FIND_STR(listener->peers, address, peer);
    if (peer == NULL) {
        peer = mem_new(struct peer);
        memcpy(peer->address, address, strlen(address) + 1);
        HASH_ADD_STR(listener->peers, address, peer);
    }
    if (listener->peer_max != 0 && peer->count >= listener->peer_max)
        return false;
    peer->count++;
    return true;
}

static void peer_leave(struct net_listener *listener, const char *address)
{
    struct peer *peer;

    HASH_FIND_STR(listener->peers, address, peer);
    assert(peer != NULL);
    if (--peer->count == 0) {
        HASH_DEL(listener->peers, peer);
        mem_free(peer);
    }
}

static void turn_away(const struct net_listener *listener, struct conn *conn, const char *why)
{
    log_event(EV_SESSION_REFUSED, conn->sid, LOG_C("proto", listener->proto->name),
              LOG_C("peer", conn->peer), LOG_C("why", why));
    if (!listener->tls_first && listener->proto->busy != NULL)
        conn_write(conn, slice_str(listener->proto->busy));
    conn_flush(conn);
    conn_end(conn);
}

/* Puts the accepted connection into a slot and arms it: its greeting is its first turn. */
static void admit(struct net *net, struct net_listener *listener, struct conn *conn)
{
    uint32_t index = 0;
    const char *why = NULL;
    struct slot *slot = NULL;

    pthread_mutex_lock(&net->lock);
    if (net->conn_count >= atomic_load(&net->connections_max))
        why = "connections_max";
    else if (!peer_enter(listener, conn->peer))
        why = "too many from this address";
    else if ((slot = slot_take(net, &index)) == NULL)
        why = "no slot";
    else
        net->conn_count++;
    pthread_mutex_unlock(&net->lock);
    if (slot == NULL) {
        turn_away(listener, conn, why);
        return;
    }
    count_add(COUNT_SESSIONS, 1);
    count_add(COUNT_SESSIONS_TOTAL, 1);
    log_event(EV_SESSION_OPEN, conn->sid, LOG_C("proto", listener->proto->name),
              LOG_C("peer", conn->peer));
    pthread_mutex_lock(&slot->lock);
    conn->id = id_of(++slot->gen, index);
    slot->conn = conn;
    slot->running = false;
    slot->wake = false;
    slot->timed_up = false;
    slot->deadline_ms = sys_mono_ms() + conn->timeout_ms;
    arm(net, slot, EPOLL_CTL_ADD, true);
    pthread_mutex_unlock(&slot->lock);
}

static void listener_arm(struct net *net, size_t no, int op)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = LISTENER_BIT | no};

    epoll_ctl(net->epoll, op, net->listeners[no].fd, &event);
}

static void accept_some(struct net *net, size_t no)
{
    struct net_listener *listener = &net->listeners[no];

    for (int i = 0; i < ACCEPTS_PER_TURN && !net_is_ending(net); i++) {
        char peer[SYS_ADDR_BYTES];
        int fd = sys_accept(listener->fd, peer);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)) {
            log_event(EV_SESSION_REFUSED, 0, LOG_C("proto", listener->proto->name),
                      LOG_C("why", strerror(errno)));
            atomic_store(&listener->paused, true);
            return;
        }
        if (fd < 0)
            break;
        struct conn *conn = conn_new(net, listener, fd);
        memcpy(conn->peer, peer, sizeof(peer));
        conn->sid = ++last_sid;
        if (listener->tls_first) {
            struct sys_tls_server *own = atomic_load(&listener->tls);

            conn->tls = sys_tls_new(own != NULL ? own : net_tls(net), fd);
            conn->phase = CONN_HANDSHAKE;
        }
        admit(net, listener, conn);
    }
    if (!net_is_ending(net))
        listener_arm(net, no, EPOLL_CTL_MOD);
}

/* --- session threads --- */

static void release(struct net *net, struct slot *slot, uint32_t index)
{
    struct conn *conn = slot->conn;
    struct net_listener *listener = conn->listener;
    char peer[SYS_ADDR_BYTES];

    memcpy(peer, conn->peer, sizeof(peer));
    pthread_mutex_lock(&slot->lock);
    slot->conn = NULL;
    slot->running = false;
    pthread_mutex_unlock(&slot->lock);
    conn_end(conn);
    count_add(COUNT_SESSIONS, -1);
    pthread_mutex_lock(&net->lock);
    peer_leave(listener, peer);
    slot->next_free = net->free_slot;
    net->free_slot = index + 1;
    net->conn_count--;
    pthread_cond_broadcast(&net->changed);
    pthread_mutex_unlock(&net->lock);
}

/* Takes the connection's turn for this thread; false when it is gone or another thread has it. */
static bool seize(struct slot *slot, uint64_t id)
{
    pthread_mutex_lock(&slot->lock);
    bool mine = slot->conn != NULL && slot->conn->id == id && !slot->running;
    if (mine)
        slot->running = true;
    pthread_mutex_unlock(&slot->lock);
    return mine;
}

/* Arms the connection again, unless something came up meanwhile: then it has another turn. */
static bool put_back(struct net *net, struct slot *slot)
{
    struct conn *conn = slot->conn;

    pthread_mutex_lock(&slot->lock);
    bool again =
        slot->wake || slot->timed_up || (net_is_ending(net) && conn->phase != CONN_CLOSING);
    if (!again) {
        conn->arena = NULL;
        slot->deadline_ms =
            sys_mono_ms() + (conn->want_write ? net_write_timeout_ms(net) : conn->timeout_ms);
        slot->running = false;
        if (!conn->waiting) /* net_wake() arms it */
            arm(net, slot, EPOLL_CTL_MOD, false);
    }
    pthread_mutex_unlock(&slot->lock);
    return again;
}

static void serve_conn(struct net *net, uint64_t id, struct arena *arena)
{
    struct slot *slot = slot_find(net, (uint32_t)id);
    bool alive = true;

    if (slot == NULL || !seize(slot, id))
        return;
    count_add(COUNT_THREADS_BUSY, 1);
    do {
        pthread_mutex_lock(&slot->lock);
        bool woken = slot->wake;
        bool timed_up = slot->timed_up || net_is_ending(net);
        slot->wake = false;
        slot->timed_up = false;
        pthread_mutex_unlock(&slot->lock);
        alive = conn_turn(slot->conn, arena, woken, timed_up);
    } while (alive && put_back(net, slot));
    if (!alive)
        release(net, slot, (uint32_t)id);
    arena_reset(arena);
    count_add(COUNT_THREADS_BUSY, -1);
}

static void *session_thread(void *arg);

static _Thread_local struct net *thread_net; /* of a session thread */
static _Thread_local unsigned thread_blocks; /* it is in so many net_block_begin() */

/* Under net->lock. */
static bool thread_start(struct net *net)
{
    pthread_t thread;
    pthread_attr_t attr;

    if (net->thread_count >= atomic_load(&net->threads_max) || atomic_load(&net->over))
        return false;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    bool started = pthread_create(&thread, &attr, session_thread, net) == 0;
    pthread_attr_destroy(&attr);
    if (started) {
        net->thread_count++;
        net->active++;
    }
    return started;
}

/* One more thread is to serve. Under net->lock. */
static void thread_call(struct net *net)
{
    if (net->parked > net->calls) {
        net->calls++;
        net->active++;
        pthread_cond_signal(&net->wanted);
    } else {
        thread_start(net);
    }
}

void net_block_begin(void)
{
    struct net *net = thread_net;

    if (net == NULL || thread_blocks++ > 0)
        return;
    pthread_mutex_lock(&net->lock);
    net->active--;
    if (net->active < net->active_want)
        thread_call(net);
    pthread_mutex_unlock(&net->lock);
}

void net_block_end(void)
{
    struct net *net = thread_net;

    if (net == NULL || --thread_blocks > 0)
        return;
    pthread_mutex_lock(&net->lock);
    net->active++;
    pthread_mutex_unlock(&net->lock);
}

/* Before waiting for events: a thread too many is parked until it is called, and leaves after a
 * while. False: it is to leave. */
static bool thread_stay(struct net *net)
{
    bool stay = true;

    pthread_mutex_lock(&net->lock);
    if (net->active > net->active_want && !atomic_load(&net->over)) {
        net->active--;
        net->parked++;
        while (net->calls == 0 && stay && !atomic_load(&net->over))
            stay = sys_cond_wait_ms(&net->wanted, &net->lock, THREAD_IDLE_MS);
        net->parked--;
        if (net->calls > 0) {
            net->calls--;
            stay = true;
        } else if (atomic_load(&net->over)) {
            net->active++;
        }
    }
    if (atomic_load(&net->over)) {
        net->active--;
        stay = false;
    }
    if (!stay) {
        net->thread_count--;
        pthread_cond_broadcast(&net->changed);
    }
    pthread_mutex_unlock(&net->lock);
    return stay;
}

static void *session_thread(void *arg)
{
    struct net *net = arg;
    struct arena *arena = arena_new("session thread", ARENA_BYTES_MAX);

    thread_net = net;
    count_add(COUNT_THREADS, 1);
    while (thread_stay(net)) {
        struct epoll_event event;

        atomic_fetch_add(&net->waiting, 1);
        int n = epoll_wait(net->epoll, &event, 1, -1);
        atomic_fetch_sub(&net->waiting, 1);
        if (n <= 0 || atomic_load(&net->over))
            continue;
        if ((event.data.u64 & LISTENER_BIT) != 0)
            accept_some(net, (size_t)(event.data.u64 & ~LISTENER_BIT));
        else
            serve_conn(net, event.data.u64, arena);
    }
    arena_free(&arena);
    conn_thread_end();
    count_add(COUNT_THREADS, -1);
    return NULL;
}

/* Commands that compute for long keep every active thread busy: another one serves beside them. */
static void relieve(struct net *net)
{
    if (atomic_load(&net->waiting) > 0)
        return;
    pthread_mutex_lock(&net->lock);
    thread_call(net);
    pthread_mutex_unlock(&net->lock);
}

/* --- time-outs --- */

static uint32_t slots_made(struct net *net)
{
    pthread_mutex_lock(&net->lock);
    uint32_t count = net->slot_count;
    pthread_mutex_unlock(&net->lock);
    return count;
}

static void sweep(struct net *net, bool all)
{
    uint64_t now_ms = sys_mono_ms();
    uint32_t slot_count = slots_made(net);

    for (uint32_t i = 0; i < slot_count; i++) {
        struct slot *slot = slot_at(net, i);

        pthread_mutex_lock(&slot->lock);
        if (slot->conn != NULL && !slot->running && !slot->timed_up && !slot->conn->waiting &&
            (all || slot->deadline_ms <= now_ms)) {
            slot->timed_up = true;
            /* A peer that never reads has no room: give up on it now, not when it reads. */
            conn_give_up(slot->conn);
            kick(net, slot);
        }
        pthread_mutex_unlock(&slot->lock);
    }
}

static void *sweeper_thread(void *arg)
{
    struct net *net = arg;

    while (!atomic_load(&net->over)) {
        sys_sleep_ms(SWEEP_MS);
        sweep(net, net_is_ending(net));
        relieve(net);
        for (size_t i = 0; i < net->listener_count && !net_is_ending(net); i++)
            if (atomic_exchange(&net->listeners[i].paused, false))
                listener_arm(net, i, EPOLL_CTL_MOD);
    }
    return NULL;
}

/* --- life --- */

enum st net_start(struct net *net)
{
    pthread_mutex_lock(&net->lock);
    while (net->active < net->active_want && thread_start(net))
        ;
    bool started = net->active > 0;
    pthread_mutex_unlock(&net->lock);
    if (!started)
        return ST_IO;
    if (pthread_create(&net->sweeper, NULL, sweeper_thread, net) != 0)
        return ST_IO;
    net->sweeper_runs = true;
    for (size_t i = 0; i < net->listener_count; i++)
        listener_arm(net, i, EPOLL_CTL_ADD);
    return ST_OK;
}

/* Waits until the count, which changes under net->lock, is 0, at most until deadline_ms. */
static void await_zero(struct net *net, const uint64_t *count, uint64_t deadline_ms)
{
    uint64_t now_ms;

    pthread_mutex_lock(&net->lock);
    while (*count > 0 && (now_ms = sys_mono_ms()) < deadline_ms)
        sys_cond_wait_ms(&net->changed, &net->lock, deadline_ms - now_ms);
    pthread_mutex_unlock(&net->lock);
}

/* A descriptor that is always ready gets every waiting thread out of epoll_wait. */
static void rouse(struct net *net)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = UINT32_MAX};

    if (pipe(net->rouse_fds) == 0 && write(net->rouse_fds[1], "x", 1) == 1)
        epoll_ctl(net->epoll, EPOLL_CTL_ADD, net->rouse_fds[0], &event);
}

/* Who has no answer by now gets none: that what it asked for failed could be untrue. */
static void cut_all(struct net *net)
{
    uint32_t slot_count = slots_made(net);

    for (uint32_t i = 0; i < slot_count; i++) {
        struct slot *slot = slot_at(net, i);

        pthread_mutex_lock(&slot->lock);
        if (slot->conn != NULL)
            shutdown(slot->conn->fd, SHUT_RDWR);
        pthread_mutex_unlock(&slot->lock);
    }
}

void net_stop(struct net *net, uint64_t timeout_ms)
{
    atomic_store(&net->ending, true);
    for (size_t i = 0; i < net->listener_count; i++)
        epoll_ctl(net->epoll, EPOLL_CTL_DEL, net->listeners[i].fd, NULL);
    sweep(net, true);
    await_zero(net, &net->conn_count, sys_mono_ms() + timeout_ms);
    cut_all(net);
    pthread_mutex_lock(&net->lock);
    atomic_store(&net->over, true);
    pthread_cond_broadcast(&net->wanted);
    pthread_mutex_unlock(&net->lock);
    rouse(net);
    if (net->sweeper_runs)
        pthread_join(net->sweeper, NULL);
}

void net_join(struct net *net, uint64_t timeout_ms)
{
    await_zero(net, &net->thread_count, sys_mono_ms() + timeout_ms);
    close(net->rouse_fds[0]);
    close(net->rouse_fds[1]);
}

void net_free(struct net **net)
{
    if (*net == NULL)
        return;
    assert((*net)->thread_count == 0);
    for (size_t i = 0; i < BLOCKS_MAX; i++)
        mem_free((*net)->blocks[i]);
    close((*net)->epoll);
    mem_free(*net);
    *net = NULL;
}
