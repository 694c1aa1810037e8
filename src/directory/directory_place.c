#include "base/arena.h"
#include "base/slice.h"
#include "directory/directory.h"
#include "log/log.h"
#include "store/store_account.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#define PLACE_COUNT 1000 /* in one transaction */
#define NAMES_BYTES_MAX (4 * MIB)

struct placing {
    struct slice server;
    struct arena *arena;
    struct slice names[PLACE_COUNT];
    size_t count;
    int64_t now_ms;
};

static void look_at(void *ctx, const struct directory_person *person)
{
    struct placing *placing = ctx;
    bool here = false;

    if (person->account_id != 0 || placing->count == PLACE_COUNT)
        return;
    for (unsigned i = 0; i < person->server_count; i++)
        here = here || slice_ieq(person->servers[i], placing->server);
    if (here)
        placing->names[placing->count++] = arena_copy(placing->arena, slice_str(person->name));
}

/* Another server with the same store may have been first. */
static enum st place_body(struct store_tx *tx, void *arg)
{
    const struct placing *placing = arg;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < placing->count; i++) {
        char guid[SYS_GUID_HEX + 1];
        int64_t account_id;

        sys_guid(guid);
        st = store_account_add(tx, placing->names[i], guid, placing->now_ms, &account_id);
        if (st == ST_EXISTS)
            st = ST_OK;
    }
    return st;
}

enum st directory_place(struct store *store, struct slice server)
{
    struct arena *arena = arena_new("place", NAMES_BYTES_MAX);
    enum st st = ST_OK;
    size_t count;

    do {
        AUTO_DIRECTORY const struct directory *directory = directory_ref();
        struct placing *placing = arena_one(arena, struct placing);

        placing->server = server;
        placing->arena = arena;
        placing->now_ms = sys_now_ms();
        directory_each(directory, look_at, placing);
        count = placing->count;
        if (count > 0)
            st = store_write(store, place_body, placing);
        if (count > 0 && st == ST_OK) {
            log_event(EV_ACCOUNTS_PLACED, 0, LOG_U("accounts", count));
            directory_reload();
        }
        arena_reset(arena);
    } while (st == ST_OK && count == PLACE_COUNT);
    arena_free(&arena);
    return st;
}
