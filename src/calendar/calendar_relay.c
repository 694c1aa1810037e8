#include "calendar/calendar_relay.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "calendar/calendar_ask.h"

#include <endian.h>
#include <string.h>

#define VERSION 1
#define TEXT_HEAD_BYTES 4
#define NUMBER_BYTES 8
#define ROW_BYTES (3 * NUMBER_BYTES)
#define DETAIL_BYTES (2 * TEXT_HEAD_BYTES + NUMBER_BYTES) /* at least */
#define FROM_S_MIN (-INT64_C(62167219200))                /* 0000-01-01 */
#define UNTIL_S_MAX INT64_C(253402300800)                 /* 10000-01-01 */

enum kind { QUESTION = 1, ANSWER = 2 };
enum {
    PASS_BUSY = 1 << 0,
    FROM_FOREIGN = 1 << 1,
    DETAILS = 1 << 2,
    ANONYMOUS = 1 << 3,
    ADMIN = 1 << 4,
    QUESTION_FLAGS = (1 << 5) - 1
};

/* --- what is allowed --- */

static bool text_ok(struct slice text, size_t min, size_t max)
{
    if (text.len < min || text.len > max || !utf8_valid(text))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' && text.ptr[i] != '\n' && text.ptr[i] != '\t')
            return false;
    return true;
}

static bool texts_ok(const struct slice *texts, size_t count, size_t max)
{
    for (size_t i = 0; i < count; i++)
        if (!text_ok(texts[i], 1, max))
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
           text_ok(q->asker, 0, CALENDAR_RELAY_ADDRESS_BYTES_MAX) &&
           text_ok(q->who, 0, CALENDAR_RELAY_NAME_BYTES_MAX) &&
           text_ok(q->but_uid, 0, STORE_EVENT_UID_BYTES_MAX) &&
           (q->who.len > 0) + q->anonymous + q->admin <= 1;
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

static void put_number(struct buf *out, uint64_t number)
{
    uint64_t big = htobe64(number);

    buf_put(out, (struct slice){(const char *)&big, sizeof(big)});
}

static void put_text(struct buf *out, struct slice text)
{
    uint32_t big = htobe32((uint32_t)text.len);

    buf_put(out, (struct slice){(const char *)&big, sizeof(big)});
    buf_put(out, text);
}

static void put_texts(struct buf *out, const struct slice *texts, size_t count)
{
    put_number(out, count);
    for (size_t i = 0; i < count; i++)
        put_text(out, texts[i]);
}

/* For people: cut between two characters. */
static void put_said(struct buf *out, struct slice text, size_t max)
{
    size_t len = text.len < max ? text.len : max;

    while (len > 0 && len < text.len && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    text = slice_sub(text, 0, len);
    put_text(out, text_ok(text, 0, max) ? text : SLICE(""));
}

static enum st end(struct buf *out, size_t len)
{
    if (!out->over)
        return ST_OK;
    buf_cut(out, len);
    out->over = false;
    return ST_TOO_BIG;
}

enum st calendar_relay_question_write(const struct calendar_relay_question *q, struct buf *out)
{
    size_t len = out->len;

    if (!question_ok(q))
        return ST_INVALID;
    put_number(out, VERSION);
    put_number(out, QUESTION);
    put_number(out, (uint64_t)q->from_s);
    put_number(out, (uint64_t)q->until_s);
    put_number(out, q->hops_left);
    put_number(out, (q->pass_busy ? PASS_BUSY : 0u) | (q->from_foreign ? FROM_FOREIGN : 0u) |
                        (q->details ? DETAILS : 0u) | (q->anonymous ? ANONYMOUS : 0u) |
                        (q->admin ? ADMIN : 0u));
    put_texts(out, q->visited, q->visited_count);
    put_texts(out, q->attendees, q->attendee_count);
    put_text(out, q->asker);
    put_text(out, q->who);
    put_text(out, q->but_uid);
    return end(out, len);
}

enum st calendar_relay_answer_write(const struct calendar_relay_answer *a, struct buf *out)
{
    size_t len = out->len;

    if (!answer_ok(a))
        return ST_INVALID;
    put_number(out, VERSION);
    put_number(out, ANSWER);
    put_number(out, a->attendee);
    put_number(out, (uint64_t)a->result);
    put_number(out, (uint64_t)a->from_s);
    put_number(out, (uint64_t)a->until_s);
    put_number(out, a->age_ms);
    put_said(out, slice_str(a->source), CALENDAR_RELAY_TEXT_BYTES_MAX);
    put_said(out, slice_str(a->way), CALENDAR_RELAY_WAY_BYTES_MAX);
    put_said(out, slice_str(a->why), CALENDAR_RELAY_TEXT_BYTES_MAX);
    put_number(out, a->details != NULL);
    put_number(out, a->count);
    for (size_t i = 0; i < a->count && !out->over; i++) {
        put_number(out, (uint64_t)a->rows[i].start_s);
        put_number(out, (uint64_t)a->rows[i].end_s);
        put_number(out, (uint64_t)a->rows[i].kind);
        if (a->details == NULL)
            continue;
        put_said(out, a->details[i].subject, CALENDAR_RELAY_TEXT_BYTES_MAX);
        put_said(out, a->details[i].place, CALENDAR_RELAY_TEXT_BYTES_MAX);
        put_number(out, a->details[i].flags);
    }
    return end(out, len);
}

/* --- reading --- */

/* What is left; bad: something was missing or over its limit, and all further is empty. */
struct reader {
    struct arena *arena;
    struct slice rest;
    bool bad;
};

static uint64_t take_number(struct reader *in, uint64_t max)
{
    uint64_t big;

    if (in->bad || in->rest.len < sizeof(big)) {
        in->bad = true;
        return 0;
    }
    memcpy(&big, in->rest.ptr, sizeof(big));
    in->rest = slice_sub(in->rest, sizeof(big), in->rest.len);
    in->bad = be64toh(big) > max;
    return in->bad ? 0 : be64toh(big);
}

static int64_t take_s(struct reader *in)
{
    return (int64_t)take_number(in, UINT64_MAX);
}

static struct slice take_text(struct reader *in, size_t min, size_t max)
{
    uint32_t big = 0;

    if (!in->bad && in->rest.len >= sizeof(big)) {
        memcpy(&big, in->rest.ptr, sizeof(big));
        in->rest = slice_sub(in->rest, sizeof(big), in->rest.len);
    } else {
        in->bad = true;
    }
    struct slice text = slice_sub(in->rest, 0, be32toh(big));
    in->bad = in->bad || text.len < be32toh(big) || !text_ok(text, min, max);
    if (in->bad)
        return SLICE("");
    in->rest = slice_sub(in->rest, text.len, in->rest.len);
    return arena_copy(in->arena, text);
}

/* How many elements of at least so many bytes follow. */
static size_t take_count(struct reader *in, uint64_t max, size_t bytes)
{
    uint64_t count = take_number(in, max);

    in->bad = in->bad || count > in->rest.len / bytes;
    return in->bad ? 0 : count;
}

static const struct slice *take_texts(struct reader *in, size_t max, size_t bytes_max,
                                      size_t *count_r)
{
    *count_r = take_count(in, max, TEXT_HEAD_BYTES);
    struct slice *texts = arena_many(in->arena, struct slice, *count_r);

    for (size_t i = 0; i < *count_r; i++)
        texts[i] = take_text(in, 1, bytes_max);
    return texts;
}

static struct reader begin(struct arena *arena, struct slice in, enum kind kind)
{
    struct reader reader = {.arena = arena, .rest = in};
    bool ours = take_number(&reader, VERSION) == VERSION;

    ours = take_number(&reader, ANSWER) == (uint64_t)kind && ours;
    reader.bad = reader.bad || !ours;
    return reader;
}

enum st calendar_relay_question_read(struct arena *arena, struct slice text,
                                     struct calendar_relay_question *q)
{
    struct reader in = begin(arena, text, QUESTION);

    q->from_s = take_s(&in);
    q->until_s = take_s(&in);
    q->hops_left = (unsigned)take_number(&in, CALENDAR_CONNECTOR_HOPS);
    uint64_t flags = take_number(&in, QUESTION_FLAGS);
    q->pass_busy = (flags & PASS_BUSY) != 0;
    q->from_foreign = (flags & FROM_FOREIGN) != 0;
    q->details = (flags & DETAILS) != 0;
    q->anonymous = (flags & ANONYMOUS) != 0;
    q->admin = (flags & ADMIN) != 0;
    q->visited = take_texts(&in, CALENDAR_RELAY_VISITED_MAX, CALENDAR_RELAY_NAME_BYTES_MAX,
                            &q->visited_count);
    q->attendees = take_texts(&in, CALENDAR_RELAY_ATTENDEES_MAX, CALENDAR_RELAY_ADDRESS_BYTES_MAX,
                              &q->attendee_count);
    q->asker = take_text(&in, 0, CALENDAR_RELAY_ADDRESS_BYTES_MAX);
    q->who = take_text(&in, 0, CALENDAR_RELAY_NAME_BYTES_MAX);
    q->but_uid = take_text(&in, 0, STORE_EVENT_UID_BYTES_MAX);
    return !in.bad && in.rest.len == 0 && question_ok(q) ? ST_OK : ST_INVALID;
}

static void take_rows(struct reader *in, struct calendar_relay_answer *a)
{
    bool detailed = take_number(in, 1) == 1;

    a->count = take_count(in, SIZE_MAX, ROW_BYTES + (detailed ? DETAIL_BYTES : 0));
    struct calendar_busy_row *rows = arena_many(in->arena, struct calendar_busy_row, a->count);
    struct calendar_relay_detail *details =
        detailed ? arena_many(in->arena, struct calendar_relay_detail, a->count) : NULL;
    for (size_t i = 0; i < a->count && !in->bad; i++) {
        rows[i].start_s = take_s(in);
        rows[i].end_s = take_s(in);
        rows[i].kind = (enum store_busy_kind)take_number(in, STORE_BUSY_KIND_MAX - 1);
        if (!detailed)
            continue;
        details[i].subject = take_text(in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX);
        details[i].place = take_text(in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX);
        details[i].flags = (unsigned)take_number(in, CALENDAR_RELAY_FLAGS);
    }
    a->rows = rows;
    a->details = details;
}

enum st calendar_relay_answer_read(struct arena *arena, struct slice text, size_t attendee_count,
                                   struct calendar_relay_answer *a)
{
    struct reader in = begin(arena, text, ANSWER);

    a->attendee = take_number(&in, SIZE_MAX);
    a->result = (enum calendar_connector_result)take_number(&in, CALENDAR_CONNECTOR_RESULT_MAX - 1);
    a->from_s = take_s(&in);
    a->until_s = take_s(&in);
    a->age_ms = take_number(&in, INT64_MAX);
    a->source = take_text(&in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX).ptr;
    a->way = take_text(&in, 0, CALENDAR_RELAY_WAY_BYTES_MAX).ptr;
    a->why = take_text(&in, 0, CALENDAR_RELAY_TEXT_BYTES_MAX).ptr;
    take_rows(&in, a);
    return !in.bad && in.rest.len == 0 && a->attendee < attendee_count && answer_ok(a) ? ST_OK
                                                                                       : ST_INVALID;
}
