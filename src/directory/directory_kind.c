#include "directory/directory_kind.h"

#include "directory/directory_cluster.h"
#include "directory/directory_foreign.h"
#include "directory/directory_group.h"
#include "directory/directory_person.h"
#include "directory/directory_server.h"
#include "directory/directory_settings.h"

#define READ(kind) \
    static enum st read_##kind(struct arena *arena, struct slice name, struct slice body, \
                               void *read_r, struct buf *why) \
    { \
        return directory_##kind##_read(arena, name, body, read_r, why); \
    }
READ(person)
READ(group)
READ(connection)
READ(settings)
READ(server)
READ(cluster)
READ(foreign)

#define ROW(name, type, read) \
    { \
        name, sizeof(struct type), offsetof(struct type, common), SIZE_MAX, read \
    }
#define ROW_ALIASES(name, type, read) \
    { \
        name, sizeof(struct type), offsetof(struct type, common), offsetof(struct type, aliases), \
            read \
    }

const struct directory_kind_row directory_kinds[] = {
    [DIRECTORY_PERSON] = ROW_ALIASES("person", directory_document, read_person),
    [DIRECTORY_GROUP] = ROW_ALIASES("group", directory_group_document, read_group),
    [DIRECTORY_CONNECTION] = ROW("connection", directory_connection_document, read_connection),
    [DIRECTORY_SETTINGS] = ROW("settings", directory_settings_document, read_settings),
    [DIRECTORY_SERVER] = ROW("server", directory_server_document, read_server),
    [DIRECTORY_CLUSTER] = ROW("cluster", directory_cluster_document, read_cluster),
    [DIRECTORY_FOREIGN] = ROW("foreign-domain", directory_foreign_document, read_foreign),
};
static_assert(COUNT(directory_kinds) == DIRECTORY_KIND_MAX, "one row for each kind");

const char *directory_kind_name(enum directory_kind kind)
{
    return directory_kinds[kind].name;
}

enum st directory_kind_find(struct slice name, enum directory_kind *kind_r)
{
    for (size_t i = 0; i < DIRECTORY_KIND_MAX; i++)
        if (slice_eq(slice_str(directory_kinds[i].name), name)) {
            *kind_r = (enum directory_kind)i;
            return ST_OK;
        }
    return ST_NOT_FOUND;
}
