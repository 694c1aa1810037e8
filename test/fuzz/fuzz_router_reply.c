/* A server's reply: however it is cut the outcome is the same, and its text is clean UTF-8 on the
 * lines it says. */
#include "router/router_answer.h"

#include "base/slice.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct router_reply one;
static struct router_reply two;

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_clean(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char byte = (unsigned char)text.ptr[i];
        bool c1 = byte == 0xc2 && i + 1 < text.len && (unsigned char)text.ptr[i + 1] < 0xa0;

        must(byte >= ' ' || byte == '\n');
        must(byte != 0x7f && byte != 0xc0 && byte != 0xc1 && byte < 0xf5 && !c1);
    }
}

static void check_answer(void)
{
    struct router_answer answer;

    router_answer_take(&answer, ROUTER_ANSWERED, ROUTER_STAGE_RCPT, &one);
    must(one.code >= 200 && one.code <= 599);
    must(strlen(answer.text) < sizeof(answer.text) && strchr(answer.text, '\n') == NULL);
    must(one.enhanced[0] == '\0' || one.enhanced[0] - '0' == one.code / 100);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all = {(const char *)data + (size > 0), size - (size > 0)};
    size_t cut = all.len > 0 ? data[0] % (all.len + 1) : 0;
    size_t used_one;
    size_t used_two;

    router_reply_init(&one);
    router_reply_init(&two);
    enum st st_one = router_reply_feed(&one, all, &used_one);
    enum st st_two = router_reply_feed(&two, slice_sub(all, 0, cut), &used_two);
    if (st_two == ST_AGAIN) {
        size_t more;

        must(used_two == cut);
        st_two = router_reply_feed(&two, slice_sub(all, cut, SIZE_MAX), &more);
        used_two += more;
    }
    must(st_one == st_two && used_one <= all.len);
    must(st_one == ST_INVALID || used_one == used_two);
    must(slice_eq(router_reply_text(&one), router_reply_text(&two)));
    check_clean(router_reply_text(&one));
    if (st_one == ST_OK)
        check_answer();
    return 0;
}
