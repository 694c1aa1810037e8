/* mime_part.h: the tree of a message's parts (RFC 2045, 2046), and finding one by number. */
#pragma once
#include "base/base.h"
#include "mime/mime_param.h"

enum mime_kind {
    MIME_LEAF,      /* nothing below */
    MIME_MULTIPART, /* children are its parts; there may be none */
    MIME_MESSAGE,   /* message/rfc822 or message/global: its one child is the message inside */
    MIME_KIND_MAX,
};

struct mime_word {
    struct mime_word *next;
    struct slice text;
};

/* A slice whose ptr is NULL: there is no such field. Fields are unfolded, not decoded. */
struct mime_part {
    struct mime_part *parent;
    struct mime_part *next; /* the following part of the same multipart */
    struct mime_part *child;
    enum mime_kind kind;
    struct slice type; /* lower case, never empty; text/plain where the field is missing or bad */
    struct slice subtype; /* lower case, never empty */
    const struct mime_param *params;
    struct slice id;
    struct slice description;
    struct slice encoding; /* Content-Transfer-Encoding, lower case, never empty: "7bit" */
    struct slice md5;
    struct slice disposition; /* lower case */
    const struct mime_param *disposition_params;
    struct mime_word *language;
    struct slice location;
    struct slice envelope; /* IMAP's form; of the root and of the child of a MIME_MESSAGE only */
    uint64_t header_start; /* bytes from the start of the whole message */
    uint64_t body_start;   /* after the blank line */
    uint64_t body_end;     /* the line end before a delimiter belongs to the delimiter */
    uint64_t lines;        /* line ends in the body */
};

/* The part that a section's numbers name (RFC 3501 section 6.4.5), "1.2.3"; NULL if there is none
 * or the text is no list of numbers. Part 1 of what is no multipart is its own body: then the root,
 * or the message inside a message/rfc822, is returned, and its body is meant. For N.HEADER and
 * N.TEXT take the child of the MIME_MESSAGE found for N; the empty section is the root. */
const struct mime_part *mime_part_find(const struct mime_part *root, struct slice section);
/* ASCII case aside. */
bool mime_part_is(const struct mime_part *part, struct slice type, struct slice subtype);
/* Whether a type is message/rfc822 or its UTF-8 sibling message/global (RFC 6532). */
bool mime_part_is_message(const struct mime_part *part);
