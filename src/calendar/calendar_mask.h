/* calendar_mask.h: what others see of an object that is private (RFC 5545 section 3.8.1.3): when it
 * is and whether it makes busy. Pure. */
#pragma once
#include "base/base.h"

struct arena;
struct ical_comp;

/* A copy without what says more; slices are shared with the original, texts in arena. */
struct ical_comp *calendar_mask(struct arena *arena, const struct ical_comp *vcalendar);
