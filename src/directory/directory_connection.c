#include "directory/directory_connection.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_name.h"

#include <string.h>

#define AT(member) offsetof(struct directory_connection_document, member)
#define CONNECTIONS_MAX 1000

static bool domain_pattern(struct slice domain)
{
    if (slice_eq(domain, SLICE("*")))
        return true;
    if (slice_starts(domain, SLICE("*.")))
        domain = slice_sub(domain, 2, domain.len);
    return directory_name_is_domain(domain);
}

static enum st take_domain(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_texts *domains = at;
    struct slice domain = slice_lower(reading->arena, slice_str(value));

    if (!domain_pattern(domain))
        return directory_text_refuse(
            reading, "%s is not a domain; write example.net, *.example.net or *", value);
    if (domains->count == DIRECTORY_CONNECTION_DOMAINS_MAX)
        return directory_text_refuse(reading, "domain %s is one too many; %d may stand here", value,
                                     DIRECTORY_CONNECTION_DOMAINS_MAX);
    directory_text_append(reading, domains, domain);
    return ST_OK;
}

/* The part of "host:port" or "[address]:port" before the port; false where the port is none. */
static bool split_port(struct slice text, struct slice *host_r, uint64_t *port_r)
{
    size_t colon = SIZE_MAX;

    *port_r = 0;
    for (size_t i = text.len; i-- > 0 && text.ptr[i] != ']';)
        if (text.ptr[i] == ':')
            colon = i;
    *host_r = slice_sub(text, 0, colon);
    if (colon == SIZE_MAX)
        return true;
    return slice_to_u64(slice_sub(text, colon + 1, text.len), port_r) == ST_OK && *port_r > 0 &&
           *port_r <= UINT16_MAX;
}

/* Takes the brackets off an address of version 6. */
static bool host_ok(struct slice *host)
{
    if (host->len > 2 && host->ptr[0] == '[' && host->ptr[host->len - 1] == ']') {
        *host = slice_sub(*host, 1, host->len - 2);
        for (size_t i = 0; i < host->len; i++)
            if (host->ptr[i] == '\0' || strchr("0123456789abcdef:.", host->ptr[i]) == NULL)
                return false;
        return slice_find(*host, ':') != SIZE_MAX;
    }
    return directory_name_is_domain(*host);
}

bool directory_connection_host(struct arena *arena, const char *value,
                               struct directory_host *host_r)
{
    struct slice host;
    uint64_t port;

    if (!split_port(slice_lower(arena, slice_str(value)), &host, &port) || !host_ok(&host))
        return false;
    *host_r = (struct directory_host){
        .name = slice_cstr(arena, host), .port = (uint16_t)port, .mx = slice_eq(host, SLICE("mx"))};
    return true;
}

enum st directory_connection_take_host(struct directory_reading *reading, void *at,
                                       const char *value)
{
    struct directory_hosts *hosts = at;
    struct directory_host host;

    if (!directory_connection_host(reading->arena, value, &host))
        return directory_text_refuse(
            reading, "%s is not a host; write smtp.example.net:587, [2001:db8::1]:25 or mx", value);
    if (hosts->count == DIRECTORY_HOSTS_MAX)
        return directory_text_refuse(reading, "host %s is one too many; %d may stand here", value,
                                     DIRECTORY_HOSTS_MAX);
    if (hosts->count == hosts->cap)
        hosts->at =
            arena_grow(reading->arena, hosts->at, hosts->count, &hosts->cap, sizeof(*hosts->at));
    hosts->at[hosts->count++] = host;
    return ST_OK;
}

enum st directory_connection_take_tls(struct directory_reading *reading, void *at,
                                      const char *value)
{
    enum directory_tls *tls = at;

    if (directory_tls_find(slice_str(value), tls) != ST_OK)
        return directory_text_refuse(
            reading, "tls = %s: write none, opportunistic, required or verified", value);
    return ST_OK;
}

enum st directory_connection_take_max(struct directory_reading *reading, void *at,
                                      const char *value)
{
    return directory_text_take_number(reading, at, value, 1, CONNECTIONS_MAX);
}

static const struct directory_field fields[] = {
    {"domain", take_domain, AT(domains)},
    DIRECTORY_CONNECTION_FIELDS(struct directory_connection_document),
};

enum st directory_connection_end(struct directory_reading *reading,
                                 const struct directory_hosts *hosts,
                                 struct directory_connection *connection)
{
    connection->hosts = hosts->at;
    connection->host_count = hosts->count;
    connection->priority = reading->common->priority;
    if (connection->tls_first && connection->tls == DIRECTORY_TLS_NONE)
        return directory_text_refuse(reading, "tls = none and tls_first = yes exclude each other");
    if (connection->password[0] != '\0' && connection->user[0] == '\0')
        return directory_text_refuse(reading, "a password without a user");
    return ST_OK;
}

enum st directory_connection_read(struct arena *arena, struct slice name, struct slice body,
                                  struct directory_connection_document *document_r, struct buf *why)
{
    struct directory_reading reading = {
        arena, document_r, why, "connection", fields, COUNT(fields), &document_r->common};

    memset(document_r, 0, sizeof(*document_r));
    document_r->connection.name = slice_cstr(arena, name);
    document_r->connection.user = "";
    document_r->connection.password = "";
    enum st st = directory_text_read(&reading, name, body);
    if (st != ST_OK)
        return st;
    if (document_r->domains.count == 0)
        return directory_text_refuse(&reading, "there is no domain; write domain = example.net");
    return directory_connection_end(&reading, &document_r->hosts, &document_r->connection);
}
