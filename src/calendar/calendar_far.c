#include "calendar/calendar_far.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_far_data.h"
#include "calendar/calendar_freebusy.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "sys/sys_fetch.h"
#include "sys/sys_time.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What is read of answers, before it is merged: of the bytes that an answer may have. */
#define ROOM_OF_BYTE 200
#define ROOM_OF_PERSON (8 * KIB)
#define ELEMENT_BYTES 24 /* an element has at least as many, on the average */

static_assert((int)SYS_FETCH_BASIC == (int)DIRECTORY_CALENDAR_BASIC &&
                  (int)SYS_FETCH_NTLM == (int)DIRECTORY_CALENDAR_NTLM &&
                  (int)SYS_FETCH_NEGOTIATE == (int)DIRECTORY_CALENDAR_NEGOTIATE &&
                  (int)SYS_FETCH_AUTH_MAX == (int)DIRECTORY_CALENDAR_AUTH_MAX,
              "one is the other");

void calendar_far_fail(struct arena *arena, const struct calendar_far_part *part,
                       enum calendar_hedge_answer answer, const char *fmt, ...)
{
    char text[CALENDAR_FAR_WHY_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    for (char *c = text; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    const char *why = slice_cstr(arena, slice_str(text));
    for (size_t i = 0; i < part->count; i++) {
        part->persons[i].answer = answer;
        part->persons[i].why = why;
    }
}

void calendar_far_add(struct arena *arena, struct calendar_far_person *person,
                      const struct calendar_busy_row *row)
{
    if (person->answer != CALENDAR_HEDGE_GOOD)
        return;
    if (person->count == CALENDAR_FAR_ROWS_MAX) {
        person->answer = CALENDAR_HEDGE_GARBAGE;
        person->why = "The foreign system tells of more times than there can be.";
        return;
    }
    if (person->count == person->cap)
        person->rows = arena_grow(arena, person->rows, person->count, &person->cap, sizeof(*row));
    person->rows[person->count++] = *row;
}

void calendar_far_know(struct arena *arena, struct calendar_far_person *person, int64_t from_s,
                       int64_t until_s)
{
    const bool first = person->known_count == 0;

    if (from_s >= until_s)
        return;
    if (person->known_count == CALENDAR_FAR_ROWS_MAX) {
        person->answer = CALENDAR_HEDGE_GARBAGE;
        person->why = "The foreign system tells of more times than there can be.";
        return;
    }
    if (person->known_count == person->known_cap)
        person->known = arena_grow(arena, person->known, person->known_count, &person->known_cap,
                                   sizeof(*person->known));
    person->known[person->known_count++] =
        (struct calendar_busy_row){from_s, until_s, STORE_BUSY_BUSY, from_s};
    if (first || from_s < person->from_s)
        person->from_s = from_s;
    if (first || until_s > person->until_s)
        person->until_s = until_s;
}

/* What is between the times that are known. */
static void add_gaps(struct arena *arena, struct calendar_far_person *person)
{
    size_t count;
    const struct calendar_busy_row *known = calendar_freebusy_merge(
        arena, person->known, person->known_count, person->from_s, person->until_s, &count);

    for (size_t i = 1; i < count; i++)
        calendar_far_add(arena, person,
                         &(struct calendar_busy_row){known[i - 1].end_s, known[i].start_s,
                                                     STORE_BUSY_UNKNOWN, known[i - 1].end_s});
}

void calendar_far_settle(struct arena *arena, struct calendar_far_person *person, int64_t from_s,
                         int64_t until_s)
{
    add_gaps(arena, person);
    if (person->answer != CALENDAR_HEDGE_GOOD)
        return;
    person->from_s = person->from_s > from_s ? person->from_s : from_s;
    person->until_s = person->until_s < until_s ? person->until_s : until_s;
    person->rows = calendar_freebusy_merge(arena, person->rows, person->count, person->from_s,
                                           person->until_s, &person->count);
    calendar_freebusy_trim(&person->rows, &person->count, &person->from_s, &person->until_s);
    person->answer = calendar_hedge_covers(person->from_s, person->until_s, from_s, until_s);
    if (person->answer == CALENDAR_HEDGE_GOOD &&
        calendar_freebusy_known_s(person->rows, person->count, from_s, until_s) < until_s - from_s)
        person->answer = CALENDAR_HEDGE_PART;
    if (person->answer == CALENDAR_HEDGE_BAD)
        person->why = "The foreign system knows nothing of these times.";
    else if (person->answer == CALENDAR_HEDGE_PART)
        person->why = "The foreign system knows of a part of these times.";
}

const char *calendar_far_url(const struct calendar_far_run *run,
                             const struct calendar_far_person *person)
{
    struct slice local, domain;

    directory_name_split(person->address, &local, &domain);
    return directory_calendar_url(run->ask->calendar, run->arena, local, domain);
}

/* --- asking --- */

static enum calendar_hedge_answer answer_of(enum st st)
{
    static const enum calendar_hedge_answer answers[ST_MAX] = {
        [ST_OK] = CALENDAR_HEDGE_GOOD,         [ST_AGAIN] = CALENDAR_HEDGE_AWAY,
        [ST_INVALID] = CALENDAR_HEDGE_GARBAGE, [ST_TOO_BIG] = CALENDAR_HEDGE_GARBAGE,
        [ST_DENIED] = CALENDAR_HEDGE_BAD,      [ST_NOT_FOUND] = CALENDAR_HEDGE_AWAY,
        [ST_EXISTS] = CALENDAR_HEDGE_AWAY,     [ST_CONFLICT] = CALENDAR_HEDGE_AWAY,
        [ST_FULL] = CALENDAR_HEDGE_AWAY,       [ST_IO] = CALENDAR_HEDGE_AWAY,
    };

    return answers[st];
}

bool calendar_far_fetch(struct calendar_far_run *run, const struct calendar_far_part *part,
                        const struct calendar_far_message *message, unsigned *status_r,
                        struct buf *body)
{
    const struct directory_calendar *calendar = run->ask->calendar;
    const struct sys_fetch_request request = {
        .method = message->method,
        .url = message->url,
        .headers = message->headers,
        .header_count = message->header_count,
        .body = message->body,
        .auth = (enum sys_fetch_auth)calendar->auth,
        .user = calendar->user,
        .password = calendar->password,
        .deadline_ms = run->ask->deadline_ms,
        .trust_file = run->trust_file,
    };
    AUTO(buf) struct buf why = BUF(CALENDAR_FAR_WHY_BYTES);

    buf_init(body, run->bytes_left > 0 ? run->bytes_left : 1);
    enum st st = sys_fetch(run->fetcher, &request, status_r, body, &why);
    run->bytes_left -= body->len < run->bytes_left ? body->len : run->bytes_left;
    if (st == ST_OK)
        return true;
    calendar_far_fail(run->arena, part, answer_of(st), "The foreign system: %s.",
                      why.ptr != NULL ? why.ptr : "no answer");
    return false;
}

void calendar_far_refused(struct calendar_far_run *run, const struct calendar_far_part *part,
                          unsigned status, bool of_person)
{
    if (of_person && (status == 404 || status == 410))
        calendar_far_fail(run->arena, part, CALENDAR_HEDGE_UNKNOWN,
                          "The foreign system has no calendar of that person (status %u).", status);
    else if (status == 401 || status == 403 || status == 407)
        calendar_far_fail(run->arena, part, CALENDAR_HEDGE_BAD,
                          "The foreign system refuses the log-in or the access (status %u).",
                          status);
    else
        calendar_far_fail(run->arena, part, CALENDAR_HEDGE_BAD,
                          "The foreign system answers with status %u.", status);
}

/* --- all of it --- */

static size_t bytes_max(const struct calendar_far_ask *ask)
{
    return ask->bytes_max < CALENDAR_FAR_BYTES_MAX ? ask->bytes_max : CALENDAR_FAR_BYTES_MAX;
}

size_t calendar_far_arena_bytes(const struct calendar_far_ask *ask)
{
    size_t rows = ask->count * 2 * CALENDAR_FAR_ROWS_MAX;

    if (rows > 2 * bytes_max(ask)) /* no row is shorter than a byte */
        rows = 2 * bytes_max(ask);
    return rows * sizeof(struct calendar_busy_row) + ask->count * KIB + 64 * KIB;
}

/* What a GOOD one is worth: it may know of less than was asked for, or be old. */
static void judge(const struct calendar_far_ask *ask, struct calendar_far_person *person,
                  struct arena *scratch)
{
    if (person->answer == CALENDAR_HEDGE_GOOD)
        calendar_far_settle(scratch, person, ask->from_s, ask->until_s);
    if (person->answer > CALENDAR_HEDGE_PART) {
        person->age_ms = 0;
        person->count = 0;
    }
    if (person->age_ms == 0)
        return;
    person->answer = CALENDAR_HEDGE_BAD;
    person->why = "The foreign system tells what it remembers.";
}

static void hand_over(struct arena *arena, const struct calendar_far_run *run,
                      struct calendar_far_person *person, struct arena *scratch,
                      struct calendar_far_answer *answer_r)
{
    judge(run->ask, person, scratch);
    *answer_r = (struct calendar_far_answer){
        .answer = person->answer,
        .why = slice_cstr(arena, slice_str(person->why)),
    };
    if (person->answer > CALENDAR_HEDGE_PART && person->age_ms == 0)
        return;
    answer_r->from_s = person->from_s;
    answer_r->until_s = person->until_s;
    answer_r->age_ms = person->age_ms;
    answer_r->count = person->count;
    answer_r->rows = arena_many(arena, struct calendar_busy_row, person->count);
    if (person->count > 0)
        memcpy(answer_r->rows, person->rows, person->count * sizeof(*person->rows));
}

static void run_way(struct calendar_far_run *run)
{
    switch (run->ask->calendar->way) {
    case DIRECTORY_CALENDAR_EWS:
        calendar_far_ews(run);
        break;
    case DIRECTORY_CALENDAR_CALDAV:
        calendar_far_caldav(run);
        break;
    case DIRECTORY_CALENDAR_IFB:
        calendar_far_ifb(run);
        break;
    case DIRECTORY_CALENDAR_NONE:
    case DIRECTORY_CALENDAR_MAX:
        assert(false);
    }
}

void calendar_far_ask(struct calendar *calendar, struct arena *arena,
                      const struct calendar_far_ask *ask, struct calendar_far_answer *answers)
{
    struct arena *scratch =
        arena_new("far", ROOM_OF_BYTE * bytes_max(ask) + ROOM_OF_PERSON * ask->count + MIB);
    struct arena *merging =
        arena_new("far merge", CALENDAR_FAR_ROWS_MAX * UINT64_C(500) + 64 * KIB);
    struct calendar_far_run run = {
        .ask = ask,
        .calendar = calendar,
        .fetcher = calendar_fetcher(calendar),
        .trust_file = conf_get()->smtp_out_trust_file,
        .arena = scratch,
        .persons = arena_many(scratch, struct calendar_far_person, ask->count),
        .bytes_left = bytes_max(ask),
    };

    for (size_t i = 0; i < ask->count; i++)
        run.persons[i] = (struct calendar_far_person){.address = ask->addresses[i],
                                                      .answer = CALENDAR_HEDGE_GOOD,
                                                      .from_s = ask->from_s,
                                                      .until_s = ask->from_s,
                                                      .why = ""};
    if (ask->until_s > ask->from_s)
        run_way(&run);
    for (size_t i = 0; i < ask->count; i++) {
        hand_over(arena, &run, &run.persons[i], merging, &answers[i]);
        arena_reset(merging);
    }
    arena_free(&merging);
    arena_free(&scratch);
}

struct xml_limits calendar_far_limits(struct slice text)
{
    return (struct xml_limits){
        .bytes_max = text.len + 1,
        .elements_max = text.len / ELEMENT_BYTES + 1000,
        .attributes_max = text.len / ELEMENT_BYTES + 1000,
        .depth_max = 32,
        .namespaces_max = 64,
    };
}
