/* The tables of names: types, properties, components. */
#include "base/slice.h"
#include "ical/ical.h"

#include <string.h>
#include <strings.h>

static const char *const type_names[] = {
#define ICAL_TYPE(id, name) name,
#include "ical/ical_type.def"
};

struct prop_row {
    const char *name;
    size_t len;
    enum ical_type type;
    unsigned also;
    bool list;
    const char *often;
};

static const struct prop_row props[] = {
    {"", 0, ICAL_TYPE_TEXT, ~0U, false, "***********"},
#define ICAL_PROP(id, name, type, also, list, often) \
    {name, sizeof(name) - 1, ICAL_TYPE_##type, also, list, often},
#include "ical/ical_prop.def"
};

static const char *const comp_names[] = {
    "VCALENDAR", "VEVENT",   "VTODO",  "VJOURNAL",      "VFREEBUSY", "VTIMEZONE",
    "STANDARD",  "DAYLIGHT", "VALARM", "VAVAILABILITY", "AVAILABLE", "component",
};
static_assert(COUNT(comp_names) == ICAL_COMP_MAX, "a name for each component");
static_assert(COUNT(props) == ICAL_PROP_MAX, "a row for each property");

enum ical_prop_id ical_prop_id(struct slice name)
{
    for (size_t i = 1; i < COUNT(props); i++)
        if (props[i].len == name.len && (props[i].name[0] | 0x20) == (name.ptr[0] | 0x20) &&
            strncasecmp(props[i].name, name.ptr, name.len) == 0)
            return (enum ical_prop_id)i;
    return ICAL_OTHER;
}

enum ical_comp_id ical_comp_id(struct slice name)
{
    for (size_t i = 0; i < ICAL_COMP_OTHER; i++)
        if (slice_ieq(slice_str(comp_names[i]), name))
            return (enum ical_comp_id)i;
    return ICAL_COMP_OTHER;
}

const char *ical_prop_name(enum ical_prop_id id)
{
    return props[id].name;
}

const char *ical_comp_name(enum ical_comp_id id)
{
    return comp_names[id];
}

const char *ical_type_name(enum ical_type id)
{
    return id < ICAL_TYPE_MAX ? type_names[id] : "unknown";
}

enum ical_type ical_prop_type(const struct ical_prop *prop)
{
    const struct ical_param *param = ical_param_find(prop, "VALUE");

    if (param == NULL)
        return props[prop->id].type;
    for (size_t i = 0; i < COUNT(type_names); i++)
        if (slice_ieq(slice_str(type_names[i]), param->values[0].text))
            return (enum ical_type)i;
    return ICAL_TYPE_MAX;
}

bool ical_prop_allows(enum ical_prop_id id, enum ical_type type)
{
    return id == ICAL_OTHER || type == props[id].type || (props[id].also >> type & 1) != 0;
}

bool ical_prop_is_list(enum ical_prop_id id)
{
    return props[id].list;
}

char ical_prop_often(enum ical_prop_id id, enum ical_comp_id comp)
{
    return comp == ICAL_COMP_OTHER ? '*' : props[id].often[comp];
}
