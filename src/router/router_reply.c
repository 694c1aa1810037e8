#include "router/router_reply.h"

#include "base/slice.h"

#include <string.h>

void router_reply_init(struct router_reply *reply)
{
    reply->code = 0;
    reply->enhanced[0] = '\0';
    reply->lines = 0;
    reply->text_len = 0;
    reply->bytes = 0;
    reply->line_len = 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits at pos, at most three; where they end, pos where there are none. */
static size_t skip_digits(struct slice text, size_t pos)
{
    size_t end = pos;

    while (end < text.len && end < pos + 3 && is_digit(text.ptr[end]))
        end++;
    return end;
}

/* RFC 3463 section 2, status-code = class "." subject "." detail, before a blank or the end. 0:
 * there is none, or it contradicts the reply's code (RFC 2034 section 4). */
static size_t enhanced_len(struct slice text, uint16_t code)
{
    if (text.len < 5 || text.ptr[0] != (char)('0' + code / 100) || text.ptr[1] != '.' ||
        code / 100 == 3)
        return 0;
    size_t subject = skip_digits(text, 2);
    if (subject == 2 || subject >= text.len || text.ptr[subject] != '.')
        return 0;
    size_t detail = skip_digits(text, subject + 1);
    if (detail == subject + 1 || (detail < text.len && text.ptr[detail] != ' '))
        return 0;
    return detail;
}

/* RFC 3629: the length of the UTF-8 character at pos; 0: none, or a control character (C1). */
static size_t utf8_len(struct slice text, size_t pos)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    unsigned char first = (unsigned char)text.ptr[pos];
    size_t len = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    uint32_t value = first & (0x7fU >> len);

    if (first < 0xc2 || first > 0xf4 || text.len - pos < len)
        return 0;
    for (size_t i = 1; i < len; i++) {
        unsigned char byte = (unsigned char)text.ptr[pos + i];

        if ((byte & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte & 0x3f);
    }
    bool surrogate = value >= 0xd800 && value <= 0xdfff;
    return value < least[len] || value < 0xa0 || surrogate || value > 0x10ffff ? 0 : len;
}

/* Adds a character whole or not at all. */
static void add(struct router_reply *reply, const char *bytes, size_t len)
{
    if (len > sizeof(reply->text) - reply->text_len)
        return;
    memcpy(reply->text + reply->text_len, bytes, len);
    reply->text_len += len;
}

static void add_clean(struct router_reply *reply, struct slice text)
{
    for (size_t i = 0; i < text.len;) {
        unsigned char byte = (unsigned char)text.ptr[i];
        size_t len = byte < 0x80 ? 1 : utf8_len(text, i);

        if (byte == '\t')
            add(reply, " ", 1);
        else if (len == 0 || byte < ' ' || byte == 0x7f)
            add(reply, "?", 1);
        else
            add(reply, text.ptr + i, len);
        i += len > 0 ? len : 1;
    }
}

static void take_text(struct router_reply *reply, struct slice text)
{
    size_t len = enhanced_len(text, reply->code);

    if (reply->lines == 1 && len > 0) {
        memcpy(reply->enhanced, text.ptr, len);
        reply->enhanced[len] = '\0';
    }
    if (len > 0 && slice_eq(slice_sub(text, 0, len), slice_str(reply->enhanced)))
        text = slice_sub(text, len + 1, SIZE_MAX);
    if (reply->lines > 1)
        add(reply, "\n", 1);
    add_clean(reply, text);
}

/* Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF */
static enum st take_line(struct router_reply *reply)
{
    struct slice line = {reply->line, reply->line_len};

    reply->line_len = 0;
    if (line.len > 0 && line.ptr[line.len - 1] == '\r')
        line.len--;
    if (line.len < 3 || line.ptr[0] < '2' || line.ptr[0] > '5' || !is_digit(line.ptr[1]) ||
        !is_digit(line.ptr[2]))
        return ST_INVALID;
    char after = line.len > 3 ? line.ptr[3] : ' ';
    uint16_t code =
        (uint16_t)((line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0'));
    if ((after != ' ' && after != '-') || (reply->lines > 0 && code != reply->code))
        return ST_INVALID;
    reply->code = code;
    reply->lines++;
    take_text(reply, slice_sub(line, 4, SIZE_MAX));
    if (after == ' ')
        return ST_OK;
    return reply->lines < ROUTER_REPLY_LINES_MAX ? ST_AGAIN : ST_INVALID;
}

enum st router_reply_feed(struct router_reply *reply, struct slice in, size_t *used_r)
{
    enum st st = ST_AGAIN;

    *used_r = 0;
    while (st == ST_AGAIN && *used_r < in.len) {
        struct slice rest = slice_sub(in, *used_r, SIZE_MAX);
        size_t lf = slice_find(rest, '\n');
        size_t len = lf == SIZE_MAX ? rest.len : lf;
        size_t room = sizeof(reply->line) - reply->line_len;
        size_t kept = len < room ? len : room;

        memcpy(reply->line + reply->line_len, rest.ptr, kept);
        reply->line_len += kept;
        *used_r += lf == SIZE_MAX ? len : len + 1;
        reply->bytes += lf == SIZE_MAX ? len : len + 1;
        if (reply->bytes > ROUTER_REPLY_BYTES_MAX)
            return ST_INVALID;
        if (lf != SIZE_MAX)
            st = take_line(reply);
    }
    return st;
}

struct slice router_reply_text(const struct router_reply *reply)
{
    return (struct slice){reply->text, reply->text_len};
}
