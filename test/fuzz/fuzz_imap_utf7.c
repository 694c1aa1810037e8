/* Modified UTF-7: what is decoded must encode to the same bytes; what is matched must end. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "imap/imap_match.h"
#include "imap/imap_utf7.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = {(const char *)data, size < 2000 ? size : 2000};
    struct arena *arena = arena_new("fuzz", MIB);
    struct slice utf8;
    struct buf out;
    bool ascii = true;

    for (size_t i = 0; i < in.len; i++)
        ascii &= data[i] >= 0x20 && data[i] < 0x7f;
    buf_init(&out, MIB);
    if (imap_utf7_decode(arena, in, &utf8) == ST_OK && ascii) {
        imap_utf7_encode(utf8, &out);
        assert(slice_eq(buf_slice(&out), in));
    }
    buf_clear(&out);
    imap_utf7_write(in, &out);
    assert(out.len > 0);
    size_t half = in.len / 2;
    (void)imap_match(slice_sub(in, 0, half), slice_sub(in, half, in.len), '/');
    buf_fini(&out);
    arena_free(&arena);
    return 0;
}
