/* imap_folder.h: the folder a session has selected: its position in the view, and telling the
 * client what has changed since (RFC 3501 sections 5.2 and 7.3, RFC 7162). */
#pragma once
#include "imap/imap_flags.h"
#include "imap/imap_session.h"
#include "store/store_view.h"

#include <stdatomic.h>

struct imap_folder {
    int64_t folder_id;
    struct view *view;    /* what the client has been told */
    bool writable;        /* SELECT, not EXAMINE */
    uint32_t recent_uid;  /* messages above it are \Recent in this session */
    uint32_t claimed_uid; /* up to it no other session will see them as \Recent */
    struct imap_keywords keywords;
    struct store_watch *watch;
    struct net *net;
    uint64_t conn_id;
    atomic_bool idle; /* changes wake the connection */
};

/* Opens the folder and begins to watch it. ST_NOT_FOUND, ST_IO. The session's state becomes
 * IMAP_SELECTED. */
MUST_USE enum st imap_folder_open(struct imap_session *session, const struct store_folder *folder,
                                  bool writable);
void imap_folder_close(struct imap_session *session);
bool imap_folder_writable(const struct imap_folder *folder);
/* Reads the keywords again if flags hold a bit without a name; tells the client of new ones. ST_IO:
 * the bits have no names yet, and are not to be told. */
MUST_USE enum st imap_folder_learn(struct imap_session *session, uint64_t flags);
uint32_t imap_folder_recent_count(const struct imap_folder *folder);
/* "* FLAGS (...)" and "* OK [PERMANENTFLAGS (...)]". */
void imap_folder_tell_flags(struct imap_session *session);

/* A command's own STORE, whose effect is told less of. */
struct imap_own {
    uint64_t modseq; /* of the change; 0: nothing was changed */
    enum store_flag_op op;
    uint64_t flags;
    bool silent;
};
struct imap_sync {
    bool hold; /* no EXPUNGE may be sent now */
    bool uid;  /* FETCH tells UIDs */
    struct imap_own *own;
};
/* Brings the client up to the newest version of the view. */
void imap_folder_sync(struct imap_session *session, const struct imap_sync *how);

/* "* 3 FETCH (UID 7 FLAGS (...) MODSEQ (9))" of what the view knows; what: IMAP_WANT_CHEAP bits. */
void imap_folder_write_entry(const struct imap_session *session, uint32_t seqno,
                             const struct view_entry *entry, unsigned what, struct buf *out);
/* The bits of what an untagged FETCH tells, besides flags. */
unsigned imap_folder_entry_items(const struct imap_session *session, bool uid);

/* A command's set as sequence numbers in the view, in place. ST_INVALID, with p->why: a sequence
 * number that no message has. */
MUST_USE enum st imap_folder_set(const struct imap_folder *folder, struct imap_parse *p, bool uid,
                                 struct imap_set *set);
/* Sequence numbers as ranges of UIDs, in arena: as many ranges, whatever gaps the UIDs have. */
struct store_uid_set imap_folder_uids(const struct imap_folder *folder, struct arena *arena,
                                      const struct imap_set *seqnos);
