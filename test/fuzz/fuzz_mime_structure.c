/* Reads hostile bytes as a stored structure. What is accepted must be written back as it was, and
 * must do to answer a client from. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_structure.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {(const char *)data, size};
    struct arena *arena = arena_new("fuzz", 64 * size + 4096);
    const struct mime_part *root;
    AUTO(buf) struct buf out = BUF(GIB);

    if (mime_structure_read(arena, in, &root) == ST_OK) {
        mime_structure_write(root, &out);
        if (!slice_eq(buf_slice(&out), in))
            abort();
        mime_bodystructure_write(root, true, &out);
        mime_bodystructure_write(root, false, &out);
        (void)mime_part_find(root, SLICE("1.2.3"));
    }
    arena_free(&arena);
    return 0;
}
