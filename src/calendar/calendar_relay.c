#include "calendar/calendar_relay.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_ask.h"
#include "calendar/calendar_bytes.h"
#include "ical/ical_time.h"

#define ROW_BYTES (3 * CALENDAR_BYTES_NUMBER)
#define DETAIL_BYTES (2 * CALENDAR_BYTES_TEXT_HEAD + CALENDAR_BYTES_NUMBER) /* at least */
#define HOURS_BYTES (3 * CALENDAR_BYTES_NUMBER)
#define FROM_S_MIN (-INT64_C(62167219200)) /* 0000-01-01 */
#define UNTIL_S_MAX INT64_C(253402300800)  /* 10000-01-01 */

enum {
    PASS_BUSY = 1 << 0,
    FROM_FOREIGN = 1 << 1,
    DETAILS = 1 << 2,
    WEEK = 1 << 3,
    QUESTION_FLAGS = (1 << 4) - 1,
};

/* --- what is allowed --- */

static bool texts_ok(const struct slice *texts, size_t count, size_t max)
{
    for (size_t i = 0; i < count; i++)
        if (!calendar_bytes_text_ok(texts[i], 1, max))
            return false;
    return true;
}

static bool window_ok(int64_t from_s, int64_t until_s)
{
    return from_s >= FROM_S_MIN && until_s <= UNTIL_S_MAX && from_s < until_s &&
           until_s - from_s <= CALENDAR_ASK_S_MAX;
}

static bool question_ok(const struct calendar_relay_question *q)
{
    return window_ok(q->from_s, q->until_s) && q->hops_left <= CALENDAR_CONNECTOR_HOPS &&
           q->visited_count <= CALENDAR_RELAY_VISITED_MAX &&
           texts_ok(q->visited, q->visited_count, CALENDAR_RELAY_NAME_BYTES_MAX) &&
           q->attendee_count > 0 && q->attendee_count <= CALENDAR_RELAY_ATTENDEES_MAX &&
           texts_ok(q->attendees, q->attendee_count, CALENDAR_RELAY_ADDRESS_BYTES_MAX) &&
           calendar_bytes_text_ok(q->asker, 0, CALENDAR_RELAY_ADDRESS_BYTES_MAX) &&
           calendar_bytes_text_ok(q->who, 0, CALENDAR_RELAY_NAME_BYTES_MAX) &&
           calendar_bytes_text_ok(q->but_uid, 0, STORE_EVENT_UID_BYTES_MAX);
}

/* Merged ones lie in what is known, one behind the other; those with details touch it. */
static bool row_ok(const struct calendar_relay_answer *a, size_t i)
{
    const struct calendar_busy_row *row = &a->rows[i];

    if (row->kind <= STORE_BUSY_FREE || row->kind >= STORE_BUSY_KIND_MAX ||
        row->start_s < FROM_S_MIN || row->end_s > UNTIL_S_MAX || row->start_s >= row->end_s)
        return false;
    if (a->details == NULL)
        return row->start_s >= a->from_s && row->end_s <= a->until_s &&
               (i == 0 || row->start_s >= row[-1].end_s);
    return row->start_s < a->until_s && row->end_s > a->from_s &&
           (i == 0 || row->start_s >= row[-1].start_s) &&
           (a->details[i].flags & ~(unsigned)CALENDAR_RELAY_FLAGS) == 0;
}

static bool answer_ok(const struct calendar_relay_answer *a)
{
    bool known = window_ok(a->from_s, a->until_s);

    if (!known && (a->from_s != 0 || a->until_s != 0 || a->count > 0))
        return false;
    if ((unsigned)a->result >= CALENDAR_CONNECTOR_RESULT_MAX || a->age_ms > INT64_MAX ||
        (a->age_ms > 0 && a->result != CALENDAR_CONNECTOR_KNOWN))
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (!row_ok(a, i))
            return false;
    return true;
}

/* --- writing --- */

/* For people: cut between two characters. */
static void put_said(struct buf *out, struct slice text, size_t max)
{
    size_t len = text.len < max ? text.len : max;

    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    text = slice_sub(text, 0, len);
    calendar_bytes_put_text(out, calendar_bytes_text_ok(text, 0, max) ? text : SLICE(""));
}

static void put_texts(struct buf *out, const struct slice *texts, size_t count)
{
    calendar_bytes_put_number(out, count);
    for (size_t i = 0; i < count; i++)
        calendar_bytes_put_text(out, texts[i]);
}

enum st calendar_relay_question_write(const struct calendar_relay_question *q, struct buf *out)
{
    size_t len = out->len;

    if (!question_ok(q))
        return ST_INVALID;
    calendar_bytes_put_head(out, CALENDAR_BYTES_QUESTION);
    calendar_bytes_put_number(out, (uint64_t)q->from_s);
    calendar_bytes_put_number(out, (uint64_t)q->until_s);
    calendar_bytes_put_number(out, q->hops_left);
    calendar_bytes_put_number(out, (q->pass_busy ? PASS_BUSY : 0u) |
                                       (q->from_foreign ? FROM_FOREIGN : 0u) |
                                       (q->details ? DETAILS : 0u) | (q->week ? WEEK : 0u));
    put_texts(out, q->visited, q->visited_count);
    put_texts(out, q->attendees, q->attendee_count);
    calendar_bytes_put_text(out, q->asker);
    calendar_bytes_put_text(out, q->who);
    calendar_bytes_put_text(out, q->but_uid);
    return calendar_bytes_end(out, len);
}

static void put_change(struct buf *out, const struct ical_zone_change *change)
{
    calendar_bytes_put_number(out, change->month);
    calendar_bytes_put_number(out, change->order);
    calendar_bytes_put_number(out, change->weekday);
    calendar_bytes_put_number(out, (uint64_t)change->second);
}

static void put_week(struct buf *out, const struct calendar_week *week)
{
    calendar_bytes_put_number(out, week->own);
    calendar_bytes_put_number(out, (uint64_t)week->zone.standard_s);
    calendar_bytes_put_number(out, (uint64_t)week->zone.daylight_s);
    put_change(out, &week->zone.to_standard);
    put_change(out, &week->zone.to_daylight);
    calendar_bytes_put_number(out, week->count);
    for (size_t i = 0; i < week->count; i++) {
        calendar_bytes_put_number(out, week->hours[i].days);
        calendar_bytes_put_number(out, week->hours[i].from_min);
        calendar_bytes_put_number(out, week->hours[i].until_min);
    }
}

enum st calendar_relay_answer_write(const struct calendar_relay_answer *a, struct buf *out)
{
    size_t len = out->len;

    if (!answer_ok(a))
        return ST_INVALID;
    calendar_bytes_put_head(out, CALENDAR_BYTES_ANSWER);
    calendar_bytes_put_number(out, a->attendee);
    calendar_bytes_put_number(out, (uint64_t)a->result);
    calendar_bytes_put_number(out, (uint64_t)a->from_s);
    calendar_bytes_put_number(out, (uint64_t)a->until_s);
    calendar_bytes_put_number(out, a->age_ms);
    put_said(out, slice_str(a->source), CALENDAR_RELAY_TEXT_BYTES_MAX);
    put_said(out, slice_str(a->way), CALENDAR_RELAY_WAY_BYTES_MAX);
    put_said(out, slice_str(a->why), CALENDAR_RELAY_TEXT_BYTES_MAX);
    calendar_bytes_put_number(out, a->details != NULL);
    calendar_bytes_put_number(out, a->count);
    for (size_t i = 0; i < a->count && !out->over; i++) {
        calendar_bytes_put_number(out, (uint64_t)a->rows[i].start_s);
        calendar_bytes_put_number(out, (uint64_t)a->rows[i].end_s);
        calendar_bytes_put_number(out, (uint64_t)a->rows[i].kind);
        if (a->details == NULL)
            continue;
        put_said(out, a->details[i].subject, CALENDAR_RELAY_TEXT_BYTES_MAX);
        put_said(out, a->details[i].place, CALENDAR_RELAY_TEXT_BYTES_MAX);
        calendar_bytes_put_number(out, a->details[i].flags);
    }
    if (a->week != NULL && calendar_week_is_sound(a->week))
        put_week(out, a->week);
    return calendar_bytes_end(out, len);
}

/* --- reading --- */

/* How many elements of at least so many bytes follow. */
static size_t take_count(struct calendar_bytes_in *in, uint64_t max, size_t bytes)
{
    uint64_t count = calendar_bytes_take_number(in, max);

    in->bad = in->bad || count > in->rest.len / bytes;
    return in->bad ? 0 : count;
}

static const struct slice *take_texts(struct calendar_bytes_in *in, size_t max, size_t bytes_max,
                                      size_t *count_r)
{
    *count_r = take_count(in, max, CALENDAR_BYTES_TEXT_HEAD);
    struct slice *texts = arena_many(in->arena, struct slice, *count_r);

    for (size_t i = 0; i < *count_r; i++)
        texts[i] = calendar_bytes_take_text(in, 1, bytes_max);
    return texts;
}

enum st calendar_relay_question_read(struct arena *arena, struct slice text,
                                     struct calendar_relay_question *q)
{
    struct calendar_bytes_in in = calendar_bytes_begin(arena, text, CALENDAR_BYTES_QUESTION);

    q->from_s = calendar_bytes_take_s(&in);
    q->until_s = calendar_bytes_take_s(&in);
    q->hops_left = (unsigned)calendar_bytes_take_number(&in, CALENDAR_CONNECTOR_HOPS);
    uint64_t flags = calendar_bytes_take_number(&in, QUESTION_FLAGS);
    q->pass_busy = (flags & PASS_BUSY) != 0;
    q->from_foreign = (flags & FROM_FOREIGN) != 0;
    q->details = (flags & DETAILS) != 0;
    q->week = (flags & WEEK) != 0;
    q->visited = take_texts(&in, CALENDAR_RELAY_VISITED_MAX, CALENDAR_RELAY_NAME_BYTES_MAX,
                            &q->visited_count);
    q->attendees = take_texts(&in, CALENDAR_RELAY_ATTENDEES_MAX, CALENDAR_RELAY_ADDRESS_BYTES_MAX,
                              &q->attendee_count);
    q->asker = calendar_bytes_take_text(&in, 0, CALENDAR_RELAY_ADDRESS_BYTES_MAX);
    q->who = calendar_bytes_take_text(&in, 0, CALENDAR_RELAY_NAME_BYTES_MAX);
    q->but_uid = calendar_bytes_take_text(&in, 0, STORE_EVENT_UID_BYTES_MAX);
    return calendar_bytes_is_over(&in) && question_ok(q) ? ST_OK : ST_INVALID;
}

static void take_rows(struct calendar_bytes_in *in, struct calendar_relay_answer *a)
{
    bool detailed = calendar_bytes_take_number(in, 1) == 1;

    a->count = take_count(in, SIZE_MAX, ROW_BYTES + (detailed ? DETAIL_BYTES : 0));
    struct calendar_busy_row *rows = arena_many(in->arena, struct calendar_busy_row, a->count);
    struct calendar_relay_detail *details =
        detailed ? arena_many(in->arena, struct calendar_relay_detail, a->count) : NULL;
    for (size_t i = 0; i < a->count && !in->bad; i++) {
        rows[i].start_s = calendar_bytes_take_s(in);
        rows[i].end_s = calendar_bytes_take_s(in);
        rows[i].kind =
            (enum store_busy_kind)calendar_bytes_take_number(in, STORE_BUSY_KIND_MAX - 1);
        if (!detailed)
            continue;
        details[i].subject = calendar_bytes_take_text(in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX);
        details[i].place = calendar_bytes_take_text(in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX);
        details[i].flags = (unsigned)calendar_bytes_take_number(in, CALENDAR_RELAY_FLAGS);
    }
    a->rows = rows;
    a->details = details;
}

static int32_t take_offset(struct calendar_bytes_in *in)
{
    const int64_t offset_s = calendar_bytes_take_s(in);

    in->bad = in->bad || offset_s <= -ICAL_DAY_S || offset_s >= ICAL_DAY_S;
    return in->bad ? 0 : (int32_t)offset_s;
}

static void take_change(struct calendar_bytes_in *in, struct ical_zone_change *change)
{
    change->month = (unsigned)calendar_bytes_take_number(in, UINT8_MAX);
    change->order = (unsigned)calendar_bytes_take_number(in, UINT8_MAX);
    change->weekday = (unsigned)calendar_bytes_take_number(in, UINT8_MAX);
    change->second = (int32_t)calendar_bytes_take_number(in, (uint64_t)ICAL_DAY_S);
}

/* It is there or not: who was not asked for it leaves it out. */
static const struct calendar_week *take_week(struct calendar_bytes_in *in)
{
    if (in->bad || in->rest.len == 0)
        return NULL;
    struct calendar_week *week = arena_one(in->arena, struct calendar_week);
    week->own = calendar_bytes_take_number(in, 1) == 1;
    week->zone.standard_s = take_offset(in);
    week->zone.daylight_s = take_offset(in);
    take_change(in, &week->zone.to_standard);
    take_change(in, &week->zone.to_daylight);
    week->count = take_count(in, CALENDAR_HOURS_MAX, HOURS_BYTES);
    for (size_t i = 0; i < week->count; i++) {
        week->hours[i].days = (unsigned)calendar_bytes_take_number(in, UINT8_MAX);
        week->hours[i].from_min = (unsigned)calendar_bytes_take_number(in, UINT16_MAX);
        week->hours[i].until_min = (unsigned)calendar_bytes_take_number(in, UINT16_MAX);
    }
    in->bad = in->bad || !calendar_week_is_sound(week);
    return week;
}

enum st calendar_relay_answer_read(struct arena *arena, struct slice text, size_t attendee_count,
                                   struct calendar_relay_answer *a)
{
    struct calendar_bytes_in in = calendar_bytes_begin(arena, text, CALENDAR_BYTES_ANSWER);

    a->attendee = calendar_bytes_take_number(&in, SIZE_MAX);
    a->result = (enum calendar_connector_result)calendar_bytes_take_number(
        &in, CALENDAR_CONNECTOR_RESULT_MAX - 1);
    a->from_s = calendar_bytes_take_s(&in);
    a->until_s = calendar_bytes_take_s(&in);
    a->age_ms = calendar_bytes_take_number(&in, INT64_MAX);
    a->source = calendar_bytes_take_text(&in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX).ptr;
    a->way = calendar_bytes_take_text(&in, 0, CALENDAR_RELAY_WAY_BYTES_MAX).ptr;
    a->why = calendar_bytes_take_text(&in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX).ptr;
    take_rows(&in, a);
    a->week = take_week(&in);
    return calendar_bytes_is_over(&in) && a->attendee < attendee_count && answer_ok(a) ? ST_OK
                                                                                       : ST_INVALID;
}
