/* cluster_journal.h: a file of records, made durable with one short write each. It holds what is
 * durable and not yet in the store; once all of that is in the store, it begins anew at its front.
 * One thread at a time. Inside cluster/. */
#pragma once
#include "base/buf.h"
#include "base/slice.h"

struct cluster_journal;

#define CLUSTER_JOURNAL_BYTES (8 * MIB)
#define CLUSTER_JOURNAL_RECORD_BYTES_MAX (3 * MIB)

/* What was durable when it was last used, in its order; a record that was cut off ends it. The
 * slices live until fn returns; its status other than ST_OK ends it. No file: nothing. */
typedef enum st cluster_journal_fn(void *ctx, struct slice owner, struct slice bytes);
MUST_USE enum st cluster_journal_each(const char *path, cluster_journal_fn *fn, void *ctx);

/* Opens the file, or makes it with all its room; what it held is gone with the first append, or
 * with cluster_journal_clear(). NULL: it cannot be had. */
struct cluster_journal *cluster_journal_new(const char *path);
void cluster_journal_free(struct cluster_journal **journal);
/* Durable with ST_OK. ST_FULL: there is no room before it begins anew; ST_TOO_BIG; ST_IO: nobody
 * knows whether it is durable. owner: at most CLUSTER_NAME_BYTES_MAX. */
MUST_USE enum st cluster_journal_append(struct cluster_journal *journal, struct slice owner,
                                        struct slice bytes);
/* What it holds is in the store, or was given up: the next record overwrites it. */
void cluster_journal_anew(struct cluster_journal *journal);
/* The same, and durably: what it held does not come back. */
MUST_USE enum st cluster_journal_clear(struct cluster_journal *journal);
