#include "t.h"
#include "router_peer.h"

#include "base/buf.h"
#include "base/mem.h"
#include "router/router_client.h"
#include "sys/sys_cert.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PRIORITIES "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1"
#define SHORT_MS 200

static char folder[] = "/tmp/test_router_client.XXXXXX";
static char cert_file[80];
static char key_file[80];
static struct sys_tls_server *tls_server;
static struct sys_tls_client *tls_client; /* trusts the server's certificate */

/* ---- what is sent ---- */

struct body {
    const char *text;
    size_t copies;
    enum st st; /* how reading it ends */
};

static enum st give_body(void *ctx, router_client_put *put, void *put_ctx)
{
    const struct body *body = ctx;

    for (size_t i = 0; i < body->copies; i++) {
        enum st st = put(put_ctx, slice_str(body->text));

        if (st != ST_OK)
            return st;
    }
    return body->st;
}

static const char *kind_name(enum router_answer_kind kind)
{
    static const char *const names[] = {
        "unsettled", "answered", "no connection", "cut",        "timed out",
        "garbage",   "no tls",   "no auth",       "no feature", "no body",
    };
    static_assert(COUNT(names) == ROUTER_ANSWER_MAX, "a word for each");

    return names[kind];
}

static const char *stage_name(enum router_stage stage)
{
    static const char *const names[] = {
        "connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "body", "end",
    };
    static_assert(COUNT(names) == ROUTER_STAGE_MAX, "a word for each");

    return names[stage];
}

static void describe(const struct router_answer *answer, struct buf *out)
{
    buf_putf(out, "%s %s", kind_name(answer->kind), stage_name(answer->stage));
    if (answer->code > 0)
        buf_putf(out, " %u", answer->code);
    if (answer->enhanced[0] != '\0')
        buf_putf(out, " %s", answer->enhanced);
    if (answer->kind != ROUTER_NO_TLS) /* the rest is TLS's own words */
        buf_putf(out, " %s", answer->text);
}

/* ---- one row, one conversation ---- */

struct row {
    const char *name;
    const char *script;
    const char *want; /* the answer to open where that fails; else those to each recipient */
    enum router_tls tls;
    bool implicit_tls;
    const char *host;     /* NULL: mail.example */
    const char *user;     /* NULL: none */
    size_t rcpt_count;    /* 0: one */
    size_t message_count; /* 0: one */
    struct body body;     /* text NULL: "hello" */
    bool eight_bit, utf8, dsn, hurried, quit, dead;
};

static void send_one(const struct row *row, struct router_client *client, struct buf *got)
{
    static const struct router_client_rcpt plain[] = {
        {.address = {"a@there.example", 15}},
        {.address = {"b@there.example", 15}},
        {.address = {"c@there.example", 15}},
    };
    static const struct router_client_rcpt with_dsn[] = {
        {{"a@there.example", 15}, {"NEVER", 5}, {"rfc822;a@x.example", 18}}};
    struct body body = row->body;
    size_t count = row->rcpt_count > 0 ? row->rcpt_count : 1;
    struct router_answer results[3];

    if (body.text == NULL && body.st == ST_OK)
        body = (struct body){"Subject: hello\r\n\r\nhello\r\n", 1, ST_OK};
    const struct router_client_message message = {
        .sender = SLICE("me@here.example"),
        .size_bytes = slice_str(body.text).len * body.copies,
        .eight_bit = row->eight_bit,
        .utf8 = row->utf8,
        .ret = row->dsn ? SLICE("HDRS") : SLICE(""),
        .envid = row->dsn ? SLICE("id+2B1") : SLICE(""),
        .body = give_body,
        .body_ctx = &body,
    };
    router_client_send(client, &message, row->dsn ? with_dsn : plain, count, results);
    for (size_t i = 0; i < count; i++) {
        buf_put(got, got->len > 0 ? SLICE("\n") : SLICE(""));
        describe(&results[i], got);
    }
}

static void run_row(const struct row *row)
{
    uint16_t port;
    struct router_answer answer;
    AUTO(buf) struct buf got = BUF(64 * KIB);
    const struct router_client_options options = {
        .own_name = "here.example",
        .tls = row->tls,
        .implicit_tls = row->implicit_tls,
        .tls_client = tls_client,
        .user = row->user,
        .password = "secret",
        .connect_ms = 20000,
        .reply_ms = row->hurried ? SHORT_MS : 20000,
        .end_ms = row->hurried ? SHORT_MS : 20000,
        .stop_fd = -1,
    };
    struct router_peer_server *peer = router_peer_start(row->script, tls_server, &port);
    struct router_client *client = router_client_open(
        &options, row->host != NULL ? row->host : "mail.example", "127.0.0.1", port, &answer);

    if (client == NULL)
        describe(&answer, &got);
    for (size_t i = 0; client != NULL && i < (row->message_count > 0 ? row->message_count : 1); i++)
        send_one(row, client, &got);
    bool alive = client != NULL && router_client_alive(client);
    if (row->quit)
        router_client_quit(&client);
    router_client_free(&client);
    router_peer_end(&peer);
    T_EQ_SLICE(buf_slice(&got), slice_str(row->want));
    assert_int_equal(alive, !row->dead);
}

/* A conversation, and what comes of it. */
#define ROW(n, s, w) .name = (n), .script = (s), .want = (w)
#define HELLO_TO(extensions) \
    "S:220 mail.example ESMTP\nC:EHLO here.example\nS:250-mail.example at your " \
    "service\n" extensions
#define PIPE HELLO_TO("S:250-PIPELINING\nS:250-DSN\nS:250 8BITMIME\n")
#define STEP HELLO_TO("S:250-SIZE 1000\nS:250 8BITMIME\n")
#define BURST HELLO_TO("S:250-pipelining\nS:250-SIZE 10000000\nS:250 CHUNKING\n")
#define CHUNK HELLO_TO("S:250 CHUNKING\n")
#define MAIL "C:MAIL FROM:<me@here.example>\n"
#define RCPT "C:RCPT TO:<a@there.example>\n"
#define RCPTS RCPT "C:RCPT TO:<b@there.example>\nC:RCPT TO:<c@there.example>\n"
#define TEXT "C:Subject: hello\nC:\nC:hello\n"
#define ENVELOPE_OK "S:250 2.1.0 ok\nS:250 2.1.5 ok\n"
#define BDAT25 "C:BDAT 25 LAST\n" TEXT
#define MAIL25 "C:MAIL FROM:<me@here.example> SIZE=25\n"
#define TAKEN "answered end 250 2.0.0 taken"

static const struct row envelope_rows[] = {
    {ROW("pipelined: MAIL, RCPT and DATA in one write",
         PIPE MAIL RCPT "C:DATA\nquiet\n" ENVELOPE_OK "S:354 go\n" TEXT
                        "C:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN)},
    {ROW("not pipelined: one by one",
         STEP MAIL25 "quiet\nS:250 ok\n" RCPT "quiet\nS:250 ok\nC:DATA\nquiet\nS:354 go\n" TEXT
                     "C:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN)},
    {ROW("a burst: all in one write",
         BURST MAIL25 RCPT BDAT25 "quiet\n" ENVELOPE_OK "S:250 2.0.0 taken\nhang\n", TAKEN)},
    {ROW("CHUNKING without PIPELINING",
         CHUNK MAIL "S:250 ok\n" RCPT "S:250 ok\n" BDAT25 "S:250 2.0.0 taken\nhang\n", TAKEN)},
    {ROW("QUIT at the end",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT
                        "C:.\nS:250 2.0.0 taken\nC:QUIT\nS:221 bye\n",
         TAKEN),
     .quit = true},
    {ROW("HELO where EHLO is not known",
         "S:220 old\nC:EHLO here.example\nS:500 what\nC:HELO here.example\nS:250 hello\n" MAIL
         "S:250 ok\n" RCPT "S:250 ok\nC:DATA\nS:354 go\n" TEXT "C:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN)},
    {ROW("one recipient later, one never, one taken",
         PIPE MAIL RCPTS
         "C:DATA\nS:250 ok\nS:450 4.2.1 busy\nS:250 ok\nS:550 5.1.1 nobody\nS:354 go\n" TEXT
         "C:.\nS:250 2.0.0 taken\nhang\n",
         "answered rcpt 450 4.2.1 busy\n" TAKEN "\nanswered rcpt 550 5.1.1 nobody"),
     .rcpt_count = 3},
    {ROW("the same step by step",
         STEP MAIL25 "S:250 ok\n" RCPT
                     "S:450 4.2.1 busy\nC:RCPT TO:<b@*\nS:250 ok\nC:RCPT TO:<c@*\n"
                     "S:550-5.1.1 no\nS:550 5.1.1 body\nC:DATA\nS:354 go\n" TEXT
                     "C:.\nS:250 2.0.0 taken\nhang\n",
         "answered rcpt 450 4.2.1 busy\n" TAKEN "\nanswered rcpt 550 5.1.1 no body"),
     .rcpt_count = 3},
    {ROW("all recipients refused, DATA too; RSET before the next",
         PIPE MAIL RCPT
         "C:DATA\nS:250 ok\nS:550 5.1.1 no\nS:503 5.5.1 nobody\nC:RSET\nS:250 ok\n" MAIL RCPT
         "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT "C:.\nS:250 2.0.0 taken\nhang\n",
         "answered rcpt 550 5.1.1 no\n" TAKEN),
     .message_count = 2},
    {ROW("all refused, and DATA is answered 354 all the same",
         PIPE MAIL RCPT
         "C:DATA\nS:250 ok\nS:550 5.1.1 no\nS:354 go\nC:.\nS:554 5.5.1 nothing\nhang\n",
         "answered rcpt 550 5.1.1 no")},
    {ROW("all refused step by step: no DATA",
         STEP MAIL25 "S:250 ok\n" RCPT "S:550 5.1.1 no\nhang\n", "answered rcpt 550 5.1.1 no")},
    {ROW("all refused in a burst",
         BURST MAIL25 RCPT BDAT25 "S:250 ok\nS:550 5.1.1 no\nS:554 5.5.1 nobody\nhang\n",
         "answered rcpt 550 5.1.1 no")},
    {ROW("MAIL refused, pipelined",
         PIPE MAIL RCPT "C:DATA\nS:451 4.3.0 later\nS:503 no\nS:503 no\nhang\n",
         "answered mail 451 4.3.0 later")},
    {ROW("MAIL refused in a burst",
         BURST MAIL25 RCPT BDAT25 "S:550 5.7.1 you\nS:503 no\nS:503 no\nhang\n",
         "answered mail 550 5.7.1 you")},
    {ROW("DATA refused", PIPE MAIL RCPT "C:DATA\nS:250 ok\nS:250 ok\nS:451 4.3.0 full\nhang\n",
         "answered data 451 4.3.0 full")},
    {ROW("refused after the dot",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT "C:.\nS:554 5.7.1 spam\nhang\n",
         "answered end 554 5.7.1 spam")},
    {ROW("two messages, one connection",
         BURST MAIL25 RCPT BDAT25 ENVELOPE_OK "S:250 2.0.0 taken\n" MAIL25 RCPT BDAT25 ENVELOPE_OK
                                              "S:250 2.0.0 taken\nhang\n",
         TAKEN "\n" TAKEN),
     .message_count = 2},
    {ROW("DSN parameters",
         PIPE
         "C:MAIL FROM:<me@here.example> RET=HDRS ENVID=id+2B1\n"
         "C:RCPT TO:<a@there.example> NOTIFY=NEVER ORCPT=rfc822;a@x.example\nC:DATA\n" ENVELOPE_OK
         "S:354 go\n" TEXT "C:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN),
     .dsn = true},
    {ROW("no DSN parameters where they are not offered",
         STEP MAIL25 "S:250 ok\n" RCPT "S:250 ok\nC:DATA\nS:354 go\n" TEXT
                     "C:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN),
     .dsn = true},
    {ROW("eight bits",
         PIPE "C:MAIL FROM:<me@here.example> BODY=8BITMIME\n" RCPT "C:DATA\n" ENVELOPE_OK
              "S:354 go\n" TEXT "C:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN),
     .eight_bit = true},
};

static const struct row body_rows[] = {
    {ROW("dots are doubled, bare line ends made whole",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK
                        "S:354 go\nC:a\nC:..\nC:b\nC:...c\nC:\nC:d\nC:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN),
     .body = {"a\n.\rb\r\n..c\r\r\nd", 1, ST_OK}},
    {ROW("in a burst line ends are made whole and counted so",
         BURST "C:MAIL FROM:<me@here.example> SIZE=5\n" RCPT
               "C:BDAT 9 LAST\nC:a\nC:.\nC:b\n" ENVELOPE_OK "S:250 2.0.0 taken\nhang\n",
         TAKEN),
     .body = {"a\n.\rb", 1, ST_OK}},
    {ROW("an empty body",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\nC:.\nS:250 2.0.0 taken\nhang\n", TAKEN),
     .body = {"", 1, ST_OK}},
    {ROW("a large body by DATA",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK
                        "S:354 go\nmany:100000\nC:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN),
     .body = {"a line of text\r\n", 100000, ST_OK}},
    {ROW("a large body in chunks, one reply behind",
         BURST
         "C:MAIL FROM:<me@here.example> SIZE=1600000\n" RCPT ENVELOPE_OK
         "C:BDAT 262144\nmany:16384\nC:BDAT 262144\nmany:16384\nS:250 ok\nC:BDAT 262144\n"
         "many:16384\nS:250 ok\nC:BDAT 262144\nmany:16384\nS:250 ok\nC:BDAT 262144\nmany:16384\n"
         "S:250 ok\nC:BDAT 262144\nmany:16384\nS:250 ok\nC:BDAT 27136 LAST\nmany:1696\nS:250 ok\n"
         "S:250 2.0.0 taken\nhang\n",
         TAKEN),
     .body = {"a line of text\r\n", 100000, ST_OK}},
    {ROW("a chunk refused ends it",
         CHUNK MAIL
         "S:250 ok\n" RCPT
         "S:250 ok\nC:BDAT 262144\nmany:16384\nS:552 5.3.4 enough\nC:RSET\nS:250 ok\n" MAIL
         "S:450 4.7.1 no\nhang\n",
         "answered body 552 5.3.4 enough\nanswered mail 450 4.7.1 no"),
     .body = {"a line of text\r\n", 100000, ST_OK}, .message_count = 2},
    {ROW("a body that cannot be read after DATA",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\nhang\n",
         "no body body the message could not be read here"),
     .body = {"x\r\n", 1, ST_IO}, .dead = true},
    {ROW("a body that cannot be read for a burst", BURST "hang\n",
         "no body mail the message could not be read here"),
     .body = {"x\r\n", 1, ST_IO}},
};

static const struct row feature_rows[] = {
    {ROW("no 8BITMIME", CHUNK "hang\n",
         "no feature mail 554 5.6.3 the server does not take bytes over 127"),
     .eight_bit = true},
    {ROW("no SMTPUTF8", STEP "hang\n",
         "no feature mail 553 5.6.7 the server does not take addresses in UTF-8"),
     .utf8 = true},
    {ROW("over SIZE", STEP "hang\n",
         "no feature mail 552 5.3.4 the message is larger than the server takes"),
     .body = {"0123456789", 101, ST_OK}},
};

static const struct row broken_rows[] = {
    {ROW("refused at the greeting", "S:554 5.7.1 go away\nhang\n",
         "answered greeting 554 5.7.1 go away"),
     .dead = true},
    {ROW("busy at the greeting", "S:421 busy\nclose\n", "answered greeting 421 busy"),
     .dead = true},
    {ROW("not SMTP", "S:SSH-2.0-OpenSSH\nhang\n", "garbage greeting the reply is no SMTP"),
     .dead = true},
    {ROW("binary", "R:\x01\x02\xff\\n\nhang\n", "garbage greeting the reply is no SMTP"),
     .dead = true},
    {ROW("a line without end", "fill:300000\nhang\n", "garbage greeting the reply is no SMTP"),
     .dead = true},
    {ROW("text is cleaned", "S:550 5.0.0 a\x01\xff\xc3\xa4\x1b[1mb\nhang\n",
         "answered greeting 550 5.0.0 a??\xc3\xa4?[1mb"),
     .dead = true},
    {ROW("a second reply with the greeting", "R:220 a\\r\\n220 b\\r\\n\nhang\n",
         "garbage ehlo a reply that was not asked for"),
     .dead = true},
    {ROW("cut before the greeting", "close\n", "cut greeting the server closed the connection"),
     .dead = true},
    {ROW("silent", "hang\n", "timed out greeting no reply in time"), .hurried = true, .dead = true},
    {ROW("a reply that drips", "drip\n", "timed out greeting no reply in time"), .hurried = true,
     .dead = true},
    {ROW("cut after MAIL", STEP MAIL25 "close\n", "cut mail the server closed the connection"),
     .dead = true},
    {ROW("cut after one RCPT of three",
         STEP MAIL25 "S:250 ok\n" RCPT "S:550 5.1.1 no\nC:RCPT*\nclose\n",
         "answered rcpt 550 5.1.1 no\ncut rcpt the server closed the connection\n"
         "cut rcpt the server closed the connection"),
     .rcpt_count = 3, .dead = true},
    {ROW("421 after one RCPT of three",
         PIPE MAIL RCPTS "C:DATA\nS:250 ok\nS:250 ok\nS:421 4.3.2 ending\nclose\n",
         "answered rcpt 421 4.3.2 ending\nanswered rcpt 421 4.3.2 ending\n"
         "answered rcpt 421 4.3.2 ending"),
     .rcpt_count = 3, .dead = true},
    {ROW("cut after the dot",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT "C:.\nclose\n",
         "cut end the server closed the connection"),
     .dead = true},
    {ROW("cut after a burst: nobody knows", BURST MAIL25 RCPT BDAT25 "S:250 ok\nclose\n",
         "cut end the server closed the connection"),
     .dead = true},
    {ROW("silent after the dot",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT "C:.\nhang\n",
         "timed out end no reply in time"),
     .hurried = true, .dead = true},
    {ROW("421 after the dot: not taken",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT "C:.\nS:421 4.3.2 ending\nhang\n",
         "answered end 421 4.3.2 ending"),
     .dead = true},
    {ROW("garbage after the dot",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT "C:.\nS:hello\nhang\n",
         "garbage end the reply is no SMTP"),
     .dead = true},
    {ROW("354 to MAIL", STEP MAIL25 "S:354 go\nhang\n", "garbage mail the reply is no SMTP"),
     .dead = true},
    {ROW("cut in a large body, with a word before",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\nmany:10\nS:552 5.3.4 too large\nclose\n",
         "answered body 552 5.3.4 too large"),
     .body = {"a line of text\r\n", 4000000, ST_OK}, .dead = true},
    {ROW("a body that is not taken in time",
         PIPE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\nmany:10\nstall\n",
         "timed out body it took nothing more in time"),
     .body = {"a line of text\r\n", 4000000, ST_OK}, .hurried = true, .dead = true},
    {ROW("said goodbye after the message",
         BURST MAIL25 RCPT BDAT25
         "R:250 ok\\r\\n250 ok\\r\\n250 2.0.0 taken\\r\\n421 idle\\r\\n\nhang\n",
         TAKEN),
     .dead = true},
};

#define TLS_HELLO HELLO_TO("S:250-STARTTLS\nS:250 PIPELINING\n")
#define TLS_GO TLS_HELLO "C:STARTTLS\nS:220 go\n"
#define IN_TLS "C:EHLO here.example\nS:250-mail.example\nS:250 PIPELINING\n"
#define ONE MAIL RCPT "C:DATA\n" ENVELOPE_OK "S:354 go\n" TEXT "C:.\nS:250 2.0.0 taken\nhang\n"

static const struct row tls_rows[] = {
    {ROW("opportunistic, offered", TLS_GO "tls\n" IN_TLS ONE, TAKEN),
     .tls = ROUTER_TLS_OPPORTUNISTIC},
    {ROW("opportunistic, not offered", PIPE ONE, TAKEN), .tls = ROUTER_TLS_OPPORTUNISTIC},
    {ROW("opportunistic, refused", TLS_HELLO "C:STARTTLS\nS:454 no\n" ONE, TAKEN),
     .tls = ROUTER_TLS_OPPORTUNISTIC},
    {ROW("opportunistic, the handshake fails: again in the clear",
         TLS_GO "badtls\naccept\n" TLS_HELLO ONE, TAKEN),
     .tls = ROUTER_TLS_OPPORTUNISTIC},
    {ROW("opportunistic, cut in the handshake: again in the clear", TLS_GO "accept\n" TLS_HELLO ONE,
         TAKEN),
     .tls = ROUTER_TLS_OPPORTUNISTIC},
    {ROW("opportunistic, a stranger's name is fine", TLS_GO "tls\n" IN_TLS ONE, TAKEN),
     .tls = ROUTER_TLS_OPPORTUNISTIC, .host = "other.example"},
    {ROW("none, offered: not used", TLS_HELLO ONE, TAKEN), .tls = ROUTER_TLS_NONE},
    {ROW("required, not offered", PIPE "hang\n", "no tls starttls"), .tls = ROUTER_TLS_REQUIRED,
     .dead = true},
    {ROW("required, refused", TLS_HELLO "C:STARTTLS\nS:454 4.7.0 no\nhang\n",
         "no tls starttls 454 4.7.0"),
     .tls = ROUTER_TLS_REQUIRED, .dead = true},
    {ROW("required, the handshake fails", TLS_GO "badtls\n", "no tls starttls"),
     .tls = ROUTER_TLS_REQUIRED, .dead = true},
    {ROW("required, a stranger's name", TLS_GO "tls\n" IN_TLS ONE, TAKEN),
     .tls = ROUTER_TLS_REQUIRED, .host = "other.example"},
    {ROW("verified", TLS_GO "tls\n" IN_TLS ONE, TAKEN), .tls = ROUTER_TLS_VERIFIED},
    {ROW("verified, an address", TLS_GO "tls\n" IN_TLS ONE, TAKEN), .tls = ROUTER_TLS_VERIFIED,
     .host = "[127.0.0.1]"},
    {ROW("verified, a stranger's name", TLS_GO "tls?\nhang\n", "no tls starttls"),
     .tls = ROUTER_TLS_VERIFIED, .host = "other.example", .dead = true},
    {ROW("a reply injected before TLS",
         TLS_HELLO "C:STARTTLS\nR:220 go\\r\\n250 injected\\r\\n\nhang\n",
         "garbage starttls bytes came in the clear after STARTTLS"),
     .tls = ROUTER_TLS_OPPORTUNISTIC, .dead = true},
    {ROW("TLS from the first byte", "tls\n" HELLO_TO("S:250 PIPELINING\n") ONE, TAKEN),
     .tls = ROUTER_TLS_VERIFIED, .implicit_tls = true},
    {ROW("TLS from the first byte, none there", "badtls\n", "no tls starttls"),
     .tls = ROUTER_TLS_OPPORTUNISTIC, .implicit_tls = true, .dead = true},
    {ROW("a large body in TLS",
         "tls\n" HELLO_TO("S:250 PIPELINING\n") MAIL RCPT
         "C:DATA\n" ENVELOPE_OK "S:354 go\nmany:100000\nC:.\nS:250 2.0.0 taken\nhang\n",
         TAKEN),
     .tls = ROUTER_TLS_VERIFIED, .implicit_tls = true,
     .body = {"a line of text\r\n", 100000, ST_OK}},
};

#define AUTH_TLS(mechanisms) "tls\n" HELLO_TO("S:250-PIPELINING\nS:250 AUTH " mechanisms "\n")

static const struct row auth_rows[] = {
    {ROW("PLAIN", AUTH_TLS("LOGIN PLAIN") "C:AUTH PLAIN AG1lAHNlY3JldA==\nS:235 2.7.0 in\n" ONE,
         TAKEN),
     .tls = ROUTER_TLS_REQUIRED, .implicit_tls = true, .user = "me"},
    {ROW("LOGIN",
         AUTH_TLS("LOGIN NTLM") "C:AUTH LOGIN\nS:334 VXNlcm5hbWU6\nC:bWU=\nS:334 UGFzc3dvcmQ6\n"
                                "C:c2VjcmV0\nS:235 2.7.0 in\n" ONE,
         TAKEN),
     .tls = ROUTER_TLS_REQUIRED, .implicit_tls = true, .user = "me"},
    {ROW("a wrong password",
         AUTH_TLS("PLAIN") "C:AUTH PLAIN AG1lAHNlY3JldA==\nS:535 5.7.8 wrong\nhang\n",
         "no auth auth 535 5.7.8 wrong"),
     .tls = ROUTER_TLS_REQUIRED, .implicit_tls = true, .user = "me", .dead = true},
    {ROW("no password in the clear", HELLO_TO("S:250 AUTH PLAIN LOGIN\n") "hang\n",
         "no auth auth the server takes passwords only as they are, without TLS"),
     .tls = ROUTER_TLS_NONE, .user = "me", .dead = true},
    {ROW("nothing known offered", AUTH_TLS("NTLM") "hang\n",
         "no auth auth the server offers no mechanism that we know"),
     .tls = ROUTER_TLS_REQUIRED, .implicit_tls = true, .user = "me", .dead = true},
    {ROW("AUTH not offered", PIPE "hang\n", "no auth auth AUTH is not offered"),
     .tls = ROUTER_TLS_NONE, .user = "me", .dead = true},
    {ROW("SCRAM: 235 without proof is not believed",
         HELLO_TO("S:250 AUTH SCRAM-SHA-256\n") "C:AUTH SCRAM-SHA-256 *\nS:235 2.7.0 in\nhang\n",
         "no auth auth the server did not prove that it knows us"),
     .tls = ROUTER_TLS_NONE, .user = "me", .dead = true},
    {ROW("a challenge that is none",
         HELLO_TO(
             "S:250 AUTH SCRAM-SHA-256\n") "C:AUTH SCRAM-SHA-256 *\nS:334 !\nC:*\nS:501 no\nhang\n",
         "no auth auth the server's challenge is not right"),
     .tls = ROUTER_TLS_NONE, .user = "me", .dead = true},
};

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        T_ROW(i, rows[i].name);
        run_row(&rows[i]);
    }
}

static void test_envelopes_and_replies(void **state)
{
    (void)state;
    run_rows(envelope_rows, COUNT(envelope_rows));
}

static void test_bodies(void **state)
{
    (void)state;
    run_rows(body_rows, COUNT(body_rows));
}

static void test_what_the_server_cannot_do_is_not_sent(void **state)
{
    (void)state;
    run_rows(feature_rows, COUNT(feature_rows));
}

static void test_broken_and_hostile_servers(void **state)
{
    (void)state;
    run_rows(broken_rows, COUNT(broken_rows));
}

static void test_tls_policies(void **state)
{
    (void)state;
    run_rows(tls_rows, COUNT(tls_rows));
}

static void test_log_in(void **state)
{
    (void)state;
    run_rows(auth_rows, COUNT(auth_rows));
}

/* ---- what no row can say ---- */

static struct router_client *open_to(const char *script, int stop_fd,
                                     struct router_peer_server **peer_r,
                                     struct router_answer *answer_r)
{
    const struct router_client_options options = {.own_name = "here.example",
                                                  .connect_ms = 20000,
                                                  .reply_ms = 20000,
                                                  .end_ms = 20000,
                                                  .stop_fd = stop_fd};
    uint16_t port;

    *peer_r = router_peer_start(script, NULL, &port);
    return router_client_open(&options, "mail.example", "127.0.0.1", port, answer_r);
}

static void test_connections_that_are_not_made(void **state)
{
    struct router_client_options options = {.own_name = "here.example",
                                            .connect_ms = 20000,
                                            .reply_ms = 20000,
                                            .end_ms = 20000,
                                            .stop_fd = -1};
    struct router_peer_server *peer;
    struct router_answer answer;
    uint16_t port;

    (void)state;
    assert_null(router_client_open(&options, "x.example", "x.example", 25, &answer));
    assert_int_equal(answer.kind, ROUTER_NO_CONNECTION);
    assert_string_equal(answer.text, "not an address");
    peer = router_peer_start("", NULL, &port); /* its port is free again once it has ended */
    struct router_client *client =
        router_client_open(&options, "x.example", "127.0.0.1", port, &answer);
    assert_null(client);
    router_peer_end(&peer);
    assert_null(router_client_open(&options, "x.example", "127.0.0.1", port, &answer));
    assert_int_equal(answer.kind, ROUTER_NO_CONNECTION);
    assert_int_equal(answer.stage, ROUTER_STAGE_CONNECT);
    assert_string_equal(answer.text, "Connection refused");
}

static void *stop(void *arg)
{
    assert_int_equal(eventfd_write(*(int *)arg, 1), 0);
    return NULL;
}

static void test_a_stop_ends_a_wait(void **state)
{
    int stop_fd = eventfd(0, EFD_CLOEXEC);
    struct router_peer_server *peer;
    struct router_answer answer;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, stop, &stop_fd), 0);
    assert_null(open_to("hang\n", stop_fd, &peer, &answer));
    assert_string_equal(answer.text, "stopped");
    pthread_join(thread, NULL);
    router_peer_end(&peer);
    close(stop_fd);
}

static void test_a_closed_connection_is_noticed_before_a_message(void **state)
{
    struct router_peer_server *peer;
    struct router_answer answer;

    (void)state;
    struct router_client *client = open_to(PIPE "close\n", -1, &peer, &answer);
    assert_non_null(client);
    router_peer_end(&peer); /* waits until it has closed */
    assert_false(router_client_alive(client));
    router_client_quit(&client);
    assert_null(client);
}

static void test_addresses_that_cannot_be_written_are_refused_one_by_one(void **state)
{
    static const struct {
        struct slice address;
        bool ok;
    } rows[] = {
        {{"a@there.example", 15}, true},           {{"a\r\nRCPT TO:<b@there.example", 28}, false},
        {{"a b@there.example", 17}, false},        {{"\"a b\"@there.example", 19}, true},
        {{"\"a>b\\\"\"@there.example", 21}, true}, {{"a>@there.example", 16}, false},
        {{"\"a@there.example", 16}, false},        {{"", 0}, false},
    };
    struct router_client_rcpt rcpts[COUNT(rows)] = {0};
    struct router_answer results[COUNT(rows)];
    struct router_peer_server *peer;
    struct router_answer answer;
    struct body body = {"x\r\n", 1, ST_OK};
    struct router_client_message message = {
        .sender = SLICE(""), .size_bytes = 3, .body = give_body, .body_ctx = &body};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++)
        rcpts[i].address = rows[i].address;
    struct router_client *client =
        open_to(PIPE "C:MAIL FROM:<>\n" RCPT
                     "C:RCPT TO:<\"a b\"@there.example>\n"
                     "C:RCPT TO:<\"a>b\\\"\"@there.example>\nC:DATA\nS:250 ok\n" ENVELOPE_OK
                     "S:250 ok\nS:354 go\nC:x\nC:.\nS:250 2.0.0 taken\nhang\n",
                -1, &peer, &answer);
    assert_non_null(client);
    router_client_send(client, &message, rcpts, COUNT(rows), results);
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_int_equal(router_answer_positive(&results[i]), rows[i].ok);
        assert_int_equal(results[i].kind, rows[i].ok ? ROUTER_ANSWERED : ROUTER_NO_FEATURE);
    }
    message.sender = SLICE("a\r\nb");
    router_client_send(client, &message, rcpts, 1, results);
    assert_string_equal(results[0].enhanced, "5.1.7");
    router_client_free(&client);
    router_peer_end(&peer);
}

/* More recipients than the sockets hold, and a server that replies to each before it reads on. */
static void test_many_recipients_do_not_lock_both_sides(void **state)
{
    enum { MANY = 10000 };
    AUTO(buf) struct buf script = BUF(MIB);
    struct router_client_rcpt *rcpts = mem_alloc(MANY * sizeof(*rcpts));
    struct router_answer *results = mem_alloc(MANY * sizeof(*results));
    struct router_peer_server *peer;
    struct router_answer answer;
    struct body body = {"x\r\n", 1, ST_OK};
    const struct router_client_message message = {
        .sender = SLICE(""), .size_bytes = 3, .body = give_body, .body_ctx = &body};

    (void)state;
    for (size_t i = 0; i < MANY; i++)
        rcpts[i].address = SLICE("somebody@there.example");
    buf_putf(&script, PIPE "echo:%d\nC:DATA\nS:354 go\nC:x\nC:.\nS:250 2.0.0 taken\nhang\n",
             MANY + 1);
    struct router_client *client = open_to(script.ptr, -1, &peer, &answer);
    assert_non_null(client);
    router_client_send(client, &message, rcpts, MANY, results);
    for (size_t i = 0; i < MANY; i++)
        assert_true(router_answer_positive(&results[i]));
    router_client_free(&client);
    router_peer_end(&peer);
    mem_free(rcpts);
    mem_free(results);
}

static int set_up(void **state)
{
    static const char *const names[] = {"mail.example", "127.0.0.1"};
    AUTO(buf) struct buf why = BUF(1000);

    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", folder);
    snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    if (sys_cert_make_selfsigned(names, COUNT(names), 10, cert_file, key_file) != ST_OK)
        return -1;
    if (sys_tls_server_new(cert_file, key_file, PRIORITIES, &why, &tls_server) != ST_OK)
        return -1;
    return sys_tls_client_new(cert_file, PRIORITIES, &why, &tls_client) == ST_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    sys_tls_server_free(&tls_server);
    sys_tls_client_free(&tls_client);
    unlink(cert_file);
    unlink(key_file);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_envelopes_and_replies),
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_what_the_server_cannot_do_is_not_sent),
        cmocka_unit_test(test_broken_and_hostile_servers),
        cmocka_unit_test(test_tls_policies),
        cmocka_unit_test(test_log_in),
        cmocka_unit_test(test_connections_that_are_not_made),
        cmocka_unit_test(test_a_stop_ends_a_wait),
        cmocka_unit_test(test_a_closed_connection_is_noticed_before_a_message),
        cmocka_unit_test(test_addresses_that_cannot_be_written_are_refused_one_by_one),
        cmocka_unit_test(test_many_recipients_do_not_lock_both_sides),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
