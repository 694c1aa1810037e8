#include "directory/directory_server.h"

#include "directory/directory_connection.h"

#include <string.h>

#define AT(member) offsetof(struct directory_server_document, member)

static enum st take_host(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_host *host = at;

    if (!directory_connection_host(reading->arena, value, host) || host->mx)
        return directory_text_refuse(
            reading, "%s is not a host; write mail.example.org:25 or [2001:db8::1]:25", value);
    return ST_OK;
}

static enum st take_address(struct directory_reading *reading, void *at, const char *value)
{
    const struct directory_host *host = at;
    enum st st = take_host(reading, at, value);

    if (st == ST_OK && host->port != 0)
        return directory_text_refuse(
            reading, "%s: an address has no port; ports stand in smtp and cluster", value);
    return st;
}

static const struct directory_field fields[] = {
    {"full_name", directory_text_take, AT(server.full_name)},
    {"address", take_address, AT(address)},
    {"smtp", take_host, AT(server.smtp)},
    {"cluster", take_host, AT(server.cluster)},
    {"role", directory_text_take_names, AT(roles)},
};

enum st directory_server_read(struct arena *arena, struct slice name, struct slice body,
                              struct directory_server_document *document_r, struct buf *why)
{
    struct directory_reading reading = {arena,         document_r,         why, "server", fields,
                                        COUNT(fields), &document_r->common};
    struct directory_server *server = &document_r->server;

    memset(document_r, 0, sizeof(*document_r));
    server->name = slice_cstr(arena, name);
    server->full_name = "";
    document_r->address.name = server->name;
    enum st st = directory_text_read(&reading, name, body);
    if (server->smtp.name == NULL)
        server->smtp = document_r->address;
    if (server->cluster.name == NULL)
        server->cluster = document_r->address;
    server->priority = document_r->common.priority;
    return st;
}
