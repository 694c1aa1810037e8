#include "router/router_task.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_structure.h"
#include "store/store_task.h"

#define ARENA_BYTES_MAX (256 * MIB)
#define ORIGIN_BYTES_MAX (4 * KIB)

/* The next part in the order of the message; what lies in a message inside is passed over. */
static const struct mime_part *next_part(const struct mime_part *part)
{
    if (part->kind == MIME_MULTIPART && part->child != NULL)
        return part->child;
    while (part != NULL && part->next == NULL)
        part = part->parent;
    return part != NULL ? part->next : NULL;
}

static bool is_imip(const struct mime_part *part)
{
    return mime_part_is(part, SLICE("text"), SLICE("calendar")) &&
           mime_param_get(part->params, SLICE("method")).ptr != NULL;
}

const struct mime_part *router_task_imip_part(const struct mime_part *root)
{
    while (root != NULL && !is_imip(root))
        root = next_part(root);
    return root;
}

bool router_task_imip(struct slice structure)
{
    const struct mime_part *root = NULL;

    /* Most mail has none, and the name stands there as it is: no tree is made. */
    if (slice_find_slice(structure, SLICE("calendar")) == SIZE_MAX ||
        slice_find_slice(structure, SLICE("method")) == SIZE_MAX)
        return false;
    struct arena *arena = arena_new("imip", ARENA_BYTES_MAX);
    bool found = mime_structure_read(arena, structure, &root) == ST_OK &&
                 router_task_imip_part(root) != NULL;
    arena_free(&arena);
    return found;
}

enum st router_task_leave(struct store_tx *tx, const struct router_task *task,
                          const struct store_message *message, bool *left_r)
{
    /* Nobody answers the null sender (RFC 3834 section 2). */
    const bool wanted[] = {
        [STORE_TASK_MAIL] = task->imip, [STORE_TASK_OOF] = message->oof && task->sender.len > 0};
    struct store_task row = {.account_id = task->account_id,
                             .next_ms = message->saved_ms,
                             .blob_id = message->blob_id,
                             .sender = task->sender,
                             .rcpt = task->address};
    AUTO(buf) struct buf known = BUF(ORIGIN_BYTES_MAX);
    enum st st = ST_OK;

    buf_putf(&known, "%s %.*s", message->guid, SLICE_ARG(task->origin));
    for (size_t kind = 0; st == ST_OK && kind < COUNT(wanted); kind++) {
        if (!wanted[kind])
            continue;
        row.kind = (enum store_task_kind)kind;
        row.body = kind == STORE_TASK_MAIL ? buf_slice(&known) : slice_str(message->guid);
        st = store_task_add(tx, &row, &row.task_id);
        *left_r = true;
    }
    return st;
}

enum st router_task_leave_failed(struct store_tx *tx, const struct store_envelope *envelope,
                                 const struct store_rcpt *rcpt, int64_t now_ms, bool *left_r)
{
    struct slice name = envelope->origin;
    struct slice kind;
    struct store_account account;
    int64_t task_id;

    if (!slice_split(&name, ' ', &kind) || !slice_eq(kind, SLICE(ROUTER_ORIGIN_CALENDAR)))
        return ST_OK;
    enum st st = store_account_find(tx, name, &account);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    const struct store_task row = {.account_id = account.account_id,
                                   .kind = STORE_TASK_BOUNCE,
                                   .next_ms = now_ms,
                                   .blob_id = envelope->envelope_id,
                                   .sender = envelope->sender,
                                   .rcpt = rcpt->address,
                                   .body = rcpt->answer};
    *left_r = true;
    return store_task_add(tx, &row, &task_id);
}
