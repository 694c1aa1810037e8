/* health_rank.h: in which order servers are tried, and what is said of each to people who ask why:
 * for mail's way and for free/busy questions alike. Pure. */
#pragma once
#include "health/health.h"

struct arena;

/* The lower, the sooner. */
enum health_rank {
    HEALTH_RANK_UP,
    HEALTH_RANK_BUSY,
    HEALTH_RANK_SUSPECT, /* or what did not answer lately */
    HEALTH_RANK_LATER,   /* not what was asked for: it goes round what does not answer */
    HEALTH_RANK_LATER_BUSY,
    HEALTH_RANK_LATER_SUSPECT,
    HEALTH_RANK_DOWN,   /* where nobody else is left */
    HEALTH_RANK_PASSED, /* never tried */
};

/* pass_busy: a busy server comes behind those that are not. One that is restricted is passed. */
enum health_rank health_rank_of(const struct health_look *look, bool pass_busy);
/* The rank behind all of those that are up, busy or suspect; DOWN and PASSED stay. */
enum health_rank health_rank_later(enum health_rank rank);
/* Indexes of ranks into order_r, by rank and where that is the same as they stand; those PASSED are
 * not among them. Returns how many. */
size_t health_rank_order(const enum health_rank *ranks, size_t count, size_t *order_r);
/* "up for 3 s", "busy (index 12) for 3 s", in arena; "" where nothing is known. */
const char *health_rank_text(struct arena *arena, const struct health_look *look, uint64_t now_ms);

/* What was looked at, for people: what was taken and what was passed over. */
struct health_candidate {
    const char *name;  /* "server mail2", "gateway mail2 of BTEx-1", "host mx.example.net:25" */
    const char *state; /* "up for 3 s", "down for 12 s", "here"; "" where nothing is known */
    bool taken;
    const char *why;
};
