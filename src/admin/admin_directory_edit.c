#include "admin/admin_directory.h"

#include "admin/admin_person.h"
#include "base/arena.h"
#include "base/mem.h"
#include "directory/directory_check.h"
#include "directory/directory_group.h"
#include "directory/directory_visible.h"
#include "store/store_document.h"
#include "sys/sys_time.h"

#define DOCUMENTS_MAX 200000 /* in one import */
#define SEEN_BYTES_MAX (64 * KIB)

/* One document as it was sent, and what became of it. */
struct sent {
    struct admin_subject subject;
    struct slice text;
    const char *became; /* "made", "changed", "same" */
    struct buf seen;    /* who may see it, where that changed */
};

/* All of them or none. */
struct editing {
    struct admin_call *call;
    struct sent *list;
    size_t count;
    struct slice editor;
    bool widen;
    bool importing; /* a refusal names the document */
    int64_t now_ms;
    struct arena *arena; /* reset when the body begins */
    struct directory_members *members;
    bool members_known;
};

static enum st refuse(struct editing *editing, const struct sent *sent, enum st st)
{
    AUTO(buf) struct buf sentence = BUF(8 * KIB);
    struct buf *why = &editing->call->why;

    if (!editing->importing || why->len == 0)
        return st;
    buf_put(&sentence, buf_slice(why));
    buf_clear(why);
    buf_putf(why, "%.*s %.*s: %.*s", SLICE_ARG(sent->subject.kind_name),
             SLICE_ARG(sent->subject.name), SLICE_ARG(buf_slice(&sentence)));
    return st;
}

/* --- who may see it --- */

static enum st note_group(void *ctx, const struct store_document *stored)
{
    struct editing *editing = ctx;
    AUTO(buf) struct buf why = BUF(4 * KIB);

    if (!slice_eq(stored->kind, SLICE("group")))
        return ST_OK;
    struct directory_group_document *group =
        arena_one(editing->arena, struct directory_group_document);
    if (directory_group_read(editing->arena, stored->name, stored->body, group, &why) == ST_OK)
        directory_members_add(&editing->members, editing->arena, group);
    return ST_OK;
}

static void put_list(struct buf *out, const struct directory_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        buf_putf(out, "%s%.*s", i > 0 ? " " : "", SLICE_ARG(texts->at[i]));
}

static void put_seen(struct buf *out, const struct directory_common *common)
{
    if (common->readers.count == 0 && common->authors.count == 0)
        buf_put(out, SLICE("everybody"));
    put_list(out, &common->readers);
    if (common->readers.count > 0 && common->authors.count > 0)
        buf_put(out, SLICE(" "));
    put_list(out, &common->authors);
}

/* An edit that lets more see the document must say so: readers are easily lost by accident. */
static enum st check_seen(struct store_tx *tx, struct editing *editing, struct sent *sent,
                          const struct directory_common *before, const struct directory_common *now)
{
    AUTO(buf) struct buf old = BUF(SEEN_BYTES_MAX);
    struct slice by;
    enum st st = ST_OK;

    put_seen(&old, before);
    put_seen(&sent->seen, now);
    if (slice_eq(buf_slice(&old), buf_slice(&sent->seen))) {
        buf_clear(&sent->seen);
        return ST_OK;
    }
    if (!editing->members_known)
        st = store_document_each(tx, note_group, editing);
    editing->members_known = true;
    if (st == ST_OK && !editing->widen &&
        directory_visible_widens(editing->members, editing->arena, before, now, &by))
        st = admin_refuse(editing->call, ST_DENIED,
                          "with this edit %.*s may see it too, which so far only these may: %.*s; "
                          "keep its reader and author lines, or say --widen",
                          SLICE_ARG(by), SLICE_ARG(slice_sub(buf_slice(&old), 0, 500)));
    return st;
}

/* --- one document --- */

struct old_body {
    struct arena *arena;
    struct slice body;
};

static enum st keep_body(void *ctx, const struct store_document *stored)
{
    struct old_body *old = ctx;

    old->body = arena_copy(old->arena, stored->body);
    return ST_OK;
}

/* Its text in the arena; ST_NOT_FOUND. */
static enum st read_old(struct store_tx *tx, struct editing *editing, const struct sent *sent,
                        struct slice *old_r)
{
    struct old_body old = {editing->arena, SLICE("")};
    enum st st =
        store_document_get(tx, sent->subject.kind_name, sent->subject.name, keep_body, &old);

    *old_r = old.body;
    return st;
}

static enum st check_names(const struct admin_subject *subject,
                           const struct directory_aliases *aliases)
{
    struct buf *why = &subject->call->why;
    bool group = subject->kind == DIRECTORY_GROUP;
    enum st st = ST_OK;

    if (group || subject->kind == DIRECTORY_PERSON)
        st = admin_person_name_check(subject->name, group, why);
    for (size_t i = 0; st == ST_OK && i < aliases->count; i++)
        st = admin_person_alias_check(aliases->at[i], subject->name, why);
    return st;
}

static enum st check(struct store_tx *tx, struct editing *editing, struct sent *sent,
                     struct slice old, struct slice body)
{
    const struct admin_subject *subject = &sent->subject;
    struct directory_checked *before = arena_one(editing->arena, struct directory_checked);
    struct directory_checked *now = arena_one(editing->arena, struct directory_checked);
    AUTO(buf) struct buf fault = BUF(4 * KIB);
    enum st st = directory_check(subject->kind, editing->arena, subject->name, body, now,
                                 &editing->call->why);

    if (st == ST_OK)
        st = check_names(subject, &now->aliases);
    /* One that cannot be read is seen by nobody, and said nothing. */
    if (st == ST_OK &&
        directory_check(subject->kind, editing->arena, subject->name, old, before, &fault) == ST_OK)
        st = check_seen(tx, editing, sent, &before->common, &now->common);
    return st;
}

static enum st write_one(struct store_tx *tx, struct editing *editing, struct sent *sent)
{
    const struct admin_subject *subject = &sent->subject;
    AUTO(buf) struct buf body = BUF(ADMIN_DOCUMENT_BYTES_MAX);
    struct slice old;
    enum st st = read_old(tx, editing, sent, &old);
    bool made = st == ST_NOT_FOUND;

    buf_clear(&sent->seen);
    /* An account goes with a person, so it is not made by its text alone. */
    if (made && subject->kind == DIRECTORY_PERSON)
        return admin_directory_none(subject, "; make a person with account add");
    if (st == ST_OK || made)
        st = directory_check_unhide(sent->text, old, &body, &editing->call->why);
    if (st == ST_OK && body.over)
        st = admin_refuse(editing->call, ST_TOO_BIG, "a document may have 4 MiB");
    if (st != ST_OK)
        return st;
    sent->became = made ? "made" : slice_eq(old, buf_slice(&body)) ? "same" : "changed";
    if (!made && slice_eq(old, buf_slice(&body)))
        return ST_OK;
    st = check(tx, editing, sent, made ? buf_slice(&body) : old, buf_slice(&body));
    if (st != ST_OK)
        return st;
    return store_document_put(tx, &(struct store_document){.kind = subject->kind_name,
                                                           .name = subject->name,
                                                           .modified_ms = editing->now_ms,
                                                           .editor = editing->editor,
                                                           .body = buf_slice(&body)});
}

static enum st edit_body(struct store_tx *tx, void *arg)
{
    struct editing *editing = arg;
    enum st st = ST_OK;

    directory_members_clear(&editing->members);
    editing->members_known = false;
    arena_reset(editing->arena);
    buf_clear(&editing->call->why);
    for (size_t i = 0; st == ST_OK && i < editing->count; i++) {
        st = write_one(tx, editing, &editing->list[i]);
        if (st != ST_OK)
            st = refuse(editing, &editing->list[i], st);
    }
    return st;
}

/* --- the calls --- */

static enum st run(struct editing *editing)
{
    struct admin_call *call = editing->call;
    enum st st = admin_arg_bool(call, "widen", &editing->widen);

    editing->editor = admin_arg_text(call, "editor");
    editing->now_ms = sys_now_ms();
    if (st != ST_OK)
        return st;
    editing->arena = arena_new("documents", 4 * GIB);
    for (size_t i = 0; i < editing->count; i++)
        buf_init(&editing->list[i].seen, SEEN_BYTES_MAX);
    admin_person_lock();
    st = store_write(call->context->store, edit_body, editing);
    admin_person_unlock();
    directory_members_clear(&editing->members);
    arena_free(&editing->arena);
    return st;
}

static json_t *describe(const struct sent *sent)
{
    json_t *json =
        json_pack("{s:o, s:o, s:s, s:b}", "kind", admin_json_text(sent->subject.kind_name), "name",
                  admin_json_text(sent->subject.name), "became", sent->became, "created",
                  sent->became[0] == 'm');

    if (sent->seen.len > 0)
        json_object_set_new(json, "seen_by", admin_json_text(buf_slice(&sent->seen)));
    return json;
}

enum st admin_directory_edit(struct admin_call *call)
{
    struct sent sent = {.text = admin_arg_text(call, "text")};
    struct editing editing = {.call = call, .list = &sent, .count = 1};
    enum st st = admin_directory_subject(call, &sent.subject);

    if (st == ST_OK && !admin_arg_has(call, "text"))
        st = admin_refuse(call, ST_INVALID, "text is missing");
    if (st != ST_OK)
        return st;
    st = run(&editing);
    if (st == ST_OK)
        call->reply = describe(&sent);
    buf_fini(&sent.seen);
    return st;
}

static struct slice text_of(const json_t *object, const char *key)
{
    const json_t *text = json_object_get(object, key);

    return json_is_string(text) ? (struct slice){json_string_value(text), json_string_length(text)}
                                : SLICE("");
}

static enum st read_sent(struct admin_call *call, const json_t *object, struct sent *sent_r)
{
    sent_r->subject.call = call;
    sent_r->subject.name = slice_lower(call->arena, text_of(object, "name"));
    sent_r->text = text_of(object, "text");
    return admin_directory_kind(&sent_r->subject, text_of(object, "kind"));
}

static enum st import(struct editing *editing)
{
    json_t *list = json_array();
    enum st st = run(editing);

    for (size_t i = 0; i < editing->count; i++) {
        if (st == ST_OK)
            json_array_append_new(list, describe(&editing->list[i]));
        buf_fini(&editing->list[i].seen);
    }
    editing->call->reply = json_pack("{s:o}", "documents", list);
    return st;
}

enum st admin_directory_import(struct admin_call *call)
{
    const json_t *documents = json_object_get(call->args, "documents");
    struct editing editing = {.call = call, .count = json_array_size(documents), .importing = true};
    enum st st = ST_OK;

    if (!json_is_array(documents) || editing.count > DOCUMENTS_MAX)
        return admin_refuse(call, ST_INVALID, "documents is missing, or has more than %d",
                            DOCUMENTS_MAX);
    editing.list = mem_alloc((editing.count + 1) * sizeof(editing.list[0]));
    for (size_t i = 0; st == ST_OK && i < editing.count; i++)
        st = read_sent(call, json_array_get(documents, i), &editing.list[i]);
    if (st == ST_OK)
        st = import(&editing);
    mem_free(editing.list);
    return st;
}
