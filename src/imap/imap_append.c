#include "imap/imap_append.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "imap/imap_cmd.h"
#include "imap/imap_flags.h"
#include "imap/imap_login.h"
#include "imap/imap_set.h"
#include "log/log.h"
#include "mime/mime_envelope.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"
#include "router/router_submission.h"
#include "store/store_blob.h"
#include "store/store_message.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <inttypes.h>
#include <string.h>

#define ARENA_BYTES_MAX (16 * MIB)
#define STRUCTURE_BYTES_MAX (64 * MIB)
#define MESSAGES_MAX 1000 /* of one command */

struct incoming {
    struct incoming *next;
    struct blob_writer *writer;
    struct mime_scan *scan; /* until it is whole */
    struct buf structure;
    struct buf envelope;
    struct imap_flags flags;
    struct store_message message;
    bool known; /* its submission left a copy, whose UID is told */
};

struct imap_append {
    struct imap_session *session;
    const struct imap_cmd *cmd;
    struct arena *arena; /* for what outlives a piece of the command */
    struct slice tag;
    struct slice name;
    struct store_folder folder;
    uint64_t quota_bytes;
    enum st st; /* of the pieces so far */
    struct incoming *first;
    struct incoming *last;
    size_t count;
    uint64_t bytes;
};

static void incoming_free(struct incoming *incoming)
{
    blob_writer_free(&incoming->writer);
    mime_scan_free(&incoming->scan);
    buf_fini(&incoming->structure);
    buf_fini(&incoming->envelope);
}

void imap_append_free(struct imap_append **append)
{
    if (*append == NULL)
        return;
    for (struct incoming *incoming = (*append)->first; incoming != NULL; incoming = incoming->next)
        incoming_free(incoming);
    arena_free(&(*append)->arena);
    mem_free(*append);
    *append = NULL;
}

/* [SP flag-list] [SP date-time] SP literal, of which the announcement ends the text. */
static enum st parse_options(struct imap_parse *p, struct incoming *incoming)
{
    struct imap_slices names = {NULL, 0};
    enum st st = imap_parse_space(p);

    incoming->message.date_s = sys_now_ms() / 1000;
    if (st == ST_OK && imap_parse_peek(p, '(')) {
        st = imap_parse_flags(p, &names);
        if (st == ST_OK)
            st = imap_parse_space(p);
    }
    if (st == ST_OK)
        st = imap_flags_read(p, &names, &incoming->flags);
    if (st == ST_OK && imap_parse_peek(p, '"')) {
        st = imap_parse_date_time(p, &incoming->message.date_s, &incoming->message.date_zone_min);
        if (st == ST_OK)
            st = imap_parse_space(p);
    }
    return st == ST_OK ? imap_parse_expect(p, '{') : st;
}

static enum st check_bytes(struct imap_run *run, uint64_t bytes)
{
    if (bytes == 0) {
        run->text = "A message of no bytes is none"; /* RFC 3502: that gives the command up */
        return ST_DENIED;
    }
    if (bytes > conf_get()->message_bytes_max) {
        buf_put(&run->code, SLICE("TOOBIG"));
        run->text = "Message is too big";
        return ST_TOO_BIG;
    }
    return ST_OK;
}

static enum st begin(struct imap_append *append, struct imap_run *run, uint64_t bytes)
{
    struct incoming *incoming = arena_one(append->arena, struct incoming);
    enum st st;

    if (append->count >= MESSAGES_MAX)
        return ST_TOO_BIG;
    buf_init(&incoming->structure, STRUCTURE_BYTES_MAX);
    buf_init(&incoming->envelope, STRUCTURE_BYTES_MAX);
    st = parse_options(&run->args, incoming);
    if (st == ST_OK)
        st = check_bytes(run, bytes);
    if (st != ST_OK)
        return st;
    incoming->writer = blob_writer_new(imap_store(append->session));
    incoming->scan = mime_scan_new(NULL);
    if (append->last != NULL)
        append->last->next = incoming;
    else
        append->first = incoming;
    append->last = incoming;
    append->count++;
    append->bytes += bytes;
    return ST_OK;
}

/* The message that came last is whole: its structure takes the scan's place. */
static void complete(struct imap_append *append)
{
    struct incoming *incoming = append->last;
    const struct mime_part *root = mime_scan_end(incoming->scan);

    if (append->st == ST_OK)
        append->st = blob_writer_end(incoming->writer);
    mime_structure_write(root, &incoming->structure);
    buf_put(&incoming->envelope, root->envelope);
    mime_scan_free(&incoming->scan);
    incoming->message.bytes = blob_writer_bytes(incoming->writer);
    incoming->message.saved_ms = sys_now_ms();
    sys_guid(incoming->message.guid);
}

void imap_append_data(struct imap_append *append, struct slice bytes)
{
    assert(append != NULL && append->last != NULL);
    if (append->st == ST_OK)
        append->st = blob_writer_add(append->last->writer, bytes);
    mime_scan_feed(append->last->scan, bytes);
}

struct lookup {
    struct imap_append *append;
    struct arena *arena;
    int64_t account_id;
};

static enum st find_body(struct store_tx *tx, void *arg)
{
    struct lookup *lookup = arg;
    struct imap_append *append = lookup->append;

    return store_folder_find(tx, lookup->arena, lookup->account_id, append->name, &append->folder);
}

static enum st find_folder(struct imap_append *append, struct imap_run *run)
{
    struct lookup lookup = {append, append->arena, append->session->account_id};
    enum st st = store_read(imap_store(append->session), find_body, &lookup);

    if (st == ST_NOT_FOUND)
        buf_put(&run->code, SLICE("TRYCREATE"));
    return st;
}

/* The first piece: tag, mailbox, and what leads to the first message. */
enum st imap_cmd_append(struct imap_session *session, struct imap_run *run)
{
    struct imap_append *append = mem_new(struct imap_append);
    struct slice name;
    enum st st;

    append->session = session;
    append->cmd = run->cmd;
    append->arena = arena_new("imap append", ARENA_BYTES_MAX);
    append->tag = arena_copy(append->arena, run->tag);
    append->quota_bytes = imap_login_quota(session);
    run->args.arena = append->arena;
    run->args.rest = arena_copy(append->arena, run->args.rest);
    st = imap_parse_space(&run->args);
    if (st == ST_OK)
        st = imap_parse_mailbox(&run->args, &name);
    if (st == ST_OK) {
        append->name = arena_copy(append->arena, name);
        st = begin(append, run, session->frame.number);
    }
    if (st == ST_OK)
        st = find_folder(append, run);
    if (st == ST_OK) {
        session->append = append;
        return ST_AGAIN;
    }
    run->args.arena = run->arena;
    imap_append_free(&append);
    return st;
}

static struct imap_run run_of(struct imap_append *append, struct slice text, struct arena *arena)
{
    struct imap_run run = {.tag = append->tag, .cmd = append->cmd, .arena = arena};

    run.args = (struct imap_parse){.rest = text, .arena = arena};
    buf_init(&run.code, MIB);
    return run;
}

bool imap_append_next(struct imap_session *session, struct slice text, uint64_t bytes)
{
    struct imap_append *append = session->append;
    struct imap_run run = run_of(append, arena_copy(append->arena, text), append->arena);
    enum st st;

    complete(append);
    st = append->st;
    if (st == ST_OK)
        st = begin(append, &run, bytes);
    if (st == ST_OK) {
        buf_fini(&run.code);
        return true;
    }
    imap_cmd_finish(session, &run, st);
    imap_append_free(&session->append);
    return false;
}

static enum st save(struct store_tx *tx, struct imap_append *append, struct incoming *incoming)
{
    int64_t account_id = append->session->account_id;
    enum st st = router_submission_find(
        tx, &append->folder, mime_envelope_message_id(buf_slice(&incoming->envelope)),
        incoming->message.bytes, incoming->message.saved_ms, &incoming->message.uid);

    incoming->known = st == ST_OK;
    if (st != ST_NOT_FOUND)
        return st;
    st = imap_flags_resolve(tx, account_id, &incoming->flags, &incoming->message.flags);
    if (st == ST_OK)
        st = blob_writer_commit(tx, incoming->writer, buf_slice(&incoming->envelope),
                                buf_slice(&incoming->structure), &incoming->message.blob_id);
    if (st == ST_OK)
        st = store_message_add(tx, account_id, append->folder.folder_id, append->quota_bytes,
                               &incoming->message);
    return st;
}

static enum st save_body(struct store_tx *tx, void *arg)
{
    struct imap_append *append = arg;
    enum st st = store_folder_find(tx, append->arena, append->session->account_id, append->name,
                                   &append->folder);

    for (struct incoming *incoming = append->first; incoming != NULL && st == ST_OK;
         incoming = incoming->next)
        st = save(tx, append, incoming);
    return st;
}

static void put_uids(const struct imap_append *append, struct buf *code)
{
    AUTO(imap_numbers) struct imap_numbers uids = {.cap = 0};

    for (const struct incoming *incoming = append->first; incoming != NULL;
         incoming = incoming->next)
        imap_numbers_add(&uids, incoming->message.uid);
    buf_putf(code, "APPENDUID %" PRIu32 " ", append->folder.uidvalidity);
    imap_set_write(&uids.set, code);
}

static void tell(const struct imap_append *append, const struct incoming *incoming)
{
    struct slice envelope = buf_slice(&incoming->envelope);

    log_event(incoming->known ? EV_IMAP_APPEND_KNOWN : EV_IMAP_APPENDED,
              conn_sid(append->session->conn), LOG_C("account", append->session->name),
              LOG_S("folder", append->name), LOG_U("uid", incoming->message.uid),
              LOG_U("bytes", incoming->message.bytes), LOG_C("guid", incoming->message.guid),
              LOG_S("message_id", mime_envelope_message_id(envelope)));
}

static enum st commit(struct imap_append *append, struct imap_run *run)
{
    enum st st = append->st;

    if (st == ST_OK)
        st = store_write(imap_store(append->session), save_body, append);
    if (st == ST_NOT_FOUND)
        buf_put(&run->code, SLICE("TRYCREATE"));
    if (st != ST_OK)
        return st;
    for (struct incoming *incoming = append->first; incoming != NULL; incoming = incoming->next)
        if (!incoming->known)
            blob_writer_committed(incoming->writer);
    put_uids(append, &run->code);
    count_add(COUNT_MESSAGES_ACCEPTED, (int64_t)append->count);
    for (const struct incoming *incoming = append->first; incoming != NULL;
         incoming = incoming->next)
        tell(append, incoming);
    return ST_OK;
}

void imap_append_end(struct imap_session *session, struct slice text, struct arena *arena)
{
    struct imap_append *append = session->append;
    struct imap_run run = run_of(append, text, arena);
    enum st st = imap_parse_end(&run.args);

    complete(append);
    if (st == ST_OK)
        st = commit(append, &run);
    imap_cmd_finish(session, &run, st);
    imap_append_free(&session->append);
}
