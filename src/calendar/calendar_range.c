#include "calendar/calendar_range.h"

#include "base/slice.h"
#include "calendar/calendar_freebusy.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

#define INSTANCES_MAX 100000

struct test {
    struct arena *arena;
    const struct ical_comp *calendar, *comp;
    struct ical_tz *tz;
    const struct ical_zone *floating;
    uint64_t steps_max;
    struct calendar_range range;
    bool overlaps;
    struct ical_error *error;
};

static int64_t sum(int64_t a, int64_t b)
{
    int64_t result;

    if (a == INT64_MIN || a == INT64_MAX)
        return a;
    if (__builtin_add_overflow(a, b, &result))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return result;
}

static bool instant(const struct test *t, enum ical_prop_id id, int64_t *at_s_r)
{
    const struct ical_prop *prop = ical_prop_find(t->comp, id);
    struct ical_time time;

    if (prop == NULL || ical_tz_time(t->tz, prop, prop->value, &time) != ST_OK)
        return false;
    *at_s_r = ical_time_utc(time, t->floating);
    return true;
}

/* An override of one instance needs no look at the others, of which there may be thousands. */
static bool is_one_instance(const struct ical_comp *event)
{
    const struct ical_prop *id = ical_prop_find(event, ICAL_RECURRENCE_ID);

    return id != NULL && ical_param_find(id, "RANGE") == NULL;
}

/* The instances of event that touch a range: each is given to overlaps() until one does. */
static enum st each_instance(struct test *t, const struct ical_comp *event,
                             struct calendar_range range,
                             bool (*overlaps)(const struct test *, const struct ical_instance *))
{
    struct ical_window window = {.from_s = range.start_s,
                                 .until_s = range.end_s,
                                 .floating = t->floating,
                                 .instances_max = INSTANCES_MAX,
                                 .steps_max = t->steps_max};
    struct slice uid = ical_prop_value(event, ICAL_UID);
    struct ical_comp alone = *event, parent = {.comps = &alone};
    bool one = is_one_instance(event);
    struct ical_instance instance;
    struct ical_recur *recur;

    alone.next = NULL;
    enum st st = ical_recur_new(t->arena, one ? &parent : t->calendar, uid, t->tz, &window, &recur,
                                t->error);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    while (!t->overlaps && (st = ical_recur_next(recur, &instance)) == ST_OK)
        t->overlaps = (one || instance.comp == event) && overlaps(t, &instance);
    t->overlaps |= st == ST_TOO_BIG;
    return ST_OK;
}

/* The table for VEVENT, and those for VJOURNAL with a DTSTART, are what a window is. */
static bool touches(const struct test *t, const struct ical_instance *instance)
{
    (void)t;
    (void)instance;
    return true;
}

/* The rows of the table for VTODO that have a DTSTART or DUE. */
static bool todo_overlaps(const struct test *t, const struct ical_instance *instance)
{
    bool has_start = ical_prop_find(t->comp, ICAL_DTSTART) != NULL;
    bool has_due = ical_prop_find(t->comp, ICAL_DUE) != NULL;
    bool has_duration = ical_prop_find(t->comp, ICAL_DURATION) != NULL;
    int64_t start_s = t->range.start_s, end_s = t->range.end_s;
    int64_t dtstart_s = instance->start_s, due_s = instance->end_s;

    if (!has_start)
        return start_s < due_s && end_s >= due_s;
    if (has_due)
        return (start_s < due_s || start_s <= dtstart_s) && (end_s > dtstart_s || end_s >= due_s);
    if (has_duration)
        return start_s <= due_s && (end_s > dtstart_s || end_s >= due_s);
    return start_s <= dtstart_s && end_s > dtstart_s;
}

/* The others. */
static bool undated_todo_overlaps(const struct test *t)
{
    int64_t start_s = t->range.start_s, end_s = t->range.end_s, completed_s, created_s;
    bool completed = instant(t, ICAL_COMPLETED, &completed_s);
    bool created = instant(t, ICAL_CREATED, &created_s);

    if (completed && created)
        return (start_s <= created_s || start_s <= completed_s) &&
               (end_s >= created_s || end_s >= completed_s);
    if (completed)
        return start_s <= completed_s && end_s >= completed_s;
    return !created || end_s > created_s;
}

static enum st test_todo(struct test *t)
{
    struct calendar_range wide = {sum(t->range.start_s, -1), sum(t->range.end_s, 1)};

    if (ical_prop_find(t->comp, ICAL_DTSTART) == NULL &&
        ical_prop_find(t->comp, ICAL_DUE) == NULL) {
        t->overlaps = undated_todo_overlaps(t);
        return ST_OK;
    }
    return each_instance(t, t->comp, wide, todo_overlaps);
}

static enum st test_freebusy(struct test *t)
{
    struct calendar_busy_row *rows;
    int64_t dtstart_s, dtend_s;
    size_t count;
    enum st st = calendar_freebusy_read(t->arena, t->comp, &rows, &count, t->error);

    if (st != ST_OK)
        return st;
    if (instant(t, ICAL_DTSTART, &dtstart_s) && instant(t, ICAL_DTEND, &dtend_s)) {
        t->overlaps = t->range.start_s <= dtend_s && t->range.end_s > dtstart_s;
        return ST_OK;
    }
    for (size_t i = 0; i < count; i++)
        t->overlaps |= t->range.start_s < rows[i].end_s && t->range.end_s > rows[i].start_s;
    return ST_OK;
}

/* What a VALARM says of its times, for one instance. */
struct alarm {
    bool absolute, from_end;
    int64_t at_s;
    struct ical_duration before;
    int64_t every_s, repeats;
};

static bool read_alarm(const struct test *t, struct alarm *alarm)
{
    const struct ical_prop *trigger = ical_prop_find(t->comp, ICAL_TRIGGER);
    struct ical_duration every;
    uint64_t repeats;

    *alarm = (struct alarm){0};
    if (trigger == NULL)
        return false;
    alarm->from_end = slice_ieq(ical_param_text(trigger, "RELATED"), SLICE("END"));
    alarm->absolute = ical_duration_parse(trigger->value, &alarm->before) != ST_OK;
    if (alarm->absolute && !instant(t, ICAL_TRIGGER, &alarm->at_s))
        return false;
    if (ical_duration_parse(ical_prop_value(t->comp, ICAL_DURATION), &every) == ST_OK &&
        slice_to_u64(ical_prop_value(t->comp, ICAL_REPEAT), &repeats) == ST_OK) {
        alarm->every_s = every.days * ICAL_DAY_S + every.seconds;
        alarm->repeats = repeats < INT32_MAX ? (int64_t)repeats : INT32_MAX;
    }
    if (alarm->every_s <= 0)
        alarm->repeats = 0;
    return true;
}

/* Whether the alarm that first rings at at_s rings in the range. */
static bool rings(const struct test *t, const struct alarm *alarm, int64_t at_s)
{
    int64_t start_s = t->range.start_s, end_s = t->range.end_s;

    if (at_s >= start_s || alarm->repeats == 0)
        return at_s >= start_s && at_s < end_s;
    int64_t missing = start_s - at_s; /* the first repetition that is not before the range */
    int64_t n = missing / alarm->every_s + (missing % alarm->every_s != 0);
    return n <= alarm->repeats && sum(at_s, n * alarm->every_s) < end_s;
}

static bool alarm_overlaps(const struct test *t, const struct ical_instance *instance)
{
    int64_t at_s;
    struct alarm alarm;

    if (!read_alarm(t, &alarm))
        return false;
    if (alarm.from_end) /* the end is known as an instant only: days are of 24 hours */
        at_s = instance->end_s + alarm.before.days * ICAL_DAY_S + alarm.before.seconds;
    else
        at_s = ical_time_utc(ical_time_add(instance->start, alarm.before), t->floating);
    return rings(t, &alarm, at_s);
}

static enum st test_alarm(struct test *t)
{
    struct calendar_range wide = t->range;
    const struct ical_comp *parent = t->comp->parent;
    struct alarm alarm;

    if (parent == NULL || !read_alarm(t, &alarm))
        return ST_OK;
    if (alarm.absolute) {
        t->overlaps = rings(t, &alarm, alarm.at_s);
        return ST_OK;
    }
    /* an event of which an end or start lies so far from the alarm, two days for the clocks */
    int64_t before_s = alarm.before.days * ICAL_DAY_S + alarm.before.seconds;
    wide.start_s = sum(wide.start_s, -before_s - alarm.every_s * alarm.repeats - 2 * ICAL_DAY_S);
    wide.end_s = sum(wide.end_s, -before_s + 2 * ICAL_DAY_S);
    return each_instance(t, parent, wide, alarm_overlaps);
}

enum st calendar_range_overlaps(struct arena *arena, const struct ical_comp *vcalendar,
                                const struct ical_comp *comp, struct ical_tz *tz,
                                const struct ical_zone *floating, uint64_t steps_max,
                                struct calendar_range range, bool *overlaps_r,
                                struct ical_error *error_r)
{
    struct test t = {arena, vcalendar, comp, tz, floating, steps_max, range, false, error_r};
    enum st st = ST_OK;

    if (comp->id == ICAL_VEVENT || comp->id == ICAL_VJOURNAL)
        st = each_instance(&t, comp, range, touches);
    else if (comp->id == ICAL_VTODO)
        st = test_todo(&t);
    else if (comp->id == ICAL_VFREEBUSY)
        st = test_freebusy(&t);
    else if (comp->id == ICAL_VALARM)
        st = test_alarm(&t);
    *overlaps_r = t.overlaps;
    return st;
}

bool calendar_range_has(struct ical_tz *tz, const struct ical_zone *floating,
                        const struct ical_prop *prop, struct calendar_range range)
{
    struct ical_time time;

    if (ical_tz_time(tz, prop, prop->value, &time) != ST_OK)
        return false;
    int64_t at_s = ical_time_utc(time, floating), end_s = at_s;
    if (time.form == ICAL_DATE) {
        time.local_s += ICAL_DAY_S;
        end_s = ical_time_utc(time, floating);
    }
    return at_s < range.end_s && (at_s >= range.start_s || end_s > range.start_s);
}
