/* directory_server.h: a server document as INI text, and what it says. Its name is the server's
 * setting server_name.
 *
 *   full_name = The one in the cellar
 *   address = 192.0.2.1           (a host name or an address; the document's name where it is not
 *                                 given)
 *   smtp = mail.example.org:25    (where other servers hand mail over; the address where it is not
 *                                 given)
 *   cluster = 192.0.2.1:7025      (where other servers talk to it; likewise)
 *   role = gateways               (what it is, for readers and authors) */
#pragma once
#include "directory/directory_text.h"

struct directory_server_document {
    struct directory_server server;
    struct directory_common common;
    struct directory_host address;
    struct directory_texts roles;
};

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line. */
MUST_USE enum st directory_server_read(struct arena *arena, struct slice name, struct slice body,
                                       struct directory_server_document *document_r,
                                       struct buf *why);
