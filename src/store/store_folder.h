/* store_folder.h: folders: an IMAP mailbox now, a calendar later. */
#pragma once
#include "store/store_account.h"

#define STORE_FOLDER_BYTES_MAX 1000 /* of a whole name */
#define STORE_FOLDER_DEPTH_MAX 50
#define STORE_FOLDER_SEPARATOR '/'

struct arena;

struct store_folder {
    int64_t folder_id;
    int64_t account_id;
    struct slice name;           /* UTF-8, levels separated by '/'; in the caller's arena */
    char guid[STORE_GUID_BYTES]; /* MAILBOXID, RFC 8474 */
    uint32_t uidvalidity;
    uint32_t uidnext;
    uint32_t recent_uid; /* messages above it are \Recent to the next session that selects */
    uint64_t modseq;     /* the highest of its messages and tombstones */
    uint64_t message_count;
    char special_use[16]; /* "\Sent", RFC 6154; empty: none */
    bool subscribed;
};

/* name_r and others live in arena. name is compared exactly, but INBOX without case. */
MUST_USE enum st store_folder_find(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                   struct slice name, struct store_folder *folder_r);
MUST_USE enum st store_folder_get(struct store_tx *tx, struct arena *arena, int64_t folder_id,
                                  struct store_folder *folder_r);
/* All folders of the account in the byte order of their names, INBOX first. */
MUST_USE enum st store_folder_list(struct store_tx *tx, struct arena *arena, int64_t account_id,
                                   struct store_folder **folders_r, size_t *count_r);
struct store_new_folder {
    struct slice name;
    const char *guid;         /* from sys_guid(), outside the body; parents derive theirs from it */
    struct slice special_use; /* "" or "\\Sent" etc. */
    int64_t now_ms;
};
/* Makes missing parents too (RFC 3501 section 6.3.3). ST_EXISTS, ST_INVALID (a name that cannot be:
 * empty, empty level, control characters, not UTF-8), ST_TOO_BIG. */
MUST_USE enum st store_folder_add(struct store_tx *tx, int64_t account_id,
                                  const struct store_new_folder *folder, int64_t *folder_id_r);
/* Its messages go; folders below it stay. ST_NOT_FOUND, ST_DENIED (INBOX). */
MUST_USE enum st store_folder_remove(struct store_tx *tx, int64_t account_id, struct slice name);
/* The folders below move along. Renaming INBOX moves its messages into a new folder and leaves
 * INBOX empty (RFC 3501 section 6.3.5). guid: for that new folder. */
MUST_USE enum st store_folder_rename(struct store_tx *tx, int64_t account_id, struct slice from,
                                     struct slice to, const char *guid, int64_t now_ms);
/* Subscriptions are names; they may outlive the folder (RFC 3501 section 6.3.6). */
MUST_USE enum st store_folder_subscribe(struct store_tx *tx, int64_t account_id, struct slice name,
                                        bool on);
/* Every subscribed name in byte order, INBOX first; in arena. */
MUST_USE enum st store_folder_subscriptions(struct store_tx *tx, struct arena *arena,
                                            int64_t account_id, struct slice **names_r,
                                            size_t *count_r);
/* STATUS (RFC 3501 section 6.3.10); unseen counts messages without \Seen. */
struct store_folder_status {
    uint64_t messages;
    uint64_t recent;
    uint64_t unseen;
    uint64_t bytes; /* the sum of sizes, RFC 8438 */
};
MUST_USE enum st store_folder_status(struct store_tx *tx, const struct store_folder *folder,
                                     struct store_folder_status *status_r);
/* Messages up to uid are no longer \Recent. */
MUST_USE enum st store_folder_recent_set(struct store_tx *tx, int64_t folder_id, uint32_t uid);
