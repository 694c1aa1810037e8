/* Zones by name: the system's, Windows', an object's own. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_zone_data.h"
#include "sys/sys_file.h"

#include <limits.h>
#include <pthread.h>
#include <stdio.h>

#define NAME_BYTES_MAX 64
#define FILE_BYTES_MAX (256 * KIB)
#define ZONES_BYTES_MAX (64 * MIB) /* the whole tz database takes a few */

struct entry {
    struct entry *next;
    struct slice name;
    const struct ical_zone *zone; /* NULL: there is a file, but no zone */
};

struct ical_zones {
    char *folder;
    pthread_mutex_t lock;
    struct arena *arena;
    struct entry *first;
};

struct row {
    struct slice name, zone;
};

static const struct row windows[] = {
#define ICAL_WINDOWS(name, zone) {{name, sizeof(name) - 1}, {zone, sizeof(zone) - 1}},
#include "ical/ical_windows.def"
};

/* What people are shown, and what Windows calls it. */
static const struct row places[] = {
#define ICAL_PLACES(text, name) {{text, sizeof(text) - 1}, {name, sizeof(name) - 1}},
#include "ical/ical_places.def"
};

struct ical_zones *ical_zones_new(const char *folder)
{
    struct ical_zones *zones = mem_new(struct ical_zones);

    zones->folder = mem_copy(slice_str(folder));
    zones->arena = arena_new("zones", ZONES_BYTES_MAX);
    pthread_mutex_init(&zones->lock, NULL);
    return zones;
}

void ical_zones_free(struct ical_zones **zones)
{
    if (*zones == NULL)
        return;
    arena_free(&(*zones)->arena);
    pthread_mutex_destroy(&(*zones)->lock);
    mem_free((*zones)->folder);
    mem_free(*zones);
    *zones = NULL;
}

/* "(UTC+01:00) Amsterdam, Berlin", also with GMT: what stands behind; else the empty slice. */
static struct slice shown_places(struct slice text)
{
    size_t end = slice_find(text, ')');

    if ((!slice_istarts(text, SLICE("(UTC")) && !slice_istarts(text, SLICE("(GMT"))) ||
        end == SIZE_MAX)
        return SLICE("");
    return slice_trim(slice_sub(text, end + 1, text.len));
}

struct slice ical_zones_windows(struct slice name)
{
    struct slice shown = shown_places(name);

    for (size_t i = 0; shown.len > 0 && i < COUNT(places); i++)
        if (slice_ieq(places[i].name, shown))
            name = places[i].zone;
    for (size_t i = 0; i < COUNT(windows); i++)
        if (slice_ieq(windows[i].name, name))
            return windows[i].zone;
    return SLICE("");
}

void ical_zones_windows_each(ical_zones_fn *fn, void *ctx)
{
    for (size_t i = 0; i < COUNT(windows); i++)
        fn(ctx, windows[i].name);
}

/* A name that can be a file's below the folder and nothing else: parts that begin with a letter. */
static bool good_name(struct slice name)
{
    bool begins = true;

    if (name.len == 0 || name.len > NAME_BYTES_MAX || name.ptr[0] < 'A' || name.ptr[0] > 'Z')
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');

        if (!letter &&
            (begins || !((c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+' || c == '/')))
            return false;
        begins = c == '/';
    }
    return !begins;
}

static const struct ical_zone *load(struct ical_zones *zones, struct slice name)
{
    AUTO(buf) struct buf bytes = BUF(FILE_BYTES_MAX);
    const struct ical_zone *zone = NULL;
    char path[PATH_MAX];
    struct entry *entry;

    if (snprintf(path, sizeof(path), "%s/%.*s", zones->folder, SLICE_ARG(name)) >= PATH_MAX ||
        sys_file_read(path, &bytes) != ST_OK ||
        ical_zone_tzif(zones->arena, buf_slice(&bytes), &zone) != ST_OK)
        return NULL;
    entry = arena_one(zones->arena, struct entry);
    entry->name = arena_copy(zones->arena, name);
    entry->zone = zone;
    entry->next = zones->first;
    zones->first = entry;
    return zone;
}

static const struct ical_zone *find_name(struct ical_zones *zones, struct slice name)
{
    const struct ical_zone *zone = NULL;
    const struct entry *entry;

    if (!good_name(name))
        return NULL;
    pthread_mutex_lock(&zones->lock);
    for (entry = zones->first; entry != NULL; entry = entry->next)
        if (slice_eq(entry->name, name))
            break;
    zone = entry != NULL ? entry->zone : load(zones, name);
    pthread_mutex_unlock(&zones->lock);
    return zone;
}

const struct ical_zone *ical_zones_find(struct ical_zones *zones, struct slice tzid)
{
    struct slice name = tzid;

    for (int tries = 0; tries < 8; tries++) {
        struct slice other = ical_zones_windows(name);
        const struct ical_zone *zone = find_name(zones, other.len > 0 ? other : name);
        size_t slash = slice_find(name, '/');

        if (zone != NULL)
            return zone;
        if (tzid.len == 0 || tzid.ptr[0] != '/' || slash == SIZE_MAX)
            return NULL; /* only what begins with '/' has something before the name */
        name = slice_sub(name, slash + 1, name.len);
    }
    return NULL;
}

struct own_zone {
    struct own_zone *next;
    struct slice tzid;
    const struct ical_comp *comp; /* NULL: not from the object */
    const struct ical_zone *zone;
    bool made;
};

struct ical_tz {
    struct arena *arena;
    struct ical_zones *zones;
    size_t made;
    struct own_zone *first;
};

static struct own_zone *add_own(struct ical_tz *tz, struct slice tzid, const struct ical_comp *comp)
{
    struct own_zone *own = arena_one(tz->arena, struct own_zone);

    own->tzid = tzid;
    own->comp = comp;
    own->next = tz->first;
    tz->first = own;
    return own;
}

struct ical_tz *ical_tz_new(struct arena *arena, const struct ical_comp *vcalendar,
                            struct ical_zones *zones)
{
    struct ical_tz *tz = arena_one(arena, struct ical_tz);

    tz->arena = arena;
    tz->zones = zones;
    for (const struct ical_comp *comp = ical_comp_find(vcalendar, ICAL_VTIMEZONE); comp != NULL;
         comp = ical_comp_next(comp))
        add_own(tz, ical_prop_value(comp, ICAL_TZID), comp);
    return tz;
}

const struct ical_zone *ical_tz_find(struct ical_tz *tz, struct slice tzid)
{
    struct ical_error ignored;
    struct own_zone *own = tz->first;

    while (own != NULL && !slice_eq(own->tzid, tzid))
        own = own->next;
    if (own == NULL)
        own = add_own(tz, tzid, NULL);
    if (own->made)
        return own->zone;
    own->made = true;
    if (own->comp != NULL && tz->made++ < ICAL_TZ_MAX &&
        ical_zone_vtimezone(tz->arena, own->comp, &own->zone, &ignored) != ST_OK)
        own->zone = NULL;
    if (own->zone == NULL && tz->zones != NULL)
        own->zone = ical_zones_find(tz->zones, tzid);
    return own->zone;
}

enum st ical_tz_time(struct ical_tz *tz, const struct ical_prop *prop, struct slice value,
                     struct ical_time *time_r)
{
    const struct ical_param *tzid = ical_param_find(prop, "TZID");
    enum st st = ical_time_parse(value, time_r);

    if (st == ST_OK && time_r->form == ICAL_FLOATING && tzid != NULL) {
        time_r->form = ICAL_ZONED;
        time_r->zone = ical_tz_find(tz, tzid->values[0].text);
    }
    return st;
}
