/* imap_status.h: STATUS responses, for STATUS itself and for LIST (RFC 5819). */
#pragma once
#include "imap/imap_parse.h"
#include "store/store_folder.h"

struct buf;

/* "(" status-att *(SP status-att) ")" as bits. */
MUST_USE enum st imap_status_parse(struct imap_parse *p, unsigned *want_r);
/* Inside a body: "* STATUS name (...)". */
MUST_USE enum st imap_status_write(struct store_tx *tx, const struct store_folder *folder,
                                   unsigned want, struct buf *out);
bool imap_status_wants_modseq(unsigned want);
