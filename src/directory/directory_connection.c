#include "directory/directory_connection.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_name.h"

#include <string.h>

#define AT(member) offsetof(struct directory_connection_document, member)
#define CONNECTIONS_MAX 1000
#define PRIORITY_MAX 1000000

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

static enum st take_host(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_connection_document *document = reading->document;
    struct directory_connection *connection = &document->connection;
    struct directory_host *hosts = connection->hosts;
    struct slice host;
    uint64_t port;

    if (!split_port(slice_lower(reading->arena, slice_str(value)), &host, &port) || !host_ok(&host))
        return directory_text_refuse(
            reading, "%s is not a host; write smtp.example.net:587, [2001:db8::1]:25 or mx", value);
    if (connection->host_count == DIRECTORY_HOSTS_MAX)
        return directory_text_refuse(reading, "host %s is one too many; %d may stand here", value,
                                     DIRECTORY_HOSTS_MAX);
    if (connection->host_count == document->host_cap)
        hosts = arena_grow(reading->arena, hosts, connection->host_count, &document->host_cap,
                           sizeof(*hosts));
    hosts[connection->host_count++] =
        (struct directory_host){.name = slice_cstr(reading->arena, host),
                                .port = (uint16_t)port,
                                .mx = slice_eq(host, SLICE("mx"))};
    connection->hosts = hosts;
    return ST_OK;
}

static enum st take_tls(struct directory_reading *reading, void *at, const char *value)
{
    enum directory_tls *tls = at;

    if (directory_tls_find(slice_str(value), tls) != ST_OK)
        return directory_text_refuse(
            reading, "tls = %s: write none, opportunistic, required or verified", value);
    return ST_OK;
}

static enum st take_number(struct directory_reading *reading, void *at, const char *value,
                           uint64_t min, uint64_t max)
{
    uint64_t *number = at;

    if (directory_text_take_u64(reading, at, value) != ST_OK)
        return ST_INVALID;
    if (*number < min || *number > max)
        return directory_text_refuse(reading, "%s is not between %llu and %llu", value,
                                     (unsigned long long)min, (unsigned long long)max);
    return ST_OK;
}

static enum st take_connections_max(struct directory_reading *reading, void *at, const char *value)
{
    return take_number(reading, at, value, 1, CONNECTIONS_MAX);
}

static enum st take_priority(struct directory_reading *reading, void *at, const char *value)
{
    return take_number(reading, at, value, 0, PRIORITY_MAX);
}

static const struct directory_field fields[] = {
    {"domain", take_domain, AT(domains)},
    {"host", take_host, AT(connection.hosts)},
    {"user", directory_text_take, AT(connection.user)},
    {"password", directory_text_take, AT(connection.password)},
    {"tls", take_tls, AT(connection.tls)},
    {"tls_first", directory_text_take_bool, AT(connection.tls_first)},
    {"connections_max", take_connections_max, AT(connection.connections_max)},
    {"priority", take_priority, AT(connection.priority)},
};

/* What no line alone can be refused for. */
static enum st check(struct directory_reading *reading,
                     const struct directory_connection_document *document)
{
    const struct directory_connection *connection = &document->connection;

    if (document->domains.count == 0)
        return directory_text_refuse(reading, "there is no domain; write domain = example.net");
    if (connection->tls_first && connection->tls == DIRECTORY_TLS_NONE)
        return directory_text_refuse(reading, "tls = none and tls_first = yes exclude each other");
    if (connection->password[0] != '\0' && connection->user[0] == '\0')
        return directory_text_refuse(reading, "a password without a user");
    return ST_OK;
}

enum st directory_connection_read(struct arena *arena, struct slice name, struct slice body,
                                  struct directory_connection_document *document_r, struct buf *why)
{
    struct directory_reading reading = {arena,        document_r, why,
                                        "connection", fields,     COUNT(fields)};

    memset(document_r, 0, sizeof(*document_r));
    document_r->connection.name = slice_cstr(arena, name);
    document_r->connection.user = "";
    document_r->connection.password = "";
    enum st st = directory_text_read(&reading, name, body);
    return st != ST_OK ? st : check(&reading, document_r);
}
