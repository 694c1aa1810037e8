/* directory_elsewhere.h: servers, clusters and foreign domains: the snapshot's tables. Inside
 * directory/. */
#pragma once
#include "directory/directory_cluster.h"
#include "directory/directory_foreign.h"
#include "directory/directory_server.h"

struct directory_guarded;
struct directory_members;
struct directory_placed;
struct directory_way_list;

struct directory_elsewhere {
    struct directory_placed *servers;    /* by name */
    struct directory_placed *clusters;   /* by each server's name */
    struct directory_way_list *foreigns; /* by domain */
    struct directory_way_list *shared;   /* by domain */
    struct directory_way_list *gateways; /* by mail server */
    struct directory_guarded *guarded;   /* documents that not everybody may see */
    size_t server_count;
    size_t foreign_count;
};

/* Empties the tables; before their arena goes. */
void directory_elsewhere_clear(struct directory_elsewhere *elsewhere);
/* Copies what it keeps of the document; the lists in it stay where they are, in arena. */
void directory_elsewhere_add_server(struct directory_elsewhere *elsewhere, struct arena *arena,
                                    const struct directory_server_document *document,
                                    int64_t modified_ms);
void directory_elsewhere_add_cluster(struct directory_elsewhere *elsewhere, struct arena *arena,
                                     const struct directory_cluster_document *document);
void directory_elsewhere_add_foreign(struct directory_elsewhere *elsewhere, struct arena *arena,
                                     const struct directory_foreign_document *document,
                                     int64_t modified_ms);
/* Once all are in, by who is in which groups: notes of each foreign domain's document which servers
 * may see it. */
void directory_elsewhere_guard(struct directory_elsewhere *elsewhere, struct arena *arena,
                               const struct directory_members *members);
/* Once all are in: sorts. */
void directory_elsewhere_end(struct directory_elsewhere *elsewhere);

/* As the functions of directory.h. */
const struct directory_server *
directory_elsewhere_server(const struct directory_elsewhere *elsewhere, struct slice name);
void directory_elsewhere_each(const struct directory_elsewhere *elsewhere, directory_server_fn *fn,
                              void *ctx);
const struct directory_cluster *
directory_elsewhere_cluster(const struct directory_elsewhere *elsewhere, struct slice server);
size_t directory_elsewhere_foreign(const struct directory_way_list *table, struct slice domain,
                                   const struct directory_foreign **list_r, size_t max);

/* Logs FOREIGN_ORDER for each domain with several documents whose order is not what it was before;
 * before may be NULL. */
void directory_elsewhere_tell(const struct directory_elsewhere *elsewhere,
                              const struct directory_elsewhere *before);
