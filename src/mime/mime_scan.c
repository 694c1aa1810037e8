#include "mime/mime_scan.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "mime/mime_content.h"
#include "mime/mime_decode.h"
#include "mime/mime_envelope.h"
#include "mime/mime_header.h"
#include "mime/mime_keep.h"
#include "mime/mime_structure.h"

#include <string.h>

#define BOUNDARY_BYTES_MAX 256 /* RFC 2046 allows 70 */
#define HOLD_BYTES (BOUNDARY_BYTES_MAX + 64)

const struct mime_limits mime_limits_default = {
    .parts_max = 1000,
    .depth_max = 100,
    .header_bytes_max = 256 * KIB,
    .header_lines_max = 10000,
    .kept_bytes_max = 4 * MIB,
};

/* A part whose end has not come yet. */
struct open {
    struct mime_part *part;
    struct slice boundary; /* of a multipart until its close-delimiter has come, else empty */
    struct mime_part **tail;
    uint64_t lines_before; /* those of the message where the body begins */
    uint64_t end_min;      /* where its last child ended */
};

struct mime_scan {
    struct mime_limits limits;
    struct arena *arena;
    struct arena *scratch;
    struct mime_keep keep;
    struct open *open; /* from the root to the innermost */
    size_t open_count;
    size_t open_max;
    size_t bounded_count; /* open ones that have a boundary */
    size_t parts_count;
    bool in_header; /* of the innermost, else in its body */
    bool ended;

    uint64_t offset;     /* of the byte that comes next */
    uint64_t line_start; /* of the line that it belongs to */
    uint64_t lines;      /* line ends seen */
    uint8_t eol_len;     /* of the line before */
    char last;           /* the byte before */

    struct buf header; /* of the innermost */
    size_t header_lines;

    bool holding; /* the line may be a delimiter: it is in hold until its end */
    size_t hold_len;
    char hold[HOLD_BYTES];

    struct mime_part root;
    bool has_facts;
    struct mime_facts facts;
};

static struct open *top(struct mime_scan *scan)
{
    return &scan->open[scan->open_count - 1];
}

static void push(struct mime_scan *scan, struct mime_part *part, uint64_t start)
{
    if (scan->open_count == scan->open_max) {
        scan->open_max += 8;
        scan->open = mem_grow(scan->open, scan->open_max, sizeof(*scan->open));
    }
    scan->open[scan->open_count++] = (struct open){.part = part, .tail = &part->child};
    part->header_start = start;
    scan->in_header = true;
    scan->header_lines = 0;
    buf_clear(&scan->header);
}

/* A new part inside the innermost, whose first line starts at the byte given. */
static void push_child(struct mime_scan *scan, uint64_t start)
{
    struct open *parent = top(scan);
    struct mime_part *part = arena_one(scan->arena, struct mime_part);

    part->parent = parent->part;
    *parent->tail = part;
    parent->tail = &part->next;
    scan->parts_count++;
    push(scan, part, start);
}

struct mime_scan *mime_scan_new(const struct mime_limits *limits)
{
    struct mime_scan *scan = mem_new(struct mime_scan);

    scan->limits = limits != NULL ? *limits : mime_limits_default;
    if (scan->limits.depth_max > MIME_DEPTH_MAX)
        scan->limits.depth_max = MIME_DEPTH_MAX;
    scan->arena =
        arena_new("mime_scan", 2 * scan->limits.kept_bytes_max +
                                   (scan->limits.parts_max + 1) * (sizeof(struct mime_part) + 16));
    scan->scratch = arena_new("mime_scan scratch", 8 * MIB + 16 * scan->limits.header_bytes_max);
    scan->keep = (struct mime_keep){scan->arena, scan->limits.kept_bytes_max};
    buf_init(&scan->header, scan->limits.header_bytes_max + 1);
    scan->parts_count = 1;
    push(scan, &scan->root, 0);
    return scan;
}

void mime_scan_free(struct mime_scan **scan)
{
    if (*scan == NULL)
        return;
    buf_fini(&(*scan)->header);
    arena_free(&(*scan)->scratch);
    arena_free(&(*scan)->arena);
    mem_free((*scan)->open);
    mem_free(*scan);
    *scan = NULL;
}

static struct slice next_word(struct slice *rest)
{
    size_t len = 0;

    *rest = slice_trim(*rest);
    while (len < rest->len && strchr(" \t\r\n", rest->ptr[len]) == NULL)
        len++;
    struct slice word = slice_sub(*rest, 0, len);
    *rest = slice_sub(*rest, len, rest->len);
    return word;
}

/* Whether a Received line's "by" names the host (RFC 5321 section 4.4). */
static bool received_by(struct slice value, struct slice name)
{
    struct slice rest = value;
    struct slice word = next_word(&rest);

    if (name.len == 0)
        return false;
    while (word.len > 0 && !slice_ieq(word, SLICE("by")))
        word = next_word(&rest);
    return slice_ieq(next_word(&rest), name);
}

static void read_facts(struct mime_scan *scan, struct slice header)
{
    struct mime_facts *facts = &scan->facts;
    struct slice rest = header;
    struct mime_field field;

    while (mime_field_next(&rest, &field)) {
        if (!slice_ieq(field.name, SLICE("Received")))
            continue;
        facts->received_count++;
        facts->received_own_count += received_by(field.value, scan->limits.own_name);
    }
    scan->has_facts = true;
}

/* What is too big for the budget is shown as an envelope that says nothing. */
static void keep_envelope(struct mime_scan *scan, struct slice header, struct mime_part *part)
{
    AUTO(buf) struct buf text = BUF(scan->limits.kept_bytes_max);

    mime_envelope_write(scan->scratch, header, &text);
    arena_reset(scan->scratch);
    part->envelope = SLICE(MIME_ENVELOPE_NIL);
    if (text.over)
        return;
    struct slice kept = mime_keep_copy(&scan->keep, buf_slice(&text));

    if (kept.ptr != NULL)
        part->envelope = kept;
}

static bool may_nest(const struct mime_scan *scan)
{
    return scan->open_count < scan->limits.depth_max && scan->parts_count < scan->limits.parts_max;
}

static void open_multipart(struct mime_scan *scan)
{
    struct open *open = top(scan);
    struct slice boundary = slice_trim(mime_param_get(open->part->params, SLICE("boundary")));

    if (boundary.len > BOUNDARY_BYTES_MAX)
        return;
    open->part->kind = MIME_MULTIPART;
    open->boundary = boundary;
    scan->bounded_count++;
}

/* The blank line has been seen, or else the header was cut off; the body starts at the byte
 * given. */
static void end_header(struct mime_scan *scan, uint64_t body_start)
{
    struct open *open = top(scan);
    struct mime_part *part = open->part;
    const struct mime_part *parent = part->parent;
    struct slice header = buf_slice(&scan->header);
    bool digest = parent != NULL && parent->kind == MIME_MULTIPART &&
                  slice_eq(parent->subtype, SLICE("digest"));

    part->body_start = body_start;
    open->lines_before = scan->lines;
    scan->in_header = false;
    mime_content_read(&scan->keep, header, digest, part);
    if (parent == NULL)
        read_facts(scan, header);
    if (parent == NULL || parent->kind == MIME_MESSAGE)
        keep_envelope(scan, header, part);
    if (!may_nest(scan))
        return;
    if (slice_eq(part->type, SLICE("multipart"))) {
        open_multipart(scan);
    } else if (mime_part_is_message(part) && mime_encoding_find(part->encoding) == MIME_IDENTITY) {
        part->kind = MIME_MESSAGE;
        push_child(scan, body_start);
    }
}

/* Ends what is open below `count`, before the line end that ends at `at` and has so many bytes; but
 * where an empty part inside ends only behind that line end, so does what it is in. */
static void close_to(struct mime_scan *scan, size_t count, uint64_t at, uint8_t eol_len)
{
    while (scan->in_header && scan->open_count > count)
        end_header(scan, at);
    while (scan->open_count > count) {
        struct open *open = top(scan);
        struct mime_part *part = open->part;
        bool has_eol = eol_len > 0 && at > part->body_start && at - eol_len >= open->end_min;

        part->body_end = has_eol ? at - eol_len : at;
        part->lines = scan->lines - open->lines_before - has_eol;
        scan->bounded_count -= open->boundary.len > 0;
        scan->open_count--;
        if (scan->open_count > 0)
            top(scan)->end_min = part->body_end;
    }
}

/* Length of a delimiter line without the blanks behind it (transport-padding, RFC 2046 5.1.1). */
static size_t trimmed_len(const struct mime_scan *scan)
{
    size_t len = scan->hold_len;

    while (len > 0 && (scan->hold[len - 1] == ' ' || scan->hold[len - 1] == '\t' ||
                       scan->hold[len - 1] == '\r' || scan->hold[len - 1] == '\n'))
        len--;
    return len;
}

/* Index of the open multipart whose delimiter the held line is, or SIZE_MAX. The whole line must
 * match, though RFC 2046 would be content with its beginning: mailers nest boundaries of which one
 * begins another. */
static size_t find_delimiter(const struct mime_scan *scan, bool *close_r)
{
    struct slice line = {scan->hold, trimmed_len(scan)};

    if (!slice_starts(line, SLICE("--")))
        return SIZE_MAX;
    line = slice_sub(line, 2, line.len);
    for (size_t i = scan->open_count; i-- > 0;) {
        struct slice boundary = scan->open[i].boundary;

        if (boundary.len == 0)
            continue;
        *close_r = line.len == boundary.len + 2;
        if (slice_eq(line, boundary) || (*close_r && slice_starts(line, boundary) &&
                                         slice_eq(slice_sub(line, boundary.len, 2), SLICE("--"))))
            return i;
    }
    return SIZE_MAX;
}

/* The held line, which began at line_start, is a delimiter of the i-th open part; the line after
 * it begins at offset. */
static void take_delimiter(struct mime_scan *scan, size_t i, bool close, bool has_eol)
{
    close_to(scan, i + 1, scan->line_start, scan->eol_len);
    scan->lines += has_eol;
    scan->line_start = scan->offset;
    if (close) {
        scan->open[i].boundary.len = 0;
        scan->bounded_count--;
    } else if (scan->parts_count < scan->limits.parts_max) {
        push_child(scan, scan->line_start);
    }
}

static void keep_header(struct mime_scan *scan, struct slice bytes)
{
    size_t room = scan->limits.header_bytes_max - scan->header.len;

    if (scan->header_lines < scan->limits.header_lines_max)
        buf_put(&scan->header, slice_sub(bytes, 0, room));
}

static bool dash(const char *p, const char *end)
{
    return p < end && *p == '-' && (p + 1 == end || p[1] == '-');
}

/* Whether the line that ends at eol, and of which `carried` bytes came earlier, is blank. */
static bool blank_line(const struct mime_scan *scan, struct slice line, uint64_t carried)
{
    if (carried + line.len == 1)
        return true;
    return carried + line.len == 2 && (line.len == 2 ? line.ptr[0] : scan->last) == '\r';
}

/* Takes header lines up to the blank one, one that may be a delimiter, or where the limit is. */
static size_t take_header(struct mime_scan *scan, struct slice in)
{
    bool bounded = scan->bounded_count > 0;
    uint64_t carried = scan->offset - scan->line_start;
    size_t lines_left = scan->limits.header_lines_max - scan->header_lines;
    size_t lines = 0;
    size_t used = 0;
    bool blank = false;

    while (used < in.len) {
        struct slice rest = slice_sub(in, used, in.len);
        size_t at = slice_find(rest, '\n');

        if (at == SIZE_MAX) {
            used = in.len;
            break;
        }
        used += at + 1;
        lines++;
        blank = blank_line(scan, slice_sub(rest, 0, at + 1), carried);
        carried = 0;
        scan->eol_len = used > 1 ? 1 + (in.ptr[used - 2] == '\r') : 1 + (scan->last == '\r');
        scan->line_start = scan->offset + used;
        if (blank || lines == lines_left || (bounded && dash(in.ptr + used, in.ptr + in.len)))
            break;
    }
    keep_header(scan, slice_sub(in, 0, used));
    scan->lines += lines;
    scan->header_lines += lines;
    scan->offset += used;
    scan->last = in.ptr[used - 1];
    if (blank)
        end_header(scan, scan->offset);
    return used;
}

/* Takes body lines up to one that may be a delimiter. The loop that all the bytes go through. */
static size_t take_body(struct mime_scan *scan, struct slice in)
{
    const char *p = in.ptr;
    const char *end = in.ptr + in.len;
    bool bounded = scan->bounded_count > 0;
    uint64_t lines = 0;
    const char *eol = NULL;

    while (p < end) {
        const char *next = memchr(p, '\n', (size_t)(end - p));

        if (next == NULL) {
            p = end;
            break;
        }
        eol = next;
        p = eol + 1;
        lines++;
        if (bounded && dash(p, end))
            break;
    }
    if (eol != NULL) {
        bool cr =
            eol > in.ptr ? eol[-1] == '\r' : scan->last == '\r' && scan->line_start < scan->offset;

        scan->eol_len = cr ? 2 : 1;
        scan->line_start = scan->offset + (uint64_t)(eol + 1 - in.ptr);
    }
    scan->lines += lines;
    scan->offset += (uint64_t)(p - in.ptr);
    scan->last = p[-1];
    return (size_t)(p - in.ptr);
}

/* Content: of a line that holds no delimiter, or is past the point where it could. */
static size_t take_content(struct mime_scan *scan, struct slice in)
{
    return scan->in_header ? take_header(scan, in) : take_body(scan, in);
}

/* What was held is content after all. */
static void release(struct mime_scan *scan)
{
    struct slice held = {scan->hold, scan->hold_len};

    scan->holding = false;
    scan->offset = scan->line_start;
    while (held.len > 0)
        held = slice_sub(held, take_content(scan, held), held.len);
}

static void end_hold(struct mime_scan *scan, bool has_eol)
{
    bool close = false;
    size_t i = find_delimiter(scan, &close);

    if (i == SIZE_MAX) {
        release(scan);
        return;
    }
    bool cr = has_eol && scan->hold_len > 1 && scan->hold[scan->hold_len - 2] == '\r';

    scan->holding = false;
    scan->last = scan->hold[scan->hold_len - 1];
    take_delimiter(scan, i, close, has_eol);
    scan->eol_len = cr ? 2 : 1;
}

/* Takes bytes of a line that may be a delimiter, until that is known. */
static size_t take_held(struct mime_scan *scan, struct slice in)
{
    const char *eol = memchr(in.ptr, '\n', in.len);
    size_t len = eol != NULL ? (size_t)(eol - in.ptr) + 1 : in.len;
    size_t room = sizeof(scan->hold) - scan->hold_len;

    if (len > room) {
        len = room;
        eol = NULL;
    }
    memcpy(scan->hold + scan->hold_len, in.ptr, len);
    scan->hold_len += len;
    scan->offset += len;
    if (eol != NULL)
        end_hold(scan, true);
    else if (scan->hold_len == sizeof(scan->hold) || (scan->hold_len > 1 && scan->hold[1] != '-'))
        release(scan);
    return len;
}

void mime_scan_feed(struct mime_scan *scan, struct slice in)
{
    const char *end = in.ptr + in.len;

    assert(!scan->ended);
    while (in.len > 0) {
        if (!scan->holding && scan->bounded_count > 0 && scan->offset == scan->line_start &&
            dash(in.ptr, end)) {
            scan->holding = true;
            scan->hold_len = 0;
        }
        in = slice_sub(in, scan->holding ? take_held(scan, in) : take_content(scan, in), in.len);
    }
}

const struct mime_part *mime_scan_end(struct mime_scan *scan)
{
    if (!scan->ended && scan->holding)
        end_hold(scan, false);
    if (!scan->ended)
        close_to(scan, 0, scan->offset, 0);
    scan->ended = true;
    return &scan->root;
}

const struct mime_facts *mime_scan_facts(const struct mime_scan *scan)
{
    return scan->has_facts ? &scan->facts : NULL;
}
