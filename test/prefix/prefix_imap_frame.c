#include "t.h"

#include "base/buf.h"
#include "imap/imap_frame.h"

#define LINE_BYTES_MAX 200

/* What the frame makes of the input, as text: one line for each event, data joined. */
static void feed(struct imap_frame *frame, struct slice in, bool take, struct buf *out)
{
    struct slice text;

    while (in.len > 0) {
        enum imap_frame_event event = imap_frame_next(frame, &in, &text);

        switch (event) {
        case IMAP_FRAME_MORE:
            break;
        case IMAP_FRAME_LITERAL:
            buf_put(out, SLICE("+\n"));
            break;
        case IMAP_FRAME_DATA:
            buf_put(out, text);
            break;
        case IMAP_FRAME_MESSAGE:
            buf_putf(out, "message<%.*s>\n", SLICE_ARG(text));
            if (take)
                imap_frame_take(frame);
            else
                buf_put(out, imap_frame_drop(frame) ? SLICE("dropping\n") : SLICE("dropped\n"));
            break;
        case IMAP_FRAME_COMMAND:
        case IMAP_FRAME_END:
        case IMAP_FRAME_TOO_BIG:
            buf_putf(out, "%s<%.*s>\n",
                     event == IMAP_FRAME_COMMAND ? "command"
                     : event == IMAP_FRAME_END   ? "end"
                                                 : "too big",
                     SLICE_ARG(slice_sub(text, 0, 60)));
            imap_frame_clear(frame);
            break;
        }
    }
}

static const struct {
    const char *in;
    const char *out;
    bool drop;
} rows[] = {
    {"a NOOP\r\n", "command<a NOOP>\n", false},
    {"a NOOP\nb NOOP\r\n", "command<a NOOP>\ncommand<b NOOP>\n", false},
    {"\r\n", "command<>\n", false},
    {"a LOGIN {3}\r\nbob {2+}\r\npw\r\nb NOOP\r\n",
     "+\ncommand<a LOGIN {3}\r\nbob {2+}\r\npw>\ncommand<b NOOP>\n", false},
    {"a X {0}\r\n\r\n", "+\ncommand<a X {0}\r\n>\n", false},
    {"a X {3}\r\n{9}\r\n", "+\ncommand<a X {3}\r\n{9}>\n", false},
    {"a X {3} \r\n", "command<a X {3} >\n", false},
    {"a X {}\r\n", "command<a X {}>\n", false},
    {"a X {5+x}\r\n", "command<a X {5+x}>\n", false},
    {"a APPEND INBOX {5}\r\nhello\r\nb NOOP\r\n",
     "message<a APPEND INBOX {5}>\nhelloend<>\ncommand<b NOOP>\n", false},
    {"a APPEND {5+}\r\nINBOX (\\Seen) {5+}\r\nhello (x) {3+}\r\nabc\r\n",
     "message<a APPEND {5+}\r\nINBOX (\\Seen) {5+}>\nhellomessage< (x) {3+}>\nabcend<>\n", false},
    {"a APPEND x {0}\r\n\r\n", "message<a APPEND x {0}>\nend<>\n", false},
    {"a APPEND x {5+}\r\nhello {3+}\r\nabc\r\nb NOOP\r\n",
     "message<a APPEND x {5+}>\ndropping\nmessage< {3+}>\ndropping\nend<>\ncommand<b NOOP>\n",
     true},
    {"a APPEND x {5}\r\nb NOOP\r\n", "message<a APPEND x {5}>\ndropped\ncommand<b NOOP>\n", true},
    {"a X {500}\r\nb NOOP\r\n", "too big<a X {500}>\ncommand<b NOOP>\n", false},
    {"a X {99999999999999999999999}\r\nb NOOP\r\n",
     "too big<a X {99999999999999999999999}>\ncommand<b NOOP>\n", false},
};

static void check(size_t row, size_t first, size_t step)
{
    struct slice in = slice_str(rows[row].in);
    struct imap_frame frame;
    AUTO(buf) struct buf out = {.len = 0};

    buf_init(&out, 10000);
    imap_frame_init(&frame, LINE_BYTES_MAX);
    for (size_t at = 0; at < in.len;) {
        size_t len = at == 0 && first > 0 ? first : step;
        /* A copy of its own size, so that a look beyond its end is seen by the sanitizer. */
        AUTO(buf) struct buf piece = {.len = 0};

        buf_init(&piece, 10000);
        buf_put(&piece, slice_sub(in, at, len));
        feed(&frame, buf_slice(&piece), !rows[row].drop, &out);
        at += len;
    }
    T_EQ_SLICE(buf_slice(&out), slice_str(rows[row].out));
    imap_frame_fini(&frame);
}

static void commands_come_out_alike_however_the_input_is_cut(void **state)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        T_ROW(i, "of the table"); /* the text has line ends, which TAP has not */
        check(i, 0, SIZE_MAX / 2);
        check(i, 0, 1);
        for (size_t cut = 1; cut < strlen(rows[i].in); cut++)
            check(i, cut, SIZE_MAX / 2);
    }
}

static void a_long_command_is_refused_and_the_next_is_read(void **state)
{
    for (size_t step = 1; step < 500; step += 17) {
        struct imap_frame frame;
        AUTO(buf) struct buf in = {.len = 0};
        AUTO(buf) struct buf out = {.len = 0};

        buf_init(&in, 10000);
        buf_init(&out, 10000);
        buf_put(&in, SLICE("a LOGIN {300+}\r\n"));
        for (int i = 0; i < 300; i++)
            buf_put(&in, SLICE("\n"));
        buf_put(&in, SLICE(" x\r\nb "));
        for (int i = 0; i < 300; i++)
            buf_put(&in, SLICE("y"));
        buf_put(&in, SLICE("\r\nc NOOP\r\n"));
        imap_frame_init(&frame, LINE_BYTES_MAX);
        for (size_t at = 0; at < in.len; at += step)
            feed(&frame, slice_sub(buf_slice(&in), at, step), true, &out);
        assert_true(slice_starts(buf_slice(&out), SLICE("too big<a LOGIN {300+}")));
        assert_true(slice_find_slice(buf_slice(&out), SLICE("too big<b ")) != SIZE_MAX);
        assert_true(slice_find_slice(buf_slice(&out), SLICE("command<c NOOP>\n")) != SIZE_MAX);
        assert_true(frame.held.bytes_max == LINE_BYTES_MAX);
        imap_frame_fini(&frame);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_come_out_alike_however_the_input_is_cut),
        cmocka_unit_test(a_long_command_is_refused_and_the_next_is_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
