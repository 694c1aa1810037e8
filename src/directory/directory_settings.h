/* directory_settings.h: a settings document as INI text: rules that rewrite addresses.
 *
 *   rewrite_recipient = *@old.example *@new.example
 *   rewrite_recipient = *@*.old.example *@new.example
 *   rewrite_sender = alice@inside.example a.ampere@example.org
 *
 * A rule is a pattern, a blank, a replacement. In a pattern the local part may hold one *, which
 * stands for any text, and a domain may be *.x, for what lies below x, or *, for every domain. A *
 * in the replacement's local part is what the pattern's stood for; its domain is written out. Case
 * does not matter. Of each kind the first rule that fits is applied, once: what came out is not
 * looked at again, so rules cannot go in circles. Several documents count in the order of their
 * names. */
#pragma once
#include "directory/directory_rule.h"

struct directory_settings_document {
    struct directory_common common;
    struct directory_rules rules[DIRECTORY_REWRITE_MAX];
};

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line. */
MUST_USE enum st directory_settings_read(struct arena *arena, struct slice name, struct slice body,
                                         struct directory_settings_document *document_r,
                                         struct buf *why);
/* Appends the document's rules to those before them; both lists live in arena. */
void directory_settings_add(struct arena *arena, const struct directory_settings_document *document,
                            struct directory_rules rules[DIRECTORY_REWRITE_MAX]);
