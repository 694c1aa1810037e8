/* Paths and parameters of MAIL and RCPT: what is taken is printable, whole, and read again alike.
 */
#include "base/arena.h"
#include "base/slice.h"
#include "smtp/smtp_path.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_text(const struct smtp_path *path, bool utf8)
{
    for (size_t i = 0; i < path->text.len; i++) {
        unsigned char c = (unsigned char)path->text.ptr[i];

        must(c >= ' ' && c != 0x7f && (utf8 || c < 0x80));
    }
    must(path->local.len <= SMTP_LOCAL_BYTES_MAX && path->domain.len <= SMTP_DOMAIN_BYTES_MAX);
    must(path->null == (path->text.len == 0));
}

static void check_params(struct slice rest)
{
    struct slice keyword;
    struct slice value;
    size_t left = rest.len;

    while (smtp_param_next(&rest, &keyword, &value) == ST_OK) {
        must(keyword.len > 0 && rest.len < left);
        left = rest.len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new("fuzz", 8 * MIB + 4 * size);
    struct slice all = {(const char *)data, size};
    bool utf8 = size > 0 && (data[size - 1] & 1) != 0;
    struct slice rest = all;
    struct smtp_path path;
    struct smtp_path wider;

    if (smtp_path_parse(arena, &rest, utf8, &path) == ST_OK) {
        must(rest.len < all.len && rest.ptr + rest.len == all.ptr + all.len);
        check_text(&path, utf8);
        check_params(rest);
        rest = all;
        must(smtp_path_parse(arena, &rest, true, &wider) == ST_OK);
        must(slice_eq(wider.local, path.local) && slice_eq(wider.domain, path.domain));
    }
    check_params(all);
    arena_free(&arena);
    return 0;
}
