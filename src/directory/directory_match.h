/* directory_match.h: which connections lead to a domain: the snapshot's table. Inside directory/.
 */
#pragma once
#include "directory/directory_connection.h"

struct directory_match;

/* Adds the connection under each of its domains; all of it lives in arena. */
void directory_match_add(struct directory_match **table, struct arena *arena,
                         const struct directory_connection *connection,
                         const struct directory_texts *domains);
/* Once all are in: sorts. */
void directory_match_end(struct directory_match *table);
void directory_match_clear(struct directory_match **table);
/* As directory_connections(). */
size_t directory_match_find(const struct directory_match *table, struct slice domain,
                            const struct directory_connection **list_r, size_t max);
