#include "router/router_judge.h"

static bool speaks_of_message(const struct router_answer *answer)
{
    return answer->kind == ROUTER_ANSWERED && answer->stage >= ROUTER_STAGE_MAIL;
}

/* The server may have taken it: another one would deliver it twice. */
static bool in_doubt(const struct router_answer *answer)
{
    return answer->stage == ROUTER_STAGE_END &&
           (answer->kind == ROUTER_CUT || answer->kind == ROUTER_TIMED_OUT ||
            answer->kind == ROUTER_GARBAGE);
}

enum router_fate router_judge(const struct router_answer *answer, bool last)
{
    if (router_answer_positive(answer))
        return ROUTER_FATE_DONE;
    if (speaks_of_message(answer) && router_answer_permanent(answer))
        return ROUTER_FATE_FAILED;
    if (in_doubt(answer) || answer->kind == ROUTER_NO_BODY)
        return ROUTER_FATE_LATER;
    if (!last)
        return ROUTER_FATE_NEXT_HOP;
    return answer->kind == ROUTER_NO_FEATURE ? ROUTER_FATE_FAILED : ROUTER_FATE_LATER;
}

enum router_pressure router_judge_destination(const struct router_answer *answer, bool opened)
{
    if (!opened)
        return ROUTER_DEST_DOWN;
    if (answer->kind == ROUTER_NO_FEATURE || answer->kind == ROUTER_NO_BODY)
        return ROUTER_DEST_GOOD;
    if (!speaks_of_message(answer) || answer->code == 421)
        return ROUTER_DEST_BUSY;
    return answer->stage == ROUTER_STAGE_MAIL && answer->code / 100 == 4 ? ROUTER_DEST_BUSY
                                                                         : ROUTER_DEST_GOOD;
}

bool router_judge_tells_more(const struct router_answer *a, const struct router_answer *b)
{
    bool a_said = speaks_of_message(a);
    bool b_said = speaks_of_message(b);

    return a_said != b_said ? a_said : a->code != 0 && b->code == 0;
}
