#include "router/router_outcome.h"

#include "base/slice.h"
#include "router/router.h"
#include "router/router_health.h"

#include <stdio.h>

#define LAST_BYTES_MAX 400 /* of the last answer in the text of what is too old */

/* An answer to the message before one to the connection. */
static bool is_better(const struct router_heard *heard, const struct router_answer *answer,
                      bool opened)
{
    if (heard->answer.kind == ROUTER_UNSETTLED)
        return true;
    if (opened != heard->opened)
        return opened;
    return router_judge_tells_more(answer, &heard->answer);
}

enum router_fate router_outcome_hear(struct router_heard *heard, const struct router_answer *answer,
                                     const char *host, bool opened)
{
    enum router_fate fate = opened ? router_judge(answer, false) : ROUTER_FATE_NEXT_HOP;

    if (fate != ROUTER_FATE_NEXT_HOP || is_better(heard, answer, opened)) {
        heard->answer = *answer;
        heard->host = host;
    }
    heard->opened = heard->opened || opened;
    heard->hope = heard->hope || answer->kind != ROUTER_NO_FEATURE;
    return fate;
}

static void say(const struct router_heard *heard, char said[ROUTER_SAID_BYTES])
{
    const struct router_answer *answer = &heard->answer;
    const char *host = heard->host != NULL ? heard->host : "";
    char code[8] = "";

    if (answer->code != 0)
        snprintf(code, sizeof(code), "%u ", (unsigned)answer->code);
    snprintf(said, ROUTER_SAID_BYTES, "%s%s%s%s%s%s", code, answer->enhanced,
             answer->enhanced[0] != '\0' ? " " : "", host, host[0] != '\0' ? ": " : "",
             answer->text);
}

void router_outcome_too_old(struct slice last, char said_r[ROUTER_SAID_BYTES])
{
    last = router_answer_fit(last, LAST_BYTES_MAX);
    snprintf(said_r, ROUTER_SAID_BYTES, "5.4.7 given up after its time; the last answer was: %.*s",
             SLICE_ARG(last));
}

static void later(const struct router_terms *terms, struct router_outcome *outcome)
{
    const struct router_pace_limits limits = {.retry_min_ms = terms->retry_min_ms,
                                              .retry_max_ms = terms->retry_max_ms};

    if (terms->now_ms - terms->accepted_ms >= (int64_t)terms->timeout_ms) {
        char last[ROUTER_SAID_BYTES];

        snprintf(last, sizeof(last), "%s", outcome->said);
        outcome->what = ROUTER_OUTCOME_FAILED;
        router_outcome_too_old(slice_str(last), outcome->said);
        return;
    }
    outcome->what = ROUTER_OUTCOME_LATER;
    outcome->attempts = terms->attempts + 1;
    outcome->next_ms =
        terms->now_ms + (int64_t)router_retry_ms(outcome->attempts, terms->random, &limits);
}

/* No host is left to ask. */
static enum router_fate last_fate(const struct router_heard *heard)
{
    enum router_fate fate = router_judge(&heard->answer, true);

    return fate == ROUTER_FATE_FAILED && heard->hope ? ROUTER_FATE_LATER : fate;
}

void router_outcome(const struct router_heard *heard, enum router_fate fate,
                    const struct router_terms *terms, struct router_outcome *outcome_r)
{
    *outcome_r = (struct router_outcome){.what = ROUTER_OUTCOME_WAITS};
    say(heard, outcome_r->said);
    if (fate == ROUTER_FATE_NEXT_HOP && !heard->opened)
        return;
    if (fate == ROUTER_FATE_NEXT_HOP)
        fate = last_fate(heard);
    if (fate == ROUTER_FATE_FAILED)
        outcome_r->what = ROUTER_OUTCOME_FAILED;
    else if (fate == ROUTER_FATE_DONE)
        outcome_r->what = (terms->notify & ROUTER_NOTIFY_SUCCESS) != 0 && !terms->peer_tells
                              ? ROUTER_OUTCOME_RELAYED
                              : ROUTER_OUTCOME_DONE;
    else
        later(terms, outcome_r);
}

enum router_pressure router_outcome_pressure(const struct router_answer answers[], size_t count)
{
    enum router_pressure worst = ROUTER_DEST_GOOD;

    for (size_t i = 0; i < count; i++) {
        enum router_pressure pressure = router_judge_destination(&answers[i], true);

        if (pressure > worst)
            worst = pressure;
    }
    return worst;
}

enum router_turn router_outcome_press(struct router_pace *pace, enum router_pressure pressure,
                                      const struct router_pace_limits *limits, int64_t now_ms,
                                      uint32_t random)
{
    bool was_up = pace->attempts == 0;

    switch (pressure) {
    case ROUTER_DEST_GOOD:
        return router_pace_good(pace, limits, now_ms) ? ROUTER_TURN_UP : ROUTER_TURN_NONE;
    case ROUTER_DEST_BUSY:
        router_pace_busy(pace, limits, now_ms, random);
        break;
    case ROUTER_DEST_DOWN:
        router_pace_down(pace, limits, now_ms, random);
        break;
    }
    return was_up && pace->attempts > 0 ? ROUTER_TURN_DOWN : ROUTER_TURN_NONE;
}

void router_outcome_host(struct router_health *health, const char *host, uint16_t port, bool opened,
                         int64_t now_ms, uint64_t rest_ms)
{
    if (opened)
        router_health_up(health, host, port);
    else
        router_health_down(health, host, port, now_ms, now_ms + (int64_t)rest_ms);
}
