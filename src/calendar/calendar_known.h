/* calendar_known.h: the last answers of other servers and systems about who is busy when, for the
 * time when nobody answers. In memory, bounded; any thread. */
#pragma once
#include "calendar/calendar_busy.h"

struct calendar_known;

/* At most so many bytes in all, and so many rows of one answer; what was not looked at for longest
 * goes first. */
struct calendar_known *calendar_known_new(size_t bytes_max, size_t rows_max);
void calendar_known_free(struct calendar_known **known); /* NULL is fine */

/* An answer of now_ms (any clock that does not go back) about key, without case: the attendee's
 * address, and where answers differ by who asks, who did. rows are those of [from_s, until_s), as
 * calendar_freebusy_merge() gives them; copied. Too many of them are not kept. */
void calendar_known_put(struct calendar_known *known, struct slice key, int64_t from_s,
                        int64_t until_s, const struct calendar_busy_row *rows, size_t count,
                        uint64_t now_ms);

/* What is known of a part of the window that was asked for; outside of it nothing is, and where a
 * row is UNKNOWN. */
struct calendar_known_answer {
    int64_t from_s, until_s;
    struct calendar_busy_row *rows; /* cut to it; in the arena */
    size_t count;
    uint64_t age_ms;
};
/* The answer of at most age_max_ms that covers most of the window, of two the newer; false: there
 * is none. */
bool calendar_known_get(struct calendar_known *known, struct slice key, int64_t from_s,
                        int64_t until_s, uint64_t now_ms, uint64_t age_max_ms, struct arena *arena,
                        struct calendar_known_answer *answer_r);
/* What is known of key goes: it is wrong. */
void calendar_known_drop(struct calendar_known *known, struct slice key);

struct calendar_known_figures {
    size_t attendees, bytes;
};
struct calendar_known_figures calendar_known_figures(struct calendar_known *known);
