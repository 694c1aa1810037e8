/* admin_lines.h: an answer that is a JSON object a line, as it comes. Inside admin/. */
#pragma once
#include "admin/admin_call.h"

struct admin_lines {
    struct http_out *out;
    struct buf text;
    uint64_t told_ms; /* when something was said last */
};

void admin_lines_init(struct admin_lines *lines, struct http_out *out);
void admin_lines_fini(struct admin_lines *lines);
/* Drops the object. ST_IO: the peer has left. */
MUST_USE enum st admin_lines_put(struct admin_lines *lines, json_t *object);
MUST_USE enum st admin_lines_flush(struct admin_lines *lines);
/* Whether it is time to say how far the work is: nothing was said for a while. */
bool admin_lines_is_silent(const struct admin_lines *lines);
