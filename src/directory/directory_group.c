#include "directory/directory_group.h"

#include <string.h>

#define AT(member) offsetof(struct directory_group_document, member)

static const struct directory_field fields[] = {
    {"full_name", directory_text_take, AT(group.full_name)},
    {"member", directory_text_take_recipient, AT(members)},
    {"role", directory_text_take_names, AT(roles)},
    {"alias", directory_text_take_alias, AT(aliases)},
};

enum st directory_group_read(struct arena *arena, struct slice name, struct slice body,
                             struct directory_group_document *document_r, struct buf *why)
{
    struct directory_reading reading = {arena,         document_r,         why, "group", fields,
                                        COUNT(fields), &document_r->common};

    memset(document_r, 0, sizeof(*document_r));
    document_r->group.name = slice_cstr(arena, name);
    document_r->group.full_name = "";
    enum st st = directory_text_read(&reading, name, body);
    document_r->group.members = document_r->members.at;
    document_r->group.member_count = document_r->members.count;
    return st;
}
