#include "calendar/calendar_relay_oof.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "calendar/calendar_bytes.h"
#include "calendar/calendar_relay.h"

#define MS_MIN (-INT64_C(62167219200000)) /* 0000-01-01 */
#define MS_MAX INT64_C(253402300800000)   /* 10000-01-01 */

/* --- what is allowed --- */

static bool words_ok(struct slice text)
{
    return text.len <= STORE_CALENDAR_TEXT_BYTES_MAX && utf8_valid(text);
}

static bool time_ok(int64_t ms)
{
    return ms >= MS_MIN && ms <= MS_MAX;
}

static bool oof_ok(const struct store_calendar_account *oof)
{
    return (unsigned)oof->oof <= STORE_OOF_SCHEDULED && time_ok(oof->oof_from_ms) &&
           time_ok(oof->oof_until_ms) && words_ok(oof->oof_inside_text) &&
           words_ok(oof->oof_outside_text);
}

static bool question_ok(const struct calendar_relay_oof_question *q)
{
    return calendar_bytes_text_ok(q->owner, 1, CALENDAR_RELAY_NAME_BYTES_MAX) &&
           calendar_bytes_text_ok(q->who, 1, CALENDAR_RELAY_NAME_BYTES_MAX) &&
           (!q->change || oof_ok(&q->oof));
}

static bool answer_ok(const struct calendar_relay_oof_answer *a)
{
    return (unsigned)a->result < CALENDAR_RELAY_OOF_RESULT_MAX &&
           (a->result != CALENDAR_RELAY_OOF_DONE || oof_ok(&a->oof));
}

/* --- writing --- */

static void put_oof(struct buf *out, const struct store_calendar_account *oof)
{
    calendar_bytes_put_number(out, (uint64_t)oof->oof);
    calendar_bytes_put_number(out, oof->oof_external);
    calendar_bytes_put_number(out, (uint64_t)oof->oof_from_ms);
    calendar_bytes_put_number(out, (uint64_t)oof->oof_until_ms);
    calendar_bytes_put_text(out, oof->oof_inside_text);
    calendar_bytes_put_text(out, oof->oof_outside_text);
}

enum st calendar_relay_oof_question_write(const struct calendar_relay_oof_question *q,
                                          struct buf *out)
{
    const size_t len = out->len;

    if (!question_ok(q))
        return ST_INVALID;
    calendar_bytes_put_head(out, CALENDAR_BYTES_OOF_QUESTION);
    calendar_bytes_put_text(out, q->owner);
    calendar_bytes_put_text(out, q->who);
    calendar_bytes_put_number(out, q->change);
    if (q->change)
        put_oof(out, &q->oof);
    return calendar_bytes_end(out, len);
}

enum st calendar_relay_oof_answer_write(const struct calendar_relay_oof_answer *a, struct buf *out)
{
    const size_t len = out->len;

    if (!answer_ok(a))
        return ST_INVALID;
    calendar_bytes_put_head(out, CALENDAR_BYTES_OOF_ANSWER);
    calendar_bytes_put_number(out, (uint64_t)a->result);
    if (a->result == CALENDAR_RELAY_OOF_DONE)
        put_oof(out, &a->oof);
    return calendar_bytes_end(out, len);
}

/* --- reading --- */

static void take_oof(struct calendar_bytes_in *in, struct store_calendar_account *oof)
{
    oof->oof = (enum store_oof_state)calendar_bytes_take_number(in, STORE_OOF_SCHEDULED);
    oof->oof_external = calendar_bytes_take_number(in, 1) == 1;
    oof->oof_from_ms = calendar_bytes_take_s(in);
    oof->oof_until_ms = calendar_bytes_take_s(in);
    oof->oof_inside_text = calendar_bytes_take_utf8(in, STORE_CALENDAR_TEXT_BYTES_MAX);
    oof->oof_outside_text = calendar_bytes_take_utf8(in, STORE_CALENDAR_TEXT_BYTES_MAX);
}

enum st calendar_relay_oof_question_read(struct arena *arena, struct slice text,
                                         struct calendar_relay_oof_question *q)
{
    struct calendar_bytes_in in = calendar_bytes_begin(arena, text, CALENDAR_BYTES_OOF_QUESTION);

    *q = (struct calendar_relay_oof_question){0};
    q->owner = calendar_bytes_take_text(&in, 1, CALENDAR_RELAY_NAME_BYTES_MAX);
    q->who = calendar_bytes_take_text(&in, 1, CALENDAR_RELAY_NAME_BYTES_MAX);
    q->change = calendar_bytes_take_number(&in, 1) == 1;
    if (q->change)
        take_oof(&in, &q->oof);
    return calendar_bytes_is_over(&in) && question_ok(q) ? ST_OK : ST_INVALID;
}

enum st calendar_relay_oof_answer_read(struct arena *arena, struct slice text,
                                       struct calendar_relay_oof_answer *a)
{
    struct calendar_bytes_in in = calendar_bytes_begin(arena, text, CALENDAR_BYTES_OOF_ANSWER);

    *a = (struct calendar_relay_oof_answer){0};
    a->result = (enum calendar_relay_oof_result)calendar_bytes_take_number(
        &in, CALENDAR_RELAY_OOF_RESULT_MAX - 1);
    if (a->result == CALENDAR_RELAY_OOF_DONE)
        take_oof(&in, &a->oof);
    return calendar_bytes_is_over(&in) && answer_ok(a) ? ST_OK : ST_INVALID;
}
