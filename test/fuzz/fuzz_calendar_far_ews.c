/* A foreign system's answer to GetUserAvailability: each input is "N" (persons, one digit), a line
 * feed, and the text. Whatever comes, each person has an answer with a sentence where it is not
 * GOOD, and rows within the window alone. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_far_data.h"

#include <stdlib.h>

#define PERSONS_MAX 9
#define FROM_S INT64_C(1796083200)
#define UNTIL_S (FROM_S + 86400)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct calendar_far_person persons[PERSONS_MAX];
    struct slice text = {(const char *)data, size};
    size_t count = size > 0 && data[0] >= '1' && data[0] <= '9' ? (size_t)(data[0] - '0') : 1;
    struct arena *arena = arena_new("fuzz", 64 * MIB);
    AUTO(buf) struct buf request = BUF(MIB);

    for (size_t i = 0; i < count; i++)
        persons[i] = (struct calendar_far_person){
            .address = SLICE("a@b"), .answer = CALENDAR_HEDGE_GOOD, .why = ""};
    const struct calendar_far_part part = {persons, count};
    calendar_far_ews_read(arena, slice_sub(text, 2, SIZE_MAX), FROM_S, UNTIL_S, 200, &part);
    for (size_t i = 0; i < count; i++) {
        must(persons[i].answer == CALENDAR_HEDGE_GOOD || persons[i].why[0] != '\0');
        must(persons[i].count <= CALENDAR_FAR_ROWS_MAX);
        must(persons[i].from_s <= persons[i].until_s);
        for (size_t j = 0; j < persons[i].count; j++)
            must(persons[i].rows[j].start_s < persons[i].rows[j].end_s &&
                 persons[i].rows[j].start_s < UNTIL_S && persons[i].rows[j].end_s > FROM_S &&
                 persons[i].rows[j].kind > STORE_BUSY_FREE &&
                 persons[i].rows[j].kind < STORE_BUSY_KIND_MAX);
        if (persons[i].answer != CALENDAR_HEDGE_GOOD)
            continue;
        calendar_far_settle(arena, &persons[i], FROM_S, UNTIL_S);
        must((persons[i].answer == CALENDAR_HEDGE_BAD) ==
             (persons[i].from_s >= persons[i].until_s));
        for (size_t j = 0; j < persons[i].count; j++)
            must(persons[i].rows[j].start_s >= persons[i].from_s &&
                 persons[i].rows[j].end_s <= persons[i].until_s &&
                 (j == 0 || persons[i].rows[j].start_s >= persons[i].rows[j - 1].end_s));
    }
    persons[0].address = slice_sub(text, 0, 1000);
    calendar_far_ews_write(&part, FROM_S, UNTIL_S, size % 2 == 0 ? "" : "a@b.example", &request);
    must(!request.over);
    arena_free(&arena);
    return 0;
}
