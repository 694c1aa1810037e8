/* imap_flags.h: message flags as clients write them, and as bits (RFC 3501 section 2.3.2). */
#pragma once
#include "imap/imap_parse.h"
#include "store/store_message.h"

struct buf;

/* An account's keywords as a session knows them: only the names there are. */
struct imap_keywords {
    uint64_t known; /* bits that have a name */
    char *names[STORE_KEYWORD_MAX + 1];
};
void imap_keywords_fini(struct imap_keywords *keywords);
/* Takes over what the store says. True: something was new. */
bool imap_keywords_learn(struct imap_keywords *keywords, const struct store_keywords *store);
/* The bit's mask, 0 where there is no such keyword. */
uint64_t imap_keywords_mask(const struct imap_keywords *keywords, struct slice name);

/* What a command says: system flags as a mask, keywords as names still to be resolved. */
struct imap_flags {
    uint64_t system;
    struct imap_slices keywords;
};
/* ST_INVALID, with p->why: a system flag that is none. \Recent is passed over. */
MUST_USE enum st imap_flags_read(struct imap_parse *p, const struct imap_slices *names,
                                 struct imap_flags *flags_r);
/* Inside a body: the mask of all, keywords made where they are new. ST_TOO_BIG: no room for one. */
MUST_USE enum st imap_flags_resolve(struct store_tx *tx, int64_t account_id,
                                    const struct imap_flags *flags, uint64_t *mask_r);
/* "(\Seen $Junk)". */
void imap_flags_write(const struct imap_keywords *keywords, uint64_t flags, bool recent,
                      struct buf *out);
