#include "admin/admin_call.h"
#include "admin/admin_frame.h"
#include "admin/admin_mail.h"
#include "base/arena.h"
#include "base/mem.h"
#include "store/store_blob.h"
#include "store/store_message.h"

#include <string.h>

#define PAGE_COUNT 500
#define ARENA_BYTES_MAX (64 * MIB)
#define OUT_BYTES_MAX (512 * KIB)

static const struct {
    const char *name;
    uint64_t flag;
} system_flags[] = {{"\\Seen", STORE_SEEN},
                    {"\\Answered", STORE_ANSWERED},
                    {"\\Flagged", STORE_FLAGGED},
                    {"\\Deleted", STORE_DELETED},
                    {"\\Draft", STORE_DRAFT}};

uint64_t admin_mail_flag(struct slice name)
{
    for (size_t i = 0; i < COUNT(system_flags); i++)
        if (slice_ieq(slice_str(system_flags[i].name), name))
            return system_flags[i].flag;
    return 0;
}

static json_t *flags_json(uint64_t flags, const struct store_keywords *keywords)
{
    json_t *list = json_array();

    for (size_t i = 0; i < COUNT(system_flags); i++)
        if ((flags & system_flags[i].flag) != 0)
            json_array_append_new(list, json_string(system_flags[i].name));
    for (unsigned bit = STORE_KEYWORD_FIRST; bit <= STORE_KEYWORD_MAX; bit++)
        if ((flags & UINT64_C(1) << bit) != 0 && keywords->names[bit][0] != '\0')
            json_array_append_new(list, admin_json_text(slice_str(keywords->names[bit])));
    return list;
}

/* What an export walks through; one page of messages is held at a time. */
struct exporting {
    struct admin_call *call;
    struct slice name;
    struct slice only; /* this folder alone; empty: all */
    struct arena *arena;
    struct store_folder *folders;
    size_t folder_count;
    struct store_keywords keywords;
    struct store_message page[PAGE_COUNT];
    size_t page_count;
    uint32_t next_uid;
    const struct store_folder *folder;
    const struct store_message *message;
    bool begun; /* the message's object was written */
    struct http_out *out;
    struct buf text;
};

/* --- reading --- */

static enum st read_folders(struct store_tx *tx, void *arg)
{
    struct exporting *exporting = arg;
    struct store_account account;

    arena_reset(exporting->arena);
    enum st st = store_account_find(tx, exporting->name, &account);
    if (st == ST_OK && exporting->only.len > 0) {
        exporting->folders = arena_one(exporting->arena, struct store_folder);
        exporting->folder_count = 1;
        st = store_folder_find(tx, exporting->arena, account.account_id, exporting->only,
                               exporting->folders);
    } else if (st == ST_OK) {
        st = store_folder_list(tx, exporting->arena, account.account_id, &exporting->folders,
                               &exporting->folder_count);
    }
    return st == ST_OK ? store_keywords_get(tx, account.account_id, &exporting->keywords) : st;
}

static enum st keep_row(void *ctx, const struct store_message *message)
{
    struct exporting *exporting = ctx;

    if (exporting->page_count == PAGE_COUNT)
        return ST_AGAIN;
    exporting->page[exporting->page_count++] = *message;
    return ST_OK;
}

static enum st read_page(struct store_tx *tx, void *arg)
{
    struct exporting *exporting = arg;
    const struct store_uids range = {exporting->next_uid, UINT32_MAX};

    exporting->page_count = 0;
    enum st st =
        store_message_each(tx, exporting->folder->folder_id, range, 0, keep_row, exporting);
    return st == ST_AGAIN ? ST_OK : st;
}

/* Calls fn for each message of the folder, outside of any transaction. */
static enum st each_message(struct exporting *exporting, enum st (*fn)(struct exporting *exporting))
{
    struct store *store = exporting->call->context->store;
    enum st st = ST_OK;

    exporting->next_uid = 1;
    do {
        st = store_read(store, read_page, exporting);
        for (size_t i = 0; st == ST_OK && i < exporting->page_count; i++) {
            exporting->message = &exporting->page[i];
            exporting->next_uid = exporting->message->uid + 1;
            st = fn(exporting);
        }
    } while (st == ST_OK && exporting->page_count == PAGE_COUNT);
    return st;
}

/* --- writing --- */

static enum st flush(struct exporting *exporting)
{
    enum st st = http_out_add(exporting->out, buf_slice(&exporting->text));

    buf_clear(&exporting->text);
    return st;
}

static json_t *describe(const struct exporting *exporting)
{
    const struct store_message *message = exporting->message;

    return json_pack("{s:o, s:I, s:o, s:I, s:I, s:i, s:s}", "folder",
                     admin_json_text(exporting->folder->name), "uid", (json_int_t)message->uid,
                     "flags", flags_json(message->flags, &exporting->keywords), "bytes",
                     (json_int_t)message->bytes, "date_s", (json_int_t)message->date_s, "zone_min",
                     (int)message->date_zone_min, "guid", message->guid);
}

static void begin_once(struct exporting *exporting)
{
    if (exporting->begun)
        return;
    exporting->begun = true;
    json_t *object = describe(exporting);
    admin_frame_begin(object, &exporting->text);
    json_decref(object);
}

static enum st write_bytes(void *ctx, struct slice bytes)
{
    struct exporting *exporting = ctx;

    begin_once(exporting);
    admin_frame_bytes(bytes, &exporting->text);
    return flush(exporting);
}

/* A message that was expunged between the reading of its page and now is left out. */
static enum st write_message(struct exporting *exporting)
{
    const struct store_message *message = exporting->message;

    exporting->begun = false;
    enum st st = blob_each(exporting->call->context->store, message->blob_id, 0, message->bytes,
                           write_bytes, exporting);
    if (st == ST_NOT_FOUND && !exporting->begun)
        return ST_OK;
    if (st != ST_OK)
        return st;
    begin_once(exporting);
    admin_frame_end(&exporting->text);
    return flush(exporting);
}

static enum st export_produce(struct admin_call *call, struct http_out *out)
{
    struct exporting *exporting = call->mine;
    enum st st = ST_OK;

    exporting->out = out;
    for (size_t i = 0; st == ST_OK && i < exporting->folder_count; i++) {
        exporting->folder = &exporting->folders[i];
        st = each_message(exporting, write_message);
    }
    return st;
}

static enum st write_line(struct exporting *exporting)
{
    json_t *object = describe(exporting);

    admin_frame_begin(object, &exporting->text);
    json_decref(object);
    return flush(exporting);
}

static enum st list_produce(struct admin_call *call, struct http_out *out)
{
    struct exporting *exporting = call->mine;

    exporting->out = out;
    exporting->folder = &exporting->folders[0];
    return each_message(exporting, write_line);
}

/* --- the calls --- */

static void exporting_free(void *mine)
{
    struct exporting *exporting = mine;

    buf_fini(&exporting->text);
    arena_free(&exporting->arena);
    mem_free(exporting);
}

static enum st exporting_new(struct admin_call *call, struct exporting **exporting_r)
{
    struct exporting *exporting = mem_new(struct exporting);

    call->mine = exporting;
    call->release = exporting_free;
    exporting->call = call;
    exporting->arena = arena_new("mail export", ARENA_BYTES_MAX);
    buf_init(&exporting->text, OUT_BYTES_MAX);
    exporting->only = admin_arg_text(call, "folder");
    *exporting_r = exporting;
    enum st st = admin_arg_name(call, "name", &exporting->name);
    if (st == ST_OK)
        st = store_read(call->context->store, read_folders, exporting);
    if (st == ST_NOT_FOUND)
        admin_refuse(call, st, "%.*s: there is no such account or folder",
                     SLICE_ARG(exporting->name));
    return st;
}

enum st admin_mail_export(struct admin_call *call)
{
    struct exporting *exporting;
    enum st st = exporting_new(call, &exporting);

    call->type = "application/octet-stream";
    call->produce = export_produce;
    return st;
}

enum st admin_mail_list(struct admin_call *call)
{
    struct exporting *exporting;
    struct slice folder;
    enum st st = admin_arg_need(call, "folder", &folder);

    if (st == ST_OK)
        st = exporting_new(call, &exporting);
    call->type = "application/x-ndjson";
    call->produce = list_produce;
    return st;
}

/* --- one body --- */

static enum st send_bytes(void *ctx, struct slice bytes)
{
    return http_out_add(ctx, bytes);
}

static enum st body_produce(struct admin_call *call, struct http_out *out)
{
    const struct exporting *exporting = call->mine;

    return blob_each(call->context->store, exporting->page[0].blob_id, 0, exporting->page[0].bytes,
                     send_bytes, out);
}

enum st admin_mail_body(struct admin_call *call)
{
    struct exporting *exporting;
    struct slice folder;
    uint64_t uid = 0;
    enum st st = admin_arg_need(call, "folder", &folder);

    if (st == ST_OK)
        st = admin_arg_u64(call, "uid", &uid);
    if (st == ST_OK)
        st = exporting_new(call, &exporting);
    if (st != ST_OK)
        return st;
    exporting->folder = &exporting->folders[0];
    exporting->next_uid = uid > UINT32_MAX ? UINT32_MAX : (uint32_t)uid;
    st = store_read(call->context->store, read_page, exporting);
    if (st != ST_OK)
        return st;
    if (exporting->page_count == 0 || exporting->page[0].uid != uid)
        return admin_refuse(call, ST_NOT_FOUND, "%.*s has no message with the UID %llu",
                            SLICE_ARG(folder), (unsigned long long)uid);
    call->bytes = exporting->page[0].bytes;
    call->type = "message/rfc822";
    call->produce = body_produce;
    return ST_OK;
}
