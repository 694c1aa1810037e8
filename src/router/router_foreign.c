#include "router/router_foreign.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "directory/directory_name.h"
#include "mime/mime_address.h"
#include "mime/mime_xtext.h"
#include "sys/sys_net.h"

#include <string.h>

#define SCRATCH_BYTES_MAX (64 * KIB) /* for one address */
#define ADDRESS_BYTES_MAX 320        /* 64, @, 255 */
#define ORCPT_BYTES_MAX 500          /* RFC 3461 section 4.2 */

/* Found by its own name, not by a catch-all: those take whatever they are given. */
static bool is_ours(const struct directory *directory, struct slice local, struct slice domain)
{
    struct directory_found found;

    return directory != NULL && directory_domain_is_local(directory, domain) &&
           directory_find(directory, local, domain, &found) && strcmp(found.via, "catch-all") != 0;
}

static bool rewrite_halves(const struct router_foreign *rewriting, struct arena *arena,
                           struct slice local, struct slice domain, struct slice *address_r)
{
    if (domain.len == 0 || local.len + domain.len >= ADDRESS_BYTES_MAX ||
        (rewriting->way == DIRECTORY_IN && is_ours(rewriting->directory, local, domain)) ||
        !directory_foreign_rewrite(rewriting->foreign, rewriting->way, arena, &local, &domain) ||
        local.len + domain.len >= ADDRESS_BYTES_MAX)
        return false;
    *address_r = directory_name_join(arena, local, domain);
    return address_r->len <= ADDRESS_BYTES_MAX;
}

bool router_foreign_address(const struct router_foreign *rewriting, struct arena *arena,
                            struct slice address, struct slice *address_r)
{
    struct mime_address parsed = {.broken = false};

    if (address.len <= 2 * ADDRESS_BYTES_MAX && mime_address_spec(arena, address, &parsed) &&
        rewrite_halves(rewriting, arena, parsed.local, parsed.domain, address_r))
        return true;
    *address_r = address;
    return false;
}

static bool is_host(const struct directory_connection *connection, struct slice peer)
{
    for (size_t i = 0; i < connection->host_count; i++)
        if (!connection->hosts[i].mx && sys_net_ok(slice_str(connection->hosts[i].name)) &&
            sys_net_contains(slice_str(connection->hosts[i].name), peer))
            return true;
    return false;
}

static bool is_network(const struct directory_foreign *foreign, struct slice peer)
{
    for (size_t i = 0; i < foreign->network_count; i++)
        if (sys_net_contains(foreign->networks[i], peer))
            return true;
    return false;
}

const struct directory_foreign *router_foreign_origin(const struct directory *directory,
                                                      const char *server_name, const char *peer,
                                                      struct slice sender)
{
    const struct directory_foreign *list[DIRECTORY_CONNECTIONS_MAX];
    size_t count = directory_foreign_gateway(directory, slice_str(server_name), list, COUNT(list));
    const struct directory_foreign *origin = NULL;
    struct arena *arena = count > 0 ? arena_new("origin", SCRATCH_BYTES_MAX) : NULL;

    for (size_t i = 0; i < count && origin == NULL; i++) {
        const struct router_foreign rewriting = {directory, list[i], DIRECTORY_IN};
        struct slice address;

        if (is_host(&list[i]->connection, slice_str(peer)) ||
            is_network(list[i], slice_str(peer)) ||
            (list[i]->network_count == 0 &&
             router_foreign_address(&rewriting, arena, sender, &address)))
            origin = list[i];
    }
    if (arena != NULL)
        arena_free(&arena);
    return origin;
}

struct slice router_foreign_orcpt(struct arena *arena, struct slice address)
{
    AUTO(buf) struct buf out = BUF(ORCPT_BYTES_MAX);

    if (!utf8_ascii(address))
        return SLICE("");
    buf_put(&out, SLICE("rfc822;"));
    mime_xtext_encode(address, &out);
    return out.over ? SLICE("") : arena_copy(arena, buf_slice(&out));
}

/* --- a header --- */

struct router_foreign_header {
    const struct router_foreign *rewriting;
    struct arena *scratch;
    struct mime_rewrite *rewrite;
};

static bool rewrite_one(void *ctx, struct slice local, struct slice domain, struct buf *out)
{
    const struct router_foreign_header *header = ctx;
    struct slice address;
    bool yes = rewrite_halves(header->rewriting, header->scratch, local, domain, &address);

    if (yes)
        buf_put(out, address);
    arena_reset(header->scratch);
    return yes;
}

struct router_foreign_header *router_foreign_header_new(const struct router_foreign *rewriting)
{
    struct router_foreign_header *header = mem_new(struct router_foreign_header);

    header->rewriting = rewriting;
    header->scratch = arena_new("rewriting", SCRATCH_BYTES_MAX);
    header->rewrite = mime_rewrite_new(rewrite_one, header);
    return header;
}

void router_foreign_header_free(struct router_foreign_header **header)
{
    if (*header == NULL)
        return;
    mime_rewrite_free(&(*header)->rewrite);
    arena_free(&(*header)->scratch);
    mem_free(*header);
    *header = NULL;
}

struct mime_rewrite *router_foreign_header(const struct router_foreign_header *header)
{
    return header->rewrite;
}

/* --- a whole text --- */

struct passing {
    struct mime_rewrite *rewrite;
    router_foreign_put *put; /* NULL: nobody gets it */
    void *put_ctx;
    enum st st; /* what put said */
};

static void put_text(void *ctx, struct slice text)
{
    struct passing *passing = ctx;

    if (passing->put != NULL && passing->st == ST_OK)
        passing->st = passing->put(passing->put_ctx, text);
}

static enum st pass_piece(void *ctx, struct slice text)
{
    struct passing *passing = ctx;

    mime_rewrite_feed(passing->rewrite, text, put_text, passing);
    if (passing->put == NULL && mime_rewrite_facts(passing->rewrite)->over)
        return ST_DENIED; /* all there is to measure was seen */
    return passing->st;
}

enum st router_foreign_pass(const struct router_foreign *rewriting, router_foreign_give *give,
                            void *give_ctx, router_foreign_put *put, void *put_ctx)
{
    struct router_foreign_header *header = router_foreign_header_new(rewriting);
    struct passing passing = {header->rewrite, put, put_ctx, ST_OK};
    enum st st = give(give_ctx, pass_piece, &passing);

    if (st == ST_OK) {
        mime_rewrite_end(header->rewrite, put_text, &passing);
        st = passing.st;
    }
    router_foreign_header_free(&header);
    return st;
}

enum st router_foreign_measure(const struct router_foreign *rewriting, router_foreign_give *give,
                               void *give_ctx, struct mime_rewrite_facts *facts_r)
{
    struct router_foreign_header *header = router_foreign_header_new(rewriting);
    struct passing passing = {.rewrite = header->rewrite};
    enum st st = give(give_ctx, pass_piece, &passing);

    mime_rewrite_end(header->rewrite, put_text, &passing);
    *facts_r = *mime_rewrite_facts(header->rewrite);
    router_foreign_header_free(&header);
    return facts_r->over ? ST_OK : st;
}
