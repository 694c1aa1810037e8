/* ctl_queue.h: what the queue's commands share. Inside ctl/. */
#pragma once
#include "ctl/ctl_cmd.h"

/* The filters among the options as arguments of a call, into args. An exit status, the sentence
 * printed. */
int ctl_queue_filter(struct ctl *ctl, json_t *args);
/* "now", "in 12 s", "held", "report due": when a recipient is tried next. */
const char *ctl_queue_next(struct arena *arena, const json_t *row);
/* The order of two events of a record: by time in ms, then as they came. */
int ctl_trace_order(int64_t x_ms, size_t x_number, int64_t y_ms, size_t y_number);
/* Appends the template, where $key stands for a field of the event of the record of messages. */
void ctl_trace_fill(struct ctl *ctl, const char *template, const json_t *event, struct buf *out);
