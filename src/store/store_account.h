/* store_account.h: accounts: what a server keeps for a person, a room or a shared mailbox. */
#pragma once
#include "store/store.h"

#define STORE_GUID_BYTES 33 /* 32 hexadecimal digits and a NUL */
#define STORE_NAME_BYTES_MAX 255

struct store_account {
    int64_t account_id;
    char guid[STORE_GUID_BYTES];
    char name[STORE_NAME_BYTES_MAX + 1]; /* the person document's name, lower case */
    uint64_t modseq;                     /* the last number of the account's change sequence */
    uint64_t bytes_used;
    uint64_t message_count;
    bool imap_off; /* nobody may log in by IMAP; mail is still taken */
};

/* Makes the account and its folders INBOX, Archive, Drafts, Junk, Sent, Trash (subscribed, with
 * their special uses). guid: from sys_guid(), made outside the body. ST_EXISTS, ST_INVALID
 * (a name that is empty, too long, not UTF-8 or has control characters). */
MUST_USE enum st store_account_add(struct store_tx *tx, struct slice name, const char *guid,
                                   int64_t now_ms, int64_t *account_id_r);
MUST_USE enum st store_account_find(struct store_tx *tx, struct slice name,
                                    struct store_account *account_r);
MUST_USE enum st store_account_get(struct store_tx *tx, int64_t account_id,
                                   struct store_account *account_r);
/* ST_EXISTS, ST_NOT_FOUND, ST_INVALID. */
MUST_USE enum st store_account_rename(struct store_tx *tx, int64_t account_id, struct slice name);
/* Switches IMAP off or on. On after off: every folder gets a new UIDVALIDITY where the store has a
 * root, *raised_r tells it; *changed_r: it was not so already. Watchers get STORE_FOLDER_ACCOUNT.
 * ST_NOT_FOUND, ST_TOO_BIG. */
MUST_USE enum st store_account_imap_set(struct store_tx *tx, int64_t account_id, bool on,
                                        int64_t now_ms, bool *changed_r, bool *raised_r);
/* All of it: folders, messages, the bodies nobody else has. ST_NOT_FOUND. */
MUST_USE enum st store_account_remove(struct store_tx *tx, int64_t account_id);
/* The next number of the change sequence; the row stays locked until the transaction ends, so
 * numbers become visible in their order; on PostgreSQL it is the lock that writers of one account
 * queue at, so every body that changes an account calls it first (bodies that change several do so
 * in the order of their ids, or they lock each other out and one must begin anew). bytes and
 * messages are added to the account's totals. */
MUST_USE enum st store_account_advance(struct store_tx *tx, int64_t account_id, int64_t bytes,
                                       int64_t messages, uint64_t *modseq_r,
                                       uint64_t *bytes_used_r);

/* Keywords (flags that clients name) are bits of message flags from STORE_KEYWORD_FIRST up. */
#define STORE_KEYWORD_FIRST 8
#define STORE_KEYWORD_MAX 62 /* the last bit a keyword may take */
#define STORE_KEYWORD_BYTES_MAX 64
struct store_keywords {
    char names[64][STORE_KEYWORD_BYTES_MAX + 1]; /* by bit; empty: free */
};
MUST_USE enum st store_keywords_get(struct store_tx *tx, int64_t account_id,
                                    struct store_keywords *keywords_r);
/* The bit of the name (compared without case), taken if it is new. ST_TOO_BIG: all are taken, or
 * the name is too long; ST_INVALID: not UTF-8, or control characters. */
MUST_USE enum st store_keyword_add(struct store_tx *tx, int64_t account_id, struct slice name,
                                   unsigned *bit_r);

/* Every account in the order of their making. */
typedef enum st store_account_fn(void *ctx, const struct store_account *account);
MUST_USE enum st store_account_each(struct store_tx *tx, store_account_fn *fn, void *ctx);
/* Where mail for the account goes. */
MUST_USE enum st store_account_inbox(struct store_tx *tx, int64_t account_id, int64_t *folder_id_r);
