/* ctl_maildir.h: names in a Maildir: folders (Maildir++), flags in a file's name, keywords. Pure.
 */
#pragma once
#include "base/base.h"

#include <jansson.h>

struct arena;
struct buf;

/* ".Sent.2025" for Sent/2025, "" for INBOX. Levels are in IMAP's UTF-7 (RFC 3501 section 5.1.3), a
 * dot in a name too. */
void ctl_maildir_folder_write(struct slice folder, struct buf *out);
/* The folder that a directory's name means; ST_INVALID: it is none of Maildir++. */
MUST_USE enum st ctl_maildir_folder_read(struct arena *arena, struct slice name,
                                         struct slice *folder_r);

#define CTL_MAILDIR_KEYWORDS 26
/* The letters a to z of a folder, as the file dovecot-keywords tells them: "0 $Forwarded". */
struct ctl_maildir_keywords {
    char *names[CTL_MAILDIR_KEYWORDS]; /* in the arena; NULL: free */
};
void ctl_maildir_keywords_read(struct arena *arena, struct slice text,
                               struct ctl_maildir_keywords *keywords);
void ctl_maildir_keywords_write(const struct ctl_maildir_keywords *keywords, struct buf *out);

/* "2,FS" and letters for the keywords, taken from *keywords or added there. */
void ctl_maildir_info_write(struct arena *arena, const json_t *flags,
                            struct ctl_maildir_keywords *keywords, struct buf *out);
/* A list of flags from a file's name; the caller's. */
json_t *ctl_maildir_info_read(struct slice file, const struct ctl_maildir_keywords *keywords);
