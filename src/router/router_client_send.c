#include "router/router_client_io.h"
#include "router/router_text.h"

#include "base/slice.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

/* A path or a parameter; RFC 5321 4.5.3.1.3 says 256 for a path. */
#define WORD_BYTES_MAX 2000
/* What all of a transaction may take: replies to MAIL, to what follows it, and this for each RCPT.
 */
#define RCPT_MS 5000

struct transaction {
    struct router_client *client;
    const struct router_client_message *message;
    const struct router_client_rcpt *rcpts;
    size_t count;
    struct router_answer *results;
    size_t accepted; /* recipients whose RCPT was taken */
    struct router_text text;
    struct buf *chunk; /* BDAT: gathers; NULL: DATA */
    size_t chunks_unanswered;
    bool refused;  /* the last reply settled everybody */
    bool all_sent; /* the server may have taken the message, whatever we hear of it */
};

/* ---- results ---- */

static void settle_rest(struct transaction *tx, const struct router_answer *answer)
{
    for (size_t i = 0; i < tx->count; i++)
        if (tx->results[i].kind == ROUTER_UNSETTLED)
            tx->results[i] = *answer;
    tx->refused = true;
}

static void settle_reply(struct transaction *tx)
{
    struct router_answer answer;

    router_answer_take(&answer, ROUTER_ANSWERED, tx->client->stage, &tx->client->reply);
    settle_rest(tx, &answer);
}

/* The connection broke: what the server may have said last, else how it broke. */
static void settle_broken(struct transaction *tx)
{
    struct router_client *client = tx->client;
    enum router_answer_kind kind = client->failure.kind;

    if (!tx->all_sent && kind == ROUTER_CUT && router_client_io_last_words(client))
        settle_reply(tx);
    client->failure.stage = tx->all_sent ? ROUTER_STAGE_END : client->stage;
    settle_rest(tx, &client->failure);
}

/* ---- what the server cannot do ---- */

static void say_unfit(struct router_answer *answer, uint16_t code, const char *enhanced,
                      const char *text)
{
    router_answer_say(answer, ROUTER_NO_FEATURE, ROUTER_STAGE_MAIL, text);
    answer->code = code;
    snprintf(answer->enhanced, sizeof(answer->enhanced), "%s", enhanced);
}

/* Printable without blanks, and brackets only where they cannot end a path. */
static bool is_sane(struct slice word)
{
    bool quoted = false;

    for (size_t i = 0; i < word.len; i++) {
        unsigned char byte = (unsigned char)word.ptr[i];

        if (byte < ' ' || byte == 0x7f || (!quoted && (byte == ' ' || byte == '<' || byte == '>')))
            return false;
        if (byte == '\\' && quoted)
            i++;
        else if (byte == '"')
            quoted = !quoted;
    }
    return !quoted && word.len <= WORD_BYTES_MAX;
}

static bool is_sane_rcpt(const struct router_client_rcpt *rcpt)
{
    return rcpt->address.len > 0 && is_sane(rcpt->address) && is_sane(rcpt->notify) &&
           is_sane(rcpt->orcpt);
}

static void refuse_unfit(struct transaction *tx)
{
    const struct router_client *client = tx->client;
    const struct router_client_message *message = tx->message;
    struct router_answer answer = {0};

    if (message->utf8 && !router_client_has(client, ROUTER_PEER_SMTPUTF8))
        say_unfit(&answer, 553, "5.6.7", "the server does not take addresses in UTF-8");
    else if (message->eight_bit && !router_client_has(client, ROUTER_PEER_8BITMIME))
        say_unfit(&answer, 554, "5.6.3", "the server does not take bytes over 127");
    else if (client->size_max > 0 && message->size_bytes > client->size_max)
        say_unfit(&answer, 552, "5.3.4", "the message is larger than the server takes");
    else if (!is_sane(message->sender) || !is_sane(message->envid) || !is_sane(message->ret))
        say_unfit(&answer, 553, "5.1.7", "the sender cannot be written in SMTP");
    if (answer.kind != ROUTER_UNSETTLED)
        settle_rest(tx, &answer);
    for (size_t i = 0; i < tx->count && !tx->refused; i++)
        if (!is_sane_rcpt(&tx->rcpts[i]))
            say_unfit(&tx->results[i], 553, "5.1.3", "the address cannot be written in SMTP");
}

/* ---- MAIL and RCPT ---- */

static void put_param(struct buf *out, const char *name, struct slice value)
{
    if (value.len > 0)
        buf_putf(out, " %s=%.*s", name, SLICE_ARG(value));
}

static void put_mail(struct transaction *tx)
{
    const struct router_client_message *message = tx->message;
    const struct router_client *client = tx->client;
    struct buf *out = &tx->client->out;

    buf_putf(out, "MAIL FROM:<%.*s>", SLICE_ARG(message->sender));
    if (router_client_has(client, ROUTER_PEER_SIZE))
        buf_putf(out, " SIZE=%llu", (unsigned long long)message->size_bytes);
    if (message->eight_bit)
        buf_put(out, SLICE(" BODY=8BITMIME"));
    if (message->utf8)
        buf_put(out, SLICE(" SMTPUTF8"));
    if (router_client_has(client, ROUTER_PEER_DSN)) {
        put_param(out, "RET", message->ret);
        put_param(out, "ENVID", message->envid);
    }
    if (client->fellow != NULL && router_client_has(client, ROUTER_PEER_POSTHORSE)) {
        put_param(out, "XGUID", message->guid);
        if (message->priority != 0)
            buf_putf(out, " MT-PRIORITY=%d", message->priority);
    }
    buf_put(out, SLICE("\r\n"));
}

static void put_rcpt(struct transaction *tx, const struct router_client_rcpt *rcpt)
{
    struct buf *out = &tx->client->out;

    buf_putf(out, "RCPT TO:<%.*s>", SLICE_ARG(rcpt->address));
    if (router_client_has(tx->client, ROUTER_PEER_DSN)) {
        put_param(out, "NOTIFY", rcpt->notify);
        put_param(out, "ORCPT", rcpt->orcpt);
    }
    buf_put(out, SLICE("\r\n"));
}

static bool flush(struct transaction *tx)
{
    return router_client_io_flush(tx->client,
                                  router_client_io_deadline(tx->client, tx->client->reply_ms));
}

/* 421 ends it for everybody not settled. */
static bool await_reply(struct transaction *tx, bool want_3yz)
{
    bool got = router_client_io_reply(tx->client, tx->client->reply_ms, want_3yz);

    if (got && tx->client->finished)
        settle_reply(tx);
    return got && !tx->client->finished;
}

static bool take_mail(struct transaction *tx)
{
    tx->client->stage = ROUTER_STAGE_MAIL;
    if (!await_reply(tx, false))
        return false;
    if (tx->client->reply.code / 100 == 2)
        tx->client->dirty = true;
    else
        settle_reply(tx);
    return true;
}

static bool take_rcpt(struct transaction *tx, struct router_answer *result)
{
    tx->client->stage = ROUTER_STAGE_RCPT;
    if (!await_reply(tx, false))
        return false;
    if (tx->client->reply.code / 100 == 2)
        tx->accepted++;
    else if (result->kind == ROUTER_UNSETTLED)
        router_answer_take(result, ROUTER_ANSWERED, ROUTER_STAGE_RCPT, &tx->client->reply);
    return true;
}

/* Step by step, where the server does not do PIPELINING. */
static bool step_envelope(struct transaction *tx)
{
    tx->client->stage = ROUTER_STAGE_MAIL;
    put_mail(tx);
    if (!flush(tx) || !take_mail(tx))
        return false;
    for (size_t i = 0; i < tx->count && !tx->refused; i++) {
        if (tx->results[i].kind != ROUTER_UNSETTLED)
            continue;
        put_rcpt(tx, &tx->rcpts[i]);
        if (!flush(tx) || !take_rcpt(tx, &tx->results[i]))
            return false;
    }
    return true;
}

static void put_envelope(struct transaction *tx)
{
    put_mail(tx);
    for (size_t i = 0; i < tx->count; i++)
        if (tx->results[i].kind == ROUTER_UNSETTLED)
            put_rcpt(tx, &tx->rcpts[i]);
}

/* The replies to put_envelope(). */
static bool take_envelope(struct transaction *tx)
{
    if (!take_mail(tx))
        return false;
    for (size_t i = 0; i < tx->count; i++)
        if (tx->results[i].kind != ROUTER_NO_FEATURE && !take_rcpt(tx, &tx->results[i]))
            return false;
    return true;
}

/* ---- the body ---- */

/* The reply to the whole message. */
static bool take_end(struct transaction *tx)
{
    struct router_client *client = tx->client;

    client->stage = ROUTER_STAGE_END;
    client->limit_ms = UINT64_MAX; /* what came before does not shorten end_ms */
    if (!router_client_io_reply(client, client->end_ms, false))
        return false;
    client->dirty = client->reply.code / 100 != 2;
    settle_reply(tx);
    return true;
}

/* The body could not be read here: nothing but closing tells the server not to take what it has. */
static bool body_failed(struct transaction *tx)
{
    if (tx->client->broken || tx->refused)
        return false;
    return router_client_io_fail(tx->client, ROUTER_NO_BODY, "the message could not be read here");
}

static enum st put_data(void *ctx, struct slice bytes)
{
    struct transaction *tx = ctx;
    struct buf *out = &tx->client->out;

    while (bytes.len > 0) {
        struct slice piece = slice_sub(bytes, 0, ROUTER_CLIENT_OUT_BYTES);

        if (router_text_feed(&tx->text, piece, out) != ST_OK)
            return ST_TOO_BIG;
        if (out->len >= ROUTER_CLIENT_OUT_BYTES && !flush(tx))
            return ST_IO;
        bytes = slice_sub(bytes, piece.len, SIZE_MAX);
    }
    return ST_OK;
}

/* After 354. */
static bool send_data(struct transaction *tx)
{
    struct router_client *client = tx->client;

    client->stage = ROUTER_STAGE_BODY;
    tx->text = (struct router_text){.stuff = true};
    if (tx->message->body(tx->message->body_ctx, put_data, tx) != ST_OK)
        return body_failed(tx);
    if (router_text_end(&tx->text, &client->out) != ST_OK || !flush(tx))
        return false;
    tx->all_sent = true;
    return take_end(tx);
}

/* RFC 2920 3.1: a server that says 354 though it took nobody gets an empty message, for nobody. */
static bool send_nothing(struct transaction *tx)
{
    buf_put(&tx->client->out, SLICE(".\r\n"));
    return flush(tx) && router_client_io_reply(tx->client, tx->client->end_ms, false);
}

static bool take_data(struct transaction *tx)
{
    struct router_client *client = tx->client;

    client->stage = ROUTER_STAGE_DATA;
    if (!await_reply(tx, true))
        return false;
    if (client->reply.code / 100 == 3)
        return tx->accepted > 0 && !tx->refused ? send_data(tx) : send_nothing(tx);
    if (client->reply.code / 100 == 2)
        return router_client_io_fail(client, ROUTER_GARBAGE, "DATA was answered by 2yz");
    settle_reply(tx);
    return true;
}

/* One reply to a BDAT that is not the last. */
static bool take_chunk(struct transaction *tx)
{
    tx->chunks_unanswered--;
    if (!await_reply(tx, false))
        return false;
    if (tx->client->reply.code / 100 == 2)
        return true;
    settle_reply(tx);
    tx->client->finished = tx->client->finished || tx->chunks_unanswered > 0; /* more to hear */
    return false;
}

/* RFC 3030 section 2. With PIPELINING one chunk may be under way unanswered. */
static bool send_chunk(struct transaction *tx, bool last)
{
    struct router_client *client = tx->client;
    size_t ahead = router_client_has(client, ROUTER_PEER_PIPELINING) ? 1 : 0;

    buf_putf(&client->out, "BDAT %zu%s\r\n", tx->chunk->len, last ? " LAST" : "");
    buf_put(&client->out, buf_slice(tx->chunk));
    buf_clear(tx->chunk);
    if (!flush(tx))
        return false;
    tx->all_sent = last;
    tx->chunks_unanswered++;
    while (!last && tx->chunks_unanswered > ahead)
        if (!take_chunk(tx))
            return false;
    return true;
}

static enum st put_bdat(void *ctx, struct slice bytes)
{
    struct transaction *tx = ctx;

    while (bytes.len > 0) {
        struct slice piece = slice_sub(bytes, 0, ROUTER_CLIENT_OUT_BYTES);

        if (tx->chunk->len >= ROUTER_CLIENT_BURST_BYTES && !send_chunk(tx, false))
            return ST_IO;
        if (router_text_feed(&tx->text, piece, tx->chunk) != ST_OK)
            return ST_TOO_BIG;
        bytes = slice_sub(bytes, piece.len, SIZE_MAX);
    }
    return ST_OK;
}

/* The replies to the chunks before the last are still to come. */
static bool take_bdat_end(struct transaction *tx)
{
    while (tx->chunks_unanswered > 1)
        if (!take_chunk(tx))
            return false;
    return take_end(tx);
}

static bool send_bdat(struct transaction *tx)
{
    tx->client->stage = ROUTER_STAGE_BODY;
    if (tx->message->body(tx->message->body_ctx, put_bdat, tx) != ST_OK ||
        router_text_end(&tx->text, tx->chunk) != ST_OK)
        return body_failed(tx);
    return send_chunk(tx, true) && take_bdat_end(tx);
}

/* ---- the ways of a transaction ---- */

static enum st put_burst(void *ctx, struct slice bytes)
{
    struct transaction *tx = ctx;

    if (tx->chunk->len + bytes.len > 2 * ROUTER_CLIENT_BURST_BYTES)
        return ST_TOO_BIG; /* more than was said */
    return router_text_feed(&tx->text, bytes, tx->chunk);
}

/* Everything in one write: one round trip. The body is read first, so that where it cannot be read
 * the server has heard nothing. */
static bool burst(struct transaction *tx)
{
    struct router_client *client = tx->client;
    struct router_answer answer;

    client->stage = ROUTER_STAGE_MAIL;
    if (tx->message->body(tx->message->body_ctx, put_burst, tx) != ST_OK ||
        router_text_end(&tx->text, tx->chunk) != ST_OK) {
        router_answer_say(&answer, ROUTER_NO_BODY, ROUTER_STAGE_MAIL,
                          "the message could not be read here");
        settle_rest(tx, &answer);
        return true;
    }
    put_envelope(tx);
    if (!send_chunk(tx, true))
        return false;
    client->dirty = true;
    return take_envelope(tx) && take_end(tx);
}

static bool anybody(const struct transaction *tx)
{
    return tx->accepted > 0 && !tx->refused;
}

/* MAIL, RCPTs and DATA in one write, then the body. */
static bool pipeline_data(struct transaction *tx)
{
    tx->client->stage = ROUTER_STAGE_MAIL;
    put_envelope(tx);
    buf_put(&tx->client->out, SLICE("DATA\r\n"));
    return flush(tx) && take_envelope(tx) && take_data(tx);
}

/* MAIL and RCPTs in one write or one by one, the body only where somebody takes it. */
static bool go_steps(struct transaction *tx)
{
    struct router_client *client = tx->client;
    bool ok;

    if (router_client_has(client, ROUTER_PEER_PIPELINING)) {
        client->stage = ROUTER_STAGE_MAIL;
        put_envelope(tx);
        ok = flush(tx) && take_envelope(tx);
    } else {
        ok = step_envelope(tx);
    }
    if (!ok || !anybody(tx))
        return ok;
    if (tx->chunk != NULL)
        return send_bdat(tx);
    client->stage = ROUTER_STAGE_DATA;
    buf_put(&client->out, SLICE("DATA\r\n"));
    return flush(tx) && take_data(tx);
}

static bool run(struct transaction *tx)
{
    struct router_client *client = tx->client;
    AUTO(buf) struct buf chunk = BUF(4 * ROUTER_CLIENT_BURST_BYTES);
    bool pipelining = router_client_has(client, ROUTER_PEER_PIPELINING);

    if (router_client_has(client, ROUTER_PEER_CHUNKING))
        tx->chunk = &chunk;
    if (tx->chunk == NULL && pipelining)
        return pipeline_data(tx);
    if (pipelining && tx->message->size_bytes <= ROUTER_CLIENT_BURST_BYTES)
        return burst(tx);
    return go_steps(tx);
}

/* Nobody to send to: all were refused before. */
static bool nobody_left(const struct transaction *tx)
{
    for (size_t i = 0; i < tx->count; i++)
        if (tx->results[i].kind == ROUTER_UNSETTLED)
            return false;
    return true;
}

static uint64_t limit_of(const struct transaction *tx)
{
    return sys_mono_ms() + 4 * tx->client->reply_ms + tx->count * RCPT_MS +
           tx->message->size_bytes * SEC_MS / ROUTER_CLIENT_BYTES_PER_SEC_MIN;
}

void router_client_send(struct router_client *client, const struct router_client_message *message,
                        const struct router_client_rcpt rcpts[], size_t count,
                        struct router_answer results[])
{
    struct transaction tx = {
        .client = client, .message = message, .rcpts = rcpts, .count = count, .results = results};

    for (size_t i = 0; i < count; i++)
        results[i].kind = ROUTER_UNSETTLED;
    refuse_unfit(&tx);
    if (nobody_left(&tx))
        return;
    client->limit_ms = limit_of(&tx);
    if (client->in.len > 0)
        router_client_io_fail(client, ROUTER_GARBAGE, "a reply that was not asked for");
    else if (!router_client_reset(client))
        router_client_io_fail(client, ROUTER_CUT, "the server takes no more messages");
    else
        (void)run(&tx);
    if (client->broken)
        settle_broken(&tx);
    client->limit_ms = UINT64_MAX;
}
