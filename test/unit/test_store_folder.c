#include "store_t.h"

static void test_delivers_one(struct t_store *t)
{
    struct store_message a = t_deliver(t, t->inbox_id, SLICE("one"));
    struct store_message b = t_deliver(t, t->inbox_id, SLICE("two"));

    assert_int_equal(a.uid, 1);
    assert_int_equal(b.uid, 2);
    assert_true(b.modseq > a.modseq);
    struct store_folder inbox = t_folder_now(t, t->inbox_id);
    assert_int_equal(inbox.message_count, 2);
    assert_int_equal(inbox.modseq, b.modseq);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_delivers_one),
    };
    return t_run(cases, COUNT(cases));
}
