#include "itip_t.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void itip_t_init(struct itip_t *t, const char *own)
{
    t->arena = arena_new("itip", 4 * GIB);
    t->zones = ical_zones_new("/usr/share/zoneinfo");
    t->own[0] = slice_str(own);
    t->world = (struct calendar_itip_world){
        .arena = t->arena, .zones = t->zones, .own = t->own, .own_count = 1, .now_s = ITIP_T_NOW};
}

void itip_t_fini(struct itip_t *t)
{
    ical_zones_free(&t->zones);
    arena_free(&t->arena);
}

static void put_object(const char *text, struct buf *out)
{
    const char *parting;

    if (strncmp(text, "BEGIN:", 6) == 0) {
        buf_put(out, slice_str(text));
        return;
    }
    buf_put(out, SLICE("BEGIN:VCALENDAR\nVERSION:2.0\n"));
    if (strncmp(text, "METHOD:", 7) == 0) {
        size_t len = (size_t)(strchr(text, '\n') + 1 - text);

        buf_put(out, (struct slice){text, len});
        text += len;
    }
    do {
        parting = strstr(text, "--\n");
        struct slice part = slice_str(text);

        if (parting != NULL)
            part.len = (size_t)(parting - text);
        buf_putf(out, "BEGIN:VEVENT\n%.*sEND:VEVENT\n", SLICE_ARG(part));
        text = parting != NULL ? parting + 3 : text;
    } while (parting != NULL);
    buf_put(out, SLICE("END:VCALENDAR\n"));
}

struct ical_comp *itip_t_object(struct arena *arena, const char *text)
{
    AUTO(buf) struct buf whole = BUF(64 * MIB);
    struct ical_comp *comps = NULL;
    struct ical_error error = {0};

    put_object(text, &whole);
    if (ical_parse(arena, buf_slice(&whole), &ical_limits_default, &comps, &error) != ST_OK) {
        printf("# line %u: %s\n%s\n", error.line, error.text, whole.ptr);
        abort();
    }
    return comps;
}

static int by_bytes(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static void put_sorted(struct slice *lines, size_t count, const char *between, struct buf *out)
{
    if (count > 1)
        qsort(lines, count, sizeof(*lines), by_bytes);
    for (size_t i = 0; i < count; i++)
        buf_putf(out, "%s%.*s", i > 0 ? between : "", SLICE_ARG(lines[i]));
}

static struct slice prop_text(struct arena *arena, const struct ical_prop *prop, bool brief)
{
    AUTO(buf) struct buf out = BUF(64 * MIB);
    struct slice params[64];
    size_t count = 0;

    for (const struct ical_param *param = prop->params; param != NULL; param = param->next) {
        AUTO(buf) struct buf text = BUF(MIB);

        if (count == COUNT(params) ||
            (brief && (slice_istarts(param->name, SLICE("X-POSTHORSE-")) ||
                       slice_istarts(param->name, SLICE("SCHEDULE-")))))
            continue;
        buf_putf(&text, ";%.*s=%.*s", SLICE_ARG(param->name), SLICE_ARG(param->values[0].text));
        params[count++] = arena_copy(arena, buf_slice(&text));
    }
    buf_putf(&out, "%.*s", SLICE_ARG(prop->name));
    put_sorted(params, count, "", &out);
    buf_putf(&out, ":%.*s", SLICE_ARG(prop->value));
    return arena_copy(arena, buf_slice(&out));
}

static struct slice comp_text(struct arena *arena, const struct ical_comp *comp, bool brief)
{
    AUTO(buf) struct buf out = BUF(64 * MIB);
    struct slice *lines;
    size_t count = 0;

    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
        count++;
    lines = arena_many(arena, struct slice, count + 1);
    count = 0;
    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
        if (!brief || (prop->id != ICAL_DTSTAMP && prop->id != ICAL_REQUEST_STATUS &&
                       !slice_istarts(prop->name, SLICE("X-POSTHORSE-"))))
            lines[count++] = prop_text(arena, prop, brief);
    put_sorted(lines, count, "\n", &out);
    buf_put(&out, SLICE("\n"));
    for (const struct ical_comp *sub = comp->comps; sub != NULL; sub = sub->next)
        buf_putf(&out, "[%.*s]\n", SLICE_ARG(sub->name));
    return arena_copy(arena, buf_slice(&out));
}

struct slice itip_t_text(struct arena *arena, const struct ical_comp *vcalendar, bool brief)
{
    AUTO(buf) struct buf out = BUF(64 * MIB);
    struct slice *parts;
    size_t count = 0;

    if (vcalendar == NULL)
        return SLICE("");
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        count++;
    parts = arena_many(arena, struct slice, count + 1);
    count = 0;
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (comp->id != ICAL_VTIMEZONE)
            parts[count++] = comp_text(arena, comp, brief);
    put_sorted(parts, count, "--\n", &out);
    return arena_copy(arena, buf_slice(&out));
}
