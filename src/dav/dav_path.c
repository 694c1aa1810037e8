#include "dav/dav_path.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"

#include <string.h>

#define SEGMENTS_MAX 5

static bool segment_ok(struct slice segment)
{
    if (segment.len == 0 || segment.len > DAV_NAME_BYTES_MAX || slice_eq(segment, SLICE(".")) ||
        slice_eq(segment, SLICE("..")) || !utf8_valid(segment))
        return false;
    for (size_t i = 0; i < segment.len; i++) {
        if ((unsigned char)segment.ptr[i] < ' ' || segment.ptr[i] == 0x7f)
            return false;
        struct slice at = slice_sub(segment, i, 3);
        if (slice_ieq(at, SLICE("%2f")) || slice_eq(at, SLICE("%00")))
            return false;
    }
    return true;
}

static enum st split(struct slice path, struct slice segments[SEGMENTS_MAX], size_t *count_r)
{
    size_t count = 0;
    struct slice segment;

    if (path.len > 0 && path.ptr[path.len - 1] == '/')
        path.len--;
    while (path.len > 0 && slice_split(&path, '/', &segment)) {
        if (!segment_ok(segment))
            return ST_INVALID;
        if (count == SEGMENTS_MAX)
            return ST_NOT_FOUND;
        segments[count++] = segment;
    }
    *count_r = count;
    return ST_OK;
}

static enum dav_kind kind_of_calendar(struct slice name, bool object)
{
    if (slice_eq(name, SLICE("inbox")))
        return object ? DAV_KIND_NOTICE : DAV_KIND_INBOX;
    if (slice_eq(name, SLICE("outbox")))
        return object ? DAV_KIND_NONE : DAV_KIND_OUTBOX;
    return object ? DAV_KIND_OBJECT : DAV_KIND_CALENDAR;
}

static enum dav_kind kind_of_principal(const struct slice *segments, size_t count)
{
    static const enum dav_kind kinds[] = {DAV_KIND_ROOT, DAV_KIND_PRINCIPALS, DAV_KIND_PRINCIPAL};

    if (count <= COUNT(kinds))
        return kinds[count - 1];
    return count == 4 && (slice_eq(segments[3], SLICE(DAV_PROXY_READ)) ||
                          slice_eq(segments[3], SLICE(DAV_PROXY_WRITE)))
               ? DAV_KIND_PROXY
               : DAV_KIND_NONE;
}

static enum dav_kind kind_of(const struct slice *segments, size_t count)
{
    static const enum dav_kind homes[] = {DAV_KIND_ROOT, DAV_KIND_HOMES, DAV_KIND_HOME};

    if (count == 0)
        return DAV_KIND_ROOT;
    if (count == 2 && slice_eq(segments[0], SLICE(".well-known")) &&
        slice_eq(segments[1], SLICE("caldav")))
        return DAV_KIND_WELL_KNOWN;
    if (!slice_eq(segments[0], SLICE("dav")))
        return DAV_KIND_NONE;
    if (count == 1)
        return DAV_KIND_ROOT;
    if (slice_eq(segments[1], SLICE("principals")))
        return kind_of_principal(segments, count);
    if (!slice_eq(segments[1], SLICE("calendars")))
        return DAV_KIND_NONE;
    return count <= COUNT(homes) ? homes[count - 1] : kind_of_calendar(segments[3], count == 5);
}

/* "alice.ifb" without the end; "": it is none. */
static struct slice freebusy_name(const struct slice *segments, size_t count)
{
    const size_t end = 4;

    if (count != 2 || !slice_eq(segments[0], SLICE("freebusy")) || segments[1].len <= end ||
        !slice_ieq(slice_sub(segments[1], segments[1].len - end, end), SLICE(".ifb")))
        return SLICE("");
    return slice_sub(segments[1], 0, segments[1].len - end);
}

enum st dav_path_parse(struct slice path, struct dav_path *path_r)
{
    struct slice segments[SEGMENTS_MAX] = {{NULL, 0}};
    size_t count = 0;

    *path_r = (struct dav_path){.kind = DAV_KIND_NONE};
    if (path.len == 0 || path.ptr[0] != '/')
        return ST_NOT_FOUND;
    enum st st = split(slice_sub(path, 1, path.len), segments, &count);
    if (st != ST_OK)
        return st;
    path_r->person = freebusy_name(segments, count);
    if (path_r->person.len > 0) {
        path_r->kind = DAV_KIND_FREEBUSY;
        return ST_OK;
    }
    path_r->kind = kind_of(segments, count);
    if (path_r->kind == DAV_KIND_NONE)
        return ST_NOT_FOUND;
    path_r->bare = count == 0;
    path_r->person = segments[2];
    path_r->calendar = segments[3];
    path_r->object = segments[4];
    return ST_OK;
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

struct slice dav_path_decode(char *text, size_t len)
{
    struct slice all = {text, len};
    size_t from = 0;
    size_t to = 0;
    size_t colon = slice_find_slice(all, SLICE("://"));

    if (colon != SIZE_MAX && slice_find(all, '/') == colon + 1) {
        size_t slash = slice_find(slice_sub(all, colon + 3, len), '/');
        from = slash == SIZE_MAX ? len : colon + 3 + slash;
    }
    for (; from < len; from++) {
        int high = text[from] == '%' && from + 2 < len ? hex_of(text[from + 1]) : -1;
        int low = high >= 0 ? hex_of(text[from + 2]) : -1;
        int byte = high * 16 + low;

        if (low < 0 || byte == 0 || byte == '/') {
            text[to++] = text[from];
        } else {
            text[to++] = (char)byte;
            from += 2;
        }
    }
    return (struct slice){text, to};
}

/* pchar of RFC 3986 without what clients are known to trip over. */
static void put_segment(struct slice segment, struct buf *out)
{
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~@";

    size_t begun = 0;

    for (size_t i = 0; i < segment.len; i++) {
        if (segment.ptr[i] != '\0' && strchr(plain, segment.ptr[i]) != NULL)
            continue;
        buf_put(out, slice_sub(segment, begun, i - begun));
        buf_putf(out, "%%%02X", (unsigned char)segment.ptr[i]);
        begun = i + 1;
    }
    buf_put(out, slice_sub(segment, begun, segment.len));
    buf_put(out, SLICE("/"));
}

void dav_path_write(const struct dav_path *path, struct buf *out)
{
    const struct slice segments[] = {path->person, path->calendar, path->object};
    bool object = path->object.len > 0;

    if (path->kind == DAV_KIND_FREEBUSY) {
        buf_put(out, SLICE("/freebusy/"));
        put_segment(path->person, out);
        buf_cut(out, out->len - 1);
        buf_put(out, SLICE(".ifb"));
        return;
    }
    buf_put(out, path->bare ? SLICE("/") : SLICE(DAV_ROOT));
    if (path->kind == DAV_KIND_ROOT)
        return;
    if (path->kind == DAV_KIND_PRINCIPALS || ((1u << path->kind) & DAV_ALL_PRINCIPALS) != 0)
        buf_put(out, SLICE("principals/"));
    else
        buf_put(out, SLICE("calendars/"));
    for (size_t i = 0; i < COUNT(segments) && segments[i].len > 0; i++)
        put_segment(segments[i], out);
    if (object && !out->over)
        buf_cut(out, out->len - 1); /* an object is no collection */
}
