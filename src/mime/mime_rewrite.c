#include "mime/mime_rewrite.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "mime/mime_address.h"
#include "mime/mime_header.h"
#include "mime/mime_lex.h"

#define NAME_BYTES_MAX 32 /* as much of a field is looked at as tells its name */
#define ARENA_BYTES_MAX (4 * MIB)
#define ADDRESS_BYTES_MAX 1024

struct mime_rewrite {
    mime_rewrite_fn *rewrite;
    void *ctx;
    struct buf field; /* the present one as far as it is held back, its line ends too */
    bool in_line;     /* the present line has begun */
    bool pass;        /* the present field is not looked at */
    bool wanted;      /* it is one of ours, held back until it ends */
    struct mime_rewrite_facts facts;
};

struct mime_rewrite *mime_rewrite_new(mime_rewrite_fn *fn, void *ctx)
{
    struct mime_rewrite *rewrite = mem_new(struct mime_rewrite);

    rewrite->rewrite = fn;
    rewrite->ctx = ctx;
    buf_init(&rewrite->field, MIME_REWRITE_FIELD_BYTES_MAX);
    return rewrite;
}

void mime_rewrite_free(struct mime_rewrite **rewrite)
{
    if (*rewrite == NULL)
        return;
    buf_fini(&(*rewrite)->field);
    mem_free(*rewrite);
    *rewrite = NULL;
}

const struct mime_rewrite_facts *mime_rewrite_facts(const struct mime_rewrite *rewrite)
{
    return &rewrite->facts;
}

/* --- one address --- */

/* Without the blanks and comments at both ends. */
static struct slice core_of(struct slice text)
{
    size_t first = text.len;
    size_t last = text.len;
    size_t len;

    for (size_t at = 0; at < text.len; at += len) {
        len = mime_lex_atom(slice_sub(text, at, text.len));
        if (text.ptr[at] == '(' || mime_lex_blank(text.ptr[at]))
            continue;
        if (first == text.len)
            first = at;
        last = at + len;
    }
    return slice_sub(text, first, last - first);
}

/* Where the @ between the halves stands; addr-spec has one. */
static size_t find_at(struct slice spec)
{
    size_t at = 0;

    while (at < spec.len && spec.ptr[at] != '@')
        at += mime_lex_atom(slice_sub(spec, at, spec.len));
    return at;
}

/* What cannot stand in a header is not put there, wherever it comes from. */
static bool writable(struct slice address)
{
    for (size_t i = 0; i < address.len; i++)
        if ((unsigned char)address.ptr[i] < ' ' || address.ptr[i] == 0x7f)
            return false;
    return true;
}

/* The two halves of spec are replaced; what stands around them is kept. *rest: of the field, not
 * given yet. */
static void replace(struct mime_rewrite *rewrite, struct slice spec, struct slice address,
                    struct slice *rest, struct buf *out)
{
    size_t at = find_at(spec);
    size_t new_at = slice_find_last(address, '@');
    struct slice local = core_of(slice_sub(spec, 0, at));
    struct slice domain = core_of(slice_sub(spec, at + 1, spec.len));
    size_t start = (size_t)(local.ptr - rest->ptr);

    if (new_at == SIZE_MAX || local.len == 0 || domain.len == 0 || !writable(address))
        return;
    buf_put(out, slice_sub(*rest, 0, start));
    buf_put(out, slice_sub(address, 0, new_at));
    *rest = slice_sub(*rest, start + local.len, rest->len);
    buf_put(out, slice_sub(*rest, 0, (size_t)(domain.ptr - rest->ptr)));
    buf_put(out, slice_sub(address, new_at + 1, address.len));
    *rest = slice_sub(*rest, (size_t)(domain.ptr - rest->ptr) + domain.len, rest->len);
    rewrite->facts.count++;
    rewrite->facts.eight_bit = rewrite->facts.eight_bit || !utf8_ascii(address);
}

/* --- one field --- */

/* The whole field is held back: what becomes of it is in out. */
static void rewrite_field(struct mime_rewrite *rewrite, struct slice value, struct buf *out)
{
    struct arena *arena = arena_new("rewrite", ARENA_BYTES_MAX);
    struct mime_addresses list = mime_address_parse(arena, value, MIME_REWRITE_COUNT_MAX);
    struct slice rest = buf_slice(&rewrite->field);

    for (const struct mime_address *each = list.first; each != NULL; each = each->next) {
        AUTO(buf) struct buf address = BUF(ADDRESS_BYTES_MAX);

        if (each->spec.len > 0 &&
            rewrite->rewrite(rewrite->ctx, each->local, each->domain, &address) && !address.over)
            replace(rewrite, each->spec, buf_slice(&address), &rest, out);
    }
    buf_put(out, rest);
    arena_free(&arena);
}

static bool is_wanted(struct slice name)
{
    static const struct slice names[] = {
        MIME_LEX_TEXT("From"), MIME_LEX_TEXT("Sender"), MIME_LEX_TEXT("Reply-To"),
        MIME_LEX_TEXT("To"),   MIME_LEX_TEXT("Cc"),     MIME_LEX_TEXT("Bcc"),
    };

    if (slice_istarts(name, SLICE("Resent-")))
        name = slice_sub(name, 7, name.len);
    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_ieq(name, names[i]))
            return true;
    return false;
}

/* Enough of a field is there to tell its name: it passes unless it is one of ours. */
static void decide(struct mime_rewrite *rewrite)
{
    struct slice start = slice_sub(buf_slice(&rewrite->field), 0, NAME_BYTES_MAX);
    size_t colon = slice_find(start, ':');

    start = slice_sub(start, 0, colon == SIZE_MAX ? 0 : colon);
    while (start.len > 0 && mime_lex_blank(start.ptr[start.len - 1])) /* obs-optional */
        start.len--;
    rewrite->wanted = is_wanted(start);
    rewrite->pass = !rewrite->wanted;
    rewrite->facts.signature =
        rewrite->facts.signature || slice_ieq(start, SLICE("DKIM-Signature"));
}

static void end_field(struct mime_rewrite *rewrite, mime_rewrite_put *put, void *ctx)
{
    AUTO(buf) struct buf out = BUF(MIME_REWRITE_COUNT_MAX * ADDRESS_BYTES_MAX);
    struct slice text = buf_slice(&rewrite->field);
    struct slice rest = text;
    struct mime_field field;
    size_t before = rewrite->facts.count;

    if (!rewrite->wanted && !rewrite->pass) /* the message ends with a short line */
        decide(rewrite);
    if (rewrite->wanted && mime_field_next(&rest, &field))
        rewrite_field(rewrite, field.value, &out);
    if (rewrite->facts.count > before && !out.over) {
        rewrite->facts.bytes_in += text.len;
        rewrite->facts.bytes_out += out.len;
        text = buf_slice(&out);
    }
    if (text.len > 0)
        put(ctx, text);
    buf_clear(&rewrite->field);
    rewrite->pass = false;
    rewrite->wanted = false;
}

/* --- lines --- */

static void give_held(struct mime_rewrite *rewrite, mime_rewrite_put *put, void *ctx)
{
    if (rewrite->field.len > 0)
        put(ctx, buf_slice(&rewrite->field));
    buf_clear(&rewrite->field);
}

/* A piece of one line of the header; whole: the line ends with it. */
static void take_piece(struct mime_rewrite *rewrite, struct slice part, bool whole,
                       mime_rewrite_put *put, void *ctx)
{
    if (!rewrite->pass && buf_add(&rewrite->field, part) == ST_OK) {
        if (!rewrite->wanted && (whole || rewrite->field.len >= NAME_BYTES_MAX))
            decide(rewrite);
        part = SLICE("");
    } else {
        rewrite->pass = true;
    }
    if (!rewrite->pass)
        return;
    rewrite->wanted = false;
    give_held(rewrite, put, ctx);
    if (part.len > 0)
        put(ctx, part);
}

static bool is_blank_line(struct slice held)
{
    return slice_eq(held, SLICE("\r\n")) || slice_eq(held, SLICE("\n"));
}

void mime_rewrite_feed(struct mime_rewrite *rewrite, struct slice in, mime_rewrite_put *put,
                       void *ctx)
{
    while (in.len > 0 && !rewrite->facts.over) {
        size_t lf = slice_find(in, '\n');
        struct slice part = slice_sub(in, 0, lf == SIZE_MAX ? in.len : lf + 1);

        in = slice_sub(in, part.len, in.len);
        if (!rewrite->in_line && part.ptr[0] != ' ' && part.ptr[0] != '\t')
            end_field(rewrite, put, ctx);
        rewrite->in_line = lf == SIZE_MAX;
        rewrite->facts.over =
            (rewrite->field.len == 0 && !rewrite->pass && is_blank_line(part)) ||
            (slice_eq(buf_slice(&rewrite->field), SLICE("\r")) && slice_eq(part, SLICE("\n")));
        take_piece(rewrite, part, lf != SIZE_MAX, put, ctx);
    }
    if (rewrite->facts.over)
        give_held(rewrite, put, ctx);
    if (in.len > 0)
        put(ctx, in);
}

void mime_rewrite_end(struct mime_rewrite *rewrite, mime_rewrite_put *put, void *ctx)
{
    if (!rewrite->facts.over)
        end_field(rewrite, put, ctx);
}
