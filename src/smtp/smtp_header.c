#include "smtp/smtp_header.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#define NAME_BYTES_MAX 64 /* as much of a line is looked at as tells its name */

struct smtp_header {
    struct buf start; /* of the present line, until its name is known */
    char *date;
    char *message_id;
    bool known; /* the present line's fate is decided */
    bool drop;  /* the present field goes, its continuation lines too */
    bool has_date;
    bool has_message_id;
    bool open; /* what was given last has no line end */
    bool over; /* the body */
};

struct smtp_header *smtp_header_new(struct slice date, struct slice message_id)
{
    struct smtp_header *header = mem_new(struct smtp_header);

    buf_init(&header->start, NAME_BYTES_MAX);
    header->date = mem_copy(date);
    header->message_id = mem_copy(message_id);
    return header;
}

void smtp_header_free(struct smtp_header **header)
{
    if (*header == NULL)
        return;
    buf_fini(&(*header)->start);
    mem_free((*header)->date);
    mem_free((*header)->message_id);
    mem_free(*header);
    *header = NULL;
}

static void give(struct smtp_header *header, struct slice text, smtp_header_fn *fn, void *ctx)
{
    if (text.len == 0)
        return;
    header->open = text.ptr[text.len - 1] != '\n';
    fn(ctx, text);
}

static void add_missing(struct smtp_header *header, smtp_header_fn *fn, void *ctx)
{
    if (header->open) /* a last chunk may end anywhere (RFC 3030) */
        fn(ctx, SLICE("\r\n"));
    if (!header->has_date)
        fn(ctx, slice_str(header->date));
    if (!header->has_message_id)
        fn(ctx, slice_str(header->message_id));
    header->over = true;
}

static bool names(struct slice start, struct slice name)
{
    return slice_istarts(start, name) && start.len > name.len &&
           slice_trim(slice_sub(start, name.len, start.len)).len > 0 &&
           slice_trim(slice_sub(start, name.len, start.len)).ptr[0] == ':';
}

/* The present line has shown enough: a blank line ends the header, a continuation shares its
 * field's fate. */
static void decide(struct smtp_header *header, smtp_header_fn *fn, void *ctx)
{
    struct slice start = buf_slice(&header->start);

    header->known = true;
    if (slice_eq(start, SLICE("\r\n")) || slice_eq(start, SLICE("\n"))) {
        add_missing(header, fn, ctx);
        header->drop = false;
    } else if (start.len == 0 || (start.ptr[0] != ' ' && start.ptr[0] != '\t')) {
        header->drop = names(start, SLICE("Bcc"));
        header->has_date = header->has_date || names(start, SLICE("Date"));
        header->has_message_id = header->has_message_id || names(start, SLICE("Message-ID"));
    }
    if (!header->drop)
        give(header, start, fn, ctx);
    buf_clear(&header->start);
}

void smtp_header_feed(struct smtp_header *header, struct slice in, smtp_header_fn *fn, void *ctx)
{
    while (in.len > 0 && !header->over) {
        size_t lf = slice_find(in, '\n');
        struct slice part = slice_sub(in, 0, lf == SIZE_MAX ? in.len : lf + 1);

        in = slice_sub(in, part.len, in.len);
        if (!header->known) {
            struct slice head = slice_sub(part, 0, NAME_BYTES_MAX - header->start.len);

            buf_put(&header->start, head);
            part = slice_sub(part, head.len, part.len);
            if (lf != SIZE_MAX || header->start.len == NAME_BYTES_MAX)
                decide(header, fn, ctx);
        }
        if (!header->drop)
            give(header, part, fn, ctx);
        if (lf != SIZE_MAX)
            header->known = false;
    }
    if (in.len > 0)
        fn(ctx, in);
}

void smtp_header_end(struct smtp_header *header, smtp_header_fn *fn, void *ctx)
{
    if (header->over)
        return;
    if (!header->known && header->start.len > 0)
        decide(header, fn, ctx);
    if (!header->over)
        add_missing(header, fn, ctx);
}
