/* Frames of the cluster port: what is read is within its limits and inside the input, and written
 * again it is the same bytes; cutting the input changes nothing but that more is waited for. */
#include "base/buf.h"
#include "base/slice.h"
#include "cluster/cluster_frame.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_again(const struct cluster_frame *frame, struct slice bytes)
{
    AUTO(buf) struct buf out = BUF(CLUSTER_FRAME_BYTES_MAX + KIB);

    must(cluster_frame_write(frame, &out) == ST_OK);
    must(slice_eq(buf_slice(&out), bytes));
}

static void check_cut(struct slice bytes, size_t cut)
{
    struct cluster_frame frame;
    size_t used;

    must(cluster_frame_read(slice_sub(bytes, 0, cut), CLUSTER_FRAME_BYTES_MAX, &frame, &used) ==
         ST_AGAIN);
    must(used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = {(const char *)data, size};
    struct cluster_frame frame;
    size_t used;

    while (cluster_frame_read(rest, CLUSTER_FRAME_BYTES_MAX, &frame, &used) == ST_OK) {
        must(used > 4 && used <= rest.len);
        check_again(&frame, slice_sub(rest, 0, used));
        check_cut(rest, used - 1);
        rest = slice_sub(rest, used, rest.len);
    }
    must(used == 0);
    return 0;
}
