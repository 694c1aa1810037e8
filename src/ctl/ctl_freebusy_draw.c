#include "base/buf.h"
#include "base/slice.h"
#include "ctl/ctl_freebusy.h"
#include "ical/ical_time.h"

#include <string.h>

#define DAY_S ICAL_DAY_S
#define HOUR_S INT64_C(3600)
#define NAME_COLUMNS_MIN 3 /* "all" */
#define HOUR_LABEL_COLUMNS 3
#define UNKNOWN_MARK "?"
#define UNKNOWN_COLOR "31"
#define FREE_MARK "·"

struct drawing {
    const struct ctl_freebusy *of;
    struct buf *out;
    unsigned name_columns;
    unsigned slots;        /* columns of an hour */
    unsigned first, until; /* hours of a day that are shown */
};

/* What is said of a part of the window. */
struct said {
    bool outside; /* of the window */
    bool unknown;
    bool busy;
    enum ctl_agenda_kind kind; /* where busy */
};

static void color(const struct drawing *d, const char *sgr)
{
    if (d->of->colors)
        buf_putf(d->out, "\033[%sm", sgr);
}

static void fill(const struct drawing *d, size_t columns)
{
    while (columns-- > 0)
        buf_put(d->out, SLICE(" "));
}

static void put_marked(const struct drawing *d, const char *mark, const char *sgr)
{
    color(d, sgr);
    buf_put(d->out, slice_str(mark));
    color(d, "0");
}

/* --- what is shown --- */

static struct said say(const struct drawing *d, const struct ctl_freebusy_person *person,
                       int64_t from_s, int64_t until_s)
{
    const struct ctl_freebusy *of = d->of;
    struct said said = {.outside = until_s <= of->from_s || from_s >= of->until_s};

    if (from_s < of->from_s)
        from_s = of->from_s;
    if (until_s > of->until_s)
        until_s = of->until_s;
    said.unknown = person->from_s > from_s || person->until_s < until_s;
    for (size_t i = 0; i < person->count; i++) {
        const struct ctl_freebusy_row *row = &person->rows[i];

        if (row->start_s >= until_s || row->end_s <= from_s)
            continue;
        said.unknown |= row->unknown;
        if (row->unknown)
            continue;
        if (!said.busy || row->kind > said.kind)
            said.kind = row->kind;
        said.busy = true;
    }
    return said;
}

static struct said say_all(const struct drawing *d, int64_t from_s, int64_t until_s)
{
    struct said all = {.outside = true};

    for (size_t i = 0; i < d->of->count; i++) {
        const struct said one = say(d, &d->of->people[i], from_s, until_s);

        all.outside &= one.outside;
        all.unknown |= one.unknown;
        if (one.busy && (!all.busy || one.kind > all.kind))
            all.kind = one.kind;
        all.busy |= one.busy;
    }
    return all;
}

/* What is busy for a whole day, and whoever is not to be had at night, widen nothing. */
static void widen(struct drawing *d, const struct ctl_freebusy_row *row)
{
    const int64_t start_s = row->start_s > d->of->from_s ? row->start_s : d->of->from_s;
    const int64_t end_s = row->end_s < d->of->until_s ? row->end_s : d->of->until_s;
    const unsigned first = (unsigned)(ical_second_of(start_s) / HOUR_S);
    const unsigned until = (unsigned)((ical_second_of(end_s) + HOUR_S - 1) / HOUR_S);

    if (row->unknown || row->kind == CTL_AGENDA_AWAY || row->kind == CTL_AGENDA_FREE ||
        end_s - start_s >= DAY_S || start_s >= end_s)
        return;
    if (ical_day_of(start_s) != ical_day_of(end_s - 1)) {
        d->first = 0;
        d->until = 24;
        return;
    }
    if (first < d->first)
        d->first = first;
    if (until == 0 || until > d->until)
        d->until = until == 0 ? 24 : until;
}

static void choose_hours(struct drawing *d)
{
    const struct ctl_freebusy *of = d->of;

    d->first = 8;
    d->until = 18;
    for (size_t i = 0; i < of->count; i++)
        for (size_t k = 0; k < of->people[i].count; k++)
            widen(d, &of->people[i].rows[k]);
    if (of->until_s - of->from_s < DAY_S &&
        ical_day_of(of->from_s) == ical_day_of(of->until_s - 1)) {
        const int64_t last_s = ical_second_of(of->until_s - 1);

        d->first = (unsigned)(ical_second_of(of->from_s) / HOUR_S);
        d->until = (unsigned)(last_s / HOUR_S + 1);
    }
}

static void choose_columns(struct drawing *d)
{
    const unsigned columns = d->of->columns;

    d->name_columns = NAME_COLUMNS_MIN;
    for (size_t i = 0; i < d->of->count; i++) {
        const size_t width = ctl_agenda_width(slice_str(d->of->people[i].name));

        if (width > d->name_columns)
            d->name_columns = (unsigned)width;
    }
    if (d->name_columns > columns / 3)
        d->name_columns = columns / 3 > NAME_COLUMNS_MIN ? columns / 3 : NAME_COLUMNS_MIN;
    d->slots = 4;
    while (d->slots > 1 && d->name_columns + 3 + d->slots * (d->until - d->first) > columns)
        d->slots /= 2;
}

/* --- lines --- */

static void put_name(const struct drawing *d, struct slice name)
{
    const struct slice part = ctl_agenda_cut(name, d->name_columns);

    buf_put(d->out, part);
    fill(d, d->name_columns - ctl_agenda_width(part) + 1);
}

static void put_day(const struct drawing *d, int64_t day_s)
{
    const struct ical_civil civil = ical_civil(day_s);

    color(d, "1");
    buf_putf(d->out, "%s %d %s %d", ctl_agenda_days[ical_weekday(ical_day_of(day_s))], civil.day,
             ctl_agenda_months[civil.month - 1], (int)civil.year);
    color(d, "0");
    buf_put(d->out, SLICE("\n"));
}

static void put_hours(const struct drawing *d)
{
    const unsigned every = d->slots >= HOUR_LABEL_COLUMNS ? 1
                           : d->slots == 2                ? 2
                                                          : HOUR_LABEL_COLUMNS;

    fill(d, d->name_columns + 2);
    for (unsigned hour = d->first; hour < d->until; hour += every)
        buf_putf(d->out, "%-*u", (int)(every * d->slots), hour);
    while (d->out->len > 0 && d->out->ptr[d->out->len - 1] == ' ')
        d->out->len--;
    buf_put(d->out, SLICE("\n"));
}

static void put_cell(const struct drawing *d, struct said said)
{
    if (said.outside)
        buf_put(d->out, SLICE(" "));
    else if (said.busy)
        put_marked(d, ctl_agenda_looks[said.kind].mark, ctl_agenda_looks[said.kind].color);
    else if (said.unknown)
        put_marked(d, UNKNOWN_MARK, UNKNOWN_COLOR);
    else
        buf_put(d->out, SLICE(FREE_MARK));
}

/* person NULL: all of them. */
static void put_line(const struct drawing *d, const struct ctl_freebusy_person *person,
                     int64_t day_s)
{
    const int64_t slot_s = HOUR_S / d->slots;

    put_name(d, slice_str(person != NULL ? person->name : "all"));
    buf_put(d->out, SLICE("│"));
    for (int64_t at_s = day_s + d->first * HOUR_S; at_s < day_s + d->until * HOUR_S; at_s += slot_s)
        put_cell(d, person != NULL ? say(d, person, at_s, at_s + slot_s)
                                   : say_all(d, at_s, at_s + slot_s));
    buf_put(d->out, SLICE("│\n"));
}

static void put_legend(const struct drawing *d)
{
    buf_putf(d->out, "%s  ", d->of->zone);
    for (size_t i = CTL_AGENDA_KIND_MAX; i-- > CTL_AGENDA_FREE + 1;) {
        put_marked(d, ctl_agenda_looks[i].mark, ctl_agenda_looks[i].color);
        buf_putf(d->out, " %s  ", ctl_agenda_looks[i].name);
    }
    buf_put(d->out, SLICE(FREE_MARK " free  "));
    put_marked(d, UNKNOWN_MARK, UNKNOWN_COLOR);
    buf_put(d->out, SLICE(" nobody can say\n"));
}

void ctl_freebusy_draw(const struct ctl_freebusy *freebusy, struct buf *out)
{
    struct drawing d = {.of = freebusy, .out = out};

    choose_hours(&d);
    choose_columns(&d);
    put_legend(&d);
    for (int64_t day_s = ical_day_of(freebusy->from_s) * DAY_S; day_s < freebusy->until_s;
         day_s += DAY_S) {
        put_day(&d, day_s);
        put_hours(&d);
        for (size_t i = 0; i < freebusy->count; i++)
            put_line(&d, &freebusy->people[i], day_s);
        if (freebusy->count > 1)
            put_line(&d, NULL, day_s);
    }
}
