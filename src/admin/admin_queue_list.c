#include "admin/admin_lines.h"
#include "admin/admin_queue.h"
#include "base/arena.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#define DESTINATIONS_MAX 100000 /* counted apart; what more there are counts as others */
#define TOP_COUNT 10

struct tally {
    UT_hash_handle hh; /* name */
    char *name;
    uint64_t recipients;
    uint64_t messages;
    uint64_t bytes;
    int64_t last_id;
};

struct listing {
    struct admin_queue_walk *walk;
    struct admin_lines lines;
    struct tally total;
    struct tally others;
    struct tally *by_destination;
    uint64_t limit;
    bool summary;
    bool limited;
};

/* --- counting --- */

static void count_row(struct tally *tally, const struct store_queued *row)
{
    bool first = tally->last_id != row->envelope.envelope_id;

    tally->recipients++;
    tally->messages += first;
    tally->bytes += first ? row->envelope.bytes - row->envelope.body_offset : 0;
    tally->last_id = row->envelope.envelope_id;
}

static void count_destination(struct listing *listing, const struct store_queued *row)
{
    struct slice name = row->destination;
    struct tally *tally;

    HASH_FIND(hh, listing->by_destination, name.ptr, name.len, tally);
    if (tally == NULL && HASH_COUNT(listing->by_destination) < DESTINATIONS_MAX) {
        tally = mem_new(struct tally);
        tally->name = mem_copy(name);
        HASH_ADD_KEYPTR(hh, listing->by_destination, tally->name, name.len, tally);
    }
    count_row(tally != NULL ? tally : &listing->others, row);
}

static int by_recipients(const struct tally *a, const struct tally *b)
{
    return (a->recipients < b->recipients) - (a->recipients > b->recipients);
}

static json_t *tally_json(const struct tally *tally)
{
    return json_pack("{s:I, s:I, s:I}", "recipients", (json_int_t)tally->recipients, "messages",
                     (json_int_t)tally->messages, "bytes", (json_int_t)tally->bytes);
}

static json_t *destinations_json(struct listing *listing)
{
    json_t *list = json_array();
    struct tally *tally;
    struct tally *next;
    size_t n = 0;

    HASH_SORT(listing->by_destination, by_recipients);
    HASH_ITER(hh, listing->by_destination, tally, next)
    {
        json_t *json = tally_json(tally);

        json_object_set_new(json, "destination", admin_json_text(slice_str(tally->name)));
        json_array_append_new(list, json);
        if (++n == TOP_COUNT)
            break;
    }
    return list;
}

/* --- the list --- */

static enum st put_row(struct listing *listing, const struct store_queued *row)
{
    struct admin_queue_walk *walk = listing->walk;

    count_row(&listing->total, row);
    if (listing->summary) {
        count_destination(listing, row);
        return ST_OK;
    }
    return admin_lines_put(&listing->lines, admin_queue_json(walk->call, row, walk->arena));
}

static enum st put_rows(struct listing *listing)
{
    const struct admin_queue_walk *walk = listing->walk;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < walk->count && !listing->limited; i++) {
        listing->limited = listing->total.recipients == listing->limit;
        if (!listing->limited)
            st = put_row(listing, &walk->rows[i]);
    }
    if (st == ST_OK && admin_lines_is_silent(&listing->lines)) {
        st = admin_lines_put(&listing->lines,
                             json_pack("{s:I}", "looked", (json_int_t)walk->looked_count));
        if (st == ST_OK)
            st = admin_lines_flush(&listing->lines);
    }
    return st;
}

static enum st put_summary(struct listing *listing)
{
    json_t *json = tally_json(&listing->total);

    json_object_set_new(json, "more", json_boolean(listing->limited));
    json_object_set_new(json, "missing", json_integer((json_int_t)listing->walk->missing_count));
    if (listing->summary)
        json_object_set_new(json, "destinations", destinations_json(listing));
    enum st st = admin_lines_put(&listing->lines, json_pack("{s:o}", "summary", json));
    return st == ST_OK ? admin_lines_flush(&listing->lines) : st;
}

static enum st list_produce(struct admin_call *call, struct http_out *out)
{
    struct listing *listing = call->mine;
    enum st st = ST_OK;

    admin_lines_init(&listing->lines, out);
    do {
        st = admin_queue_walk_next(listing->walk);
        if (st == ST_OK)
            st = put_rows(listing);
    } while (st == ST_OK && !listing->walk->end && !listing->limited);
    if (st == ST_OK)
        st = put_summary(listing);
    admin_lines_fini(&listing->lines);
    return st;
}

static void listing_free(void *mine)
{
    struct listing *listing = mine;
    struct tally *tally;
    struct tally *next;

    HASH_ITER(hh, listing->by_destination, tally, next)
    {
        HASH_DEL(listing->by_destination, tally);
        mem_free(tally->name);
        mem_free(tally);
    }
    admin_queue_walk_free(&listing->walk);
    mem_free(listing);
}

enum st admin_queue_list(struct admin_call *call)
{
    struct listing *listing = mem_new(struct listing);

    call->mine = listing;
    call->release = listing_free;
    call->type = "application/x-ndjson";
    call->produce = list_produce;
    listing->limit = UINT64_MAX;
    enum st st = admin_queue_walk_new(call, &listing->walk);
    if (st == ST_OK)
        st = admin_arg_u64(call, "limit", &listing->limit);
    return st == ST_OK ? admin_arg_bool(call, "summary", &listing->summary) : st;
}
