/* store_view.h: an open folder in memory: sorted UIDs with their flags and modseqs.
 *
 * A view is one version of a folder, shared by all sessions and never changed. What a session holds
 * is its position: a reference to the version it has told its client about. A newer version shares
 * all unchanged parts with the older one, and the difference of two versions is exactly the
 * EXPUNGE, EXISTS and FETCH responses a session owes. */
#pragma once
#include "store/store_message.h"

struct view;

struct view_entry {
    uint32_t uid;
    uint64_t flags;
    uint64_t modseq;
};

/* The newest version, read from the store where it is not in memory or was changed. ST_NOT_FOUND:
 * no such folder. The caller owns a reference. */
MUST_USE enum st view_open(struct store *store, int64_t account_id, int64_t folder_id,
                           struct view **view_r);
/* The newest version of the same folder; the same reference count again where nothing changed.
 * Cheap then: no query unless a change was announced. */
MUST_USE enum st view_latest(struct store *store, struct view *view, struct view **newer_r);
struct view *view_ref(struct view *view);
void view_unref(struct view **view); /* sets *view to NULL; NULL is fine */

uint32_t view_count(const struct view *view);
uint64_t view_modseq(const struct view *view); /* HIGHESTMODSEQ */
uint32_t view_uidnext(const struct view *view);
uint32_t view_uidvalidity(const struct view *view);
bool view_folder_gone(
    const struct view *view); /* the folder was removed; the view stays as it was */
/* seqno from 1 to view_count(). */
const struct view_entry *view_at(const struct view *view, uint32_t seqno);
/* The sequence number of the first message whose UID is at least uid; view_count() + 1 if none. */
uint32_t view_lower_bound(const struct view *view, uint32_t uid);
/* The sequence number of the UID, 0 if it is not there. */
uint32_t view_seqno(const struct view *view, uint32_t uid);

/* Walks two versions of one folder together, skipping the parts they share. expunged() gets the
 * sequence number in the old version, ascending; changed() the one in the new version, for entries
 * in both whose flags or modseq differ; added() the one in the new version. Any may be NULL. */
struct view_diff_fns {
    void (*expunged)(void *ctx, uint32_t old_seqno, const struct view_entry *entry);
    void (*changed)(void *ctx, uint32_t new_seqno, const struct view_entry *entry);
    void (*added)(void *ctx, uint32_t new_seqno, const struct view_entry *entry);
};
void view_diff(const struct view *older, const struct view *newer, const struct view_diff_fns *fns,
               void *ctx);
