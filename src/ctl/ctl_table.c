#include "ctl/ctl_table.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

#include <stdio.h>
#include <string.h>

#define COLUMNS_MAX 16

struct cell {
    struct cell *next;
    const char *text;
};

struct ctl_table {
    struct arena *arena;
    struct cell *first, **tail;
    size_t columns;
    bool right[COLUMNS_MAX];
    size_t width[COLUMNS_MAX];
    size_t at; /* column of the next cell */
};

/* Characters of UTF-8; wide and combining ones are not told apart. */
static size_t width_of(const char *text)
{
    size_t width = 0;

    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

struct ctl_table *ctl_table_new(struct arena *arena, const char *headings)
{
    struct ctl_table *table = arena_one(arena, struct ctl_table);
    struct slice rest = slice_str(headings);
    struct slice heading;

    table->arena = arena;
    table->tail = &table->first;
    while (slice_split(&rest, ',', &heading)) {
        assert(table->columns < COLUMNS_MAX);
        table->right[table->columns++] = heading.len > 0 && heading.ptr[0] == '>';
    }
    rest = slice_str(headings);
    while (slice_split(&rest, ',', &heading)) {
        bool right = heading.len > 0 && heading.ptr[0] == '>';
        ctl_table_cell(table, slice_cstr(arena, slice_sub(heading, right, heading.len)));
    }
    return table;
}

struct ctl_table *ctl_table_more(struct arena *arena, const struct ctl_table *before)
{
    struct ctl_table *table = arena_one(arena, struct ctl_table);

    *table = *before;
    table->arena = arena;
    table->first = NULL;
    table->tail = &table->first;
    return table;
}

void ctl_table_cell(struct ctl_table *table, const char *text)
{
    struct cell *cell = arena_one(table->arena, struct cell);
    size_t width = width_of(text);

    cell->text = slice_cstr(table->arena, slice_str(text));
    *table->tail = cell;
    table->tail = &cell->next;
    if (width > table->width[table->at])
        table->width[table->at] = width;
    table->at = (table->at + 1) % table->columns;
}

static void put_cell(const struct ctl_table *table, size_t column, const char *text,
                     struct buf *out)
{
    int pad = (int)(table->width[column] - width_of(text));
    bool last = column + 1 == table->columns;

    if (table->right[column])
        buf_putf(out, "%*s%s", pad, "", text);
    else
        buf_putf(out, "%s%*s", text, last ? 0 : pad, "");
    buf_put(out, last ? SLICE("\n") : SLICE("  "));
}

void ctl_table_write(const struct ctl_table *table, struct buf *out)
{
    size_t column = 0;

    assert(table->at == 0);
    for (const struct cell *cell = table->first; cell != NULL; cell = cell->next) {
        put_cell(table, column, cell->text, out);
        column = (column + 1) % table->columns;
    }
}

const char *ctl_table_size(char room[CTL_QUANTITY_BYTES], uint64_t bytes)
{
    static const char *const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes / 1024;
    size_t unit = 0;

    if (bytes < 1024) {
        snprintf(room, CTL_QUANTITY_BYTES, "%u bytes", (unsigned)bytes);
        return room;
    }
    for (; value >= 1023.5 && unit + 1 < COUNT(units); unit++)
        value /= 1024;
    snprintf(room, CTL_QUANTITY_BYTES, value < 9.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return room;
}

const char *ctl_table_duration(char room[CTL_QUANTITY_BYTES], uint64_t ms)
{
    static const struct {
        uint64_t ms, small_ms;
        const char *name, *small;
    } units[] = {
        {DAY_MS, HOUR_MS, "d", "h"}, {HOUR_MS, MIN_MS, "h", "min"}, {MIN_MS, SEC_MS, "min", "s"}};

    for (size_t i = 0; i < COUNT(units); i++)
        if (ms >= units[i].ms) {
            snprintf(room, CTL_QUANTITY_BYTES, "%u %s %u %s", (unsigned)(ms / units[i].ms),
                     units[i].name, (unsigned)(ms % units[i].ms / units[i].small_ms),
                     units[i].small);
            return room;
        }
    snprintf(room, CTL_QUANTITY_BYTES, "%u s", (unsigned)(ms / SEC_MS));
    return room;
}

const char *ctl_table_number(char room[CTL_QUANTITY_BYTES], uint64_t number)
{
    char digits[CTL_QUANTITY_BYTES];
    size_t len = (size_t)snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            room[out++] = ',';
        room[out++] = digits[i];
    }
    room[out] = '\0';
    return room;
}

const char *ctl_table_count(char room[CTL_QUANTITY_BYTES], uint64_t number, const char *unit)
{
    size_t len = strlen(ctl_table_number(room, number));

    snprintf(room + len, CTL_QUANTITY_BYTES - len, " %.10s%s", unit, number == 1 ? "" : "s");
    return room;
}
