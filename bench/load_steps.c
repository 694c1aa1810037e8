/* The protocols that load.c can speak, and the messages it sends. A message is text up to 8 KB;
 * what is over goes into a base64 attachment, as in real mail. Each starts at another place of the
 * pools, so no two have the same body and nothing compresses away. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "load.h"

enum {
    LINE_BYTES = 78, /* CRLF included */
    TEXT_LINES = 16384,
    CODE_LINES = 16384,
    MIXED_BYTES_MIN = 16384,
    TEXT_PART_BYTES = 105 * LINE_BYTES, /* of a message with an attachment: 8 KB */
};

static char text_pool[TEXT_LINES * LINE_BYTES];
static char code_pool[CODE_LINES * LINE_BYTES];

/* xorshift64: the same bytes in every run. */
static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void line_end(char *line)
{
    line[LINE_BYTES - 2] = '\r';
    line[LINE_BYTES - 1] = '\n';
}

static void text_line_fill(char *line, uint64_t *seed)
{
    static const char letters[] = "etaoinshrdlucmfwygpbvkxqjz";
    size_t left = 0;

    for (size_t i = 0; i < LINE_BYTES - 2; i++) {
        uint64_t r = random_next(seed) >> 8;

        if (left == 0) {
            left = 1 + r % 9;
            line[i] = i == 0 ? 'A' : ' ';
        } else {
            line[i] = letters[(r % 26) * ((r >> 16) % 26) / 26];
            left--;
        }
    }
    line_end(line);
}

static void code_line_fill(char *line, uint64_t *seed)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < LINE_BYTES - 2; i++)
        line[i] = digits[(random_next(seed) >> 8) % 64];
    line_end(line);
}

void load_pool_fill(void)
{
    uint64_t seed = UINT64_C(0x706f7374686f7273);

    for (size_t i = 0; i < TEXT_LINES; i++)
        text_line_fill(text_pool + i * LINE_BYTES, &seed);
    for (size_t i = 0; i < CODE_LINES; i++)
        code_line_fill(code_pool + i * LINE_BYTES, &seed);
}

/* Adds formatted text as a piece of its own. */
static PRINTF(2, 3) void say(struct load_out *out, const char *fmt, ...)
{
    va_list ap;
    int len;
    char *at = out->text + out->text_len;

    assert(out->piece_count < LOAD_PIECES_MAX);
    va_start(ap, fmt);
    len = vsnprintf(at, sizeof(out->text) - out->text_len, fmt, ap);
    va_end(ap);
    assert(len > 0 && (size_t)len < sizeof(out->text) - out->text_len);
    out->text_len += (size_t)len;
    out->piece[out->piece_count++] =
        (struct load_piece){.ptr = at, .ring_len = (uint64_t)len, .len = (uint64_t)len};
}

/* Adds len bytes (whole lines) of a pool. */
static void say_lines(struct load_out *out, char *pool, uint64_t lines, uint64_t op, uint64_t len)
{
    assert(out->piece_count < LOAD_PIECES_MAX && len % LINE_BYTES == 0);
    out->piece[out->piece_count++] = (struct load_piece){
        .ptr = pool,
        .ring_len = lines * LINE_BYTES,
        .at = (op * 7919 + 1) % lines * LINE_BYTES,
        .len = len,
    };
}

static const char *user_name(const struct load_plan *plan, uint64_t op, char name[static 32])
{
    if (plan->user != NULL)
        return plan->user;
    (void)snprintf(name, 32, "u%" PRIu64, op % plan->users + 1);
    return name;
}

static void compose_ehlo(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "EHLO bench.example.test\r\n");
}

static void compose_lhlo(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "LHLO bench.example.test\r\n");
}

static void compose_mail(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "MAIL FROM:<s%" PRIu64 "@sender.test>\r\n", op % 997);
}

static void compose_rcpt(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    char name[32];

    say(out, "RCPT TO:<%s@%s>\r\n", user_name(plan, op, name), plan->domain);
}

static void compose_data(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "DATA\r\n");
}

static void compose_quit(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "QUIT\r\n");
}

static void compose_head(const struct load_plan *plan, uint64_t op, const char *type,
                         struct load_out *out)
{
    char date[64];
    char name[32];
    struct timespec now;
    struct tm tm;

    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S +0000", gmtime_r(&now.tv_sec, &tm));
    say(out,
        "From: Sender %" PRIu64 " <s%" PRIu64
        "@sender.test>\r\nTo: <%s@%s>\r\n"
        "Subject: message %" PRIu64
        " of a run\r\nDate: %s\r\n"
        "Message-ID: <%" PRIu64 ".%" PRIx64
        "@sender.test>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: %s\r\n\r\n",
        op % 997, op % 997, user_name(plan, op, name), plan->domain, op, date, op, plan->run_id,
        type);
}

/* The z's that make the message exactly as long as asked; the dot that ends DATA is not counted. */
static void compose_tail(uint64_t filler, const char *close, struct load_out *out)
{
    char z[LINE_BYTES];

    assert(filler < LINE_BYTES);
    memset(z, 'z', sizeof(z));
    say(out, "%.*s\r\n%s.\r\n", (int)filler, z, close);
}

static uint64_t out_bytes(const struct load_out *out)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < out->piece_count; i++)
        bytes += out->piece[i].len;
    return bytes;
}

/* How much of the size asked for is still to be filled, once `end` more bytes are kept free. */
static uint64_t room(const struct load_plan *plan, const struct load_out *out, size_t end)
{
    uint64_t used = out_bytes(out) + end + 2;

    return plan->size > used ? plan->size - used : 0;
}

static void compose_body(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    static const char close[] = "--part--\r\n";
    bool mixed = plan->size > MIXED_BYTES_MIN;
    size_t end = mixed ? sizeof(close) - 1 : 0;
    uint64_t fill;

    compose_head(plan, op, mixed ? "multipart/mixed; boundary=part" : "text/plain", out);
    if (mixed) {
        say(out, "--part\r\nContent-Type: text/plain\r\n\r\n");
        say_lines(out, text_pool, TEXT_LINES, op, TEXT_PART_BYTES);
        say(out,
            "--part\r\nContent-Type: application/octet-stream\r\n"
            "Content-Transfer-Encoding: base64\r\n"
            "Content-Disposition: attachment; filename=load.bin\r\n\r\n");
    }
    fill = room(plan, out, end);
    if (mixed)
        say_lines(out, code_pool, CODE_LINES, op, fill - fill % LINE_BYTES);
    else
        say_lines(out, text_pool, TEXT_LINES, op, fill - fill % LINE_BYTES);
    compose_tail(fill % LINE_BYTES, mixed ? close : "", out);
}

static void compose_login(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    char name[32];

    say(out, "a LOGIN %s pass\r\n", user_name(plan, op, name));
}

static void compose_select(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "b SELECT INBOX\r\n");
}

static void compose_fetch(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "c FETCH 1 (FLAGS ENVELOPE)\r\n");
}

static void compose_logout(const struct load_plan *plan, uint64_t op, struct load_out *out)
{
    say(out, "d LOGOUT\r\n");
}

/* RFC 5321, 4.2.1: the last line of a reply has no hyphen after its code. */
static bool ends_smtp(const char *line, size_t len, const char *expect)
{
    return len < 4 || line[3] != '-';
}

/* RFC 9051, 2.2.2: the line with the command's tag; the tag is the first letter of `expect`. */
static bool ends_imap(const char *line, size_t len, const char *expect)
{
    return len > 1 && line[0] == expect[0] && line[1] == ' ';
}

static const struct load_step steps_smtp[] = {
    {"greeting", NULL, "220"},     {"EHLO", compose_ehlo, "250"}, {"MAIL", compose_mail, "250"},
    {"RCPT", compose_rcpt, "250"}, {"DATA", compose_data, "354"}, {"message", compose_body, "250"},
    {"QUIT", compose_quit, "221"},
};
static const struct load_step steps_lmtp[] = {
    {"greeting", NULL, "220"},     {"LHLO", compose_lhlo, "250"}, {"MAIL", compose_mail, "250"},
    {"RCPT", compose_rcpt, "250"}, {"DATA", compose_data, "354"}, {"message", compose_body, "250"},
    {"QUIT", compose_quit, "221"},
};
static const struct load_step steps_imap[] = {
    {"greeting", NULL, "* OK"},         {"LOGIN", compose_login, "a OK"},
    {"SELECT", compose_select, "b OK"}, {"FETCH", compose_fetch, "c OK"},
    {"LOGOUT", compose_logout, "d OK"},
};

static const struct load_proto protos[] = {
    {"smtp", steps_smtp, COUNT(steps_smtp), 2, 5, true, ends_smtp},
    {"lmtp", steps_lmtp, COUNT(steps_lmtp), 2, 5, true, ends_smtp},
    {"imap", steps_imap, COUNT(steps_imap), 0, 3, false, ends_imap},
};

const struct load_proto *load_proto_find(const char *name)
{
    for (size_t i = 0; i < COUNT(protos); i++) {
        if (strcmp(protos[i].name, name) == 0)
            return &protos[i];
    }
    return NULL;
}
