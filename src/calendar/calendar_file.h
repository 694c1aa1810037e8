/* calendar_file.h: a file of many calendar objects taken apart, and objects put together into one.
 * Pure. */
#pragma once
#include "base/base.h"
#include "ical/ical.h"

struct arena;
struct buf;
struct ical_zones;

/* What a file may hold: 256 MiB, 6,000,000 lines. */
extern const struct ical_limits calendar_file_limits;
/* How large an arena a file of that many bytes can need. */
size_t calendar_file_arena_bytes(size_t bytes);

/* --- taken apart --- */

/* The components of one UID. */
struct calendar_file_object {
    struct slice uid; /* empty: a component that has none */
    unsigned line;    /* where the first of them begins */
    const struct ical_comp *const *comps;
    size_t comp_count;
    const struct ical_comp *const *zones; /* the VTIMEZONEs that they name, each once */
    size_t zone_count;
};
/* Objects by their first component. comps are the outermost components of a file: VCALENDARs (RFC
 * 5545 section 3.4), what is in others is passed over. Objects lie in the arena and borrow the
 * tree. */
void calendar_file_split(struct arena *arena, const struct ical_comp *comps,
                         struct calendar_file_object **objects_r, size_t *count_r);
/* The object as a VCALENDAR of its own (RFC 4791 section 4.1): VERSION, PRODID and CALSCALE are its
 * file's; METHOD and what the file says of a whole calendar are left out. */
void calendar_file_write(const struct calendar_file_object *object, struct buf *out);
/* The file's line that gave a line of that VCALENDAR. */
unsigned calendar_file_line(const struct calendar_file_object *object, unsigned line);
/* The name of a new object of that UID, as "UID.ics", in the arena; a UID that could not be a
 * segment of an address is replaced by its digest. */
struct slice calendar_file_name(struct arena *arena, struct slice uid);
/* Whether two objects say the same: their components are equal, and so are VTIMEZONEs whose names
 * zones does not know. What cannot be read equals nothing. */
bool calendar_file_same(struct arena *arena, struct ical_zones *zones, struct slice a,
                        struct slice b);

/* --- put together --- */

/* First all objects are looked at for their zones, then the VCALENDAR is begun and they are put
 * into it. Borrows zones; lies in the arena, which needs 32 MiB. */
struct calendar_merge;
struct calendar_merge *calendar_merge_new(struct arena *arena, struct ical_zones *zones);
void calendar_merge_look(struct calendar_merge *merge, const struct ical_comp *vcalendar);
/* title (NAME, RFC 7986) and color may be empty. */
void calendar_merge_begin(const struct calendar_merge *merge, struct slice title,
                          struct slice color, struct buf *out);
/* False: nothing was written, since it has a VTIMEZONE of a name that means another zone here, or
 * that was not looked at: it must be written as a VCALENDAR of its own. */
bool calendar_merge_put(struct calendar_merge *merge, const struct ical_comp *vcalendar,
                        struct buf *out);
void calendar_merge_end(struct buf *out);
