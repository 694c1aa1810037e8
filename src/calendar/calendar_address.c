#include "calendar/calendar_address.h"

#include "base/arena.h"
#include "base/slice.h"
#include "ical/ical.h"

/* A text read letter by letter in the form in which addresses are compared. */
struct reader {
    struct slice left;
    bool mail;
};

static int hex(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* *bare_r: a mere address, which is one by mail, too. */
static struct reader begin(struct slice text, bool *bare_r)
{
    struct reader reader;

    text = slice_trim(text);
    reader.mail = slice_istarts(text, SLICE("mailto:"));
    *bare_r = !reader.mail && slice_find(text, ':') == SIZE_MAX &&
              slice_find(text, '/') == SIZE_MAX && slice_find(text, '@') != SIZE_MAX;
    reader.left = reader.mail ? slice_sub(text, 7, text.len) : text;
    return reader;
}

static bool next(struct reader *reader, char *c_r)
{
    struct slice *left = &reader->left;
    char c;

    if (left->len == 0)
        return false;
    c = left->ptr[0];
    if (reader->mail && c == '%' && left->len > 2 && hex(left->ptr[1]) >= 0 &&
        hex(left->ptr[2]) >= 0) {
        c = (char)(hex(left->ptr[1]) * 16 + hex(left->ptr[2]));
        if ((unsigned char)c <= ' ' || c == 0x7f)
            c = '_';
        *left = slice_sub(*left, 3, left->len);
    } else {
        *left = slice_sub(*left, 1, left->len);
    }
    *c_r = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    return true;
}

struct slice calendar_address(struct arena *arena, struct slice text)
{
    bool bare;
    struct reader reader = begin(text, &bare);
    char *out = arena_alloc(arena, 1, reader.left.len + sizeof("mailto:"));
    size_t len = 0;

    for (const char *c = "mailto:"; (bare || reader.mail) && *c != '\0'; c++)
        out[len++] = *c;
    while (next(&reader, &out[len]))
        len++;
    return (struct slice){out, len};
}

/* EMAIL where it stands for the value; else empty. */
static struct slice email_of(const struct ical_prop *prop)
{
    struct slice email = ical_param_text(prop, "EMAIL");
    bool bare;

    if (slice_find(email, '@') == SIZE_MAX || begin(prop->value, &bare).mail || bare)
        return SLICE("");
    return email;
}

struct slice calendar_address_prop(struct arena *arena, const struct ical_prop *prop)
{
    struct slice email = email_of(prop);

    return calendar_address(arena, email.len > 0 ? email : prop->value);
}

bool calendar_address_eq(struct slice a, struct slice b)
{
    bool bare_a, bare_b, more_a, more_b;
    struct reader x = begin(a, &bare_a), y = begin(b, &bare_b);
    char c, d;

    if ((bare_a || x.mail) != (bare_b || y.mail))
        return false;
    do {
        more_a = next(&x, &c);
        more_b = next(&y, &d);
    } while (more_a && more_b && c == d);
    return !more_a && !more_b;
}

bool calendar_address_is(const struct ical_prop *prop, struct slice address)
{
    struct slice email = email_of(prop);

    return calendar_address_eq(email.len > 0 ? email : prop->value, address);
}

bool calendar_address_among(const struct ical_prop *prop, const struct slice *own, size_t count)
{
    struct slice email = email_of(prop);

    for (size_t i = 0; i < count; i++)
        if (calendar_address_eq(prop->value, own[i]) ||
            (email.len > 0 && calendar_address_eq(email, own[i])))
            return true;
    return false;
}

struct slice calendar_address_mail(struct slice text)
{
    text = slice_trim(text);
    return slice_istarts(text, SLICE("mailto:")) ? slice_sub(text, 7, text.len) : text;
}

bool calendar_address_principal(struct slice text, char *room, size_t room_bytes,
                                struct slice *host_r, struct slice *name_r)
{
    const struct slice root = SLICE("/dav/principals/");
    size_t scheme = slice_istarts(text, SLICE("https://"))  ? 8
                    : slice_istarts(text, SLICE("http://")) ? 7
                                                            : 0;
    struct reader reader = {.mail = true};
    size_t len = 0;

    *host_r = SLICE("");
    if (scheme > 0) {
        text = slice_sub(text, scheme, text.len);
        *host_r = slice_sub(text, 0, slice_find(text, '/'));
        text = slice_sub(text, host_r->len, text.len);
        if (host_r->len == 0)
            return false;
    }
    if (!slice_starts(text, root))
        return false;
    reader.left = slice_sub(text, root.len, text.len);
    if (reader.left.len > 0 && reader.left.ptr[reader.left.len - 1] == '/')
        reader.left.len--;
    if (slice_find(reader.left, '/') != SIZE_MAX)
        return false;
    while (len < room_bytes && next(&reader, &room[len]))
        len++;
    *name_r = (struct slice){room, len};
    return len > 0 && reader.left.len == 0;
}
