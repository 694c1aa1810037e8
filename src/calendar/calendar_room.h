/* calendar_room.h: what a room or resource answers to an invitation, by the times it is taken and
 * its rules. Pure. */
#pragma once
#include "base/base.h"
#include "ical/ical.h"

struct arena;
struct ical_zone;
struct ical_zones;

/* When the room is taken; [from_s, until_s). Those of the invitation itself (its UID) must not be
 * among them. */
struct calendar_room_busy {
    int64_t from_s, until_s;
    bool tentative;
};

struct calendar_room_rules {
    bool tentative_is_free;       /* a tentative booking does not keep others out */
    bool recurring;               /* takes series at all */
    bool partly;                  /* of a series declines what conflicts, and takes the rest */
    uint32_t conflicts_max;       /* but declines all where more instances than that conflict */
    uint32_t instances_max;       /* looks at that many of a series; it may have no more */
    int64_t duration_max_s;       /* 0: any */
    int64_t ahead_max_s;          /* an instance may begin no later than that from now; 0: any */
    uint32_t capacity;            /* attendees but the room; 0: any */
    int32_t open_s, close_s;      /* of the day on the zone's clock; both 0: always open */
    uint8_t weekdays;             /* bit 0 is Monday; 0: all */
    const struct ical_zone *zone; /* the room's; NULL: UTC */
};

struct calendar_room_instance {
    int64_t id_s, from_s, until_s;
    bool accepted;
};

struct calendar_room_answer {
    bool accepted;                           /* the whole, but for the instances of declined */
    bool series;                             /* the invitation is one */
    bool over;                               /* nothing of it lies ahead: declined */
    size_t conflicts;                        /* instances that cannot be had */
    struct slice why;                        /* a sentence, where not all is accepted */
    struct calendar_room_instance *declined; /* where accepted: conflicts of them */
    struct slice partstat;                   /* "ACCEPTED" or "DECLINED" */
};

/* The answer to a REQUEST or a stored object; busy sorted by from_s, of any overlap. Instances
 * that are over before now_s are not looked at. Costs a sweep over instances and busy times.
 * ST_INVALID and *error_r: a date or rule cannot be read. */
MUST_USE enum st calendar_room_answer(struct arena *arena, const struct ical_comp *vcalendar,
                                      struct ical_zones *zones,
                                      const struct calendar_room_busy *busy, size_t busy_count,
                                      const struct calendar_room_rules *rules, int64_t now_s,
                                      struct calendar_room_answer *answer_r,
                                      struct ical_error *error_r);
/* Sets the answer into the room's stored object: PARTSTAT of its ATTENDEE (one of own), and an
 * override for each declined instance; then calendar_itip_outgoing() makes the REPLY. */
struct calendar_itip_world;
MUST_USE enum st calendar_room_set(const struct calendar_itip_world *world,
                                   const struct ical_comp *stored,
                                   const struct calendar_room_answer *answer,
                                   struct ical_comp **store_r, struct ical_error *error_r);
