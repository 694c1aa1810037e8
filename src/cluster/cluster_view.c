#include "cluster/cluster_run.h"

void cluster_view_write(struct health *health, uint64_t now_ms, struct buf *out)
{
    const struct health_view *view = health_view_ref(health);

    for (size_t i = 0; i < view->count; i++) {
        const char *name = view->servers[i].name;
        struct health_look look = health_of(view, slice_str(name), now_ms);

        if (!view->servers[i].peer.self)
            buf_putf(out, "%s %s %llu %u\n", name, health_state_name(look.state),
                     (unsigned long long)(now_ms - look.since_ms), look.index);
    }
    health_view_unref(&view);
}
