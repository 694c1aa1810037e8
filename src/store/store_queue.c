#include "store/store_queue.h"

#include "base/slice.h"
#include "store/store_engine.h"
#include "sys/sys_hash.h"

#include <string.h>

#define UNSETTLED_LOOK_MS 1000 /* rows may wait for another server (store_shadow.h) */

const char *const store_rcpt_state_names[STORE_RCPT_STATE_MAX] = {
    "queued", "held", "failed", "delivered", "relayed", "expanded"};

#define MERGED_MS (15 * (int64_t)MIN_MS) /* longer than any transaction takes */

/* --- servers --- */

enum st store_server_enter(struct store_tx *tx, struct slice name, int64_t lease_until_ms,
                           int64_t *server_id_r)
{
    if (!store_text_ok(name, false))
        return ST_INVALID;
    return store_get_i64(tx, S_SERVER_ENTER, server_id_r, SV_T(name), SV_I(lease_until_ms));
}

enum st store_server_renew(struct store_tx *tx, int64_t server_id, int64_t lease_until_ms)
{
    int64_t changed = 0;
    enum st st = store_exec(tx, S_SERVER_RENEW, &changed, SV_I(server_id), SV_I(lease_until_ms));

    return st != ST_OK ? st : changed == 1 ? ST_OK : ST_NOT_FOUND;
}

enum st store_server_take_over(struct store_tx *tx, int64_t server_id, int64_t now_ms,
                               int64_t *count_r)
{
    enum st st = store_exec(tx, S_SERVER_EXPIRE, NULL, SV_I(server_id), SV_I(now_ms));

    return st != ST_OK ? st
                       : store_exec(tx, S_SERVER_TAKE_OVER, count_r, SV_I(server_id), SV_I(now_ms));
}

/* --- destinations --- */

enum st store_destination_need(struct store_tx *tx, int64_t server_id, struct slice name,
                               int64_t *destination_id_r)
{
    if (!store_text_ok(name, false))
        return ST_INVALID;
    enum st st =
        store_get_i64(tx, S_DESTINATION_FIND, destination_id_r, SV_I(server_id), SV_T(name));

    if (st == ST_OK)
        return store_exec(tx, S_DESTINATION_WAKE, NULL, SV_I(*destination_id_r));
    return st != ST_NOT_FOUND ? st
                              : store_get_i64(tx, S_DESTINATION_ADD, destination_id_r,
                                              SV_I(server_id), SV_T(name));
}

static enum st each_destination(struct store_rows *rows, store_destination_fn *fn, void *ctx)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_destination destination = {
            .destination_id = store_rows_i64(rows, 0),
            .name = store_rows_bytes(rows, 1),
            .attempts = (uint64_t)store_rows_i64(rows, 2),
            .next_ms = store_rows_i64(rows, 3),
            .answer = store_rows_bytes(rows, 4),
        };
        told = fn(ctx, &destination);
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : told;
}

enum st store_destination_due(struct store_tx *tx, int64_t server_id, int64_t now_ms,
                              int64_t after_id, uint64_t limit, store_destination_fn *fn, void *ctx)
{
    return each_destination(store_rows_open(tx, S_DESTINATION_DUE, SV_I(server_id), SV_I(now_ms),
                                            SV_I(after_id), SV_I(limit)),
                            fn, ctx);
}

enum st store_destination_down(struct store_tx *tx, int64_t server_id, uint64_t limit,
                               store_destination_fn *fn, void *ctx)
{
    return each_destination(store_rows_open(tx, S_DESTINATION_DOWN, SV_I(server_id), SV_I(limit)),
                            fn, ctx);
}

/* Cut to its length, between two characters. */
static struct slice answer_of(struct slice answer)
{
    size_t len = answer.len;

    if (len > STORE_ANSWER_BYTES_MAX)
        for (len = STORE_ANSWER_BYTES_MAX;
             len > 0 && ((unsigned char)answer.ptr[len] & 0xc0) == 0x80;)
            len--;
    return slice_sub(answer, 0, len);
}

enum st store_destination_set(struct store_tx *tx, const struct store_destination *destination)
{
    return store_exec(tx, S_DESTINATION_SET, NULL, SV_I(destination->destination_id),
                      SV_I(destination->attempts), SV_I(destination->next_ms),
                      SV_T(answer_of(destination->answer)));
}

enum st store_destination_reset(struct store_tx *tx, int64_t server_id)
{
    enum st st = store_exec(tx, S_DESTINATION_SWEEP, NULL, SV_I(server_id));

    return st != ST_OK ? st : store_exec(tx, S_DESTINATION_WAKE_ALL, NULL, SV_I(server_id));
}

/* The row stays a while without rows of its own: a transaction that began before may still add to
 * it, and what is added to a destination that is gone would never be sent. */
enum st store_destination_merge(struct store_tx *tx, int64_t from_id, int64_t to_id, int64_t now_ms)
{
    int64_t moved = 0;
    enum st st = store_exec(tx, S_DESTINATION_MERGE, &moved, SV_I(from_id), SV_I(to_id));

    if (st == ST_OK && moved == 0)
        st = store_exec(tx, S_DESTINATION_DELETE, NULL, SV_I(from_id));
    return st != ST_OK ? st
                       : store_exec(tx, S_DESTINATION_PUT_OFF, NULL, SV_I(from_id),
                                    SV_I(now_ms + MERGED_MS));
}

/* --- rows --- */

static enum st add_rcpts(struct store_tx *tx, const struct store_envelope *envelope,
                         struct store_rcpt *rcpts, size_t count, int64_t first_no)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < count; i++) {
        struct store_rcpt *rcpt = &rcpts[i];

        rcpt->envelope_id = envelope->envelope_id;
        rcpt->rcpt_no = first_no + (int64_t)i;
        st = store_exec(tx, S_RCPT_ADD, NULL, SV_I(rcpt->envelope_id), SV_I(rcpt->rcpt_no),
                        SV_I(rcpt->destination_id), SV_T(rcpt->address), SV_T(rcpt->orcpt),
                        SV_I(rcpt->notify), SV_I(rcpt->state), SV_I(envelope->priority),
                        SV_I(rcpt->attempts), SV_I(rcpt->next_ms), SV_T(answer_of(rcpt->answer)));
    }
    return st;
}

enum st store_queue_add(struct store_tx *tx, const struct store_envelope *envelope,
                        struct store_rcpt *rcpts, size_t count)
{
    enum st st = store_exec(tx, S_ENVELOPE_ADD, NULL, SV_I(envelope->envelope_id),
                            SV_C(envelope->guid), SV_T(envelope->sender), SV_T(envelope->envid),
                            SV_T(envelope->message_id), SV_T(envelope->origin),
                            SV_I(envelope->flags), SV_I(envelope->bytes), SV_I(envelope->priority),
                            SV_I(envelope->accepted_ms), SV_I(envelope->body_offset), SV_I(count),
                            SV_T(envelope->shadow.ptr != NULL ? envelope->shadow : SLICE("")));

    return st == ST_OK ? add_rcpts(tx, envelope, rcpts, count, 1) : st;
}

enum st store_queue_more(struct store_tx *tx, const struct store_envelope *envelope,
                         struct store_rcpt *rcpts, size_t count)
{
    int64_t last_no = 0;
    int64_t total = 0;
    enum st st = store_get_i64(tx, S_ENVELOPE_LOCK, &total, SV_I(envelope->envelope_id),
                               SV_I(-(int64_t)count));

    if (st == ST_OK)
        st = store_get_i64(tx, S_RCPT_LAST, &last_no, SV_I(envelope->envelope_id));
    return st == ST_OK ? add_rcpts(tx, envelope, rcpts, count, last_no + 1) : st;
}

static void read_queued(struct store_rows *rows, struct store_queued *queued)
{
    struct store_envelope *envelope = &queued->envelope;
    struct store_rcpt *rcpt = &queued->rcpt;

    envelope->envelope_id = rcpt->envelope_id = store_rows_i64(rows, 0);
    store_text_copy(envelope->guid, sizeof(envelope->guid), store_rows_bytes(rows, 1));
    envelope->sender = store_rows_bytes(rows, 2);
    envelope->envid = store_rows_bytes(rows, 3);
    envelope->message_id = store_rows_bytes(rows, 4);
    envelope->origin = store_rows_bytes(rows, 5);
    envelope->flags = (uint64_t)store_rows_i64(rows, 6);
    envelope->bytes = (uint64_t)store_rows_i64(rows, 7);
    envelope->priority = (uint64_t)store_rows_i64(rows, 8);
    envelope->accepted_ms = store_rows_i64(rows, 9);
    envelope->body_offset = (uint64_t)store_rows_i64(rows, 10);
    rcpt->rcpt_no = store_rows_i64(rows, 11);
    rcpt->destination_id = store_rows_i64(rows, 12);
    rcpt->address = store_rows_bytes(rows, 13);
    rcpt->orcpt = store_rows_bytes(rows, 14);
    rcpt->notify = (uint64_t)store_rows_i64(rows, 15);
    rcpt->state = (enum store_rcpt_state)store_rows_i64(rows, 16);
    rcpt->warned = store_rows_i64(rows, 17) != 0;
    rcpt->attempts = (uint64_t)store_rows_i64(rows, 18);
    rcpt->next_ms = store_rows_i64(rows, 19);
    rcpt->answer = store_rows_bytes(rows, 20);
    envelope->shadow = store_rows_bytes(rows, 21);
}

/* joined: the destination's columns stand behind. */
static enum st each_row(struct store_rows *rows, bool joined, store_queue_fn *fn, void *ctx)
{
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows)) {
        struct store_queued queued = {.destination = SLICE(""), .destination_answer = SLICE("")};

        read_queued(rows, &queued);
        if (joined) {
            queued.destination = store_rows_bytes(rows, 22);
            queued.destination_answer = store_rows_bytes(rows, 23);
            queued.destination_next_ms = store_rows_i64(rows, 24);
            queued.server_id = store_rows_i64(rows, 25);
        }
        told = queued.rcpt.state < STORE_RCPT_STATE_MAX ? fn(ctx, &queued) : ST_IO;
    }
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : told;
}

enum st store_queue_due(struct store_tx *tx, int64_t destination_id, int64_t now_ms, uint64_t limit,
                        store_queue_fn *fn, void *ctx)
{
    enum st st = ST_OK;

    for (int priority = 0; st == ST_OK && priority < STORE_PRIORITY_MAX; priority++)
        st = each_row(store_rows_open(tx, S_QUEUE_DUE, SV_I(destination_id), SV_I(priority),
                                      SV_I(now_ms), SV_I(limit)),
                      false, fn, ctx);
    return st;
}

enum st store_queue_next(struct store_tx *tx, int64_t destination_id, int64_t now_ms,
                         int64_t *next_ms_r)
{
    int64_t unsettled = 0;
    enum st st = store_get_i64(tx, S_SHADOW_UNSETTLED_COUNT, &unsettled, SV_NONE);

    *next_ms_r = unsettled > 0 ? now_ms + UNSETTLED_LOOK_MS : STORE_NEVER_MS;
    for (int priority = 0; st == ST_OK && priority < STORE_PRIORITY_MAX; priority++) {
        int64_t next_ms = STORE_NEVER_MS;

        st = store_get_i64(tx, S_QUEUE_NEXT, &next_ms, SV_I(destination_id), SV_I(priority),
                           SV_I(now_ms));
        st = st == ST_NOT_FOUND ? ST_OK : st;
        if (next_ms < *next_ms_r)
            *next_ms_r = next_ms;
    }
    return st;
}

enum st store_queue_each(struct store_tx *tx, int64_t after_id, int64_t after_no, uint64_t limit,
                         store_queue_fn *fn, void *ctx)
{
    return each_row(store_rows_open(tx, S_QUEUE_EACH, SV_I(after_id), SV_I(after_no), SV_I(limit)),
                    true, fn, ctx);
}

enum st store_queue_get(struct store_tx *tx, int64_t envelope_id, store_queue_fn *fn, void *ctx)
{
    return each_row(store_rows_open(tx, S_QUEUE_GET, SV_I(envelope_id)), true, fn, ctx);
}

enum st store_queue_count(struct store_tx *tx, int64_t destination_id, int64_t *count_r)
{
    return destination_id == 0 ? store_get_i64(tx, S_QUEUE_COUNT, count_r, SV_NONE)
                               : store_get_i64(tx, S_QUEUE_COUNT_OF, count_r, SV_I(destination_id));
}

enum st store_queue_count_up_to(struct store_tx *tx, int64_t destination_id, uint64_t max,
                                int64_t *count_r)
{
    return store_get_i64(tx, S_QUEUE_COUNT_UP_TO, count_r, SV_I(destination_id), SV_I(max));
}

enum st store_queue_totals(struct store_tx *tx, struct store_queue_totals *totals_r)
{
    enum st st = store_get_i64(tx, S_ENVELOPE_OLDEST, &totals_r->oldest_ms, SV_NONE);

    if (st == ST_NOT_FOUND) {
        totals_r->oldest_ms = 0;
        st = ST_OK;
    }
    if (st == ST_OK)
        st = store_get_i64(tx, S_QUEUE_COUNT, &totals_r->recipients, SV_NONE);
    if (st == ST_OK)
        st = store_get_i64(tx, S_QUEUE_COUNT_HELD, &totals_r->held, SV_I(STORE_NEVER_MS));
    if (st != ST_OK)
        return st;
    struct store_rows *rows = store_rows_open(tx, S_ENVELOPE_TOTALS, SV_NONE);
    if (store_rows_next(rows)) {
        totals_r->messages = store_rows_i64(rows, 0);
        totals_r->bytes = store_rows_i64(rows, 1);
    }
    return store_rows_close(&rows);
}

static enum st settle_row(struct store_tx *tx, const struct store_settle *settle,
                          int64_t *changed_r)
{
    const struct store_rcpt *rcpt = &settle->rcpt;
    struct store_value id = SV_I(rcpt->envelope_id);
    struct store_value no = SV_I(rcpt->rcpt_no);

    switch (settle->what) {
    case STORE_SETTLE_DONE:
        return store_exec(tx, S_RCPT_DELETE, changed_r, id, no);
    case STORE_SETTLE_LATER:
        return store_exec(tx, S_RCPT_LATER, changed_r, id, no, SV_I(rcpt->next_ms),
                          SV_I(rcpt->attempts), SV_T(answer_of(rcpt->answer)));
    case STORE_SETTLE_REPORT:
        return store_exec(tx, S_RCPT_REPORT, changed_r, id, no, SV_I(rcpt->state),
                          SV_I(rcpt->destination_id), SV_T(answer_of(rcpt->answer)));
    case STORE_SETTLE_MOVE:
        return store_exec(tx, S_RCPT_MOVE, changed_r, id, no, SV_I(rcpt->destination_id),
                          SV_I(rcpt->next_ms));
    case STORE_SETTLE_WARNED:
        return store_exec(tx, S_RCPT_WARNED, changed_r, id, no);
    case STORE_SETTLE_HOLD:
        return store_exec(tx, S_RCPT_STATE, changed_r, id, no, SV_I(STORE_RCPT_HELD),
                          SV_I(STORE_NEVER_MS));
    case STORE_SETTLE_RELEASE:
        break;
    }
    return store_exec(tx, S_RCPT_STATE, changed_r, id, no, SV_I(STORE_RCPT_QUEUED),
                      SV_I(rcpt->next_ms));
}

/* Whoever takes the envelope's last recipient away takes the rest too: its row is the lock. */
static enum st drop_done(struct store_tx *tx, int64_t envelope_id, int64_t done)
{
    int64_t left = 0;
    enum st st = store_get_i64(tx, S_ENVELOPE_LOCK, &left, SV_I(envelope_id), SV_I(done));

    if (st != ST_OK || left > 0)
        return st == ST_NOT_FOUND ? ST_OK : st;
    st = store_exec(tx, S_ENVELOPE_DELETE, NULL, SV_I(envelope_id));
    return st != ST_OK ? st : store_blob_release(tx, envelope_id);
}

enum st store_queue_settle(struct store_tx *tx, struct store_settle *list, size_t count)
{
    enum st st = ST_OK;
    int64_t done = 0;

    for (size_t i = 0; st == ST_OK && i < count; i++) {
        int64_t changed = 0;

        st = settle_row(tx, &list[i], &changed);
        list[i].found = changed > 0;
        if (list[i].what == STORE_SETTLE_DONE)
            done += changed;
    }
    return st == ST_OK && done > 0 ? drop_done(tx, list[0].rcpt.envelope_id, done) : st;
}

enum st store_guid_claim(struct store_tx *tx, struct slice guid, int64_t now_ms, bool *new_r)
{
    int64_t changed = 0;
    enum st st =
        store_exec(tx, S_COMMIT_KEY_ADD, new_r != NULL ? &changed : NULL, SV_B(guid), SV_I(now_ms));

    if (new_r != NULL)
        *new_r = changed == 1;
    return st;
}

enum st store_claim(struct store_tx *tx, struct slice key, int64_t now_ms, int64_t window_ms,
                    bool *new_r)
{
    int64_t renewed = 0;
    enum st st = store_guid_claim(tx, key, now_ms, new_r);

    if (st != ST_OK || *new_r)
        return st;
    st = store_exec(tx, S_COMMIT_KEY_RENEW, &renewed, SV_B(key), SV_I(now_ms),
                    SV_I(now_ms - window_ms));
    *new_r = renewed == 1;
    return st;
}

enum st store_claimed(struct store_tx *tx, struct slice key, int64_t *at_ms_r)
{
    return store_get_i64(tx, S_COMMIT_KEY_AT, at_ms_r, SV_B(key));
}

enum st store_claim_sweep(struct store_tx *tx, int64_t before_ms, int64_t max, int64_t *count_r)
{
    return store_exec(tx, S_COMMIT_KEY_SWEEP, count_r, SV_I(before_ms), SV_I(max));
}

enum st store_handed_claim(struct store_tx *tx, struct slice guid, struct slice address,
                           int64_t now_ms, bool *new_r)
{
    unsigned char digest[SYS_SHA256_BYTES];
    struct sys_sha256 hash;
    int64_t changed = 0;

    sys_sha256_init(&hash);
    sys_sha256_add(&hash, guid);
    sys_sha256_add(&hash, SLICE("\n"));
    sys_sha256_add(&hash, address);
    sys_sha256_end(&hash, digest);
    const struct slice key = {(const char *)digest, sizeof(digest)};
    enum st st = store_exec(tx, S_HANDED_ADD, &changed, SV_B(key), SV_I(now_ms));

    *new_r = changed == 1;
    return st;
}

enum st store_handed_sweep(struct store_tx *tx, int64_t before_ms, int64_t *count_r)
{
    return store_exec(tx, S_HANDED_SWEEP, count_r, SV_I(before_ms));
}

enum st store_guid_find(struct store_tx *tx, int64_t account_id, struct slice guid,
                        store_guid_fn *fn, void *ctx)
{
    struct store_rows *rows = store_rows_open(tx, S_GUID_FIND, SV_I(account_id), SV_T(guid));
    enum st told = ST_OK;

    while (told == ST_OK && store_rows_next(rows))
        told = fn(ctx, store_rows_bytes(rows, 0), store_rows_i64(rows, 1));
    enum st st = store_rows_close(&rows);
    return st != ST_OK ? st : told;
}
