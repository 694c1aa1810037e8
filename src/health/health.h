/* health.h: which server is up, suspect, down, busy or restricted, as seen from here.
 *
 *   health_step()       pure: what is known of a server, something that happened -> what is known.
 *   struct health_view  all servers at one moment, for deciders; a plain value, so that a
 * simulation can write one down. struct health       the table that the probes report into. Safe to
 * use from many threads.
 *
 * Times are of the monotonic clock (sys_mono_ms()), or of any clock that a simulation likes. The
 * wall clocks of the servers are never compared: an epoch is a number that grows with each start of
 * a server, and is all that is looked at. */
#pragma once
#include "base/base.h"

#define HEALTH_NAME_BYTES 256
#define HEALTH_SERVERS_MAX 256

/* In the order in which a server is preferred. */
enum health_state {
    HEALTH_UP,
    HEALTH_BUSY,    /* its availability index is at its threshold or below */
    HEALTH_SUSPECT, /* silent for cluster_suspect_ms, or a connection to it failed; or new here */
    HEALTH_RESTRICTED, /* it answers, and wants nothing new */
    HEALTH_DOWN,       /* silent for cluster_down_ms, or not yet steady after that */
    HEALTH_STATE_MAX,
};
const char *health_state_name(enum health_state state); /* "up", "busy" and so on */
MUST_USE enum st health_state_find(struct slice name, enum health_state *state_r);

struct health_limits {
    uint64_t suspect_ms; /* silence after which a server is suspect */
    uint64_t down_ms;    /* ... and down */
    uint64_t steady_ms;  /* how long one that was down must answer without a gap to be up again */
};

/* How often steady_ms doubles for a server that goes up and down, and after how long a time of
 * being up one fall is forgotten. */
#define HEALTH_FLAPS_MAX 5
#define HEALTH_FLAP_MS MIN_MS
/* Answers in a row without a gap before a suspect server is up. */
#define HEALTH_GOOD_MIN 2
/* A busy server is not busy any more when its index is so far above the threshold. */
#define HEALTH_BUSY_MARGIN 5

/* What is known of one server. */
struct health_peer {
    enum health_state state;
    enum health_state reach; /* up, suspect or down, whatever it says of itself */
    bool busy;
    bool restricted;
    bool self;           /* this server: it is always within reach */
    bool heard;          /* an answer came once */
    unsigned index;      /* availability, 0 to 100; 100: idle */
    unsigned threshold;  /* its server_availability_threshold */
    unsigned good_count; /* answers without a gap */
    unsigned flaps;
    uint64_t epoch;
    uint64_t now_ms;   /* the latest time that was seen */
    uint64_t since_ms; /* since when state is what it is */
    uint64_t heard_ms; /* the last answer; the beginning, as long as there was none */
    uint64_t steady_from_ms;
    uint64_t flapped_ms; /* when flaps was changed */
    uint64_t rtt_us;     /* of the last answer */
};

enum health_event_kind {
    HEALTH_EVENT_PONG,   /* it answered */
    HEALTH_EVENT_MISSED, /* an answer did not come when it should have */
    HEALTH_EVENT_FAILED, /* a connection to it was refused, or broke */
    HEALTH_EVENT_TIME,   /* time passed */
};

struct health_event {
    enum health_event_kind kind;
    uint64_t now_ms;
    /* of an answer */
    uint64_t epoch;
    unsigned index;
    unsigned threshold;
    bool restricted;
    uint64_t rtt_us;
};

/* A server of which nothing is known: suspect until it answers, down if it does not. */
struct health_peer health_peer_new(uint64_t now_ms);
/* A server that is in this state now, for whoever asks what would be. */
struct health_peer health_peer_as(const struct health_limits *limits, enum health_state state,
                                  uint64_t now_ms);
/* The next state. Never fails: an answer of an earlier epoch is a late one and says nothing; a time
 * before the latest one seen is taken for that one. */
struct health_peer health_step(const struct health_limits *limits, struct health_peer peer,
                               const struct health_event *event);

/* The availability index: 100 where nothing waits, 0 where 64 threads want each processor (as
 * Domino's expansion factor), a sixth less for each doubling; never more than the share of session
 * threads that are free. */
struct health_load {
    uint64_t running; /* threads that run or want to, on the whole machine */
    uint64_t processors;
    uint64_t threads_busy;
    uint64_t threads_max;
};
unsigned health_index(const struct health_load *load);

/* --- a view --- */

struct health_server {
    char name[HEALTH_NAME_BYTES];
    struct health_peer peer;
};

struct health_view {
    const struct health_server *servers; /* by name */
    size_t count;
    struct health_limits limits;
};

struct health_look {
    enum health_state state;
    uint64_t since_ms;
    unsigned index;
    bool
        known; /* false: no probe watches a server of this name; state is up, since the beginning */
};

/* How a server is at now_ms: silence since the view was made counts. The name is without case. */
struct health_look health_of(const struct health_view *view, struct slice server, uint64_t now_ms);

/* --- the table --- */

struct health;

struct health *health_new(const struct health_limits *limits);
void health_free(struct health **health); /* no view of it is held any more */
void health_set_limits(struct health *health, const struct health_limits *limits);

/* Begins to watch a server, where it is not watched yet. ST_TOO_BIG: HEALTH_SERVERS_MAX. */
MUST_USE enum st health_add(struct health *health, struct slice server, bool self, uint64_t now_ms);
void health_remove(struct health *health, struct slice server);
/* Something happened; a server that is not watched is passed over. Logs a change of state and tells
 * the watchers. Returns the state. */
enum health_state health_feed(struct health *health, struct slice server,
                              const struct health_event *event);
/* For whoever meets a server that does not answer: FAILED. */
void health_report_failed(struct health *health, struct slice server, uint64_t now_ms);
/* Time passed, for all of them. */
void health_tick(struct health *health, uint64_t now_ms);

/* fn is called after each change of a state, on the thread that fed it, with no lock held, and must
 * only note it. At most four; before the first feed. */
typedef void health_watch_fn(void *ctx, struct slice server, enum health_state from,
                             enum health_state to);
void health_watch(struct health *health, health_watch_fn *fn, void *ctx);

/* The newest view, with a reference; immutable. */
const struct health_view *health_view_ref(struct health *health);
void health_view_unref(const struct health_view **view); /* NULL is fine; sets *view to NULL */
