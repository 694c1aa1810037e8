#include "directory/directory_settings.h"

#include <string.h>

#define AT(kind) \
    (offsetof(struct directory_settings_document, rules) + \
     DIRECTORY_REWRITE_##kind * sizeof(struct directory_rules))

static const struct directory_field fields[] = {
    {"rewrite_recipient", directory_rule_take, AT(RECIPIENT)},
    {"rewrite_sender", directory_rule_take, AT(SENDER)},
};

enum st directory_settings_read(struct arena *arena, struct slice name, struct slice body,
                                struct directory_settings_document *document_r, struct buf *why)
{
    struct directory_reading reading = {arena,         document_r,         why, "settings", fields,
                                        COUNT(fields), &document_r->common};

    memset(document_r, 0, sizeof(*document_r));
    return directory_text_read(&reading, name, body);
}

void directory_settings_add(struct arena *arena, const struct directory_settings_document *document,
                            struct directory_rules rules[DIRECTORY_REWRITE_MAX])
{
    for (size_t kind = 0; kind < DIRECTORY_REWRITE_MAX; kind++)
        for (size_t i = 0; i < document->rules[kind].count; i++)
            *directory_rule_append(arena, &rules[kind]) = document->rules[kind].at[i];
}
