/* Scans the input whole and in two pieces; both must agree, and what is found must lie inside the
 * message and survive being stored. The first two bytes say where to cut and which limits. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void scan_into(const struct mime_limits *limits, struct slice text, size_t cut,
                      struct buf *out)
{
    struct mime_scan *scan = mime_scan_new(limits);

    mime_scan_feed(scan, slice_sub(text, 0, cut));
    mime_scan_feed(scan, slice_sub(text, cut, text.len));
    const struct mime_part *root = mime_scan_end(scan);

    must(root->body_end == text.len);
    must(mime_scan_facts(scan)->received_own_count <= mime_scan_facts(scan)->received_count);
    mime_structure_write(root, out);
    must(!out->over);
    mime_scan_free(&scan);
}

static void check_stored(struct slice stored)
{
    struct arena *arena = arena_new("fuzz", 64 * stored.len + 4096);
    const struct mime_part *root;
    AUTO(buf) struct buf out = BUF(GIB);

    must(mime_structure_read(arena, stored, &root) == ST_OK);
    mime_structure_write(root, &out);
    must(slice_eq(buf_slice(&out), stored));
    mime_bodystructure_write(root, true, &out);
    mime_bodystructure_write(root, false, &out);
    must(!out.over);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mime_limits limits = mime_limits_default;
    AUTO(buf) struct buf whole = BUF(GIB);
    AUTO(buf) struct buf pieces = BUF(GIB);

    if (size < 2)
        return 0;
    if (data[1] % 2 == 1)
        limits = (struct mime_limits){.parts_max = data[1] % 8,
                                      .depth_max = 1 + data[1] % 16,
                                      .header_bytes_max = 1 + data[1],
                                      .header_lines_max = data[1] % 32,
                                      .kept_bytes_max = 1 + 10U * data[1]};
    struct slice text = {(const char *)data + 2, size - 2};

    scan_into(&limits, text, text.len, &whole);
    scan_into(&limits, text, text.len * data[0] / 255, &pieces);
    must(slice_eq(buf_slice(&whole), buf_slice(&pieces)));
    check_stored(buf_slice(&whole));
    return 0;
}
