/* What clients may change about a calendar, property by property. */
#include "conf/conf.h"
#include "dav/dav_prop.h"
#include "dav/dav_tag.h"
#include "ical/ical.h"

#define COLOR_BYTES_MAX 64

static struct slice text_of(const struct xml_element *element)
{
    return element != NULL ? element->text : SLICE("");
}

static enum st set_text(struct slice *to, const struct xml_element *element, size_t bytes_max)
{
    struct slice text = text_of(element);

    if (text.len > bytes_max)
        return ST_INVALID;
    *to = text;
    return ST_OK;
}

enum st dav_set_displayname(struct dav_setting *setting, const struct xml_element *element)
{
    return set_text(&setting->calendar->title, element, STORE_NAME_BYTES_MAX);
}

enum st dav_set_description(struct dav_setting *setting, const struct xml_element *element)
{
    return set_text(&setting->calendar->description, element, STORE_CALENDAR_TEXT_BYTES_MAX);
}

enum st dav_set_color(struct dav_setting *setting, const struct xml_element *element)
{
    return set_text(&setting->calendar->color, element, COLOR_BYTES_MAX);
}

/* RFC 4791 section 5.2.2: one VTIMEZONE in a VCALENDAR. */
enum st dav_set_timezone(struct dav_setting *setting, const struct xml_element *element)
{
    struct ical_limits limits = ical_limits_default;
    struct ical_comp *calendar = NULL;
    struct ical_error error;

    if (element == NULL)
        return set_text(&setting->calendar->zone, element, 0);
    limits.bytes_max = STORE_CALENDAR_TEXT_BYTES_MAX;
    limits.lines_max = STORE_CALENDAR_TEXT_BYTES_MAX / 4;
    limits.params_max = STORE_CALENDAR_TEXT_BYTES_MAX / 4;
    struct arena *arena = arena_new("timezone", ical_limits_arena_bytes(&limits));
    enum st st = ical_parse(arena, slice_trim(element->text), &limits, &calendar, &error);
    if (st != ST_OK || calendar->id != ICAL_VCALENDAR || calendar->next != NULL ||
        calendar->comps == NULL || calendar->comps->id != ICAL_VTIMEZONE ||
        calendar->comps->next != NULL)
        st = ST_INVALID;
    arena_free(&arena);
    return st != ST_OK ? ST_INVALID
                       : set_text(&setting->calendar->zone, element, STORE_CALENDAR_TEXT_BYTES_MAX);
}

/* A name with a ':' in it would be taken for a VTIMEZONE. */
enum st dav_set_timezone_id(struct dav_setting *setting, const struct xml_element *element)
{
    if (slice_find(text_of(element), ':') != SIZE_MAX)
        return ST_INVALID;
    return set_text(&setting->calendar->zone, element, STORE_NAME_BYTES_MAX);
}

enum st dav_set_components(struct dav_setting *setting, const struct xml_element *element)
{
    uint64_t components = 0;

    if (!setting->making)
        return ST_DENIED; /* RFC 4791 section 5.2.3 */
    for (const struct xml_element *comp = xml_child(element, XML_CALDAV, "comp"); comp != NULL;
         comp = xml_again(comp)) {
        unsigned kind = 0;

        while (kind < DAV_COMPONENTS &&
               !slice_ieq(xml_attr(comp, "name"), slice_str(dav_components[kind])))
            kind++;
        if (kind < DAV_COMPONENTS)
            components |= UINT64_C(1) << kind;
        else if (!slice_ieq(xml_attr(comp, "name"), SLICE("VFREEBUSY")) &&
                 !slice_ieq(xml_attr(comp, "name"), SLICE("VTIMEZONE")))
            return ST_INVALID; /* those two are no objects of their own, and some clients ask */
    }
    if (components == 0)
        return ST_INVALID;
    setting->calendar->components = components;
    return ST_OK;
}

enum st dav_set_transp(struct dav_setting *setting, const struct xml_element *element)
{
    bool transparent = xml_child(element, XML_CALDAV, "transparent") != NULL;

    if (element != NULL && !transparent && xml_child(element, XML_CALDAV, "opaque") == NULL)
        return ST_INVALID;
    setting->calendar->transparent = transparent;
    return ST_OK;
}

enum st dav_set_order(struct dav_setting *setting, const struct xml_element *element)
{
    uint64_t order = 0;

    if (element != NULL && slice_to_u64(slice_trim(element->text), &order) != ST_OK)
        return ST_INVALID;
    if (order > INT32_MAX)
        return ST_INVALID;
    setting->calendar->sort = (int64_t)order;
    return ST_OK;
}

/* At the making it says what is made (RFC 5689 section 5.1). */
enum st dav_set_resourcetype(struct dav_setting *setting, const struct xml_element *element)
{
    if (!setting->making)
        return ST_DENIED;
    for (const struct xml_element *type = element != NULL ? element->children : NULL; type != NULL;
         type = type->next)
        if (!xml_is(type, XML_DAV, "collection") && !xml_is(type, XML_CALDAV, "calendar"))
            return ST_INVALID;
    return xml_child(element, XML_CALDAV, "calendar") != NULL ? ST_OK : ST_INVALID;
}
