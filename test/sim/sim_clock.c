#include "sim_clock.h"

#include "base/mem.h"

#include <string.h>

uint64_t sim_random(uint64_t *seed)
{
    uint64_t n = *seed += UINT64_C(0x9e3779b97f4a7c15);

    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

uint32_t sim_random_u32(uint64_t *seed)
{
    return (uint32_t)(sim_random(seed) >> 32);
}

uint64_t sim_random_below(uint64_t *seed, uint64_t n)
{
    return sim_random(seed) % n;
}

bool sim_chance(uint64_t *seed, unsigned percent)
{
    return sim_random_below(seed, 100) < percent;
}

static bool before(struct sim_entry a, struct sim_entry b)
{
    return a.at_ms != b.at_ms ? a.at_ms < b.at_ms : a.id < b.id;
}

static void grow(struct sim_heap *heap)
{
    size_t cap = heap->cap == 0 ? 64 : 2 * heap->cap;
    struct sim_entry *at = mem_alloc(cap * sizeof(*at));

    if (heap->count > 0)
        memcpy(at, heap->at, heap->count * sizeof(*at));
    mem_free(heap->at);
    heap->at = at;
    heap->cap = cap;
}

void sim_heap_put(struct sim_heap *heap, int64_t at_ms, uint64_t id)
{
    const struct sim_entry entry = {at_ms, id};
    size_t i = heap->count;

    if (heap->count == heap->cap)
        grow(heap);
    heap->count++;
    for (; i > 0 && before(entry, heap->at[(i - 1) / 2]); i = (i - 1) / 2)
        heap->at[i] = heap->at[(i - 1) / 2];
    heap->at[i] = entry;
}

struct sim_entry sim_heap_take(struct sim_heap *heap)
{
    struct sim_entry first = heap->at[0];
    struct sim_entry last = heap->at[--heap->count];
    size_t i = 0;

    for (size_t child = 1; child < heap->count; child = 2 * i + 1) {
        if (child + 1 < heap->count && before(heap->at[child + 1], heap->at[child]))
            child++;
        if (!before(heap->at[child], last))
            break;
        heap->at[i] = heap->at[child];
        i = child;
    }
    if (heap->count > 0)
        heap->at[i] = last;
    return first;
}

void sim_heap_fini(struct sim_heap *heap)
{
    mem_free(heap->at);
    *heap = (struct sim_heap){0};
}
