/* ctl_progress.h: how far long work is, on a terminal: done, rate and what is left of the time. */
#pragma once
#include "base/base.h"

struct buf;

struct ctl_progress {
    const char *unit;     /* "messages" */
    uint64_t total_bytes; /* 0: not known */
    uint64_t total_count; /* 0: not known; of work that has no bytes */
    uint64_t count;
    uint64_t bytes;
    uint64_t begun_ms;
    uint64_t told_ms;
    bool terminal;
};

void ctl_progress_begin(struct ctl_progress *progress, const char *unit, uint64_t total_bytes);
/* What was done since the last call; writes to standard error now and then. */
void ctl_progress_step(struct ctl_progress *progress, uint64_t count, uint64_t bytes);
void ctl_progress_end(struct ctl_progress *progress); /* clears the line */
/* The line for the time that has passed; pure. */
void ctl_progress_write(const struct ctl_progress *progress, uint64_t passed_ms, struct buf *out);
