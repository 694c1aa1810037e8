/* utf8.h: UTF-8, a character at a time (RFC 3629). Pure. */
#pragma once
#include "base/base.h"

struct buf;

/* Length of the character that text, which is not empty, begins with; 0: there is none; SIZE_MAX:
 * it is cut off. */
size_t utf8_len(struct slice text);
/* The same, and which character it is. */
size_t utf8_point(struct slice text, uint32_t *point_r);
/* Appends a character; false, and nothing, where point is none (a surrogate, above 10FFFF). Look at
 * out->over afterwards. */
bool utf8_put(uint32_t point, struct buf *out);
/* Whether all of it is whole characters. */
bool utf8_valid(struct slice text);
/* Whether no byte is beyond ASCII. */
bool utf8_ascii(struct slice text);
