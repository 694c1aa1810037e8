#include "health/health_rank.h"

#include "base/arena.h"
#include "base/slice.h"

#include <stdio.h>

#define STATE_BYTES 80

enum health_rank health_rank_of(const struct health_look *look, bool pass_busy)
{
    static const enum health_rank ranks[] = {
        [HEALTH_UP] = HEALTH_RANK_UP,           [HEALTH_BUSY] = HEALTH_RANK_BUSY,
        [HEALTH_SUSPECT] = HEALTH_RANK_SUSPECT, [HEALTH_RESTRICTED] = HEALTH_RANK_PASSED,
        [HEALTH_DOWN] = HEALTH_RANK_DOWN,
    };
    static_assert(COUNT(ranks) == HEALTH_STATE_MAX, "one for each");

    return look->state == HEALTH_BUSY && !pass_busy ? HEALTH_RANK_UP : ranks[look->state];
}

enum health_rank health_rank_later(enum health_rank rank)
{
    return rank < HEALTH_RANK_LATER ? rank + HEALTH_RANK_LATER : rank;
}

size_t health_rank_order(const enum health_rank *ranks, size_t count, size_t *order_r)
{
    size_t taken = 0;

    for (enum health_rank rank = HEALTH_RANK_UP; rank < HEALTH_RANK_PASSED; rank++)
        for (size_t i = 0; i < count; i++)
            if (ranks[i] == rank)
                order_r[taken++] = i;
    return taken;
}

const char *health_rank_text(struct arena *arena, const struct health_look *look, uint64_t now_ms)
{
    unsigned long long since_s = (unsigned long long)(now_ms - look->since_ms) / SEC_MS;
    char text[STATE_BYTES];

    if (!look->known)
        return "";
    if (look->state == HEALTH_BUSY)
        snprintf(text, sizeof(text), "busy (index %u) for %llu s", look->index, since_s);
    else
        snprintf(text, sizeof(text), "%s for %llu s", health_state_name(look->state), since_s);
    return slice_cstr(arena, slice_str(text));
}
