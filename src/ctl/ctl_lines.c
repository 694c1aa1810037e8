#include "ctl/ctl_lines.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ctl/ctl_cmd.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

void ctl_lines_to_crlf(struct ctl_lines *lines, struct slice in, struct buf *out)
{
    while (in.len > 0) {
        size_t end = slice_find(in, '\n');
        struct slice part = slice_sub(in, 0, end);

        if (part.len > 0) {
            buf_put(out, part);
            lines->cr = part.ptr[part.len - 1] == '\r';
        }
        if (end == SIZE_MAX)
            return;
        buf_put(out, lines->cr ? SLICE("\n") : SLICE("\r\n"));
        lines->cr = false;
        in = slice_sub(in, end + 1, in.len);
    }
}

void ctl_lines_to_lf(struct ctl_lines *lines, struct slice in, struct buf *out)
{
    while (in.len > 0) {
        if (lines->cr && in.ptr[0] != '\n')
            buf_put(out, SLICE("\r"));
        lines->cr = false;
        size_t end = slice_find(in, '\r');
        buf_put(out, slice_sub(in, 0, end));
        if (end == SIZE_MAX)
            return;
        lines->cr = true;
        in = slice_sub(in, end + 1, in.len);
    }
}

void ctl_lines_to_lf_end(struct ctl_lines *lines, struct buf *out)
{
    if (lines->cr)
        buf_put(out, SLICE("\r"));
    lines->cr = false;
}

const char *ctl_lines_text(struct arena *arena, struct slice text)
{
    char *copy = arena_text(arena, text.len);
    size_t len = 0;

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        bool control = (c < ' ' && c != '\n' && c != '\t') || c == 0x7f;

        if (control && c != '\r')
            copy[len++] = '?';
        else if (c != '\r')
            copy[len++] = text.ptr[i];
    }
    return copy;
}

int ctl_read_stdin(struct buf *text, const char *limit)
{
    char piece[8192];
    size_t len;

    while ((len = fread(piece, 1, sizeof(piece), stdin)) > 0)
        if (buf_add(text, (struct slice){piece, len}) != ST_OK)
            return ctl_fail(EX_DATAERR, "standard input: more than %s", limit);
    return ferror(stdin) ? ctl_fail(EX_IOERR, "standard input: %s", strerror(errno)) : EX_OK;
}
