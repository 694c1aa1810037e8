#include "admin/admin_call.h"
#include "admin/admin_person.h"
#include "base/arena.h"
#include "store/store_document.h"
#include "store/store_folder.h"

#include <string.h>

/* --- adding --- */

/* In a domain every server is to know where the account is: here, or where the store is too. */
static void place(struct admin_call *call, struct admin_person *person)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct slice self = slice_str(call->context->server_name);
    const struct directory_cluster *cluster = directory_cluster_of(directory, self);
    bool shared = store_is_shared(call->context->store);
    size_t count = shared && cluster != NULL ? cluster->server_count : 1;
    struct slice *servers = arena_many(call->arena, struct slice, count);

    if (call->context->cluster == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        servers[i] =
            shared && cluster != NULL ? arena_copy(call->arena, cluster->servers[i]) : self;
    person->servers = servers;
    person->server_count = count;
}

/* What an object of arguments says of a new person. */
static enum st read_person(struct admin_call *call, struct admin_person *person_r)
{
    struct slice *aliases = NULL;
    struct slice *servers = NULL;
    struct slice name;
    enum st st = admin_arg_need(call, "name", &name);

    *person_r = (struct admin_person){.name = slice_lower(call->arena, name),
                                      .full_name = admin_arg_text(call, "full_name"),
                                      .password = admin_arg_text(call, "password")};
    if (st == ST_OK)
        st = admin_arg_list(call, "aliases", &aliases, &person_r->alias_count);
    if (st == ST_OK)
        st = admin_arg_u64(call, "quota_bytes", &person_r->quota_bytes);
    if (st == ST_OK)
        st = admin_arg_bool(call, "admin", &person_r->admin);
    struct slice kind = admin_arg_text(call, "kind");
    if (st == ST_OK && kind.len > 0 && !directory_person_kind_find(kind, &person_r->kind))
        st = admin_refuse(call, ST_INVALID, "kind is none of person, room, resource");
    person_r->aliases = aliases;
    if (st == ST_OK)
        st = admin_arg_list(call, "servers", &servers, &person_r->server_count);
    person_r->servers = servers;
    if (person_r->server_count == 0)
        place(call, person_r);
    return st;
}

enum st admin_account_add(struct admin_call *call)
{
    struct admin_person person;
    enum st st = read_person(call, &person);

    return st != ST_OK ? st : admin_person_add(call->context->store, &person, 1, &call->why);
}

/* Each account's object stands in for the call's arguments while it is read. */
enum st admin_account_import(struct admin_call *call)
{
    json_t *all = call->args;
    json_t *list = json_object_get(all, "accounts");
    size_t count = json_array_size(list);
    struct admin_person *persons = arena_many(call->arena, struct admin_person, count + 1);
    enum st st = ST_OK;

    if (!json_is_array(list) || count > ADMIN_PERSONS_MAX)
        return admin_refuse(call, ST_INVALID, "accounts is not a list of at most %d",
                            ADMIN_PERSONS_MAX);
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        call->args = json_array_get(list, i);
        st = read_person(call, &persons[i]);
    }
    call->args = all;
    if (st == ST_OK)
        st = admin_person_add(call->context->store, persons, count, &call->why);
    if (st == ST_OK)
        call->reply = json_pack("{s:I}", "added", (json_int_t)count);
    return st;
}

/* --- changing --- */

enum st admin_account_remove(struct admin_call *call)
{
    struct slice name;
    enum st st = admin_arg_name(call, "name", &name);

    return st != ST_OK ? st : admin_person_remove(call->context->store, name, &call->why);
}

enum st admin_account_passwd(struct admin_call *call)
{
    struct slice name;
    struct slice password;
    enum st st = admin_arg_name(call, "name", &name);

    if (st == ST_OK)
        st = admin_arg_need(call, "password", &password);
    return st != ST_OK ? st
                       : admin_person_password(call->context->store, name, password, &call->why);
}

enum st admin_account_rename(struct admin_call *call)
{
    struct slice name;
    struct slice to;
    enum st st = admin_arg_name(call, "name", &name);

    if (st == ST_OK)
        st = admin_arg_need(call, "to", &to);
    return st != ST_OK ? st
                       : admin_person_rename(call->context->store, name,
                                             slice_lower(call->arena, to), &call->why);
}

static enum st set_disabled(void *ctx, struct arena *arena, struct directory_document *document,
                            struct buf *why)
{
    document->person.disabled = *(const bool *)ctx;
    return ST_OK;
}

static enum st switch_account(struct admin_call *call, bool disabled)
{
    struct slice name;
    enum st st = admin_arg_name(call, "name", &name);

    return st != ST_OK ? st
                       : admin_person_change(call->context->store, name, set_disabled, &disabled,
                                             &call->why);
}

enum st admin_account_disable(struct admin_call *call)
{
    return switch_account(call, true);
}

enum st admin_account_enable(struct admin_call *call)
{
    return switch_account(call, false);
}

/* --- account/set --- */

struct setting {
    struct admin_call *call;
    struct slice name;
    struct slice *add, *remove;
    size_t add_count, remove_count;
};

static size_t find_alias(const struct directory_document *document, struct slice alias)
{
    for (size_t i = 0; i < document->aliases.count; i++)
        if (slice_eq(document->aliases.at[i], alias))
            return i;
    return SIZE_MAX;
}

static enum st remove_aliases(const struct setting *setting, struct directory_document *document,
                              struct buf *why)
{
    for (size_t i = 0; i < setting->remove_count; i++) {
        size_t at = find_alias(document, setting->remove[i]);

        if (at == SIZE_MAX) {
            buf_putf(why, "%.*s has no alias %.*s", SLICE_ARG(setting->name),
                     SLICE_ARG(setting->remove[i]));
            return ST_NOT_FOUND;
        }
        document->aliases.at[at] = document->aliases.at[--document->aliases.count];
    }
    return ST_OK;
}

static enum st add_aliases(const struct setting *setting, struct directory_document *document,
                           struct buf *why)
{
    for (size_t i = 0; i < setting->add_count; i++) {
        if (find_alias(document, setting->add[i]) != SIZE_MAX)
            continue;
        if (document->aliases.count == DIRECTORY_ALIASES_MAX) {
            buf_putf(why, "%.*s: a person may have 100 aliases", SLICE_ARG(setting->name));
            return ST_INVALID;
        }
        document->aliases.at[document->aliases.count++] = setting->add[i];
    }
    return ST_OK;
}

static enum st set_fields(void *ctx, struct arena *arena, struct directory_document *document,
                          struct buf *why)
{
    const struct setting *setting = ctx;
    struct admin_call *call = setting->call;
    enum st st = admin_arg_u64(call, "quota_bytes", &document->person.quota_bytes);

    if (st == ST_OK)
        st = admin_arg_bool(call, "admin", &document->person.admin);
    if (st == ST_OK && admin_arg_has(call, "full_name"))
        document->person.full_name = slice_cstr(arena, admin_arg_text(call, "full_name"));
    if (st == ST_OK)
        st = remove_aliases(setting, document, why);
    return st != ST_OK ? st : add_aliases(setting, document, why);
}

static enum st check_new_aliases(struct admin_call *call, const struct setting *setting)
{
    for (size_t i = 0; i < setting->add_count; i++) {
        enum st st = admin_person_alias_check(setting->add[i], setting->name, &call->why);
        if (st != ST_OK)
            return st;
    }
    return ST_OK;
}

enum st admin_account_set(struct admin_call *call)
{
    struct setting setting = {.call = call};
    enum st st = admin_arg_name(call, "name", &setting.name);

    if (st == ST_OK)
        st = admin_arg_list(call, "aliases_add", &setting.add, &setting.add_count);
    if (st == ST_OK)
        st = admin_arg_list(call, "aliases_remove", &setting.remove, &setting.remove_count);
    if (st == ST_OK && !admin_person_text_ok(admin_arg_text(call, "full_name")))
        st = admin_refuse(call, ST_INVALID,
                          "a full name has at most 150 bytes, no semicolon and no control "
                          "character");
    if (st == ST_OK)
        st = check_new_aliases(call, &setting);
    return st != ST_OK ? st
                       : admin_person_change(call->context->store, setting.name, set_fields,
                                             &setting, &call->why);
}

/* --- listing --- */

struct listing {
    struct arena *arena;
    json_t *by_name;
};

static json_t *texts(const struct slice *list, size_t count)
{
    json_t *array = json_array();

    for (size_t i = 0; i < count; i++)
        json_array_append_new(array, admin_json_text(list[i]));
    return array;
}

static json_t *describe_person(const struct directory_document *document)
{
    const struct directory_person *person = &document->person;

    return json_pack("{s:s, s:o, s:o, s:o, s:b, s:I, s:b, s:b, s:b}", "name", person->name,
                     "full_name", admin_json_text(slice_str(person->full_name)), "aliases",
                     texts(document->aliases.at, document->aliases.count), "forwards",
                     texts(person->forwards, person->forward_count), "forward_keep",
                     person->forward_keep, "quota_bytes", (json_int_t)person->quota_bytes,
                     "disabled", person->disabled, "admin", person->admin, "password",
                     person->yescrypt[0] != '\0');
}

static json_t *describe_document(struct arena *arena, const struct store_document *stored)
{
    struct directory_document *document = arena_one(arena, struct directory_document);
    AUTO(buf) struct buf why = BUF(1 * KIB);

    if (directory_person_read(arena, stored->name, stored->body, document, &why) == ST_OK)
        return describe_person(document);
    return json_pack("{s:o, s:o}", "name", admin_json_text(stored->name), "fault",
                     admin_json_text(buf_slice(&why)));
}

static enum st list_document(void *ctx, const struct store_document *stored)
{
    struct listing *listing = ctx;

    if (!slice_eq(stored->kind, SLICE("person")))
        return ST_OK;
    json_t *person = describe_document(listing->arena, stored);
    json_object_set_new(listing->by_name, json_string_value(json_object_get(person, "name")),
                        person);
    arena_reset(listing->arena);
    return ST_OK;
}

static void describe_account(json_t *into, const struct store_account *account)
{
    json_object_set_new(into, "guid", json_string(account->guid));
    json_object_set_new(into, "messages", json_integer((json_int_t)account->message_count));
    json_object_set_new(into, "bytes_used", json_integer((json_int_t)account->bytes_used));
    json_object_set_new(into, "modseq", json_integer((json_int_t)account->modseq));
}

static enum st list_account(void *ctx, const struct store_account *account)
{
    const struct listing *listing = ctx;
    json_t *person = json_object_get(listing->by_name, account->name);

    if (person == NULL) {
        person =
            json_pack("{s:s, s:s}", "name", account->name, "fault", "an account without a person");
        json_object_set_new(listing->by_name, account->name, person);
    }
    describe_account(person, account);
    return ST_OK;
}

static enum st list_body(struct store_tx *tx, void *arg)
{
    struct listing *listing = arg;

    json_object_clear(listing->by_name);
    enum st st = store_document_each(tx, list_document, listing);
    return st != ST_OK ? st : store_account_each(tx, list_account, listing);
}

enum st admin_account_list(struct admin_call *call)
{
    struct listing listing = {.arena = arena_new("listing", 1 * MIB), .by_name = json_object()};
    enum st st = store_read(call->context->store, list_body, &listing);
    json_t *accounts = json_array();
    const char *name;
    json_t *person;

    json_object_foreach(listing.by_name, name, person) json_array_append(accounts, person);
    call->reply = json_pack("{s:o}", "accounts", accounts);
    json_decref(listing.by_name);
    arena_free(&listing.arena);
    return st;
}

/* --- one account --- */

struct showing {
    struct slice name;
    struct arena *arena;
    json_t *shown;
};

static enum st show_document(void *ctx, const struct store_document *stored)
{
    struct showing *showing = ctx;

    showing->shown = describe_document(showing->arena, stored);
    return ST_OK;
}

static json_t *describe_folder(const struct store_folder *folder,
                               const struct store_folder_status *status)
{
    return json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s, s:b}", "name",
                     admin_json_text(folder->name), "guid", folder->guid, "messages",
                     (json_int_t)folder->message_count, "unseen", (json_int_t)status->unseen,
                     "bytes", (json_int_t)status->bytes, "uidvalidity",
                     (json_int_t)folder->uidvalidity, "uidnext", (json_int_t)folder->uidnext,
                     "modseq", (json_int_t)folder->modseq, "special_use", folder->special_use,
                     "subscribed", folder->subscribed);
}

static enum st show_folders(struct store_tx *tx, struct showing *showing, int64_t account_id)
{
    json_t *list = json_array();
    struct store_folder *folders;
    size_t count;
    enum st st = store_folder_list(tx, showing->arena, account_id, &folders, &count);

    for (size_t i = 0; st == ST_OK && i < count; i++) {
        struct store_folder_status status;

        st = store_folder_status(tx, &folders[i], &status);
        if (st == ST_OK)
            json_array_append_new(list, describe_folder(&folders[i], &status));
    }
    json_object_set_new(showing->shown, "folders", list);
    return st;
}

static enum st show_body(struct store_tx *tx, void *arg)
{
    struct showing *showing = arg;
    struct store_account account;

    arena_reset(showing->arena);
    json_decref(showing->shown);
    showing->shown = NULL;
    enum st person = store_document_get(tx, SLICE("person"), showing->name, show_document, showing);
    if (person != ST_OK && person != ST_NOT_FOUND)
        return person;
    enum st st = store_account_find(tx, showing->name, &account);
    if (st == ST_NOT_FOUND)
        return person;
    if (st != ST_OK)
        return st;
    if (showing->shown == NULL)
        showing->shown =
            json_pack("{s:s, s:s}", "name", account.name, "fault", "an account without a person");
    describe_account(showing->shown, &account);
    return show_folders(tx, showing, account.account_id);
}

enum st admin_account_show(struct admin_call *call)
{
    struct showing showing = {.arena = arena_new("showing", 64 * MIB)};
    enum st st = admin_arg_name(call, "name", &showing.name);

    if (st == ST_OK)
        st = store_read(call->context->store, show_body, &showing);
    if (st == ST_NOT_FOUND)
        admin_refuse(call, st, "%.*s: there is no such account", SLICE_ARG(showing.name));
    call->reply = showing.shown;
    arena_free(&showing.arena);
    return st;
}
