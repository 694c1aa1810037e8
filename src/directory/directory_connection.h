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

struct directory_connection_document {
    struct directory_connection connection;
    struct directory_texts domains; /* lower case; at least one */
    size_t host_cap;
};

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line. */
MUST_USE enum st directory_connection_read(struct arena *arena, struct slice name,
                                           struct slice body,
                                           struct directory_connection_document *document_r,
                                           struct buf *why);
