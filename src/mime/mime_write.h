/* mime_write.h: header fields and text of messages that we write ourselves, made of words that come
 * from anywhere: nothing in them can end a line, a field or a header. Pure.
 *
 * All append to out; look at out->over afterwards. */
#pragma once
#include "base/base.h"

struct buf;

#define MIME_WRITE_LINE_MAX 900 /* bytes of a line at most; RFC 5322 section 2.1.1 allows 998 */

/* in on one line: what controls (CR, LF, tab, those that turn the direction of writing) is a blank,
 * what is no UTF-8 a '?'; without utf8 what is beyond ASCII, too. Longer than bytes_max: cut, and
 * "..." behind. */
void mime_write_clean(struct slice in, size_t bytes_max, bool utf8, struct buf *out);
/* "Name: value" and CR LF, cleaned as above, blanks made one, folded before 78 columns where there
 * is a blank, and before MIME_WRITE_LINE_MAX in any case (RFC 5322 section 2.2.3). */
void mime_write_field(const char *name, struct slice value, bool utf8, struct buf *out);
/* "Name: " and an address in angle brackets, behind a display name in quotes or in encoded words,
 * or none; both cleaned and cut, the address in UTF-8 where it is so. */
void mime_write_mailbox(const char *field, struct slice name, struct slice address,
                        struct buf *out);
/* text, UTF-8, as encoded words with blanks between them (RFC 2047). */
void mime_write_words(struct slice text, struct buf *out);
/* text, which has CR LF at the end of each line, as quoted-printable (RFC 2045 section 6.7). */
void mime_write_quoted_printable(struct slice text, struct buf *out);
