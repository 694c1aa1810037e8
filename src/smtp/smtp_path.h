/* smtp_path.h: the paths and parameters of MAIL and RCPT (RFC 5321 section 4.1.2). Pure. */
#pragma once
#include "base/base.h"

struct arena;

#define SMTP_LOCAL_BYTES_MAX 64
#define SMTP_DOMAIN_BYTES_MAX 255

struct smtp_path {
    struct slice text;   /* what stood between the angle brackets, source route dropped */
    struct slice local;  /* unquoted; in the arena */
    struct slice domain; /* "" for <postmaster> and <>; "[192.0.2.1]" for a literal */
    bool null;           /* <> */
};

/* Takes the path off the front of *rest, "<" to ">". utf8: RFC 6531's characters are allowed.
 * ST_INVALID: no path; ST_TOO_BIG: a part is longer than RFC 5321 section 4.5.3.1 lets it be. */
MUST_USE enum st smtp_path_parse(struct arena *arena, struct slice *rest, bool utf8,
                                 struct smtp_path *path_r);
/* Takes the next " KEYWORD[=value]" off the front; ST_NOT_FOUND at the end, ST_INVALID. */
MUST_USE enum st smtp_param_next(struct slice *rest, struct slice *keyword_r,
                                 struct slice *value_r);
