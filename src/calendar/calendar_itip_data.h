/* calendar_itip_data.h: an object as scheduling looks at it. Only calendar_itip_*.c look inside. */
#pragma once
#include "calendar/calendar_address.h"
#include "calendar/calendar_itip.h"
#include "ical/ical_zone.h"

/* Which of two says more. */
struct itip_version {
    uint64_t sequence;
    int64_t stamp_s;
};

struct itip_part {
    struct ical_comp *comp;
    bool master; /* no RECURRENCE-ID */
    bool future; /* RANGE=THISANDFUTURE */
    int64_t id_s;
    struct itip_version version;
};

struct itip_set {
    const struct calendar_itip_world *world;
    struct ical_comp *vcalendar;
    struct ical_tz *tz;
    struct slice uid;
    struct itip_part *parts; /* the master first, then by id_s */
    size_t count;
    bool splits;                 /* some part may be this-and-future */
    struct ical_prop *organizer; /* of the first part that has one */
};

/* An ATTENDEE by address. */
struct itip_person {
    struct slice address;
    struct ical_prop *prop;
};
struct itip_people {
    struct itip_person *at; /* by address, each once */
    size_t count;
};

/* vcalendar NULL gives an empty set. Its components become parts and may be changed. */
MUST_USE enum st calendar_itip_set_read(const struct calendar_itip_world *world,
                                        struct ical_comp *vcalendar, struct itip_set *set_r,
                                        struct ical_error *error_r);
/* Those of parts that were added behind the sorted ones are sorted in. */
void calendar_itip_set_extend(struct itip_set *set, size_t added);
struct itip_part *calendar_itip_set_find(const struct itip_set *set, const struct itip_part *key);
/* The part without RECURRENCE-ID, or NULL. */
struct itip_part *calendar_itip_set_master(const struct itip_set *set);
/* What describes the part where it is not there: the last this-and-future before it, or the series.
 * NULL: neither is there. */
struct itip_part *calendar_itip_set_cover(const struct itip_set *set, const struct itip_part *part);
/* An instance of the series as a component of its own, which is not put anywhere; bare: only when
 * it is. NULL: there is no master, or it has no time. */
struct ical_comp *calendar_itip_set_instance(const struct itip_set *set, int64_t id_s, bool bare);
/* The latest of all parts. */
struct itip_version calendar_itip_set_newest(const struct itip_set *set);

int calendar_itip_version_cmp(struct itip_version a, struct itip_version b);
/* Writes it into the component. */
void calendar_itip_version_set(struct arena *arena, struct itip_part *part,
                               struct itip_version version);

bool calendar_itip_is_own(const struct calendar_itip_world *world, const struct ical_prop *prop);
struct ical_prop *calendar_itip_own(const struct calendar_itip_world *world,
                                    const struct ical_comp *comp);
struct itip_people calendar_itip_people(struct arena *arena, const struct ical_comp *comp);
struct itip_person *calendar_itip_people_find(const struct itip_people *people,
                                              struct slice address);
/* Whether the server is to schedule for that ATTENDEE or ORGANIZER (RFC 6638 section 7.1). */
bool calendar_itip_by_server(const struct ical_prop *prop);

/* Texts that are equal where what they describe is: when a part is, which instances the series has
 * besides, and all else that others see of it. */
struct slice calendar_itip_timing(const struct itip_set *set, const struct ical_comp *comp);
struct slice calendar_itip_dates(const struct itip_set *set, const struct ical_comp *comp);
struct slice calendar_itip_content(const struct itip_set *set, const struct ical_comp *comp);
/* Times of a property that may hold several, as instants, sorted. */
struct itip_times {
    int64_t *at;
    size_t count, cap;
};
void calendar_itip_times(const struct itip_set *set, const struct ical_comp *comp,
                         enum ical_prop_id id, struct itip_times *times);
bool calendar_itip_times_has(const struct itip_times *times, int64_t at);
bool calendar_itip_cancelled(const struct ical_comp *comp); /* STATUS */
/* Keeps of ids (sorted) those that are instances of the series, by one expansion. */
void calendar_itip_set_instances(const struct itip_set *set, struct itip_times *ids);
bool calendar_itip_set_has(const struct itip_set *set, int64_t id_s);

/* Making things. */
struct ical_prop *calendar_itip_prop_other(struct arena *arena, struct ical_comp *comp,
                                           const char *name, struct slice value);
struct slice calendar_itip_other(const struct ical_comp *comp, const char *name);
void calendar_itip_other_remove(struct ical_comp *comp, const char *name);
void calendar_itip_params_copy(struct arena *arena, struct ical_prop *to,
                               const struct ical_prop *from);
struct slice calendar_itip_number(struct arena *arena, uint64_t number);
struct slice calendar_itip_stamp(struct arena *arena, int64_t utc_s);
int64_t calendar_itip_stamp_read(struct slice text); /* INT64_MIN: it is none */
/* Adds EXDATE or RDATE for what RECURRENCE-ID or DTSTART `from` says. */
struct ical_prop *calendar_itip_date_add(struct arena *arena, struct ical_comp *comp,
                                         enum ical_prop_id id, const struct ical_prop *from);
void calendar_itip_message_add(struct arena *arena, struct calendar_itip_messages *messages,
                               enum calendar_itip_method method, struct slice recipient,
                               const struct ical_comp *vcalendar);

/* A component as others may see it; not put anywhere. */
struct ical_comp *calendar_itip_public(struct arena *arena, const struct ical_comp *comp);
/* A VCALENDAR with METHOD and the time zones that its parts (yet to be added) use. */
struct ical_comp *calendar_itip_envelope(const struct itip_set *set,
                                         enum calendar_itip_method method,
                                         const struct ical_comp *const *comps, size_t count);
/* REQUEST of all that the address attends; NULL: nothing. */
struct ical_comp *calendar_itip_current(const struct itip_set *set, struct slice address);

/* The note that the attendee took an instance out of the series, or NULL: with what he answered in
 * its parameters. */
const struct ical_prop *calendar_itip_left(const struct ical_comp *series, int64_t id_s);
/* Takes those back, with their EXDATEs, whose override is there and not declined. */
void calendar_itip_left_undo(const struct calendar_itip_world *world, struct ical_tz *tz,
                             struct itip_part *parts, size_t count);

/* An organizer's change, part by part of what it makes. */
struct itip_change {
    struct itip_set *before, *after;
    struct itip_version version; /* of what is sent */
    bool *changed;               /* of each part of after: by more than EXDATEs that came */
    bool reverted;               /* an override went, and its instance is as the series says */
    struct itip_times gone;      /* EXDATEs that came, sorted */
};

/* The halves of calendar_itip_outgoing(): before and after may be empty. */
MUST_USE enum st calendar_itip_organizer(struct itip_set *before, struct itip_set *after,
                                         struct calendar_itip_sent *sent, struct ical_error *error);
MUST_USE enum st calendar_itip_attendee(struct itip_set *before, struct itip_set *after,
                                        struct calendar_itip_sent *sent, struct ical_error *error);
/* The messages of an organizer's change. */
MUST_USE enum st calendar_itip_invite(const struct itip_change *change,
                                      struct calendar_itip_messages *messages,
                                      struct ical_error *error);

/* The ATTENDEEs of one component, for many messages that ask for them. */
struct itip_index {
    const struct ical_comp *comp; /* NULL: nobody has asked */
    struct itip_people people;
    struct slice reset; /* its CALENDAR_ITIP_RESET */
    bool grew;          /* there are more than people holds */
};

/* One message that came. */
struct itip_incoming {
    const struct calendar_itip_world *world;
    const struct calendar_itip_policy *policy;
    struct itip_set stored, message;
    struct slice sender;      /* as calendar_address() gives it */
    struct itip_index *index; /* NULL: it is the only one */
    struct calendar_itip_result *result;
};
void calendar_itip_say(struct itip_incoming *in, enum calendar_itip_verdict verdict,
                       const char *fmt, ...) PRINTF(3, 4);
/* REQUEST, ADD, CANCEL for an attendee; REPLY and others for an organizer. */
void calendar_itip_apply(struct itip_incoming *in);
void calendar_itip_reply(struct itip_incoming *in);
