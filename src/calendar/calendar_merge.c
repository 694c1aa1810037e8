/* Many objects as one VCALENDAR: each VTIMEZONE once. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_file.h"
#include "ical/ical_zone.h"

#define ZONES_BYTES_MAX (16 * MIB) /* of their texts */
#define ZONE_BYTES_MAX MIB
#define ZONES_MAX 2000

struct merged_zone {
    struct slice tzid;
    struct slice text;
    bool known; /* the name says it all */
};

struct calendar_merge {
    struct arena *arena;
    struct ical_zones *known;
    struct merged_zone zones[ZONES_MAX];
    size_t count;
    size_t bytes;
};

struct calendar_merge *calendar_merge_new(struct arena *arena, struct ical_zones *zones)
{
    struct calendar_merge *merge = arena_one(arena, struct calendar_merge);

    merge->arena = arena;
    merge->known = zones;
    return merge;
}

static const struct merged_zone *find(const struct calendar_merge *merge, struct slice tzid)
{
    for (size_t i = 0; i < merge->count; i++)
        if (slice_eq(merge->zones[i].tzid, tzid))
            return &merge->zones[i];
    return NULL;
}

static void add(struct calendar_merge *merge, struct slice tzid, struct slice text)
{
    if (merge->count == ZONES_MAX || text.len + tzid.len > ZONES_BYTES_MAX - merge->bytes)
        return;
    merge->bytes += text.len + tzid.len;
    merge->zones[merge->count++] =
        (struct merged_zone){arena_copy(merge->arena, tzid), arena_copy(merge->arena, text),
                             ical_zones_find(merge->known, tzid) != NULL};
}

void calendar_merge_look(struct calendar_merge *merge, const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *zone = ical_comp_find(vcalendar, ICAL_VTIMEZONE); zone != NULL;
         zone = ical_comp_next(zone)) {
        AUTO(buf) struct buf text = BUF(ZONE_BYTES_MAX);
        struct slice tzid = ical_prop_value(zone, ICAL_TZID);

        if (find(merge, tzid) != NULL)
            continue;
        ical_write(zone, &text);
        if (!text.over)
            add(merge, tzid, buf_slice(&text));
    }
}

/* VTIMEZONEs of a known name differ between programs only in how much of the past they tell. */
static bool fits(const struct calendar_merge *merge, const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *zone = ical_comp_find(vcalendar, ICAL_VTIMEZONE); zone != NULL;
         zone = ical_comp_next(zone)) {
        const struct merged_zone *merged = find(merge, ical_prop_value(zone, ICAL_TZID));
        AUTO(buf) struct buf text = BUF(ZONE_BYTES_MAX);

        if (merged == NULL)
            return false;
        if (merged->known)
            continue;
        ical_write(zone, &text);
        if (text.over || !slice_eq(buf_slice(&text), merged->text))
            return false;
    }
    return true;
}

static void put_text(const char *name, struct slice value, struct buf *out)
{
    AUTO(buf) struct buf text = BUF(MIB);
    struct ical_prop prop = {.name = slice_str(name)};

    if (value.len == 0)
        return;
    ical_text_encode(value, &text);
    prop.value = buf_slice(&text);
    ical_write_prop(&prop, out);
}

void calendar_merge_begin(const struct calendar_merge *merge, struct slice title,
                          struct slice color, struct buf *out)
{
    buf_put(out, SLICE("BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//Posthorse//Posthorse//EN\r\n"));
    put_text("NAME", title, out);
    put_text("X-WR-CALNAME", title, out);
    put_text("X-APPLE-CALENDAR-COLOR", color, out);
    for (size_t i = 0; i < merge->count; i++)
        buf_put(out, merge->zones[i].text);
}

bool calendar_merge_put(struct calendar_merge *merge, const struct ical_comp *vcalendar,
                        struct buf *out)
{
    if (!fits(merge, vcalendar))
        return false;
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (comp->id != ICAL_VTIMEZONE)
            ical_write(comp, out);
    return true;
}

void calendar_merge_end(struct buf *out)
{
    buf_put(out, SLICE("END:VCALENDAR\r\n"));
}
