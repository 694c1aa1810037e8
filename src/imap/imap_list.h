/* imap_list.h: LIST and LSUB (RFC 3501 sections 6.3.8 and 6.3.9, RFC 5258, RFC 5819, RFC 6154). */
#pragma once
#include "imap/imap_session.h"

enum imap_list_select {
    IMAP_LIST_SUBSCRIBED = 1 << 0,
    IMAP_LIST_REMOTE = 1 << 1, /* there are none; taken for what it is worth */
    IMAP_LIST_RECURSIVE = 1 << 2,
    IMAP_LIST_SPECIAL = 1 << 3,
};
enum imap_list_return {
    IMAP_LIST_TELL_SUBSCRIBED = 1 << 0,
    IMAP_LIST_TELL_CHILDREN = 1 << 1,
    IMAP_LIST_TELL_SPECIAL = 1 << 2,
    IMAP_LIST_TELL_STATUS = 1 << 3,
};

struct imap_list {
    bool lsub;
    bool extended;    /* options or several patterns were given */
    unsigned select;  /* enum imap_list_select */
    unsigned returns; /* enum imap_list_return */
    unsigned status;  /* for imap_status_write() */
    struct slice reference;
    struct imap_slices patterns;
};

/* All that follows the verb. */
MUST_USE enum st imap_list_parse(struct imap_parse *p, struct imap_list *list_r);
MUST_USE enum st imap_list_run(struct imap_session *session, struct imap_run *run,
                               const struct imap_list *list);
