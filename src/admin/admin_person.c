#include "admin/admin_person.h"

#include "auth/auth_password.h"
#include "auth/auth_scram.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "store/store_account.h"
#include "store/store_document.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <pthread.h>
#include <string.h>

#define WORK_BYTES_MAX (64 * MIB)
#define DOCUMENT_BYTES_MAX (64 * KIB)
#define TEXT_BYTES_MAX 150 /* a line of a document has 198 bytes */

/* One change at a time, so that two of them do not take one alias. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;

static const struct slice kind_person = {"person", 6};

bool admin_person_text_ok(struct slice text)
{
    if (text.len > TEXT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f || text.ptr[i] == ';')
            return false;
    return true;
}

void admin_person_lock(void)
{
    pthread_mutex_lock(&changing);
}

void admin_person_unlock(void)
{
    pthread_mutex_unlock(&changing);
}

static enum st refuse(struct buf *why, enum st st, struct slice what, const char *text)
{
    buf_clear(why);
    buf_putf(why, "%.*s: %s", SLICE_ARG(what), text);
    return st;
}

/* The sentence for a store that failed, where there is none yet. */
static enum st explain(struct buf *why, enum st st, struct slice name)
{
    if (st != ST_OK && why->len == 0)
        buf_putf(why, "%.*s: %s", SLICE_ARG(name),
                 st == ST_NOT_FOUND ? "there is no such account"
                 : st == ST_EXISTS  ? "the account exists already"
                                    : "the store refused the change; the server's log says why");
    return st;
}

enum st admin_person_alias_check(struct slice alias, struct slice self, struct buf *why)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();

    if (alias.len > TEXT_BYTES_MAX || !directory_name_is_alias(alias))
        return refuse(why, ST_INVALID, alias,
                      "not an alias; write a name or name@domain in lower case");
    const char *owner = directory_owner(directory, alias);
    if (owner == NULL || slice_eq(slice_str(owner), self))
        return ST_OK;
    buf_putf(why, "the alias %.*s belongs to %s", SLICE_ARG(alias), owner);
    return ST_EXISTS;
}

enum st admin_person_name_check(struct slice name, bool group, struct buf *why)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct directory_found found;

    if (!directory_name_ok(name))
        return refuse(why, ST_INVALID, name,
                      "not a name; it may hold a-z, 0-9, dot, hyphen and underscore, at most 64");
    const char *owner = directory_owner(directory, name);
    if (owner != NULL && !slice_eq(slice_str(owner), name)) {
        buf_putf(why, "the name %.*s is an alias of %s", SLICE_ARG(name), owner);
        return ST_EXISTS;
    }
    if (owner == NULL || !directory_find_name(directory, name, &found) ||
        (found.group != NULL) == group)
        return ST_OK;
    buf_putf(why, "the name %.*s is a %s's already", SLICE_ARG(name), group ? "person" : "group");
    return ST_EXISTS;
}

static enum st check_person(const struct admin_person *person, struct buf *why)
{
    enum st st = admin_person_name_check(person->name, false, why);

    if (st == ST_OK && !admin_person_text_ok(person->full_name))
        st = refuse(why, ST_INVALID, person->full_name,
                    "a full name has at most 150 bytes, no semicolon and no control character");
    if (st == ST_OK && person->alias_count > DIRECTORY_ALIASES_MAX)
        st = refuse(why, ST_INVALID, person->name, "a person may have 100 aliases");
    for (size_t i = 0; st == ST_OK && i < person->alias_count; i++)
        st = admin_person_alias_check(person->aliases[i], person->name, why);
    return st;
}

/* The verifiers of the password as C strings; empty ones for an empty password. Slow. */
static enum st make_verifiers(struct arena *arena, struct slice name, struct slice password,
                              struct directory_person *person, struct buf *why)
{
    AUTO(buf) struct buf yescrypt = BUF(AUTH_VERIFIER_BYTES_MAX);
    AUTO(buf) struct buf scram = BUF(AUTH_VERIFIER_BYTES_MAX);

    if (password.len > 0 && (auth_password_make(password, &yescrypt) != ST_OK ||
                             auth_scram_make(password, &scram) != ST_OK))
        return refuse(why, ST_INVALID, name,
                      "the password has characters that passwords may not have, or is too long");
    person->yescrypt = slice_cstr(arena, buf_slice(&yescrypt));
    person->scram = slice_cstr(arena, buf_slice(&scram));
    return ST_OK;
}

/* --- adding --- */

struct new_person {
    struct slice name;
    struct slice body;
    char guid[SYS_GUID_HEX + 1];
    bool here; /* the account is to be in this store */
};

struct adding {
    struct new_person *persons;
    size_t count;
    int64_t now_ms;
    struct buf *why;
};

static enum st ignore_document(void *ctx, const struct store_document *document)
{
    return ST_OK;
}

static enum st add_body(struct store_tx *tx, void *arg)
{
    const struct adding *adding = arg;

    buf_clear(adding->why);
    for (size_t i = 0; i < adding->count; i++) {
        const struct new_person *person = &adding->persons[i];
        struct store_document document = {.kind = kind_person,
                                          .name = person->name,
                                          .modified_ms = adding->now_ms,
                                          .body = person->body};
        int64_t account_id;
        enum st st = store_document_get(tx, kind_person, person->name, ignore_document, NULL);

        if (st == ST_OK)
            st = ST_EXISTS;
        else if (st == ST_NOT_FOUND && !person->here)
            st = ST_OK;
        else if (st == ST_NOT_FOUND)
            st = store_account_add(tx, person->name, person->guid, adding->now_ms, &account_id);
        if (st == ST_OK)
            st = store_document_put(tx, &document);
        if (st != ST_OK)
            return explain(adding->why, st, person->name);
    }
    return ST_OK;
}

/* Whoever has the store; or this server is one of them. */
static bool is_here(const struct admin_person *person, const char *server_name)
{
    bool here = person->server_count == 0 || server_name == NULL;

    for (size_t i = 0; i < person->server_count; i++)
        here = here || slice_ieq(person->servers[i], slice_str(server_name));
    return here;
}

static enum st prepare(struct arena *arena, const struct admin_person *person,
                       struct new_person *made, struct buf *why)
{
    struct directory_document *document = arena_one(arena, struct directory_document);
    AUTO(buf) struct buf body = BUF(DOCUMENT_BYTES_MAX);
    enum st st = check_person(person, why);

    document->person = (struct directory_person){.full_name = slice_cstr(arena, person->full_name),
                                                 .quota_bytes = person->quota_bytes,
                                                 .admin = person->admin,
                                                 .kind = person->kind};
    for (size_t i = 0; st == ST_OK && i < person->alias_count; i++)
        document->aliases.at[document->aliases.count++] = person->aliases[i];
    if (st == ST_OK)
        st = make_verifiers(arena, person->name, person->password, &document->person, why);
    if (st != ST_OK)
        return st;
    document->servers.at = arena_many(arena, struct slice, person->server_count + 1);
    for (size_t i = 0; i < person->server_count; i++) {
        if (!directory_name_ok(person->servers[i])) {
            buf_putf(why, "%.*s: not a server's name", SLICE_ARG(person->servers[i]));
            return ST_INVALID;
        }
        document->servers.at[document->servers.count++] = slice_lower(arena, person->servers[i]);
    }
    directory_person_write(document, &body);
    made->name = person->name;
    made->body = arena_copy(arena, buf_slice(&body));
    sys_guid(made->guid);
    return ST_OK;
}

enum st admin_person_add(struct store *store, const struct admin_person *persons, size_t count,
                         struct buf *why)
{
    struct arena *arena = arena_new("persons", WORK_BYTES_MAX);
    struct adding adding = {.persons = arena_many(arena, struct new_person, count),
                            .count = count,
                            .now_ms = sys_now_ms(),
                            .why = why};
    enum st st = ST_OK;

    assert(count <= ADMIN_PERSONS_MAX);
    admin_person_lock();
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        st = prepare(arena, &persons[i], &adding.persons[i], why);
        adding.persons[i].here = is_here(&persons[i], store_server_name(store));
    }
    if (st == ST_OK)
        st = store_write(store, add_body, &adding);
    admin_person_unlock();
    arena_free(&arena);
    return count == 0 ? ST_OK : explain(why, st, persons[0].name);
}

/* --- changing --- */

struct changing {
    struct slice name;
    admin_person_fn *fn;
    void *ctx;
    struct arena *arena;
    struct buf body;
    struct buf *why;
    int64_t now_ms;
};

static enum st change_document(void *ctx, const struct store_document *stored)
{
    struct changing *change = ctx;
    struct directory_document *document = arena_one(change->arena, struct directory_document);
    enum st st =
        directory_person_read(change->arena, change->name, arena_copy(change->arena, stored->body),
                              document, change->why);

    if (st == ST_OK)
        st = change->fn(change->ctx, change->arena, document, change->why);
    if (st == ST_OK)
        directory_person_write(document, &change->body);
    return st;
}

static enum st change_body(struct store_tx *tx, void *arg)
{
    struct changing *change = arg;

    arena_reset(change->arena);
    buf_clear(&change->body);
    buf_clear(change->why);
    enum st st = store_document_get(tx, kind_person, change->name, change_document, change);
    if (st != ST_OK)
        return st;
    return store_document_put(tx, &(struct store_document){.kind = kind_person,
                                                           .name = change->name,
                                                           .modified_ms = change->now_ms,
                                                           .body = buf_slice(&change->body)});
}

enum st admin_person_change(struct store *store, struct slice name, admin_person_fn *fn, void *ctx,
                            struct buf *why)
{
    struct changing change = {.name = name,
                              .fn = fn,
                              .ctx = ctx,
                              .arena = arena_new("person", WORK_BYTES_MAX),
                              .why = why,
                              .now_ms = sys_now_ms()};

    buf_init(&change.body, DOCUMENT_BYTES_MAX);
    admin_person_lock();
    enum st st = store_write(store, change_body, &change);
    admin_person_unlock();
    buf_fini(&change.body);
    arena_free(&change.arena);
    return explain(why, st, name);
}

static enum st use_verifiers(void *ctx, struct arena *arena, struct directory_document *document,
                             struct buf *why)
{
    const struct directory_person *made = ctx;

    document->person.yescrypt = made->yescrypt;
    document->person.scram = made->scram;
    return ST_OK;
}

enum st admin_person_password(struct store *store, struct slice name, struct slice password,
                              struct buf *why)
{
    struct arena *arena = arena_new("password", WORK_BYTES_MAX);
    struct directory_person made = {0};
    enum st st = make_verifiers(arena, name, password, &made, why);

    if (st == ST_OK)
        st = admin_person_change(store, name, use_verifiers, &made, why);
    arena_free(&arena);
    return st;
}

/* --- renaming and removing --- */

struct renaming {
    struct slice name;
    struct slice to;
    struct arena *arena;
    struct slice body;
    int64_t now_ms;
};

static enum st keep_body(void *ctx, const struct store_document *document)
{
    struct renaming *renaming = ctx;

    renaming->body = arena_copy(renaming->arena, document->body);
    return ST_OK;
}

static enum st rename_account(struct store_tx *tx, const struct renaming *renaming)
{
    struct store_account account;
    enum st st = store_account_find(tx, renaming->name, &account);

    if (st == ST_NOT_FOUND)
        return ST_OK; /* a person whose account another store holds */
    return st != ST_OK ? st : store_account_rename(tx, account.account_id, renaming->to);
}

static enum st rename_body(struct store_tx *tx, void *arg)
{
    struct renaming *renaming = arg;

    arena_reset(renaming->arena);
    enum st st = store_document_get(tx, kind_person, renaming->to, ignore_document, NULL);
    if (st == ST_OK)
        return ST_EXISTS;
    if (st == ST_NOT_FOUND)
        st = store_document_get(tx, kind_person, renaming->name, keep_body, renaming);
    if (st == ST_OK)
        st = store_document_delete(tx, &(struct store_document){.kind = kind_person,
                                                                .name = renaming->name,
                                                                .modified_ms = renaming->now_ms});
    if (st == ST_OK)
        st = rename_account(tx, renaming);
    if (st != ST_OK)
        return st;
    return store_document_put(tx, &(struct store_document){.kind = kind_person,
                                                           .name = renaming->to,
                                                           .modified_ms = renaming->now_ms,
                                                           .body = renaming->body});
}

enum st admin_person_rename(struct store *store, struct slice name, struct slice to,
                            struct buf *why)
{
    struct arena *arena = arena_new("rename", WORK_BYTES_MAX);
    struct renaming renaming = {.name = name, .to = to, .arena = arena, .now_ms = sys_now_ms()};

    admin_person_lock();
    enum st st = admin_person_name_check(to, false, why);
    if (st == ST_OK)
        st = store_write(store, rename_body, &renaming);
    admin_person_unlock();
    arena_free(&arena);
    return explain(why, st, st == ST_EXISTS ? to : name);
}

static enum st remove_body(struct store_tx *tx, void *arg)
{
    const struct slice *name = arg;
    struct store_account account;
    enum st document = store_document_delete(
        tx,
        &(struct store_document){.kind = kind_person, .name = *name, .modified_ms = sys_now_ms()});

    if (document != ST_OK && document != ST_NOT_FOUND)
        return document;
    enum st st = store_account_find(tx, *name, &account);
    if (st == ST_NOT_FOUND)
        return document;
    return st != ST_OK ? st : store_account_remove(tx, account.account_id);
}

enum st admin_person_remove(struct store *store, struct slice name, struct buf *why)
{
    admin_person_lock();
    enum st st = store_write(store, remove_body, &name);
    admin_person_unlock();
    return explain(why, st, name);
}
