#include "http/http_route.h"

#include "base/slice.h"

#include <string.h>

void http_routes_add(struct http_routes *routes, const char *path,
                     const struct http_service *service)
{
    assert(routes->count < HTTP_ROUTES_MAX);
    routes->list[routes->count++] = (struct http_route){path, *service};
}

bool http_route_takes(const char *route, const char *path)
{
    const size_t len = strlen(route);

    return slice_istarts(slice_str(path), slice_str(route)) &&
           (len == 0 || path[len] == '\0' || path[len] == '/');
}

static void begin(void *ctx, struct http_request *request)
{
    const struct http_routes *routes = ctx;

    for (size_t i = 0; i < routes->count; i++)
        if (http_route_takes(routes->list[i].path, http_request_path(request))) {
            http_request_hand(request, &routes->list[i].service);
            return;
        }
    http_reply(request, 404, "text/plain", SLICE("nothing is here\n"));
}

struct http_service http_routes_service(struct http_routes *routes)
{
    return (struct http_service){.ctx = routes, .begin = begin};
}
