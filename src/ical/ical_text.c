/* TEXT values (RFC 5545 section 3.3.11). */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"

struct slice ical_text_decode(struct arena *arena, struct slice value)
{
    if (slice_find(value, '\\') == SIZE_MAX)
        return value;
    char *out = arena_alloc(arena, 1, value.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < value.len; i++) {
        char next = i + 1 < value.len ? value.ptr[i + 1] : '\0';

        if (value.ptr[i] != '\\') {
            out[len++] = value.ptr[i];
        } else if (next == 'n' || next == 'N') {
            out[len++] = '\n';
            i++;
        } else if (next == ',' || next == ';' || next == '\\') {
            out[len++] = next;
            i++;
        } else {
            out[len++] = '\\';
        }
    }
    return (struct slice){out, len};
}

void ical_text_encode(struct slice text, struct buf *out)
{
    size_t done = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        struct slice as = c == '\n'   ? SLICE("\\n")
                          : c == ','  ? SLICE("\\,")
                          : c == ';'  ? SLICE("\\;")
                          : c == '\\' ? SLICE("\\\\")
                                      : SLICE("");

        if (as.len == 0 && c != '\r')
            continue;
        buf_put(out, slice_sub(text, done, i - done));
        buf_put(out, as);
        done = i + 1;
    }
    buf_put(out, slice_sub(text, done, text.len));
}
