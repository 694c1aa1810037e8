#include "ews/ews_html.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"

#define REFERENCE_BYTES_MAX 12

static const char *const blocks[] = {"br",    "p",  "div", "tr", "li", "ul", "ol",
                                     "table", "h1", "h2",  "h3", "h4", "hr"};
static const char *const unseen[] = {"head", "style", "script", "title"};
static const char *const telling[] = {"html", "body", "div", "p", "br", "span", "font"};

struct reading {
    struct buf *out;
    struct slice hidden; /* the element that is open and nobody sees; "": none */
    bool blank;          /* one is due before the next word */
};

static bool among(struct slice name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_ieq(name, slice_str(names[i])))
            return true;
    return false;
}

/* The name in "<NAME ...>" or "</NAME>". */
static struct slice tag_name(struct slice tag)
{
    size_t len = 0;

    if (tag.len > 0 && tag.ptr[0] == '/')
        tag = slice_sub(tag, 1, tag.len);
    while (len < tag.len && ((tag.ptr[len] >= 'a' && tag.ptr[len] <= 'z') ||
                             (tag.ptr[len] >= 'A' && tag.ptr[len] <= 'Z') ||
                             (tag.ptr[len] >= '0' && tag.ptr[len] <= '9')))
        len++;
    return slice_sub(tag, 0, len);
}

bool ews_html_is(struct slice text)
{
    for (size_t at; (at = slice_find(text, '<')) != SIZE_MAX;) {
        text = slice_sub(text, at + 1, text.len);
        if (among(tag_name(text), telling, COUNT(telling)) && slice_find(text, '>') != SIZE_MAX)
            return true;
    }
    return false;
}

static void end_line(struct reading *r)
{
    while (r->out->len > 0 && r->out->ptr[r->out->len - 1] == ' ')
        buf_cut(r->out, r->out->len - 1);
    if (r->out->len > 0)
        buf_put(r->out, SLICE("\n"));
    r->blank = false;
}

static void put(struct reading *r, struct slice bytes)
{
    if (r->hidden.len > 0)
        return;
    if (r->blank && r->out->len > 0 && r->out->ptr[r->out->len - 1] != '\n')
        buf_put(r->out, SLICE(" "));
    r->blank = false;
    buf_put(r->out, bytes);
}

static void tag(struct reading *r, struct slice text)
{
    struct slice name = tag_name(text);
    const bool closes = text.len > 0 && text.ptr[0] == '/';
    const bool line = slice_ieq(name, SLICE("br")) || closes;

    if (r->hidden.len > 0 || among(name, unseen, COUNT(unseen)))
        r->hidden = closes ? SLICE("") : name;
    else if (among(name, blocks, COUNT(blocks)) &&
             (line || (r->out->len > 0 && r->out->ptr[r->out->len - 1] != '\n')))
        end_line(r);
}

static uint32_t digit_of(char c)
{
    return c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
           : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
           : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                  : 99;
}

/* Of "&amp;", "&#65;", "&#x41;" what it stands for; 0: it is none. */
static uint32_t reference(struct slice name)
{
    static const struct {
        const char *name;
        uint32_t point;
    } names[] = {{"amp", '&'},    {"lt", '<'},      {"gt", '>'},      {"quot", '"'},
                 {"apos", '\''},  {"nbsp", 0xa0},   {"auml", 0xe4},   {"ouml", 0xf6},
                 {"uuml", 0xfc},  {"Auml", 0xc4},   {"Ouml", 0xd6},   {"Uuml", 0xdc},
                 {"szlig", 0xdf}, {"eacute", 0xe9}, {"egrave", 0xe8}, {"euro", 0x20ac}};
    const bool hex = slice_istarts(name, SLICE("#x"));
    uint32_t point = 0;

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_eq(name, slice_str(names[i].name)))
            return names[i].point;
    if (!slice_starts(name, SLICE("#")))
        return 0;
    name = slice_sub(name, hex ? 2 : 1, name.len);
    for (size_t i = 0; i < name.len && i < 7; i++) {
        const uint32_t digit = digit_of(name.ptr[i]);

        if (digit >= (hex ? 16 : 10))
            return 0;
        point = point * (hex ? 16 : 10) + digit;
    }
    return point < 0x110000 && (point < 0xd800 || point > 0xdfff) ? point : 0;
}

static void put_point(struct reading *r, uint32_t point)
{
    AUTO(buf) struct buf bytes = BUF(8);

    if (point == 0xa0 || point == '\n' || point == '\r' || point == '\t')
        point = ' ';
    if (point < ' ')
        return;
    if (point == ' ') {
        r->blank |= r->hidden.len == 0;
        return;
    }
    if (utf8_put(point, &bytes))
        put(r, buf_slice(&bytes));
}

/* A '<' before anything else is one; where nobody sees anything, but for what ends that. */
static bool begins_tag(const struct reading *r, struct slice rest)
{
    const char next = (char)(rest.len > 1 ? rest.ptr[1] : ' ');

    if (rest.ptr[0] != '<')
        return false;
    if (r->hidden.len > 0)
        return next == '/' && slice_istarts(slice_sub(rest, 2, rest.len), r->hidden);
    return tag_name(slice_sub(rest, 1, 1)).len > 0 || next == '/' || next == '!' || next == '?';
}

/* What rest begins with, where a tag, a comment or a reference begins there; gives its length, 0:
 * none does. */
static size_t markup(struct reading *r, struct slice rest, bool closed)
{
    if (closed && slice_starts(rest, SLICE("<!--"))) {
        const size_t end = slice_find_slice(rest, SLICE("-->"));
        return end == SIZE_MAX ? rest.len : end + 3;
    }
    if (closed && begins_tag(r, rest)) {
        const size_t end = slice_find(rest, '>');
        tag(r, slice_sub(rest, 1, end - 1));
        return end + 1;
    }
    const size_t end =
        rest.ptr[0] == '&' ? slice_find(slice_sub(rest, 0, REFERENCE_BYTES_MAX), ';') : SIZE_MAX;
    const uint32_t point = end != SIZE_MAX ? reference(slice_sub(rest, 1, end - 1)) : 0;
    if (point == 0)
        return 0;
    put_point(r, point);
    return end + 1;
}

void ews_html_words(struct slice html, struct buf *out)
{
    const size_t last = slice_find_last(html, '>');
    struct reading r = {.out = out};

    for (size_t i = 0; i < html.len;) {
        struct slice rest = slice_sub(html, i, html.len);
        const size_t len = markup(&r, rest, last != SIZE_MAX && i < last);

        if (len == 0 && (unsigned char)rest.ptr[0] <= ' ')
            r.blank |= r.hidden.len == 0;
        else if (len == 0)
            put(&r, slice_sub(rest, 0, 1));
        i += len > 0 ? len : 1;
    }
}
