/* The tree as text: content lines, folded (RFC 5545 section 3.1). */
#include "base/buf.h"
#include "base/slice.h"
#include "ical/ical.h"

/* Where a line is cut so that at most room bytes stay and no character is torn. */
static size_t cut_at(struct slice text, size_t room)
{
    size_t at = room;

    if (text.len <= room)
        return text.len;
    while (at > 0 && room - at < 3 && ((unsigned char)text.ptr[at] & 0xc0) == 0x80)
        at--;
    return at;
}

/* *cols: octets of the line so far. */
static void put(struct buf *out, size_t *cols, struct slice text)
{
    while (*cols + text.len > ICAL_LINE_COLS) {
        size_t len = cut_at(text, ICAL_LINE_COLS - *cols);

        buf_put(out, slice_sub(text, 0, len));
        buf_put(out, SLICE("\r\n "));
        text = slice_sub(text, len, text.len);
        *cols = 1;
    }
    buf_put(out, text);
    *cols += text.len;
}

static bool needs_quotes(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == ',' || text.ptr[i] == ';' || text.ptr[i] == ':')
            return true;
    return false;
}

/* RFC 6868 section 3.1; other control characters have no form and are left out. */
static void put_caret(struct buf *out, size_t *cols, struct slice text)
{
    size_t done = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool control = ((unsigned char)c < ' ' && c != '\t') || c == 0x7f;
        struct slice as = c == '\n'  ? SLICE("^n")
                          : c == '^' ? SLICE("^^")
                          : c == '"' ? SLICE("^'")
                                     : SLICE("");

        if (as.len == 0 && !control)
            continue;
        put(out, cols, slice_sub(text, done, i - done));
        put(out, cols, as);
        done = i + 1;
    }
    put(out, cols, slice_sub(text, done, text.len));
}

static void put_param(struct buf *out, size_t *cols, const struct ical_param *param)
{
    put(out, cols, SLICE(";"));
    put(out, cols, param->name);
    for (size_t i = 0; i < param->count; i++) {
        const struct ical_param_value *value = &param->values[i];
        struct slice quote = value->quoted || needs_quotes(value->text) ? SLICE("\"") : SLICE("");

        put(out, cols, i == 0 ? SLICE("=") : SLICE(","));
        put(out, cols, quote);
        put_caret(out, cols, value->text);
        put(out, cols, quote);
    }
}

void ical_write_prop(const struct ical_prop *prop, struct buf *out)
{
    size_t cols = 0;

    put(out, &cols, prop->name);
    for (const struct ical_param *param = prop->params; param != NULL; param = param->next)
        put_param(out, &cols, param);
    put(out, &cols, SLICE(":"));
    put(out, &cols, prop->value);
    buf_put(out, SLICE("\r\n"));
}

static void write_begin(const struct ical_comp *comp, struct buf *out)
{
    size_t cols = 0;

    put(out, &cols, SLICE("BEGIN:"));
    put(out, &cols, comp->name);
    buf_put(out, SLICE("\r\n"));
    for (const struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
        ical_write_prop(prop, out);
}

static void write_end(const struct ical_comp *comp, struct buf *out)
{
    size_t cols = 0;

    put(out, &cols, SLICE("END:"));
    put(out, &cols, comp->name);
    buf_put(out, SLICE("\r\n"));
}

void ical_write(const struct ical_comp *comp, struct buf *out)
{
    const struct ical_comp *at = comp;

    write_begin(at, out);
    for (;;) {
        if (at->comps != NULL) {
            at = at->comps;
            write_begin(at, out);
            continue;
        }
        write_end(at, out);
        while (at != comp && at->next == NULL) {
            at = at->parent;
            write_end(at, out);
        }
        if (at == comp)
            return;
        at = at->next;
        write_begin(at, out);
    }
}
