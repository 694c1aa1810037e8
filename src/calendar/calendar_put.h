/* calendar_put.h: one object of a calendar stored or removed, with its busytime and what it makes
 * others be told, in one transaction. */
#pragma once
#include "calendar/calendar_object.h"

struct calendar;
struct directory_person;

#define CALENDAR_ANY UINT64_MAX /* of a condition: whatever it is, but it is there */

struct calendar_put {
    const struct directory_person *owner; /* whose calendar it is; its account is here */
    int64_t calendar_id;
    struct slice name; /* the object's */
    struct slice body; /* iCalendar; NULL: it is removed */
    /* Conditions (RFC 9110 section 13.1, RFC 6638 section 3.2.10). */
    bool if_none;             /* there is no such object */
    uint64_t if_etag;         /* its modseq is this; 0: nothing is asked */
    uint64_t if_schedule_tag; /* 0: nothing is asked */
    bool quiet;               /* nobody is told (import, RFC 6638 section 8.1 of a removal) */
    bool others;              /* who does it may not invite and answer in the owner's name */
    int64_t now_ms;
    /* out */
    enum st st; /* as calendar_put() returns it */
    bool created;
    bool changed; /* it was stored otherwise than it was given */
    uint64_t etag;
    uint64_t schedule_tag; /* 0: it has none */
    enum calendar_fault fault;
    struct ical_error error; /* a sentence */
    /* Of UID_CONFLICT and UNIQUE_SCHEDULING: the other object's name and its calendar's. */
    char conflict[STORE_NAME_BYTES_MAX + 1];
    char conflict_calendar[STORE_NAME_BYTES_MAX + 1];
};
/* ST_OK: durable. ST_INVALID: fault and error say it. ST_CONFLICT: a condition does not hold.
 * ST_NOT_FOUND: the calendar, or the object to be removed, is not there. ST_DENIED: put->others,
 * and somebody would be told. ST_FULL, ST_IO. */
MUST_USE enum st calendar_put(struct calendar *calendar, struct calendar_put *put);
/* Several of one owner in one transaction, in order, each with its outcome in its st; one that
 * fails harms no other. ST_IO: nothing was stored. */
MUST_USE enum st calendar_put_many(struct calendar *calendar, struct calendar_put *puts,
                                   size_t count);
