/* imap_match.h: does a mailbox name fit a pattern of LIST (RFC 3501 section 6.3.8). */
#pragma once
#include "base/base.h"

/* "*" stands for anything, "%" for anything but the separator. Both in UTF-8; INBOX without case.
 * Takes at most the product of the lengths. */
bool imap_match(struct slice pattern, struct slice name, char separator);
