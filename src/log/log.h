/* log.h: one logfmt line per event. Every event is a row of log_event.def and counts itself.
 *
 *   log_event(EV_SMTP_ACCEPTED, sid, LOG_S("from", from), LOG_U("bytes", size));
 *
 * writes  ts=2026-01-02T03:04:05.678Z level=info event=smtp_accepted sid=1f from=<a@b> bytes=10240
 * Values are quoted where they must be, so nothing a peer says can forge a line or a field. */
#pragma once
#include "base/base.h"
#include "base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

enum log_id {
#define EVENT(name, level, record, help) EV_##name,
#include "log/log_event.def"
    EV_MAX,
};

enum count_id {
#define COUNTER(name, kind, help) COUNT_##name,
#include "log/counter.def"
    COUNT_ID_MAX,
};

struct log_field {
    const char *key;
    enum { LOG_FIELD_TEXT, LOG_FIELD_UNSIGNED, LOG_FIELD_SIGNED } type;
    struct slice text;
    uint64_t number;
};
#define LOG_S(k, s) ((struct log_field){(k), LOG_FIELD_TEXT, (s), 0})
#define LOG_C(k, cstr) ((struct log_field){(k), LOG_FIELD_TEXT, slice_str(cstr), 0})
#define LOG_U(k, n) ((struct log_field){(k), LOG_FIELD_UNSIGNED, {NULL, 0}, (uint64_t)(n)})
#define LOG_I(k, n) ((struct log_field){(k), LOG_FIELD_SIGNED, {NULL, 0}, (uint64_t)(int64_t)(n)})

#define LOG_NONE ((struct log_field){NULL, LOG_FIELD_TEXT, {NULL, 0}, 0})

/* sid: the session's id, 0 where there is none. At least one field; LOG_NONE where there is none.
 */
#define log_event(id, sid, ...) \
    log_write((id), (sid), (struct log_field[]){__VA_ARGS__}, \
              COUNT(((struct log_field[]){__VA_ARGS__})))
void log_write(enum log_id id, uint64_t sid, const struct log_field *fields, size_t count);

void log_open(int fd);           /* where lines go; standard error until called */
void log_name(const char *name); /* in each line, as at=; for servers that share a log; literal */
void log_level_set(enum log_level level);    /* events below it are counted, not written */
void count_add(enum count_id id, int64_t n); /* gauges may go down */
uint64_t count_of(enum count_id id);
uint64_t count_of_event(enum log_id id);

struct buf;
/* Every counter and every event's count in Prometheus text format 0.0.4. */
void count_write(struct buf *out);
