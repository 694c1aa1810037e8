/* router_submission.h: a submission given twice is taken once, and its copy for the sender's folder
 * of sent messages is of the same transaction.
 *
 * What is "the same" is the client's own text, before anything was added to it or left out: the
 * same person, Message-ID, sender, recipients (in any order) and bytes. The claims lie in the
 * store, so they outlive the server, and hold on all servers of one PostgreSQL. */
#pragma once
#include "store/store_message.h"
#include "sys/sys_hash.h"

struct buf;
struct directory;
struct directory_person;
struct router_rcpt;

#define ROUTER_SENT_MS DAY_MS /* so long a client's own copy is known for the one kept here */

struct router_submission {
    bool named;         /* it came with a Message-ID; without one nothing is claimed */
    uint64_t repeat_ms; /* within which it counts as given before; 0: not asked */
    unsigned char repeat[SYS_SHA256_BYTES];
    int64_t account_id; /* whose folder gets the copy; 0: none is kept */
    const char *account;
    unsigned char text[SYS_SHA256_BYTES]; /* the copy is made once for all recipients */
    unsigned char sent[SYS_SHA256_BYTES]; /* router_submission_sent_key() */
    char folder_guid[STORE_GUID_BYTES];   /* for the folder, where it is missing */
    uint32_t uid;                         /* out: of the copy; 0: none was made */
};

/* Fills *submission_r. text: the digest of what the client sent. message_id may be empty. rcpts:
 * only their addresses are looked at. */
void router_submission_init(struct router_submission *submission_r,
                            const struct directory_person *person, struct slice message_id,
                            struct slice sender, const struct router_rcpt *rcpts, size_t count,
                            const unsigned char text[SYS_SHA256_BYTES]);
/* ST_EXISTS: it was taken before, and nothing may come of the transaction. */
MUST_USE enum st router_submission_claim(struct store_tx *tx,
                                         const struct router_submission *submission,
                                         int64_t now_ms);
/* Puts the message, \Seen, into the folder of sent messages, which is made where it is missing. An
 * account that is gone gets none. */
MUST_USE enum st router_submission_keep(struct store_tx *tx, struct router_submission *submission,
                                        const struct store_message *message);

/* The spool keeps it behind the envelope's origin ("submission alice"): appends that to out. */
void router_submission_pack(const struct router_submission *submission, struct buf *out);
/* Takes it off the end of *origin again; false: there is none, or the person is gone. */
bool router_submission_unpack(const struct directory *directory, struct slice message_id,
                              struct slice *origin, struct router_submission *submission_r);

/* A client stores its own copy: the UID of the one that its submission left in the folder within
 * ROUTER_SENT_MS, by Message-ID and a size that hardly differs (the trace was added, Bcc left out).
 * ST_NOT_FOUND: there is none, or it is gone, or folder is another. */
MUST_USE enum st router_submission_find(struct store_tx *tx, const struct store_folder *folder,
                                        struct slice message_id, uint64_t bytes, int64_t now_ms,
                                        uint32_t *uid_r);
