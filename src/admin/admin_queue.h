/* admin_queue.h: walks the queued recipients that a call means, and tells of them. Inside admin/.
 */
#pragma once
#include "admin/admin_call.h"
#include "admin/admin_queue_filter.h"

#define ADMIN_QUEUE_ROWS_MAX 100 /* held at a time */

struct admin_queue_walk {
    struct admin_call *call;
    struct admin_queue_filter filter;
    struct admin_queue_id *ids; /* in order; none: the whole queue is looked through */
    size_t id_count;
    size_t id_at;
    size_t missing_count; /* ids that nothing is queued under */
    struct arena *arena;  /* of the rows */
    int64_t after_id;
    int64_t after_no;
    uint64_t looked_count;
    bool end;
    struct store_queued rows[ADMIN_QUEUE_ROWS_MAX];
    size_t count;
};

/* From the arguments ids (a list, or texts between blanks), from, to, destination, answer, state,
 * older_ms, younger_ms. ST_INVALID with a sentence. */
MUST_USE enum st admin_queue_walk_new(struct admin_call *call, struct admin_queue_walk **walk_r);
void admin_queue_walk_free(struct admin_queue_walk **walk);
/* Whether the arguments mean less than everything. */
bool admin_queue_walk_is_narrow(const struct admin_queue_walk *walk);
/* The next rows, none of them or some, until walk->end; a transaction each, over when it returns.
 */
MUST_USE enum st admin_queue_walk_next(struct admin_queue_walk *walk);

/* The last answer: of the destination where it is down, else the row's; *from_r tells of whom. */
struct slice admin_queue_answer(const struct admin_call *call, const struct store_queued *row,
                                struct arena *arena, const char **from_r);
/* A row as queue/list tells it. */
json_t *admin_queue_json(const struct admin_call *call, const struct store_queued *row,
                         struct arena *arena);
