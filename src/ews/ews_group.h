/* ews_group.h: the people of a group, of whom a question about the group is. Inside ews/. */
#pragma once
#include "base/base.h"

struct arena;
struct directory;

#define EWS_MEMBERS_MAX 100

/* Whether the address is a group's: then its members' addresses, each once, in arena; groups in it
 * are taken apart. *count_r is EWS_MEMBERS_MAX + 1 where there are more. */
bool ews_group_members(struct arena *arena, const struct directory *directory, struct slice address,
                       struct slice members_r[EWS_MEMBERS_MAX], size_t *count_r);
