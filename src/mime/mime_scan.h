/* mime_scan.h: finds a message's parts while its bytes pass by (RFC 5322, 2045, 2046). */
#pragma once
#include "base/base.h"
#include "mime/mime_part.h"

struct mime_scan;

/* Beyond any of them the message is still taken; what is too much goes unanalysed. */
struct mime_limits {
    size_t parts_max;        /* more parts of a multipart stay unlisted */
    size_t depth_max;        /* a multipart or message this deep is a leaf; 200 at most */
    size_t header_bytes_max; /* of each header block, the first so many are looked at */
    size_t header_lines_max; /* likewise */
    size_t kept_bytes_max;   /* for all strings of the tree together */
    struct slice own_name;   /* counted where a Received line is "by" it; borrowed; or empty */
};
extern const struct mime_limits mime_limits_default;

/* What SMTP asks about the message's own header. */
struct mime_facts {
    uint32_t received_count;
    uint32_t received_own_count; /* of these, by limits.own_name */
};

/* limits may be NULL for the default; they are copied. */
struct mime_scan *mime_scan_new(const struct mime_limits *limits);
void mime_scan_free(struct mime_scan **scan);
/* Any split; the bytes are not kept. Not after mime_scan_end(). */
void mime_scan_feed(struct mime_scan *scan, struct slice in);
/* The root; it lives as long as the scan. There is always one: any bytes are a message. */
const struct mime_part *mime_scan_end(struct mime_scan *scan);
/* NULL until the end of the root's header has been seen, or the end of the message. */
const struct mime_facts *mime_scan_facts(const struct mime_scan *scan);
