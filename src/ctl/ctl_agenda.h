/* ctl_agenda.h: the picture of some days of somebody's calendars. Inside ctl/. Pure. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

enum ctl_agenda_kind {
    CTL_AGENDA_FREE,
    CTL_AGENDA_ELSEWHERE,
    CTL_AGENDA_TENTATIVE,
    CTL_AGENDA_BUSY,
    CTL_AGENDA_AWAY,
    CTL_AGENDA_KIND_MAX,
};

struct ctl_agenda_look {
    const char *mark;  /* one column */
    const char *color; /* of SGR (ECMA-48) */
    const char *name;
};
extern const struct ctl_agenda_look ctl_agenda_looks[CTL_AGENDA_KIND_MAX];
extern const char *const ctl_agenda_days[];   /* "Mon"; 0 is Monday */
extern const char *const ctl_agenda_months[]; /* "January" is 0 */

/* All times are seconds from 1970 on the clocks of the zone. */
struct ctl_agenda_item {
    int64_t start_s, end_s;
    bool all_day;
    bool hidden; /* private */
    enum ctl_agenda_kind kind;
    const char *summary, *location, *calendar; /* UTF-8 without control characters */
};

struct ctl_agenda {
    const char *name, *zone;
    int64_t from_s; /* a midnight */
    unsigned days;
    int64_t now_s;
    const struct ctl_agenda_item *items; /* by start */
    size_t count;
    unsigned columns; /* of the terminal */
    bool colors;
};

/* Days side by side with their hours downwards where that fits into the columns, else one below the
 * other, each with a bar of its 24 hours. */
void ctl_agenda_draw(const struct ctl_agenda *agenda, struct arena *arena, struct buf *out);

/* How many columns a text takes, as far as can be told: wide characters two, combining ones none.
 */
size_t ctl_agenda_width(struct slice text);
/* The longest beginning that takes at most columns. */
struct slice ctl_agenda_cut(struct slice text, size_t columns);

/* "busy" as the admin API writes it; what nobody knows is busy. */
enum ctl_agenda_kind ctl_agenda_kind_of(const char *word);
/* Of the terminal, of COLUMNS where there is none, or 100. */
unsigned ctl_agenda_columns(void);
/* Standard output is a terminal, and nobody said NO_COLOR. */
bool ctl_agenda_colors(void);
