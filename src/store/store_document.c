#include "store/store_document.h"

#include "base/arena.h"
#include "base/slice.h"
#include "store/store_engine.h"

#define TIME_MS_MAX INT64_C(9000000000000000) /* so that one more always fits */

static const char *const merge_names[] = {
    [STORE_MERGE_SAME] = "same",   [STORE_MERGE_NEWER] = "newer", [STORE_MERGE_WON] = "won",
    [STORE_MERGE_OLDER] = "older", [STORE_MERGE_LOST] = "lost",
};
static_assert(COUNT(merge_names) == STORE_MERGE_MAX, "one name for each");

const char *store_merge_name(enum store_merge verdict)
{
    return merge_names[verdict];
}

/* --- rows --- */

static struct store_document read_row(struct store_rows *rows)
{
    return (struct store_document){.kind = store_rows_bytes(rows, 0),
                                   .name = store_rows_bytes(rows, 1),
                                   .modified_ms = store_rows_i64(rows, 2),
                                   .body = store_rows_bytes(rows, 3),
                                   .server = store_rows_bytes(rows, 4),
                                   .editor = store_rows_bytes(rows, 5),
                                   .parent_ms = store_rows_i64(rows, 6),
                                   .parent_server = store_rows_bytes(rows, 7),
                                   .removed = store_rows_i64(rows, 8) != 0,
                                   .sequence = store_rows_i64(rows, 9)};
}

static enum st tell_rows(struct store_rows *rows, store_document_fn *fn, void *ctx)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_document document = read_row(rows);
        told = fn(ctx, &document);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st;
}

static enum st write_row(struct store_tx *tx, enum store_stmt stmt, const struct store_document *d)
{
    return store_exec(tx, stmt, NULL, SV_T(d->kind), SV_T(d->name), SV_I(d->modified_ms),
                      store_text_value(d->body), store_text_value(d->server),
                      store_text_value(d->editor), SV_I(d->parent_ms),
                      store_text_value(d->parent_server), SV_I(d->removed), SV_I(d->sequence));
}

/* The document or its tombstone, in the transaction's memory; ST_NOT_FOUND. */
static enum st find(struct store_tx *tx, struct slice kind, struct slice name,
                    struct store_document *found_r)
{
    struct arena *arena = store_tx_arena(tx);
    struct store_rows *rows = store_rows_open(tx, S_DOCUMENT_ANY, SV_T(kind), SV_T(name));
    bool found = store_rows_next(rows);

    if (found) {
        *found_r = read_row(rows);
        found_r->kind = arena_copy(arena, found_r->kind);
        found_r->name = arena_copy(arena, found_r->name);
        found_r->body = arena_copy(arena, found_r->body);
        found_r->server = arena_copy(arena, found_r->server);
        found_r->editor = arena_copy(arena, found_r->editor);
        found_r->parent_server = arena_copy(arena, found_r->parent_server);
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

/* --- changing --- */

static enum st keep(struct store_tx *tx, const struct store_document *former)
{
    enum st st = write_row(tx, S_DOCUMENT_KEEP, former);

    return st != ST_OK ? st
                       : store_exec(tx, S_DOCUMENT_TRIM, NULL, SV_T(former->kind),
                                    SV_T(former->name), SV_I(STORE_DOCUMENT_HISTORY_MAX - 1));
}

/* The stamp of a change made here: behind that of what stood there, whatever the clocks say. */
static void stamp(struct store_tx *tx, struct store_document *document,
                  const struct store_document *current)
{
    document->server = slice_str(store_server_name(tx->store));
    document->parent_ms = current != NULL ? current->modified_ms : 0;
    document->parent_server = current != NULL ? current->server : SLICE("");
    if (current != NULL && document->modified_ms <= current->modified_ms)
        document->modified_ms = current->modified_ms + 1;
}

/* Removes where document is a tombstone. */
static enum st change(struct store_tx *tx, struct store_document document)
{
    struct store_document current;
    enum st st = store_get_i64(tx, S_DOCUMENT_NEXT, &document.sequence, SV_NONE);
    if (st != ST_OK)
        return st;
    st = find(tx, document.kind, document.name, &current);
    bool there = st == ST_OK;

    if (st != ST_OK && st != ST_NOT_FOUND)
        return st;
    if (document.removed && (!there || current.removed))
        return ST_NOT_FOUND;
    stamp(tx, &document, there ? &current : NULL);
    st = there ? keep(tx, &current) : ST_OK;
    store_touch(tx, STORE_DOCUMENTS_ACCOUNT, 0);
    return st != ST_OK ? st : write_row(tx, S_DOCUMENT_PUT, &document);
}

enum st store_document_put(struct store_tx *tx, const struct store_document *document)
{
    if (!store_text_ok(document->kind, false) || !store_text_ok(document->name, false) ||
        !store_text_ok(document->body, true) || !store_text_ok(document->editor, false) ||
        document->modified_ms < 0 || document->modified_ms > TIME_MS_MAX)
        return ST_INVALID;
    return change(tx, (struct store_document){.kind = document->kind,
                                              .name = document->name,
                                              .modified_ms = document->modified_ms,
                                              .editor = document->editor,
                                              .body = document->body});
}

enum st store_document_delete(struct store_tx *tx, const struct store_document *document)
{
    struct store_document current;

    if (!store_text_ok(document->kind, false) || !store_text_ok(document->name, false))
        return ST_NOT_FOUND;
    if (!store_text_ok(document->editor, false) || document->modified_ms < 0 ||
        document->modified_ms > TIME_MS_MAX)
        return ST_INVALID;
    enum st st = find(tx, document->kind, document->name, &current);
    if (st != ST_OK)
        return st;
    return change(tx, (struct store_document){.kind = document->kind,
                                              .name = document->name,
                                              .modified_ms = document->modified_ms,
                                              .editor = document->editor,
                                              .body = SLICE(""),
                                              .removed = true});
}

/* --- reading --- */

enum st store_document_each(struct store_tx *tx, store_document_fn *fn, void *ctx)
{
    return tell_rows(store_rows_open(tx, S_DOCUMENT_LIST, SV_NONE), fn, ctx);
}

enum st store_document_get(struct store_tx *tx, struct slice kind, struct slice name,
                           store_document_fn *fn, void *ctx)
{
    if (!store_text_ok(kind, false) || !store_text_ok(name, false))
        return ST_NOT_FOUND;
    struct store_rows *rows = store_rows_open(tx, S_DOCUMENT_GET, SV_T(kind), SV_T(name));
    bool found = store_rows_next(rows);
    enum st told = ST_OK;

    if (found) {
        struct store_document document = read_row(rows);
        told = fn(ctx, &document);
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : found ? told : ST_NOT_FOUND;
}

enum st store_document_history(struct store_tx *tx, struct slice kind, struct slice name,
                               store_document_fn *fn, void *ctx)
{
    if (!store_text_ok(kind, false) || !store_text_ok(name, false))
        return ST_NOT_FOUND;
    struct store_rows *rows = store_rows_open(tx, S_DOCUMENT_HISTORY, SV_T(kind), SV_T(name));
    enum st told = ST_OK;
    bool found = false;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_document document = read_row(rows);

        document.lost = store_rows_i64(rows, 10) != 0;
        found = true;
        told = fn(ctx, &document);
    }
    enum st st = store_rows_close(&rows);
    return told != ST_OK ? told : st != ST_OK ? st : found ? ST_OK : ST_NOT_FOUND;
}

enum st store_document_since(struct store_tx *tx, int64_t sequence, uint64_t max,
                             store_document_fn *fn, void *ctx)
{
    int64_t limit = max < INT64_MAX ? (int64_t)max : INT64_MAX;

    return tell_rows(store_rows_open(tx, S_DOCUMENT_SINCE, SV_I(sequence), SV_I(limit)), fn, ctx);
}

enum st store_document_last(struct store_tx *tx, int64_t *sequence_r)
{
    return store_get_i64(tx, S_DOCUMENT_LAST, sequence_r, SV_NONE);
}

/* --- merging --- */

static bool mergeable(const struct store_document *d)
{
    return store_text_ok(d->kind, false) && store_text_ok(d->name, false) &&
           store_text_ok(d->body, true) && store_text_ok(d->server, false) &&
           store_text_ok(d->editor, false) && store_text_ok(d->parent_server, false) &&
           d->modified_ms >= 0 && d->modified_ms <= TIME_MS_MAX && d->parent_ms >= 0 &&
           d->parent_ms <= TIME_MS_MAX && (!d->removed || d->body.len == 0);
}

static int compare_stamps(const struct store_document *a, const struct store_document *b)
{
    if (a->modified_ms != b->modified_ms)
        return a->modified_ms > b->modified_ms ? 1 : -1;
    return slice_cmp(a->server, b->server);
}

/* Two servers that were given one name can make equal stamps; the texts decide, the same
 * everywhere.
 */
static int compare(const struct store_document *a, const struct store_document *b)
{
    int order = compare_stamps(a, b);

    if (order == 0)
        order = slice_cmp(a->body, b->body);
    if (order == 0)
        order = (int)a->removed - (int)b->removed;
    if (order == 0 && a->parent_ms != b->parent_ms)
        order = a->parent_ms > b->parent_ms ? 1 : -1;
    return order != 0 ? order : slice_cmp(a->parent_server, b->parent_server);
}

static enum st is_kept(struct store_tx *tx, const struct store_document *d, bool *kept_r)
{
    int64_t count = 0;
    enum st st =
        store_get_i64(tx, S_DOCUMENT_KEPT, &count, SV_T(d->kind), SV_T(d->name),
                      SV_I(d->modified_ms), store_text_value(d->server), store_text_value(d->body),
                      SV_I(d->removed), SV_I(d->parent_ms), store_text_value(d->parent_server));

    *kept_r = count > 0;
    return st;
}

/* Whether another version was made of it. */
static enum st has_children(struct store_tx *tx, const struct store_document *d, bool *has_r)
{
    int64_t count = 0;
    enum st st = store_get_i64(tx, S_DOCUMENT_CHILDREN, &count, SV_T(d->kind), SV_T(d->name),
                               SV_I(d->modified_ms), store_text_value(d->server));

    *has_r = count > 0;
    return st;
}

static enum st merge_newer(struct store_tx *tx, const struct store_document *incoming,
                           const struct store_document *current, enum store_merge *verdict_r)
{
    bool went_on = false;
    enum st st = compare_stamps(incoming, current) != 0 ? keep(tx, current) : ST_OK;

    if (st == ST_OK)
        st = write_row(tx, S_DOCUMENT_PUT, incoming);
    if (st == ST_OK)
        st = has_children(tx, current, &went_on);
    *verdict_r = went_on ? STORE_MERGE_NEWER : STORE_MERGE_WON;
    return st;
}

static enum st merge_older(struct store_tx *tx, const struct store_document *incoming,
                           enum store_merge *verdict_r)
{
    bool kept = false;
    bool went_on = false;
    enum st st = keep(tx, incoming);

    if (st == ST_OK)
        st = is_kept(tx, incoming, &kept);
    if (st == ST_OK)
        st = has_children(tx, incoming, &went_on);
    *verdict_r = !kept ? STORE_MERGE_SAME : went_on ? STORE_MERGE_OLDER : STORE_MERGE_LOST;
    return st;
}

/* Whether the store has it, or has something else under its stamp that stays. */
static enum st is_known(struct store_tx *tx, const struct store_document *incoming, bool *known_r)
{
    struct store_document current;
    enum st st = find(tx, incoming->kind, incoming->name, &current);

    *known_r = false;
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    if (compare_stamps(incoming, &current) == 0) {
        *known_r = compare(incoming, &current) <= 0;
        return ST_OK;
    }
    return is_kept(tx, incoming, known_r);
}

enum st store_document_merge(struct store_tx *tx, const struct store_document *incoming,
                             enum store_merge *verdict_r)
{
    struct store_document document = *incoming;
    struct store_document current;
    bool known;

    *verdict_r = STORE_MERGE_SAME;
    if (!mergeable(incoming))
        return ST_INVALID;
    enum st st = is_known(tx, incoming, &known);
    if (st != ST_OK || known)
        return st;
    st = store_get_i64(tx, S_DOCUMENT_NEXT, &document.sequence, SV_NONE);
    if (st != ST_OK)
        return st;
    store_touch(tx, STORE_DOCUMENTS_ACCOUNT, 0);
    st = find(tx, document.kind, document.name, &current);
    if (st == ST_NOT_FOUND) {
        *verdict_r = STORE_MERGE_NEWER;
        return write_row(tx, S_DOCUMENT_PUT, &document);
    }
    if (st != ST_OK)
        return st;
    int order = compare(&document, &current);
    if (order == 0 || (order < 0 && compare_stamps(&document, &current) == 0))
        return ST_OK; /* it came in by another way meanwhile */
    return order > 0 ? merge_newer(tx, &document, &current, verdict_r)
                     : merge_older(tx, &document, verdict_r);
}
