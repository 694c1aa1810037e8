/* XML: what is read fits into the arena that the limits ask for; written again it is the same tree,
 * whole or in pieces; what is refused is told. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "xml/xml.h"
#include "xml/xml_write.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static enum st read_and_write(struct slice text, const struct xml_limits *limits, size_t step,
                              struct buf *out)
{
    struct arena *arena = arena_new("fuzz", xml_limits_arena_bytes(limits));
    struct xml_reader *reader = xml_reader_new(arena, limits);
    struct xml_element *root;
    enum st st = ST_OK;

    for (; text.len > 0 && st == ST_OK; text = slice_sub(text, step, text.len))
        st = xml_reader_feed(reader, slice_sub(text, 0, step));
    if (st == ST_OK)
        st = xml_reader_end(reader, &root);
    if (st == ST_OK)
        xml_write_element(out, root);
    must((st == ST_OK) == (xml_reader_error(reader)->text[0] == '\0'));
    xml_reader_free(&reader);
    arena_free(&arena);
    return st;
}

/* The written one declares the known prefixes at its outermost element. */
static void wrap(const struct buf *tree, struct buf *out)
{
    xml_write_begin(out, XML_DAV, "fuzz");
    buf_put(out, buf_slice(tree));
    xml_write_close(out, XML_DAV, "fuzz");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct xml_limits limits = {20000, 500, 100, 10, 10};
    static const struct xml_limits again_limits = {4000000, 501, 100, 11, 11};
    const struct slice text = {(const char *)data, size};
    AUTO(buf) struct buf first = BUF(64 * MIB);
    AUTO(buf) struct buf pieces = BUF(64 * MIB);
    AUTO(buf) struct buf wrapped = BUF(64 * MIB);
    AUTO(buf) struct buf second = BUF(64 * MIB);
    enum st st = read_and_write(text, &limits, SIZE_MAX, &first);

    must(read_and_write(text, &limits, size % 7 + 1, &pieces) == st);
    must(slice_eq(buf_slice(&first), buf_slice(&pieces)));
    if (st != ST_OK)
        return 0;
    wrap(&first, &wrapped);
    must(read_and_write(buf_slice(&wrapped), &again_limits, SIZE_MAX, &second) == ST_OK);
    must(slice_find_slice(buf_slice(&second), buf_slice(&first)) != SIZE_MAX);
    return 0;
}
