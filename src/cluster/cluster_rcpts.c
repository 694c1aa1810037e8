#include "cluster/cluster_rcpts.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

#include <endian.h>
#include <string.h>

static void put_number(uint64_t number, struct buf *out)
{
    uint64_t big = htobe64(number);

    buf_put(out, (struct slice){(const char *)&big, sizeof(big)});
}

static void put_text(struct slice text, struct buf *out)
{
    put_number(text.len, out);
    buf_put(out, text);
}

void cluster_rcpt_write(const struct store_rcpt *rcpt, struct buf *out)
{
    put_number((uint64_t)rcpt->rcpt_no, out);
    put_number(rcpt->notify, out);
    put_number((uint64_t)rcpt->state, out);
    put_text(rcpt->address, out);
    put_text(rcpt->orcpt, out);
    put_text(rcpt->answer, out);
}

static bool take_number(struct slice *in, uint64_t max, uint64_t *number_r)
{
    uint64_t big;

    if (in->len < sizeof(big))
        return false;
    memcpy(&big, in->ptr, sizeof(big));
    *number_r = be64toh(big);
    *in = slice_sub(*in, sizeof(big), in->len);
    return *number_r <= max;
}

static bool take_text(struct slice *in, struct slice *text_r)
{
    uint64_t len;

    if (!take_number(in, UINT32_MAX, &len) || len > in->len)
        return false;
    *text_r = slice_sub(*in, 0, len);
    *in = slice_sub(*in, len, in->len);
    return true;
}

static bool take_rcpt(struct slice *in, struct store_rcpt *rcpt)
{
    uint64_t no;
    uint64_t state;

    *rcpt = (struct store_rcpt){0};
    if (!take_number(in, INT32_MAX, &no) || !take_number(in, UINT32_MAX, &rcpt->notify) ||
        !take_number(in, STORE_RCPT_STATE_MAX - 1, &state) || !take_text(in, &rcpt->address) ||
        !take_text(in, &rcpt->orcpt) || !take_text(in, &rcpt->answer))
        return false;
    rcpt->rcpt_no = (int64_t)no;
    rcpt->state = (enum store_rcpt_state)state;
    return no > 0;
}

enum st cluster_rcpts_read(struct slice in, struct arena *arena, struct store_rcpt **list_r,
                           size_t *count_r)
{
    size_t cap = 0;

    *list_r = NULL;
    *count_r = 0;
    while (in.len > 0) {
        if (*count_r == cap)
            *list_r = arena_grow(arena, *list_r, *count_r, &cap, sizeof(**list_r));
        if (!take_rcpt(&in, &(*list_r)[*count_r]))
            return ST_INVALID;
        ++*count_r;
    }
    return ST_OK;
}
