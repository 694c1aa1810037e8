#include "router/router_submission.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "mime/mime_envelope.h"
#include "router/router.h"
#include "store/store_queue.h"
#include "sys/sys_random.h"

#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES_MAX (64 * MIB)
#define LOOK_BACK 1000            /* messages of the folder, the newest */
#define DIFFERENCE_BYTES_MAX 8192 /* of trace, Date and Bcc */

static const struct slice sent_use = {"\\Sent", 5};
static const struct slice sent_name = {"Sent", 4};

/* Whether submissions of the person are kept: the document says, or else the setting sent_copy. */
static bool is_kept(const struct directory_person *person)
{
    return person->sent_copy == DIRECTORY_SENT_ON ||
           (person->sent_copy == DIRECTORY_SENT_SETTING && conf_get()->sent_copy);
}

/* --- keys --- */

static void add_part(struct sys_sha256 *hash, struct slice part)
{
    uint64_t len = part.len;

    sys_sha256_add(hash, (struct slice){(const char *)&len, sizeof(len)});
    sys_sha256_add(hash, part);
}

static void key_of(const char *what, const char *account, struct slice message_id,
                   struct slice text, unsigned char key_r[SYS_SHA256_BYTES])
{
    struct sys_sha256 hash;

    sys_sha256_init(&hash);
    add_part(&hash, slice_str(what));
    add_part(&hash, slice_str(account));
    add_part(&hash, message_id);
    add_part(&hash, text);
    sys_sha256_end(&hash, key_r);
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(a, b, SYS_SHA256_BYTES);
}

/* Of sender, recipients and text; the recipients' order says nothing. */
static void digest_all(struct slice sender, const struct router_rcpt *rcpts, size_t count,
                       const unsigned char text[SYS_SHA256_BYTES],
                       unsigned char digest_r[SYS_SHA256_BYTES])
{
    struct arena *arena = arena_new("submission", 64 * KIB + count * SYS_SHA256_BYTES);
    unsigned char *digests = arena_alloc(arena, SYS_SHA256_BYTES, count + 1);
    struct sys_sha256 hash;

    for (size_t i = 0; i < count; i++)
        sys_sha256(rcpts[i].address, digests + i * SYS_SHA256_BYTES);
    qsort(digests, count, SYS_SHA256_BYTES, compare_digests);
    sys_sha256_init(&hash);
    add_part(&hash, sender);
    add_part(&hash, (struct slice){(const char *)digests, count * SYS_SHA256_BYTES});
    add_part(&hash, (struct slice){(const char *)text, SYS_SHA256_BYTES});
    sys_sha256_end(&hash, digest_r);
    arena_free(&arena);
}

static struct slice key_slice(const unsigned char key[SYS_SHA256_BYTES])
{
    return (struct slice){(const char *)key, SYS_SHA256_BYTES};
}

/* The account by its number: its person may be renamed. */
static void sent_key(int64_t account_id, struct slice message_id,
                     unsigned char key_r[SYS_SHA256_BYTES])
{
    key_of("sent", "", message_id, (struct slice){(const char *)&account_id, sizeof(account_id)},
           key_r);
}

void router_submission_init(struct router_submission *submission_r,
                            const struct directory_person *person, struct slice message_id,
                            struct slice sender, const struct router_rcpt *rcpts, size_t count,
                            const unsigned char text[SYS_SHA256_BYTES])
{
    unsigned char all[SYS_SHA256_BYTES];

    *submission_r = (struct router_submission){.named = message_id.len > 0,
                                               .repeat_ms = conf_get()->submission_repeat_ms,
                                               .account = person->name};
    if (is_kept(person))
        submission_r->account_id = person->account_id;
    digest_all(sender, rcpts, count, text, all);
    key_of("repeat", person->name, message_id, key_slice(all), submission_r->repeat);
    key_of("text", person->name, message_id, key_slice(text), submission_r->text);
    sent_key(person->account_id, message_id, submission_r->sent);
    sys_guid(submission_r->folder_guid);
}

/* --- in the spool --- */

#define PACKED_BYTES (2 + 4 * SYS_SHA256_BYTES) /* " k", and two digests in hexadecimal */

void router_submission_pack(const struct router_submission *submission, struct buf *out)
{
    if (!submission->named)
        return;
    buf_put(out, submission->account_id != 0 ? SLICE(" k") : SLICE(" n"));
    if (text_hex(out, key_slice(submission->repeat)) != ST_OK ||
        text_hex(out, key_slice(submission->text)) != ST_OK)
        out->over = true;
}

bool router_submission_unpack(const struct directory *directory, struct slice message_id,
                              struct slice *origin, struct router_submission *submission_r)
{
    AUTO(buf) struct buf digests = BUF(2 * SYS_SHA256_BYTES);
    struct slice who = SLICE("submission ");

    if (!slice_starts(*origin, who) || origin->len < who.len + PACKED_BYTES)
        return false;
    size_t name_len = origin->len - PACKED_BYTES;
    struct slice packed = slice_sub(*origin, name_len, PACKED_BYTES);
    if ((!slice_starts(packed, SLICE(" k")) && !slice_starts(packed, SLICE(" n"))) ||
        text_unhex(&digests, slice_sub(packed, 2, PACKED_BYTES)) != ST_OK)
        return false;
    *origin = slice_sub(*origin, 0, name_len);
    const struct directory_person *person =
        directory_login(directory, slice_sub(*origin, who.len, name_len));
    if (person == NULL)
        return false;
    *submission_r =
        (struct router_submission){.named = true,
                                   .repeat_ms = conf_get()->submission_repeat_ms,
                                   .account_id = packed.ptr[1] == 'k' ? person->account_id : 0,
                                   .account = ""};
    memcpy(submission_r->repeat, digests.ptr, SYS_SHA256_BYTES);
    memcpy(submission_r->text, digests.ptr + SYS_SHA256_BYTES, SYS_SHA256_BYTES);
    sent_key(person->account_id, message_id, submission_r->sent);
    sys_guid(submission_r->folder_guid);
    return true;
}

/* --- in the transaction --- */

enum st router_submission_claim(struct store_tx *tx, const struct router_submission *submission,
                                int64_t now_ms)
{
    bool new = true;
    enum st st = ST_OK;

    if (submission->named && submission->repeat_ms > 0)
        st = store_claim(tx, key_slice(submission->repeat), now_ms, (int64_t)submission->repeat_ms,
                         &new);
    return st == ST_OK && !new ? ST_EXISTS : st;
}

/* The folder with the special use, else one called Sent. */
static enum st find_folder(struct store_tx *tx, struct arena *arena, int64_t account_id,
                           int64_t *folder_id_r)
{
    struct store_folder *list;
    size_t count;
    enum st st = store_folder_list(tx, arena, account_id, &list, &count);

    *folder_id_r = 0;
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        if (slice_ieq(slice_str(list[i].special_use), sent_use)) {
            *folder_id_r = list[i].folder_id;
            return ST_OK;
        }
        if (slice_eq(list[i].name, sent_name))
            *folder_id_r = list[i].folder_id;
    }
    return st == ST_OK && *folder_id_r == 0 ? ST_NOT_FOUND : st;
}

static enum st make_folder(struct store_tx *tx, const struct router_submission *submission,
                           int64_t now_ms, int64_t *folder_id_r)
{
    const struct store_new_folder folder = {.name = sent_name,
                                            .guid = submission->folder_guid,
                                            .special_use = sent_use,
                                            .now_ms = now_ms};
    enum st st = store_folder_add(tx, submission->account_id, &folder, folder_id_r);

    if (st == ST_OK)
        st = store_folder_subscribe(tx, submission->account_id, sent_name, true);
    return st;
}

static enum st add_copy(struct store_tx *tx, struct router_submission *submission,
                        const struct store_message *message)
{
    struct arena *arena = arena_new("sent copy", ARENA_BYTES_MAX);
    struct store_message copy = *message;
    int64_t folder_id;
    enum st st = find_folder(tx, arena, submission->account_id, &folder_id);

    arena_free(&arena);
    if (st == ST_NOT_FOUND)
        st = make_folder(tx, submission, message->saved_ms, &folder_id);
    copy.flags = STORE_SEEN;
    if (st == ST_OK)
        st = store_message_add(tx, submission->account_id, folder_id, 0, &copy);
    submission->uid = st == ST_OK ? copy.uid : 0;
    return st;
}

enum st router_submission_keep(struct store_tx *tx, struct router_submission *submission,
                               const struct store_message *message)
{
    uint64_t modseq;
    uint64_t bytes_used;
    bool new = true;
    enum st st;

    submission->uid = 0;
    /* First of all the account's lock. */
    st = store_account_advance(tx, submission->account_id, 0, 0, &modseq, &bytes_used);
    if (st == ST_NOT_FOUND)
        return ST_OK;
    if (st == ST_OK && submission->named)
        st = store_claim(tx, key_slice(submission->text), message->saved_ms, ROUTER_SENT_MS, &new);
    if (st != ST_OK || !new)
        return st;
    if (submission->named) /* from now on, however old the claim */
        st = store_claim(tx, key_slice(submission->sent), message->saved_ms, 0, &new);
    return st == ST_OK ? add_copy(tx, submission, message) : st;
}

/* --- a client's own copy --- */

struct looking {
    struct slice message_id;
    uint64_t bytes;
    int64_t since_ms;
    uint32_t uid;
};

static enum st look_at(void *ctx, const struct store_message *message)
{
    struct looking *looking = ctx;
    uint64_t more = message->bytes > looking->bytes ? message->bytes - looking->bytes
                                                    : looking->bytes - message->bytes;

    if (message->saved_ms >= looking->since_ms && more <= DIFFERENCE_BYTES_MAX &&
        slice_eq(mime_envelope_message_id(message->envelope), looking->message_id))
        looking->uid = message->uid;
    return ST_OK;
}

enum st router_submission_find(struct store_tx *tx, const struct store_folder *folder,
                               struct slice message_id, uint64_t bytes, int64_t now_ms,
                               uint32_t *uid_r)
{
    const struct store_uids newest = {folder->uidnext > LOOK_BACK ? folder->uidnext - LOOK_BACK : 1,
                                      UINT32_MAX};
    struct looking looking = {message_id, bytes, now_ms - ROUTER_SENT_MS, 0};
    unsigned char key[SYS_SHA256_BYTES];
    int64_t at_ms = 0;

    if (message_id.len == 0 || (!slice_ieq(slice_str(folder->special_use), sent_use) &&
                                !slice_eq(folder->name, sent_name)))
        return ST_NOT_FOUND;
    sent_key(folder->account_id, message_id, key);
    enum st st = store_claimed(tx, key_slice(key), &at_ms);
    if (st == ST_OK && at_ms < looking.since_ms)
        st = ST_NOT_FOUND;
    if (st == ST_OK)
        st = store_message_each(tx, folder->folder_id, newest, STORE_WANT_ENVELOPE, look_at,
                                &looking);
    *uid_r = looking.uid;
    return st == ST_OK && looking.uid == 0 ? ST_NOT_FOUND : st;
}
