/* directory_cluster.h: a cluster document as INI text, and what it says.
 *
 *   full_name = Headquarters
 *   member = mail1.example.org    (a server's name; it is in this cluster alone)
 *   member = mail2.example.org */
#pragma once
#include "directory/directory_text.h"

struct directory_cluster_document {
    struct directory_cluster cluster;
    struct directory_common common;
    struct directory_texts members; /* what cluster.servers points to */
};

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line. */
MUST_USE enum st directory_cluster_read(struct arena *arena, struct slice name, struct slice body,
                                        struct directory_cluster_document *document_r,
                                        struct buf *why);
