/* calendar_answer.h: a room or resource answers an invitation, in the transaction that brings it.
 * Inside calendar/. */
#pragma once
#include "calendar/calendar_itip.h"

struct calendar_arrival;
struct calendar_writing;

struct calendar_asked {
    const struct calendar_arrival *arrival;
    const struct calendar_itip_world *world;
    struct calendar_writing *writing; /* of the account; its row is locked */
    int64_t event_id;                 /* what is there of the invitation; 0: nothing */
    struct calendar_itip_result *result;
};
/* The account must be a room's or a resource's and result->store what a REQUEST or ADD made:
 * result's store, answers and line become those of its answer. It is free by what is in all its
 * calendars until the last instance, whether busytime holds that or not. */
MUST_USE enum st calendar_answer(const struct calendar_asked *asked, struct ical_error *error_r);
