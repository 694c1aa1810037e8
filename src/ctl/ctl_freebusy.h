/* ctl_freebusy.h: the picture of when several people are busy. Inside ctl/. Pure. */
#pragma once
#include "ctl/ctl_agenda.h"

/* All times are seconds from 1970 on the clocks of the zone. */
struct ctl_freebusy_row {
    int64_t start_s, end_s;
    enum ctl_agenda_kind kind;
    bool unknown; /* nobody can say, and kind means nothing */
};

struct ctl_freebusy_person {
    const char *name; /* UTF-8 without control characters */
    const struct ctl_freebusy_row *rows;
    size_t count;
    int64_t from_s, until_s; /* what is known; nothing is where they are the same */
};

struct ctl_freebusy {
    const char *zone;
    int64_t from_s, until_s;
    const struct ctl_freebusy_person *people;
    size_t count;
    unsigned columns; /* of the terminal */
    bool colors;
};

/* A day below the other, in each a line for each person and one for all, the hours to the right:
 * from eight to six and more where somebody is busy, or those of a window within a day. */
void ctl_freebusy_draw(const struct ctl_freebusy *freebusy, struct buf *out);
