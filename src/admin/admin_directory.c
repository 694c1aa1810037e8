#include "admin/admin_call.h"
#include "admin/admin_person.h"
#include "base/arena.h"
#include "directory/directory_check.h"
#include "store/store_document.h"
#include "sys/sys_time.h"

#define TEXT_BYTES_MAX (4 * MIB)

/* One document that a call is about. */
struct subject {
    struct admin_call *call;
    enum directory_kind kind;
    struct slice kind_name;
    struct slice name;
};

static enum st read_kind(struct subject *subject)
{
    struct admin_call *call = subject->call;
    struct slice kind = admin_arg_text(call, "kind");

    if (directory_kind_find(kind, &subject->kind) != ST_OK)
        return admin_refuse(call, ST_INVALID,
                            "%.*s: not a kind; write person, group, connection or settings",
                            SLICE_ARG(kind));
    subject->kind_name = slice_str(directory_kind_name(subject->kind));
    return ST_OK;
}

static enum st read_subject(struct admin_call *call, struct subject *subject)
{
    struct slice name;

    subject->call = call;
    enum st st = read_kind(subject);
    if (st == ST_OK)
        st = admin_arg_need(call, "name", &name);
    if (st == ST_OK)
        subject->name = slice_lower(call->arena, name);
    return st;
}

static enum st none(const struct subject *subject, const char *hint)
{
    return admin_refuse(subject->call, ST_NOT_FOUND, "%.*s %.*s: there is no such document%s",
                        SLICE_ARG(subject->kind_name), SLICE_ARG(subject->name), hint);
}

/* --- listing --- */

struct listing {
    struct slice kind; /* empty: all */
    struct arena *arena;
    json_t *documents;
};

static enum st list_document(void *ctx, const struct store_document *stored)
{
    const struct listing *listing = ctx;
    struct directory_aliases aliases;
    AUTO(buf) struct buf why = BUF(4 * KIB);
    enum directory_kind kind;

    if (listing->kind.len > 0 && !slice_eq(listing->kind, stored->kind))
        return ST_OK;
    json_t *document =
        json_pack("{s:o, s:o, s:I, s:I}", "kind", admin_json_text(stored->kind), "name",
                  admin_json_text(stored->name), "modified_ms", (json_int_t)stored->modified_ms,
                  "bytes", (json_int_t)stored->body.len);
    if (directory_kind_find(stored->kind, &kind) == ST_OK &&
        directory_check(kind, listing->arena, stored->name, stored->body, &aliases, &why) != ST_OK)
        json_object_set_new(document, "fault", admin_json_text(buf_slice(&why)));
    json_array_append_new(listing->documents, document);
    arena_reset(listing->arena);
    return ST_OK;
}

static enum st list_body(struct store_tx *tx, void *arg)
{
    const struct listing *listing = arg;

    json_array_clear(listing->documents);
    return store_document_each(tx, list_document, arg);
}

enum st admin_directory_list(struct admin_call *call)
{
    struct listing listing = {.kind = SLICE("")};
    struct subject subject = {.call = call};

    if (admin_arg_has(call, "kind")) {
        if (read_kind(&subject) != ST_OK)
            return ST_INVALID;
        listing.kind = subject.kind_name;
    }
    listing.arena = arena_new("documents", 64 * MIB);
    listing.documents = json_array();
    enum st st = store_read(call->context->store, list_body, &listing);
    call->reply = json_pack("{s:o}", "documents", listing.documents);
    arena_free(&listing.arena);
    return st;
}

/* --- one document --- */

struct reading {
    struct subject subject;
    struct slice body; /* in the call's arena */
    int64_t modified_ms;
};

static enum st keep_document(void *ctx, const struct store_document *stored)
{
    struct reading *reading = ctx;

    reading->body = arena_copy(reading->subject.call->arena, stored->body);
    reading->modified_ms = stored->modified_ms;
    return ST_OK;
}

static enum st read_body(struct store_tx *tx, void *arg)
{
    struct reading *reading = arg;

    return store_document_get(tx, reading->subject.kind_name, reading->subject.name, keep_document,
                              reading);
}

enum st admin_directory_show(struct admin_call *call)
{
    struct reading reading = {.body = SLICE("")};
    AUTO(buf) struct buf text = BUF(2 * TEXT_BYTES_MAX);
    enum st st = read_subject(call, &reading.subject);

    if (st == ST_OK)
        st = store_read(call->context->store, read_body, &reading);
    if (st == ST_NOT_FOUND)
        return none(&reading.subject, "");
    if (st != ST_OK)
        return st;
    directory_check_hide(reading.body, &text);
    call->reply =
        json_pack("{s:o, s:o, s:I, s:o}", "kind", admin_json_text(reading.subject.kind_name),
                  "name", admin_json_text(reading.subject.name), "modified_ms",
                  (json_int_t)reading.modified_ms, "text", admin_json_text(buf_slice(&text)));
    return ST_OK;
}

/* --- editing --- */

struct editing {
    struct reading old;
    struct slice text; /* as it was sent */
    struct buf body;   /* with what the masks stand for */
    struct slice editor;
    int64_t now_ms;
    bool created;
};

static enum st check_names(const struct editing *editing, const struct directory_aliases *aliases)
{
    const struct subject *subject = &editing->old.subject;
    struct buf *why = &subject->call->why;
    bool group = subject->kind == DIRECTORY_GROUP;
    enum st st = ST_OK;

    if (group || subject->kind == DIRECTORY_PERSON)
        st = admin_person_name_check(subject->name, group, why);
    for (size_t i = 0; st == ST_OK && i < aliases->count; i++)
        st = admin_person_alias_check(aliases->at[i], subject->name, why);
    return st;
}

static enum st check_text(struct editing *editing)
{
    const struct subject *subject = &editing->old.subject;
    struct admin_call *call = subject->call;
    struct directory_aliases aliases;
    struct arena *arena = arena_new("document", 64 * MIB);
    enum st st =
        directory_check_unhide(editing->text, editing->old.body, &editing->body, &call->why);

    if (st == ST_OK && editing->body.over)
        st = admin_refuse(call, ST_TOO_BIG, "a document may have 4 MiB");
    if (st == ST_OK)
        st = directory_check(subject->kind, arena, subject->name, buf_slice(&editing->body),
                             &aliases, &call->why);
    if (st == ST_OK)
        st = check_names(editing, &aliases);
    arena_free(&arena);
    return st;
}

static enum st edit_body(struct store_tx *tx, void *arg)
{
    struct editing *editing = arg;
    const struct subject *subject = &editing->old.subject;

    buf_clear(&editing->body);
    buf_clear(&subject->call->why);
    editing->old.body = SLICE("");
    enum st st = read_body(tx, &editing->old);
    editing->created = st == ST_NOT_FOUND;
    /* An account goes with a person, so it is not made by its text alone. */
    if (editing->created && subject->kind == DIRECTORY_PERSON)
        return none(subject, "; make a person with account add");
    if (st == ST_OK || st == ST_NOT_FOUND)
        st = check_text(editing);
    if (st != ST_OK)
        return st;
    return store_document_put(tx, &(struct store_document){.kind = subject->kind_name,
                                                           .name = subject->name,
                                                           .modified_ms = editing->now_ms,
                                                           .editor = editing->editor,
                                                           .body = buf_slice(&editing->body)});
}

enum st admin_directory_edit(struct admin_call *call)
{
    struct editing editing = {.now_ms = sys_now_ms(), .editor = admin_arg_text(call, "editor")};
    enum st st = read_subject(call, &editing.old.subject);

    if (st == ST_OK && !admin_arg_has(call, "text"))
        st = admin_refuse(call, ST_INVALID, "text is missing");
    if (st != ST_OK)
        return st;
    editing.text = admin_arg_text(call, "text");
    buf_init(&editing.body, TEXT_BYTES_MAX);
    admin_person_lock();
    st = store_write(call->context->store, edit_body, &editing);
    admin_person_unlock();
    buf_fini(&editing.body);
    if (st == ST_OK)
        call->reply = json_pack("{s:b}", "created", editing.created);
    return st;
}

/* --- removing --- */

static enum st remove_body(struct store_tx *tx, void *arg)
{
    const struct subject *subject = arg;

    return store_document_delete(
        tx, &(struct store_document){.kind = subject->kind_name,
                                     .name = subject->name,
                                     .modified_ms = sys_now_ms(),
                                     .editor = admin_arg_text(subject->call, "editor")});
}

enum st admin_directory_remove(struct admin_call *call)
{
    struct subject subject;
    enum st st = read_subject(call, &subject);

    if (st == ST_OK && subject.kind == DIRECTORY_PERSON)
        st = admin_refuse(call, ST_INVALID,
                          "a person goes with the account; remove it with account remove");
    if (st != ST_OK)
        return st;
    admin_person_lock();
    st = store_write(call->context->store, remove_body, &subject);
    admin_person_unlock();
    return st == ST_NOT_FOUND ? none(&subject, "") : st;
}
