/* itip_t.h: calendar objects for tests: from short texts, and back in an order of their own. */
#pragma once
#include "calendar/calendar_itip.h"

struct buf;
struct ical_comp;

/* The clock of the tests: 2026-01-01 00:00 UTC. */
#define ITIP_T_NOW 1767225600

/* An arena, zones, and a world for the owner with one address. */
struct itip_t {
    struct arena *arena;
    struct ical_zones *zones;
    struct slice own[2];
    struct calendar_itip_world world;
};
void itip_t_init(struct itip_t *t, const char *own);
void itip_t_fini(struct itip_t *t);

/* A VCALENDAR: "METHOD:X" first where it is one; then the properties of each VEVENT with "--\n"
 * between them. A text that begins with BEGIN:VCALENDAR is taken as it is. */
struct ical_comp *itip_t_object(struct arena *arena, const char *text);
/* Components in the order of their RECURRENCE-IDs, each with its properties and their parameters
 * sorted, on lines; DTSTAMP, RSVP and what some servers alone know left out where brief. */
struct slice itip_t_text(struct arena *arena, const struct ical_comp *vcalendar, bool brief);
