#include "router/router_answer.h"

#include "base/slice.h"

#include <stdio.h>
#include <string.h>

bool router_answer_positive(const struct router_answer *answer)
{
    return answer->kind == ROUTER_ANSWERED && answer->code / 100 == 2;
}

/* RFC 5321 4.5.3.1.10: 552 for too many recipients is an old 452. */
static bool is_too_many(const struct router_answer *answer)
{
    return answer->stage == ROUTER_STAGE_RCPT && answer->code == 552 &&
           (answer->enhanced[0] == '\0' || strcmp(answer->enhanced, "5.5.3") == 0);
}

bool router_answer_permanent(const struct router_answer *answer)
{
    if (answer->kind == ROUTER_ANSWERED && is_too_many(answer))
        return false;
    return (answer->kind == ROUTER_ANSWERED || answer->kind == ROUTER_NO_FEATURE) &&
           answer->code / 100 == 5;
}

struct slice router_answer_fit(struct slice text, size_t bytes_max)
{
    size_t len = bytes_max;

    if (text.len <= bytes_max)
        return text;
    while (len > 0 && ((unsigned char)text.ptr[len] & 0xc0) == 0x80)
        len--;
    return slice_sub(text, 0, len);
}

void router_answer_say(struct router_answer *answer, enum router_answer_kind kind,
                       enum router_stage stage, const char *text)
{
    answer->kind = kind;
    answer->stage = stage;
    answer->code = 0;
    answer->enhanced[0] = '\0';
    snprintf(answer->text, sizeof(answer->text), "%s", text);
}

void router_answer_take(struct router_answer *answer, enum router_answer_kind kind,
                        enum router_stage stage, const struct router_reply *reply)
{
    const struct slice whole = {reply->text, reply->text_len};
    size_t len = router_answer_fit(whole, sizeof(answer->text) - 1).len;

    answer->kind = kind;
    answer->stage = stage;
    answer->code = reply->code;
    memcpy(answer->enhanced, reply->enhanced, sizeof(answer->enhanced));
    memcpy(answer->text, reply->text, len);
    answer->text[len] = '\0';
    for (char *lf = answer->text; (lf = strchr(lf, '\n')) != NULL;)
        *lf = ' ';
}
