#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_envelope.h"
#include "mime/mime_structure.h"

#include <inttypes.h>

static void put_params(const struct mime_param *params, struct buf *out)
{
    if (params == NULL) {
        buf_put(out, SLICE("NIL"));
        return;
    }
    for (const char *before = "("; params != NULL; params = params->next, before = " ") {
        buf_put(out, slice_str(before));
        mime_nstring_write(params->name, out);
        buf_put(out, SLICE(" "));
        mime_nstring_write(params->value, out);
    }
    buf_put(out, SLICE(")"));
}

static void put_language(const struct mime_word *words, struct buf *out)
{
    if (words == NULL) {
        buf_put(out, SLICE("NIL"));
        return;
    }
    for (const char *before = "("; words != NULL; words = words->next, before = " ") {
        buf_put(out, slice_str(before));
        mime_nstring_write(words->text, out);
    }
    buf_put(out, SLICE(")"));
}

/* body-fld-dsp, body-fld-lang, body-fld-loc. */
static void put_extension(const struct mime_part *part, struct buf *out)
{
    if (part->disposition.ptr == NULL) {
        buf_put(out, SLICE(" NIL "));
    } else {
        buf_put(out, SLICE(" ("));
        mime_nstring_write(part->disposition, out);
        buf_put(out, SLICE(" "));
        put_params(part->disposition_params, out);
        buf_put(out, SLICE(") "));
    }
    put_language(part->language, out);
    buf_put(out, SLICE(" "));
    mime_nstring_write(part->location, out);
}

/* body-type-mpart; at least one body has to be in it. */
static void put_multipart(const struct mime_part *part, bool extended, struct buf *out)
{
    if (part->child == NULL)
        buf_put(out, extended ? SLICE("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
                                      "\"7bit\" 0 0 NIL NIL NIL NIL)")
                              : SLICE("(\"text\" \"plain\" (\"charset\" \"us-ascii\") NIL NIL "
                                      "\"7bit\" 0 0)"));
    for (const struct mime_part *child = part->child; child != NULL; child = child->next)
        mime_bodystructure_write(child, extended, out);
    buf_put(out, SLICE(" "));
    mime_nstring_write(part->subtype, out);
    if (!extended)
        return;
    buf_put(out, SLICE(" "));
    put_params(part->params, out);
    put_extension(part, out);
}

/* The media type, but for what only looks like a container. */
static void put_type(const struct mime_part *part, struct buf *out)
{
    bool container = mime_part_is_message(part) || slice_ieq(part->type, SLICE("multipart"));

    if (part->kind == MIME_LEAF && container) {
        buf_put(out, SLICE("\"application\" \"octet-stream\""));
        return;
    }
    mime_nstring_write(part->type, out);
    buf_put(out, SLICE(" "));
    mime_nstring_write(part->subtype, out);
}

/* body-type-1part: body-type-basic, body-type-msg, body-type-text. */
static void put_single(const struct mime_part *part, bool extended, struct buf *out)
{
    put_type(part, out);
    buf_put(out, SLICE(" "));
    put_params(part->params, out);
    buf_put(out, SLICE(" "));
    mime_nstring_write(part->id, out);
    buf_put(out, SLICE(" "));
    mime_nstring_write(part->description, out);
    buf_put(out, SLICE(" "));
    mime_nstring_write(part->encoding, out);
    buf_putf(out, " %" PRIu64, part->body_end - part->body_start);
    if (part->kind == MIME_MESSAGE) {
        buf_put(out, SLICE(" "));
        buf_put(out, part->child->envelope);
        buf_put(out, SLICE(" "));
        mime_bodystructure_write(part->child, extended, out);
    }
    if (part->kind == MIME_MESSAGE || slice_ieq(part->type, SLICE("text")))
        buf_putf(out, " %" PRIu64, part->lines);
    if (!extended)
        return;
    buf_put(out, SLICE(" "));
    mime_nstring_write(part->md5, out);
    put_extension(part, out);
}

void mime_bodystructure_write(const struct mime_part *part, bool extended, struct buf *out)
{
    buf_put(out, SLICE("("));
    if (part->kind == MIME_MULTIPART)
        put_multipart(part, extended, out);
    else
        put_single(part, extended, out);
    buf_put(out, SLICE(")"));
}
