/* Conversations with messages as others write them: the examples of RFC 5546 section 4, and samples
 * made after what Google, Microsoft and Apple document of theirs. */
#include "itip_t.h"
#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_itip.h"
#include "ical/ical.h"

#include <stdlib.h>

struct step {
    const char *name;   /* "= ..." begins a conversation */
    const char *who;    /* whose calendar it comes to: each has one object in a conversation */
    const char *sender; /* NULL: the owner stores it himself */
    const char *message;
    const char *want;  /* the verdict */
    const char *store; /* something in what is stored; "!x": not in it */
};

static const struct step steps[] = {
#include "itip_samples.def"
};

struct owner {
    const char *who;
    struct ical_comp *stored;
};

static struct owner *owner_of(struct owner *owners, size_t max, const char *who)
{
    for (size_t i = 0; i < max; i++) {
        if (owners[i].who == NULL)
            owners[i].who = who;
        if (strcmp(owners[i].who, who) == 0)
            return &owners[i];
    }
    abort();
}

static void hear(struct itip_t *t, const struct step *step, struct owner *owner)
{
    AUTO(buf) struct buf got = BUF(MIB);
    struct calendar_itip_policy policy = {0};
    struct calendar_itip_result result;
    struct ical_error error = {0};
    struct slice own = slice_str(step->who);

    t->world.own = &own;
    assert_int_equal(calendar_itip_incoming(&t->world, &policy, owner->stored,
                                            itip_t_object(t->arena, step->message),
                                            slice_str(step->sender), &result, &error),
                     ST_OK);
    buf_put(&got, slice_str(calendar_itip_verdict_name(result.verdict)));
    for (size_t i = 0; i < result.answers.count; i++)
        buf_putf(&got, ", %s %.*s", calendar_itip_method_name(result.answers.at[i].method),
                 SLICE_ARG(result.answers.at[i].recipient));
    printf("# %s\n", result.line.text);
    T_EQ_SLICE(buf_slice(&got), slice_str(step->want));
    if (result.store != NULL)
        owner->stored = result.store;
}

static void others_write_as_they_do(void **state)
{
    struct owner owners[6] = {{0}};
    struct itip_t t;

    itip_t_init(&t, "nobody@example.org");
    for (size_t i = 0; i < COUNT(steps); i++) {
        const struct step *step = &steps[i];
        struct owner *owner;
        bool not = step->store != NULL && step->store[0] == '!';

        T_ROW(i, step->name);
        if (step->name[0] == '=')
            memset(owners, 0, sizeof(owners));
        owner = owner_of(owners, COUNT(owners), step->who);
        if (step->sender != NULL) {
            hear(&t, step, owner);
        } else {
            owner->stored = itip_t_object(t.arena, step->message);
            ical_prop_remove_all(owner->stored, ICAL_METHOD);
        }
        if (step->store == NULL)
            continue;
        struct slice text = itip_t_text(t.arena, owner->stored, false);
        if ((slice_find_slice(text, slice_str(step->store + not )) == SIZE_MAX) != not ) {
            printf("# stored %.*s\n", SLICE_ARG(text));
            fail();
        }
    }
    itip_t_fini(&t);
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_write_as_they_do),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
