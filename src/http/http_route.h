/* http_route.h: several services on the same sockets, told apart by the path. */
#pragma once
#include "http/http.h"

#define HTTP_ROUTES_MAX 16

struct http_routes {
    struct http_route {
        const char *path;
        struct http_service service;
    } list[HTTP_ROUTES_MAX];
    size_t count;
};

/* path, a literal: "/ews" is that and what is below it, in any letter case; "": whatever no route
 * before it took. */
void http_routes_add(struct http_routes *routes, const char *path,
                     const struct http_service *service);
/* What is to listen: it hands each request to the first route that takes its path; 404 where there
 * is none. routes is borrowed, and stays as it is from then on. */
struct http_service http_routes_service(struct http_routes *routes);
/* Whether the path is that of the route or below it. Pure. */
bool http_route_takes(const char *route, const char *path);
