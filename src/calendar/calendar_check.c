#include "calendar/calendar_check.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar_write.h"
#include "directory/directory.h"
#include "ical/ical_recur.h"
#include "sys/sys_time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOUND_BYTES_MAX (4 * MIB)
#define SENTENCE_BYTES_MAX ((size_t)2000)

struct checking {
    struct calendar_check *check;
    const struct directory *directory;
    const struct directory_person *owner; /* NULL: no document names the account */
    struct slice name;
    struct arena *arena;   /* of the read */
    struct arena *scratch; /* of an object */
    struct buf found;      /* sentences, a line each */
    uint64_t objects;
    uint64_t unheard; /* rows whose event was not met */
    bool blind;       /* an object could not be read, so its rows are not known */
    struct store_account account;
    struct store_calendar_account settings;
    const struct store_calendar *calendar;
    const struct store_event *event; /* NULL: none in particular */
    struct store_busytime *rows;
    size_t row_count, row_cap;
    struct calendar_limits limits;
};

static PRINTF(2, 3) void found(struct checking *c, const char *fmt, ...)
{
    char text[SENTENCE_BYTES_MAX];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    AUTO(buf) struct buf line = BUF(2 * SENTENCE_BYTES_MAX);
    buf_putf(&line, "account %.*s", SLICE_ARG(c->name));
    if (c->event != NULL)
        buf_putf(&line, ", calendar %.*s, %.*s", SLICE_ARG(c->calendar->name),
                 SLICE_ARG(c->event->name));
    buf_putf(&line, ": %s", text);
    for (size_t i = 0; i < line.len; i++)
        if ((unsigned char)line.ptr[i] < ' ' || line.ptr[i] == 0x7f)
            line.ptr[i] = '?';
    buf_put(&c->found, buf_slice(&line));
    buf_put(&c->found, SLICE("\n"));
}

/* --- busytime --- */

static int by_event(const void *a, const void *b)
{
    const struct store_busytime *x = a;
    const struct store_busytime *y = b;

    if (x->event_id != y->event_id)
        return x->event_id < y->event_id ? -1 : 1;
    if (x->start_s != y->start_s)
        return x->start_s < y->start_s ? -1 : 1;
    return (x->end_s > y->end_s) - (x->end_s < y->end_s);
}

static enum st note_row(void *ctx, const struct store_busytime *row)
{
    struct checking *c = ctx;

    if (c->row_count == c->row_cap) {
        c->row_cap = c->row_cap == 0 ? 1024 : 2 * c->row_cap;
        c->rows = mem_grow(c->rows, c->row_cap, sizeof(*c->rows));
    }
    c->rows[c->row_count++] = *row;
    return ST_OK;
}

/* The first of the account's rows that is not before the event's. */
static size_t first_row(const struct checking *c, int64_t event_id)
{
    size_t low = 0;
    size_t high = c->row_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (c->rows[middle].event_id < event_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static const char *moment(char room[32], int64_t at_s)
{
    struct ical_civil t = ical_civil(at_s);

    snprintf(room, 32, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)t.year, t.month, t.day, t.hour,
             t.minute, t.second);
    return room;
}

/* Both are sorted by start and end; a row that is there twice was stored once. */
static void compare_rows(struct checking *c, const struct store_busytime *fresh, size_t count,
                         int64_t until_s)
{
    size_t at = first_row(c, c->event->event_id);
    size_t end = at;
    char room[32];

    while (end < c->row_count && c->rows[end].event_id == c->event->event_id)
        end++;
    c->unheard -= end - at;
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && fresh[i].start_s == fresh[i - 1].start_s &&
            fresh[i].end_s == fresh[i - 1].end_s)
            continue;
        if (at < end && c->rows[at].start_s == fresh[i].start_s &&
            c->rows[at].end_s == fresh[i].end_s && c->rows[at].kind == fresh[i].kind &&
            c->rows[at].calendar_id == c->calendar->calendar_id) {
            at++;
            continue;
        }
        if (fresh[i].start_s >= until_s)
            break;
        found(c, "its busytime lacks, or has otherwise, what begins at %s",
              moment(room, fresh[i].start_s));
        return;
    }
    if (at < end && c->rows[at].start_s < until_s)
        found(c, "its busytime has what begins at %s, which the object does not say",
              moment(room, c->rows[at].start_s));
}

/* --- an object --- */

static void check_times(struct checking *c, const struct calendar_object *object)
{
    const struct store_event *event = c->event;
    struct store_event fresh = *event;
    struct store_busytime *rows = NULL;
    size_t count = 0;
    struct calendar_writing w = {.calendar = c->check->calendar,
                                 .arena = c->scratch,
                                 .account_id = c->account.account_id,
                                 .calendar_id = c->calendar->calendar_id,
                                 .own_zone = c->settings.zone,
                                 .zone = c->calendar->zone,
                                 .now_ms = sys_now_ms()};

    if (c->owner != NULL)
        w.own = calendar_own(c->scratch, c->directory, c->owner, object->vcalendar, &w.own_count);
    if (calendar_expand(&w, object->vcalendar, &fresh, &rows, &count) != ST_OK) {
        found(c, "it cannot be expanded: %s", w.error.text);
        c->blind = true;
        return;
    }
    if (fresh.first_s != event->first_s || fresh.last_s != event->last_s)
        found(c, "its row does not say when it begins and ends");
    if (fresh.until_s < event->until_s)
        found(c, "its busytime is said to be whole for longer than it is");
    compare_rows(c, rows, count, event->until_s);
}

static enum st check_event(void *ctx, const struct store_event *event)
{
    struct checking *c = ctx;
    struct calendar_object object;
    enum calendar_fault fault;
    struct ical_error error = {0};

    arena_reset(c->scratch);
    c->event = event;
    c->objects++;
    if (event->bytes != event->body.len)
        found(c, "it has %zu bytes, its row says %llu", event->body.len,
              (unsigned long long)event->bytes);
    if (event->modseq > c->calendar->modseq)
        found(c, "its modseq is beyond the calendar's, so clients miss the change");
    if (event->account_id != c->account.account_id)
        found(c, "it is marked as another account's");
    if (c->calendar->kind != STORE_CALENDAR_PLAIN)
        return ST_OK; /* messages, not objects */
    if (calendar_object_read(c->scratch, event->body, &c->limits, &object, &fault, &error) !=
        ST_OK) {
        found(c, "line %u: %s", error.line, error.text);
        c->blind = true;
        return ST_OK;
    }
    if (!slice_eq(object.uid, event->uid))
        found(c, "its UID is %.*s, its row says another", SLICE_ARG(object.uid));
    if (object.kind != event->kind || object.flags != event->flags)
        found(c, "its row says another kind, privacy or recurrence than it does");
    check_times(c, &object);
    return ST_OK;
}

/* --- the account --- */

static enum st check_body(struct store_tx *tx, void *arg)
{
    struct checking *c = arg;
    struct store_calendar *calendars;
    size_t count = 0;

    arena_reset(c->arena);
    buf_clear(&c->found);
    c->objects = c->row_count = 0;
    c->event = NULL;
    c->blind = false;
    enum st st = store_account_find(tx, c->name, &c->account);
    if (st == ST_OK)
        st = store_calendar_account_get(tx, c->arena, c->account.account_id, &c->settings);
    if (st == ST_OK)
        st = store_calendar_list(tx, c->arena, c->account.account_id, &calendars, &count);
    if (st == ST_OK)
        st = store_busytime_each(tx, c->account.account_id, ICAL_LOCAL_MIN, STORE_EVENT_FOREVER,
                                 note_row, c);
    if (st == ST_OK && c->row_count > 0)
        qsort(c->rows, c->row_count, sizeof(*c->rows), by_event);
    c->unheard = c->row_count;
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        c->calendar = &calendars[i];
        st = store_event_each(tx, calendars[i].calendar_id, true, check_event, c);
    }
    c->event = NULL;
    if (st == ST_OK && c->unheard != 0 && !c->blind)
        found(c, "%llu rows of busytime belong to no object", (unsigned long long)c->unheard);
    return st;
}

static void tell(struct checking *c)
{
    struct slice rest = buf_slice(&c->found);
    struct slice line;

    while (slice_split(&rest, '\n', &line) && line.len > 0) {
        char sentence[2 * SENTENCE_BYTES_MAX + 1];

        snprintf(sentence, sizeof(sentence), "%.*s", SLICE_ARG(line));
        c->check->fault(c->check->ctx, sentence);
        c->check->faults++;
    }
    if (c->found.over) {
        c->check->fault(c->check->ctx, "more faults were found here than are told at once");
        c->check->faults++;
    }
}

enum st calendar_check_account(struct calendar_check *check, struct slice name)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct checking c = {.check = check,
                         .directory = directory,
                         .owner = directory_login(directory, name),
                         .name = name,
                         .limits = {10 * MIB, UINT64_MAX}};

    check->faults = check->objects = 0;
    c.arena = arena_new("calendar check", 256 * MIB);
    c.scratch = arena_new("calendar check", calendar_object_arena_bytes(&c.limits));
    buf_init(&c.found, FOUND_BYTES_MAX);
    enum st st = store_read(calendar_store(check->calendar), check_body, &c);
    if (st == ST_OK)
        tell(&c);
    check->objects = c.objects;
    mem_free(c.rows);
    buf_fini(&c.found);
    arena_free(&c.scratch);
    arena_free(&c.arena);
    return st;
}
