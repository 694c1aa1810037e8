#include "directory/directory_cluster.h"

#include <string.h>

#define AT(member) offsetof(struct directory_cluster_document, member)

static const struct directory_field fields[] = {
    {"full_name", directory_text_take, AT(cluster.full_name)},
    {"member", directory_text_take_names, AT(members)},
};

enum st directory_cluster_read(struct arena *arena, struct slice name, struct slice body,
                               struct directory_cluster_document *document_r, struct buf *why)
{
    struct directory_reading reading = {arena,         document_r,         why, "cluster", fields,
                                        COUNT(fields), &document_r->common};

    memset(document_r, 0, sizeof(*document_r));
    document_r->cluster.name = slice_cstr(arena, name);
    document_r->cluster.full_name = "";
    enum st st = directory_text_read(&reading, name, body);
    document_r->cluster.servers = document_r->members.at;
    document_r->cluster.server_count = document_r->members.count;
    return st;
}
