/* directory_name.h: what can be a name, an alias, a domain or an address in a document. Pure. */
#pragma once
#include "base/base.h"

struct arena;

/* Whether it can be a document's name: 1 to 64 of a-z 0-9 . - _ ; not a dot at either end. */
bool directory_name_ok(struct slice name);
/* Whether it can be an alias, in lower case: a name or name@domain, or for everything that nobody
 * else has * or *@domain. */
bool directory_name_is_alias(struct slice alias);
/* Labels of letters, digits, hyphens and underscores, dots between them; UTF-8 stays as it is. */
bool directory_name_is_domain(struct slice domain);
/* local@domain without quotes (RFC 5321's Dot-string, RFC 6531's characters too). */
bool directory_name_is_address(struct slice address);
/* Whether the alias takes what nobody else has. */
bool directory_name_is_catch_all(struct slice alias);
/* The halves of local@domain; no @: all of it is local and the domain is empty. */
void directory_name_split(struct slice address, struct slice *local_r, struct slice *domain_r);
/* local@domain in arena; the local part quoted where it must be (RFC 5321 section 4.1.2). */
struct slice directory_name_join(struct arena *arena, struct slice local, struct slice domain);
