/* sim_check.h: what must hold, told apart from how the router decides: bounds are worked out here
 * once more, from the documentation. A violation prints the seed and ends the program. */
#pragma once
#include "router/router_outcome.h"
#include "sim_world.h"

/* The settings in force; at first the documented ones, doc/architecture.md and conf.def. */
struct sim_settings {
    uint64_t retry_min_ms;
    uint64_t retry_max_ms;
    uint64_t probe_ms;
    uint64_t timeout_ms;
};
extern struct sim_settings sim_settings;
#define SIM_RETRY_MIN_MS sim_settings.retry_min_ms
#define SIM_RETRY_MAX_MS sim_settings.retry_max_ms
#define SIM_PROBE_MS sim_settings.probe_ms
#define SIM_TIMEOUT_MS sim_settings.timeout_ms
#define SIM_CONNECTIONS_MAX 100
#define SIM_PER_DESTINATION_MAX 20

/* Of the run whose violations are told from now on. */
void sim_check_begin(uint64_t seed);
/* Prints seed and time and ends the program. */
PRINTF(2, 3) void sim_violation(int64_t now_ms, const char *fmt, ...);

/* The row is about to be taken up. */
void sim_check_take(const struct sim_row *row, const struct router_pace *pace, int64_t now_ms);
/* It is about to be offered to a host. */
void sim_check_offer(const struct sim_row *row, int64_t now_ms);
/* What was decided. asked: a host could be asked. */
void sim_check_outcome(const struct sim_row *row, const struct router_outcome *outcome, bool asked,
                       bool tells, int64_t now_ms);
/* A destination after an attempt. */
void sim_check_pace(const struct router_pace *before, const struct router_pace *after,
                    const struct router_pace_limits *limits, int64_t now_ms);
/* At the end of all. */
void sim_check_end(const struct sim_row *row, int64_t now_ms);
