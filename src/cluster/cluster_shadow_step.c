#include "cluster/cluster_shadow_step.h"

bool cluster_shadow_takes(const struct cluster_owner_look *owner, uint64_t takeover_ms)
{
    if (owner->open == 0 || owner->absent_ms < takeover_ms || owner->seen_by_others)
        return false;
    return !owner->known || (owner->state == HEALTH_DOWN && owner->state_ms >= takeover_ms);
}

enum cluster_settle cluster_shadow_settle(bool taken, bool known, bool active)
{
    if (active)
        return CLUSTER_SETTLE_KEEP;
    if (known)
        return taken ? CLUSTER_SETTLE_GIVE_UP : CLUSTER_SETTLE_KEEP;
    return CLUSTER_SETTLE_DROP;
}

bool cluster_shadow_sure(uint64_t silent_ms, uint64_t takeover_ms)
{
    return silent_ms < takeover_ms / 2;
}
