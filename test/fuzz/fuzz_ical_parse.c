/* Objects: what is read is written, and read again it is the same; it fits into the arena that the
 * limits ask for; checks, values and texts stand anything. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_check.h"
#include "ical/ical_zone.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct ical_limits limits = {100000, 5000, 5000, 1000, 5};

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void write_all(const struct ical_comp *comp, struct buf *out)
{
    for (; comp != NULL; comp = comp->next)
        ical_write(comp, out);
}

/* No line is longer than 75 octets and its end. */
static void check_lines(struct slice rest)
{
    struct slice line;

    while (slice_split(&rest, '\n', &line))
        must(line.len <= ICAL_LINE_COLS + 1);
}

static void check_meaning(const struct ical_comp *comp)
{
    struct arena *arena = arena_new("meaning", 64 * MIB);
    const struct ical_zone *zone;
    struct ical_error error;

    for (; comp != NULL; comp = comp->next) {
        enum st lenient = ical_check(comp, ICAL_LENIENT, &error);

        must(lenient == ST_OK || error.text[0] != '\0');
        must(ical_check(comp, ICAL_STRICT, &error) == ST_INVALID || lenient == ST_OK);
        for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next) {
            AUTO(buf) struct buf text = BUF(MIB);
            struct slice plain = ical_text_decode(arena, prop->value);

            ical_text_encode(plain, &text);
            must(slice_eq(ical_text_decode(arena, buf_slice(&text)), plain));
        }
        const struct ical_comp *own = ical_comp_find(comp, ICAL_VTIMEZONE);
        if (own != NULL && ical_zone_vtimezone(arena, own, &zone, &error) == ST_OK)
            for (int64_t at = -5000000000; at < 5000000000; at += 100000000)
                must(ical_zone_span(zone, at).from_s <= at &&
                     ical_zone_span(zone, at).until_s > at);
    }
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* What is written is longer: folded, with CR, escaped again. */
    static const struct ical_limits again_limits = {1000000, 5000, 20000, 1000, 5};
    struct arena *arena = arena_new("fuzz", ical_limits_arena_bytes(&limits));
    struct arena *again_arena = arena_new("again", ical_limits_arena_bytes(&again_limits));
    AUTO(buf) struct buf first = BUF(GIB);
    AUTO(buf) struct buf second = BUF(GIB);
    struct ical_comp *comp, *again;
    struct ical_error error = {0};

    if (ical_parse(arena, (struct slice){(const char *)data, size}, &limits, &comp, &error) ==
        ST_OK) {
        write_all(comp, &first);
        check_lines(buf_slice(&first));
        must(ical_parse(again_arena, buf_slice(&first), &again_limits, &again, &error) == ST_OK);
        write_all(again, &second);
        must(slice_eq(buf_slice(&first), buf_slice(&second)));
        check_meaning(comp);
    } else {
        must(error.text[0] != '\0');
    }
    arena_free(&again_arena);
    arena_free(&arena);
    return 0;
}
