#include "admin/admin_call.h"
#include "admin/admin_frame.h"
#include "admin/admin_mail.h"
#include "base/arena.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "log/log.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"
#include "store/store_blob.h"
#include "store/store_message.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <string.h>

#define BATCH_COUNT_MAX 200
#define BATCH_BYTES_MAX (16 * MIB)
#define BATCH_ARENA_BYTES_MAX (512 * MIB)
#define STRUCTURE_BYTES_MAX (4 * MIB)
#define FLAGS_MAX 64

/* One message that waits for its transaction; texts live in the batch's arena. */
struct arriving {
    struct slice folder;
    uint64_t flags; /* system flags */
    struct slice keywords[FLAGS_MAX];
    size_t keyword_count;
    int64_t date_s;
    int32_t zone_min;
    struct blob_writer *body;
    struct slice envelope;
    struct slice structure;
    char guid[SYS_GUID_HEX + 1];
    char folder_guid[SYS_GUID_HEX + 1]; /* in case the folder is to be made */
    uint32_t uid;
};

struct importing {
    struct admin_call *call;
    struct slice name; /* the account's */
    int64_t account_id;
    struct admin_frame *frame; /* of an import; NULL for a single upload */
    struct arena *arena;       /* of the batch */
    struct arriving *batch;
    size_t count;
    uint64_t bytes;         /* in the batch */
    struct mime_scan *scan; /* of the message that is coming in */
    int64_t now_ms;
    uint64_t done_count;
    uint64_t done_bytes;
    uint32_t uid; /* of the last one */
};

/* --- the batch's transaction --- */

static enum st find_folder(struct store_tx *tx, const struct importing *importing,
                           const struct arriving *message, int64_t *folder_id_r)
{
    const struct store_new_folder new_folder = {.name = message->folder,
                                                .guid = message->folder_guid,
                                                .special_use = SLICE(""),
                                                .now_ms = importing->now_ms};
    struct store_folder folder;
    enum st st =
        store_folder_find(tx, importing->arena, importing->account_id, message->folder, &folder);

    *folder_id_r = folder.folder_id;
    if (st != ST_NOT_FOUND)
        return st;
    st = store_folder_add(tx, importing->account_id, &new_folder, folder_id_r);
    return st != ST_OK ? st
                       : store_folder_subscribe(tx, importing->account_id, message->folder, true);
}

static enum st gather_flags(struct store_tx *tx, const struct importing *importing,
                            const struct arriving *message, uint64_t *flags_r)
{
    enum st st = ST_OK;
    unsigned bit;

    *flags_r = message->flags;
    for (size_t i = 0; st == ST_OK && i < message->keyword_count; i++) {
        st = store_keyword_add(tx, importing->account_id, message->keywords[i], &bit);
        if (st == ST_OK)
            *flags_r |= UINT64_C(1) << bit;
    }
    return st;
}

static enum st add_message(struct store_tx *tx, const struct importing *importing,
                           struct arriving *message)
{
    struct store_message row = {.bytes = blob_writer_bytes(message->body),
                                .date_s = message->date_s,
                                .date_zone_min = message->zone_min,
                                .saved_ms = importing->now_ms};
    int64_t folder_id;
    enum st st = find_folder(tx, importing, message, &folder_id);

    if (st == ST_OK)
        st = gather_flags(tx, importing, message, &row.flags);
    if (st == ST_OK)
        st = blob_writer_commit(tx, message->body, message->envelope, message->structure,
                                &row.blob_id);
    if (st != ST_OK)
        return st;
    memcpy(row.guid, message->guid, sizeof(row.guid));
    /* Without a quota: what an administrator brings in is to arrive whole. */
    st = store_message_add(tx, importing->account_id, folder_id, 0, &row);
    message->uid = row.uid;
    return st;
}

static enum st batch_body(struct store_tx *tx, void *arg)
{
    struct importing *importing = arg;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < importing->count; i++)
        st = add_message(tx, importing, &importing->batch[i]);
    return st;
}

static void clear_batch(struct importing *importing)
{
    for (size_t i = 0; i < importing->count; i++)
        blob_writer_free(&importing->batch[i].body);
    importing->count = 0;
    importing->bytes = 0;
    arena_reset(importing->arena);
}

static enum st explain_batch(const struct importing *importing, enum st st)
{
    static const char *const why[] = {
        [ST_INVALID] = "a folder's name cannot be",
        [ST_TOO_BIG] = "a folder's name or a keyword is too long, or there are too many keywords",
        [ST_NOT_FOUND] = "the account was removed meanwhile",
    };
    const char *text = st < COUNT(why) && why[st] != NULL
                           ? why[st]
                           : "the store failed; the server's log says why";

    return admin_refuse(importing->call, st, "%.*s: %s; %llu messages were imported before it",
                        SLICE_ARG(importing->name), text,
                        (unsigned long long)importing->done_count);
}

static enum st commit_batch(struct importing *importing)
{
    if (importing->count == 0)
        return ST_OK;
    importing->now_ms = sys_now_ms();
    enum st st = store_write(importing->call->context->store, batch_body, importing);
    if (st != ST_OK) {
        clear_batch(importing);
        return explain_batch(importing, st);
    }
    for (size_t i = 0; i < importing->count; i++)
        blob_writer_committed(importing->batch[i].body);
    importing->uid = importing->batch[importing->count - 1].uid;
    importing->done_count += importing->count;
    importing->done_bytes += importing->bytes;
    count_add(COUNT_MESSAGES_DELIVERED, (int64_t)importing->count);
    clear_batch(importing);
    return ST_OK;
}

/* --- one message --- */

static enum st add_flag(struct importing *importing, struct arriving *message, struct slice name)
{
    uint64_t flag = admin_mail_flag(name);

    message->flags |= flag;
    if (flag != 0 || name.len == 0 || slice_ieq(name, SLICE("\\Recent")))
        return ST_OK;
    if (name.ptr[0] == '\\' || message->keyword_count == FLAGS_MAX)
        return admin_refuse(importing->call, ST_INVALID, "%.*s is not a flag, or one too many",
                            SLICE_ARG(name));
    message->keywords[message->keyword_count++] = arena_copy(importing->arena, name);
    return ST_OK;
}

static enum st begin_message(struct importing *importing, struct slice folder)
{
    if (importing->count == BATCH_COUNT_MAX || importing->bytes >= BATCH_BYTES_MAX) {
        enum st st = commit_batch(importing);
        if (st != ST_OK)
            return st;
    }
    struct arriving *message = &importing->batch[importing->count++];
    memset(message, 0, sizeof(*message));
    message->folder = arena_copy(importing->arena, folder.len > 0 ? folder : SLICE("INBOX"));
    message->body = blob_writer_new(importing->call->context->store);
    message->date_s = sys_now_ms() / (int64_t)SEC_MS;
    sys_guid(message->guid);
    sys_guid(message->folder_guid);
    importing->scan = mime_scan_new(NULL);
    return ST_OK;
}

static struct arriving *last(const struct importing *importing)
{
    assert(importing->count > 0);
    return &importing->batch[importing->count - 1];
}

static enum st on_begin(void *ctx, json_t *object)
{
    struct importing *importing = ctx;
    const json_t *flags = json_object_get(object, "flags");
    const json_t *date = json_object_get(object, "date_s");
    const json_t *zone = json_object_get(object, "zone_min");
    enum st st =
        begin_message(importing, slice_str(json_string_value(json_object_get(object, "folder"))));

    for (size_t i = 0; st == ST_OK && i < json_array_size(flags); i++)
        st = add_flag(importing, last(importing),
                      slice_str(json_string_value(json_array_get(flags, i))));
    if (st == ST_OK && json_is_integer(date))
        last(importing)->date_s = json_integer_value(date);
    if (st == ST_OK && json_is_integer(zone))
        last(importing)->zone_min = (int32_t)json_integer_value(zone);
    return st;
}

static enum st on_bytes(void *ctx, struct slice bytes)
{
    struct importing *importing = ctx;
    struct arriving *message = last(importing);
    uint64_t max = conf_get()->message_bytes_max;

    if (blob_writer_bytes(message->body) + bytes.len > max)
        return admin_refuse(importing->call, ST_TOO_BIG,
                            "a message is longer than message_bytes_max, %llu bytes; %llu messages "
                            "were imported before it",
                            (unsigned long long)max, (unsigned long long)importing->done_count);
    mime_scan_feed(importing->scan, bytes);
    importing->bytes += bytes.len;
    enum st st = blob_writer_add(message->body, bytes);
    return st == ST_OK ? ST_OK : explain_batch(importing, st);
}

static enum st on_end(void *ctx)
{
    struct importing *importing = ctx;
    struct arriving *message = last(importing);
    const struct mime_part *root = mime_scan_end(importing->scan);
    AUTO(buf) struct buf structure = BUF(STRUCTURE_BYTES_MAX);

    mime_structure_write(root, &structure);
    message->envelope = arena_copy(importing->arena, root->envelope);
    message->structure = arena_copy(importing->arena, buf_slice(&structure));
    mime_scan_free(&importing->scan);
    enum st st = blob_writer_end(message->body);
    return st == ST_OK ? ST_OK : explain_batch(importing, st);
}

/* --- the calls --- */

static void importing_free(void *mine)
{
    struct importing *importing = mine;

    clear_batch(importing);
    mime_scan_free(&importing->scan);
    admin_frame_free(&importing->frame);
    arena_free(&importing->arena);
    mem_free(importing->batch);
    mem_free(importing);
}

static enum st find_account(struct store_tx *tx, void *arg)
{
    struct importing *importing = arg;
    struct store_account account;
    enum st st = store_account_find(tx, importing->name, &account);

    importing->account_id = account.account_id;
    return st;
}

static enum st importing_new(struct admin_call *call, struct importing **importing_r)
{
    struct importing *importing = mem_new(struct importing);

    call->mine = importing;
    call->release = importing_free;
    importing->call = call;
    importing->arena = arena_new("mail import", BATCH_ARENA_BYTES_MAX);
    importing->batch = mem_alloc(BATCH_COUNT_MAX * sizeof(struct arriving));
    *importing_r = importing;
    enum st st = admin_arg_name(call, "name", &importing->name);
    if (st == ST_OK)
        st = store_read(call->context->store, find_account, importing);
    if (st == ST_NOT_FOUND)
        admin_refuse(call, st, "%.*s: there is no such account", SLICE_ARG(importing->name));
    return st;
}

static enum st import_upload(struct admin_call *call, struct slice bytes)
{
    const struct importing *importing = call->mine;
    enum st st = admin_frame_feed(importing->frame, bytes);

    return st == ST_INVALID ? admin_refuse(call, st, "the body is not a stream of messages") : st;
}

static enum st import_finish(struct admin_call *call)
{
    struct importing *importing = call->mine;

    if (!admin_frame_is_whole(importing->frame))
        return admin_refuse(call, ST_INVALID, "the body ends inside a message");
    enum st st = commit_batch(importing);
    call->reply = json_pack("{s:I, s:I}", "messages", (json_int_t)importing->done_count, "bytes",
                            (json_int_t)importing->done_bytes);
    return st;
}

enum st admin_mail_import(struct admin_call *call)
{
    static const struct admin_frame_fns fns = {on_begin, on_bytes, on_end};
    struct importing *importing;
    enum st st = importing_new(call, &importing);

    importing->frame = admin_frame_new(&fns, importing);
    call->upload = import_upload;
    call->finish = import_finish;
    return st;
}

static enum st upload_bytes(struct admin_call *call, struct slice bytes)
{
    return on_bytes(call->mine, bytes);
}

static enum st upload_finish(struct admin_call *call)
{
    struct importing *importing = call->mine;
    struct slice folder = last(importing)->folder;
    json_t *name = admin_json_text(folder);
    json_t *guid = json_string(last(importing)->guid);
    enum st st = on_end(importing);

    if (st == ST_OK)
        st = commit_batch(importing);
    call->reply = json_pack("{s:o, s:o, s:I}", "folder", name, "guid", guid, "uid",
                            (json_int_t)importing->uid);
    return st;
}

enum st admin_mail_upload(struct admin_call *call)
{
    struct importing *importing;
    struct slice rest = admin_arg_text(call, "flags");
    struct slice flag;
    uint64_t date_s = UINT64_MAX;
    enum st st = importing_new(call, &importing);

    if (st == ST_OK)
        st = begin_message(importing, admin_arg_text(call, "folder"));
    while (st == ST_OK && slice_split(&rest, ' ', &flag))
        st = add_flag(importing, last(importing), flag);
    if (st == ST_OK)
        st = admin_arg_u64(call, "date_s", &date_s);
    if (st == ST_OK && date_s != UINT64_MAX)
        last(importing)->date_s = (int64_t)date_s;
    call->upload = upload_bytes;
    call->finish = upload_finish;
    return st;
}
