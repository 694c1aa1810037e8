#include "mime/mime_part.h"

#include "base/slice.h"

bool mime_part_is(const struct mime_part *part, struct slice type, struct slice subtype)
{
    return slice_ieq(part->type, type) && slice_ieq(part->subtype, subtype);
}

bool mime_part_is_message(const struct mime_part *part)
{
    return mime_part_is(part, SLICE("message"), SLICE("rfc822")) ||
           mime_part_is(part, SLICE("message"), SLICE("global"));
}

/* nz-number of RFC 3501 section 9. */
static bool read_number(struct slice text, uint64_t *number_r)
{
    return text.len > 0 && text.ptr[0] != '0' && slice_to_u64(text, number_r) == ST_OK;
}

static const struct mime_part *child_at(const struct mime_part *part, uint64_t number)
{
    const struct mime_part *child = part->child;

    while (child != NULL && --number > 0)
        child = child->next;
    return child;
}

/* A number counts the parts of a multipart; of any other message, 1 is its body. */
static const struct mime_part *within(const struct mime_part *message, uint64_t number)
{
    if (message->kind == MIME_MULTIPART)
        return child_at(message, number);
    return number == 1 ? message : NULL;
}

static const struct mime_part *step(const struct mime_part *part, uint64_t number)
{
    if (part->kind == MIME_MULTIPART)
        return child_at(part, number);
    return part->kind == MIME_MESSAGE ? within(part->child, number) : NULL;
}

const struct mime_part *mime_part_find(const struct mime_part *root, struct slice section)
{
    const struct mime_part *part = NULL;
    struct slice number;
    uint64_t value;

    for (bool first = true; slice_split(&section, '.', &number); first = false) {
        if (!read_number(number, &value))
            return NULL;
        part = first ? within(root, value) : step(part, value);
        if (part == NULL)
            return NULL;
    }
    return part;
}
