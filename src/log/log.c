#include "log/log.h"

#include "base/buf.h"
#include "log/log_trace.h"
#include "sys/sys_time.h"

#include <ctype.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_BYTES_MAX 8000

enum { RECORD_PLAIN, RECORD_TRACE };

static const struct {
    const char *name;
    enum log_level level;
    bool traced;
    const char *help;
} events[] = {
#define EVENT(name, level, record, help) \
    {#name, LOG_##level, RECORD_##record == RECORD_TRACE, help},
#include "log/log_event.def"
};

enum count_kind { COUNT_COUNTER, COUNT_GAUGE };

static const struct {
    const char *name;
    enum count_kind kind;
    const char *help;
} counters[] = {
#define COUNTER(name, kind, help) {#name, COUNT_##kind, help},
#include "log/counter.def"
};

static const char *const level_names[] = {"debug", "info", "warn", "error"};

static atomic_int out_fd = STDERR_FILENO;
static _Atomic(const char *) own_name;
static atomic_int level_min = LOG_INFO;
static atomic_ullong event_counts[EV_MAX];
static atomic_ullong counts[COUNT_ID_MAX];

void log_open(int fd)
{
    atomic_store(&out_fd, fd);
}

void log_name(const char *name)
{
    atomic_store(&own_name, name);
}

void log_level_set(enum log_level level)
{
    atomic_store(&level_min, (int)level);
}

void count_add(enum count_id id, int64_t n)
{
    assert(id < COUNT_ID_MAX);
    atomic_fetch_add_explicit(&counts[id], (unsigned long long)n, memory_order_relaxed);
}

uint64_t count_of(enum count_id id)
{
    assert(id < COUNT_ID_MAX);
    return atomic_load_explicit(&counts[id], memory_order_relaxed);
}

uint64_t count_of_event(enum log_id id)
{
    assert(id < EV_MAX);
    return atomic_load_explicit(&event_counts[id], memory_order_relaxed);
}

#define NAME_BYTES_MAX 64

static void put_lower(struct buf *out, const char *name)
{
    char lower[NAME_BYTES_MAX];
    size_t len = 0;

    for (; name[len] != '\0' && len < sizeof(lower); len++)
        lower[len] = (char)tolower((unsigned char)name[len]);
    buf_put(out, (struct slice){lower, len});
}

/* Quoted when it is empty or holds a blank, a quote, an equals sign or a control character. */
static void put_value(struct buf *out, struct slice value)
{
    bool plain = value.len > 0;

    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];
        plain = plain && c > ' ' && c != '"' && c != '=' && c != '\\' && c != 0x7f;
    }
    if (plain) {
        buf_put(out, value);
        return;
    }
    buf_put(out, SLICE("\""));
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.ptr[i];

        if (c == '"' || c == '\\')
            buf_putf(out, "\\%c", c);
        else if (c < ' ' || c == 0x7f)
            buf_putf(out, "\\x%02x", c);
        else
            buf_put(out, (struct slice){&value.ptr[i], 1});
    }
    buf_put(out, SLICE("\""));
}

/* "2026-01-02T03:04:05"; a thread that logs a lot makes it once a second. */
static const char *stamp_of(time_t now_s)
{
    static _Thread_local char stamp[32];
    static _Thread_local time_t stamp_s;
    struct tm tm;

    if (stamp[0] == '\0' || stamp_s != now_s) {
        gmtime_r(&now_s, &tm);
        strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
        stamp_s = now_s;
    }
    return stamp;
}

static void put_head(struct buf *out, enum log_id id, uint64_t sid, int64_t now_ms)
{
    const char *name = atomic_load_explicit(&own_name, memory_order_relaxed);

    buf_putf(out, "ts=%s.%03dZ level=%s ", stamp_of((time_t)(now_ms / 1000)), (int)(now_ms % 1000),
             level_names[events[id].level]);
    if (name != NULL)
        buf_putf(out, "at=%s ", name);
    buf_put(out, SLICE("event="));
    put_lower(out, events[id].name);
    if (sid != 0)
        buf_putf(out, " sid=%llx", (unsigned long long)sid);
}

static void put_fields(struct buf *out, const struct log_field *fields, size_t count)
{
    for (size_t i = 0; i < count && fields[i].key != NULL; i++) {
        buf_putf(out, " %s=", fields[i].key);
        if (fields[i].type == LOG_FIELD_TEXT)
            put_value(out, fields[i].text);
        else if (fields[i].type == LOG_FIELD_SIGNED)
            buf_putf(out, "%lld", (long long)fields[i].number);
        else
            buf_putf(out, "%llu", (unsigned long long)fields[i].number);
    }
    out->over = false;
    out->bytes_max += 8;
    buf_put(out, SLICE("\n"));
}

void log_write(enum log_id id, uint64_t sid, const struct log_field *fields, size_t count)
{
    AUTO(buf) struct buf line = BUF(LINE_BYTES_MAX);

    assert(id < EV_MAX);
    atomic_fetch_add_explicit(&event_counts[id], 1, memory_order_relaxed);
    bool logged = (int)events[id].level >= atomic_load_explicit(&level_min, memory_order_relaxed);
    bool traced = events[id].traced && log_trace_is_on();
    if (!logged && !traced)
        return;
    int64_t now_ms = sys_now_ms();
    put_head(&line, id, sid, now_ms);
    put_fields(&line, fields, count);
    if (traced)
        log_trace_write(buf_slice(&line), now_ms);
    /* One write per line: lines of threads never mix. A log that cannot be written is lost. */
    if (logged && write(atomic_load(&out_fd), line.ptr, line.len) < 0)
        return;
}

void count_write(struct buf *out)
{
    for (size_t i = 0; i < COUNT_ID_MAX; i++) {
        buf_putf(out, "# HELP posthorse_");
        put_lower(out, counters[i].name);
        buf_putf(out, " %s\n# TYPE posthorse_", counters[i].help);
        put_lower(out, counters[i].name);
        buf_putf(out, " %s\nposthorse_", counters[i].kind == COUNT_GAUGE ? "gauge" : "counter");
        put_lower(out, counters[i].name);
        buf_putf(out, " %lld\n", (long long)count_of((enum count_id)i));
    }
    buf_putf(out,
             "# HELP posthorse_events_total Log events by name, written or not.\n"
             "# TYPE posthorse_events_total counter\n");
    for (size_t i = 0; i < EV_MAX; i++) {
        buf_putf(out, "posthorse_events_total{event=\"");
        put_lower(out, events[i].name);
        buf_putf(out, "\",level=\"%s\"} %llu\n", level_names[events[i].level],
                 (unsigned long long)count_of_event((enum log_id)i));
    }
}
