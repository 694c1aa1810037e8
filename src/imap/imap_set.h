/* imap_set.h: sets of message numbers: resolved, joined, written (RFC 3501 section 9). */
#pragma once
#include "imap/imap_parse.h"

struct buf;

/* "*" becomes max, and ranges are put in order, ascending and disjoint, in place. With max 0 (no
 * messages) ranges that name "*" vanish. */
void imap_set_resolve(struct imap_set *set, uint32_t max);
bool imap_set_has(const struct imap_set *set, uint32_t number);
uint64_t imap_set_size(const struct imap_set *set);

/* A set that grows in the heap, from numbers that mostly ascend. */
struct imap_numbers {
    struct imap_set set;
    size_t cap;
};
void imap_numbers_add(struct imap_numbers *numbers, uint32_t number);
void imap_numbers_fini(struct imap_numbers *numbers);
static inline void imap_numbers_cleanup(struct imap_numbers *numbers)
{
    imap_numbers_fini(numbers);
}

/* "1:3,5". */
void imap_set_write(const struct imap_set *set, struct buf *out);
