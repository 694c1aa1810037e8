#include "smtp/smtp_dot.h"

#include "base/slice.h"

#include <string.h>

static void give(smtp_dot_fn *fn, void *ctx, const char *from, const char *to)
{
    if (to > from)
        fn(ctx, (struct slice){from, (size_t)(to - from)});
}

/* A bare CR before a dot, or behind a lone one, ends a line for some: that dot ends their message.
 */
static bool hides_end(const char *line, const char *end, bool at_start)
{
    const char *cr = memchr(line, '\r', (size_t)(end - line));

    if (cr == NULL)
        return false;
    if (at_start && cr == line + 1 && line[0] == '.')
        return true;
    for (; cr != NULL && cr < end; cr = memchr(cr + 1, '\r', (size_t)(end - cr - 1)))
        if (cr + 1 < end && cr[1] == '.')
            return true;
    return false;
}

/* The beginning of a line of which the rest is not here yet: too little to tell a lone dot from a
 * stuffed one, or a CR from a line's end, stays behind. */
static const char *take_partial(struct smtp_dot *dot, const char *pos, const char *end,
                                smtp_dot_fn *fn, void *ctx)
{
    const char *stop = end > pos && end[-1] == '\r' ? end - 1 : end;

    if (!dot->in_line && *pos == '.') {
        if (stop - pos < 2)
            return pos;
        dot->smuggling = dot->smuggling || hides_end(pos, stop, true);
        dot->in_line = true;
        give(fn, ctx, pos + 1, stop);
        return stop;
    }
    if (stop == pos)
        return pos;
    dot->smuggling = dot->smuggling || hides_end(pos, stop, !dot->in_line);
    dot->in_line = true;
    give(fn, ctx, pos, stop);
    return stop;
}

size_t smtp_dot_feed(struct smtp_dot *dot, struct slice in, smtp_dot_fn *fn, void *ctx)
{
    const char *end = in.ptr + in.len;
    const char *pos = in.ptr;
    const char *run = in.ptr; /* text since here is not given yet */

    while (pos < end) {
        const char *lf = memchr(pos, '\n', (size_t)(end - pos));

        if (lf == NULL) {
            give(fn, ctx, run, pos);
            return (size_t)(take_partial(dot, pos, end, fn, ctx) - in.ptr);
        }
        bool bare = lf == pos || lf[-1] != '\r';
        const char *stop = bare ? lf : lf - 1;
        bool at_start = !dot->in_line;

        if (at_start && *pos == '.') {
            give(fn, ctx, run, pos);
            run = pos + 1;
            if (stop == pos + 1) {
                if (!bare && !dot->bare_end) {
                    dot->ended = true;
                    return (size_t)(lf + 1 - in.ptr);
                }
                dot->smuggling = true;
            }
        }
        dot->smuggling = dot->smuggling || hides_end(pos, stop, at_start);
        if (bare) {
            give(fn, ctx, run, stop);
            fn(ctx, SLICE("\r\n"));
            run = lf + 1;
        }
        dot->bare_end = bare;
        dot->in_line = false;
        pos = lf + 1;
    }
    give(fn, ctx, run, pos);
    return in.len;
}
