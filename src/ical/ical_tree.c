/* Looking into the tree and changing it. */
#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical.h"

#include <string.h>

struct ical_prop *ical_prop_find(const struct ical_comp *comp, enum ical_prop_id id)
{
    struct ical_prop *prop = comp->props;

    while (prop != NULL && prop->id != id)
        prop = prop->next;
    return prop;
}

struct ical_prop *ical_prop_next(const struct ical_prop *prop)
{
    struct ical_prop *next = prop->next;

    while (next != NULL && next->id != prop->id)
        next = next->next;
    return next;
}

struct ical_prop *ical_prop_find_name(const struct ical_comp *comp, struct slice name)
{
    struct ical_prop *prop = comp->props;

    while (prop != NULL && !slice_ieq(prop->name, name))
        prop = prop->next;
    return prop;
}

struct ical_comp *ical_comp_find(const struct ical_comp *comp, enum ical_comp_id id)
{
    struct ical_comp *sub = comp->comps;

    while (sub != NULL && sub->id != id)
        sub = sub->next;
    return sub;
}

struct ical_comp *ical_comp_next(const struct ical_comp *comp)
{
    struct ical_comp *next = comp->next;

    while (next != NULL && next->id != comp->id)
        next = next->next;
    return next;
}

bool ical_comp_is_entry(const struct ical_comp *comp)
{
    return comp->id == ICAL_VEVENT || comp->id == ICAL_VTODO || comp->id == ICAL_VJOURNAL;
}

struct ical_param *ical_param_find(const struct ical_prop *prop, const char *name)
{
    struct ical_param *param = prop->params;

    while (param != NULL && !slice_ieq(param->name, slice_str(name)))
        param = param->next;
    return param;
}

struct slice ical_param_text(const struct ical_prop *prop, const char *name)
{
    const struct ical_param *param = ical_param_find(prop, name);

    return param != NULL ? param->values[0].text : SLICE("");
}

struct slice ical_prop_value(const struct ical_comp *comp, enum ical_prop_id id)
{
    const struct ical_prop *prop = ical_prop_find(comp, id);

    return prop != NULL ? prop->value : SLICE("");
}

struct ical_comp *ical_comp_new(struct arena *arena, enum ical_comp_id id)
{
    struct ical_comp *comp = arena_one(arena, struct ical_comp);

    comp->id = id;
    comp->name = slice_str(ical_comp_name(id));
    comp->props_end = &comp->props;
    comp->comps_end = &comp->comps;
    return comp;
}

void ical_comp_add(struct ical_comp *parent, struct ical_comp *comp)
{
    comp->parent = parent;
    comp->next = NULL;
    *parent->comps_end = comp;
    parent->comps_end = &comp->next;
}

void ical_comp_remove(struct ical_comp *comp)
{
    struct ical_comp **at = &comp->parent->comps;

    while (*at != comp)
        at = &(*at)->next;
    *at = comp->next;
    if (comp->parent->comps_end == &comp->next)
        comp->parent->comps_end = at;
    comp->parent = NULL;
    comp->next = NULL;
}

/* What would end a line, or is not allowed in one, becomes a blank. */
static struct slice clean(struct arena *arena, struct slice value)
{
    size_t i = 0;

    while (i < value.len && ((unsigned char)value.ptr[i] >= ' ' || value.ptr[i] == '\t') &&
           value.ptr[i] != 0x7f)
        i++;
    if (i == value.len)
        return value;
    char *copy = slice_cstr(arena, value);
    for (; i < value.len; i++)
        if (((unsigned char)copy[i] < ' ' && copy[i] != '\t') || copy[i] == 0x7f)
            copy[i] = ' ';
    return (struct slice){copy, value.len};
}

struct ical_prop *ical_prop_add(struct arena *arena, struct ical_comp *comp, enum ical_prop_id id,
                                struct slice value)
{
    struct ical_prop *prop = arena_one(arena, struct ical_prop);

    assert(id != ICAL_OTHER);
    prop->id = id;
    prop->name = slice_str(ical_prop_name(id));
    prop->value = clean(arena, value);
    *comp->props_end = prop;
    comp->props_end = &prop->next;
    return prop;
}

struct ical_prop *ical_prop_set(struct arena *arena, struct ical_comp *comp, enum ical_prop_id id,
                                struct slice value)
{
    struct ical_prop *prop = ical_prop_find(comp, id);

    if (prop == NULL)
        return ical_prop_add(arena, comp, id, value);
    prop->value = clean(arena, value);
    prop->params = NULL;
    return prop;
}

void ical_prop_remove_all(struct ical_comp *comp, enum ical_prop_id id)
{
    struct ical_prop **at = &comp->props;

    while (*at != NULL) {
        if ((*at)->id == id)
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
    comp->props_end = at;
}

void ical_param_remove(struct ical_prop *prop, const char *name)
{
    struct ical_param **at = &prop->params;

    while (*at != NULL) {
        if (slice_ieq((*at)->name, slice_str(name)))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

void ical_param_set(struct arena *arena, struct ical_prop *prop, const char *name,
                    struct slice text)
{
    struct ical_param *param = ical_param_find(prop, name);

    if (param == NULL) {
        struct ical_param **last = &prop->params;

        while (*last != NULL)
            last = &(*last)->next;
        param = *last = arena_one(arena, struct ical_param);
        param->name = slice_str(name);
    }
    param->values = arena_one(arena, struct ical_param_value);
    param->values[0].text = text;
    param->count = 1;
}

static struct ical_param *copy_params(struct arena *arena, const struct ical_param *from)
{
    struct ical_param *first = NULL;

    for (struct ical_param **last = &first; from != NULL; from = from->next) {
        struct ical_param *param = arena_one(arena, struct ical_param);

        *param = *from;
        param->next = NULL;
        param->values = arena_many(arena, struct ical_param_value, from->count);
        memcpy(param->values, from->values, from->count * sizeof(*from->values));
        *last = param;
        last = &param->next;
    }
    return first;
}

/* The copy of one component without those in it. */
static struct ical_comp *copy_one(struct arena *arena, const struct ical_comp *from)
{
    struct ical_comp *comp = ical_comp_new(arena, from->id);

    comp->name = from->name;
    comp->line = from->line;
    for (const struct ical_prop *prop = from->props; prop != NULL; prop = prop->next) {
        struct ical_prop *copy = arena_one(arena, struct ical_prop);

        *copy = *prop;
        copy->next = NULL;
        copy->params = copy_params(arena, prop->params);
        *comp->props_end = copy;
        comp->props_end = &copy->next;
    }
    return comp;
}

/* The next one in the order of the text, inside of top; *up_r: how many levels further out. */
static const struct ical_comp *walk(const struct ical_comp *at, const struct ical_comp *top,
                                    size_t *up_r)
{
    *up_r = 0;
    if (at->comps != NULL)
        return at->comps;
    for (; at != top; at = at->parent) {
        *up_r += 1;
        if (at->next != NULL)
            return at->next;
    }
    return NULL;
}

struct ical_comp *ical_comp_copy(struct arena *arena, const struct ical_comp *comp)
{
    struct ical_comp *top = copy_one(arena, comp);
    struct ical_comp *into = top;
    size_t up;

    for (const struct ical_comp *at = walk(comp, comp, &up); at != NULL; at = walk(at, comp, &up)) {
        struct ical_comp *copy = copy_one(arena, at);

        for (; up > 0; up--)
            into = into->parent;
        ical_comp_add(into, copy);
        into = copy;
    }
    return top;
}
