/* imap_find.h: does a message fit the keys of a SEARCH. Keys are asked in the order of what the
 * answer costs; the message's row, header and body are read only once a cheaper key cannot decide.
 */
#pragma once
#include "imap/imap_folder.h"
#include "imap/imap_search.h"
#include "imap/imap_session.h"

/* Keywords become bits, sets become sequence numbers. ST_INVALID with p->why. */
MUST_USE enum st imap_find_prepare(const struct imap_folder *folder, struct imap_parse *p,
                                   struct imap_key *key);

struct imap_candidate {
    uint32_t seqno;
    const struct view_entry *entry;
    const struct store_message *message; /* NULL while only the view was asked */
    struct buf *header;                  /* read once wanted; its length tells */
    bool header_read;
    bool body_allowed; /* the store may be asked for more now */
};
enum imap_verdict { IMAP_NO, IMAP_YES, IMAP_UNKNOWN };
/* UNKNOWN: what was allowed to be looked at does not decide. *st_r keeps the first failure. */
enum imap_verdict imap_find(struct imap_session *session, const struct imap_key *key,
                            struct imap_candidate *candidate, enum st *st_r);
