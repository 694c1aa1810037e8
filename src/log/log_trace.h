/* log_trace.h: the record of messages: the lines of the events marked TRACE, kept in files by day.
 *
 * A line is one write(2) to a file opened for appending, without a sync: what a crash of the
 * process leaves is whole; what the machine loses with its power is a few seconds of it. Files are
 * trace-2026-01-02.log and, where a day is long, trace-2026-01-02.log.000002 and on. */
#pragma once
#include "base/base.h"

struct log_trace_limits {
    uint64_t days;      /* today's counted; 0: no record */
    uint64_t bytes_max; /* of all files together, give or take an eighth */
};

/* Lines are kept in the folder from now on, which is made where it is missing. ST_IO and others:
 * it cannot be written to; it is tried again now and then. */
MUST_USE enum st log_trace_open(const char *folder, const struct log_trace_limits *limits,
                                int64_t now_ms);
/* Other limits: what is over them goes at once. */
void log_trace_limit(const struct log_trace_limits *limits, int64_t now_ms);
void log_trace_close(void);
bool log_trace_is_on(void);
/* Adds the line, which ends in LF; begins another file where it is time to. Any thread. */
void log_trace_write(struct slice line, int64_t now_ms);

/* --- reading, while others write --- */

#define LOG_TRACE_NAME_BYTES 40
/* file: the name of the file the line, without its LF, stands in. Other than ST_OK ends it. */
typedef enum st log_trace_fn(void *ctx, struct slice line, const char *file);
/* Each line from the file named `from` on ("": the oldest); a piece of a file is held at a time. */
MUST_USE enum st log_trace_each(const char *from, log_trace_fn *fn, void *ctx);
/* Each whole line among the last `bytes` of the newest file. */
MUST_USE enum st log_trace_tail(size_t bytes, log_trace_fn *fn, void *ctx);
