/* ical.h: iCalendar text (RFC 5545) as a tree in an arena, read, written and edited. Pure.
 *
 * What is not known is kept and written back where it stood. Slices of a parsed tree lie in its
 * arena; the text that was parsed is not needed any more. */
#pragma once
#include "base/base.h"

struct arena;
struct buf;

#define ICAL_LINE_COLS 75 /* octets of a written line without its end (RFC 5545 section 3.1) */

/* Types of values (RFC 5545 section 3.3). */
enum ical_type {
#define ICAL_TYPE(id, name) ICAL_TYPE_##id,
#include "ical/ical_type.def"
    ICAL_TYPE_MAX,
};

/* Properties; ICAL_OTHER is any that is not in the table. */
enum ical_prop_id {
    ICAL_OTHER = 0,
#define ICAL_PROP(id, name, type, also, list, where) ICAL_##id,
#include "ical/ical_prop.def"
    ICAL_PROP_MAX,
};

/* Components; the order is that of the columns in ical_prop.def. */
enum ical_comp_id {
    ICAL_VCALENDAR,
    ICAL_VEVENT,
    ICAL_VTODO,
    ICAL_VJOURNAL,
    ICAL_VFREEBUSY,
    ICAL_VTIMEZONE,
    ICAL_STANDARD,
    ICAL_DAYLIGHT,
    ICAL_VALARM,
    ICAL_VAVAILABILITY,
    ICAL_AVAILABLE,
    ICAL_COMP_OTHER,
    ICAL_COMP_MAX,
};

struct ical_param_value {
    struct slice text; /* without quotes, RFC 6868 decoded: may have line feeds and quotes in it */
    bool quoted;       /* written in quotes though nothing in it asks for them */
};

struct ical_param {
    struct ical_param *next;
    struct slice name; /* as written */
    struct ical_param_value *values;
    size_t count; /* 1 or more */
};

struct ical_prop {
    struct ical_prop *next;
    enum ical_prop_id id;
    unsigned line;      /* where it began, from 1; 0: not read but made */
    struct slice name;  /* as written */
    struct slice value; /* unfolded, still escaped: its meaning depends on its type */
    struct ical_param *params;
};

struct ical_comp {
    struct ical_comp *next; /* the next one in the same component */
    struct ical_comp *parent;
    enum ical_comp_id id;
    unsigned line;
    struct slice name; /* as written */
    struct ical_prop *props, **props_end;
    struct ical_comp *comps, **comps_end;
};

/* What a text may hold; all are counts of the whole text but depth_max and line_bytes_max. */
struct ical_limits {
    size_t bytes_max;
    size_t lines_max;      /* content lines */
    size_t line_bytes_max; /* of one, unfolded */
    size_t params_max;     /* parameters and their values */
    size_t depth_max;      /* components in components */
};
/* For an object that a client stores: 10 MiB, 200,000 lines, 10 levels. */
extern const struct ical_limits ical_limits_default;
/* How large an arena a text within the limits can need, so that it never runs over. */
size_t ical_limits_arena_bytes(const struct ical_limits *limits);

/* Why a text was refused: a sentence without the line, ASCII. */
struct ical_error {
    unsigned line; /* from 1; 0: the whole */
    char text[160];
};
void ical_error_set(struct ical_error *error, unsigned line, const char *fmt, ...) PRINTF(3, 4);

/* The components of the outermost level, linked by next: usually one VCALENDAR (RFC 5545 section
 * 3.4 allows more, and whether there are is the caller's question). Lines may end with LF alone,
 * empty ones and a byte order mark are passed over. ST_INVALID: no iCalendar, not UTF-8, a control
 * character, or nothing at all; ST_TOO_BIG: over a limit. *error_r is set with both. The arena
 * keeps what was made of it until then. */
MUST_USE enum st ical_parse(struct arena *arena, struct slice text,
                            const struct ical_limits *limits, struct ical_comp **comps_r,
                            struct ical_error *error_r);
/* Appends the component and what is in it, each line folded at 75 octets and never inside a
 * character, with CR LF. Look at out->over afterwards. */
void ical_write(const struct ical_comp *comp, struct buf *out);
void ical_write_prop(const struct ical_prop *prop, struct buf *out);

/* Looking. Names are compared without regard to case. NULL: there is none. */
struct ical_prop *ical_prop_find(const struct ical_comp *comp, enum ical_prop_id id);
struct ical_prop *ical_prop_next(const struct ical_prop *prop); /* the next of the same id */
struct ical_prop *ical_prop_find_name(const struct ical_comp *comp, struct slice name);
struct ical_comp *ical_comp_find(const struct ical_comp *comp, enum ical_comp_id id);
struct ical_comp *ical_comp_next(const struct ical_comp *comp); /* the next of the same id */
bool ical_comp_is_entry(const struct ical_comp *comp);          /* a VEVENT, VTODO or VJOURNAL */
struct ical_param *ical_param_find(const struct ical_prop *prop, const char *name);
/* The parameter's first value, or the empty slice. */
struct slice ical_param_text(const struct ical_prop *prop, const char *name);
/* The property's value, or the empty slice. */
struct slice ical_prop_value(const struct ical_comp *comp, enum ical_prop_id id);

/* Names and types. */
enum ical_prop_id ical_prop_id(struct slice name);
enum ical_comp_id ical_comp_id(struct slice name);
const char *ical_prop_name(enum ical_prop_id id);
const char *ical_comp_name(enum ical_comp_id id); /* of ICAL_COMP_OTHER "component" */
const char *ical_type_name(enum ical_type id);
/* By VALUE, else the property's own; ICAL_TYPE_MAX: VALUE names none of the table. */
enum ical_type ical_prop_type(const struct ical_prop *prop);
/* Whether the property may have that type, whether several values with commas between them, and
 * how often it may stand in a component: '1' once, 'o' at most once, '+' once or more, '*' any
 * number, '-' never. An unknown property may do anything. */
bool ical_prop_allows(enum ical_prop_id id, enum ical_type type);
bool ical_prop_is_list(enum ical_prop_id id);
char ical_prop_often(enum ical_prop_id id, enum ical_comp_id comp);

/* Editing. What is made borrows name, value and texts: they must live as long as the arena. Control
 * characters in a value become blanks, so that nothing ends a line. */
struct ical_comp *ical_comp_new(struct arena *arena, enum ical_comp_id id);
void ical_comp_add(struct ical_comp *parent, struct ical_comp *comp);
void ical_comp_remove(struct ical_comp *comp); /* from its parent */
struct ical_prop *ical_prop_add(struct arena *arena, struct ical_comp *comp, enum ical_prop_id id,
                                struct slice value);
/* Replaces the first one's value and parameters, or adds it. */
struct ical_prop *ical_prop_set(struct arena *arena, struct ical_comp *comp, enum ical_prop_id id,
                                struct slice value);
void ical_prop_remove_all(struct ical_comp *comp, enum ical_prop_id id);
void ical_param_set(struct arena *arena, struct ical_prop *prop, const char *name,
                    struct slice text);
void ical_param_remove(struct ical_prop *prop, const char *name);
/* A copy of the component and what is in it; slices are shared with the original. */
struct ical_comp *ical_comp_copy(struct arena *arena, const struct ical_comp *comp);

/* TEXT (RFC 5545 section 3.3.11): "\n", "\,", "\;" and "\\" undone, in the arena where there are
 * any; a '\' before anything else stays. */
struct slice ical_text_decode(struct arena *arena, struct slice value);
void ical_text_encode(struct slice text, struct buf *out);
