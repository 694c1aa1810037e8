/* calendar_t.h: persons with calendars in one store, for tests of scheduling: what they store, what
 * then lies with whom. */
#pragma once
#include "store_t.h"

#include "calendar/calendar_put.h"
#include "directory/directory.h"
#include "store/store_event.h"

struct calendar;
struct store_task;

#define T_DOMAIN "localhost"
#define T_DAY_S INT64_C(86400)
#define T_DATE_BYTES 24

/* Set by a test, between calls. */
struct t_calendar {
    struct t_store *t;
    struct calendar *calendar;
    const char *name;    /* of objects; NULL: the UID's, or what the object there has */
    int64_t calendar_id; /* where t_put() stores; 0: the default one */
    bool quiet;
    uint64_t if_etag; /* of what is put; 0: nothing is asked */
};
/* With alice, bob (whose document has these lines, NULL: none) and carol. */
struct t_calendar t_calendar_begin(struct t_store *t, const char *bobs);
void t_calendar_end(struct t_calendar *b);
/* A person, room or other with this document, and the account. */
void t_person_add(struct t_calendar *b, const char *name, const char *document);
void t_person_remove(struct t_calendar *b, const char *name); /* the document alone */
int64_t t_account_of(struct t_calendar *b, const char *name);
int64_t t_calendar_named(struct t_calendar *b, const char *who, const char *name);
int64_t t_calendar_new(struct t_calendar *b, const char *who, const char *name);

void t_day(char *out, int day); /* a date, so many days from today */
/* A meeting of an hour at 10:00 UTC of that day from today, organized by who, with more lines. */
void t_meeting_text(struct buf *text, const char *uid, int day, const char *more, const char *who);

struct t_put {
    enum st st;
    struct calendar_put put;
};
/* The object of that UID stored by who ("boss" is bob's alias), where it is or anew. */
struct t_put t_put(struct t_calendar *b, const char *who, const char *uid, struct slice text);
struct t_put t_put_if(struct t_calendar *b, const char *who, const char *uid, const char *text,
                      uint64_t schedule_tag);
struct t_put t_meeting_put(struct t_calendar *b, const char *who, const char *uid, int day,
                           const char *more);
/* who's PARTSTATs in the object become that. */
struct t_put t_answer(struct t_calendar *b, const char *who, const char *uid, const char *partstat);
struct t_put t_remove(struct t_calendar *b, const char *who, const char *uid);

/* What lies there; texts in the store's arena. */
struct t_object {
    bool there;
    struct store_event event;
    char *text; /* unfolded */
};
struct t_object t_object(struct t_calendar *b, const char *who, const char *uid);
/* A parameter of the ATTENDEE whose address begins so; "" where there is none. */
const char *t_attendee(struct t_calendar *b, struct t_object object, const char *who,
                       const char *param);
char *t_replaced(struct t_calendar *b, const char *text, const char *from, const char *to);
size_t t_inbox_count(struct t_calendar *b, const char *who);
const char *t_inbox_text(struct t_calendar *b, const char *who); /* the newest, unfolded */
size_t t_busy_count(struct t_calendar *b, const char *who);
size_t t_task_count(struct t_calendar *b);
int64_t t_task_leave(struct t_calendar *b, const struct store_task *task);
/* Leaves a task with the message; t_message() does it, too. */
int64_t t_task_add(struct t_calendar *b, const char *from, const char *to, const char *text);
void t_message(struct t_calendar *b, const char *from, const char *to, const char *text);
size_t t_record_count(struct t_calendar *b, const char *who);
void t_record_has(struct t_calendar *b, const char *who, const char *what);
