/* admin_queue_filter.h: which queued recipients a command means. Pure. Inside admin/. */
#pragma once
#include "store/store_queue.h"

/* Whether the text is what the pattern says: '*' is any bytes, the rest itself, without case. */
bool admin_glob(struct slice pattern, struct slice text);

/* "17": all recipients of a queued message; "17.2": one of them. */
struct admin_queue_id {
    int64_t envelope_id;
    int64_t rcpt_no; /* 0: all */
};
MUST_USE enum st admin_queue_id_read(struct slice text, struct admin_queue_id *id_r);

struct admin_queue_filter {
    struct slice from; /* patterns; empty: whatever it is. "<>" is the null sender */
    struct slice to;
    struct slice destination; /* of the whole name, or of what follows its kind */
    struct slice answer;
    int64_t accepted_min_ms;
    int64_t accepted_max_ms;     /* INT64_MAX: however young */
    enum store_rcpt_state state; /* STORE_RCPT_STATE_MAX: any */
};
/* answer: the last one, the row's or its destination's. */
bool admin_queue_filter_fits(const struct admin_queue_filter *filter,
                             const struct store_queued *row, struct slice answer);
/* The state of that name; ST_INVALID. */
MUST_USE enum st admin_queue_state_find(struct slice name, enum store_rcpt_state *state_r);
