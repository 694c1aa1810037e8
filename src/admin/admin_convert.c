#include "admin/admin_call.h"
#include "admin/admin_queue_filter.h"
#include "base/arena.h"
#include "directory/directory.h"
#include "log/log.h"
#include "store/store_folder.h"
#include "sys/sys_time.h"

#include <stdlib.h>
#include <string.h>

#define BATCH_COUNT 100 /* accounts in one transaction */

/* One account that is meant, and what was done to it. */
struct one {
    int64_t account_id;
    const char *name;
    uint32_t was; /* UIDVALIDITY of INBOX */
    uint32_t uidvalidity;
    bool off;
    bool changed;
    bool raised;
};

struct converting {
    struct admin_call *call;
    struct slice *patterns;
    size_t pattern_count;
    bool *used; /* the pattern fits an account */
    struct one *ones;
    size_t count;
    size_t cap;
    size_t from; /* of the batch */
    size_t to;
    bool on;
};

/* --- whom the patterns mean --- */

static bool is_pattern(struct slice text)
{
    return slice_find(text, '*') != SIZE_MAX;
}

/* Log-in names, with their domain or an alias too, become the account's name. */
static void resolve(struct converting *c)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();

    for (size_t i = 0; i < c->pattern_count; i++) {
        const struct directory_person *person =
            is_pattern(c->patterns[i]) ? NULL : directory_login(directory, c->patterns[i]);

        if (person != NULL)
            c->patterns[i] = arena_copy(c->call->arena, slice_str(person->name));
    }
}

static enum st note_inbox(struct store_tx *tx, struct arena *arena, struct one *one)
{
    struct store_folder inbox = {.folder_id = 0};
    enum st st = store_folder_find(tx, arena, one->account_id, SLICE("INBOX"), &inbox);

    one->uidvalidity = inbox.uidvalidity;
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static void add(struct converting *c, const struct store_account *account)
{
    if (c->count == c->cap)
        c->ones = arena_grow(c->call->arena, c->ones, c->count, &c->cap, sizeof(*c->ones));
    c->ones[c->count++] = (struct one){.account_id = account->account_id,
                                       .name = slice_cstr(c->call->arena, slice_str(account->name)),
                                       .off = account->imap_off};
}

static enum st take_fitting(void *ctx, const struct store_account *account)
{
    struct converting *c = ctx;
    bool fits = false;

    for (size_t i = 0; i < c->pattern_count; i++)
        if (is_pattern(c->patterns[i]) && admin_glob(c->patterns[i], slice_str(account->name)))
            fits = c->used[i] = true;
    if (fits)
        add(c, account);
    return ST_OK;
}

static enum st take_named(struct store_tx *tx, struct converting *c, bool *any_pattern_r)
{
    struct store_account account;

    *any_pattern_r = false;
    for (size_t i = 0; i < c->pattern_count; i++) {
        if (is_pattern(c->patterns[i])) {
            *any_pattern_r = true;
            continue;
        }
        enum st st = store_account_find(tx, c->patterns[i], &account);
        if (st != ST_OK && st != ST_NOT_FOUND)
            return st;
        c->used[i] = st == ST_OK;
        if (st == ST_OK)
            add(c, &account);
    }
    return ST_OK;
}

static int one_cmp(const void *a, const void *b)
{
    const struct one *x = a;
    const struct one *y = b;

    return (x->account_id > y->account_id) - (x->account_id < y->account_id);
}

/* In the order of their ids, each once. */
static void sort(struct converting *c)
{
    size_t kept = 0;

    if (c->count > 0)
        qsort(c->ones, c->count, sizeof(*c->ones), one_cmp);
    for (size_t i = 0; i < c->count; i++)
        if (kept == 0 || c->ones[kept - 1].account_id != c->ones[i].account_id)
            c->ones[kept++] = c->ones[i];
    c->count = kept;
}

static enum st find_body(struct store_tx *tx, void *arg)
{
    struct converting *c = arg;
    bool any_pattern;

    c->count = 0;
    memset(c->used, 0, c->pattern_count * sizeof(*c->used));
    enum st st = take_named(tx, c, &any_pattern);
    if (st == ST_OK && any_pattern)
        st = store_account_each(tx, take_fitting, c);
    sort(c);
    for (size_t i = 0; st == ST_OK && i < c->count; i++)
        st = note_inbox(tx, c->call->arena, &c->ones[i]);
    return st;
}

static enum st find(struct converting *c)
{
    resolve(c);
    enum st st = store_read(c->call->context->store, find_body, c);

    for (size_t i = 0; st == ST_OK && i < c->pattern_count; i++)
        if (!c->used[i])
            return admin_refuse(c->call, ST_NOT_FOUND, "%.*s: there is no such account",
                                SLICE_ARG(c->patterns[i]));
    for (size_t i = 0; st == ST_OK && i < c->count; i++)
        c->ones[i].was = c->ones[i].uidvalidity;
    return st;
}

/* --- switching --- */

/* An account that was removed meanwhile is passed over. */
static enum st switch_body(struct store_tx *tx, void *arg)
{
    struct converting *c = arg;
    int64_t now_ms = sys_now_ms();
    enum st st = ST_OK;

    for (size_t i = c->from; i < c->to && st == ST_OK; i++) {
        struct one *one = &c->ones[i];

        st =
            store_account_imap_set(tx, one->account_id, c->on, now_ms, &one->changed, &one->raised);
        one->off = !c->on;
        if (st == ST_OK)
            st = note_inbox(tx, c->call->arena, one);
        if (st == ST_NOT_FOUND)
            st = ST_OK;
    }
    return st;
}

static void tell(const struct converting *c)
{
    for (size_t i = c->from; i < c->to; i++)
        if (c->ones[i].changed)
            log_event(EV_IMAP_SWITCHED, 0, LOG_C("account", c->ones[i].name),
                      LOG_C("imap", c->on ? "on" : "off"), LOG_U("was", c->ones[i].was),
                      LOG_U("uidvalidity", c->ones[i].uidvalidity));
}

static enum st switch_all(struct converting *c)
{
    enum st st = ST_OK;

    for (c->from = 0; st == ST_OK && c->from < c->count; c->from = c->to) {
        c->to = c->count - c->from > BATCH_COUNT ? c->from + BATCH_COUNT : c->count;
        st = store_write(c->call->context->store, switch_body, c);
        if (st == ST_OK)
            tell(c);
    }
    if (st != ST_OK)
        admin_refuse(c->call, st,
                     "the store failed after %zu of %zu accounts; the same command goes on",
                     c->from, c->count);
    return st;
}

static void foresee(struct converting *c, int root)
{
    for (size_t i = 0; i < c->count; i++) {
        c->ones[i].changed = c->ones[i].off == c->on;
        c->ones[i].raised = c->ones[i].changed && c->on && root != STORE_ROOT_NONE;
        c->ones[i].off = !c->on;
    }
}

static json_t *describe(const struct converting *c, int root)
{
    json_t *list = json_array();

    for (size_t i = 0; i < c->count; i++) {
        const struct one *one = &c->ones[i];

        json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:b, s:I, s:I}", "name", one->name,
                                              "imap", !one->off, "changed", one->changed, "raised",
                                              one->raised, "was", (json_int_t)one->was,
                                              "uidvalidity", (json_int_t)one->uidvalidity));
    }
    return json_pack("{s:o, s:o}", "root",
                     root == STORE_ROOT_NONE ? json_null() : json_integer(root), "accounts", list);
}

enum st admin_account_convert(struct admin_call *call)
{
    struct converting c = {.call = call};
    int root = store_root(call->context->store);
    bool dry_run = false;
    enum st st = admin_arg_list(call, "names", &c.patterns, &c.pattern_count);

    c.used = arena_many(call->arena, bool, c.pattern_count + 1);
    if (st == ST_OK)
        st = admin_arg_bool(call, "imap", &c.on);
    if (st == ST_OK)
        st = admin_arg_bool(call, "dry_run", &dry_run);
    if (st == ST_OK)
        st = find(&c);
    if (st == ST_OK && admin_arg_has(call, "imap")) {
        if (dry_run)
            foresee(&c, root);
        else
            st = switch_all(&c);
    }
    if (st == ST_OK)
        call->reply = describe(&c, root);
    return st;
}
