/* cluster_text.h: the few fields of documents that the cluster reads and writes. Pure, but for
 * revoking. Inside cluster/. */
#pragma once
#include "base/base.h"

struct buf;

#define CLUSTER_REVOCATION "revocation" /* the kind; named after the server; before_ms = TIME */

/* Appends the value of the field; nothing where there is none. */
void cluster_text_get(struct slice body, const char *field, struct buf *value);
/* Appends the body with the field set to value: its line replaced, or one added at the end. */
void cluster_text_set(struct slice body, const char *field, const char *value, struct buf *out);
/* The time of a revocation; 0: it tells none. */
int64_t cluster_text_before_ms(struct slice body);
