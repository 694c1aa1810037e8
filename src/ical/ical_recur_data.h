/* ical_recur_data.h: an expansion under way. Inside of ical/. */
#pragma once
#include "ical/ical_recur.h"
#include "ical/ical_rule.h"
#include "ical/ical_zone.h"

/* How long an instance is: where exact, seconds; else nominal. */
struct ical_length {
    bool exact;
    int64_t seconds;
    struct ical_duration nominal;
};

/* A place in the recurrence set. */
struct ical_stamp {
    int64_t utc_s, local_s;
    const struct ical_period *period; /* of an RDATE that is one; else NULL */
};

struct ical_rule_source {
    struct ical_rule_iter iter;
    struct ical_zone_cursor cursor;
    struct ical_stamp head;
    int64_t last_s;
    bool has_head, ended;
};

/* Sorted instants, and how many of them are behind us. */
struct ical_instants {
    int64_t *at;
    size_t count, cap, passed;
};

/* The recurrence set for the identifiers in [low_s, high_s), which one component describes: the
 * master, or an override of this and the future. */
struct ical_piece {
    const struct ical_comp *comp;
    int64_t low_s, high_s;
    struct ical_time start; /* form and zone of its instances */
    bool same_clock;        /* that of the identifiers */
    int64_t shift_s;        /* on its clock */
    struct ical_length length;
    struct ical_rule_source *rules, *exrules;
    size_t dates_passed, exdates_passed, exdays_passed, overridden_passed;
    struct ical_zone_cursor start_cursor;
    struct ical_instance head;
    bool has_head, ended;
};

struct ical_recur {
    struct ical_tz *tz;
    struct ical_window window;
    struct ical_time start; /* DTSTART of the master */
    const struct ical_comp *master;
    size_t rule_count, exrule_count;
    struct ical_stamp *dates; /* RDATE, and DTSTART where there is no rule; sorted */
    size_t date_count, date_cap;
    struct ical_instants exdates, exdays, overridden;
    struct ical_instance *overrides; /* sorted by start */
    size_t override_count, override_passed;
    struct ical_piece *pieces;
    size_t piece_count;
    uint64_t given;
    bool gave_up;
};

int64_t ical_length_end(const struct ical_length *length, struct ical_time start, int64_t start_s,
                        const struct ical_zone *floating);
bool ical_window_touches(const struct ical_window *window, int64_t start_s, int64_t end_s);
