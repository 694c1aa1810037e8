/* Texts that are equal where what they describe is: of two versions of a component. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_itip_data.h"
#include "ical/ical_rule.h"

#include <stdlib.h>

#define TEXT_MAX (64 * MIB) /* more than any object that is let in */

static int by_bytes(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;

    return slice_cmp(*x, *y);
}

struct lines {
    struct slice *at;
    size_t count, cap;
};

static void add_line(struct arena *arena, struct lines *lines, struct slice line)
{
    if (lines->count == lines->cap)
        lines->at = arena_grow(arena, lines->at, lines->count, &lines->cap, sizeof(*lines->at));
    lines->at[lines->count++] = line;
}

/* Sorted, each once. */
static void put_lines(struct lines *lines, struct buf *out)
{
    if (lines->count > 1)
        qsort(lines->at, lines->count, sizeof(*lines->at), by_bytes);
    for (size_t i = 0; i < lines->count; i++) {
        if (i > 0 && slice_eq(lines->at[i - 1], lines->at[i]))
            continue;
        buf_put(out, lines->at[i]);
        buf_put(out, SLICE("\n"));
    }
}

/* False: it cannot be read, and its text stands for it. */
static bool put_time(const struct itip_set *set, const struct ical_prop *prop, struct slice value,
                     struct ical_time *time_r, struct buf *out)
{
    if (ical_tz_time(set->tz, prop, value, time_r) != ST_OK) {
        buf_put(out, value);
        return false;
    }
    buf_putf(out, "%c%lld", time_r->form == ICAL_DATE ? 'd' : 't',
             (long long)ical_time_utc(*time_r, set->world->floating));
    return true;
}

static void put_rules(struct arena *arena, const struct ical_comp *comp, enum ical_prop_id id,
                      struct buf *out)
{
    struct lines lines = {0};

    for (const struct ical_prop *prop = ical_prop_find(comp, id); prop != NULL;
         prop = ical_prop_next(prop)) {
        AUTO(buf) struct buf text = BUF(64 * KIB);
        struct ical_rule rule;
        struct ical_error error;

        if (ical_rule_parse(prop->value, &rule, &error) == ST_OK)
            ical_rule_write(&rule, &text);
        else
            buf_put(&text, slice_sub(prop->value, 0, 32 * KIB));
        add_line(arena, &lines, arena_copy(arena, buf_slice(&text)));
    }
    if (lines.count > 0)
        buf_putf(out, "%s ", ical_prop_name(id));
    put_lines(&lines, out);
}

static void put_end(const struct itip_set *set, const struct ical_comp *comp,
                    const struct ical_time *start, struct buf *out)
{
    const struct ical_prop *end =
        ical_prop_find(comp, comp->id == ICAL_VTODO ? ICAL_DUE : ICAL_DTEND);
    const struct ical_prop *duration = ical_prop_find(comp, ICAL_DURATION);
    struct ical_duration length = {.days = start->form == ICAL_DATE && comp->id == ICAL_VEVENT};
    struct ical_time time;

    buf_put(out, SLICE(" "));
    if (end != NULL) {
        put_time(set, end, slice_trim(end->value), &time, out);
        return;
    }
    if (duration != NULL && ical_duration_parse(duration->value, &length) != ST_OK)
        length = (struct ical_duration){0};
    buf_putf(out, "%c%lld", start->form == ICAL_DATE ? 'd' : 't',
             (long long)ical_time_utc(ical_time_add(*start, length), set->world->floating));
}

struct slice calendar_itip_timing(const struct itip_set *set, const struct ical_comp *comp)
{
    struct arena *arena = set->world->arena;
    const struct ical_prop *start = ical_prop_find(comp, ICAL_DTSTART);
    bool repeats =
        ical_prop_find(comp, ICAL_RRULE) != NULL || ical_prop_find(comp, ICAL_RDATE) != NULL;
    AUTO(buf) struct buf out = BUF(TEXT_MAX);
    struct ical_time time = {0};

    if (start != NULL)
        put_time(set, start, slice_trim(start->value), &time, &out);
    if (start != NULL || ical_prop_find(comp, ICAL_DUE) != NULL)
        put_end(set, comp, &time, &out);
    if (start != NULL && repeats && time.form == ICAL_ZONED)
        buf_putf(&out, " %.*s", SLICE_ARG(ical_param_text(start, "TZID")));
    buf_put(&out, SLICE("\n"));
    put_rules(arena, comp, ICAL_RRULE, &out);
    put_rules(arena, comp, ICAL_EXRULE, &out);
    return arena_copy(arena, buf_slice(&out));
}

struct slice calendar_itip_dates(const struct itip_set *set, const struct ical_comp *comp)
{
    static const enum ical_prop_id ids[] = {ICAL_RDATE, ICAL_EXDATE};
    struct arena *arena = set->world->arena;
    AUTO(buf) struct buf out = BUF(TEXT_MAX);
    struct lines lines = {0};

    for (size_t i = 0; i < COUNT(ids); i++) {
        for (const struct ical_prop *prop = ical_prop_find(comp, ids[i]); prop != NULL;
             prop = ical_prop_next(prop)) {
            struct slice rest = prop->value, item;

            while (slice_split(&rest, ',', &item)) {
                AUTO(buf) struct buf text = BUF(TEXT_MAX);
                size_t bar = slice_find(item, '/');
                struct ical_time time;

                buf_put(&text, i == 0 ? SLICE("+") : SLICE("-"));
                put_time(set, prop, slice_trim(slice_sub(item, 0, bar)), &time, &text);
                if (bar != SIZE_MAX)
                    buf_put(&text, slice_sub(item, bar, item.len));
                add_line(arena, &lines, arena_copy(arena, buf_slice(&text)));
            }
        }
    }
    put_lines(&lines, &out);
    return arena_copy(arena, buf_slice(&out));
}

/* What is told elsewhere, is only of one's own copy, or says nothing. */
static bool untold(const struct ical_prop *prop)
{
    static const enum ical_prop_id ids[] = {
        ICAL_DTSTAMP, ICAL_LAST_MODIFIED, ICAL_CREATED,  ICAL_SEQUENCE, ICAL_DTSTART,
        ICAL_DTEND,   ICAL_DUE,           ICAL_DURATION, ICAL_RRULE,    ICAL_EXRULE,
        ICAL_RDATE,   ICAL_EXDATE,        ICAL_TRANSP,   ICAL_UID,      ICAL_RECURRENCE_ID,
    };

    for (size_t i = 0; i < COUNT(ids); i++)
        if (prop->id == ids[i])
            return true;
    return slice_istarts(prop->name, SLICE("X-"));
}

struct slice calendar_itip_content(const struct itip_set *set, const struct ical_comp *comp)
{
    struct arena *arena = set->world->arena;
    AUTO(buf) struct buf out = BUF(TEXT_MAX);
    struct lines lines = {0};

    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next) {
        AUTO(buf) struct buf text = BUF(TEXT_MAX);

        if (untold(prop))
            continue;
        buf_putf(&text, "%.*s:", SLICE_ARG(slice_lower(arena, prop->name)));
        if (prop->id == ICAL_ATTENDEE || prop->id == ICAL_ORGANIZER) {
            struct slice role = slice_lower(arena, ical_param_text(prop, "ROLE"));

            buf_put(&text, calendar_itip_prop_address(arena, prop));
            if (!slice_eq(role, SLICE("req-participant"))) /* which is what none means */
                buf_put(&text, role);
        } else {
            buf_put(&text, slice_trim(ical_text_decode(arena, prop->value)));
        }
        add_line(arena, &lines, arena_copy(arena, buf_slice(&text)));
    }
    put_lines(&lines, &out);
    return arena_copy(arena, buf_slice(&out));
}
