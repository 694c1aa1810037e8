/* slice.h: looking at borrowed bytes: compare, search, cut, read a number. ASCII case only. */
#pragma once
#include "base/base.h"

struct arena;

struct slice slice_str(const char *str); /* NULL gives the empty slice */
bool slice_eq(struct slice a, struct slice b);
bool slice_ieq(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_istarts(struct slice s, struct slice prefix);
/* Byte order, then the shorter first; as memcmp. */
int slice_cmp(struct slice a, struct slice b);
/* Index of the byte, or SIZE_MAX. */
size_t slice_find(struct slice s, char byte);
size_t slice_find_last(struct slice s, char byte);
/* Index of the bytes, or SIZE_MAX. */
size_t slice_find_slice(struct slice s, struct slice needle);
/* The bytes from start, at most len of them; both are cut to what is there. */
struct slice slice_sub(struct slice s, size_t start, size_t len);
struct slice slice_trim(struct slice s); /* blanks, tabs, CR and LF off both ends */
/* Takes what stands before sep off the front of *rest, sep too; false once *rest is used up
 * (its ptr is then NULL), so `while (slice_split(&rest, ',', &part))` sees every part. */
bool slice_split(struct slice *rest, char sep, struct slice *part_r);
/* All bytes must be digits and the value fit. */
MUST_USE enum st slice_to_u64(struct slice s, uint64_t *value_r);
/* A NUL-terminated copy in the arena. Bytes after an embedded NUL stay unseen by C strings. */
char *slice_cstr(struct arena *arena, struct slice s);
/* A lower-case (ASCII) copy in the arena, NUL-terminated. */
struct slice slice_lower(struct arena *arena, struct slice s);
/* How many bytes must be put in, taken out or changed to make one of the other (Levenshtein); both
 * are cut to their first 48. */
size_t slice_edits(struct slice a, struct slice b);
