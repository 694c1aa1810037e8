#include "router/router_text.h"

#include "base/buf.h"
#include "base/slice.h"

#include <string.h>

/* The first line end of any kind from pos on; end where there is none. */
static const char *find_end(const char *pos, const char *end)
{
    const char *lf = memchr(pos, '\n', (size_t)(end - pos));
    const char *stop = lf != NULL ? lf : end;
    const char *cr = memchr(pos, '\r', (size_t)(stop - pos));

    return cr != NULL ? cr : stop;
}

static void end_line(struct router_text *text, struct buf *out)
{
    buf_put(out, SLICE("\r\n"));
    text->cr = false;
    text->in_line = false;
}

/* What stands before the next line end. */
static void put_run(struct router_text *text, struct slice run, struct buf *out)
{
    if (run.len == 0)
        return;
    if (!text->in_line && text->stuff && run.ptr[0] == '.')
        buf_put(out, SLICE("."));
    buf_put(out, run);
    text->in_line = true;
}

enum st router_text_feed(struct router_text *text, struct slice in, struct buf *out)
{
    const char *end = in.ptr + in.len;
    const char *pos = in.ptr;

    while (pos < end) {
        if (text->cr) {
            end_line(text, out);
            if (*pos == '\n')
                pos++;
            continue;
        }
        const char *stop = find_end(pos, end);
        put_run(text, (struct slice){pos, (size_t)(stop - pos)}, out);
        if (stop == end)
            break;
        if (*stop == '\r')
            text->cr = true;
        else
            end_line(text, out);
        pos = stop + 1;
    }
    return out->over ? ST_TOO_BIG : ST_OK;
}

enum st router_text_end(struct router_text *text, struct buf *out)
{
    if (text->cr || text->in_line)
        end_line(text, out);
    if (text->stuff)
        buf_put(out, SLICE(".\r\n"));
    return out->over ? ST_TOO_BIG : ST_OK;
}
