/* Documents of the directory: the first byte says which kind, the rest is the text. A fault names a
 * line; a text that is shown with masks and sent back says what it said; whatever a document says,
 * recipients resolve within the limit, each account and address once. */
#include "base/arena.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "directory/directory_check.h"
#include "log/log.h"
#include "router/router_resolve.h"

#include <fcntl.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static enum st check(enum directory_kind kind, struct arena *arena, struct slice text)
{
    struct directory_checked checked;
    AUTO(buf) struct buf why = BUF(4 * KIB);
    enum st st = directory_check(kind, arena, SLICE("x"), text, &checked, &why);

    must((st == ST_OK) == (why.len == 0));
    return st;
}

static void check_masks(enum directory_kind kind, struct arena *arena, struct slice text)
{
    AUTO(buf) struct buf shown = BUF(GIB);
    AUTO(buf) struct buf again = BUF(GIB);
    AUTO(buf) struct buf why = BUF(4 * KIB);

    directory_check_hide(text, &shown);
    must(directory_check_unhide(buf_slice(&shown), text, &again, &why) == ST_OK);
    if (check(kind, arena, text) == ST_OK)
        must(check(kind, arena, buf_slice(&again)) == ST_OK);
}

static void resolve(const struct directory *directory, struct arena *arena)
{
    static const char *const locals[] = {"x",   "amy",  "crew", "y", "postmaster",
                                         "x+z", "None", "a b",  "*", ""};
    struct router_targets targets = {.arena = arena};
    const struct directory_connection *list[DIRECTORY_CONNECTIONS_MAX];
    struct router_reach reach;

    for (size_t i = 0; i < COUNT(locals); i++)
        for (int local = 0; local < 2; local++) {
            enum router_verdict verdict =
                router_resolve(directory, slice_str(locals[i]),
                               local ? SLICE("one.test") : SLICE("a.far.test"), &targets, &reach);
            size_t count = targets.count;

            must(verdict < ROUTER_VERDICT_MAX);
            if (verdict != ROUTER_OK && verdict != ROUTER_FOREIGN)
                continue;
            must(reach.count > 0 && reach.count <= conf_get()->group_members_max);
            if (i % 3 == 0)
                router_resolve_undo(&targets);
            must(targets.count <= count);
        }
    for (size_t i = 0; i < targets.count; i++)
        for (size_t k = 0; k < i; k++)
            must(targets.list[i]->kind != ROUTER_LOCAL || targets.list[k]->kind != ROUTER_LOCAL ||
                 targets.list[i]->account_id != targets.list[k]->account_id);
    must(directory_connections(directory, SLICE("a.far.test"), list, COUNT(list)) <= COUNT(list));
}

static void count_server(void *ctx, const struct directory_server *server)
{
    must(server->smtp.name != NULL && server->cluster.name != NULL);
    ++*(size_t *)ctx;
}

/* What goes out and has a way back comes back the same, but for case. */
static void look_elsewhere(const struct directory *directory, struct arena *arena)
{
    static const char *const domains[] = {"btex", "x.test", "example.test", "", "a.b"};
    const struct directory_foreign *list[4];
    size_t servers = 0;

    directory_server_each(directory, count_server, &servers);
    must(servers >= 1 && servers <= 2);
    must(directory_server(directory, SLICE("MAIL1")) != NULL);
    (void)directory_cluster_of(directory, SLICE("mail1"));
    for (size_t i = 0; i < COUNT(domains); i++) {
        struct slice local = SLICE("Ann");
        struct slice domain = slice_str(domains[i]);
        size_t count = directory_foreign(directory, domain, list, COUNT(list));

        must(count <= COUNT(list));
        for (size_t k = 1; k < count; k++)
            must(list[k - 1]->connection.priority <= list[k]->connection.priority);
        if (count > 0 && directory_foreign_rewrite(list[0], DIRECTORY_OUT, arena, &local, &domain))
            (void)directory_foreign_rewrite(list[0], DIRECTORY_IN, arena, &local, &domain);
        must(local.len > 0 && local.len <= 64);
        (void)directory_foreign_shared(directory, slice_str(domains[i]), list, COUNT(list));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool quiet;

    if (!quiet) {
        log_open(open("/dev/null", O_WRONLY | O_CLOEXEC));
        quiet = true;
    }
    if (size == 0)
        return 0;
    enum directory_kind kind = (enum directory_kind)(data[0] % DIRECTORY_KIND_MAX);
    struct slice text = {(const char *)data + 1, size - 1};
    struct arena *arena = arena_new("fuzz", GIB);
    struct directory *making = directory_new(SLICE("one.test two.test"));

    check_masks(kind, arena, text);
    directory_look(making, size % 2 == 0 ? SLICE("mail1") : SLICE(""));
    directory_add(making, slice_str(directory_kind_name(kind)), SLICE("x"), 0, text);
    directory_add(making, SLICE("person"), SLICE("amy"), 0, SLICE("forward = x\nalias = *\n"));
    directory_add(making, SLICE("group"), SLICE("crew"), 0,
                  SLICE("member = x\nmember = amy\nmember = y@far.test\n"));
    directory_add(making, SLICE("server"), SLICE("mail1"), 0, SLICE("role = gates\n"));
    directory_add(making, SLICE("cluster"), SLICE("two"), 0, SLICE("member = mail1\nmember = x\n"));
    directory_add(making, SLICE("foreign-domain"), SLICE("y"), 0,
                  SLICE("domain = btex\nrewrite = *@btex *@x.test\nreader = [gates]\n"));
    directory_add_account(making, SLICE("amy"), 1);
    directory_add_account(making, SLICE("x"), 2);
    const struct directory *directory = directory_end(making);
    resolve(directory, arena);
    look_elsewhere(directory, arena);
    directory_unref(&directory);
    arena_free(&arena);
    return 0;
}
