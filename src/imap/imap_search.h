/* imap_search.h: the keys of a SEARCH as a tree (search-key of RFC 3501 section 9). */
#pragma once
#include "imap/imap_parse.h"

enum imap_key_kind {
    IMAP_KEY_AND, /* all of child and its siblings */
    IMAP_KEY_ALL,
    IMAP_KEY_NONE, /* nothing fits */
    IMAP_KEY_FLAGS,
    IMAP_KEY_UNFLAGS,
    IMAP_KEY_KEYWORD, /* becomes FLAGS or NONE once the keywords are known */
    IMAP_KEY_UNKEYWORD,
    IMAP_KEY_NEW,
    IMAP_KEY_OLD,
    IMAP_KEY_RECENT,
    IMAP_KEY_SEQNOS,
    IMAP_KEY_UIDS,
    IMAP_KEY_MODSEQ,
    IMAP_KEY_NOT, /* child */
    IMAP_KEY_OR,  /* child or its sibling */
    IMAP_KEY_DATE,
    IMAP_KEY_LARGER,
    IMAP_KEY_SMALLER,
    IMAP_KEY_EMAILID,
    IMAP_KEY_HEADER,
    IMAP_KEY_SENT,
    IMAP_KEY_BODY,
    IMAP_KEY_TEXT,
    IMAP_KEY_MAX,
};

enum imap_date_op { IMAP_DATE_BEFORE, IMAP_DATE_ON, IMAP_DATE_SINCE };

struct imap_key {
    struct imap_key *next;
    struct imap_key *child;
    enum imap_key_kind kind;
    unsigned cost;     /* of this key with all below it */
    uint64_t value;    /* flags, size, modseq, enum imap_date_op */
    int64_t date_s;    /* midnight UTC of the day */
    struct slice name; /* header, keyword */
    struct slice text; /* lower case (ASCII); UTF-8 */
    struct imap_set set;
};

enum imap_return {
    IMAP_RETURN_MIN = 1 << 0,
    IMAP_RETURN_MAX = 1 << 1,
    IMAP_RETURN_ALL = 1 << 2,
    IMAP_RETURN_COUNT = 1 << 3,
};

struct imap_search {
    bool esearch;         /* RETURN was given (RFC 4731) */
    unsigned returns;     /* enum imap_return */
    bool modseq;          /* a MODSEQ key stands in it: the answer tells the highest */
    struct imap_key *key; /* AND of all */
};

#define IMAP_SEARCH_DEPTH_MAX 50
#define IMAP_SEARCH_KEYS_MAX 2000

/* All that follows the verb. ST_DENIED: a charset that is not known here ([BADCHARSET]). Siblings
 * of an AND stand in the order of their cost. */
MUST_USE enum st imap_search_parse(struct imap_parse *p, struct imap_search *search_r);
