#include "calendar/calendar_connector.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_busytime.h"
#include "calendar/calendar_connector_run.h"
#include "calendar/calendar_detail.h"
#include "calendar/calendar_schedule.h"
#include "conf/conf.h"
#include "log/log.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

#define LOOKUP_BYTES_MAX GIB
#define DETAIL_BYTES_MAX (128 * MIB) /* of it */
#define TOGETHER_MAX 100             /* attendees in one question; Exchange takes no more */

struct seat {
    struct calendar_connector_plan plan;
    struct calendar_hedge hedge;
    const char **sources; /* of each step */
    const struct calendar_said *good;
    const struct calendar_said *rest; /* the best of the others: a part, or what somebody knew */
    const char *failed;               /* why the last one did; "" */
    size_t silent, unknown; /* how many did not answer well, and did not know the attendee */
    bool over;
    struct calendar_connector_answer answer;
};

struct calendar_connector_lookup {
    struct calendar_connector *connector;
    struct calendar_board *board;
    struct arena *arena;               /* the board's */
    struct calendar_connector_ask ask; /* its texts are the board's */
    struct calendar_who outsider;
    uint64_t start_ms;
    size_t detail_bytes; /* that details took of the arena */
    uint64_t look_ms;    /* when to look again, without an answer */
    struct seat *seats;
    const struct seat **over; /* in the order in which they came to an end */
    size_t over_count, given_count;
};

const char *calendar_connector_result_name(enum calendar_connector_result result)
{
    static const char *const names[CALENDAR_CONNECTOR_RESULT_MAX] = {
        "fresh", "known", "no data", "denied", "not found", "group", "no way", "bad question"};

    return result < CALENDAR_CONNECTOR_RESULT_MAX ? names[result] : "?";
}

static void tell(const struct calendar_connector_lookup *lookup, size_t seat, const char *source,
                 const char *what, const char *why)
{
    char line[700];

    if (lookup->ask.tell == NULL)
        return;
    snprintf(line, sizeof(line), "%s %s%s%s", source, what, why[0] != '\0' ? ": " : "", why);
    lookup->ask.tell(lookup->ask.tell_ctx, seat, sys_mono_ms() - lookup->start_ms, line);
}

/* --- an attendee comes to an end --- */

static void finish(struct calendar_connector_lookup *lookup, struct seat *seat,
                   enum calendar_connector_result result, const char *why)
{
    struct calendar_connector_answer *answer = &seat->answer;

    answer->attendee = (size_t)(seat - lookup->seats);
    answer->result = result;
    answer->took_ms = sys_mono_ms() - lookup->start_ms;
    if (answer->source == NULL)
        answer->source = "";
    if (answer->way == NULL)
        answer->way = "";
    answer->why = why;
    seat->over = true;
    lookup->over[lookup->over_count++] = seat;
}

/* Answers differ by who asks. */
static struct slice known_key(const struct calendar_connector_lookup *lookup, size_t seat)
{
    const struct calendar_who *who = lookup->ask.who;
    const char *name = who->person != NULL ? who->person->name : "";
    struct slice address = lookup->ask.attendees[seat];
    char *key = arena_text(lookup->arena, address.len + 1 + strlen(name));

    memcpy(key, address.ptr, address.len);
    key[address.len] = '\n';
    memcpy(key + address.len + 1, name, strlen(name));
    return slice_str(key);
}

/* The rows of its answer. */
static void remember(struct calendar_connector_lookup *lookup, const struct seat *seat,
                     int64_t from_s, int64_t until_s)
{
    if (lookup->ask.but_uid.len == 0)
        calendar_known_put(lookup->connector->known,
                           known_key(lookup, (size_t)(seat - lookup->seats)), from_s, until_s,
                           seat->answer.rows, seat->answer.count, sys_mono_ms());
}

static void finish_good(struct calendar_connector_lookup *lookup, struct seat *seat, size_t step)
{
    const struct calendar_said *said = seat->good;

    seat->answer = (struct calendar_connector_answer){.rows = said->rows,
                                                      .count = said->count,
                                                      .events = said->events,
                                                      .event_count = said->event_count,
                                                      .week = said->week,
                                                      .from_s = lookup->ask.from_s,
                                                      .until_s = lookup->ask.until_s,
                                                      .source = said->source,
                                                      .way = said->way};
    if (said->denied) /* what he was told before, too */
        calendar_known_drop(lookup->connector->known,
                            known_key(lookup, (size_t)(seat - lookup->seats)));
    else if (seat->plan.steps[step].way != CALENDAR_CONNECTOR_HERE)
        remember(lookup, seat, lookup->ask.from_s, lookup->ask.until_s);
    finish(lookup, seat, said->denied ? CALENDAR_CONNECTOR_DENIED : CALENDAR_CONNECTOR_FRESH,
           said->why);
}

static void finish_rest(struct calendar_connector_lookup *lookup, struct seat *seat,
                        const char *why)
{
    const struct calendar_said *rest = seat->rest;
    const bool fresh = rest->answer == CALENDAR_HEDGE_PART;

    seat->answer = (struct calendar_connector_answer){.rows = rest->rows,
                                                      .count = rest->count,
                                                      .week = rest->week,
                                                      .from_s = rest->from_s,
                                                      .until_s = rest->until_s,
                                                      .age_ms = rest->age_ms,
                                                      .source = rest->source,
                                                      .way = rest->way};
    if (fresh)
        remember(lookup, seat, rest->from_s, rest->until_s);
    finish(lookup, seat, fresh ? CALENDAR_CONNECTOR_FRESH : CALENDAR_CONNECTOR_KNOWN,
           fresh ? rest->why : why);
}

static bool is_better(const struct calendar_said *a, const struct calendar_said *b)
{
    return calendar_hedge_is_better(
        &(struct calendar_hedge_rest){a->age_ms, a->from_s, a->until_s},
        &(struct calendar_hedge_rest){b->age_ms, b->from_s, b->until_s});
}

/* Nobody answered of all: a part, or what is known, here or where it was asked. */
static void finish_over(struct calendar_connector_lookup *lookup, struct seat *seat)
{
    const size_t number = (size_t)(seat - lookup->seats);
    const uint64_t age_max_ms = conf_get()->freebusy_age_max_ms;
    struct calendar_known_answer known = {0};
    const bool here =
        lookup->ask.but_uid.len == 0 &&
        calendar_known_get(lookup->connector->known, known_key(lookup, number), lookup->ask.from_s,
                           lookup->ask.until_s, sys_mono_ms(), age_max_ms, lookup->arena, &known);
    const struct calendar_said *rest = seat->rest;
    const struct calendar_said mine = {
        .age_ms = known.age_ms, .from_s = known.from_s, .until_s = known.until_s};
    const char *why = seat->failed[0] != '\0' ? seat->failed : seat->plan.why;

    if (rest != NULL && rest->age_ms <= age_max_ms && (!here || !is_better(&mine, rest))) {
        finish_rest(lookup, seat, why);
    } else if (here) {
        seat->answer = (struct calendar_connector_answer){.rows = known.rows,
                                                          .count = known.count,
                                                          .from_s = known.from_s,
                                                          .until_s = known.until_s,
                                                          .age_ms = known.age_ms,
                                                          .source = "this server's memory"};
        finish(lookup, seat, CALENDAR_CONNECTOR_KNOWN, why);
    } else if (seat->unknown > 0 && seat->unknown == seat->plan.step_count) {
        finish(lookup, seat, CALENDAR_CONNECTOR_NOT_FOUND, why);
    } else {
        finish(lookup, seat, CALENDAR_CONNECTOR_NO_DATA, why);
    }
    if (seat->answer.result != CALENDAR_CONNECTOR_FRESH)
        count_add(seat->answer.result == CALENDAR_CONNECTOR_KNOWN ? COUNT_FREEBUSY_KNOWN
                                                                  : COUNT_FREEBUSY_NO_DATA,
                  1);
}

/* --- what is heard --- */

static void hear(struct calendar_connector_lookup *lookup, const struct calendar_said *said)
{
    static const char *const words[CALENDAR_HEDGE_ANSWER_MAX] = {
        [CALENDAR_HEDGE_GOOD] = "answered",
        [CALENDAR_HEDGE_PART] = "answered of a part of it",
        [CALENDAR_HEDGE_BAD] = "cannot answer",
        [CALENDAR_HEDGE_GARBAGE] = "answered what nobody can read",
        [CALENDAR_HEDGE_UNKNOWN] = "does not know of the attendee",
        [CALENDAR_HEDGE_AWAY] = "was not reached"};
    struct seat *seat = &lookup->seats[said->attendee];

    tell(lookup, said->attendee, seat->sources[said->step], words[said->answer], said->why);
    if (said->answer == CALENDAR_HEDGE_GARBAGE)
        count_add(COUNT_FREEBUSY_GARBAGE, 1);
    if (seat->over)
        return;
    if (said->answer == CALENDAR_HEDGE_GOOD && seat->good == NULL)
        seat->good = said;
    if (said->answer != CALENDAR_HEDGE_GOOD)
        seat->failed = said->why;
    seat->unknown += said->answer == CALENDAR_HEDGE_UNKNOWN;
    if ((said->is_old || said->answer == CALENDAR_HEDGE_PART) && said->from_s < said->until_s &&
        (seat->rest == NULL || is_better(said, seat->rest)))
        seat->rest = said;
    calendar_hedge_hear(&seat->hedge, said->step, said->answer);
}

/* --- asking --- */

static struct calendar_said *say(struct calendar_connector_lookup *lookup, size_t seat, size_t step,
                                 enum calendar_hedge_answer answer, const char *why)
{
    struct calendar_said *said = arena_one(lookup->arena, struct calendar_said);

    *said = (struct calendar_said){.attendee = seat,
                                   .step = step,
                                   .answer = answer,
                                   .source = lookup->seats[seat].sources[step],
                                   .way = "",
                                   .why = why};
    return said;
}

/* Without them the times are an answer all the same. */
static void add_details(struct calendar_connector_lookup *lookup,
                        const struct directory_person *owner, struct calendar_said *said)
{
    const struct calendar_detail_ask ask = {.who = lookup->ask.who,
                                            .owner = owner,
                                            .from_s = lookup->ask.from_s,
                                            .until_s = lookup->ask.until_s,
                                            .but_uid = lookup->ask.but_uid,
                                            .bytes_max = DETAIL_BYTES_MAX - lookup->detail_bytes,
                                            .rows = said->rows,
                                            .count = said->count};
    size_t bytes = 0;

    if (calendar_detail(lookup->connector->calendar, lookup->arena, &ask, &said->events,
                        &said->event_count, &bytes) != ST_OK)
        said->events = NULL;
    lookup->detail_bytes += bytes < ask.bytes_max ? bytes : ask.bytes_max;
}

/* All whose calendars are here, in one transaction. */
struct here {
    const struct directory_person **owners;
    struct calendar_said **said; /* of each owner */
    size_t count;
};

static void note_here(struct calendar_connector_lookup *lookup, struct here *here, size_t number,
                      size_t step)
{
    const struct directory_person *owner = calendar_schedule_person(
        lookup->board->directory, lookup->seats[number].plan.steps[step].address);

    if (owner == NULL) {
        hear(lookup, say(lookup, number, step, CALENDAR_HEDGE_UNKNOWN, ""));
        return;
    }
    here->owners[here->count] = owner;
    here->said[here->count++] = say(lookup, number, step, CALENDAR_HEDGE_GOOD, "");
}

static void ask_here(struct calendar_connector_lookup *lookup, const struct here *here)
{
    const struct calendar_busytime_many ask = {.who = lookup->ask.who,
                                               .owners = here->owners,
                                               .count = here->count,
                                               .from_s = lookup->ask.from_s,
                                               .until_s = lookup->ask.until_s,
                                               .but_uid = lookup->ask.but_uid,
                                               .weeks = lookup->ask.week};
    struct calendar_busytime_found *found =
        arena_many(lookup->arena, struct calendar_busytime_found, here->count);

    calendar_busytime_many(lookup->connector->calendar, lookup->arena, &ask, found);
    for (size_t i = 0; i < here->count; i++) {
        struct calendar_said *said = here->said[i];
        const enum st st = found[i].st;

        said->rows = found[i].rows;
        said->count = found[i].count;
        said->week = found[i].week;
        said->denied = st == ST_DENIED;
        if (st != ST_OK && st != ST_DENIED) {
            said->answer = CALENDAR_HEDGE_BAD;
            said->why = st == ST_TOO_BIG ? "there is too much of it" : "the store failed";
        }
        if (st == ST_OK && lookup->ask.details)
            add_details(lookup, here->owners[i], said);
        hear(lookup, said);
    }
}

/* Whether there were any. */
static bool ask_groups_here(struct calendar_connector_lookup *lookup,
                            const struct calendar_hedge_group *groups, size_t count)
{
    struct here here = {.count = 0};
    size_t seats = 0;

    for (size_t i = 0; i < count; i++)
        seats += groups[i].key.source == NULL ? groups[i].count : 0;
    if (seats == 0)
        return false;
    here.owners = arena_many(lookup->arena, const struct directory_person *, seats);
    here.said = arena_many(lookup->arena, struct calendar_said *, seats);
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; groups[i].key.source == NULL && k < groups[i].count; k++)
            note_here(lookup, &here, groups[i].attendees[k] / CALENDAR_HEDGE_STEPS_MAX,
                      groups[i].attendees[k] % CALENDAR_HEDGE_STEPS_MAX);
    if (here.count > 0)
        ask_here(lookup, &here);
    return true;
}

static const struct calendar_connector_if *if_of(const struct calendar_connector_lookup *lookup,
                                                 const struct calendar_connector_step *step)
{
    const char *name = step->way == CALENDAR_CONNECTOR_SERVER    ? step->server->name
                       : step->way == CALENDAR_CONNECTOR_FOREIGN ? step->foreign->name
                                                                 : "";

    for (size_t i = 0; i < lookup->ask.if_count; i++)
        if (slice_ieq(lookup->ask.ifs[i].server, slice_str(name)))
            return &lookup->ask.ifs[i];
    return NULL;
}

struct asks {
    struct calendar_hedge_ask *list;
    size_t count, cap;
};

static size_t ask_number(size_t seat, size_t step)
{
    return seat * CALENDAR_HEDGE_STEPS_MAX + step;
}

static void ask_step(struct calendar_connector_lookup *lookup, struct asks *asks, size_t number,
                     size_t step)
{
    struct seat *seat = &lookup->seats[number];
    const struct calendar_connector_step *of = &seat->plan.steps[step];
    const struct calendar_connector_if *supposed = if_of(lookup, of);

    if (seat->hedge.asked == 2)
        count_add(COUNT_FREEBUSY_HEDGED, 1);
    tell(lookup, number, seat->sources[step], "is asked", of->why);
    if (supposed != NULL) {
        if (!supposed->hung)
            hear(lookup, say(lookup, number, step, CALENDAR_HEDGE_AWAY, "supposed to be down"));
        return;
    }
    if (asks->count == asks->cap)
        asks->list =
            arena_grow(lookup->arena, asks->list, asks->count, &asks->cap, sizeof(*asks->list));
    asks->list[asks->count++] =
        (struct calendar_hedge_ask){of->key, ask_number(number, step), of->each};
}

/* What is to be done for one attendee now. */
static void attend(struct calendar_connector_lookup *lookup, struct asks *asks, size_t number,
                   uint64_t now_ms)
{
    struct seat *seat = &lookup->seats[number];

    while (!seat->over) {
        const struct calendar_hedge_do act = calendar_hedge_next(&seat->hedge, now_ms);

        if (act.act == CALENDAR_HEDGE_WAIT) {
            lookup->look_ms = act.at_ms < lookup->look_ms ? act.at_ms : lookup->look_ms;
            return;
        }
        if (act.act == CALENDAR_HEDGE_ASK)
            ask_step(lookup, asks, number, act.step);
        else if (act.act == CALENDAR_HEDGE_WON && seat->good != NULL)
            finish_good(lookup, seat, act.step);
        else
            finish_over(lookup, seat);
    }
}

static void ask_group(struct calendar_connector_lookup *lookup,
                      const struct calendar_hedge_group *group)
{
    const size_t first = group->attendees[0];
    const struct seat *seat = &lookup->seats[first / CALENDAR_HEDGE_STEPS_MAX];
    const size_t step = first % CALENDAR_HEDGE_STEPS_MAX;
    struct calendar_question *question = arena_one(lookup->arena, struct calendar_question);

    *question = (struct calendar_question){.step = &seat->plan.steps[step],
                                           .source = seat->sources[step],
                                           .visited = seat->plan.visited,
                                           .visited_count = seat->plan.visited_count,
                                           .count = group->count};

    question->seats = arena_many(lookup->arena, struct calendar_question_seat, group->count);
    for (size_t i = 0; i < group->count; i++) {
        const size_t number = group->attendees[i] / CALENDAR_HEDGE_STEPS_MAX;
        const size_t its = group->attendees[i] % CALENDAR_HEDGE_STEPS_MAX;

        question->seats[i] = (struct calendar_question_seat){
            number, its, lookup->seats[number].plan.steps[its].address, false};
    }
    count_add(COUNT_FREEBUSY_QUESTIONS, 1);
    calendar_question_ask(lookup->board, question);
}

/* Everything that is to be done now. The store is asked last: what is under way goes on. */
static void work(struct calendar_connector_lookup *lookup)
{
    bool again = true;

    while (again) {
        struct calendar_hedge_group *groups = NULL;
        struct asks asks = {0};
        const uint64_t now_ms = sys_mono_ms();

        lookup->look_ms = UINT64_MAX;
        for (size_t i = 0; i < lookup->ask.count; i++)
            attend(lookup, &asks, i, now_ms);
        const size_t count =
            calendar_hedge_groups(lookup->arena, asks.list, asks.count, TOGETHER_MAX, &groups);
        for (size_t i = 0; i < count; i++)
            if (groups[i].key.source != NULL)
                ask_group(lookup, &groups[i]);
        again = ask_groups_here(lookup, groups, count);
    }
}

/* Hears what came, waiting for it where nothing did. */
static void await(struct calendar_connector_lookup *lookup)
{
    for (const struct calendar_said *said = calendar_board_take(lookup->board, lookup->look_ms);
         said != NULL; said = said->next)
        hear(lookup, said);
}

/* --- the beginning and the end --- */

static const char *source_name(struct arena *arena, const struct calendar_connector_step *step)
{
    char name[HEALTH_NAME_BYTES + 32];

    if (step->way == CALENDAR_CONNECTOR_HERE)
        return CALENDAR_SOURCE_HERE;
    if (step->way == CALENDAR_CONNECTOR_SERVER)
        snprintf(name, sizeof(name), "server %s%s", step->server->name,
                 step->hops_left > 0 ? " (to go round)" : "");
    else
        snprintf(name, sizeof(name), "document %s", step->foreign->name);
    return slice_cstr(arena, slice_str(name));
}

static void plan(struct calendar_connector_lookup *lookup, size_t number,
                 const struct health_view *servers)
{
    static const enum calendar_connector_result ends[] = {
        [CALENDAR_CONNECTOR_NOBODY] = CALENDAR_CONNECTOR_NOT_FOUND,
        [CALENDAR_CONNECTOR_GROUP] = CALENDAR_CONNECTOR_IS_GROUP,
        [CALENDAR_CONNECTOR_STRANGER] = CALENDAR_CONNECTOR_NO_WAY,
        [CALENDAR_CONNECTOR_INVALID] = CALENDAR_CONNECTOR_BAD_ASK};
    const struct calendar_connector_ask *ask = &lookup->ask;
    struct seat *seat = &lookup->seats[number];
    const struct calendar_connector_question question = {
        .directory = lookup->board->directory,
        .servers = servers,
        .mono_ms = lookup->start_ms,
        .server_name = calendar_server_name(lookup->connector->calendar),
        .address = ask->attendees[number],
        .from_s = ask->from_s,
        .until_s = ask->until_s,
        .visited = ask->visited,
        .visited_count = ask->visited_count,
        .hops_left = ask->visited_count == 0 ? CALENDAR_CONNECTOR_HOPS : ask->hops_left,
        .pass_busy = true,
        .from_foreign = ask->from_foreign,
        .explain = ask->tell != NULL};

    calendar_connector_plan(&question, lookup->arena, &seat->plan);
    seat->failed = "";
    for (size_t i = 0; ask->tell != NULL && i < seat->plan.candidate_count; i++)
        if (!seat->plan.candidates[i].taken)
            tell(lookup, number, seat->plan.candidates[i].name, seat->plan.candidates[i].state,
                 seat->plan.candidates[i].why);
    if (seat->plan.end != CALENDAR_CONNECTOR_ASK) {
        finish(lookup, seat, ends[seat->plan.end], seat->plan.why);
        return;
    }
    seat->sources = arena_many(lookup->arena, const char *, seat->plan.step_count + 1);
    for (size_t i = 0; i < seat->plan.step_count; i++) {
        seat->sources[i] = source_name(lookup->arena, &seat->plan.steps[i]);
        if (seat->plan.steps[i].way == CALENDAR_CONNECTOR_HERE)
            continue;
        const struct slice source = slice_str(seat->sources[i]);
        seat->plan.hedge[i].usual_ms = calendar_usual_ms(lookup->connector->usual, source);
        seat->plan.hedge[i].silent_ms =
            calendar_usual_silent_ms(lookup->connector->usual, source, lookup->start_ms);
    }
    calendar_hedge_begin(&seat->hedge, seat->plan.hedge, seat->plan.step_count, lookup->start_ms,
                         ask->deadline_ms);
}

static const struct slice *copy_all(struct arena *arena, const struct slice *from, size_t count,
                                    bool mails)
{
    struct slice *to = arena_many(arena, struct slice, count + 1);

    for (size_t i = 0; i < count; i++)
        to[i] = arena_copy(arena, mails ? calendar_address_mail(from[i]) : from[i]);
    return to;
}

/* Threads go on with the question when the asker has had enough: what it says is copied. */
static void copy_ask(struct calendar_connector_lookup *lookup,
                     const struct calendar_connector_ask *ask)
{
    struct arena *arena = lookup->arena;

    lookup->ask = *ask;
    lookup->ask.attendees = copy_all(arena, ask->attendees, ask->count, true);
    lookup->ask.visited = copy_all(arena, ask->visited, ask->visited_count, false);
    lookup->ask.asker = arena_copy(arena, ask->asker);
    lookup->ask.but_uid = arena_copy(arena, ask->but_uid);
    if (ask->who == NULL)
        lookup->ask.who = &lookup->outsider;
    if (ask->deadline_ms == 0)
        lookup->ask.deadline_ms = lookup->start_ms + conf_get()->freebusy_deadline_ms;
    lookup->board->ask = lookup->ask;
    lookup->board->ask.who = NULL;
    lookup->board->ask.tell = NULL;
    lookup->board->who = slice_cstr(
        arena, slice_str(lookup->ask.who->person != NULL ? lookup->ask.who->person->name : ""));
}

struct calendar_connector_lookup *calendar_connector_begin(struct calendar_connector *connector,
                                                           const struct calendar_connector_ask *ask)
{
    struct calendar_connector_lookup *lookup = mem_new(struct calendar_connector_lookup);
    struct health *health = connector->cluster != NULL ? cluster_health(connector->cluster) : NULL;
    const struct health_view *view = health != NULL ? health_view_ref(health) : NULL;

    lookup->connector = connector;
    lookup->arena = arena_new("free/busy", LOOKUP_BYTES_MAX);
    lookup->board = calendar_board_new(connector, lookup->arena);
    lookup->start_ms = sys_mono_ms();
    copy_ask(lookup, ask);
    lookup->seats = arena_many(lookup->arena, struct seat, ask->count + 1);
    lookup->over = arena_many(lookup->arena, const struct seat *, ask->count + 1);
    count_add(COUNT_FREEBUSY_ATTENDEES, ask->count);
    for (size_t i = 0; i < ask->count; i++)
        plan(lookup, i, view);
    health_view_unref(&view);
    work(lookup);
    return lookup;
}

const struct calendar_connector_answer *
calendar_connector_next(struct calendar_connector_lookup *lookup)
{
    for (;;) {
        if (lookup->given_count < lookup->over_count)
            return &lookup->over[lookup->given_count++]->answer;
        if (lookup->over_count == lookup->ask.count)
            return NULL;
        await(lookup);
        work(lookup);
    }
}

bool calendar_connector_ready(const struct calendar_connector_lookup *lookup)
{
    return lookup->given_count < lookup->over_count || lookup->over_count == lookup->ask.count;
}

const struct calendar_connector_answer *
calendar_connector_get(struct calendar_connector_lookup *lookup, size_t attendee)
{
    while (!lookup->seats[attendee].over) {
        await(lookup);
        work(lookup);
    }
    return &lookup->seats[attendee].answer;
}

void calendar_connector_end(struct calendar_connector_lookup **lookup)
{
    if (*lookup == NULL)
        return;
    calendar_board_unref(&(*lookup)->board); /* and with the last one the arena */
    mem_free(*lookup);
    *lookup = NULL;
}
