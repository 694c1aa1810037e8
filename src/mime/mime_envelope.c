#include "mime/mime_envelope.h"

#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_address.h"
#include "mime/mime_header.h"
#include "mime/mime_lex.h"

#define MESSAGE_ID_BYTES_MAX 500
#define QUOTED_BYTES_MAX \
    512 /* a longer string is a literal: lines stay short, RFC 2683 3.2.1.5 \
         */

/* In the order of the envelope. */
enum slot {
    SLOT_DATE,
    SLOT_SUBJECT,
    SLOT_FROM,
    SLOT_SENDER,
    SLOT_REPLY_TO,
    SLOT_TO,
    SLOT_CC,
    SLOT_BCC,
    SLOT_IN_REPLY_TO,
    SLOT_MESSAGE_ID,
    SLOT_MAX,
};

static const struct slice slot_names[] = {
    MIME_LEX_TEXT("Date"),       MIME_LEX_TEXT("Subject"),  MIME_LEX_TEXT("From"),
    MIME_LEX_TEXT("Sender"),     MIME_LEX_TEXT("Reply-To"), MIME_LEX_TEXT("To"),
    MIME_LEX_TEXT("Cc"),         MIME_LEX_TEXT("Bcc"),      MIME_LEX_TEXT("In-Reply-To"),
    MIME_LEX_TEXT("Message-ID"),
};
static_assert(COUNT(slot_names) == SLOT_MAX, "a name for each slot");

struct envelope {
    struct arena *scratch;
    struct slice texts[SLOT_MAX];
    struct mime_addresses lists[SLOT_MAX];
};

static bool quotable(struct slice text)
{
    if (text.len > QUOTED_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];

        if (c == '\0' || c == '\r' || c == '\n' || c >= 0x80)
            return false;
    }
    return true;
}

static void put_quoted(struct slice text, struct buf *out)
{
    size_t start = 0;

    buf_put(out, SLICE("\""));
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] != '"' && text.ptr[i] != '\\')
            continue;
        buf_put(out, slice_sub(text, start, i - start));
        buf_put(out, SLICE("\\"));
        start = i;
    }
    buf_put(out, slice_sub(text, start, text.len));
    buf_put(out, SLICE("\""));
}

static void put_literal(struct slice text, struct buf *out)
{
    struct slice rest = text;
    struct slice piece;

    buf_putf(out, "{%zu}\r\n", text.len);
    while (slice_split(&rest, '\0', &piece)) {
        buf_put(out, piece);
        if (rest.ptr != NULL)
            buf_put(out, SLICE("?"));
    }
}

void mime_nstring_write(struct slice text, struct buf *out)
{
    if (text.ptr == NULL)
        buf_put(out, SLICE("NIL"));
    else if (quotable(text))
        put_quoted(text, out);
    else
        put_literal(text, out);
}

static struct slice or_nil(struct slice text)
{
    return text.len > 0 ? text : (struct slice){NULL, 0};
}

static void put_address(const struct mime_address *address, struct buf *out)
{
    static const struct slice nil = {NULL, 0};
    bool mailbox = address->kind == MIME_ADDRESS_MAILBOX;
    struct slice four[] = {nil, nil, nil, nil};

    if (mailbox) {
        four[0] = or_nil(address->name);
        four[1] = or_nil(address->route);
        four[2] = address->local.ptr != NULL ? address->local : SLICE("");
        four[3] = address->domain.ptr != NULL ? address->domain : SLICE("");
    } else if (address->kind == MIME_ADDRESS_GROUP) {
        four[2] = address->name.ptr != NULL ? address->name : SLICE("");
    }
    for (size_t i = 0; i < COUNT(four); i++) {
        buf_put(out, i == 0 ? SLICE("(") : SLICE(" "));
        mime_nstring_write(four[i], out);
    }
    buf_put(out, SLICE(")"));
}

static void put_list(const struct mime_addresses *list, struct buf *out)
{
    if (list->first == NULL) {
        buf_put(out, SLICE("NIL"));
        return;
    }
    buf_put(out, SLICE("("));
    for (const struct mime_address *a = list->first; a != NULL; a = a->next)
        put_address(a, out);
    buf_put(out, SLICE(")"));
}

static bool is_list(enum slot slot)
{
    return slot >= SLOT_FROM && slot <= SLOT_BCC;
}

static enum slot find_slot(struct slice name)
{
    enum slot slot = SLOT_DATE;

    while (slot < SLOT_MAX && !slice_ieq(name, slot_names[slot]))
        slot++;
    return slot;
}

/* A field that comes twice: its lists are joined, of texts the first counts. */
static void take_field(struct envelope *env, enum slot slot, struct slice value)
{
    struct mime_addresses *list = &env->lists[slot];

    if (!is_list(slot)) {
        if (env->texts[slot].ptr == NULL)
            env->texts[slot] = mime_unfold(env->scratch, value);
        return;
    }
    if (list->count >= MIME_ENVELOPE_ADDRESSES_MAX)
        return;
    struct mime_addresses more =
        mime_address_parse(env->scratch, value, MIME_ENVELOPE_ADDRESSES_MAX - list->count);
    struct mime_address **tail = &list->first;

    while (*tail != NULL)
        tail = &(*tail)->next;
    *tail = more.first;
    list->count += more.count;
}

void mime_envelope_write(struct arena *scratch, struct slice header, struct buf *out)
{
    struct envelope env = {.scratch = scratch};
    struct mime_field field;

    while (mime_field_next(&header, &field)) {
        enum slot slot = find_slot(field.name);

        if (slot < SLOT_MAX)
            take_field(&env, slot, field.value);
    }
    if (env.lists[SLOT_SENDER].first == NULL)
        env.lists[SLOT_SENDER] = env.lists[SLOT_FROM];
    if (env.lists[SLOT_REPLY_TO].first == NULL)
        env.lists[SLOT_REPLY_TO] = env.lists[SLOT_FROM];
    for (enum slot slot = SLOT_DATE; slot < SLOT_MAX; slot++) {
        buf_put(out, slot == SLOT_DATE ? SLICE("(") : SLICE(" "));
        if (is_list(slot))
            put_list(&env.lists[slot], out);
        else
            mime_nstring_write(env.texts[slot], out);
    }
    buf_put(out, SLICE(")"));
}

static bool take(struct slice *rest, struct slice word)
{
    if (!slice_starts(*rest, word))
        return false;
    *rest = slice_sub(*rest, word.len, rest->len);
    return true;
}

static bool take_quoted(struct slice *rest)
{
    while (rest->len > 0) {
        char c = rest->ptr[0];
        bool pair = c == '\\';

        *rest = slice_sub(*rest, pair ? 2 : 1, rest->len);
        if (c == '"')
            return true;
        if (c == '\0' || c == '\r' || c == '\n' || (uint8_t)c >= 0x80)
            return false;
        if (pair && rest->ptr[-1] != '"' && rest->ptr[-1] != '\\')
            return false;
    }
    return false;
}

static bool take_literal(struct slice *rest)
{
    size_t close = slice_find(*rest, '}');
    uint64_t len;

    if (close == SIZE_MAX || slice_to_u64(slice_sub(*rest, 0, close), &len) != ST_OK)
        return false;
    *rest = slice_sub(*rest, close + 1, rest->len);
    if (!take(rest, SLICE("\r\n")) || len > rest->len ||
        slice_find(slice_sub(*rest, 0, len), '\0') != SIZE_MAX)
        return false;
    *rest = slice_sub(*rest, len, rest->len);
    return true;
}

static bool take_nstring(struct slice *rest)
{
    if (take(rest, SLICE("\"")))
        return take_quoted(rest);
    if (take(rest, SLICE("{")))
        return take_literal(rest);
    return take(rest, SLICE("NIL"));
}

static bool take_list(struct slice *rest)
{
    if (take(rest, SLICE("NIL")))
        return true;
    if (!take(rest, SLICE("((")))
        return false;
    do {
        for (int i = 0; i < 4; i++)
            if ((i > 0 && !take(rest, SLICE(" "))) || !take_nstring(rest))
                return false;
        if (!take(rest, SLICE(")")))
            return false;
    } while (take(rest, SLICE("(")));
    return take(rest, SLICE(")"));
}

bool mime_envelope_check(struct slice text)
{
    for (enum slot slot = SLOT_DATE; slot < SLOT_MAX; slot++)
        if (!take(&text, slot == SLOT_DATE ? SLICE("(") : SLICE(" ")) ||
            !(is_list(slot) ? take_list(&text) : take_nstring(&text)))
            return false;
    return take(&text, SLICE(")")) && text.len == 0;
}

struct slice mime_envelope_message_id(struct slice envelope)
{
    if (envelope.len < 4 || envelope.ptr[envelope.len - 2] != '"')
        return SLICE("");
    size_t start = slice_find_last(slice_sub(envelope, 0, envelope.len - 2), '"');
    if (start == SIZE_MAX)
        return SLICE("");
    struct slice id = slice_sub(envelope, start + 1, envelope.len - start - 3);
    for (size_t i = 0; i < id.len; i++)
        if (id.ptr[i] <= ' ' || id.ptr[i] > '~')
            return SLICE("");
    return id.len > MESSAGE_ID_BYTES_MAX ? SLICE("") : id;
}
