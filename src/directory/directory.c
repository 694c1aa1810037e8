/* The snapshot: how it is made of documents, and which one is the newest. */
#include "directory/directory.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory_connection.h"
#include "directory/directory_data.h"
#include "directory/directory_group.h"
#include "directory/directory_kind.h"
#include "directory/directory_person.h"
#include "log/log.h"
#include "store/store_account.h"
#include "store/store_document.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SNAPSHOT_BYTES_MAX (4 * GIB)

/* A group waits until all persons are in: where both have a name it is the person's. */
struct waiting {
    struct directory_group_document document;
    struct waiting *next;
};

/* A document with readers. */
struct hidden {
    enum directory_kind kind;
    const void *read;
    int64_t modified_ms;
    struct hidden *next;
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
    directory_names_clear(&directory->names);
    directory_match_clear(&directory->connections);
    directory_elsewhere_clear(&directory->elsewhere);
    directory_members_clear(&directory->members);
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

static void add_person(struct directory *directory, const void *read, int64_t modified_ms)
{
    const struct directory_document *document = read;

    directory_names_add_person(&directory->names, directory->arena, &document->person,
                               &document->aliases);
}

static void add_group(struct directory *directory, const void *read, int64_t modified_ms)
{
    struct waiting *waiting = arena_one(directory->arena, struct waiting);

    waiting->document = *(const struct directory_group_document *)read;
    *directory->groups_tail = waiting;
    directory->groups_tail = &waiting->next;
}

static void add_connection(struct directory *directory, const void *read, int64_t modified_ms)
{
    const struct directory_connection_document *document = read;
    struct directory_connection *connection =
        arena_one(directory->arena, struct directory_connection);

    *connection = document->connection;
    connection->modified_ms = modified_ms;
    directory_match_add(&directory->connections, directory->arena, connection, &document->domains);
    directory->connection_count++;
}

static void add_settings(struct directory *directory, const void *read, int64_t modified_ms)
{
    directory_settings_add(directory->arena, read, directory->rules);
}

static void add_server(struct directory *directory, const void *read, int64_t modified_ms)
{
    directory_elsewhere_add_server(&directory->elsewhere, directory->arena, read, modified_ms);
}

static void add_cluster(struct directory *directory, const void *read, int64_t modified_ms)
{
    directory_elsewhere_add_cluster(&directory->elsewhere, directory->arena, read);
}

static void add_foreign(struct directory *directory, const void *read, int64_t modified_ms)
{
    directory_elsewhere_add_foreign(&directory->elsewhere, directory->arena, read, modified_ms);
}

static void (*const adds[])(struct directory *, const void *, int64_t) = {
    [DIRECTORY_PERSON] = add_person,         [DIRECTORY_GROUP] = add_group,
    [DIRECTORY_CONNECTION] = add_connection, [DIRECTORY_SETTINGS] = add_settings,
    [DIRECTORY_SERVER] = add_server,         [DIRECTORY_CLUSTER] = add_cluster,
    [DIRECTORY_FOREIGN] = add_foreign,
};
static_assert(COUNT(adds) == DIRECTORY_KIND_MAX, "one for each kind");

/* What has readers waits until all groups are known. */
static void hide(struct directory *directory, enum directory_kind kind, const void *read,
                 int64_t modified_ms)
{
    struct hidden *hidden = arena_one(directory->arena, struct hidden);
    void *copy = arena_alloc(directory->arena, 1, directory_kinds[kind].size);

    memcpy(copy, read, directory_kinds[kind].size);
    *hidden = (struct hidden){kind, copy, modified_ms, NULL};
    *directory->hidden_tail = hidden;
    directory->hidden_tail = &hidden->next;
}

static const struct directory_common *common_of(enum directory_kind kind, const void *read)
{
    return (const void *)((const char *)read + directory_kinds[kind].common_at);
}

/* What decides who this server is; a group's members count whoever may see the group. */
static void note_who(struct directory *directory, enum directory_kind kind, const void *read)
{
    const struct directory_server_document *server = read;

    if (kind == DIRECTORY_GROUP) {
        struct directory_group_document *group =
            arena_one(directory->arena, struct directory_group_document);

        *group = *(const struct directory_group_document *)read;
        directory_members_add(&directory->members, directory->arena, group);
    }
    if (kind == DIRECTORY_SERVER && slice_eq(slice_str(server->server.name), directory->self))
        directory->roles = server->roles;
}

static void take_read(struct directory *directory, enum directory_kind kind, const void *read,
                      int64_t modified_ms)
{
    const struct directory_common *common = common_of(kind, read);
    bool looks = directory->self.len > 0;

    if (looks)
        note_who(directory, kind, read);
    if (looks && (common->readers.count > 0 || common->authors.count > 0))
        hide(directory, kind, read, modified_ms);
    else
        adds[kind](directory, read, modified_ms);
}

/* A document that cannot be read is told and left out; one of a kind that is not known is another
 * version's. */
static enum st take_document(void *ctx, const struct store_document *document)
{
    struct directory *directory = ctx;
    AUTO(buf) struct buf why = BUF(2 * KIB);
    enum directory_kind kind;

    if (directory_kind_find(document->kind, &kind) != ST_OK)
        return ST_OK;
    void *read = mem_alloc(directory_kinds[kind].size);
    if (directory_kinds[kind].read(directory->arena, document->name, document->body, read, &why) ==
        ST_OK)
        take_read(directory, kind, read, document->modified_ms);
    else
        log_event(EV_DIRECTORY_REFUSED, 0, LOG_S("kind", document->kind),
                  LOG_S("name", document->name), LOG_S("why", buf_slice(&why)));
    mem_free(read);
    return ST_OK;
}

/* What this server may see of what waits. */
static void show_visible(struct directory *directory)
{
    struct directory_who who;
    bool persons = false;

    if (directory->hidden == NULL)
        return;
    directory_members_who(directory->members, directory->arena, directory->self, &directory->roles,
                          &who);
    for (const struct hidden *hidden = directory->hidden; hidden != NULL; hidden = hidden->next) {
        const struct directory_common *common = common_of(hidden->kind, hidden->read);

        if (!directory_visible(&common->readers, &common->authors, &who)) {
            directory->hidden_count++;
            continue;
        }
        persons |= hidden->kind == DIRECTORY_PERSON;
        adds[hidden->kind](directory, hidden->read, hidden->modified_ms);
    }
    if (persons)
        directory_names_sort(&directory->names);
    directory->hidden = NULL;
    directory->hidden_tail = &directory->hidden;
}

static enum st take_account(void *ctx, const struct store_account *account)
{
    directory_add_account(ctx, slice_str(account->name), account->account_id);
    return ST_OK;
}

static void add_domains(struct directory *directory, struct slice domains)
{
    struct slice domain;

    while (slice_split(&domains, ' ', &domain))
        if (domain.len > 0 && directory->domain_count < DIRECTORY_DOMAINS_MAX)
            directory->domains[directory->domain_count++] = slice_lower(directory->arena, domain);
}

static void snapshot_begin(struct directory *directory)
{
    directory_names_clear(&directory->names);
    directory_match_clear(&directory->connections);
    directory_elsewhere_clear(&directory->elsewhere);
    directory_members_clear(&directory->members);
    arena_reset(directory->arena);
    memset(directory->rules, 0, sizeof(directory->rules));
    directory->postmaster = NULL;
    directory->groups = NULL;
    directory->groups_tail = &directory->groups;
    directory->hidden = NULL;
    directory->hidden_tail = &directory->hidden;
    directory->self = SLICE("");
    directory->roles = (struct directory_texts){.count = 0};
    directory->domain_count = 0;
    directory->connection_count = 0;
    directory->hidden_count = 0;
}

static const struct directory_person *find_postmaster(const struct directory *directory)
{
    const struct directory_person *first = NULL;

    for (const struct directory_entry *entry = directory->names.first; entry != NULL;
         entry = entry->next) {
        const struct directory_person *person = entry->person;

        if (person->account_id == 0)
            continue;
        if (person->admin)
            return person;
        if (first == NULL)
            first = person;
    }
    return first;
}

static void snapshot_end(struct directory *directory)
{
    show_visible(directory);
    for (struct waiting *group = directory->groups; group != NULL; group = group->next)
        directory_names_add_group(&directory->names, directory->arena, &group->document.group,
                                  &group->document.aliases);
    directory_match_end(directory->connections);
    if (directory->self.len > 0) /* else it does not matter who sees what */
        directory_elsewhere_guard(&directory->elsewhere, directory->arena, directory->members);
    directory_elsewhere_end(&directory->elsewhere);
    directory->postmaster = find_postmaster(directory);
}

static enum st read_snapshot(struct store_tx *tx, void *arg)
{
    struct directory *directory = arg;

    snapshot_begin(directory);
    add_domains(directory, slice_str(conf_get()->domains));
    directory_look(directory, slice_str(store_server_name(here.store)));
    enum st st = store_document_each(tx, take_document, directory);
    show_visible(directory);
    if (st == ST_OK)
        st = store_account_each(tx, take_account, directory);
    snapshot_end(directory);
    return st;
}

/* No account has this number: it says that there is one. */
#define ACCOUNT_ELSEWHERE INT64_MAX

static void take_given(void *ctx, const struct directory_person *person)
{
    struct directory *directory = ctx;

    for (unsigned i = 0; i < person->server_count; i++)
        if (slice_ieq(person->servers[i], directory->self))
            directory_add_account(directory, slice_str(person->name), ACCOUNT_ELSEWHERE);
}

static enum st read_documents(struct store_tx *tx, void *arg)
{
    struct directory *directory = arg;
    struct slice self = directory->self;

    snapshot_begin(directory);
    add_domains(directory, slice_str(conf_get()->domains));
    directory_look(directory, self);
    return store_document_each(tx, take_document, directory);
}

static struct directory *snapshot_new(void)
{
    struct directory *directory = mem_new(struct directory);

    directory->refs = 1;
    directory->arena = arena_new("directory", SNAPSHOT_BYTES_MAX);
    snapshot_begin(directory);
    return directory;
}

const struct directory *directory_seen_by(struct slice server)
{
    struct directory *directory = snapshot_new();
    char self[STORE_NAME_BYTES_MAX + 1];

    snprintf(self, sizeof(self), "%.*s", SLICE_ARG(server));
    directory->self = slice_str(self);
    if (store_read(here.store, read_documents, directory) != ST_OK) {
        const struct directory *unread = directory;
        directory_unref(&unread);
        return NULL;
    }
    show_visible(directory);
    directory_each(directory, take_given, directory);
    return directory_end(directory);
}

struct directory *directory_new(struct slice domains)
{
    struct directory *directory = snapshot_new();

    add_domains(directory, domains);
    return directory;
}

void directory_look(struct directory *directory, struct slice server)
{
    directory->self = slice_lower(directory->arena, server);
}

void directory_add(struct directory *directory, struct slice kind, struct slice name,
                   int64_t modified_ms, struct slice body)
{
    struct store_document document = {
        .kind = kind, .name = name, .modified_ms = modified_ms, .body = body};
    enum st st = take_document(directory, &document);

    assert(st == ST_OK);
}

void directory_add_account(struct directory *directory, struct slice name, int64_t account_id)
{
    show_visible(directory);
    struct directory_entry *entry = directory_names_find(&directory->names, name);

    if (entry != NULL && entry->person != NULL)
        entry->person->account_id = account_id;
}

const struct directory *directory_end(struct directory *directory)
{
    snapshot_end(directory);
    return directory;
}

/* Under here.lock. */
static enum st make_snapshot(void)
{
    struct directory *directory = snapshot_new();
    uint64_t begun_ms = sys_mono_ms();

    atomic_store(&here.stale, false);
    enum st st = store_read(here.store, read_snapshot, directory);
    if (st != ST_OK) {
        atomic_store(&here.stale, true);
        snapshot_free(directory);
        return st;
    }
    const struct directory *older = here.latest;
    here.latest = directory;
    directory_elsewhere_tell(&directory->elsewhere, older != NULL ? &older->elsewhere : NULL);
    directory_unref(&older);
    log_event(EV_DIRECTORY_LOADED, 0, LOG_U("persons", directory->names.person_count),
              LOG_U("groups", directory->names.group_count),
              LOG_U("connections", directory->connection_count),
              LOG_U("servers", directory->elsewhere.server_count),
              LOG_U("foreign_domains", directory->elsewhere.foreign_count),
              LOG_U("hidden", directory->hidden_count), LOG_U("ms", sys_mono_ms() - begun_ms));
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
    if (atomic_load(&here.stale) && !store_away(here.store) && make_snapshot() != ST_OK)
        log_event(EV_STORE_FAILED, 0, LOG_C("what", "directory"));
    struct directory *directory = here.latest;
    assert(directory != NULL);
    atomic_fetch_add(&directory->refs, 1);
    pthread_mutex_unlock(&here.lock);
    return directory;
}
