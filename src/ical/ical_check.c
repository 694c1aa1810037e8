#include "ical/ical_check.h"

#include "base/slice.h"
#include "ical/ical_rule.h"
#include "ical/ical_time.h"

#include <string.h>

struct check {
    const struct ical_comp *calendar;
    bool strict;
    bool scheduling; /* the object has a METHOD */
    struct ical_error *error;
};

#define SHOWN(s) (s).len > 40 ? 40 : (int)(s).len, (s).ptr

static enum st fail_prop(struct check *c, const struct ical_prop *prop, const char *why)
{
    ical_error_set(c->error, prop->line, "%.*s %s.", SHOWN(prop->name), why);
    return ST_INVALID;
}

static enum st fail_comp(struct check *c, const struct ical_comp *comp, const char *why)
{
    ical_error_set(c->error, comp->line, "%.*s %s.", SHOWN(comp->name), why);
    return ST_INVALID;
}

/* Properties that something is decided by: their values count, even in a lenient check. */
static bool decides(enum ical_prop_id id)
{
    static const enum ical_prop_id ids[] = {
        ICAL_DTSTART,      ICAL_DTEND,      ICAL_DUE,       ICAL_DURATION, ICAL_RECURRENCE_ID,
        ICAL_RRULE,        ICAL_EXRULE,     ICAL_RDATE,     ICAL_EXDATE,   ICAL_FREEBUSY,
        ICAL_TZOFFSETFROM, ICAL_TZOFFSETTO, ICAL_DTSTAMP,   ICAL_SEQUENCE, ICAL_TRIGGER,
        ICAL_ATTENDEE,     ICAL_ORGANIZER,  ICAL_COMPLETED, ICAL_REPEAT,   ICAL_PRIORITY,
    };

    for (size_t i = 0; i < COUNT(ids); i++)
        if (ids[i] == id)
            return true;
    return false;
}

/* What is listed and there is something of only once, even in a lenient check. */
static bool needed(enum ical_prop_id id)
{
    return id == ICAL_UID || id == ICAL_VERSION || id == ICAL_TZID || id == ICAL_DTSTART ||
           id == ICAL_TZOFFSETFROM || id == ICAL_TZOFFSETTO || id == ICAL_ACTION ||
           id == ICAL_TRIGGER;
}

/* The words that a property of type TEXT may have in a component; NULL: any. */
static const char *words_of(enum ical_prop_id id, enum ical_comp_id comp)
{
    if (id == ICAL_STATUS)
        return comp == ICAL_VEVENT     ? "TENTATIVE CONFIRMED CANCELLED"
               : comp == ICAL_VTODO    ? "NEEDS-ACTION COMPLETED IN-PROCESS CANCELLED"
               : comp == ICAL_VJOURNAL ? "DRAFT FINAL CANCELLED"
                                       : NULL;
    if (id == ICAL_TRANSP)
        return "OPAQUE TRANSPARENT";
    if (id == ICAL_BUSYTYPE)
        return "BUSY BUSY-UNAVAILABLE BUSY-TENTATIVE";
    return NULL;
}

static bool one_of(const char *words, struct slice value)
{
    struct slice rest = slice_str(words), word;

    while (slice_split(&rest, ' ', &word))
        if (slice_ieq(word, value))
            return true;
    return false;
}

static bool number_within(const struct ical_prop *prop)
{
    uint64_t value = 0;
    bool negative = slice_starts(prop->value, SLICE("-"));
    bool sign = negative || slice_starts(prop->value, SLICE("+"));

    if (slice_to_u64(slice_sub(prop->value, sign ? 1 : 0, prop->value.len), &value) != ST_OK)
        return false;
    return (!negative || value == 0) && value <= (prop->id == ICAL_PRIORITY           ? 9
                                                  : prop->id == ICAL_PERCENT_COMPLETE ? 100
                                                                                      : INT32_MAX);
}

static enum st check_words(struct check *c, const struct ical_comp *comp,
                           const struct ical_prop *prop)
{
    const char *words = words_of(prop->id, comp->id);

    if (words != NULL && !one_of(words, prop->value)) {
        ical_error_set(c->error, prop->line, "%s:%.*s is none of %s.", ical_prop_name(prop->id),
                       SHOWN(prop->value), words);
        return ST_INVALID;
    }
    if (ical_prop_type(prop) == ICAL_TYPE_INTEGER && !number_within(prop))
        return fail_prop(c, prop, "is a number out of its range");
    return ST_OK;
}

/* One value, as far as its type says. */
static enum st check_value(struct check *c, const struct ical_prop *prop, enum ical_type type,
                           struct slice value)
{
    struct ical_error why;
    struct ical_rule rule;

    if (type == ICAL_TYPE_RECUR && ical_rule_parse(value, &rule, &why) != ST_OK) {
        ical_error_set(c->error, prop->line, "%s", why.text);
        return ST_INVALID;
    }
    if (ical_value_valid(type, value))
        return ST_OK;
    ical_error_set(c->error, prop->line, "%.*s:%.*s is not of type %s.", SHOWN(prop->name),
                   SHOWN(value), ical_type_name(type));
    return ST_INVALID;
}

/* Whether DATE-TIMEs of the property must be of UTC (RFC 5545 sections 3.8.2.1, 3.8.2.6, 3.8.7). */
static bool wants_utc(const struct ical_prop *prop, const struct ical_comp *comp)
{
    return prop->id == ICAL_COMPLETED || prop->id == ICAL_CREATED || prop->id == ICAL_DTSTAMP ||
           prop->id == ICAL_LAST_MODIFIED || prop->id == ICAL_ACKNOWLEDGED ||
           prop->id == ICAL_FREEBUSY || prop->id == ICAL_TRIGGER ||
           (comp->id == ICAL_VFREEBUSY && (prop->id == ICAL_DTSTART || prop->id == ICAL_DTEND));
}

static enum st check_zone(struct check *c, const struct ical_comp *comp,
                          const struct ical_prop *prop, struct slice value)
{
    const struct ical_param *tzid = ical_param_find(prop, "TZID");
    struct ical_time time = {.form = ICAL_DATE};
    size_t slash = slice_find(value, '/');

    if (ical_time_parse(slice_sub(value, 0, slash), &time) != ST_OK || time.form == ICAL_DATE)
        return ST_OK;
    if (wants_utc(prop, comp) && (time.form != ICAL_UTC || tzid != NULL))
        return c->strict || prop->id == ICAL_FREEBUSY ? fail_prop(c, prop, "must be in UTC")
                                                      : ST_OK;
    if (!c->strict || tzid == NULL)
        return ST_OK;
    if (time.form == ICAL_UTC)
        return fail_prop(c, prop, "is in UTC and has a TZID");
    for (const struct ical_comp *zone = ical_comp_find(c->calendar, ICAL_VTIMEZONE); zone != NULL;
         zone = ical_comp_next(zone))
        if (slice_eq(ical_prop_value(zone, ICAL_TZID), tzid->values[0].text))
            return ST_OK;
    return fail_prop(c, prop, "has a TZID without its VTIMEZONE");
}

static enum st check_prop(struct check *c, const struct ical_comp *comp,
                          const struct ical_prop *prop)
{
    enum ical_type type = ical_prop_type(prop);
    struct slice rest = prop->value, value;
    enum st st = ST_OK;

    if (prop->id == ICAL_OTHER || (!c->strict && !decides(prop->id)))
        return ST_OK;
    if (type == ICAL_TYPE_MAX || !ical_prop_allows(prop->id, type))
        return fail_prop(c, prop, "cannot be of the type that VALUE names");
    if (prop->id == ICAL_GEO) {
        bool good = slice_split(&rest, ';', &value) && ical_value_valid(type, value) &&
                    rest.ptr != NULL && ical_value_valid(type, rest);

        return good ? ST_OK : fail_prop(c, prop, "is not two numbers");
    }
    if (type == ICAL_TYPE_TEXT || !ical_prop_is_list(prop->id)) {
        st = check_value(c, prop, type, prop->value);
        return st == ST_OK && (st = check_words(c, comp, prop)) == ST_OK
                   ? check_zone(c, comp, prop, prop->value)
                   : st;
    }
    while (st == ST_OK && slice_split(&rest, ',', &value)) {
        st = check_value(c, prop, type, value);
        if (st == ST_OK)
            st = check_zone(c, comp, prop, value);
    }
    return st;
}

/* How often each property stands in the component. */
static enum st check_often(struct check *c, const struct ical_comp *comp)
{
    unsigned count[ICAL_PROP_MAX] = {0};

    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next) {
        char often = ical_prop_often(prop->id, comp->id);

        count[prop->id]++;
        if (often == '-' && c->strict)
            return fail_prop(c, prop, "does not belong into this component");
        if ((often == '1' || often == 'o') && count[prop->id] > 1)
            return fail_prop(c, prop, "stands there twice");
        if (prop->id == ICAL_RRULE && count[prop->id] > 1 && c->strict)
            return fail_prop(c, prop, "stands there twice");
    }
    for (enum ical_prop_id id = 1; id < ICAL_PROP_MAX; id++) {
        char often = ical_prop_often(id, comp->id);

        if ((often == '1' || often == '+') && count[id] == 0 && (c->strict || needed(id))) {
            ical_error_set(c->error, comp->line, "%s has no %s.", ical_comp_name(comp->id),
                           ical_prop_name(id));
            return ST_INVALID;
        }
    }
    return ST_OK;
}

static enum ical_form form_of(const struct ical_prop *prop, struct ical_time *time)
{
    if (ical_time_parse(prop->value, time) != ST_OK)
        return ICAL_DATE; /* check_prop() has told */
    if (time->form == ICAL_FLOATING && ical_param_find(prop, "TZID") != NULL)
        time->form = ICAL_ZONED;
    return time->form;
}

/* DTEND or DUE beside DTSTART (RFC 5545 sections 3.8.2.2, 3.8.2.3). */
static enum st check_end(struct check *c, const struct ical_prop *start_prop,
                         const struct ical_prop *end_prop)
{
    struct ical_time start = {0}, end = {0};
    enum ical_form start_form = form_of(start_prop, &start);
    enum ical_form end_form = form_of(end_prop, &end);
    bool same_clock = start_form == end_form && slice_eq(ical_param_text(start_prop, "TZID"),
                                                         ical_param_text(end_prop, "TZID"));

    if ((start_form == ICAL_DATE) != (end_form == ICAL_DATE))
        return fail_prop(c, end_prop, "and DTSTART must both be a DATE or both a DATE-TIME");
    if ((start_form == ICAL_FLOATING) != (end_form == ICAL_FLOATING) && c->strict)
        return fail_prop(c, end_prop, "and DTSTART must both be floating or neither");
    if (same_clock && (end.local_s < start.local_s || (c->strict && end.local_s == start.local_s)))
        return fail_prop(c, end_prop, "must be later than DTSTART");
    return ST_OK;
}

/* DURATION (RFC 5545 section 3.8.2.5). */
static enum st check_duration(struct check *c, const struct ical_prop *start_prop,
                              const struct ical_prop *prop)
{
    struct ical_duration duration = {0};
    struct ical_time start = {0};

    if (ical_duration_parse(prop->value, &duration) != ST_OK)
        return ST_OK;
    if (duration.days < 0 || duration.seconds < 0)
        return fail_prop(c, prop, "must not be negative");
    if (start_prop == NULL)
        return fail_prop(c, prop, "stands with DTSTART only");
    if (c->strict && form_of(start_prop, &start) == ICAL_DATE && duration.seconds != 0)
        return fail_prop(c, prop, "must be days or weeks, as DTSTART is a DATE");
    return ST_OK;
}

static enum st check_times(struct check *c, const struct ical_comp *comp)
{
    const struct ical_prop *start = ical_prop_find(comp, ICAL_DTSTART);
    const struct ical_prop *end =
        ical_prop_find(comp, comp->id == ICAL_VTODO ? ICAL_DUE : ICAL_DTEND);
    const struct ical_prop *duration = ical_prop_find(comp, ICAL_DURATION);
    enum st st = ST_OK;

    if (comp->id == ICAL_VALARM)
        return ST_OK;
    if (end != NULL && duration != NULL && comp->id != ICAL_VFREEBUSY)
        return fail_prop(c, duration, "cannot stand with DTEND or DUE");
    if (end != NULL && start == NULL && comp->id != ICAL_VTODO && comp->id != ICAL_VAVAILABILITY)
        return fail_prop(c, end, "stands with DTSTART only");
    if (end != NULL && start != NULL)
        st = check_end(c, start, end);
    if (st == ST_OK && duration != NULL && comp->id != ICAL_VFREEBUSY)
        st = check_duration(c, start, duration);
    return st;
}

/* RRULE beside DTSTART (RFC 5545 section 3.3.10), RECURRENCE-ID's type (3.8.4.4). */
static enum st check_recurrence(struct check *c, const struct ical_comp *comp)
{
    const struct ical_prop *prop = ical_prop_find(comp, ICAL_RRULE);
    const struct ical_prop *start_prop = ical_prop_find(comp, ICAL_DTSTART);
    struct ical_time start = {0};
    struct ical_rule rule;
    struct ical_error ignored;

    if (prop == NULL || ical_rule_parse(prop->value, &rule, &ignored) != ST_OK)
        return ST_OK;
    if (start_prop == NULL)
        return fail_prop(c, prop, "stands with DTSTART only");
    bool date = form_of(start_prop, &start) == ICAL_DATE;

    if (date && rule.freq < ICAL_DAILY)
        return fail_prop(c, prop, "goes by hours, minutes or seconds, but DTSTART is a DATE");
    if (rule.has_until && c->strict && comp->id != ICAL_STANDARD && comp->id != ICAL_DAYLIGHT) {
        enum ical_form want = start.form == ICAL_ZONED ? ICAL_UTC : start.form;

        if (rule.until.form != want)
            return fail_prop(c, prop, "has an UNTIL of another kind than DTSTART asks for");
    }
    return ST_OK;
}

/* VALARM (RFC 5545 section 3.6.6). */
static enum st check_alarm(struct check *c, const struct ical_comp *comp)
{
    struct slice action = ical_prop_value(comp, ICAL_ACTION);
    bool email = slice_ieq(action, SLICE("EMAIL"));

    if ((ical_prop_find(comp, ICAL_DURATION) == NULL) !=
            (ical_prop_find(comp, ICAL_REPEAT) == NULL) &&
        c->strict)
        return fail_comp(c, comp, "must have both DURATION and REPEAT or neither");
    if (!c->strict)
        return ST_OK;
    if ((email || slice_ieq(action, SLICE("DISPLAY"))) &&
        ical_prop_find(comp, ICAL_DESCRIPTION) == NULL)
        return fail_comp(c, comp, "that shows a text has no DESCRIPTION");
    if (email && ical_prop_find(comp, ICAL_SUMMARY) == NULL)
        return fail_comp(c, comp, "that sends mail has no SUMMARY");
    if (email && ical_prop_find(comp, ICAL_ATTENDEE) == NULL)
        return fail_comp(c, comp, "that sends mail has no ATTENDEE");
    return ST_OK;
}

/* VTIMEZONE (RFC 5545 section 3.6.5): observances, and no two zones of one name. */
static enum st check_vtimezone(struct check *c, const struct ical_comp *comp)
{
    struct slice tzid = ical_prop_value(comp, ICAL_TZID);

    if (ical_comp_find(comp, ICAL_STANDARD) == NULL && ical_comp_find(comp, ICAL_DAYLIGHT) == NULL)
        return fail_comp(c, comp, "has neither STANDARD nor DAYLIGHT");
    for (const struct ical_comp *other = ical_comp_next(comp); other != NULL && c->strict;
         other = ical_comp_next(other))
        if (slice_eq(ical_prop_value(other, ICAL_TZID), tzid))
            return fail_comp(c, other, "has the TZID of another one");
    return ST_OK;
}

static enum st check_vcalendar(struct check *c, const struct ical_comp *comp)
{
    const struct ical_prop *version = ical_prop_find(comp, ICAL_VERSION);
    const struct ical_prop *scale = ical_prop_find(comp, ICAL_CALSCALE);

    if (version != NULL && !slice_eq(version->value, SLICE("2.0")))
        return fail_prop(c, version, "must be 2.0");
    if (scale != NULL && !slice_ieq(scale->value, SLICE("GREGORIAN")))
        return fail_prop(c, scale, "must be GREGORIAN");
    if (comp->comps == NULL)
        return fail_comp(c, comp, "has no component");
    return ST_OK;
}

/* Where each component may stand; ICAL_COMP_OTHER: anywhere. */
static bool belongs(const struct ical_comp *comp)
{
    enum ical_comp_id in = comp->parent != NULL ? comp->parent->id : ICAL_COMP_OTHER;

    if (comp->parent != NULL && in == ICAL_COMP_OTHER)
        return true; /* what nobody knows may hold what it likes */
    switch (comp->id) {
    case ICAL_VEVENT:
    case ICAL_VTODO:
    case ICAL_VJOURNAL:
    case ICAL_VFREEBUSY:
    case ICAL_VTIMEZONE:
    case ICAL_VAVAILABILITY:
        return in == ICAL_VCALENDAR;
    case ICAL_STANDARD:
    case ICAL_DAYLIGHT:
        return in == ICAL_VTIMEZONE;
    case ICAL_VALARM:
        return in == ICAL_VEVENT || in == ICAL_VTODO || in == ICAL_VAVAILABILITY ||
               in == ICAL_AVAILABLE;
    case ICAL_AVAILABLE:
        return in == ICAL_VAVAILABILITY;
    case ICAL_VCALENDAR:
        return comp->parent == NULL;
    case ICAL_COMP_OTHER:
    case ICAL_COMP_MAX:
        break;
    }
    return true;
}

static enum st check_comp(struct check *c, const struct ical_comp *comp)
{
    enum st st = ST_OK;

    if (!belongs(comp))
        return fail_comp(c, comp, "does not belong there");
    if ((st = check_often(c, comp)) != ST_OK)
        return st;
    for (const struct ical_prop *prop = comp->props; prop != NULL && st == ST_OK; prop = prop->next)
        st = check_prop(c, comp, prop);
    if (st == ST_OK)
        st = check_times(c, comp);
    if (st == ST_OK)
        st = check_recurrence(c, comp);
    if (st != ST_OK)
        return st;
    if (comp->id == ICAL_VEVENT && !c->scheduling && ical_prop_find(comp, ICAL_DTSTART) == NULL)
        return fail_comp(c, comp, "has no DTSTART");
    if (comp->id == ICAL_VALARM)
        return check_alarm(c, comp);
    if (comp->id == ICAL_VTIMEZONE)
        return check_vtimezone(c, comp);
    return comp->id == ICAL_VCALENDAR ? check_vcalendar(c, comp) : ST_OK;
}

enum st ical_check(const struct ical_comp *vcalendar, enum ical_strictness strictness,
                   struct ical_error *error_r)
{
    struct check c = {vcalendar, strictness == ICAL_STRICT,
                      ical_prop_find(vcalendar, ICAL_METHOD) != NULL, error_r};
    const struct ical_comp *at = vcalendar;
    enum st st;

    if (vcalendar->id != ICAL_VCALENDAR)
        return fail_comp(&c, vcalendar, "is no VCALENDAR");
    while ((st = check_comp(&c, at)) == ST_OK) {
        if (at->comps != NULL) {
            at = at->comps;
            continue;
        }
        while (at != vcalendar && at->next == NULL)
            at = at->parent;
        if (at == vcalendar)
            break;
        at = at->next;
    }
    return st;
}
