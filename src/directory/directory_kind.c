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

#define COMMON(name, type) name, sizeof(struct type), offsetof(struct type, common)
#define NONE SIZE_MAX

const struct directory_kind_row directory_kinds[] = {
    [DIRECTORY_PERSON] = {COMMON("person", directory_document),
                          offsetof(struct directory_document, aliases),
                          offsetof(struct directory_document, roles), read_person},
    [DIRECTORY_GROUP] = {COMMON("group", directory_group_document),
                         offsetof(struct directory_group_document, aliases),
                         offsetof(struct directory_group_document, roles), read_group},
    [DIRECTORY_CONNECTION] = {COMMON("connection", directory_connection_document), NONE, NONE,
                              read_connection},
    [DIRECTORY_SETTINGS] = {COMMON("settings", directory_settings_document), NONE, NONE,
                            read_settings},
    [DIRECTORY_SERVER] = {COMMON("server", directory_server_document), NONE,
                          offsetof(struct directory_server_document, roles), read_server},
    [DIRECTORY_CLUSTER] = {COMMON("cluster", directory_cluster_document), NONE, NONE, read_cluster},
    [DIRECTORY_FOREIGN] = {COMMON("foreign-domain", directory_foreign_document), NONE, NONE,
                           read_foreign},
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
