#include "admin/admin_frame.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#include <stdlib.h>

#define LINE_BYTES_MAX (64 * KIB)

enum frame_state { FRAME_OBJECT, FRAME_SIZE, FRAME_BYTES };

struct admin_frame {
    struct admin_frame_fns fns;
    void *ctx;
    enum frame_state state;
    struct buf line; /* what there is of one so far */
    uint64_t left;   /* of the bytes */
    enum st st;
};

struct admin_frame *admin_frame_new(const struct admin_frame_fns *fns, void *ctx)
{
    struct admin_frame *frame = mem_new(struct admin_frame);

    frame->fns = *fns;
    frame->ctx = ctx;
    buf_init(&frame->line, LINE_BYTES_MAX);
    return frame;
}

void admin_frame_free(struct admin_frame **frame)
{
    if (*frame == NULL)
        return;
    buf_fini(&(*frame)->line);
    mem_free(*frame);
    *frame = NULL;
}

static enum st take_object(struct admin_frame *frame, struct slice line)
{
    json_t *object = json_loadb(line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
    enum st st = json_is_object(object) ? frame->fns.begin(frame->ctx, object) : ST_INVALID;

    json_decref(object);
    frame->state = FRAME_SIZE;
    return st;
}

static enum st take_size(struct admin_frame *frame, struct slice line)
{
    enum st st = slice_to_u64(line, &frame->left);

    if (st != ST_OK)
        return st;
    frame->state = frame->left > 0 ? FRAME_BYTES : FRAME_OBJECT;
    return frame->left > 0 ? ST_OK : frame->fns.end(frame->ctx);
}

static enum st take_bytes(struct admin_frame *frame, struct slice *in)
{
    struct slice part = slice_sub(*in, 0, frame->left < in->len ? frame->left : in->len);

    frame->left -= part.len;
    *in = slice_sub(*in, part.len, in->len);
    if (frame->left == 0)
        frame->state = FRAME_SIZE;
    return frame->fns.bytes(frame->ctx, part);
}

static enum st take_line(struct admin_frame *frame, struct slice *in)
{
    size_t end = slice_find(*in, '\n');
    enum st st = buf_add(&frame->line, slice_sub(*in, 0, end));

    *in = slice_sub(*in, end == SIZE_MAX ? in->len : end + 1, in->len);
    if (st != ST_OK || end == SIZE_MAX)
        return st == ST_OK ? ST_OK : ST_INVALID;
    st = frame->state == FRAME_OBJECT ? take_object(frame, buf_slice(&frame->line))
                                      : take_size(frame, buf_slice(&frame->line));
    buf_clear(&frame->line);
    return st;
}

enum st admin_frame_feed(struct admin_frame *frame, struct slice in)
{
    while (in.len > 0 && frame->st == ST_OK)
        frame->st = frame->state == FRAME_BYTES ? take_bytes(frame, &in) : take_line(frame, &in);
    return frame->st;
}

bool admin_frame_is_whole(const struct admin_frame *frame)
{
    return frame->st == ST_OK && frame->state == FRAME_OBJECT && frame->line.len == 0;
}

void admin_frame_begin(const json_t *message, struct buf *out)
{
    char *text = json_dumps(message, JSON_COMPACT);

    assert(text != NULL);
    buf_put(out, slice_str(text));
    buf_put(out, SLICE("\n"));
    free(text);
}

void admin_frame_bytes(struct slice bytes, struct buf *out)
{
    if (bytes.len == 0)
        return;
    buf_putf(out, "%zu\n", bytes.len);
    buf_put(out, bytes);
}

void admin_frame_end(struct buf *out)
{
    buf_put(out, SLICE("0\n"));
}
