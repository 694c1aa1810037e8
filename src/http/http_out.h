/* http_out.h: a bounded pipe between a thread that produces a reply and the one that sends it. */
#pragma once
#include "http/http.h"

#include <sys/types.h>

struct http_out *http_out_new(const struct http_stream *stream);
/* At most cap bytes; waits for the first of them, and starts the producer at the first call. 0: the
 * end. -1: the producer failed. */
ssize_t http_out_read(struct http_out *out, char *room, size_t cap);
void http_out_free(struct http_out **out); /* tells the producer to end and waits for it */
