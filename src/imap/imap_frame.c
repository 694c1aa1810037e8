#include "imap/imap_frame.h"

#include "base/slice.h"
#include "imap/imap_parse.h"

/* How far the end of what was read matches an announced literal, "{" 1*DIGIT ["+"] "}" [CR]. */
enum { LITERAL_NONE, LITERAL_OPEN, LITERAL_DIGITS, LITERAL_PLUS, LITERAL_CLOSED, LITERAL_CR };

void imap_frame_init(struct imap_frame *frame, size_t bytes_max)
{
    *frame = (struct imap_frame){.mode = IMAP_FRAME_GATHER};
    buf_init(&frame->held, bytes_max);
}

void imap_frame_fini(struct imap_frame *frame)
{
    buf_fini(&frame->held);
}

void imap_frame_clear(struct imap_frame *frame)
{
    size_t bytes_max = frame->held.bytes_max;

    if (frame->held.cap > 0) {
        buf_fini(&frame->held);
        buf_init(&frame->held, bytes_max);
    }
    frame->over = false;
    frame->literal = LITERAL_NONE;
}

static uint8_t match_digit(struct imap_frame *frame, char c)
{
    uint64_t digit = (uint64_t)(c - '0');

    if (frame->literal == LITERAL_OPEN)
        frame->number = 0;
    else if (frame->literal != LITERAL_DIGITS)
        return LITERAL_NONE;
    if (frame->number > (UINT64_MAX / 2 - digit) / 10)
        frame->number = UINT64_MAX / 2; /* more than anybody takes */
    else
        frame->number = frame->number * 10 + digit;
    return LITERAL_DIGITS;
}

static void match(struct imap_frame *frame, char c)
{
    uint8_t seen = frame->literal;

    if (c >= '0' && c <= '9') {
        frame->literal = match_digit(frame, c);
        return;
    }
    frame->literal = LITERAL_NONE;
    if (c == '{')
        frame->literal = LITERAL_OPEN;
    else if (c == '+' && seen == LITERAL_DIGITS)
        frame->literal = LITERAL_PLUS;
    else if (c == '}' && (seen == LITERAL_DIGITS || seen == LITERAL_PLUS))
        frame->literal = LITERAL_CLOSED;
    else if (c == '\r' && seen == LITERAL_CLOSED)
        frame->literal = LITERAL_CR;
    if (c == '}')
        frame->sync = seen == LITERAL_DIGITS;
}

/* The length of the line that in begins with, its LF included; 0: it is not whole. */
static size_t line_scan(struct imap_frame *frame, struct slice in)
{
    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] == '\n')
            return i + 1;
        match(frame, in.ptr[i]);
    }
    return 0;
}

static void hold(struct imap_frame *frame, struct slice bytes)
{
    if (frame->over)
        return;
    if (buf_add(&frame->held, bytes) == ST_OK)
        return;
    frame->over = true;
    if (frame->held.len == 0) /* enough to know whose command it was */
        buf_put(&frame->held, slice_sub(bytes, 0, frame->held.bytes_max / 4));
}

static struct slice take(struct slice *in, uint64_t len)
{
    struct slice head = {in->ptr, len < in->len ? (size_t)len : in->len};

    in->ptr += head.len;
    in->len -= head.len;
    return head;
}

static struct slice without_line_end(struct slice text)
{
    if (text.len > 0 && text.ptr[text.len - 1] == '\n')
        text.len--;
    if (text.len > 0 && text.ptr[text.len - 1] == '\r')
        text.len--;
    return text;
}

static enum imap_frame_event whole(struct imap_frame *frame, struct slice line,
                                   struct slice *text_r)
{
    enum imap_frame_mode mode = frame->mode;
    struct slice all = line;

    if (frame->held.len > 0 || frame->over || line.len > frame->held.bytes_max) {
        hold(frame, line);
        all = buf_slice(&frame->held);
    }
    *text_r = without_line_end(all);
    frame->mode = IMAP_FRAME_GATHER;
    frame->literal = LITERAL_NONE;
    if (mode == IMAP_FRAME_TAIL)
        return IMAP_FRAME_END;
    return frame->over ? IMAP_FRAME_TOO_BIG : IMAP_FRAME_COMMAND;
}

/* A line ended in a literal's announcement. */
static enum imap_frame_event announced(struct imap_frame *frame, struct slice line,
                                       struct slice *text_r)
{
    bool tail = frame->mode == IMAP_FRAME_TAIL;

    hold(frame, line);
    frame->literal = LITERAL_NONE;
    if (tail || (!frame->over && imap_parse_is_append(buf_slice(&frame->held)))) {
        *text_r = without_line_end(buf_slice(&frame->held));
        return IMAP_FRAME_MESSAGE;
    }
    if (frame->held.len + frame->number > frame->held.bytes_max)
        frame->over = true;
    if (frame->over && frame->sync) { /* the client waits, so there is nothing to skip */
        *text_r = without_line_end(buf_slice(&frame->held));
        frame->mode = IMAP_FRAME_GATHER;
        return IMAP_FRAME_TOO_BIG;
    }
    frame->literal_left = frame->number;
    frame->mode = frame->number > 0 ? IMAP_FRAME_SKIP : IMAP_FRAME_GATHER;
    return frame->sync ? IMAP_FRAME_LITERAL : IMAP_FRAME_MORE;
}

void imap_frame_take(struct imap_frame *frame)
{
    imap_frame_clear(frame);
    frame->literal_left = frame->number;
    frame->mode = frame->number > 0 ? IMAP_FRAME_PASS : IMAP_FRAME_TAIL;
}

bool imap_frame_drop(struct imap_frame *frame)
{
    imap_frame_clear(frame);
    frame->mode = IMAP_FRAME_GATHER;
    if (frame->sync)
        return false;
    frame->literal_left = frame->number;
    frame->mode = frame->number > 0 ? IMAP_FRAME_DISCARD : IMAP_FRAME_TAIL;
    return true;
}

/* One step with what is there. MORE with bytes left: another step follows. */
static enum imap_frame_event step(struct imap_frame *frame, struct slice *in, struct slice *text_r)
{
    if (frame->mode != IMAP_FRAME_GATHER && frame->mode != IMAP_FRAME_TAIL) {
        struct slice bytes = take(in, frame->literal_left);
        enum imap_frame_mode mode = frame->mode;

        frame->literal_left -= bytes.len;
        if (frame->literal_left == 0)
            frame->mode = mode == IMAP_FRAME_SKIP ? IMAP_FRAME_GATHER : IMAP_FRAME_TAIL;
        *text_r = bytes;
        if (mode == IMAP_FRAME_SKIP)
            hold(frame, bytes);
        return mode == IMAP_FRAME_PASS ? IMAP_FRAME_DATA : IMAP_FRAME_MORE;
    }
    size_t len = line_scan(frame, *in);
    struct slice line = take(in, len > 0 ? len : in->len);
    bool literal = frame->literal >= LITERAL_CLOSED && !frame->plain;

    if (len == 0) {
        hold(frame, line);
        return IMAP_FRAME_MORE;
    }
    return literal ? announced(frame, line, text_r) : whole(frame, line, text_r);
}

enum imap_frame_event imap_frame_next(struct imap_frame *frame, struct slice *in,
                                      struct slice *text_r)
{
    enum imap_frame_event event = IMAP_FRAME_MORE;

    while (event == IMAP_FRAME_MORE && in->len > 0)
        event = step(frame, in, text_r);
    return event;
}
