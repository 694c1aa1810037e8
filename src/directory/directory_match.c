#include "directory/directory_match.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define DOMAIN_BYTES_MAX 255

/* One domain as connections name it: "example.net", "*.example.net" or "*". */
struct directory_match {
    UT_hash_handle hh;
    struct slice domain;
    const struct directory_connection **at;
    size_t count;
    size_t cap;
};

static void add_one(struct directory_match **table, struct arena *arena,
                    const struct directory_connection *connection, struct slice domain)
{
    struct directory_match *match;

    HASH_FIND(hh, *table, domain.ptr, domain.len, match);
    if (match == NULL) {
        match = arena_one(arena, struct directory_match);
        match->domain = domain;
        HASH_ADD_KEYPTR(hh, *table, match->domain.ptr, match->domain.len, match);
    }
    if (match->count > 0 && match->at[match->count - 1] == connection)
        return; /* the domain stands twice in the document */
    if (match->count == match->cap)
        match->at = arena_grow(arena, match->at, match->count, &match->cap, sizeof(*match->at));
    match->at[match->count++] = connection;
}

void directory_match_add(struct directory_match **table, struct arena *arena,
                         const struct directory_connection *connection,
                         const struct directory_texts *domains)
{
    for (size_t i = 0; i < domains->count; i++)
        add_one(table, arena, connection, domains->at[i]);
}

static int order(const void *a, const void *b)
{
    const struct directory_connection *const *x = a;
    const struct directory_connection *const *y = b;

    if ((*x)->priority != (*y)->priority)
        return (*x)->priority < (*y)->priority ? -1 : 1;
    if ((*x)->modified_ms != (*y)->modified_ms)
        return (*x)->modified_ms > (*y)->modified_ms ? -1 : 1;
    return strcmp((*x)->name, (*y)->name);
}

void directory_match_end(struct directory_match *table)
{
    for (struct directory_match *match = table; match != NULL; match = match->hh.next)
        qsort(match->at, match->count, sizeof(*match->at), order);
}

void directory_match_clear(struct directory_match **table)
{
    HASH_CLEAR(hh, *table);
}

struct finding {
    const struct directory_match *table;
    const struct directory_connection **list;
    size_t count;
    size_t max;
};

static bool listed(const struct finding *finding, const struct directory_connection *connection)
{
    for (size_t i = 0; i < finding->count; i++)
        if (finding->list[i] == connection)
            return true;
    return false;
}

static void take(struct finding *finding, struct slice domain)
{
    const struct directory_match *match;

    HASH_FIND(hh, finding->table, domain.ptr, domain.len, match);
    for (size_t i = 0; match != NULL && i < match->count && finding->count < finding->max; i++)
        if (!listed(finding, match->at[i]))
            finding->list[finding->count++] = match->at[i];
}

size_t directory_match_find(const struct directory_match *table, struct slice domain,
                            const struct directory_connection **list_r, size_t max)
{
    struct finding finding = {.table = table, .list = list_r, .max = max};
    char room[DOMAIN_BYTES_MAX + 1];

    if (domain.len == 0 || domain.len > DOMAIN_BYTES_MAX)
        return 0;
    for (size_t i = 0; i < domain.len; i++)
        room[i] = domain.ptr[i] >= 'A' && domain.ptr[i] <= 'Z' ? (char)(domain.ptr[i] + ('a' - 'A'))
                                                               : domain.ptr[i];
    take(&finding, (struct slice){room, domain.len});
    for (size_t i = 1; i < domain.len; i++)
        if (room[i] == '.' && finding.count == 0) {
            room[i - 1] = '*'; /* what stood there has been looked up */
            take(&finding, (struct slice){room + i - 1, domain.len - i + 1});
        }
    if (finding.count == 0)
        take(&finding, SLICE("*"));
    return finding.count;
}
