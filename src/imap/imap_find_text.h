/* imap_find_text.h: the words of one message: its header decoded, its text parts streamed. Letters
 * compare without ASCII case, encoded words and transfer encodings undone, in UTF-8. */
#pragma once
#include "imap/imap_find.h"

struct imap_text {
    struct store *store;
    struct imap_candidate *candidate;
};

/* Reads the header, unless it was. ST_NOT_FOUND: the body is gone. */
MUST_USE enum st imap_text_header(struct imap_text *text);
/* needle in lower case; empty: the field is there. */
bool imap_text_in_field(const struct imap_text *text, struct slice name, struct slice needle);
bool imap_text_in_header(const struct imap_text *text, struct slice needle);
/* The Date field by the sender's clock, as if that were UTC. False: none, or none that is one. */
bool imap_text_sent(const struct imap_text *text, int64_t *local_s_r);
MUST_USE enum st imap_text_in_body(struct imap_text *text, struct slice needle, bool *fits_r);
