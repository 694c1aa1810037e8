/* mime_param.h: parameters of Content-Type and Content-Disposition (RFC 2045, 2183, 2231). */
#pragma once
#include "base/base.h"

struct buf;
struct mime_keep;

/* Continuations (RFC 2231 section 3) are joined. A value that gives a charset (section 4) keeps its
 * form, charset'language'percent-encoded, and its name ends in "*": so BODYSTRUCTURE shows it. */
struct mime_param {
    struct mime_param *next;
    struct slice name; /* lower case */
    struct slice value;
};

/* What stands after the type: "; a=b; c*0=d ...". Copies go to keep's arena. Lenient: a value
 * without quotes may have blanks, a semicolon may lack; junk up to the next semicolon is skipped.
 */
struct mime_param *mime_param_parse(struct mime_keep *keep, struct slice text);
/* The value as it stands, or a slice with a NULL ptr. */
struct slice mime_param_get(const struct mime_param *params, struct slice name);
/* The value in UTF-8: RFC 2231 charsets and, against the letter of RFC 2047 section 5 but as sent,
 * encoded words are decoded. False if there is none. */
bool mime_param_decode(const struct mime_param *params, struct slice name, struct buf *out);
