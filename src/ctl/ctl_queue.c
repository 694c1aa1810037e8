#include "ctl/ctl_queue.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_progress.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PAGE_COUNT 100
#define PAGE_BYTES_MAX (8 * MIB)
#define PAGE_TEXT_BYTES_MAX (1 * MIB)

/* --- filters --- */

static int put_age(struct ctl *ctl, enum ctl_opt_id id, const char *key, json_t *args)
{
    const char *text = ctl_value(ctl, id);
    uint64_t ms;
    char digits[24];

    if (text == NULL)
        return EX_OK;
    if (ctl_age_parse(text, &ms) != ST_OK)
        return ctl_fail(EX_USAGE, "--%s %s: not an age; write 30min, 4h or 2d", ctl_opts[id].name,
                        text);
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)ms);
    json_object_set_new(args, key, json_string(digits));
    return EX_OK;
}

static void put_text(const struct ctl *ctl, enum ctl_opt_id id, json_t *args)
{
    if (ctl_has(ctl, id))
        json_object_set_new(args, ctl_opts[id].name, json_string(ctl_value(ctl, id)));
}

int ctl_queue_filter(struct ctl *ctl, json_t *args)
{
    static const enum ctl_opt_id texts[] = {CTL_OPT_FROM, CTL_OPT_TO, CTL_OPT_DESTINATION,
                                            CTL_OPT_ANSWER, CTL_OPT_STATE};

    for (size_t i = 0; i < COUNT(texts); i++)
        put_text(ctl, texts[i], args);
    int exit = put_age(ctl, CTL_OPT_OLDER, "older_ms", args);
    return exit == EX_OK ? put_age(ctl, CTL_OPT_YOUNGER, "younger_ms", args) : exit;
}

/* --- the list --- */

struct listing {
    struct ctl *ctl;
    struct arena *arenas[2]; /* of this page's table and of the one before */
    unsigned page;
    struct ctl_table *table;
    size_t rows; /* in it */
    uint64_t count;
    bool json;
    bool copies; /* held here for others, in place of the queue */
    bool whole;  /* the summary came */
    struct ctl_progress progress;
};

const char *ctl_queue_next(struct arena *arena, const json_t *row)
{
    const char *state = ctl_json_text(arena, row, "state");
    char room[CTL_QUANTITY_BYTES];
    char text[CTL_QUANTITY_BYTES + 4];

    if (strcmp(state, "held") == 0)
        return "-";
    if (strcmp(state, "queued") != 0)
        return "report due";
    uint64_t next_ms = ctl_json_number(row, "next_in_ms");
    if (next_ms == 0)
        return "now";
    snprintf(text, sizeof(text), "in %s", ctl_table_duration(room, next_ms + SEC_MS - 1));
    return slice_cstr(arena, slice_str(text));
}

static void write_page(struct listing *listing)
{
    AUTO(buf) struct buf out = BUF(PAGE_TEXT_BYTES_MAX * 4);

    ctl_progress_end(&listing->progress);
    ctl_table_write(listing->table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    listing->page ^= 1;
    arena_reset(listing->arenas[listing->page]);
    listing->table = ctl_table_more(listing->arenas[listing->page], listing->table);
    listing->rows = 0;
}

static const char *sender_of(struct arena *arena, const json_t *row)
{
    const char *from = ctl_json_text(arena, row, "from");

    return from[0] != '\0' ? from : "<>";
}

static void put_queued(struct listing *listing, const json_t *row)
{
    struct arena *arena = listing->arenas[listing->page];
    bool copy = json_object_get(row, "copy") != NULL; /* the server is one of several */
    char room[CTL_QUANTITY_BYTES];

    if (listing->table == NULL)
        listing->table = ctl_table_new(
            arena, copy ? "ID,AGE,STATE,>TRIES,NEXT,FROM,TO,DESTINATION,COPY,LAST ANSWER"
                        : "ID,AGE,STATE,>TRIES,NEXT,FROM,TO,DESTINATION,LAST ANSWER");
    struct ctl_table *table = listing->table;

    ctl_table_cell(table, ctl_json_text(arena, row, "id"));
    ctl_table_cell(table, ctl_table_duration(room, ctl_json_number(row, "age_ms")));
    ctl_table_cell(table, ctl_json_text(arena, row, "state"));
    ctl_table_cell(table, ctl_table_number(room, ctl_json_number(row, "attempts")));
    ctl_table_cell(table, ctl_queue_next(arena, row));
    ctl_table_cell(table, sender_of(arena, row));
    ctl_table_cell(table, ctl_json_text(arena, row, "to"));
    ctl_table_cell(table, ctl_json_text(arena, row, "destination"));
    if (copy)
        ctl_table_cell(table, ctl_json_text(arena, row, "copy"));
    ctl_table_cell(table, ctl_json_text(arena, row, "answer"));
}

static void put_copy(struct listing *listing, const json_t *row)
{
    struct arena *arena = listing->arenas[listing->page];
    char room[CTL_QUANTITY_BYTES];

    if (listing->table == NULL)
        listing->table = ctl_table_new(arena, "OF,AGE,>SIZE,>RECIPIENTS,FROM,GUID,MESSAGE-ID");
    struct ctl_table *table = listing->table;
    ctl_table_cell(table, ctl_json_text(arena, row, "owner"));
    ctl_table_cell(table, ctl_table_duration(room, ctl_json_number(row, "age_ms")));
    ctl_table_cell(table, ctl_table_size(room, ctl_json_number(row, "bytes")));
    ctl_table_cell(table, ctl_table_number(room, ctl_json_number(row, "recipients")));
    ctl_table_cell(table, sender_of(arena, row));
    ctl_table_cell(table, ctl_json_text(arena, row, "guid"));
    ctl_table_cell(table, ctl_json_text(arena, row, "message_id"));
}

static void put_row(struct listing *listing, const json_t *row)
{
    if (listing->copies)
        put_copy(listing, row);
    else
        put_queued(listing, row);
    if (++listing->rows == PAGE_COUNT)
        write_page(listing);
}

static void put_json(struct listing *listing, const json_t *row)
{
    fputs(listing->count == 1 ? "\n" : ",\n", stdout);
    json_dumpf(row, stdout, JSON_COMPACT);
}

static void put_counts(const json_t *counts)
{
    char room[CTL_QUANTITY_BYTES];

    printf("%s", ctl_table_count(room, ctl_json_number(counts, "recipients"), "recipient"));
    printf(" of %s", ctl_table_count(room, ctl_json_number(counts, "messages"), "message"));
    printf(", %s\n", ctl_table_size(room, ctl_json_number(counts, "bytes")));
}

static void put_copies_count(const json_t *counts)
{
    char room[CTL_QUANTITY_BYTES];

    printf("copies of %s of other servers\n",
           ctl_table_count(room, ctl_json_number(counts, "messages"), "message"));
}

static void put_destinations(struct listing *listing, const json_t *destinations)
{
    struct arena *arena = listing->ctl->arena;
    struct ctl_table *table = ctl_table_new(arena, ">RECIPIENTS,>MESSAGES,>SIZE,DESTINATION");
    AUTO(buf) struct buf out = BUF(PAGE_TEXT_BYTES_MAX);
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *tally;

    json_array_foreach(destinations, i, tally)
    {
        ctl_table_cell(table, ctl_table_number(room, ctl_json_number(tally, "recipients")));
        ctl_table_cell(table, ctl_table_number(room, ctl_json_number(tally, "messages")));
        ctl_table_cell(table, ctl_table_size(room, ctl_json_number(tally, "bytes")));
        ctl_table_cell(table, ctl_json_text(arena, tally, "destination"));
    }
    ctl_table_write(table, &out);
    if (i > 0)
        fwrite(out.ptr, 1, out.len, stdout);
}

static void put_summary(struct listing *listing, const json_t *summary)
{
    ctl_progress_end(&listing->progress);
    if (listing->json) {
        fputs(listing->count > 0 ? "\n], \"summary\": " : "], \"summary\": ", stdout);
        json_dumpf(summary, stdout, JSON_COMPACT);
        puts("}");
        return;
    }
    if (listing->rows > 0)
        write_page(listing);
    if (listing->copies) {
        put_copies_count(summary);
        return;
    }
    put_destinations(listing, json_object_get(summary, "destinations"));
    put_counts(summary);
    if (json_is_true(json_object_get(summary, "more")))
        puts("there are more");
}

static enum st take(void *ctx, json_t *object)
{
    struct listing *listing = ctx;
    const json_t *summary = json_object_get(object, "summary");
    const json_t *looked = json_object_get(object, "looked");

    if (summary != NULL) {
        put_summary(listing, summary);
        listing->whole = true;
    } else if (looked != NULL) {
        ctl_progress_step(&listing->progress,
                          (uint64_t)json_integer_value(looked) - listing->progress.count, 0);
    } else {
        listing->count++;
        if (listing->json)
            put_json(listing, object);
        else
            put_row(listing, object);
    }
    return ferror(stdout) ? ST_IO : ST_OK;
}

static int list(struct listing *listing, json_t *query)
{
    ctl_progress_begin(&listing->progress, "recipients looked at", 0);
    if (listing->json)
        fputs(listing->copies ? "{\"copies\": [" : "{\"recipients\": [", stdout);
    int exit = ctl_stream_get(listing->ctl, listing->copies ? "/v1/queue/copies" : "/v1/queue/list",
                              query, take, listing);
    if (exit == EX_OK && !listing->whole)
        return ctl_fail(EX_IOERR, "the list broke off: the store cannot be read");
    return exit;
}

int ctl_cmd_queue_list(struct ctl *ctl)
{
    struct listing listing = {
        .ctl = ctl, .json = ctl_has(ctl, CTL_OPT_JSON), .copies = ctl_has(ctl, CTL_OPT_COPIES)};
    json_t *query = json_object();
    int exit = ctl_queue_filter(ctl, query);

    if (exit == EX_OK && listing.copies &&
        (json_object_size(query) > 0 || ctl_has(ctl, CTL_OPT_SUMMARY)))
        exit = ctl_fail(EX_USAGE, "--copies goes with --limit and --json alone");
    put_text(ctl, CTL_OPT_LIMIT, query);
    if (ctl_has(ctl, CTL_OPT_SUMMARY))
        json_object_set_new(query, "summary", json_string("yes"));
    if (exit != EX_OK) {
        json_decref(query);
        return exit;
    }
    for (size_t i = 0; i < COUNT(listing.arenas); i++)
        listing.arenas[i] = arena_new("queue list", PAGE_BYTES_MAX);
    exit = list(&listing, query);
    for (size_t i = 0; i < COUNT(listing.arenas); i++)
        arena_free(&listing.arenas[i]);
    return exit;
}
