/* calendar_move.h: one object copied or moved to another name or calendar, in one transaction.
 * Nobody is told: a meeting stays what it is. */
#pragma once
#include "calendar/calendar_object.h"

struct calendar;
struct directory_person;

struct calendar_place {
    const struct directory_person *owner; /* whose calendar it is; its account is here */
    int64_t calendar_id;
    struct slice name; /* the object's */
};

struct calendar_move {
    struct calendar_place from, to; /* not the same */
    bool copy;                      /* what is at from stays */
    bool overwrite;                 /* what is at to goes */
    uint64_t if_etag;               /* of what is at from; 0: nothing is asked */
    int64_t now_ms;
    /* out */
    bool created; /* there was nothing at to */
    enum calendar_fault fault;
    struct ical_error error;
};
/* ST_OK: durable. ST_INVALID: fault and error say it. ST_EXISTS: something is at to.
 * ST_CONFLICT: it is not the one of if_etag. ST_DENIED: meetings are not moved to other people, and
 * not overwritten by other objects. ST_NOT_FOUND: from, or a calendar, is not there. ST_FULL,
 * ST_IO. */
MUST_USE enum st calendar_move(struct calendar *calendar, struct calendar_move *move);
