/* sim_shadow.c: servers with copies of each other's messages under a virtual clock: they are
 * killed, stopped and restarted, links are cut. No acknowledged message may be lost; none may go
 * out twice but where the last word about it was cut off by the fault. `sim_shadow [runs [seed]]`
 */
#include "base/mem.h"
#include "cluster/cluster_shadow_step.h"
#include "health/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVERS_MAX 4
#define MESSAGES_MAX 400
#define TICK_MS 100
#define TAKEOVER_MS 3000
#define HOLD_MS 10000 /* a connection for copies that says nothing ends so late */
#define TROUBLE_TICKS 600
#define TICKS_MAX 3000

enum have { NONE, HELD, TAKEN };

struct message {
    bool acked;
    bool excused; /* it may go out twice: a word about it was lost */
    unsigned out; /* how often it went out */
};

/* What is on disk outlives a kill; the rest does not. */
struct server {
    bool queued[MESSAGES_MAX];
    bool untold[MESSAGES_MAX]; /* went out, and the holder does not know yet */
    int holder[MESSAGES_MAX];  /* -1: nobody has a copy */
    enum have has[SERVERS_MAX][MESSAGES_MAX];
    bool unsettled[SERVERS_MAX];
    /* not on disk */
    bool alive;
    bool stopped;
    bool ready[SERVERS_MAX];
    bool doubtful[SERVERS_MAX];
    uint64_t ticked_ms;
    uint64_t heard_ms[SERVERS_MAX]; /* the owner's connection for copies */
    struct health_peer health[SERVERS_MAX];
    uint64_t back_ms;
};

struct world {
    unsigned long long random;
    uint64_t now_ms;
    size_t servers;
    bool cut[SERVERS_MAX][SERVERS_MAX];
    struct server at[SERVERS_MAX];
    struct message messages[MESSAGES_MAX];
    size_t count;
    bool cuts; /* this run cuts links */
};

static unsigned pick(struct world *w, unsigned n)
{
    w->random = w->random * 6364136223846793005ULL + 1442695040888963407ULL;
    return (unsigned)(w->random >> 33) % n;
}

static bool runs(const struct server *s)
{
    return s->alive && !s->stopped;
}

static bool reach(const struct world *w, size_t a, size_t b)
{
    return runs(&w->at[a]) && runs(&w->at[b]) && !w->cut[a][b] && !w->cut[b][a];
}

static void start(struct world *w, size_t n)
{
    struct server *s = &w->at[n];

    s->alive = true;
    s->stopped = false;
    s->ticked_ms = 0;
    for (size_t i = 0; i < w->servers; i++) {
        s->ready[i] = s->doubtful[i] = false;
        s->unsettled[i] = true;
        s->heard_ms[i] = w->now_ms;
        s->health[i] = health_peer_new(w->now_ms);
    }
}

static void kill_it(struct world *w, size_t n)
{
    struct server *s = &w->at[n];

    s->alive = false;
    s->back_ms = w->now_ms + TICK_MS * pick(w, 100);
}

/* --- a tick of one server --- */

static void look(struct world *w, size_t n)
{
    static const struct health_limits limits = {400, 800, 1000};
    struct server *s = &w->at[n];
    bool away = s->ticked_ms != 0 && !cluster_shadow_sure(w->now_ms - s->ticked_ms, TAKEOVER_MS);

    s->ticked_ms = w->now_ms;
    for (size_t i = 0; i < w->servers; i++) {
        bool pong = reach(w, n, i);
        const struct health_event event = {.kind = pong ? HEALTH_EVENT_PONG : HEALTH_EVENT_TIME,
                                           .now_ms = w->now_ms,
                                           .epoch = 1,
                                           .index = 100};

        s->health[i] = health_step(&limits, s->health[i], &event);
        if (away)
            s->doubtful[i] = s->unsettled[i] = true;
        if (!pong || s->doubtful[i])
            s->ready[i] = false;
        if (pong && i != n) /* its connection to us stands, or comes again */
            s->heard_ms[i] = w->at[i].ready[n] ? w->now_ms : s->heard_ms[i];
    }
}

static void settle(struct world *w, size_t n, size_t partner)
{
    struct server *s = &w->at[n];
    enum have *has = w->at[partner].has[n];

    w->at[partner].heard_ms[n] = w->now_ms;
    for (size_t m = 0; m < w->count; m++) {
        bool known = s->queued[m] && s->holder[m] == (int)partner;

        if (has[m] == NONE)
            continue;
        switch (cluster_shadow_settle(has[m] == TAKEN, known, false)) {
        case CLUSTER_SETTLE_GIVE_UP:
            s->queued[m] = false;
            has[m] = NONE;
            break;
        case CLUSTER_SETTLE_DROP:
            has[m] = NONE;
            s->untold[m] = false;
            break;
        case CLUSTER_SETTLE_KEEP:
            break;
        }
    }
    s->ready[partner] = true;
    s->doubtful[partner] = s->unsettled[partner] = false;
}

static int partner_of(const struct world *w, size_t n)
{
    for (size_t i = 1; i < w->servers; i++)
        if (w->at[n].ready[(n + i) % w->servers])
            return (int)((n + i) % w->servers);
    return -1;
}

static bool all_down(const struct world *w, size_t n)
{
    for (size_t i = 0; i < w->servers; i++)
        if (i != n && w->at[n].health[i].state != HEALTH_DOWN)
            return false;
    return true;
}

/* The copy first, then our own; whoever dies in between has acknowledged nothing. */
static void accept_one(struct world *w, size_t n)
{
    struct server *s = &w->at[n];
    int partner = partner_of(w, n);
    size_t m = w->count;

    if (m == MESSAGES_MAX || (partner < 0 && !all_down(w, n)))
        return;
    w->count++;
    if (partner >= 0)
        w->at[partner].has[n][m] = HELD;
    if (pick(w, 50) == 0) {
        w->messages[m].excused = true; /* its client sends it again in any case */
        kill_it(w, n);
        return;
    }
    s->queued[m] = w->messages[m].acked = true;
    s->holder[m] = partner;
}

static void tell(struct world *w, size_t n)
{
    struct server *s = &w->at[n];

    for (size_t m = 0; m < w->count; m++)
        if (s->untold[m] && (s->holder[m] < 0 || s->ready[s->holder[m]])) {
            if (s->holder[m] >= 0)
                w->at[s->holder[m]].has[n][m] = NONE;
            s->untold[m] = false;
        }
}

static void send_some(struct world *w, size_t n, unsigned one_in)
{
    struct server *s = &w->at[n];

    for (size_t m = 0; m < w->count; m++) {
        bool waits = s->holder[m] >= 0 && s->unsettled[s->holder[m]];

        if (!s->queued[m] || waits || pick(w, one_in) != 0)
            continue;
        s->queued[m] = false;
        s->untold[m] = true;
        w->messages[m].out++;
    }
}

static bool seen_by_others(const struct world *w, size_t n, size_t owner)
{
    for (size_t i = 0; i < w->servers; i++)
        if (i != n && i != owner && w->at[n].ready[i] &&
            w->at[i].health[owner].state != HEALTH_DOWN)
            return true;
    return false;
}

static void take_over(struct world *w, size_t n, size_t owner)
{
    struct server *s = &w->at[n];
    uint64_t silent_ms = w->now_ms - s->heard_ms[owner];
    struct cluster_owner_look owner_look = {
        .absent_ms = w->at[owner].stopped && silent_ms < HOLD_MS ? 0 : silent_ms,
        .known = true,
        .state = s->health[owner].state,
        .state_ms = w->now_ms - s->health[owner].since_ms,
        .seen_by_others = seen_by_others(w, n, owner)};

    for (size_t m = 0; m < w->count; m++)
        owner_look.open += s->has[owner][m] == HELD;
    if (!cluster_shadow_takes(&owner_look, TAKEOVER_MS))
        return;
    for (size_t m = 0; m < w->count; m++)
        if (s->has[owner][m] == HELD) {
            s->has[owner][m] = TAKEN;
            s->queued[m] = true;
            s->holder[m] = -1;
            /* the owner had no time to tell that it is done; or both are at work, apart */
            w->messages[m].excused =
                w->messages[m].excused || w->at[owner].untold[m] || runs(&w->at[owner]);
        }
}

static void tick_server(struct world *w, size_t n, bool trouble)
{
    look(w, n);
    for (size_t i = 0; i < w->servers; i++)
        if (i != n && !w->at[n].ready[i] && reach(w, n, i))
            settle(w, n, i);
    tell(w, n);
    if (trouble && pick(w, 3) == 0)
        accept_one(w, n);
    if (runs(&w->at[n]))
        send_some(w, n, trouble ? 40 : 4);
    for (size_t i = 0; i < w->servers && runs(&w->at[n]); i++)
        if (i != n)
            take_over(w, n, i);
}

/* --- faults --- */

static void trouble(struct world *w)
{
    size_t n = pick(w, (unsigned)w->servers);
    size_t other = pick(w, (unsigned)w->servers);
    struct server *s = &w->at[n];

    if (pick(w, 25) != 0)
        return;
    switch (pick(w, w->cuts ? 3 : 2)) {
    case 0:
        if (s->alive && !s->stopped)
            kill_it(w, n);
        break;
    case 1:
        if (runs(s)) {
            s->stopped = true;
            s->back_ms = w->now_ms + TICK_MS * pick(w, 200);
        }
        break;
    default:
        w->cut[n][other] = !w->cut[n][other];
        break;
    }
}

static void come_back(struct world *w, bool all)
{
    for (size_t n = 0; n < w->servers; n++) {
        struct server *s = &w->at[n];

        if (runs(s) || (!all && w->now_ms < s->back_ms))
            continue;
        if (!s->alive)
            start(w, n);
        s->stopped = false;
    }
    if (all)
        memset(w->cut, 0, sizeof(w->cut));
}

static bool quiet(const struct world *w)
{
    for (size_t n = 0; n < w->servers; n++)
        for (size_t m = 0; m < w->count; m++) {
            if (w->at[n].queued[m])
                return false;
            for (size_t o = 0; o < w->servers; o++)
                if (w->at[n].has[o][m] == HELD && w->at[o].queued[m])
                    return false;
        }
    return true;
}

/* --- a run --- */

struct sums {
    size_t acked, twice, excused;
};

static bool judge(const struct world *w, unsigned long long seed, struct sums *sums)
{
    bool good = true;

    for (size_t m = 0; m < w->count; m++) {
        const struct message *message = &w->messages[m];

        sums->acked += message->acked;
        sums->twice += message->out > 1;
        sums->excused += message->excused;
        if (message->acked && message->out == 0) {
            printf("seed %llu: message %zu was acknowledged and is lost\n", seed, m);
            good = false;
        }
        if (message->out > 1 && !message->excused) {
            printf("seed %llu: message %zu went out %u times\n", seed, m, message->out);
            good = false;
        }
    }
    return good;
}

static bool run(unsigned long long seed, struct sums *sums)
{
    struct world *w = mem_new(struct world);
    bool good = false;

    w->random = seed * 2654435761ULL + 1;
    w->now_ms = 1000000;
    w->servers = 2 + pick(w, SERVERS_MAX - 1);
    w->cuts = pick(w, 2) == 0;
    for (size_t n = 0; n < w->servers; n++)
        start(w, n);
    for (size_t tick = 0; tick < TICKS_MAX; tick++, w->now_ms += TICK_MS) {
        bool early = tick < TROUBLE_TICKS;

        if (early)
            trouble(w);
        come_back(w, !early);
        for (size_t n = 0; n < w->servers; n++)
            if (runs(&w->at[n]))
                tick_server(w, n, early);
        if (!early && quiet(w))
            break;
    }
    if (!quiet(w))
        printf("seed %llu: something is still waiting\n", seed);
    good = judge(w, seed, sums) && quiet(w);
    mem_free(w);
    return good;
}

int main(int argc, char **argv)
{
    unsigned long long count = argc > 1 ? strtoull(argv[1], NULL, 10) : 1500;
    unsigned long long first = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    struct sums sums = {0};
    unsigned long long bad = 0;

    for (unsigned long long seed = first; seed < first + count; seed++)
        bad += !run(seed, &sums);
    printf(
        "%llu runs: %zu messages acknowledged, %llu runs bad, %zu messages out twice where a word "
        "was lost (of %zu)\n",
        count, sums.acked, bad, sums.twice, sums.excused);
    return bad == 0 ? 0 : 1;
}
