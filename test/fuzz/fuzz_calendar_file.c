/* Files of many objects: taken apart and put together they say the same, lines are found, and all
 * fits into the arena that a file of that size asks for. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_file.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

#define BYTES_MAX 100000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

/* Each object is one, and the same as itself out of the file that all were put into. */
static void look_at(struct arena *arena, struct ical_zones *zones,
                    const struct calendar_file_object *object)
{
    AUTO(buf) struct buf text = BUF(GIB);
    struct calendar_file_object *again;
    struct ical_error error;
    struct ical_comp *comps;
    size_t count;

    calendar_file_write(object, &text);
    must(!text.over);
    for (unsigned line = 0; line < 20; line++)
        must(calendar_file_line(object, line) != 0);
    must(calendar_file_name(arena, object->uid).len > 4);
    if (ical_parse(arena, buf_slice(&text), &calendar_file_limits, &comps, &error) != ST_OK)
        return; /* longer than the limits when written */
    calendar_file_split(arena, comps, &again, &count);
    must(count == 1);
    must(calendar_file_same(arena, zones, buf_slice(&text), buf_slice(&text)));
    AUTO(buf) struct buf once_more = BUF(GIB);
    calendar_file_write(&again[0], &once_more);
    must(slice_eq(buf_slice(&text), buf_slice(&once_more)));
    struct calendar_merge *merge = calendar_merge_new(arena, zones);
    AUTO(buf) struct buf merged = BUF(GIB);
    calendar_merge_look(merge, comps);
    calendar_merge_begin(merge, object->uid, SLICE(""), &merged);
    bool put = calendar_merge_put(merge, comps, &merged);
    calendar_merge_end(&merged);
    must(!put || calendar_file_same(arena, zones, buf_slice(&text), buf_slice(&merged)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct ical_zones *zones;
    struct calendar_file_object *objects;
    struct ical_error error;
    struct ical_comp *comps;
    size_t count;

    if (size > BYTES_MAX)
        return 0;
    if (zones == NULL)
        zones = ical_zones_new("/usr/share/zoneinfo");
    struct arena *arena = arena_new("file", calendar_file_arena_bytes(size));
    struct arena *scratch = arena_new("object", 4 * GIB);
    if (ical_parse(arena, (struct slice){(const char *)data, size}, &calendar_file_limits, &comps,
                   &error) == ST_OK) {
        calendar_file_split(arena, comps, &objects, &count);
        for (size_t i = 0; i < count && i < 20; i++) {
            arena_reset(scratch);
            look_at(scratch, zones, &objects[i]);
        }
    }
    arena_free(&scratch);
    arena_free(&arena);
    return 0;
}
