/* directory_visible.h: who may see a document. Pure.
 *
 * A document that names readers or authors is seen by those, by the members of groups among them at
 * any depth, and by those who have a role among them; one that names none, by everybody. */
#pragma once
#include "directory/directory_text.h"

/* Somebody who looks: a person, a server or a group. */
struct directory_who {
    struct slice name;             /* lower case */
    struct directory_texts groups; /* all that it is in, at any depth */
    struct directory_texts roles;  /* its own and those of these groups, without brackets */
};

/* Whether `who` may see a document with these readers and authors. */
bool directory_visible(const struct directory_texts *readers, const struct directory_texts *authors,
                       const struct directory_who *who);

struct directory_common;
struct directory_group_document;
struct directory_members; /* who is in which groups; what it was given must outlive it */

void directory_members_add(struct directory_members **table, struct arena *arena,
                           const struct directory_group_document *group);
void directory_members_clear(struct directory_members **table);
/* Groups that contain themselves, directly or not, count once. roles: its own; may be NULL. */
void directory_members_who(const struct directory_members *table, struct arena *arena,
                           struct slice name, const struct directory_texts *roles,
                           struct directory_who *who_r);
/* Whether somebody may see a document that says `now` who might not when it said `before`; by_r
 * names the first such reader, or is "everybody". Roles that a server has by itself are not looked
 * at: one name too many is asked for rather than one too few. */
bool directory_visible_widens(const struct directory_members *table, struct arena *arena,
                              const struct directory_common *before,
                              const struct directory_common *now, struct slice *by_r);
