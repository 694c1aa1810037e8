/* cluster_rcpts.h: the recipients of a copy as bytes and back. Pure. */
#pragma once
#include "store/store_queue.h"

struct arena;
struct buf;

/* Appends one: numbers in 8 bytes (the highest first), texts with their length in front. */
void cluster_rcpt_write(const struct store_rcpt *rcpt, struct buf *out);
/* Reads all of them; the list is arena's, texts borrow from in. ST_INVALID: what is there are no
 * recipients. */
MUST_USE enum st cluster_rcpts_read(struct slice in, struct arena *arena,
                                    struct store_rcpt **list_r, size_t *count_r);
