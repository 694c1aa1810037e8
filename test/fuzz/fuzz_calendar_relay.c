/* Questions of another server about free time and out of office, and its answers: what is read is
 * within its limits, and written again it is the same bytes. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_relay.h"
#include "calendar/calendar_relay_oof.h"

#include <stdlib.h>

#define ATTENDEES 5

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_question(struct arena *arena, struct slice in)
{
    AUTO(buf) struct buf out = BUF(2 * MIB);
    struct calendar_relay_question question;

    if (calendar_relay_question_read(arena, in, &question) != ST_OK)
        return;
    must(question.from_s < question.until_s && question.attendee_count > 0);
    must(question.visited_count <= CALENDAR_RELAY_VISITED_MAX);
    must(calendar_relay_question_write(&question, &out) == ST_OK);
    must(slice_eq(buf_slice(&out), in));
}

static void check_answer(struct arena *arena, struct slice in)
{
    AUTO(buf) struct buf out = BUF(2 * MIB);
    struct calendar_relay_answer answer;

    if (calendar_relay_answer_read(arena, in, ATTENDEES, &answer) != ST_OK)
        return;
    must(answer.attendee < ATTENDEES && answer.result < CALENDAR_CONNECTOR_RESULT_MAX);
    for (size_t i = 0; i < answer.count; i++) {
        must(answer.rows[i].start_s < answer.rows[i].end_s);
        must(answer.rows[i].start_s < answer.until_s && answer.rows[i].end_s > answer.from_s);
        must(answer.rows[i].kind > STORE_BUSY_FREE && answer.rows[i].kind < STORE_BUSY_KIND_MAX);
    }
    must(answer.week == NULL || calendar_week_is_sound(answer.week));
    must(calendar_relay_answer_write(&answer, &out) == ST_OK);
    must(slice_eq(buf_slice(&out), in));
}

static void check_oof_question(struct arena *arena, struct slice in)
{
    AUTO(buf) struct buf out = BUF(2 * MIB);
    struct calendar_relay_oof_question question;

    if (calendar_relay_oof_question_read(arena, in, &question) != ST_OK)
        return;
    must(question.owner.len > 0 && question.who.len > 0);
    must(question.oof.oof <= STORE_OOF_SCHEDULED);
    must(calendar_relay_oof_question_write(&question, &out) == ST_OK);
    must(slice_eq(buf_slice(&out), in));
}

static void check_oof_answer(struct arena *arena, struct slice in)
{
    AUTO(buf) struct buf out = BUF(2 * MIB);
    struct calendar_relay_oof_answer answer;

    if (calendar_relay_oof_answer_read(arena, in, &answer) != ST_OK)
        return;
    must(answer.result < CALENDAR_RELAY_OOF_RESULT_MAX);
    must(answer.oof.oof_inside_text.len <= STORE_CALENDAR_TEXT_BYTES_MAX);
    must(calendar_relay_oof_answer_write(&answer, &out) == ST_OK);
    must(slice_eq(buf_slice(&out), in));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new("fuzz", 2 * (8 * size + 64 * KIB));
    struct slice in = {(const char *)data, size};

    check_question(arena, in);
    check_answer(arena, in);
    check_oof_question(arena, in);
    check_oof_answer(arena, in);
    arena_free(&arena);
    return 0;
}
