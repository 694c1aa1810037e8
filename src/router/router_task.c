#include "router/router_task.h"

#include "base/arena.h"
#include "base/slice.h"
#include "mime/mime_structure.h"
#include "store/store_task.h"

#define ARENA_BYTES_MAX (256 * MIB)

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

bool router_task_imip(struct slice structure)
{
    const struct mime_part *part = NULL;

    /* Most mail has none, and the name stands there as it is: no tree is made. */
    if (slice_find_slice(structure, SLICE("calendar")) == SIZE_MAX ||
        slice_find_slice(structure, SLICE("method")) == SIZE_MAX)
        return false;
    struct arena *arena = arena_new("imip", ARENA_BYTES_MAX);
    bool found = mime_structure_read(arena, structure, &part) == ST_OK;
    while (found && part != NULL && !is_imip(part))
        part = next_part(part);
    arena_free(&arena);
    return found && part != NULL;
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
                             .rcpt = task->address,
                             .body = slice_str(message->guid)};
    enum st st = ST_OK;

    for (size_t kind = 0; st == ST_OK && kind < COUNT(wanted); kind++) {
        if (!wanted[kind])
            continue;
        row.kind = (enum store_task_kind)kind;
        st = store_task_add(tx, &row, &row.task_id);
        *left_r = true;
    }
    return st;
}
