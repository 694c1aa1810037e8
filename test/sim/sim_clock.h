/* sim_clock.h: a virtual clock: what happens next, and chance from a seed. */
#pragma once
#include "base/base.h"

/* --- chance: splitmix64 --- */

uint64_t sim_random(uint64_t *seed);
uint32_t sim_random_u32(uint64_t *seed);
/* 0 to n - 1; n is not 0. */
uint64_t sim_random_below(uint64_t *seed, uint64_t n);
bool sim_chance(uint64_t *seed, unsigned percent);

/* --- time --- */

/* The smallest (at_ms, id) first; ids break ties, so a run is the same every time. */
struct sim_entry {
    int64_t at_ms;
    uint64_t id;
};
struct sim_heap {
    struct sim_entry *at;
    size_t count;
    size_t cap;
};

void sim_heap_put(struct sim_heap *heap, int64_t at_ms, uint64_t id);
/* The heap is not empty. */
struct sim_entry sim_heap_take(struct sim_heap *heap);
void sim_heap_fini(struct sim_heap *heap);
