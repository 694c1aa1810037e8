/* directory_connection.h: a connection document as INI text, and what it says: how mail goes to a
 * destination.
 *
 *   domain = example.net          (or *.example.net: what lies below it; or *: all that is foreign)
 *   host = smtp.example.net:587   (in order; mx: the hosts that the domain name system names)
 *   user = us                     (log in there)
 *   password = secret
 *   tls = verified                (none, opportunistic, required, verified)
 *   tls_first = yes               (TLS from the first byte)
 *   connections_max = 4
 *   priority = 10                 (of several for one domain: lower first)
 *
 * As in every document, what stands behind a blank and a semicolon is a comment. */
#pragma once
#include "directory/directory_text.h"

#define DIRECTORY_CONNECTION_DOMAINS_MAX 10000
#define DIRECTORY_HOSTS_MAX 100

struct directory_hosts {
    struct directory_host *at;
    size_t count;
    size_t cap;
};

struct directory_connection_document {
    struct directory_connection connection;
    struct directory_common common;
    struct directory_texts domains; /* lower case; at least one */
    struct directory_hosts hosts;   /* what connection.hosts points to */
};

/* The fields that tell how to reach somebody; the type has members connection and hosts. */
#define DIRECTORY_CONNECTION_FIELDS(type) \
    {"host", directory_connection_take_host, offsetof(type, hosts)}, \
        {"user", directory_text_take, offsetof(type, connection.user)}, \
        {"password", directory_text_take, offsetof(type, connection.password)}, \
        {"tls", directory_connection_take_tls, offsetof(type, connection.tls)}, \
        {"tls_first", directory_text_take_bool, offsetof(type, connection.tls_first)}, \
    { \
        "connections_max", directory_connection_take_max, \
            offsetof(type, connection.connections_max) \
    }
directory_take_fn directory_connection_take_host; /* struct directory_hosts: one more */
directory_take_fn directory_connection_take_tls;  /* enum directory_tls */
directory_take_fn directory_connection_take_max;  /* uint64_t */
/* Once all fields are read: what no line alone can be refused for, and hosts and priority into the
 * connection. */
enum st directory_connection_end(struct directory_reading *reading,
                                 const struct directory_hosts *hosts,
                                 struct directory_connection *connection);
/* "host", "host:port", "address:port", "[address]:port", in arena; false: it is none. */
bool directory_connection_host(struct arena *arena, const char *value,
                               struct directory_host *host_r);

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line. */
MUST_USE enum st directory_connection_read(struct arena *arena, struct slice name,
                                           struct slice body,
                                           struct directory_connection_document *document_r,
                                           struct buf *why);
