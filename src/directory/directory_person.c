#include "directory/directory_person.h"

#include "base/buf.h"

#include <string.h>

#define AT(member) offsetof(struct directory_document, member)

static enum st take_forward(struct directory_reading *reading, void *at, const char *value)
{
    const struct directory_texts *forwards = at;

    if (forwards->count == DIRECTORY_FORWARDS_MAX)
        return directory_text_refuse(reading, "forward %s is one too many; a person may have %d",
                                     value, DIRECTORY_FORWARDS_MAX);
    return directory_text_take_recipient(reading, at, value);
}

static const char *const sent_words[] = {"setting", "off", "on"};
static_assert(COUNT(sent_words) == DIRECTORY_SENT_MAX, "one word for each");

static enum st take_sent_copy(struct directory_reading *reading, void *at, const char *value)
{
    enum directory_sent *sent = at;

    for (size_t i = 0; i < COUNT(sent_words); i++)
        if (strcmp(value, sent_words[i]) == 0) {
            *sent = (enum directory_sent)i;
            return ST_OK;
        }
    return directory_text_refuse(reading, "%s is neither on nor off nor setting", value);
}

static const struct directory_field fields[] = {
    {"full_name", directory_text_take, AT(person.full_name)},
    {"alias", directory_text_take_alias, AT(aliases)},
    {"forward", take_forward, AT(forwards)},
    {"forward_keep", directory_text_take_bool, AT(person.forward_keep)},
    {"password_yescrypt", directory_text_take, AT(person.yescrypt)},
    {"password_scram", directory_text_take, AT(person.scram)},
    {"quota_bytes", directory_text_take_u64, AT(person.quota_bytes)},
    {"sent_copy", take_sent_copy, AT(person.sent_copy)},
    {"server", directory_text_take_names, AT(servers)},
    {"role", directory_text_take_names, AT(roles)},
    {"disabled", directory_text_take_bool, AT(person.disabled)},
    {"admin", directory_text_take_bool, AT(person.admin)},
};

enum st directory_person_read(struct arena *arena, struct slice name, struct slice body,
                              struct directory_document *document_r, struct buf *why)
{
    struct directory_reading reading = {arena,         document_r,         why, "person", fields,
                                        COUNT(fields), &document_r->common};

    memset(document_r, 0, sizeof(*document_r));
    document_r->person.name = slice_cstr(arena, name);
    document_r->person.full_name = "";
    document_r->person.yescrypt = "";
    document_r->person.scram = "";
    document_r->person.forward_keep = true;
    enum st st = directory_text_read(&reading, name, body);
    document_r->person.forwards = document_r->forwards.at;
    document_r->person.servers = document_r->servers.at;
    document_r->person.server_count = (unsigned)document_r->servers.count;
    document_r->person.forward_count = (unsigned)document_r->forwards.count;
    return st;
}

void directory_person_write(const struct directory_document *document, struct buf *body)
{
    const struct directory_person *person = &document->person;

    buf_putf(body, "full_name = %s\n", person->full_name);
    for (size_t i = 0; i < document->aliases.count; i++)
        buf_putf(body, "alias = %.*s\n", SLICE_ARG(document->aliases.at[i]));
    for (size_t i = 0; i < document->forwards.count; i++)
        buf_putf(body, "forward = %.*s\n", SLICE_ARG(document->forwards.at[i]));
    if (document->forwards.count > 0)
        buf_putf(body, "forward_keep = %s\n", person->forward_keep ? "yes" : "no");
    buf_putf(body, "password_yescrypt = %s\npassword_scram = %s\n", person->yescrypt,
             person->scram);
    buf_putf(body, "quota_bytes = %llu\n", (unsigned long long)person->quota_bytes);
    if (person->sent_copy != DIRECTORY_SENT_SETTING)
        buf_putf(body, "sent_copy = %s\n", sent_words[person->sent_copy]);
    buf_putf(body, "disabled = %s\nadmin = %s\n", person->disabled ? "yes" : "no",
             person->admin ? "yes" : "no");
    directory_text_write_list("server", &document->servers, body);
    directory_text_write_list("role", &document->roles, body);
    directory_text_write_common(&document->common, body);
}
