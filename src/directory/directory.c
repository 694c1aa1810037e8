#include "directory/directory.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory_person.h"
#include "log/log.h"
#include "store/store_account.h"
#include "store/store_document.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <uthash.h>

#define SNAPSHOT_BYTES_MAX (1 * GIB)
#define KEY_BYTES_MAX 400
#define DOMAINS_MAX 64

struct entry {
    UT_hash_handle by_name; /* key: person.name */
    struct directory_person person;
    struct entry *next; /* in the order of names */
};

struct alias {
    UT_hash_handle hh;
    const char *key; /* "local@domain", or "local" for every domain */
    struct entry *entry;
};

struct directory {
    atomic_int refs;
    struct arena *arena;
    struct entry *names;
    struct alias *aliases;
    struct entry *first, **tail;
    struct entry *postmaster;
    struct slice domains[DOMAINS_MAX];
    size_t domain_count;
    size_t person_count;
};

static struct {
    struct store *store;
    struct store_watch *watch;
    pthread_mutex_t lock; /* latest, and one maker at a time */
    struct directory *latest;
    atomic_bool stale;
} here = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void snapshot_free(struct directory *directory)
{
    HASH_CLEAR(by_name, directory->names);
    HASH_CLEAR(hh, directory->aliases);
    arena_free(&directory->arena);
    mem_free(directory);
}

void directory_unref(const struct directory **directory)
{
    struct directory *d = (struct directory *)(uintptr_t)*directory;

    if (d != NULL && atomic_fetch_sub(&d->refs, 1) == 1)
        snapshot_free(d);
    *directory = NULL;
}

/* --- making a snapshot --- */

static void add_alias(struct directory *directory, struct slice key, struct entry *entry)
{
    struct alias *alias;

    HASH_FIND(hh, directory->aliases, key.ptr, key.len, alias);
    if (alias != NULL) {
        log_event(EV_DIRECTORY_REFUSED, 0, LOG_C("person", entry->person.name), LOG_S("alias", key),
                  LOG_C("why", "another person has it"));
        return;
    }
    alias = arena_one(directory->arena, struct alias);
    alias->key = slice_cstr(directory->arena, key);
    alias->entry = entry;
    HASH_ADD_KEYPTR(hh, directory->aliases, alias->key, key.len, alias);
    if (slice_eq(key, SLICE("postmaster")))
        directory->postmaster = entry;
}

static enum st add_person(struct directory *directory, const struct store_document *document)
{
    struct directory_document *read = mem_new(struct directory_document);
    struct entry *entry = arena_one(directory->arena, struct entry);
    AUTO(buf) struct buf why = BUF(1 * KIB);

    enum st st =
        directory_person_read(directory->arena, document->name, document->body, read, &why);
    if (st != ST_OK) {
        log_event(EV_DIRECTORY_REFUSED, 0, LOG_S("person", document->name),
                  LOG_S("why", buf_slice(&why)));
    } else {
        entry->person = read->person;
        HASH_ADD_KEYPTR(by_name, directory->names, entry->person.name, document->name.len, entry);
        *directory->tail = entry;
        directory->tail = &entry->next;
        directory->person_count++;
        for (size_t i = 0; i < read->alias_count; i++)
            add_alias(directory, read->aliases[i], entry);
        if (directory->postmaster == NULL && entry->person.admin)
            directory->postmaster = entry;
    }
    mem_free(read);
    return ST_OK;
}

static enum st take_document(void *ctx, const struct store_document *document)
{
    return slice_eq(document->kind, SLICE("person")) ? add_person(ctx, document) : ST_OK;
}

static enum st take_account(void *ctx, const struct store_account *account)
{
    struct directory *directory = ctx;
    struct entry *entry;

    HASH_FIND(by_name, directory->names, account->name, strlen(account->name), entry);
    if (entry != NULL)
        entry->person.account_id = account->account_id;
    return ST_OK;
}

static void snapshot_begin(struct directory *directory)
{
    HASH_CLEAR(by_name, directory->names);
    HASH_CLEAR(hh, directory->aliases);
    arena_reset(directory->arena);
    directory->first = NULL;
    directory->tail = &directory->first;
    directory->postmaster = NULL;
    directory->domain_count = 0;
    directory->person_count = 0;
}

static enum st read_snapshot(struct store_tx *tx, void *arg)
{
    struct directory *directory = arg;
    struct slice rest = slice_str(conf_get()->domains);
    struct slice domain;

    snapshot_begin(directory);
    while (slice_split(&rest, ' ', &domain))
        if (domain.len > 0 && directory->domain_count < DOMAINS_MAX)
            directory->domains[directory->domain_count++] = slice_lower(directory->arena, domain);
    enum st st = store_document_each(tx, take_document, directory);
    if (st == ST_OK)
        st = store_account_each(tx, take_account, directory);
    if (directory->postmaster == NULL)
        directory->postmaster = directory->first;
    return st;
}

/* Under here.lock. */
static enum st make_snapshot(void)
{
    struct directory *directory = mem_new(struct directory);
    uint64_t begun_ms = sys_mono_ms();

    directory->refs = 1;
    directory->arena = arena_new("directory", SNAPSHOT_BYTES_MAX);
    atomic_store(&here.stale, false);
    enum st st = store_read(here.store, read_snapshot, directory);
    if (st != ST_OK) {
        atomic_store(&here.stale, true);
        snapshot_free(directory);
        return st;
    }
    const struct directory *older = here.latest;
    here.latest = directory;
    directory_unref(&older);
    log_event(EV_DIRECTORY_LOADED, 0, LOG_U("persons", directory->person_count),
              LOG_U("ms", sys_mono_ms() - begun_ms));
    return ST_OK;
}

static void documents_changed(void *ctx, int64_t account_id, int64_t folder_id)
{
    (void)ctx;
    (void)account_id;
    (void)folder_id;
    atomic_store(&here.stale, true);
}

void directory_reload(void)
{
    atomic_store(&here.stale, true);
}

enum st directory_open(struct store *store)
{
    here.store = store;
    here.watch = store_watch_new(store, STORE_DOCUMENTS_ACCOUNT, documents_changed, NULL);
    pthread_mutex_lock(&here.lock);
    enum st st = make_snapshot();
    pthread_mutex_unlock(&here.lock);
    return st;
}

void directory_close(void)
{
    const struct directory *latest = here.latest;

    store_watch_free(&here.watch);
    here.latest = NULL;
    directory_unref(&latest);
}

/* The first to ask after a change makes the new snapshot; where the store is away the old one does.
 */
const struct directory *directory_ref(void)
{
    pthread_mutex_lock(&here.lock);
    if (atomic_load(&here.stale) && make_snapshot() != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "directory"));
    struct directory *directory = here.latest;
    assert(directory != NULL);
    atomic_fetch_add(&directory->refs, 1);
    pthread_mutex_unlock(&here.lock);
    return directory;
}

/* --- looking up --- */

static struct slice key_of(char key[KEY_BYTES_MAX], struct slice local, struct slice domain)
{
    size_t len = 0;

    if (local.len + domain.len + 1 >= KEY_BYTES_MAX)
        return SLICE("");
    for (size_t i = 0; i < local.len; i++)
        key[len++] = local.ptr[i];
    if (domain.len > 0)
        key[len++] = '@';
    for (size_t i = 0; i < domain.len; i++)
        key[len++] = domain.ptr[i];
    for (size_t i = 0; i < len; i++)
        if (key[i] >= 'A' && key[i] <= 'Z')
            key[i] = (char)(key[i] + ('a' - 'A'));
    return (struct slice){key, len};
}

static struct entry *find_name(const struct directory *directory, struct slice name)
{
    struct entry *entry;
    char room[KEY_BYTES_MAX];
    struct slice key = key_of(room, name, SLICE(""));

    HASH_FIND(by_name, directory->names, key.ptr, key.len, entry);
    return entry;
}

static struct entry *find_alias(const struct directory *directory, struct slice local,
                                struct slice domain)
{
    struct alias *alias;
    char room[KEY_BYTES_MAX];
    struct slice key = key_of(room, local, domain);

    HASH_FIND(hh, directory->aliases, key.ptr, key.len, alias);
    return alias != NULL ? alias->entry : NULL;
}

bool directory_domain_is_local(const struct directory *directory, struct slice domain)
{
    for (size_t i = 0; i < directory->domain_count; i++)
        if (slice_ieq(directory->domains[i], domain))
            return true;
    return false;
}

struct slice directory_first_domain(const struct directory *directory)
{
    return directory->domain_count > 0 ? directory->domains[0] : SLICE("localhost");
}

const struct directory_person *directory_login(const struct directory *directory, struct slice name)
{
    size_t at = slice_find(name, '@');
    struct entry *entry;

    if (at == SIZE_MAX)
        entry = find_name(directory, name);
    else if (directory_domain_is_local(directory, slice_sub(name, at + 1, name.len)))
        entry = find_name(directory, slice_sub(name, 0, at));
    else
        entry = NULL;
    return entry != NULL ? &entry->person : NULL;
}

static struct entry *find_exact(const struct directory *directory, struct slice local,
                                struct slice domain)
{
    struct entry *entry = find_alias(directory, local, domain);

    if (entry == NULL && directory_domain_is_local(directory, domain)) {
        entry = find_name(directory, local);
        if (entry == NULL)
            entry = find_alias(directory, local, SLICE(""));
    }
    return entry;
}

const struct directory_person *directory_address(const struct directory *directory,
                                                 struct slice local, struct slice domain)
{
    struct entry *entry = find_exact(directory, local, domain);
    size_t plus = slice_find(local, '+');

    if (entry == NULL && plus != SIZE_MAX && plus > 0)
        entry = find_exact(directory, slice_sub(local, 0, plus), domain);
    if (entry == NULL && slice_ieq(local, SLICE("postmaster")) &&
        (domain.len == 0 || directory_domain_is_local(directory, domain)))
        entry = directory->postmaster;
    return entry != NULL ? &entry->person : NULL;
}

bool directory_owns(const struct directory *directory, const struct directory_person *person,
                    struct slice local, struct slice domain)
{
    struct entry *entry = find_exact(directory, local, domain);
    size_t plus = slice_find(local, '+');

    if (entry == NULL && plus != SIZE_MAX && plus > 0)
        entry = find_exact(directory, slice_sub(local, 0, plus), domain);
    return entry != NULL && strcmp(entry->person.name, person->name) == 0;
}

void directory_each(const struct directory *directory, directory_fn *fn, void *ctx)
{
    for (const struct entry *entry = directory->first; entry != NULL; entry = entry->next)
        fn(ctx, &entry->person);
}
