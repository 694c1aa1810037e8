#include "router/router_opening.h"

#include "base/slice.h"

#include <stdio.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

void router_opening_init(struct router_opening *opening)
{
    *opening = (struct router_opening){.gone_fd = -1, .wait_fd = -1};
}

void router_opening_fini(struct router_opening *opening)
{
    if (opening->gone_fd >= 0)
        close(opening->gone_fd);
    if (opening->wait_fd >= 0)
        close(opening->wait_fd);
    router_opening_init(opening);
}

static bool add(int epoll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN};

    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

/* One descriptor for both: an epoll set is itself readable when one of its members is. */
static bool make(struct router_opening *opening, int stop_fd)
{
    if (opening->wait_fd >= 0)
        return true;
    opening->gone_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    opening->wait_fd = epoll_create1(EPOLL_CLOEXEC);
    if (opening->gone_fd >= 0 && opening->wait_fd >= 0 && add(opening->wait_fd, stop_fd) &&
        add(opening->wait_fd, opening->gone_fd))
        return true;
    router_opening_fini(opening);
    return false;
}

int router_opening_begin(struct router_opening *opening, int stop_fd, const char *server,
                         enum health_state state)
{
    if (!make(opening, stop_fd))
        return stop_fd; /* no descriptors left: as long as its time-out */
    snprintf(opening->server, sizeof(opening->server), "%s", server);
    opening->was_down = state == HEALTH_DOWN;
    opening->gone = false;
    return opening->wait_fd;
}

bool router_opening_end(struct router_opening *opening)
{
    eventfd_t count;

    if (opening->gone)
        (void)eventfd_read(opening->gone_fd, &count);
    opening->server[0] = '\0';
    return opening->gone;
}

void router_opening_look(struct router_opening *opening, const struct health_view *view,
                         uint64_t now_ms)
{
    if (opening->server[0] == '\0' || opening->was_down || opening->gone ||
        health_of(view, slice_str(opening->server), now_ms).state != HEALTH_DOWN)
        return;
    opening->gone = true;
    (void)eventfd_write(opening->gone_fd, 1);
}
