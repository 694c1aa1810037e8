#include "dav/dav_filter.h"

#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical.h"
#include "ical/ical_zone.h"

/* No clock is further from another one; what touches an end of a range by less is looked at. */
#define CLOCKS_S (INT64_C(26) * 3600)

/* --- reading --- */

struct reading {
    struct arena *arena;
    struct dav_fault *fault;
    size_t parts;
};

static enum st refuse(struct dav_fault *fault, const char *condition, const char *sentence)
{
    *fault = (struct dav_fault){XML_CALDAV, condition, sentence};
    return ST_INVALID;
}

static enum st read_instant(struct slice text, int64_t *at_s_r)
{
    struct ical_time time;

    if (ical_time_parse(text, &time) != ST_OK || time.form != ICAL_UTC)
        return ST_INVALID;
    *at_s_r = time.local_s;
    return ST_OK;
}

enum st dav_range_read(const struct xml_element *element, bool both, struct calendar_range *range_r,
                       struct dav_fault *fault_r)
{
    struct slice start = xml_attr(element, "start");
    struct slice end = xml_attr(element, "end");
    int given = (start.ptr != NULL) + (end.ptr != NULL);

    *range_r = (struct calendar_range){INT64_MIN, INT64_MAX};
    if (given < (both ? 2 : 1))
        return refuse(fault_r, "valid-filter", "A time range needs a start or an end");
    if ((start.ptr != NULL && read_instant(start, &range_r->start_s) != ST_OK) ||
        (end.ptr != NULL && read_instant(end, &range_r->end_s) != ST_OK))
        return refuse(fault_r, "valid-filter", "A time range is of dates with times in UTC");
    if (range_r->start_s >= range_r->end_s)
        return refuse(fault_r, "valid-filter", "A time range ends after its start");
    return ST_OK;
}

static enum st count_part(struct reading *r, const struct xml_element *element)
{
    if (++r->parts > DAV_FILTER_PARTS_MAX)
        return refuse(r->fault, "supported-filter", "The filter has too many parts");
    if (xml_attr(element, "name").len == 0)
        return refuse(r->fault, "valid-filter", "A part of the filter has no name");
    return ST_OK;
}

/* Where something is asked not to be, nothing else can be asked of it. */
static enum st read_absent(struct reading *r, const struct xml_element *element, bool *absent_r)
{
    *absent_r = xml_child(element, XML_CALDAV, "is-not-defined") != NULL;
    if (*absent_r && element->children->next != NULL)
        return refuse(r->fault, "valid-filter", "is-not-defined stands alone");
    return ST_OK;
}

static enum st read_text(struct reading *r, const struct xml_element *parent,
                         struct dav_text_match *text_r)
{
    const struct xml_element *element = xml_child(parent, XML_CALDAV, "text-match");

    *text_r = (struct dav_text_match){.asked = element != NULL};
    if (element == NULL)
        return ST_OK;
    struct slice collation = xml_attr(element, "collation");
    struct slice negate = xml_attr(element, "negate-condition");
    text_r->text = element->text;
    text_r->negate = slice_eq(negate, SLICE("yes"));
    text_r->octet = slice_eq(collation, SLICE("i;octet"));
    if (negate.ptr != NULL && !text_r->negate && !slice_eq(negate, SLICE("no")))
        return refuse(r->fault, "valid-filter", "negate-condition is yes or no");
    if (collation.ptr != NULL && !text_r->octet && !slice_eq(collation, SLICE("default")) &&
        !slice_eq(collation, SLICE("i;ascii-casemap")))
        return refuse(r->fault, "supported-collation",
                      "The collations are i;ascii-casemap and i;octet");
    return ST_OK;
}

static enum st read_ranges(struct reading *r, const struct xml_element *parent, bool *has_r,
                           struct calendar_range *range_r)
{
    const struct xml_element *element = xml_child(parent, XML_CALDAV, "time-range");

    *has_r = element != NULL;
    if (element != NULL && xml_again(element) != NULL)
        return refuse(r->fault, "valid-filter", "There is one time range at most");
    return element != NULL ? dav_range_read(element, false, range_r, r->fault) : ST_OK;
}

static enum st read_params(struct reading *r, const struct xml_element *prop,
                           struct dav_param_filter **end)
{
    const struct xml_element *element = xml_child(prop, XML_CALDAV, "param-filter");
    enum st st = ST_OK;

    for (; st == ST_OK && element != NULL; element = xml_again(element)) {
        struct dav_param_filter *param = arena_one(r->arena, struct dav_param_filter);

        param->name = slice_cstr(r->arena, xml_attr(element, "name"));
        *end = param;
        end = &param->next;
        st = count_part(r, element);
        if (st == ST_OK)
            st = read_absent(r, element, &param->absent);
        if (st == ST_OK)
            st = read_text(r, element, &param->text);
    }
    return st;
}

static enum st read_props(struct reading *r, const struct xml_element *comp,
                          struct dav_prop_filter **end)
{
    const struct xml_element *element = xml_child(comp, XML_CALDAV, "prop-filter");
    enum st st = ST_OK;

    for (; st == ST_OK && element != NULL; element = xml_again(element)) {
        struct dav_prop_filter *prop = arena_one(r->arena, struct dav_prop_filter);

        prop->name = xml_attr(element, "name");
        *end = prop;
        end = &prop->next;
        st = count_part(r, element);
        if (st == ST_OK)
            st = read_absent(r, element, &prop->absent);
        if (st == ST_OK)
            st = read_ranges(r, element, &prop->has_range, &prop->range);
        if (st == ST_OK)
            st = read_text(r, element, &prop->text);
        if (st == ST_OK)
            st = read_params(r, element, &prop->params);
    }
    return st;
}

static bool has_times(enum ical_comp_id id)
{
    return id == ICAL_VEVENT || id == ICAL_VTODO || id == ICAL_VJOURNAL || id == ICAL_VFREEBUSY ||
           id == ICAL_VALARM;
}

/* The depth is that of the XML, which has a limit. */
static enum st read_comp(struct reading *r, const struct xml_element *element,
                         struct dav_comp_filter **comp_r)
{
    struct dav_comp_filter *comp = arena_one(r->arena, struct dav_comp_filter);
    struct dav_comp_filter **end = &comp->comps;
    const struct xml_element *child = xml_child(element, XML_CALDAV, "comp-filter");
    enum st st = count_part(r, element);

    *comp_r = comp;
    comp->name = xml_attr(element, "name");
    comp->id = ical_comp_id(comp->name);
    if (st == ST_OK)
        st = read_absent(r, element, &comp->absent);
    if (st == ST_OK)
        st = read_ranges(r, element, &comp->has_range, &comp->range);
    if (st == ST_OK && comp->has_range && !has_times(comp->id))
        st = refuse(r->fault, "valid-filter", "Such a component has no times");
    if (st == ST_OK)
        st = read_props(r, element, &comp->props);
    for (; st == ST_OK && child != NULL; child = xml_again(child)) {
        st = read_comp(r, child, end);
        end = &(*end)->next;
    }
    return st;
}

enum st dav_filter_read(struct arena *arena, const struct xml_element *filter,
                        struct dav_comp_filter **filter_r, struct dav_fault *fault_r)
{
    struct reading r = {arena, fault_r, 0};
    const struct xml_element *root = xml_child(filter, XML_CALDAV, "comp-filter");

    if (root == NULL || xml_again(root) != NULL ||
        !slice_ieq(xml_attr(root, "name"), SLICE("VCALENDAR")))
        return refuse(fault_r, "valid-filter", "A filter holds one comp-filter for VCALENDAR");
    return read_comp(&r, root, filter_r);
}

/* --- by the row --- */

static bool kind_of(enum ical_comp_id id, enum store_event_kind *kind_r)
{
    static const enum ical_comp_id ids[] = {
        [STORE_EVENT] = ICAL_VEVENT, [STORE_TODO] = ICAL_VTODO, [STORE_JOURNAL] = ICAL_VJOURNAL};

    for (size_t i = 0; i < COUNT(ids); i++) {
        *kind_r = (enum store_event_kind)i;
        if (ids[i] == id)
            return true;
    }
    return false;
}

static int64_t earlier(int64_t at_s)
{
    return at_s < INT64_MIN + CLOCKS_S ? INT64_MIN : at_s == INT64_MAX ? at_s : at_s - CLOCKS_S;
}

static int64_t later(int64_t at_s)
{
    return at_s > INT64_MAX - CLOCKS_S ? INT64_MAX : at_s == INT64_MIN ? at_s : at_s + CLOCKS_S;
}

static enum dav_look look_at_range(const struct dav_comp_filter *comp,
                                   const struct store_event *row)
{
    if (earlier(row->first_s) >= comp->range.end_s || later(row->last_s) < comp->range.start_s)
        return DAV_LOOK_NO;
    if (comp->id == ICAL_VEVENT && (row->flags & STORE_EVENT_REPEATS) == 0 &&
        later(row->first_s) < comp->range.end_s && earlier(row->last_s) > comp->range.start_s)
        return DAV_LOOK_YES;
    return DAV_LOOK_INSIDE;
}

static enum dav_look look_at_comp(const struct dav_comp_filter *comp, const struct store_event *row)
{
    enum store_event_kind kind;
    enum dav_look look = DAV_LOOK_YES;

    if (!kind_of(comp->id, &kind))
        return DAV_LOOK_INSIDE;
    if (comp->absent || kind != row->kind)
        return comp->absent == (kind != row->kind) ? DAV_LOOK_YES : DAV_LOOK_NO;
    if (comp->has_range)
        look = look_at_range(comp, row);
    return look == DAV_LOOK_YES && (comp->props != NULL || comp->comps != NULL) ? DAV_LOOK_INSIDE
                                                                                : look;
}

enum dav_look dav_filter_look(const struct dav_comp_filter *filter, const struct store_event *row)
{
    enum dav_look all = filter->props != NULL ? DAV_LOOK_INSIDE : DAV_LOOK_YES;

    if (filter->absent)
        return DAV_LOOK_NO;
    for (const struct dav_comp_filter *comp = filter->comps; comp != NULL; comp = comp->next) {
        enum dav_look look = look_at_comp(comp, row);

        if (look == DAV_LOOK_NO)
            return DAV_LOOK_NO;
        if (look == DAV_LOOK_INSIDE)
            all = DAV_LOOK_INSIDE;
    }
    return all;
}

bool dav_filter_window(const struct dav_comp_filter *filter, struct calendar_range *window_r)
{
    enum store_event_kind kind;

    for (const struct dav_comp_filter *comp = filter->comps; comp != NULL; comp = comp->next)
        if (comp->has_range && kind_of(comp->id, &kind)) {
            window_r->start_s = earlier(comp->range.start_s);
            window_r->end_s = later(comp->range.end_s);
            return true;
        }
    return false;
}

/* --- by what is in it --- */

static char folded(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* A part of the text is the other one, by i;ascii-casemap (RFC 4790 section 9.2). */
static bool has_part(struct slice text, struct slice part)
{
    if (part.len == 0)
        return true;
    for (size_t i = 0; i + part.len <= text.len; i++)
        if (folded(text.ptr[i]) == folded(part.ptr[0]) &&
            slice_ieq(slice_sub(text, i, part.len), part))
            return true;
    return false;
}

static bool text_has(const struct dav_text_match *match, struct slice text)
{
    return match->octet ? slice_find_slice(text, match->text) != SIZE_MAX
                        : has_part(text, match->text);
}

static bool param_matches(const struct dav_param_filter *filter, const struct ical_prop *prop)
{
    const struct ical_param *param = ical_param_find(prop, filter->name);
    bool found = false;

    if (param == NULL || filter->absent)
        return filter->absent == (param == NULL);
    if (!filter->text.asked)
        return true;
    for (size_t i = 0; i < param->count; i++)
        found |= text_has(&filter->text, param->values[i].text);
    return found != filter->text.negate;
}

static bool value_matches(const struct dav_prop_filter *filter, struct dav_match *match,
                          const struct ical_prop *prop)
{
    if (!filter->text.asked)
        return true;
    struct slice value = prop->value;
    if (ical_prop_type(prop) == ICAL_TYPE_TEXT) {
        arena_reset(match->scratch);
        value = ical_text_decode(match->scratch, value);
    }
    return text_has(&filter->text, value) != filter->text.negate;
}

static bool prop_matches(const struct dav_prop_filter *filter, struct dav_match *match,
                         const struct ical_prop *prop)
{
    if (filter->has_range && !calendar_range_has(match->tz, match->floating, prop, filter->range))
        return false;
    if (!value_matches(filter, match, prop))
        return false;
    for (const struct dav_param_filter *param = filter->params; param != NULL; param = param->next)
        if (!param_matches(param, prop))
            return false;
    return true;
}

static bool has_prop(const struct dav_prop_filter *filter, struct dav_match *match,
                     const struct ical_comp *comp)
{
    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
        if (slice_ieq(prop->name, filter->name) &&
            (filter->absent || prop_matches(filter, match, prop)))
            return !filter->absent;
    return filter->absent;
}

static bool in_range(const struct dav_comp_filter *filter, struct dav_match *match,
                     const struct ical_comp *comp)
{
    struct ical_error none;
    bool overlaps = true;

    if (match->ranges_left == 0)
        return true;
    match->ranges_left--;
    arena_reset(match->scratch);
    enum st st =
        calendar_range_overlaps(match->scratch, match->vcalendar, comp, match->tz, match->floating,
                                ICAL_RECUR_STEPS_MAX, filter->range, &overlaps, &none);
    return st == ST_OK && overlaps;
}

static bool has_comp(const struct dav_comp_filter *filter, struct dav_match *match,
                     const struct ical_comp *comps);

static bool comp_matches(const struct dav_comp_filter *filter, struct dav_match *match,
                         const struct ical_comp *comp)
{
    for (const struct dav_prop_filter *prop = filter->props; prop != NULL; prop = prop->next)
        if (!has_prop(prop, match, comp))
            return false;
    for (const struct dav_comp_filter *child = filter->comps; child != NULL; child = child->next)
        if (!has_comp(child, match, comp->comps))
            return false;
    return !filter->has_range || in_range(filter, match, comp);
}

static bool has_comp(const struct dav_comp_filter *filter, struct dav_match *match,
                     const struct ical_comp *comps)
{
    for (; comps != NULL; comps = comps->next)
        if (slice_ieq(comps->name, filter->name) &&
            (filter->absent || comp_matches(filter, match, comps)))
            return !filter->absent;
    return filter->absent;
}

bool dav_filter_match(const struct dav_comp_filter *filter, struct dav_match *match)
{
    return !filter->absent && comp_matches(filter, match, match->vcalendar);
}
