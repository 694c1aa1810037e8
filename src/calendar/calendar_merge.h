/* calendar_merge.h: an organizer's change of a meeting made without knowing the last answers (RFC
 * 6638 section 3.2.10). Pure. */
#pragma once
#include "base/base.h"

struct arena;
struct ical_comp;

/* A copy of after in which those who answered have the PARTSTAT that before has of them, component
 * by component. Slices are shared. */
struct ical_comp *calendar_merge(struct arena *arena, const struct ical_comp *before,
                                 const struct ical_comp *after);
