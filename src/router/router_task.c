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

const struct mime_part *router_task_report_part(const struct mime_part *root,
                                                const struct mime_part **imip_r)
{
    const struct mime_part *status = NULL;

    *imip_r = NULL;
    if (!mime_part_is(root, SLICE("multipart"), SLICE("report")))
        return NULL;
    for (const struct mime_part *part = root->child; part != NULL; part = part->next)
        if (mime_part_is(part, SLICE("message"), SLICE("delivery-status")) ||
            mime_part_is(part, SLICE("message"), SLICE("global-delivery-status")))
            status = part;
        else if (part->kind == MIME_MESSAGE && *imip_r == NULL)
            *imip_r = router_task_imip_part(part->child);
    return *imip_r != NULL ? status : NULL;
}

enum router_task_what router_task_what(struct slice structure)
{
    const struct mime_part *root = NULL;
    const struct mime_part *imip;
    enum router_task_what what = ROUTER_TASK_NOTHING;

    /* Most mail has none, and the name stands there as it is: no tree is made. */
    if (slice_find_slice(structure, SLICE("calendar")) == SIZE_MAX ||
        slice_find_slice(structure, SLICE("method")) == SIZE_MAX)
        return ROUTER_TASK_NOTHING;
    struct arena *arena = arena_new("imip", ARENA_BYTES_MAX);
    if (mime_structure_read(arena, structure, &root) == ST_OK)
        what = router_task_imip_part(root) != NULL            ? ROUTER_TASK_IMIP
               : router_task_report_part(root, &imip) != NULL ? ROUTER_TASK_REPORT
                                                              : ROUTER_TASK_NOTHING;
    arena_free(&arena);
    return what;
}

enum st router_task_leave(struct store_tx *tx, const struct router_task *task,
                          const struct store_message *message, bool *left_r)
{
    bool report = task->what == ROUTER_TASK_REPORT && task->sender.len == 0;
    /* Nobody answers the null sender (RFC 3834 section 2). What is reported from here has left a
     * task already. */
    const bool wanted[] = {[STORE_TASK_MAIL] = task->what == ROUTER_TASK_IMIP,
                           [STORE_TASK_OOF] = message->oof && task->sender.len > 0,
                           [STORE_TASK_REPORT] =
                               report && !slice_eq(task->origin, SLICE(ROUTER_ORIGIN_REPORT))};
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
        row.body = kind == STORE_TASK_OOF ? slice_str(message->guid) : buf_slice(&known);
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
