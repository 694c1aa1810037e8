#include "router/router_dsn_field.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "mime/mime_xtext.h"

#include <string.h>

#define TYPE_BYTES_MAX 40
#define ORCPT_BYTES_MAX 4000 /* more than an SMTP line holds */

/* The registered types of addresses and diagnostics are words such as "rfc822" and "smtp". */
static bool is_type(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-')
            return false;
    }
    return text.len > 0 && text.len <= TYPE_BYTES_MAX;
}

static bool printable(struct slice text, bool utf8)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0 && (utf8 ? utf8_valid(text) : utf8_ascii(text));
}

void router_dsn_field_orcpt(struct slice orcpt, struct slice *type_r, struct buf *out)
{
    size_t semicolon = slice_find(orcpt, ';');
    struct slice type = slice_sub(orcpt, 0, semicolon);
    size_t start = out->len;

    *type_r = SLICE("");
    if (orcpt.len > ORCPT_BYTES_MAX || !is_type(type) || semicolon == SIZE_MAX)
        return;
    *type_r = type;
    bool utf8 = slice_ieq(type, SLICE("utf-8"));
    struct slice value = slice_sub(orcpt, semicolon + 1, orcpt.len);
    enum st st = utf8 ? mime_xtext_decode_utf8(value, true, out) : mime_xtext_decode(value, out);
    if (st == ST_OK && printable(slice_sub(buf_slice(out), start, out->len), utf8))
        return;
    out->len = start;
    buf_put(out, value);
}

struct slice router_dsn_field_diagnostic(const struct router_dsn_rcpt *rcpt, struct slice *type_r)
{
    struct slice diagnostic = slice_trim(rcpt->diagnostic);
    size_t semicolon = slice_find(diagnostic, ';');
    struct slice type = slice_trim(slice_sub(diagnostic, 0, semicolon));

    if (semicolon != SIZE_MAX && is_type(type)) {
        *type_r = type;
        return slice_trim(slice_sub(diagnostic, semicolon + 1, diagnostic.len));
    }
    *type_r = rcpt->remote.len > 0 ? SLICE("smtp") : SLICE("x-posthorse");
    return diagnostic;
}

/* Takes one to three digits off the front. */
static bool take_digits(struct slice *rest)
{
    size_t len = 0;

    while (len < rest->len && rest->ptr[len] >= '0' && rest->ptr[len] <= '9')
        len++;
    *rest = slice_sub(*rest, len, rest->len);
    return len >= 1 && len <= 3;
}

static bool take_dot(struct slice *rest)
{
    bool dot = rest->len > 0 && rest->ptr[0] == '.';

    *rest = slice_sub(*rest, 1, rest->len);
    return dot;
}

char router_dsn_field_class(struct slice status)
{
    struct slice rest = slice_sub(status, 1, status.len);

    if (status.len == 0 || memchr("245", status.ptr[0], 3) == NULL || !take_dot(&rest) ||
        !take_digits(&rest) || !take_dot(&rest) || !take_digits(&rest) || rest.len > 0)
        return '\0';
    return status.ptr[0];
}

struct slice router_dsn_field_status(enum router_dsn_kind kind, const struct router_dsn_rcpt *rcpt)
{
    static const struct {
        const char *otherwise;
        const char *classes;
    } rows[] = {
        [ROUTER_DSN_FAILED] = {"5.0.0", "54"},   [ROUTER_DSN_DELAYED] = {"4.0.0", "4"},
        [ROUTER_DSN_DELIVERED] = {"2.0.0", "2"}, [ROUTER_DSN_RELAYED] = {"2.0.0", "2"},
        [ROUTER_DSN_EXPANDED] = {"2.0.0", "2"},
    };
    static_assert(COUNT(rows) == ROUTER_DSN_KIND_MAX, "one row for each kind");
    char class = router_dsn_field_class(rcpt->status);

    return class != '\0' && strchr(rows[kind].classes, class) != NULL
               ? rcpt->status
               : slice_str(rows[kind].otherwise);
}
