#include "health/health.h"

#include "base/slice.h"

#include <string.h>

static const char *const state_names[] = {
    [HEALTH_UP] = "up",           [HEALTH_BUSY] = "busy",
    [HEALTH_SUSPECT] = "suspect", [HEALTH_RESTRICTED] = "restricted",
    [HEALTH_DOWN] = "down",
};
static_assert(COUNT(state_names) == HEALTH_STATE_MAX, "one name for each");

const char *health_state_name(enum health_state state)
{
    assert(state < HEALTH_STATE_MAX);
    return state_names[state];
}

enum st health_state_find(struct slice name, enum health_state *state_r)
{
    for (size_t i = 0; i < COUNT(state_names); i++)
        if (slice_eq(slice_str(state_names[i]), name)) {
            *state_r = (enum health_state)i;
            return ST_OK;
        }
    return ST_NOT_FOUND;
}

struct health_peer health_peer_new(uint64_t now_ms)
{
    return (struct health_peer){.state = HEALTH_SUSPECT,
                                .reach = HEALTH_SUSPECT,
                                .now_ms = now_ms,
                                .since_ms = now_ms,
                                .heard_ms = now_ms,
                                .flapped_ms = now_ms};
}

/* A row of answers has a gap: it begins anew. */
static void break_row(struct health_peer *peer)
{
    peer->good_count = 0;
    peer->steady_from_ms = peer->now_ms;
}

static void fall(struct health_peer *peer)
{
    if (peer->flaps < HEALTH_FLAPS_MAX)
        peer->flaps++;
    peer->flapped_ms = peer->now_ms;
}

static void pass_time(const struct health_limits *limits, struct health_peer *peer)
{
    uint64_t silent_ms = peer->self ? 0 : peer->now_ms - peer->heard_ms;

    if (silent_ms >= limits->suspect_ms && peer->reach == HEALTH_UP)
        peer->reach = HEALTH_SUSPECT;
    if (silent_ms >= limits->suspect_ms)
        break_row(peer);
    if (silent_ms >= limits->down_ms && peer->reach != HEALTH_DOWN) {
        if (peer->heard)
            fall(peer);
        peer->reach = HEALTH_DOWN;
    }
    while (peer->reach == HEALTH_UP && peer->flaps > 0 &&
           peer->now_ms - peer->flapped_ms >= HEALTH_FLAP_MS) {
        peer->flaps--;
        peer->flapped_ms += HEALTH_FLAP_MS;
    }
}

static bool is_busy(const struct health_peer *peer)
{
    unsigned margin = peer->busy ? HEALTH_BUSY_MARGIN : 0;

    return peer->threshold > 0 &&
           (peer->threshold >= 100 || peer->index < peer->threshold + margin + 1);
}

/* Whether the row of answers is long enough. The first fall costs steady_ms, each further one in a
 * short time twice as much. */
static bool is_steady(const struct health_limits *limits, const struct health_peer *peer)
{
    uint64_t need_ms = limits->steady_ms << (peer->flaps > 1 ? peer->flaps - 1 : 0);

    if (peer->good_count < HEALTH_GOOD_MIN)
        return false;
    return peer->reach != HEALTH_DOWN || peer->now_ms - peer->steady_from_ms >= need_ms;
}

static void take_pong(const struct health_limits *limits, struct health_peer *peer,
                      const struct health_event *event)
{
    if (peer->heard && event->epoch < peer->epoch)
        return;
    if (peer->heard && event->epoch > peer->epoch) { /* it restarted, perhaps unnoticed */
        fall(peer);
        break_row(peer);
    }
    if (peer->good_count == 0)
        peer->steady_from_ms = peer->now_ms;
    if (peer->good_count < UINT32_MAX)
        peer->good_count++;
    peer->heard = true;
    peer->heard_ms = peer->now_ms;
    peer->epoch = event->epoch;
    peer->index = event->index < 100 ? event->index : 100;
    peer->threshold = event->threshold;
    peer->restricted = event->restricted;
    peer->rtt_us = event->rtt_us;
    peer->busy = is_busy(peer);
    if (peer->self || is_steady(limits, peer))
        peer->reach = HEALTH_UP;
}

static enum health_state state_of(const struct health_peer *peer)
{
    if (peer->reach == HEALTH_DOWN)
        return HEALTH_DOWN;
    if (peer->restricted)
        return HEALTH_RESTRICTED;
    if (peer->reach == HEALTH_SUSPECT)
        return HEALTH_SUSPECT;
    return peer->busy ? HEALTH_BUSY : HEALTH_UP;
}

struct health_peer health_step(const struct health_limits *limits, struct health_peer peer,
                               const struct health_event *event)
{
    if (event->now_ms > peer.now_ms)
        peer.now_ms = event->now_ms;
    pass_time(limits, &peer);
    if (event->kind == HEALTH_EVENT_PONG)
        take_pong(limits, &peer, event);
    if (event->kind == HEALTH_EVENT_MISSED || event->kind == HEALTH_EVENT_FAILED)
        break_row(&peer);
    if (event->kind == HEALTH_EVENT_FAILED && peer.reach == HEALTH_UP && !peer.self)
        peer.reach = HEALTH_SUSPECT;
    enum health_state state = state_of(&peer);
    if (state != peer.state)
        peer.since_ms = peer.now_ms;
    peer.state = state;
    return peer;
}

struct health_peer health_peer_as(const struct health_limits *limits, enum health_state state,
                                  uint64_t now_ms)
{
    struct health_peer peer = {.state = state,
                               .reach = state,
                               .busy = state == HEALTH_BUSY,
                               .restricted = state == HEALTH_RESTRICTED,
                               .heard = true,
                               .index = 100,
                               .now_ms = now_ms,
                               .since_ms = now_ms,
                               .heard_ms = now_ms};

    if (state == HEALTH_SUSPECT)
        peer.heard_ms -= limits->suspect_ms;
    else if (state == HEALTH_DOWN)
        peer.heard_ms -= limits->down_ms;
    else
        peer.reach = HEALTH_UP;
    return peer;
}

/* 100 times the binary logarithm of wanted / have, straight between the powers of two. */
static uint64_t doublings(uint64_t wanted, uint64_t have)
{
    uint64_t whole = 0;

    while (wanted >= 2 * have && whole < 64) {
        have *= 2;
        whole++;
    }
    return 100 * whole + (wanted > have ? 100 * (wanted - have) / have : 0);
}

unsigned health_index(const struct health_load *load)
{
    uint64_t processors = load->processors > 0 ? load->processors : 1;
    uint64_t lost = load->running > processors ? doublings(load->running, processors) / 6 : 0;
    uint64_t left = lost < 100 ? 100 - lost : 0;

    if (load->threads_max > 0 && load->threads_busy > 0) {
        uint64_t busy =
            load->threads_busy < load->threads_max ? load->threads_busy : load->threads_max;
        uint64_t spare = 100 - 100 * busy / load->threads_max;

        left = spare < left ? spare : left;
    }
    return (unsigned)left;
}

/* Names are written in lower case nearly everywhere, and comparing bytes is fast. */
static const struct health_server *find(const struct health_view *view, struct slice server)
{
    for (size_t i = 0; i < view->count; i++)
        if (slice_eq(slice_str(view->servers[i].name), server))
            return &view->servers[i];
    for (size_t i = 0; i < view->count; i++)
        if (slice_ieq(slice_str(view->servers[i].name), server))
            return &view->servers[i];
    return NULL;
}

struct health_look health_of(const struct health_view *view, struct slice server, uint64_t now_ms)
{
    const struct health_event passed = {.kind = HEALTH_EVENT_TIME, .now_ms = now_ms};
    const struct health_server *found = find(view, server);

    if (found == NULL)
        return (struct health_look){.state = HEALTH_UP, .index = 100};
    struct health_peer peer = health_step(&view->limits, found->peer, &passed);
    return (struct health_look){peer.state, peer.since_ms, peer.index, true};
}
