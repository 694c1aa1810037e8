#include "sim_check.h"

#include "router/router.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct sim_settings sim_settings = {
    .retry_min_ms = 30000, .retry_max_ms = HOUR_MS, .probe_ms = 2000, .timeout_ms = 5 * DAY_MS};

static uint64_t the_seed;

void sim_check_begin(uint64_t seed)
{
    the_seed = seed;
}

void sim_violation(int64_t now_ms, const char *fmt, ...)
{
    va_list ap;

    printf("seed %llu: after %lld ms: ", (unsigned long long)the_seed,
           (long long)(now_ms - SIM_START_MS));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    printf("\n");
    exit(1);
}

void sim_check_take(const struct sim_row *row, const struct router_pace *pace, int64_t now_ms)
{
    if (row->state != SIM_TRIED_NOW)
        sim_violation(now_ms, "message %u is taken up in state %d", row->message, (int)row->state);
    if (row->next_ms > now_ms)
        sim_violation(now_ms, "message %u is tried %lld ms before its time", row->message,
                      (long long)(row->next_ms - now_ms));
    if (pace->next_ms > now_ms)
        sim_violation(now_ms, "a destination is tried %lld ms before its time",
                      (long long)(pace->next_ms - now_ms));
}

void sim_check_offer(const struct sim_row *row, int64_t now_ms)
{
    if (row->confirmed)
        sim_violation(now_ms, "message %u is sent again though it arrived", row->message);
    if (row->doubtful)
        sim_violation(now_ms, "message %u goes to another host though it may have arrived",
                      row->message);
    if (row->refused)
        sim_violation(now_ms, "message %u goes to another host though it was refused",
                      row->message);
}

/* Whether ms is least_ms doubled for each failure after the first, at most most_ms, give or take a
 * fifth. */
static bool is_retry(int64_t ms, uint64_t failures, double least_ms, double most_ms)
{
    double want = least_ms;

    for (uint64_t i = 1; i < failures && want < most_ms; i++)
        want *= 2;
    if (want > most_ms)
        want = most_ms;
    return (double)ms >= 0.8 * want - 1 && (double)ms <= 1.2 * want + 1;
}

static void check_later(const struct sim_row *row, const struct router_outcome *outcome,
                        int64_t now_ms)
{
    int64_t ms = outcome->next_ms - now_ms;

    if (outcome->attempts != row->attempts + 1)
        sim_violation(now_ms, "message %u: %u tries became %llu", row->message, row->attempts,
                      (unsigned long long)outcome->attempts);
    if (!is_retry(ms, outcome->attempts, (double)SIM_RETRY_MIN_MS, (double)SIM_RETRY_MAX_MS))
        sim_violation(now_ms, "message %u: after %llu tries the next comes in %lld ms",
                      row->message, (unsigned long long)outcome->attempts, (long long)ms);
    if (now_ms - row->accepted_ms >= (int64_t)SIM_TIMEOUT_MS)
        sim_violation(now_ms, "message %u is tried again after its time", row->message);
}

void sim_check_outcome(const struct sim_row *row, const struct router_outcome *outcome, bool asked,
                       bool tells, int64_t now_ms)
{
    enum router_outcome_what what = outcome->what;
    bool done = what == ROUTER_OUTCOME_DONE || what == ROUTER_OUTCOME_RELAYED;
    bool old = now_ms - row->accepted_ms >= (int64_t)SIM_TIMEOUT_MS;

    if (done != row->confirmed)
        sim_violation(now_ms, "message %u: outcome %d, %s", row->message, (int)what,
                      row->confirmed ? "though a host took it" : "though no host said 250");
    if (done &&
        (what == ROUTER_OUTCOME_RELAYED) != ((row->notify & ROUTER_NOTIFY_SUCCESS) != 0 && !tells))
        sim_violation(now_ms, "message %u: success is told by nobody, or twice", row->message);
    if (row->refused && what != ROUTER_OUTCOME_FAILED)
        sim_violation(now_ms, "message %u was refused for good: outcome %d", row->message,
                      (int)what);
    if (what == ROUTER_OUTCOME_FAILED && !row->refused && !row->hopeless && !old)
        sim_violation(now_ms, "message %u was given up for no reason: %s", row->message,
                      outcome->said);
    if (what == ROUTER_OUTCOME_WAITS && asked)
        sim_violation(now_ms, "message %u waits for a destination that is there", row->message);
    if (what == ROUTER_OUTCOME_LATER && !asked)
        sim_violation(now_ms, "message %u pays for a destination that is not there", row->message);
    if (what == ROUTER_OUTCOME_LATER)
        check_later(row, outcome, now_ms);
}

void sim_check_pace(const struct router_pace *before, const struct router_pace *after,
                    const struct router_pace_limits *limits, int64_t now_ms)
{
    if (router_pace_limit(after, limits) > limits->connections_max)
        sim_violation(now_ms, "a destination may have more connections than the setting says");
    if (after->attempts == 0 && after->next_ms > now_ms)
        sim_violation(now_ms, "a destination that is up is left alone");
    if (after->attempts == 0 || after->attempts == before->attempts)
        return;
    if (after->attempts != before->attempts + 1)
        sim_violation(now_ms, "a destination's failures became %llu from %llu",
                      (unsigned long long)after->attempts, (unsigned long long)before->attempts);
    if (!is_retry(after->next_ms - now_ms, after->attempts, (double)limits->retry_min_ms,
                  (double)limits->retry_max_ms))
        sim_violation(now_ms, "after %llu failures a destination is tried in %lld ms",
                      (unsigned long long)after->attempts, (long long)(after->next_ms - now_ms));
}

void sim_check_end(const struct sim_row *row, int64_t now_ms)
{
    if (row->state != SIM_DELIVERED && row->state != SIM_FAILED)
        sim_violation(now_ms, "message %u of domain %u is neither delivered nor reported",
                      row->message, row->domain);
    if (row->state == SIM_DELIVERED && row->taken != 1U + row->unheard)
        sim_violation(now_ms, "message %u was taken %u times, %u of them unheard", row->message,
                      row->taken, row->unheard);
    if (row->state == SIM_FAILED && row->taken != row->unheard)
        sim_violation(now_ms, "message %u was delivered and reported", row->message);
}
