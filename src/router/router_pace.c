#include "router/router_pace.h"

#define UNKNOWN_LIMIT \
    2 /* nobody knows yet whether it answers: those that hang hold few senders \
       */
#define FIRST_LIMIT 5
#define LATELY_MS 2000 /* what got through within it says that the destination is up */

struct router_pace_limits router_pace_limits_of(struct router_pace_limits limits,
                                                uint64_t connections_max, uint64_t retry_max_ms)
{
    if (connections_max != 0)
        limits.connections_max = connections_max;
    if (retry_max_ms != 0 && retry_max_ms < limits.retry_max_ms)
        limits.retry_max_ms = retry_max_ms;
    if (limits.retry_min_ms > limits.retry_max_ms)
        limits.retry_min_ms = limits.retry_max_ms;
    return limits;
}

uint64_t router_retry_ms(uint64_t attempts, uint32_t random,
                         const struct router_pace_limits *limits)
{
    uint64_t ms = limits->retry_min_ms;

    for (uint64_t i = 1; i < attempts && ms < limits->retry_max_ms; i++)
        ms *= 2;
    if (ms > limits->retry_max_ms)
        ms = limits->retry_max_ms;
    return ms - ms / 5 + (2 * (ms / 5) * (uint64_t)random >> 32);
}

uint64_t router_pace_limit(const struct router_pace *pace, const struct router_pace_limits *limits)
{
    uint64_t limit = pace->limit != 0     ? pace->limit
                     : pace->good_ms != 0 ? FIRST_LIMIT
                                          : UNKNOWN_LIMIT;

    if (pace->attempts > 0)
        return 1; /* one finds out whether it is back */
    return limit < limits->connections_max ? limit : limits->connections_max;
}

bool router_pace_good(struct router_pace *pace, const struct router_pace_limits *limits,
                      int64_t now_ms)
{
    bool was_down = pace->attempts > 0;

    pace->attempts = 0;
    pace->next_ms = 0;
    pace->good_ms = now_ms;
    pace->limit = router_pace_limit(pace, limits);
    if (++pace->credit >= pace->limit && pace->limit < limits->connections_max) {
        pace->limit++;
        pace->credit = 0;
    }
    return was_down;
}

static void leave_alone(struct router_pace *pace, const struct router_pace_limits *limits,
                        int64_t now_ms, uint32_t random)
{
    pace->attempts++;
    pace->limit = 0;
    pace->credit = 0;
    pace->next_ms = now_ms + (int64_t)router_retry_ms(pace->attempts, random, limits);
}

void router_pace_busy(struct router_pace *pace, const struct router_pace_limits *limits,
                      int64_t now_ms, uint32_t random)
{
    uint64_t limit = router_pace_limit(pace, limits);

    pace->credit = 0;
    if (limit > 1)
        pace->limit = limit / 2;
    else if (pace->next_ms <= now_ms)
        leave_alone(pace, limits, now_ms, random);
}

void router_pace_down(struct router_pace *pace, const struct router_pace_limits *limits,
                      int64_t now_ms, uint32_t random)
{
    if (pace->good_ms != 0 && now_ms - pace->good_ms < LATELY_MS && pace->limit > 1)
        router_pace_busy(pace, limits, now_ms, random);
    else if (pace->next_ms <= now_ms)
        leave_alone(pace, limits, now_ms, random);
}
