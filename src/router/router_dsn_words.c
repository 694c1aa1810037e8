#include "router/router_dsn_words.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "mime/mime_date.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "mime/mime_lex.h"
#include "mime/mime_write.h"
#include "router/router_dsn_field.h"

#define LINE_COLS 74 /* quoted-printable then breaks few */
#define INDENT_MAX 40
#define WORD_BYTES_MAX (MIME_WRITE_LINE_MAX - INDENT_MAX - 4)
#define LINE_BYTES_MAX (64 * KIB) /* of a line before it is wrapped */
#define SUBJECT_BYTES_MAX 900
#define ADDRESS_BYTES_MAX 800
#define ANSWER_BYTES_MAX 1000

/* What a line is about. */
struct scene {
    const struct router_dsn *dsn;
    const struct router_dsn_rcpt *rcpt;
    bool raw_subject; /* as found, not decoded */
};

/* What a status says in everyday words (RFC 3463 section 3, RFC 7505); the first digit is left out.
 * A key that ends in a dot is for the rest of its subject. */
static const struct {
    const char *key;
    const char *sentence;
} sentences[] = {
    {"1.1", "There is no mailbox with this address."},
    {"1.2", "The part of the address behind the @ is not known; it may be mistyped."},
    {"1.3", "The address is not written in a way that mail servers understand."},
    {"1.6", "The mailbox has moved and left no new address."},
    {"1.7", "Your own address was not accepted."},
    {"1.8", "Your own address was not accepted."},
    {"1.10", "This domain takes no mail."},
    {"1.", "The address was not accepted."},
    {"2.1", "The mailbox is closed."},
    {"2.2", "The mailbox is full."},
    {"2.3", "The message is larger than this mailbox takes."},
    {"2.", "The mailbox does not take the message."},
    {"3.1", "The recipient's mail server has no room left."},
    {"3.4", "The message is larger than the recipient's mail server takes."},
    {"3.", "The recipient's mail server cannot take the message."},
    {"4.1", "The recipient's mail server does not answer."},
    {"4.2", "The connection to the recipient's mail server broke off."},
    {"4.3", "It could not be found out which server takes mail for this address."},
    {"4.4", "It could not be found out which server takes mail for this address."},
    {"4.5", "The recipient's mail server is busy."},
    {"4.6", "The message went round in a circle between mail servers."},
    {"4.7", "The message could not be delivered in the time allowed."},
    {"4.", "The recipient's mail server could not be reached."},
    {"6.7", "The recipient's mail server takes no addresses with letters beyond a to z."},
    {"6.", "The recipient's mail server does not take messages of this form."},
    {"7.", "The recipient's mail server refused the message by its rules."},
};

static struct slice sentence_for(struct slice status)
{
    struct slice key = slice_sub(status, 2, status.len);

    if (status.ptr[0] == '2')
        return SLICE("");
    for (size_t i = 0; i < COUNT(sentences); i++) {
        struct slice row = slice_str(sentences[i].key);

        if (slice_eq(row, key) || (row.ptr[row.len - 1] == '.' && slice_starts(key, row)))
            return slice_str(sentences[i].sentence);
    }
    return SLICE("");
}

static struct slice original_field(const struct router_dsn *dsn, struct slice name)
{
    struct mime_field field;

    return mime_field_find(dsn->header, name, &field) ? slice_trim(field.value) : SLICE("");
}

/* The sender's clock: times are told in the zone of the original's Date. */
static void write_time(const struct scene *scene, int64_t ms, struct buf *out)
{
    struct mime_date date;

    if (ms == 0)
        return;
    if (mime_date_parse(original_field(scene->dsn, SLICE("Date")), &date) != ST_OK)
        date.zone_min = 0;
    date.epoch = ms / 1000;
    mime_date_write(date, out);
}

static void write_subject(const struct scene *scene, struct buf *out)
{
    AUTO(buf) struct buf decoded = BUF(LINE_BYTES_MAX);
    struct slice raw =
        slice_sub(original_field(scene->dsn, SLICE("Subject")), 0, SUBJECT_BYTES_MAX);

    if (raw.len == 0)
        raw = SLICE("(no subject)");
    mime_words_decode(raw, &decoded);
    mime_write_clean(scene->raw_subject ? raw : buf_slice(&decoded), SUBJECT_BYTES_MAX, true, out);
}

static void write_sender(const struct scene *scene, struct buf *out)
{
    mime_write_clean(scene->dsn->to, ADDRESS_BYTES_MAX, true, out);
}

static void write_server(const struct scene *scene, struct buf *out)
{
    mime_write_clean(scene->dsn->mta, ADDRESS_BYTES_MAX, true, out);
}

static void write_arrived(const struct scene *scene, struct buf *out)
{
    write_time(scene, scene->dsn->arrived_ms, out);
}

/* The address that the sender wrote, and where its mail goes if that is another one. */
static void write_recipient(const struct scene *scene, struct buf *out)
{
    AUTO(buf) struct buf original = BUF(LINE_BYTES_MAX);
    struct slice final = scene->rcpt->address;
    struct slice type;

    router_dsn_field_orcpt(scene->rcpt->orcpt, &type, &original);
    bool known = slice_ieq(type, SLICE("rfc822")) || slice_ieq(type, SLICE("utf-8"));
    if (!known || original.len == 0 || slice_ieq(buf_slice(&original), final)) {
        mime_write_clean(final, ADDRESS_BYTES_MAX, true, out);
        return;
    }
    mime_write_clean(buf_slice(&original), ADDRESS_BYTES_MAX, true, out);
    buf_put(out, SLICE(" (sent on to "));
    mime_write_clean(final, ADDRESS_BYTES_MAX, true, out);
    buf_put(out, SLICE(")"));
}

static void write_status(const struct scene *scene, struct buf *out)
{
    buf_put(out, router_dsn_field_status(scene->dsn->kind, scene->rcpt));
}

static void write_answer(const struct scene *scene, struct buf *out)
{
    struct slice type;

    mime_write_clean(router_dsn_field_diagnostic(scene->rcpt, &type), ANSWER_BYTES_MAX, true, out);
}

static void write_reason(const struct scene *scene, struct buf *out)
{
    struct slice type;
    struct slice answer = router_dsn_field_diagnostic(scene->rcpt, &type);
    struct slice sentence = sentence_for(router_dsn_field_status(scene->dsn->kind, scene->rcpt));

    buf_put(out, sentence);
    if (answer.len == 0)
        return;
    buf_put(out, sentence.len > 0 ? SLICE(" ") : SLICE(""));
    if (slice_ieq(type, SLICE("smtp")) && scene->rcpt->remote.len > 0) {
        buf_put(out, SLICE("The mail server "));
        mime_write_clean(scene->rcpt->remote, ADDRESS_BYTES_MAX, true, out);
        buf_put(out, SLICE(" answered: "));
    } else {
        buf_put(out, SLICE("In technical words: "));
    }
    write_answer(scene, out);
}

static void write_until(const struct scene *scene, struct buf *out)
{
    write_time(scene, scene->rcpt->until_ms, out);
}

struct placeholder {
    const char *name;
    bool of_rcpt;
    void (*write)(const struct scene *scene, struct buf *out); /* nothing: it is not known */
};

static const struct placeholder placeholders[] = {
    {"{answer}", true, write_answer},  {"{arrived}", false, write_arrived},
    {"{reason}", true, write_reason},  {"{recipient}", true, write_recipient},
    {"{sender}", false, write_sender}, {"{server}", false, write_server},
    {"{status}", true, write_status},  {"{subject}", false, write_subject},
    {"{until}", true, write_until},
};

/* The placeholder that text begins with, or NULL. */
static const struct placeholder *placeholder_at(struct slice text)
{
    for (size_t i = 0; i < COUNT(placeholders); i++)
        if (slice_starts(text, slice_str(placeholders[i].name)))
            return &placeholders[i];
    return NULL;
}

/* The line with its placeholders filled in; false: there is one about which nothing is known. */
static bool expand(const struct scene *scene, struct slice line, struct buf *out)
{
    while (line.len > 0) {
        const struct placeholder *placeholder = placeholder_at(line);
        size_t start = out->len;
        size_t len;

        if (placeholder != NULL) {
            len = slice_str(placeholder->name).len;
            placeholder->write(scene, out);
            if (out->len == start)
                return false;
        } else {
            len = slice_find(slice_sub(line, 1, line.len), '{');
            len = len == SIZE_MAX ? line.len : len + 1;
            mime_write_clean(slice_sub(line, 0, len), SIZE_MAX, true, out);
        }
        line = slice_sub(line, len, line.len);
    }
    return true;
}

/* Takes the next line off the front, without its end. */
static bool take_line(struct slice *rest, struct slice *line_r)
{
    if (rest->len == 0)
        return false;
    size_t lf = slice_find(*rest, '\n');
    struct slice line = slice_sub(*rest, 0, lf);

    *rest = slice_sub(*rest, lf == SIZE_MAX ? rest->len : lf + 1, rest->len);
    while (line.len > 0 && mime_lex_blank(line.ptr[line.len - 1]))
        line.len--;
    *line_r = line;
    return true;
}

/* Takes "Subject: ..." and the empty lines behind it off the front; empty where there is none. */
static struct slice take_subject(struct slice *words)
{
    struct slice rest = *words;
    struct slice line;
    struct slice subject = SLICE("");

    if (take_line(&rest, &line) && slice_istarts(line, SLICE("Subject:"))) {
        subject = slice_trim(slice_sub(line, 8, line.len));
        *words = rest;
    }
    for (rest = *words; take_line(&rest, &line) && line.len == 0;)
        *words = rest;
    return subject;
}

void router_dsn_words_subject(const struct router_dsn *dsn, struct buf *out)
{
    static const char *const otherwise[] = {
        "Not delivered: {subject}", "Not delivered yet: {subject}",      "Delivered: {subject}",
        "Passed on: {subject}",     "Delivered to the group: {subject}",
    };
    static_assert(COUNT(otherwise) == ROUTER_DSN_KIND_MAX, "one subject for each kind");
    AUTO(buf) struct buf value = BUF(LINE_BYTES_MAX);
    AUTO(buf) struct buf coded = BUF(4 * LINE_BYTES_MAX);
    struct scene scene = {.dsn = dsn, .rcpt = dsn->rcpts, .raw_subject = true};
    struct slice words = dsn->words;
    struct slice subject = take_subject(&words);

    if (subject.len == 0 || !expand(&scene, subject, &value))
        subject = slice_str(otherwise[dsn->kind]);
    buf_clear(&value);
    expand(&scene, subject, &value);
    if (utf8_ascii(buf_slice(&value))) {
        mime_write_field("Subject", buf_slice(&value), false, out);
        return;
    }
    scene.raw_subject = false;
    buf_clear(&value);
    expand(&scene, subject, &value);
    mime_write_words(buf_slice(&value), &coded);
    mime_write_field("Subject", buf_slice(&coded), false, out);
}

/* Characters, not bytes. */
static size_t cols_of(struct slice text)
{
    size_t cols = 0;

    for (size_t i = 0; i < text.len; i++)
        cols += ((unsigned char)text.ptr[i] & 0xc0) != 0x80;
    return cols;
}

static void put_blanks(size_t count, struct buf *out)
{
    buf_putf(out, "%*s", (int)count, "");
}

/* A word as it is; one that fits on no line is cut between characters. */
static void put_word(struct slice word, struct buf *out)
{
    while (word.len > WORD_BYTES_MAX) {
        size_t len = WORD_BYTES_MAX;

        while (((unsigned char)word.ptr[len] & 0xc0) == 0x80)
            len--;
        buf_put(out, slice_sub(word, 0, len));
        buf_put(out, SLICE("\r\n"));
        word = slice_sub(word, len, word.len);
    }
    buf_put(out, word);
}

/* text on as many lines as it needs; those of an item of a list hang behind its star. */
static void wrap(struct slice text, size_t indent, struct buf *out)
{
    bool item = slice_starts(text, SLICE("* ")) || slice_starts(text, SLICE("- "));
    size_t cols = indent;
    bool begun = false;
    struct slice word;

    put_blanks(indent, out);
    while (slice_split(&text, ' ', &word)) {
        if (word.len == 0)
            continue;
        if (begun && cols + 1 + cols_of(word) > LINE_COLS) {
            cols = indent + (item ? 2 : 0);
            buf_put(out, SLICE("\r\n"));
            put_blanks(cols, out);
        } else if (begun) {
            buf_put(out, SLICE(" "));
            cols++;
        }
        put_word(word, out);
        cols += cols_of(word);
        begun = true;
    }
    buf_put(out, SLICE("\r\n"));
}

/* The text under way. */
struct page {
    router_dsn_put *put;
    void *ctx;
    bool begun; /* a line has been put */
    bool gap;   /* a paragraph has ended */
};

static void put_line(struct page *page, const struct scene *scene, struct slice line)
{
    AUTO(buf) struct buf text = BUF(LINE_BYTES_MAX);
    AUTO(buf) struct buf out = BUF(4 * LINE_BYTES_MAX);
    size_t indent = 0;

    while (indent < line.len && mime_lex_blank(line.ptr[indent]))
        indent++;
    if (!expand(scene, slice_sub(line, indent, line.len), &text))
        return;
    if (page->begun && page->gap)
        buf_put(&out, SLICE("\r\n"));
    if (indent > INDENT_MAX)
        indent = INDENT_MAX;
    if (indent + cols_of(buf_slice(&text)) > LINE_COLS) {
        wrap(buf_slice(&text), indent, &out);
    } else {
        put_blanks(indent, &out);
        buf_put(&out, buf_slice(&text));
        buf_put(&out, SLICE("\r\n"));
    }
    assert(!out.over);
    page->put(page->ctx, buf_slice(&out));
    page->begun = true;
    page->gap = false;
}

static void put_paragraph(struct page *page, const struct scene *scene, struct slice lines)
{
    struct slice line;

    while (take_line(&lines, &line))
        put_line(page, scene, line);
    page->gap = true;
}

/* Takes the lines up to the next empty one off the front; *of_rcpt_r: they speak of a recipient. */
static struct slice take_paragraph(struct slice *rest, bool *of_rcpt_r)
{
    struct slice start = *rest;
    struct slice before = *rest;
    struct slice line;

    *of_rcpt_r = false;
    while (take_line(rest, &line) && line.len > 0) {
        before = *rest;
        for (size_t i = 0; i < line.len; i++) {
            const struct placeholder *found = placeholder_at(slice_sub(line, i, line.len));

            *of_rcpt_r |= found != NULL && found->of_rcpt;
        }
    }
    return slice_sub(start, 0, (size_t)(before.ptr - start.ptr));
}

void router_dsn_words_body(const struct router_dsn *dsn, router_dsn_put *put, void *ctx)
{
    struct page page = {.put = put, .ctx = ctx};
    struct slice rest = dsn->words;

    take_subject(&rest);
    while (rest.len > 0) {
        bool of_rcpt;
        struct slice lines = take_paragraph(&rest, &of_rcpt);

        for (size_t i = 0; i < (of_rcpt ? dsn->rcpt_count : 1); i++) {
            struct scene scene = {.dsn = dsn, .rcpt = &dsn->rcpts[i]};

            put_paragraph(&page, &scene, lines);
        }
    }
}
