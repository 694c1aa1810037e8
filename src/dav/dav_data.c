#include "dav/dav_data.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_recur.h"
#include "ical/ical_zone.h"
#include "xml/xml_write.h"

#define TIME_BYTES 40

/* --- reading --- */

static struct dav_select *read_select(struct arena *arena, const struct xml_element *element)
{
    struct dav_select *select = arena_one(arena, struct dav_select);
    struct dav_select **end = &select->comps;
    const struct xml_element *comp = xml_child(element, XML_CALDAV, "comp");

    select->name = xml_attr(element, "name");
    select->props = xml_child(element, XML_CALDAV, "prop");
    select->all_props = select->props == NULL;
    /* One that names nothing is meant whole (RFC 4791 section 7.8.1, its VTIMEZONE). */
    select->all_comps = xml_child(element, XML_CALDAV, "allcomp") != NULL ||
                        (comp == NULL && select->props == NULL);
    for (; comp != NULL; comp = xml_again(comp)) {
        *end = read_select(arena, comp);
        end = &(*end)->next;
    }
    return select;
}

static bool is_text_calendar(const struct xml_element *element)
{
    struct slice type = xml_attr(element, "content-type");
    struct slice version = xml_attr(element, "version");

    return (type.ptr == NULL || slice_ieq(type, SLICE("text/calendar"))) &&
           (version.ptr == NULL || slice_eq(version, SLICE("2.0")));
}

enum st dav_data_read(struct arena *arena, const struct xml_element *element,
                      struct dav_data *data_r, struct dav_fault *fault_r)
{
    const struct xml_element *comp = xml_child(element, XML_CALDAV, "comp");
    const struct xml_element *expand = xml_child(element, XML_CALDAV, "expand");
    const struct xml_element *limit = xml_child(element, XML_CALDAV, "limit-recurrence-set");
    const struct xml_element *freebusy = xml_child(element, XML_CALDAV, "limit-freebusy-set");
    struct calendar_range unused;
    enum st st = ST_OK;

    data_r->expand = expand != NULL;
    data_r->limit = limit != NULL && expand == NULL;
    if (!is_text_calendar(element)) {
        *fault_r = (struct dav_fault){XML_CALDAV, "supported-calendar-data",
                                      "Calendars hold text/calendar of version 2.0"};
        return ST_INVALID;
    }
    if (comp != NULL)
        data_r->select = read_select(arena, comp);
    if (expand != NULL || limit != NULL)
        st = dav_range_read(expand != NULL ? expand : limit, true, &data_r->range, fault_r);
    /* No object here holds a VFREEBUSY, so there is nothing to leave out. */
    if (st == ST_OK && freebusy != NULL)
        st = dav_range_read(freebusy, true, &unused, fault_r);
    return st;
}

bool dav_data_is_plain(const struct dav_data *data)
{
    return data->select == NULL && !data->expand && !data->limit && !data->without_zones;
}

size_t dav_data_arena_bytes(void)
{
    return 4 * ical_limits_arena_bytes(&ical_limits_default) + ICAL_TZ_BYTES_MAX;
}

/* --- selecting --- */

static bool selects_prop(const struct dav_select *select, struct slice name, bool *no_value_r)
{
    const struct xml_element *prop = select->props;

    while (prop != NULL && !slice_ieq(xml_attr(prop, "name"), name))
        prop = xml_again(prop);
    *no_value_r = prop != NULL && slice_ieq(xml_attr(prop, "novalue"), SLICE("yes"));
    return prop != NULL || select->all_props;
}

static const struct dav_select *select_of(const struct dav_select *list, struct slice name)
{
    while (list != NULL && !slice_ieq(list->name, name))
        list = list->next;
    return list;
}

/* Of what is in the VCALENDAR; *select_r NULL: all of it. */
static bool selects_comp(const struct dav_data *data, const struct ical_comp *comp,
                         const struct dav_select **select_r)
{
    *select_r = data->select != NULL ? select_of(data->select->comps, comp->name) : NULL;
    return data->select == NULL || *select_r != NULL || data->select->all_comps;
}

static void write_begin(const struct ical_comp *comp, struct buf *out)
{
    buf_putf(out, "BEGIN:%.*s\r\n", SLICE_ARG(comp->name));
}

static void write_end(const struct ical_comp *comp, struct buf *out)
{
    buf_putf(out, "END:%.*s\r\n", SLICE_ARG(comp->name));
}

static void write_props(const struct dav_select *select, const struct ical_comp *comp,
                        struct buf *out)
{
    bool no_value = false;

    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next) {
        struct ical_prop bare = *prop;

        if (select != NULL && !selects_prop(select, prop->name, &no_value))
            continue;
        if (no_value)
            bare.value = SLICE("");
        ical_write_prop(&bare, out);
    }
}

/* select NULL: everything. Components are at most as deep as ical_parse() lets them be. */
static void write_comp(const struct dav_select *select, const struct ical_comp *comp,
                       struct buf *out)
{
    write_begin(comp, out);
    write_props(select, comp, out);
    for (const struct ical_comp *child = comp->comps; child != NULL; child = child->next) {
        const struct dav_select *of = select != NULL ? select_of(select->comps, child->name) : NULL;

        if (select == NULL || of != NULL || select->all_comps)
            write_comp(of, child, out);
    }
    write_end(comp, out);
}

/* --- instances --- */

/* at_s as time's kind of clock shows it, or in UTC where that has a zone. */
static void set_time(const struct dav_data_world *world, struct ical_comp *comp,
                     enum ical_prop_id id, struct ical_time like, int64_t at_s)
{
    AUTO(buf) struct buf text = BUF(TIME_BYTES);
    bool local = like.form == ICAL_DATE || like.form == ICAL_FLOATING;
    struct ical_time time = {at_s, local ? like.form : ICAL_UTC, NULL};

    if (local && world->floating != NULL)
        time.local_s = ical_zone_local(world->floating, at_s);
    if (time.local_s < ICAL_LOCAL_MIN || time.local_s > ICAL_LOCAL_MAX)
        return;
    ical_time_write(time, &text);
    struct ical_prop *prop =
        ical_prop_set(world->scratch, comp, id, arena_copy(world->scratch, buf_slice(&text)));
    if (like.form == ICAL_DATE)
        ical_param_set(world->scratch, prop, "VALUE", SLICE("DATE"));
}

/* What is left with a zone: its VTIMEZONE is not there any more. */
static void make_utc(const struct dav_data_world *world, struct ical_comp *comp)
{
    for (struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next) {
        AUTO(buf) struct buf text = BUF(TIME_BYTES);
        struct ical_time time;

        if (ical_param_find(prop, "TZID") == NULL ||
            ical_tz_time(world->tz, prop, prop->value, &time) != ST_OK || time.form != ICAL_ZONED)
            continue;
        int64_t at_s = ical_time_utc(time, world->floating);
        if (at_s < ICAL_LOCAL_MIN || at_s > ICAL_LOCAL_MAX)
            continue;
        ical_time_write((struct ical_time){at_s, ICAL_UTC, NULL}, &text);
        ical_param_remove(prop, "TZID");
        prop->value = arena_copy(world->scratch, buf_slice(&text));
    }
}

static void write_instance(const struct dav_data *data, const struct dav_data_world *world,
                           const struct ical_instance *instance, bool repeats, struct buf *out)
{
    static const enum ical_prop_id rules[] = {ICAL_RRULE, ICAL_EXRULE, ICAL_RDATE, ICAL_EXDATE};
    const struct dav_select *select;

    arena_reset(world->scratch);
    struct ical_comp *comp = ical_comp_copy(world->scratch, instance->comp);
    for (size_t i = 0; i < COUNT(rules); i++)
        ical_prop_remove_all(comp, rules[i]);
    if (ical_prop_find(comp, ICAL_DTSTART) != NULL)
        set_time(world, comp, ICAL_DTSTART, instance->start, instance->start_s);
    if (ical_prop_find(comp, ICAL_DTEND) != NULL)
        set_time(world, comp, ICAL_DTEND, instance->start, instance->end_s);
    if (ical_prop_find(comp, ICAL_DUE) != NULL)
        set_time(world, comp, ICAL_DUE, instance->start, instance->end_s);
    if (repeats)
        set_time(world, comp, ICAL_RECURRENCE_ID, instance->id, instance->id_s);
    make_utc(world, comp);
    if (selects_comp(data, comp, &select))
        write_comp(select, comp, out);
}

/* RFC 4791 section 9.6.5. */
static enum st write_instances(const struct dav_data *data, const struct dav_data_world *world,
                               struct buf *out)
{
    const struct ical_comp *first = world->vcalendar->comps;
    const struct ical_window window = {.from_s = data->range.start_s,
                                       .until_s = data->range.end_s,
                                       .floating = world->floating,
                                       .instances_max = DAV_EXPAND_INSTANCES_MAX,
                                       .steps_max = ICAL_RECUR_STEPS_MAX};
    struct ical_error none;
    struct ical_recur *recur;
    struct ical_instance instance;
    const struct dav_select *select;

    while (first != NULL && !ical_comp_is_entry(first))
        first = first->next;
    if (first == NULL)
        return ST_OK;
    enum st st = ical_recur_new(world->arena, world->vcalendar, ical_prop_value(first, ICAL_UID),
                                world->tz, &window, &recur, &none);
    if (st != ST_OK) { /* nothing has a time, or nobody can read it */
        if (selects_comp(data, first, &select))
            write_comp(select, first, out);
        return ST_OK;
    }
    while (!out->over && (st = ical_recur_next(recur, &instance)) == ST_OK)
        write_instance(data, world, &instance, ical_recur_repeats(recur), out);
    return st == ST_NOT_FOUND ? ST_OK : ST_TOO_BIG;
}

/* --- leaving out --- */

static bool overlaps(const struct dav_data *data, const struct dav_data_world *world,
                     const struct ical_comp *comp)
{
    struct ical_error none;
    bool yes = true;

    arena_reset(world->scratch);
    return calendar_range_overlaps(world->scratch, world->vcalendar, comp, world->tz,
                                   world->floating, ICAL_RECUR_STEPS_MAX, data->range, &yes,
                                   &none) != ST_OK ||
           yes;
}

/* RFC 4791 section 9.6.6: an override that is in the range or takes something away from it. How
 * long that was is not asked: a day more or less does no harm. */
static bool is_wanted(const struct dav_data *data, const struct dav_data_world *world,
                      const struct ical_comp *comp)
{
    const struct ical_prop *id = ical_prop_find(comp, ICAL_RECURRENCE_ID);
    const struct calendar_range wide = {
        data->range.start_s < INT64_MIN + ICAL_DAY_S ? INT64_MIN : data->range.start_s - ICAL_DAY_S,
        data->range.end_s};

    return id == NULL || ical_param_find(id, "RANGE") != NULL ||
           calendar_range_has(world->tz, world->floating, id, wide) || overlaps(data, world, comp);
}

static bool is_known_zone(const struct dav_data *data, const struct dav_data_world *world,
                          const struct ical_comp *comp)
{
    return data->without_zones && comp->id == ICAL_VTIMEZONE && world->zones != NULL &&
           ical_zones_find(world->zones, ical_prop_value(comp, ICAL_TZID)) != NULL;
}

static bool is_left_out(const struct dav_data *data, const struct dav_data_world *world,
                        const struct ical_comp *comp)
{
    if (is_known_zone(data, world, comp))
        return true;
    if (data->expand)
        return comp->id == ICAL_VTIMEZONE || ical_comp_is_entry(comp);
    return data->limit && ical_comp_is_entry(comp) && !is_wanted(data, world, comp);
}

enum st dav_data_write(const struct dav_data *data, const struct dav_data_world *world,
                       struct buf *out)
{
    const struct ical_comp *vcalendar = world->vcalendar;
    enum st st = ST_OK;

    write_begin(vcalendar, out);
    write_props(data->select, vcalendar, out);
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next) {
        const struct dav_select *select;

        if (selects_comp(data, comp, &select) && !is_left_out(data, world, comp))
            write_comp(select, comp, out);
    }
    if (data->expand)
        st = write_instances(data, world, out);
    write_end(vcalendar, out);
    return out->over ? ST_TOO_BIG : st;
}

void dav_data_escape(struct slice text, struct buf *out)
{
    struct slice rest = text;
    struct slice line;

    while (slice_split(&rest, '\n', &line)) {
        if (line.len > 0 && line.ptr[line.len - 1] == '\r')
            line.len--;
        xml_write_text(out, line);
        if (rest.ptr != NULL)
            buf_put(out, SLICE("\n"));
    }
}
