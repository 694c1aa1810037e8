/* store_document.h: the directory's documents as texts, with their former versions.
 *
 * A version is known by its stamp: when it was made, and by which server. Of two versions the one
 * with the later stamp is the document; the servers' names decide between equal times. Each version
 * names the one that it was made of, its parent. A version that is not the document and that nobody
 * went on from has lost: two servers changed the document without knowing of each other. The
 * history keeps the newest versions, so whatever the order in which servers tell each other their
 * versions, and however often, all come to have the same document and the same history. */
#pragma once
#include "store/store.h"

#define STORE_DOCUMENT_HISTORY_MAX 20 /* former versions of each document */

struct store_document {
    struct slice kind; /* "person" */
    struct slice name;
    int64_t modified_ms; /* with server, the stamp */
    struct slice body;   /* INI */
    struct slice server; /* that made this version */
    struct slice editor; /* who had it made; "": not known */
    int64_t parent_ms;   /* the parent's stamp; 0: there was none */
    struct slice parent_server;
    int64_t sequence; /* its place in this store's running order; another store has another one */
    bool removed;     /* a tombstone: since then there is no such document; the body is empty */
    bool lost;        /* told by store_document_history() alone */
};

/* Makes it or takes its place, stamped with this server's name and with modified_ms, or just behind
 * what stood there if that is later; of the rest, kind, name, body and editor count. ST_INVALID:
 * not UTF-8, or NUL. */
MUST_USE enum st store_document_put(struct store_tx *tx, const struct store_document *document);
/* Leaves a tombstone with its stamp as store_document_put() makes it; kind, name, modified_ms and
 * editor count. ST_NOT_FOUND. */
MUST_USE enum st store_document_delete(struct store_tx *tx, const struct store_document *document);
/* fn's slices are valid during the call; by kind, then name. No tombstones. */
typedef enum st store_document_fn(void *ctx, const struct store_document *document);
MUST_USE enum st store_document_each(struct store_tx *tx, store_document_fn *fn, void *ctx);
/* Calls fn once; ST_NOT_FOUND. */
MUST_USE enum st store_document_get(struct store_tx *tx, struct slice kind, struct slice name,
                                    store_document_fn *fn, void *ctx);
/* Calls fn for each version that is kept, the newest first, which is the document or its tombstone.
 * ST_NOT_FOUND: there never was one. */
MUST_USE enum st store_document_history(struct store_tx *tx, struct slice kind, struct slice name,
                                        store_document_fn *fn, void *ctx);

/* --- between stores --- */

enum store_merge {
    STORE_MERGE_SAME,  /* nothing changed: it is known, or older than all that is kept */
    STORE_MERGE_NEWER, /* it is the document now, made of what stood there */
    STORE_MERGE_WON,   /* it is the document now; what stood there lost and is in the history */
    STORE_MERGE_OLDER, /* in the history now: a newer version was made of it */
    STORE_MERGE_LOST,  /* in the history now: it lost */
    STORE_MERGE_MAX,
};
const char *store_merge_name(enum store_merge verdict); /* "same" */

/* Takes a version that another store has, with all its fields as that store told them (sequence and
 * lost do not count). Idempotent, and in any order the same in the end; the verdicts tell newer
 * from won, and older from lost, rightly where parents come before what was made of them, as
 * store_document_since() has them. ST_INVALID: texts that are not UTF-8, a time that cannot be, a
 * body in a tombstone; whether the document can be read is the directory's business. */
MUST_USE enum st store_document_merge(struct store_tx *tx, const struct store_document *incoming,
                                      enum store_merge *verdict_r);
/* Calls fn for each version, former ones and tombstones too, that came into this store behind the
 * number `sequence`, in their order, max at most: for a peer that has seen all up to there (0:
 * nothing yet). The last call's document->sequence is what the peer asks with the next time. A
 * store that was restored from a backup counts anew: a peer that has seen more than
 * store_document_last() begins again at 0. fn's other than ST_OK ends it and is returned. */
MUST_USE enum st store_document_since(struct store_tx *tx, int64_t sequence, uint64_t max,
                                      store_document_fn *fn, void *ctx);
/* The number that was given out last; 0: none. */
MUST_USE enum st store_document_last(struct store_tx *tx, int64_t *sequence_r);

/* What a watcher of account 0 is told with: documents changed. */
#define STORE_DOCUMENTS_ACCOUNT 0
