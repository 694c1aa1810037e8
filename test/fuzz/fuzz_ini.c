/* Texts in INI form: settings and persons. A fault names a line of the text and says why; a person
 * that was read is read again from what is written of it. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf_ini.h"
#include "directory/directory_person.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static enum st take(void *ctx, const char *section, const char *name, const char *value)
{
    size_t *count = ctx;

    *count += strlen(section) + strlen(name) + strlen(value);
    return ST_OK;
}

static void check_person(struct arena *arena, struct slice text)
{
    struct directory_document *read = arena_one(arena, struct directory_document);
    struct directory_document *again = arena_one(arena, struct directory_document);
    AUTO(buf) struct buf why = BUF(KIB);
    AUTO(buf) struct buf body = BUF(GIB);

    if (directory_person_read(arena, SLICE("bob"), text, read, &why) != ST_OK)
        return;
    directory_person_write(read, &body);
    must(directory_person_read(arena, SLICE("bob"), buf_slice(&body), again, &why) == ST_OK);
    must(again->aliases.count == read->aliases.count &&
         again->person.quota_bytes == read->person.quota_bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new("fuzz", 64 * MIB + 64 * size);
    struct slice text = {(const char *)data, size};
    AUTO(buf) struct buf why = BUF(KIB);
    size_t count = 0;
    size_t lines = 1;
    int line = 0;

    for (size_t i = 0; i < size; i++)
        lines += data[i] == '\n';
    if (conf_ini_each(text, take, &count, &line, &why) != ST_OK)
        must(line >= 0 && (size_t)line <= lines);
    check_person(arena, text);
    arena_free(&arena);
    return 0;
}
