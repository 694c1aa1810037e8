#include "directory/directory_elsewhere.h"

#include "base/arena.h"
#include "base/buf.h"
#include "directory/directory_visible.h"
#include "log/log.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define KEY_BYTES_MAX 255
#define ORDER_BYTES_MAX 2000

/* A server under its name, or a cluster under a server's. */
struct directory_placed {
    UT_hash_handle hh;
    struct slice name;
    struct directory_server server;
    struct directory_texts roles;
    const struct directory_cluster *cluster;
};

/* A foreign domain's document that names readers or authors. */
struct directory_guarded {
    struct directory_guarded *next;
    struct directory_foreign *foreign;
    struct directory_common common;
    struct slice *names; /* what foreign->seen_by points to */
};

/* The documents for one domain, or of one gateway. */
struct directory_way_list {
    UT_hash_handle hh;
    struct slice domain;
    const struct directory_foreign **at;
    size_t count;
    size_t cap;
};

void directory_elsewhere_clear(struct directory_elsewhere *elsewhere)
{
    HASH_CLEAR(hh, elsewhere->servers);
    HASH_CLEAR(hh, elsewhere->clusters);
    HASH_CLEAR(hh, elsewhere->foreigns);
    HASH_CLEAR(hh, elsewhere->shared);
    HASH_CLEAR(hh, elsewhere->gateways);
    *elsewhere = (struct directory_elsewhere){.servers = NULL};
}

static struct directory_placed *find_placed(struct directory_placed *table, struct slice name)
{
    struct directory_placed *placed;

    HASH_FIND(hh, table, name.ptr, name.len, placed);
    return placed;
}

static struct directory_placed *place(struct directory_placed **table, struct arena *arena,
                                      struct slice name)
{
    struct directory_placed *placed = find_placed(*table, name);

    if (placed != NULL)
        return placed;
    placed = arena_one(arena, struct directory_placed);
    placed->name = name;
    HASH_ADD_KEYPTR(hh, *table, placed->name.ptr, placed->name.len, placed);
    return placed;
}

void directory_elsewhere_add_server(struct directory_elsewhere *elsewhere, struct arena *arena,
                                    const struct directory_server_document *document,
                                    int64_t modified_ms)
{
    struct directory_placed *placed =
        place(&elsewhere->servers, arena, slice_str(document->server.name));

    placed->server = document->server;
    placed->roles = document->roles;
    placed->server.modified_ms = modified_ms;
    elsewhere->server_count++;
}

void directory_elsewhere_add_cluster(struct directory_elsewhere *elsewhere, struct arena *arena,
                                     const struct directory_cluster_document *document)
{
    struct directory_cluster *cluster = arena_one(arena, struct directory_cluster);

    *cluster = document->cluster;
    for (size_t i = 0; i < cluster->server_count; i++) {
        struct directory_placed *placed = place(&elsewhere->clusters, arena, cluster->servers[i]);

        if (placed->cluster == NULL || strcmp(cluster->name, placed->cluster->name) < 0)
            placed->cluster = cluster;
    }
}

static void add_way(struct directory_way_list **table, struct arena *arena, struct slice domain,
                    const struct directory_foreign *foreign)
{
    struct directory_way_list *list;

    HASH_FIND(hh, *table, domain.ptr, domain.len, list);
    if (list == NULL) {
        list = arena_one(arena, struct directory_way_list);
        list->domain = domain;
        HASH_ADD_KEYPTR(hh, *table, list->domain.ptr, list->domain.len, list);
    }
    if (list->count > 0 && list->at[list->count - 1] == foreign)
        return; /* the domain stands twice in the document */
    if (list->count == list->cap)
        list->at = arena_grow(arena, list->at, list->count, &list->cap, sizeof(*list->at));
    list->at[list->count++] = foreign;
}

static const struct directory_rules *keep_rules(struct arena *arena,
                                                const struct directory_rules *rules)
{
    struct directory_rules *kept = arena_one(arena, struct directory_rules);

    *kept = *rules;
    return kept;
}

void directory_elsewhere_add_foreign(struct directory_elsewhere *elsewhere, struct arena *arena,
                                     const struct directory_foreign_document *document,
                                     int64_t modified_ms)
{
    struct directory_foreign *foreign = arena_one(arena, struct directory_foreign);

    *foreign = document->foreign;
    foreign->connection.modified_ms = modified_ms;
    foreign->out = keep_rules(arena, &document->out);
    foreign->in = keep_rules(arena, &document->in);
    for (size_t i = 0; i < foreign->domain_count; i++)
        add_way(&elsewhere->foreigns, arena, foreign->domains[i], foreign);
    for (size_t i = 0; i < foreign->shared_count; i++)
        add_way(&elsewhere->shared, arena, foreign->shared[i], foreign);
    if (foreign->mail_server[0] != '\0')
        add_way(&elsewhere->gateways, arena, slice_str(foreign->mail_server), foreign);
    elsewhere->foreign_count++;
    if (document->common.readers.count == 0 && document->common.authors.count == 0)
        return;
    struct directory_guarded *guarded = arena_one(arena, struct directory_guarded);
    *guarded = (struct directory_guarded){
        .next = elsewhere->guarded, .foreign = foreign, .common = document->common};
    elsewhere->guarded = guarded;
}

/* --- who sees it --- */

static void note_seen(const struct directory_guarded *guarded, struct arena *arena,
                      const struct directory_who *who)
{
    struct directory_foreign *foreign = guarded->foreign;

    if (directory_visible(&guarded->common.readers, &guarded->common.authors, who))
        guarded->names[foreign->seen_by_count++] = who->name;
}

void directory_elsewhere_guard(struct directory_elsewhere *elsewhere, struct arena *arena,
                               const struct directory_members *members)
{
    for (struct directory_guarded *g = elsewhere->guarded; g != NULL; g = g->next) {
        g->foreign->guarded = true;
        g->names = arena_many(arena, struct slice, elsewhere->server_count);
        g->foreign->seen_by = g->names;
    }
    if (elsewhere->guarded == NULL)
        return;
    for (struct directory_placed *p = elsewhere->servers; p != NULL; p = p->hh.next) {
        struct directory_who who;

        directory_members_who(members, arena, p->name, &p->roles, &who);
        for (struct directory_guarded *g = elsewhere->guarded; g != NULL; g = g->next)
            note_seen(g, arena, &who);
    }
}

/* --- order --- */

static int compare_ways(const void *a, const void *b)
{
    const struct directory_connection *x =
        &(*(const struct directory_foreign *const *)a)->connection;
    const struct directory_connection *y =
        &(*(const struct directory_foreign *const *)b)->connection;

    if (x->priority != y->priority)
        return x->priority < y->priority ? -1 : 1;
    if (x->modified_ms != y->modified_ms)
        return x->modified_ms > y->modified_ms ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void sort_ways(struct directory_way_list *table)
{
    for (struct directory_way_list *list = table; list != NULL; list = list->hh.next)
        qsort(list->at, list->count, sizeof(const struct directory_foreign *), compare_ways);
}

static int compare_placed(const struct directory_placed *a, const struct directory_placed *b)
{
    return slice_cmp(a->name, b->name);
}

void directory_elsewhere_end(struct directory_elsewhere *elsewhere)
{
    HASH_SORT(elsewhere->servers, compare_placed);
    sort_ways(elsewhere->foreigns);
    sort_ways(elsewhere->shared);
    sort_ways(elsewhere->gateways);
}

/* --- looking up --- */

/* The text in lower case in room; empty where it is too long to be a key. */
static struct slice key_of(char room[KEY_BYTES_MAX], struct slice text)
{
    if (text.len > KEY_BYTES_MAX)
        return SLICE("");
    for (size_t i = 0; i < text.len; i++)
        room[i] = text.ptr[i] >= 'A' && text.ptr[i] <= 'Z' ? (char)(text.ptr[i] + ('a' - 'A'))
                                                           : text.ptr[i];
    return (struct slice){room, text.len};
}

const struct directory_server *
directory_elsewhere_server(const struct directory_elsewhere *elsewhere, struct slice name)
{
    char room[KEY_BYTES_MAX];
    const struct directory_placed *placed = find_placed(elsewhere->servers, key_of(room, name));

    return placed != NULL ? &placed->server : NULL;
}

void directory_elsewhere_each(const struct directory_elsewhere *elsewhere, directory_server_fn *fn,
                              void *ctx)
{
    for (const struct directory_placed *placed = elsewhere->servers; placed != NULL;
         placed = placed->hh.next)
        fn(ctx, &placed->server);
}

const struct directory_cluster *
directory_elsewhere_cluster(const struct directory_elsewhere *elsewhere, struct slice server)
{
    char room[KEY_BYTES_MAX];
    const struct directory_placed *placed = find_placed(elsewhere->clusters, key_of(room, server));

    return placed != NULL ? placed->cluster : NULL;
}

static const struct directory_way_list *find_ways(const struct directory_way_list *table,
                                                  struct slice domain)
{
    const struct directory_way_list *list;
    char room[KEY_BYTES_MAX];
    struct slice key = key_of(room, domain);

    HASH_FIND(hh, table, key.ptr, key.len, list);
    return list;
}

size_t directory_elsewhere_foreign(const struct directory_way_list *table, struct slice domain,
                                   const struct directory_foreign **list_r, size_t max)
{
    const struct directory_way_list *list = find_ways(table, domain);
    size_t count = list == NULL ? 0 : list->count < max ? list->count : max;

    for (size_t i = 0; i < count; i++)
        list_r[i] = list->at[i];
    return count;
}

/* --- telling --- */

static void put_order(struct buf *out, const struct directory_way_list *list)
{
    for (size_t i = 0; list != NULL && i < list->count; i++)
        buf_putf(out, "%s%s", i > 0 ? " " : "", list->at[i]->name);
}

void directory_elsewhere_tell(const struct directory_elsewhere *elsewhere,
                              const struct directory_elsewhere *before)
{
    for (const struct directory_way_list *list = elsewhere->foreigns; list != NULL;
         list = list->hh.next) {
        AUTO(buf) struct buf now = BUF(ORDER_BYTES_MAX);
        AUTO(buf) struct buf old = BUF(ORDER_BYTES_MAX);

        if (list->count < 2)
            continue;
        put_order(&now, list);
        put_order(&old, before != NULL ? find_ways(before->foreigns, list->domain) : NULL);
        if (!slice_eq(buf_slice(&now), buf_slice(&old)))
            log_event(EV_FOREIGN_ORDER, 0, LOG_S("domain", list->domain),
                      LOG_U("documents", list->count), LOG_S("order", buf_slice(&now)));
    }
}
