#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ctl/ctl_agenda.h"
#include "ical/ical_time.h"

#include <stdio.h>
#include <string.h>

#define DAY_S ICAL_DAY_S
#define HOUR_S INT64_C(3600)
#define LABEL_COLUMNS 6 /* "10:00 " */
#define CELL_COLUMNS_MIN 10
#define CELL_COLUMNS_MAX 30
#define LANE_COLUMNS_MIN 4
#define ROWS_FINE_MAX 30 /* half hours while there are no more */
#define LANES_MAX 8

const struct ctl_agenda_look ctl_agenda_looks[CTL_AGENDA_KIND_MAX] = {
    [CTL_AGENDA_FREE] = {"░", "2", "free"},
    [CTL_AGENDA_ELSEWHERE] = {"▚", "32", "elsewhere"},
    [CTL_AGENDA_TENTATIVE] = {"▒", "33", "tentative"},
    [CTL_AGENDA_BUSY] = {"█", "36", "busy"},
    [CTL_AGENDA_AWAY] = {"▓", "35", "away"},
};

const char *const ctl_agenda_days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
const char *const ctl_agenda_months[] = {"January",   "February", "March",    "April",
                                         "May",       "June",     "July",     "August",
                                         "September", "October",  "November", "December"};

/* --- columns --- */

struct range {
    uint32_t first, last;
};
static const struct range wide[] = {{0x1100, 0x115f}, {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                    {0xf900, 0xfaff}, {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                    {0xffe0, 0xffe6}, {0x1f300, 0x1faff}, {0x20000, 0x3fffd}};
static const struct range narrow[] = {{0x300, 0x36f}, {0x200b, 0x200f}, {0xfe00, 0xfe0f}};

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
    for (size_t i = 0; i < count; i++)
        if (code >= ranges[i].first && code <= ranges[i].last)
            return true;
    return false;
}

/* The columns of the character that begins at *at, which is moved behind it. */
static size_t step(struct slice text, size_t *at)
{
    unsigned char c = (unsigned char)text.ptr[(*at)++];
    uint32_t code = c < 0x80 ? c : c < 0xe0 ? c & 0x1f : c < 0xf0 ? c & 0x0f : c & 0x07;

    while (*at < text.len && ((unsigned char)text.ptr[*at] & 0xc0) == 0x80)
        code = code << 6 | ((unsigned char)text.ptr[(*at)++] & 0x3f);
    if (is_in(narrow, COUNT(narrow), code))
        return 0;
    return is_in(wide, COUNT(wide), code) ? 2 : 1;
}

size_t ctl_agenda_width(struct slice text)
{
    size_t width = 0;

    for (size_t at = 0; at < text.len;)
        width += step(text, &at);
    return width;
}

struct slice ctl_agenda_cut(struct slice text, size_t columns)
{
    size_t width = 0;

    for (size_t at = 0; at < text.len;) {
        size_t begin = at;

        width += step(text, &at);
        if (width > columns)
            return slice_sub(text, 0, begin);
    }
    return text;
}

/* --- pieces --- */

struct drawing {
    const struct ctl_agenda *agenda;
    struct arena *arena;
    struct buf *out;
    unsigned cell;           /* columns of a day */
    int64_t first_s, last_s; /* of the day, what is shown of its hours */
    int64_t row_s;
};

static void color(const struct drawing *d, const char *sgr)
{
    if (d->agenda->colors)
        buf_putf(d->out, "\033[%sm", sgr);
}

static void fill(const struct drawing *d, size_t columns, const char *with)
{
    while (columns-- > 0)
        buf_put(d->out, slice_str(with));
}

/* The text in exactly so many columns. */
static void put_cell(const struct drawing *d, struct slice text, size_t columns)
{
    struct slice part = ctl_agenda_cut(text, columns);

    buf_put(d->out, part);
    fill(d, columns - ctl_agenda_width(part), " ");
}

static int64_t day_s(const struct drawing *d, unsigned day)
{
    return d->agenda->from_s + (int64_t)day * DAY_S;
}

static bool is_on(const struct ctl_agenda_item *item, int64_t from_s, int64_t until_s)
{
    return item->start_s < until_s && (item->end_s > from_s || item->start_s >= from_s);
}

static const char *clock(char room[8], int64_t local_s)
{
    int32_t second = ical_second_of(local_s);

    snprintf(room, 8, "%02d:%02d", (int)(second / 3600 % 24), (int)(second / 60 % 60));
    return room;
}

static void put_heading(const struct drawing *d)
{
    const struct ctl_agenda *agenda = d->agenda;
    struct ical_civil first = ical_civil(agenda->from_s);
    struct ical_civil last = ical_civil(day_s(d, agenda->days - 1));

    color(d, "1");
    buf_putf(d->out, "%s", agenda->name);
    color(d, "0");
    buf_putf(d->out, "  %d %s", first.day, ctl_agenda_months[first.month - 1]);
    if (first.year != last.year)
        buf_putf(d->out, " %d", (int)first.year);
    if (agenda->days > 1)
        buf_putf(d->out, " – %d %s", last.day, ctl_agenda_months[last.month - 1]);
    buf_putf(d->out, " %d, %s  ", (int)last.year, agenda->zone);
    for (size_t i = CTL_AGENDA_KIND_MAX; i-- > 0;) {
        color(d, ctl_agenda_looks[i].color);
        buf_putf(d->out, " %s", ctl_agenda_looks[i].mark);
        color(d, "0");
        buf_putf(d->out, " %s", ctl_agenda_looks[i].name);
    }
    buf_put(d->out, SLICE("\n"));
}

/* --- days side by side --- */

static void put_rule(const struct drawing *d, const char *left, const char *middle,
                     const char *right)
{
    fill(d, LABEL_COLUMNS, " ");
    for (unsigned day = 0; day < d->agenda->days; day++) {
        buf_put(d->out, slice_str(day == 0 ? left : middle));
        fill(d, d->cell, "─");
    }
    buf_putf(d->out, "%s\n", right);
}

static bool is_today(const struct drawing *d, unsigned day)
{
    return ical_day_of(day_s(d, day)) == ical_day_of(d->agenda->now_s);
}

static void put_day_names(const struct drawing *d)
{
    fill(d, LABEL_COLUMNS, " ");
    for (unsigned day = 0; day < d->agenda->days; day++) {
        struct ical_civil civil = ical_civil(day_s(d, day));
        char text[40];

        snprintf(text, sizeof(text), "%s%s %d", is_today(d, day) ? "●" : " ",
                 ctl_agenda_days[ical_weekday(ical_day_of(day_s(d, day)))], civil.day);
        buf_put(d->out, SLICE("│"));
        color(d, is_today(d, day) ? "1" : "0");
        put_cell(d, slice_str(text), d->cell);
        color(d, "0");
    }
    buf_put(d->out, SLICE("│\n"));
}

/* The item's mark and a text in so many columns. */
static void put_marked(const struct drawing *d, const struct ctl_agenda_item *item,
                       struct slice text, size_t columns)
{
    color(d, ctl_agenda_looks[item->kind].color);
    buf_put(d->out, slice_str(ctl_agenda_looks[item->kind].mark));
    color(d, "0");
    put_cell(d, text, columns - 1);
}

/* Those of all of a day; the nth of them, or NULL. */
static const struct ctl_agenda_item *whole_day(const struct drawing *d, unsigned day, size_t nth)
{
    for (size_t i = 0; i < d->agenda->count; i++)
        if (d->agenda->items[i].all_day &&
            is_on(&d->agenda->items[i], day_s(d, day), day_s(d, day + 1)) && nth-- == 0)
            return &d->agenda->items[i];
    return NULL;
}

/* And a rule below them, where there are any. */
static void put_whole_days(const struct drawing *d)
{
    bool more = true;
    size_t nth = 0;

    for (; more; nth++) {
        more = false;
        for (unsigned day = 0; day < d->agenda->days; day++)
            more |= whole_day(d, day, nth) != NULL;
        for (unsigned day = 0; more && day < d->agenda->days; day++) {
            const struct ctl_agenda_item *item = whole_day(d, day, nth);

            if (day == 0)
                fill(d, LABEL_COLUMNS, " ");
            buf_put(d->out, SLICE("│"));
            if (item != NULL)
                put_marked(d, item, slice_str(item->summary), d->cell);
            else
                fill(d, d->cell, " ");
        }
        if (more)
            buf_put(d->out, SLICE("│\n"));
    }
    if (nth > 1)
        put_rule(d, "├", "┼", "┤");
}

/* What of a day stands beside what. */
struct lanes {
    const struct ctl_agenda_item **items;
    unsigned *lane;
    size_t count;
    unsigned lanes; /* 1 or more */
    size_t left_out;
};

static void put_into_lane(struct lanes *lanes, const struct ctl_agenda_item *item, int64_t row_s,
                          int64_t end_s[LANES_MAX], unsigned lane_max)
{
    unsigned lane = 0;

    while (lane < lane_max && end_s[lane] > item->start_s)
        lane++;
    if (lane == lane_max) {
        lanes->left_out++;
        return;
    }
    /* Nothing is lower than a row. */
    end_s[lane] = item->end_s > item->start_s + row_s ? item->end_s : item->start_s + row_s;
    lanes->items[lanes->count] = item;
    lanes->lane[lanes->count++] = lane;
    if (lane >= lanes->lanes)
        lanes->lanes = lane + 1;
}

static struct lanes lanes_of(const struct drawing *d, unsigned day)
{
    const struct ctl_agenda *agenda = d->agenda;
    struct lanes lanes = {
        .items = arena_many(d->arena, const struct ctl_agenda_item *, agenda->count + 1),
        .lane = arena_many(d->arena, unsigned, agenda->count + 1),
        .lanes = 1};
    int64_t end_s[LANES_MAX];
    unsigned lane_max =
        d->cell / LANE_COLUMNS_MIN < LANES_MAX ? d->cell / LANE_COLUMNS_MIN : LANES_MAX;

    for (size_t i = 0; i < LANES_MAX; i++)
        end_s[i] = INT64_MIN;
    for (size_t i = 0; i < agenda->count; i++)
        if (!agenda->items[i].all_day && is_on(&agenda->items[i], day_s(d, day), day_s(d, day + 1)))
            put_into_lane(&lanes, &agenda->items[i], d->row_s, end_s, lane_max);
    return lanes;
}

/* What the item says in the row that begins at from_s: first what it is, below that where. */
static struct slice text_in_row(const struct drawing *d, const struct ctl_agenda_item *item,
                                int64_t day_from_s, int64_t from_s)
{
    int64_t start_s =
        item->start_s > day_from_s + d->first_s ? item->start_s : day_from_s + d->first_s;
    int64_t row = (from_s - day_from_s - d->first_s) / d->row_s -
                  (start_s - day_from_s - d->first_s) / d->row_s;
    AUTO(buf) struct buf text = BUF(64 * KIB);
    char room[8];

    if (row == 0) {
        if (ical_second_of(item->start_s) % d->row_s != 0)
            buf_putf(&text, "%s ", clock(room, item->start_s));
        buf_putf(&text, "%s", item->summary);
    } else if (row == 1) {
        buf_putf(&text, "%s", item->location);
    }
    return arena_copy(d->arena, buf_slice(&text));
}

static void put_hours_of_day(const struct drawing *d, const struct lanes *lanes, int64_t day_from_s,
                             int64_t from_s)
{
    unsigned columns = d->cell / lanes->lanes;

    for (unsigned lane = 0; lane < lanes->lanes; lane++) {
        unsigned own = lane + 1 == lanes->lanes ? d->cell - lane * columns : columns;
        const struct ctl_agenda_item *here = NULL;

        for (size_t i = 0; i < lanes->count; i++)
            if (lanes->lane[i] == lane && is_on(lanes->items[i], from_s, from_s + d->row_s))
                here = lanes->items[i];
        if (here != NULL)
            put_marked(d, here, text_in_row(d, here, day_from_s, from_s), own);
        else
            fill(d, own, " ");
    }
}

static void put_row(const struct drawing *d, const struct lanes *lanes, int64_t at_s)
{
    int64_t now_s = ical_second_of(d->agenda->now_s);
    bool today =
        d->agenda->now_s >= d->agenda->from_s && d->agenda->now_s < day_s(d, d->agenda->days);
    char room[8] = "     ";

    if (at_s % HOUR_S == 0)
        clock(room, at_s);
    buf_putf(d->out, "%s%s", room, today && now_s >= at_s && now_s < at_s + d->row_s ? "▸" : " ");
    for (unsigned day = 0; day < d->agenda->days; day++) {
        buf_put(d->out, SLICE("│"));
        put_hours_of_day(d, &lanes[day], day_s(d, day), day_s(d, day) + at_s);
    }
    buf_put(d->out, SLICE("│\n"));
}

/* From eight to six, and more where there is something. */
static void choose_hours(struct drawing *d)
{
    d->first_s = 8 * HOUR_S;
    d->last_s = 18 * HOUR_S;
    for (size_t i = 0; i < d->agenda->count; i++) {
        const struct ctl_agenda_item *item = &d->agenda->items[i];
        int64_t start_s = ical_second_of(item->start_s);
        int64_t end_s = ical_second_of(item->end_s);

        if (item->all_day)
            continue;
        if (ical_day_of(item->start_s) != ical_day_of(item->end_s)) {
            if (end_s > 0)
                d->first_s = 0;
            end_s = DAY_S;
        }
        if (start_s < d->first_s)
            d->first_s = start_s / HOUR_S * HOUR_S;
        if (end_s > d->last_s)
            d->last_s = (end_s + HOUR_S - 1) / HOUR_S * HOUR_S;
    }
    d->row_s = (d->last_s - d->first_s) / (HOUR_S / 2) <= ROWS_FINE_MAX ? HOUR_S / 2 : HOUR_S;
}

static void draw_side_by_side(struct drawing *d)
{
    struct lanes *lanes = arena_many(d->arena, struct lanes, d->agenda->days);
    size_t left_out = 0;

    choose_hours(d);
    put_rule(d, "┌", "┬", "┐");
    put_day_names(d);
    put_rule(d, "├", "┼", "┤");
    put_whole_days(d);
    for (unsigned day = 0; day < d->agenda->days; day++) {
        lanes[day] = lanes_of(d, day);
        left_out += lanes[day].left_out;
    }
    for (int64_t at_s = d->first_s; at_s < d->last_s; at_s += d->row_s)
        put_row(d, lanes, at_s);
    put_rule(d, "└", "┴", "┘");
    if (left_out > 0)
        buf_putf(d->out, "%zu more at the same time as others\n", left_out);
}

/* --- one below the other --- */

/* The strongest of what is in a part of the day. */
static const struct ctl_agenda_item *strongest(const struct drawing *d, int64_t from_s,
                                               int64_t until_s)
{
    const struct ctl_agenda_item *best = NULL;

    for (size_t i = 0; i < d->agenda->count; i++) {
        const struct ctl_agenda_item *item = &d->agenda->items[i];

        if (item->start_s < until_s && item->end_s > from_s &&
            (best == NULL || item->kind > best->kind))
            best = item;
    }
    return best;
}

static void put_bar(const struct drawing *d, unsigned day)
{
    unsigned parts = d->agenda->columns >= 70 ? 48 : 24;

    buf_put(d->out, SLICE("▕"));
    for (unsigned part = 0; part < parts; part++) {
        int64_t from_s = day_s(d, day) + part * DAY_S / parts;
        const struct ctl_agenda_item *item = strongest(d, from_s, from_s + DAY_S / parts);

        if (item == NULL) {
            buf_put(d->out, part % (parts / 4) == 0 && part > 0 ? SLICE("┊") : SLICE("·"));
            continue;
        }
        color(d, ctl_agenda_looks[item->kind].color);
        buf_put(d->out, slice_str(ctl_agenda_looks[item->kind].mark));
        color(d, "0");
    }
    buf_put(d->out, SLICE("▏\n"));
}

static void put_item(const struct drawing *d, const struct ctl_agenda_item *item, unsigned day)
{
    AUTO(buf) struct buf text = BUF(64 * KIB);
    char begin[8];
    char end[8];

    buf_put(d->out, SLICE("  "));
    if (item->all_day)
        buf_put(d->out, SLICE("all day    "));
    else
        buf_putf(d->out, "%s–%s",
                 item->start_s < day_s(d, day) ? "     " : clock(begin, item->start_s),
                 item->end_s > day_s(d, day + 1) ? "     " : clock(end, item->end_s));
    buf_put(d->out, SLICE("  "));
    buf_putf(&text, " %s", item->summary);
    if (item->location[0] != '\0')
        buf_putf(&text, ", %s", item->location);
    buf_putf(&text, "  (%s%s)", item->calendar, item->hidden ? ", private" : "");
    size_t left = d->agenda->columns > 16 + 20 ? d->agenda->columns - 16 : 20;
    color(d, ctl_agenda_looks[item->kind].color);
    buf_put(d->out, slice_str(ctl_agenda_looks[item->kind].mark));
    color(d, "0");
    buf_put(d->out, ctl_agenda_cut(buf_slice(&text), left));
    buf_put(d->out, SLICE("\n"));
}

static void draw_below(const struct drawing *d)
{
    for (unsigned day = 0; day < d->agenda->days; day++) {
        struct ical_civil civil = ical_civil(day_s(d, day));
        char text[60];

        snprintf(text, sizeof(text), "%s%s %d %s", is_today(d, day) ? "●" : " ",
                 ctl_agenda_days[ical_weekday(ical_day_of(day_s(d, day)))], civil.day,
                 ctl_agenda_months[civil.month - 1]);
        color(d, is_today(d, day) ? "1" : "0");
        put_cell(d, slice_str(text), 18);
        color(d, "0");
        put_bar(d, day);
        for (size_t i = 0; i < d->agenda->count; i++)
            if (is_on(&d->agenda->items[i], day_s(d, day), day_s(d, day + 1)))
                put_item(d, &d->agenda->items[i], day);
    }
}

void ctl_agenda_draw(const struct ctl_agenda *agenda, struct arena *arena, struct buf *out)
{
    struct drawing d = {.agenda = agenda, .arena = arena, .out = out};

    put_heading(&d);
    if (agenda->columns >= LABEL_COLUMNS + 1 + agenda->days * (CELL_COLUMNS_MIN + 1)) {
        d.cell = (agenda->columns - LABEL_COLUMNS - 1) / agenda->days - 1;
        if (d.cell > CELL_COLUMNS_MAX)
            d.cell = CELL_COLUMNS_MAX;
        draw_side_by_side(&d);
    } else {
        draw_below(&d);
    }
}
