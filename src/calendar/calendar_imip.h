/* calendar_imip.h: scheduling messages by mail (iMIP, RFC 6047), out and in. */
#pragma once
#include "calendar/calendar_itip.h"
#include "calendar/calendar_work.h"
#include "mime/mime_part.h"

struct buf;
struct directory;

/* --- a mail that goes out: pure --- */

#define CALENDAR_IMIP_MAIL_BYTES_MAX (32 * MIB)
#define CALENDAR_IMIP_INSTANCES_MAX 366 /* of a series that is sent instance by instance */

struct calendar_imip_letter {
    const struct ical_comp *vcalendar; /* with METHOD */
    struct slice name;                 /* of who sends it; UTF-8, or empty */
    struct slice from;                 /* a mail address, as those of to */
    const struct slice *to;
    size_t to_count;
    bool cut; /* the series has more instances than are in it */
    struct ical_zones *zones;
    struct slice guid;
    struct slice host; /* this server's name */
    int64_t now_ms;
};
/* "Invitation: Lunch", UTF-8 on one line. */
void calendar_imip_subject(struct arena *arena, const struct calendar_imip_letter *letter,
                           struct buf *out);
/* What it says, for a reader without a calendar: UTF-8, lines end in CR LF. arena needs 64 MiB
 * beside ICAL_TZ_BYTES_MAX. */
void calendar_imip_text(struct arena *arena, const struct calendar_imip_letter *letter,
                        struct buf *out);
/* The rule in words; one that has no simple ones is given as it stands. */
void calendar_imip_rule(struct slice rule, struct buf *out);
/* The whole message (RFC 6047 section 2.4), after "Return-Path". out's ceiling must be
 * CALENDAR_IMIP_MAIL_BYTES_MAX. *utf8_r: an address is beyond ASCII, so it needs SMTPUTF8. */
void calendar_imip_write(struct arena *arena, const struct calendar_imip_letter *letter,
                         struct buf *out, bool *utf8_r);

/* --- one that came: pure --- */

/* The message in a part text/calendar with a method (router_task_imip_part()). raw: its body as it
 * lies in the mail. *message_r is one VCALENDAR without RFC 6638's parameters, which are a server's
 * own. ST_INVALID and *error_r; ST_TOO_BIG: more than bytes_max of iCalendar. */
MUST_USE enum st calendar_imip_read(struct arena *arena, const struct mime_part *part,
                                    struct slice raw, size_t bytes_max,
                                    struct ical_comp **message_r, struct ical_error *error_r);
/* The mail address that From names: one field with one mailbox (RFC 5322 section 3.6.2); "": there
 * is none. header: the raw block. */
struct slice calendar_imip_from(struct arena *arena, struct slice header);

/* Who may put things into calendars by mail. */
enum calendar_imip_accept {
    CALENDAR_IMIP_OFF,
    CALENDAR_IMIP_INSIDE,
    CALENDAR_IMIP_KNOWN,
    CALENDAR_IMIP_ANYONE,
};
enum calendar_imip_accept calendar_imip_accept(const char *name); /* of the setting imip_accept */

struct calendar_imip_way {
    const struct directory *directory;
    struct slice from;     /* calendar_imip_from() */
    struct slice envelope; /* its sender */
    struct slice origin;   /* of the envelope, as struct router_message has it */
    struct slice header;   /* of the message as it lies in the mailbox */
};
/* Whether it comes from whom it names, a person of the domain who logged in here or at the server
 * that handed it over, or from this software in his name. */
bool calendar_imip_inside(const struct calendar_imip_way *way);
/* Whether it names somebody of the domain. */
bool calendar_imip_names_us(const struct directory *directory, struct slice from);

/* --- at work --- */

/* The mail's structure in arena; NULL: none can be read. ST_NOT_FOUND: it is gone. */
MUST_USE enum st calendar_imip_root(struct store *store, struct arena *arena, int64_t blob_id,
                                    const struct mime_part **root_r);
/* Bytes of the mail as they lie there, up to out's ceiling. */
MUST_USE enum st calendar_imip_bytes(struct store *store, int64_t blob_id, uint64_t from,
                                     uint64_t until, struct buf *out);

/* The first count recipients of a task of kind STORE_TASK_ITIP, who have no account here: one
 * transaction puts a mail into the queue (or a mailbox, where a group's member lies behind an
 * address) and leaves rest of the task's recipients to be done. ST_NOT_FOUND: somebody else did the
 * task. */
struct calendar_imip_post {
    struct calendar *calendar;
    struct calendar_round *round;
    const struct store_task *task;
    const struct ical_comp *vcalendar;
    const struct slice *rcpts; /* "mailto:..." */
    size_t count;
    struct slice rest;
};
MUST_USE enum st calendar_imip_send(const struct calendar_imip_post *post);
