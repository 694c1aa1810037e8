#include "admin/admin_directory.h"

#include "admin/admin_person.h"
#include "base/arena.h"
#include "directory/directory_check.h"
#include "store/store_document.h"
#include "sys/sys_time.h"

enum st admin_directory_kind(struct admin_subject *subject, struct slice kind)
{
    struct admin_call *call = subject->call;

    if (directory_kind_find(kind, &subject->kind) != ST_OK)
        return admin_refuse(
            call, ST_INVALID,
            "%.*s: not a kind; write person, group, server, cluster, foreign-domain, "
            "connection or settings",
            SLICE_ARG(kind));
    subject->kind_name = slice_str(directory_kind_name(subject->kind));
    return ST_OK;
}

enum st admin_directory_subject(struct admin_call *call, struct admin_subject *subject)
{
    struct slice name;

    subject->call = call;
    enum st st = admin_directory_kind(subject, admin_arg_text(call, "kind"));
    if (st == ST_OK)
        st = admin_arg_need(call, "name", &name);
    if (st == ST_OK)
        subject->name = slice_lower(call->arena, name);
    return st;
}

enum st admin_directory_none(const struct admin_subject *subject, const char *hint)
{
    return admin_refuse(subject->call, ST_NOT_FOUND, "%.*s %.*s: there is no such document%s",
                        SLICE_ARG(subject->kind_name), SLICE_ARG(subject->name), hint);
}

/* --- listing --- */

struct listing {
    struct slice kind; /* empty: all */
    bool texts;
    bool secrets;
    struct arena *arena;
    json_t *documents;
};

static void list_text(const struct listing *listing, struct slice body, json_t *document)
{
    AUTO(buf) struct buf text = BUF(2 * ADMIN_DOCUMENT_BYTES_MAX);

    if (!listing->secrets)
        directory_check_hide(body, &text);
    json_object_set_new(document, "text",
                        admin_json_text(listing->secrets ? body : buf_slice(&text)));
}

static enum st list_document(void *ctx, const struct store_document *stored)
{
    const struct listing *listing = ctx;
    struct directory_checked checked;
    AUTO(buf) struct buf why = BUF(4 * KIB);
    enum directory_kind kind;

    if (listing->kind.len > 0 && !slice_eq(listing->kind, stored->kind))
        return ST_OK;
    json_t *document =
        json_pack("{s:o, s:o, s:I, s:I}", "kind", admin_json_text(stored->kind), "name",
                  admin_json_text(stored->name), "modified_ms", (json_int_t)stored->modified_ms,
                  "bytes", (json_int_t)stored->body.len);
    if (directory_kind_find(stored->kind, &kind) == ST_OK &&
        directory_check(kind, listing->arena, stored->name, stored->body, &checked, &why) != ST_OK)
        json_object_set_new(document, "fault", admin_json_text(buf_slice(&why)));
    if (listing->texts)
        list_text(listing, stored->body, document);
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
    struct admin_subject subject = {.call = call};

    if (admin_arg_has(call, "kind")) {
        if (admin_directory_kind(&subject, admin_arg_text(call, "kind")) != ST_OK)
            return ST_INVALID;
        listing.kind = subject.kind_name;
    }
    if (admin_arg_bool(call, "texts", &listing.texts) != ST_OK ||
        admin_arg_bool(call, "secrets", &listing.secrets) != ST_OK)
        return ST_INVALID;
    listing.arena = arena_new("documents", 64 * MIB);
    listing.documents = json_array();
    enum st st = store_read(call->context->store, list_body, &listing);
    call->reply = json_pack("{s:o}", "documents", listing.documents);
    arena_free(&listing.arena);
    return st;
}

/* --- one document --- */

struct reading {
    struct admin_subject subject;
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
    AUTO(buf) struct buf text = BUF(2 * ADMIN_DOCUMENT_BYTES_MAX);
    enum st st = admin_directory_subject(call, &reading.subject);

    if (st == ST_OK)
        st = store_read(call->context->store, read_body, &reading);
    if (st == ST_NOT_FOUND)
        return admin_directory_none(&reading.subject, "");
    if (st != ST_OK)
        return st;
    directory_check_hide(reading.body, &text);
    call->reply =
        json_pack("{s:o, s:o, s:I, s:o}", "kind", admin_json_text(reading.subject.kind_name),
                  "name", admin_json_text(reading.subject.name), "modified_ms",
                  (json_int_t)reading.modified_ms, "text", admin_json_text(buf_slice(&text)));
    return ST_OK;
}

/* --- removing --- */

static enum st remove_body(struct store_tx *tx, void *arg)
{
    const struct admin_subject *subject = arg;

    return store_document_delete(
        tx, &(struct store_document){.kind = subject->kind_name,
                                     .name = subject->name,
                                     .modified_ms = sys_now_ms(),
                                     .editor = admin_arg_text(subject->call, "editor")});
}

enum st admin_directory_remove(struct admin_call *call)
{
    struct admin_subject subject;
    enum st st = admin_directory_subject(call, &subject);

    if (st == ST_OK && subject.kind == DIRECTORY_PERSON)
        st = admin_refuse(call, ST_INVALID,
                          "a person goes with the account; remove it with account remove");
    if (st != ST_OK)
        return st;
    admin_person_lock();
    st = store_write(call->context->store, remove_body, &subject);
    admin_person_unlock();
    return st == ST_NOT_FOUND ? admin_directory_none(&subject, "") : st;
}
