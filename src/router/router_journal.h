/* router_journal.h: what other servers have taken over, noted at once, until the store knows it
 * too: a process that is killed in between sends nothing twice when it is back.
 *
 * A file in data_dir, written without waiting for the disk: what a crash of the whole machine loses
 * of it costs a second copy. */
#pragma once
#include "base/base.h"

struct buf;
struct router_journal;

struct router_journal_entry {
    int64_t envelope_id;
    int64_t rcpt_no;
    uint64_t relayed; /* 1: its sender is still to be told that it was relayed; 0: it is done */
    uint64_t check;   /* the journal's */
};

/* What an earlier process left is kept until router_journal_clear(). why gets a sentence. */
MUST_USE enum st router_journal_open(const char *data_dir, struct buf *why,
                                     struct router_journal **journal_r);
void router_journal_close(struct router_journal **journal); /* NULL is fine */

typedef enum st router_journal_fn(void *ctx, const struct router_journal_entry *entry);
/* Each entry that was found whole; fn's status other than ST_OK ends it. Before the first note. */
MUST_USE enum st router_journal_each(struct router_journal *journal, router_journal_fn *fn,
                                     void *ctx);
void router_journal_clear(struct router_journal *journal);

/* Any thread. A failure is logged: it can cost a second copy after a crash, nothing else. */
void router_journal_note(struct router_journal *journal, struct router_journal_entry *list,
                         size_t count);
/* So many of what was noted is in the store; what is known to be is cleared now and then. */
void router_journal_stored(struct router_journal *journal, size_t count);
