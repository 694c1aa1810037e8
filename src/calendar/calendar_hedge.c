#include "calendar/calendar_hedge.h"

#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#define HAND_ON_PART 10 /* of the time left is for the way back */

void calendar_hedge_begin(struct calendar_hedge *hedge, const struct calendar_hedge_step *steps,
                          size_t count, uint64_t now_ms, uint64_t deadline_ms)
{
    if (count > CALENDAR_HEDGE_STEPS_MAX)
        count = CALENDAR_HEDGE_STEPS_MAX;
    /* Only as many marks as are looked at. */
    memset(hedge, 0, offsetof(struct calendar_hedge, marks) + count * sizeof(hedge->marks[0]));
    hedge->steps = steps;
    hedge->count = count;
    hedge->start_ms = now_ms;
    hedge->deadline_ms = deadline_ms;
    hedge->won = SIZE_MAX;
    for (size_t i = 0; i < count; i++)
        hedge->direct_left += steps[i].kind == CALENDAR_HEDGE_DIRECT;
}

/* --- time --- */

static uint64_t usual_of(const struct calendar_hedge_step *step)
{
    uint64_t usual_ms = step->usual_ms > 0 ? step->usual_ms : CALENDAR_HEDGE_USUAL_MS;

    return usual_ms > CALENDAR_HEDGE_USUAL_MIN_MS ? usual_ms : CALENDAR_HEDGE_USUAL_MIN_MS;
}

/* How long to wait, at most, for the source that is asked now: those that are left share what is
 * left of the first half of the time. */
static uint64_t share_ms(const struct calendar_hedge *hedge, uint64_t now_ms)
{
    uint64_t half_ms = hedge->start_ms + (hedge->deadline_ms - hedge->start_ms) / 2;
    uint64_t left_ms = now_ms < half_ms ? half_ms - now_ms : 0;

    return left_ms / (hedge->count - hedge->asked);
}

static void give_up(struct calendar_hedge *hedge, size_t step)
{
    if (!hedge->marks[step].given_up)
        hedge->given_up++;
    hedge->marks[step].given_up = true;
}

/* Those who should have answered by now; *late_ms_r: when the next one is late. Returns how many
 * are not late yet, and were silent before. */
static size_t look_who_is_late(struct calendar_hedge *hedge, uint64_t now_ms, uint64_t *late_ms_r)
{
    size_t silent = 0;

    *late_ms_r = UINT64_MAX;
    for (size_t i = 0; i < hedge->count; i++) {
        const struct calendar_hedge_mark *mark = &hedge->marks[i];

        if (!mark->asked || mark->answered || mark->given_up)
            continue;
        if (mark->late_ms <= now_ms)
            give_up(hedge, i);
        else if (mark->late_ms < *late_ms_r)
            *late_ms_r = mark->late_ms;
        silent += !mark->given_up && hedge->steps[i].silent_ms > usual_of(&hedge->steps[i]);
    }
    return silent;
}

/* --- steps --- */

/* Whether a server that was asked for its own answer is worth asking to go on. */
static bool may_go_on(const struct calendar_hedge_mark *mark)
{
    return mark->given_up && (!mark->answered || (mark->answer != CALENDAR_HEDGE_GARBAGE &&
                                                  mark->answer != CALENDAR_HEDGE_AWAY));
}

/* Once every direct one was reached detours would only ask the same again. */
static bool may_ask(const struct calendar_hedge *hedge, size_t i)
{
    const struct calendar_hedge_step *step = &hedge->steps[i];

    if (hedge->marks[i].asked)
        return false;
    return step->kind != CALENDAR_HEDGE_DETOUR ||
           (hedge->direct_left > 0 &&
            (step->twin == 0 || may_go_on(&hedge->marks[step->twin - 1])));
}

/* Until when all that are out, and are no detours, have their time before one is tried. */
static uint64_t round_from_ms(const struct calendar_hedge *hedge)
{
    uint64_t from_ms = 0;

    for (size_t i = 0; i < hedge->count; i++) {
        const struct calendar_hedge_mark *mark = &hedge->marks[i];

        if (mark->asked && !mark->answered && mark->round_ms > from_ms &&
            hedge->steps[i].kind != CALENDAR_HEDGE_DETOUR)
            from_ms = mark->round_ms;
    }
    return from_ms;
}

/* The first that may be asked now, or count. */
static size_t next_of(const struct calendar_hedge *hedge)
{
    size_t i = 0;

    while (i < hedge->count && !may_ask(hedge, i))
        i++;
    return i;
}

static struct calendar_hedge_do ask(struct calendar_hedge *hedge, size_t step, uint64_t now_ms)
{
    struct calendar_hedge_mark *mark = &hedge->marks[step];
    const uint64_t usual_ms = usual_of(&hedge->steps[step]);
    const uint64_t most_ms = share_ms(hedge, now_ms);
    const uint64_t round_ms = usual_ms * CALENDAR_HEDGE_PATIENCE;

    mark->asked = true;
    mark->late_ms = now_ms + (usual_ms < most_ms ? usual_ms : most_ms);
    mark->round_ms = now_ms + (round_ms < most_ms ? round_ms : most_ms);
    hedge->asked++;
    hedge->out++;
    return (struct calendar_hedge_do){.act = CALENDAR_HEDGE_ASK, .step = step};
}

struct calendar_hedge_do calendar_hedge_next(struct calendar_hedge *hedge, uint64_t now_ms)
{
    struct calendar_hedge_do wait = {.act = CALENDAR_HEDGE_WAIT, .at_ms = hedge->deadline_ms};
    uint64_t late_ms;

    if (hedge->won != SIZE_MAX)
        return (struct calendar_hedge_do){.act = CALENDAR_HEDGE_WON, .step = hedge->won};
    if (now_ms >= hedge->deadline_ms)
        return (struct calendar_hedge_do){.act = CALENDAR_HEDGE_OVER};
    size_t silent = look_who_is_late(hedge, now_ms, &late_ms);
    size_t next = next_of(hedge);
    bool more = next < hedge->count;
    bool all_late = hedge->asked <= hedge->given_up;
    bool round = more && hedge->steps[next].kind == CALENDAR_HEDGE_DETOUR;
    uint64_t from_ms = round ? round_from_ms(hedge) : 0;
    bool beside =
        more && !round && (hedge->asked <= hedge->given_up + silent || hedge->steps[next].rests);
    if (more && now_ms >= from_ms && (all_late || beside))
        return ask(hedge, next, now_ms);
    if (all_late && from_ms > now_ms && from_ms < wait.at_ms)
        wait.at_ms = from_ms;
    if (!more && (hedge->out == 0 || (hedge->has_part && all_late)))
        return (struct calendar_hedge_do){.act = CALENDAR_HEDGE_OVER};
    /* Then more of them may be asked, or those who are out are not worth waiting for. */
    if ((hedge->asked < hedge->count || hedge->has_part) && late_ms < wait.at_ms)
        wait.at_ms = late_ms;
    return wait;
}

void calendar_hedge_hear(struct calendar_hedge *hedge, size_t step,
                         enum calendar_hedge_answer answer)
{
    struct calendar_hedge_mark *mark;

    if (step >= hedge->count || hedge->won != SIZE_MAX)
        return;
    mark = &hedge->marks[step];
    if (!mark->asked || mark->answered)
        return;
    mark->answered = true;
    mark->answer = answer;
    hedge->out--;
    if (answer == CALENDAR_HEDGE_GOOD) {
        hedge->won = step;
        return;
    }
    hedge->has_part = hedge->has_part || answer == CALENDAR_HEDGE_PART;
    if ((answer == CALENDAR_HEDGE_PART || answer == CALENDAR_HEDGE_BAD ||
         answer == CALENDAR_HEDGE_GARBAGE) &&
        hedge->steps[step].kind == CALENDAR_HEDGE_DIRECT)
        hedge->direct_left--;
    give_up(hedge, step);
}

enum calendar_hedge_answer calendar_hedge_covers(int64_t from_s, int64_t until_s,
                                                 int64_t asked_from_s, int64_t asked_until_s)
{
    if (from_s <= asked_from_s && until_s >= asked_until_s)
        return CALENDAR_HEDGE_GOOD;
    return from_s < until_s && from_s < asked_until_s && until_s > asked_from_s
               ? CALENDAR_HEDGE_PART
               : CALENDAR_HEDGE_BAD;
}

bool calendar_hedge_is_better(const struct calendar_hedge_rest *a,
                              const struct calendar_hedge_rest *b)
{
    if (a->age_ms != b->age_ms)
        return a->age_ms < b->age_ms;
    return a->known_s > b->known_s;
}

uint64_t calendar_hedge_hand_on_ms(uint64_t now_ms, uint64_t deadline_ms)
{
    uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;

    return left_ms - left_ms / HAND_ON_PART;
}

enum calendar_hedge_result calendar_hedge_result(enum calendar_hedge_act act, bool known,
                                                 uint64_t known_age_ms, uint64_t age_max_ms)
{
    if (act == CALENDAR_HEDGE_WON)
        return CALENDAR_HEDGE_FRESH;
    return known && known_age_ms <= age_max_ms ? CALENDAR_HEDGE_KNOWN : CALENDAR_HEDGE_NO_DATA;
}

/* --- groups --- */

struct placed {
    struct calendar_hedge_ask ask;
    size_t at;
};

static int compare_keys(const struct placed *a, const struct placed *b)
{
    uintptr_t x = (uintptr_t)a->ask.key.source;
    uintptr_t y = (uintptr_t)b->ask.key.source;

    if (x != y)
        return x < y ? -1 : 1;
    if (a->ask.key.hops_left != b->ask.key.hops_left)
        return a->ask.key.hops_left < b->ask.key.hops_left ? -1 : 1;
    return 0;
}

static int compare_placed(const void *a, const void *b)
{
    const struct placed *x = a;
    const struct placed *y = b;
    int keys = compare_keys(x, y);

    return keys != 0 ? keys : (x->at > y->at) - (x->at < y->at);
}

struct gathered {
    struct calendar_hedge_group group;
    size_t first_at;
};

static int compare_gathered(const void *a, const void *b)
{
    const struct gathered *x = a;
    const struct gathered *y = b;

    return (x->first_at > y->first_at) - (x->first_at < y->first_at);
}

size_t calendar_hedge_groups(struct arena *arena, const struct calendar_hedge_ask *asks,
                             size_t count, size_t together_max,
                             struct calendar_hedge_group **groups_r)
{
    struct placed *placed = arena_many(arena, struct placed, count + 1);
    struct gathered *gathered = arena_many(arena, struct gathered, count + 1);
    size_t *attendees = arena_many(arena, size_t, count + 1);
    size_t groups = 0;

    for (size_t i = 0; i < count; i++)
        placed[i] = (struct placed){asks[i], i};
    qsort(placed, count, sizeof(*placed), compare_placed);
    for (size_t i = 0; i < count; i++) {
        struct calendar_hedge_group *last = groups > 0 ? &gathered[groups - 1].group : NULL;

        attendees[i] = placed[i].ask.attendee;
        if (last != NULL && compare_keys(&placed[i - 1], &placed[i]) == 0 && !placed[i].ask.each &&
            last->count < together_max) {
            last->count++;
            continue;
        }
        gathered[groups++] = (struct gathered){.group = {placed[i].ask.key, &attendees[i], 1},
                                               .first_at = placed[i].at};
    }
    qsort(gathered, groups, sizeof(*gathered), compare_gathered);
    *groups_r = arena_many(arena, struct calendar_hedge_group, groups + 1);
    for (size_t i = 0; i < groups; i++)
        (*groups_r)[i] = gathered[i].group;
    return groups;
}
