/* ctl_table.h: rows of cells in aligned columns, and quantities as people read them. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;
struct ctl_table;

/* headings: "name,>messages,>size": a column that begins with '>' stands to the right. */
struct ctl_table *ctl_table_new(struct arena *arena, const char *headings);
void ctl_table_cell(struct ctl_table *table, const char *text); /* row by row */
/* A table that goes on where the other ends: its columns, at least as wide, without the headings;
 * so a long list is written in pieces. The other one is not needed any more. */
struct ctl_table *ctl_table_more(struct arena *arena, const struct ctl_table *before);
void ctl_table_write(const struct ctl_table *table, struct buf *out);

#define CTL_QUANTITY_BYTES 32
/* "812 bytes", "1.5 KiB", "23 MiB". */
const char *ctl_table_size(char room[CTL_QUANTITY_BYTES], uint64_t bytes);
/* "42 s", "3 min 20 s", "5 h 12 min", "12 d 3 h". */
const char *ctl_table_duration(char room[CTL_QUANTITY_BYTES], uint64_t ms);
/* "1 recipient", "12,345 recipients". */
const char *ctl_table_count(char room[CTL_QUANTITY_BYTES], uint64_t number, const char *unit);
const char *ctl_table_number(char room[CTL_QUANTITY_BYTES], uint64_t number); /* "12,345" */
