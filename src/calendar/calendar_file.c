#include "calendar/calendar_file.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical_zone.h"
#include "sys/sys_hash.h"

#include <stdlib.h>
#include <string.h>

#define NAME_BYTES_MAX 200
#define TEXT_BYTES_MAX (64 * MIB) /* of one object */

const struct ical_limits calendar_file_limits = {
    .bytes_max = 256 * MIB,
    .lines_max = 6000000,
    .line_bytes_max = 64 * MIB,
    .params_max = 12000000,
    .depth_max = 10,
};

size_t calendar_file_arena_bytes(size_t bytes)
{
    struct ical_limits limits = calendar_file_limits;

    /* A line has two bytes at least, a parameter three; each may be listed again by its object. */
    limits.bytes_max = bytes;
    if (bytes / 2 < limits.lines_max)
        limits.lines_max = bytes / 2 + 1;
    if (bytes / 3 < limits.params_max)
        limits.params_max = bytes / 3 + 1;
    return 2 * ical_limits_arena_bytes(&limits) + 64 * bytes + MIB;
}

/* --- taken apart --- */

struct found {
    const struct ical_comp *comp;
    struct slice uid;
    size_t at; /* in the file */
};

static int by_uid(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    int uids = slice_cmp(x->uid, y->uid);

    return uids != 0 ? uids : (x->at > y->at) - (x->at < y->at);
}

static int by_line(const void *a, const void *b)
{
    const struct calendar_file_object *x = a;
    const struct calendar_file_object *y = b;

    return (x->line > y->line) - (x->line < y->line);
}

static bool is_object(const struct ical_comp *comp)
{
    return comp->id != ICAL_VTIMEZONE;
}

static struct found *gather(struct arena *arena, const struct ical_comp *comps, size_t *count_r)
{
    size_t count = 0;

    for (const struct ical_comp *file = comps; file != NULL; file = file->next)
        for (const struct ical_comp *comp = file->comps; comp != NULL; comp = comp->next)
            count += file->id == ICAL_VCALENDAR && is_object(comp);
    struct found *found = arena_many(arena, struct found, count + 1);
    *count_r = 0;
    for (const struct ical_comp *file = comps; file != NULL; file = file->next)
        for (const struct ical_comp *comp = file->comps; comp != NULL; comp = comp->next)
            if (file->id == ICAL_VCALENDAR && is_object(comp)) {
                found[*count_r] = (struct found){comp, ical_prop_value(comp, ICAL_UID), *count_r};
                (*count_r)++;
            }
    return found;
}

/* The next component inside of root, in the order of the text; NULL: that was all. */
static const struct ical_comp *next_inside(const struct ical_comp *root,
                                           const struct ical_comp *comp)
{
    if (comp->comps != NULL)
        return comp->comps;
    while (comp != root && comp->next == NULL)
        comp = comp->parent;
    return comp == root ? NULL : comp->next;
}

/* The VTIMEZONEs of one VCALENDAR by their names. */
struct zone_list {
    const struct ical_comp *file;
    const struct ical_comp **zones;
    size_t count;
};

static int by_tzid(const void *a, const void *b)
{
    const struct ical_comp *x = *(const struct ical_comp *const *)a;
    const struct ical_comp *y = *(const struct ical_comp *const *)b;
    int names = slice_cmp(ical_prop_value(x, ICAL_TZID), ical_prop_value(y, ICAL_TZID));

    return names != 0 ? names : (x->line > y->line) - (x->line < y->line);
}

static void list_zones(struct arena *arena, const struct ical_comp *file, struct zone_list *list)
{
    if (list->file == file)
        return;
    size_t count = 0;
    for (const struct ical_comp *zone = ical_comp_find(file, ICAL_VTIMEZONE); zone != NULL;
         zone = ical_comp_next(zone))
        count++;
    *list = (struct zone_list){file, arena_many(arena, const struct ical_comp *, count + 1), 0};
    for (const struct ical_comp *zone = ical_comp_find(file, ICAL_VTIMEZONE); zone != NULL;
         zone = ical_comp_next(zone))
        list->zones[list->count++] = zone;
    qsort(list->zones, count, sizeof(struct ical_comp *), by_tzid);
}

/* The first of them with that name. */
static const struct ical_comp *find_zone(const struct zone_list *list, struct slice tzid)
{
    size_t low = 0;
    size_t high = list->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (slice_cmp(ical_prop_value(list->zones[middle], ICAL_TZID), tzid) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < list->count && slice_eq(ical_prop_value(list->zones[low], ICAL_TZID), tzid)
               ? list->zones[low]
               : NULL;
}

struct zone_set {
    struct arena *arena;
    const struct ical_comp **zones;
    size_t count, cap;
};

static void note_zones(struct zone_set *set, const struct zone_list *list,
                       const struct ical_comp *root)
{
    struct slice last = {NULL, 0};

    for (const struct ical_comp *comp = root; comp != NULL; comp = next_inside(root, comp))
        for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next) {
            struct slice tzid = ical_param_text(prop, "TZID");

            if (tzid.len == 0 || slice_eq(tzid, last))
                continue;
            last = tzid;
            const struct ical_comp *zone = find_zone(list, tzid);
            if (zone == NULL)
                continue;
            if (set->count == set->cap)
                set->zones = arena_grow(set->arena, set->zones, set->count, &set->cap,
                                        sizeof(struct ical_comp *));
            set->zones[set->count++] = zone;
        }
}

/* Each name once. */
static void settle_zones(struct calendar_file_object *object, struct zone_set *set)
{
    size_t kept = 0;

    qsort(set->zones, set->count, sizeof(struct ical_comp *), by_tzid);
    for (size_t i = 0; i < set->count; i++)
        if (kept == 0 || !slice_eq(ical_prop_value(set->zones[i], ICAL_TZID),
                                   ical_prop_value(set->zones[kept - 1], ICAL_TZID)))
            set->zones[kept++] = set->zones[i];
    object->zones = set->zones;
    object->zone_count = kept;
}

static void make_object(struct arena *arena, const struct found *found, size_t count,
                        struct zone_list *list, struct calendar_file_object *object)
{
    const struct ical_comp **comps = arena_many(arena, const struct ical_comp *, count);
    struct zone_set set = {.arena = arena};

    for (size_t i = 0; i < count; i++) {
        comps[i] = found[i].comp;
        list_zones(arena, comps[i]->parent, list);
        note_zones(&set, list, comps[i]);
    }
    *object = (struct calendar_file_object){
        .uid = found[0].uid, .line = comps[0]->line, .comps = comps, .comp_count = count};
    if (set.count > 0)
        settle_zones(object, &set);
}

void calendar_file_split(struct arena *arena, const struct ical_comp *comps,
                         struct calendar_file_object **objects_r, size_t *count_r)
{
    size_t count = 0;
    struct found *found = gather(arena, comps, &count);
    struct calendar_file_object *objects =
        arena_many(arena, struct calendar_file_object, count + 1);
    struct zone_list list = {.file = NULL};
    size_t end = 0;

    qsort(found, count, sizeof(*found), by_uid);
    *count_r = 0;
    for (size_t i = 0; i < count; i = end) {
        for (end = i + 1;
             end < count && found[i].uid.len > 0 && slice_eq(found[end].uid, found[i].uid);)
            end++;
        make_object(arena, &found[i], end - i, &list, &objects[(*count_r)++]);
    }
    qsort(objects, *count_r, sizeof(*objects), by_line);
    *objects_r = objects;
}

/* --- one object --- */

/* Lines as they are written, and where they come from. */
struct writer {
    struct buf *out;
    size_t counted;
    unsigned line;   /* written so far */
    unsigned want;   /* the one that is looked for; 0: none */
    unsigned source; /* of it; 0: not found yet */
};

static void mark(struct writer *w, unsigned source)
{
    for (; w->counted < w->out->len; w->counted++)
        w->line += w->out->ptr[w->counted] == '\n';
    if (w->want != 0 && w->source == 0 && w->line >= w->want)
        w->source = source;
}

static void put_prop(struct writer *w, const struct ical_prop *prop)
{
    ical_write_prop(prop, w->out);
    mark(w, prop->line);
}

static void put_edge(struct writer *w, const char *edge, const struct ical_comp *comp)
{
    buf_putf(w->out, "%s:%.*s\r\n", edge, SLICE_ARG(comp->name));
    mark(w, comp->line);
}

static void put_comp(struct writer *w, const struct ical_comp *root)
{
    const struct ical_comp *comp = root;

    for (;;) {
        put_edge(w, "BEGIN", comp);
        for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
            put_prop(w, prop);
        if (comp->comps != NULL) {
            comp = comp->comps;
            continue;
        }
        put_edge(w, "END", comp);
        while (comp != root && comp->next == NULL) {
            comp = comp->parent;
            put_edge(w, "END", comp);
        }
        if (comp == root)
            return;
        comp = comp->next;
    }
}

static void put_object(struct writer *w, const struct calendar_file_object *object)
{
    static const enum ical_prop_id kept[] = {ICAL_VERSION, ICAL_PRODID, ICAL_CALSCALE};
    const struct ical_comp *file = object->comps[0]->parent;

    put_edge(w, "BEGIN", file);
    for (size_t i = 0; i < COUNT(kept); i++) {
        const struct ical_prop *prop = ical_prop_find(file, kept[i]);

        if (prop != NULL)
            put_prop(w, prop);
    }
    for (size_t i = 0; i < object->zone_count; i++)
        put_comp(w, object->zones[i]);
    for (size_t i = 0; i < object->comp_count; i++)
        put_comp(w, object->comps[i]);
    put_edge(w, "END", file);
}

void calendar_file_write(const struct calendar_file_object *object, struct buf *out)
{
    struct writer w = {.out = out, .counted = out->len};

    put_object(&w, object);
}

unsigned calendar_file_line(const struct calendar_file_object *object, unsigned line)
{
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);
    struct writer w = {.out = &text, .want = line};

    if (line != 0)
        put_object(&w, object);
    return w.source != 0 ? w.source : object->line;
}

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("-_.@+=", c) != NULL);
}

struct slice calendar_file_name(struct arena *arena, struct slice uid)
{
    bool plain = uid.len > 0 && uid.len <= NAME_BYTES_MAX && uid.ptr[0] != '.';
    AUTO(buf) struct buf name = BUF(NAME_BYTES_MAX + 16);

    for (size_t i = 0; plain && i < uid.len; i++)
        plain = is_plain(uid.ptr[i]);
    if (plain) {
        buf_put(&name, uid);
    } else {
        unsigned char digest[SYS_SHA256_BYTES];

        sys_sha256(uid, digest);
        for (size_t i = 0; i < sizeof(digest); i++)
            buf_putf(&name, "%02x", digest[i]);
    }
    buf_put(&name, SLICE(".ics"));
    return arena_copy(arena, buf_slice(&name));
}

/* The one object of a text; NULL: it is none, or more. */
static const struct calendar_file_object *read_one(struct arena *arena, struct slice text)
{
    struct calendar_file_object *objects;
    struct ical_error error;
    struct ical_comp *comps;
    size_t count;

    if (ical_parse(arena, text, &ical_limits_default, &comps, &error) != ST_OK)
        return NULL;
    calendar_file_split(arena, comps, &objects, &count);
    return count == 1 ? &objects[0] : NULL;
}

static void write_comps(const struct calendar_file_object *object, struct ical_zones *zones,
                        struct buf *out)
{
    struct writer w = {.out = out};

    for (size_t i = 0; i < object->zone_count; i++)
        if (ical_zones_find(zones, ical_prop_value(object->zones[i], ICAL_TZID)) == NULL)
            put_comp(&w, object->zones[i]);
    for (size_t i = 0; i < object->comp_count; i++)
        put_comp(&w, object->comps[i]);
}

bool calendar_file_same(struct arena *arena, struct ical_zones *zones, struct slice a,
                        struct slice b)
{
    if (slice_eq(a, b))
        return true;
    const struct calendar_file_object *x = read_one(arena, a);
    const struct calendar_file_object *y = read_one(arena, b);
    AUTO(buf) struct buf of_x = BUF(TEXT_BYTES_MAX);
    AUTO(buf) struct buf of_y = BUF(TEXT_BYTES_MAX);

    if (x == NULL || y == NULL)
        return false;
    write_comps(x, zones, &of_x);
    write_comps(y, zones, &of_y);
    return !of_x.over && slice_eq(buf_slice(&of_x), buf_slice(&of_y));
}
