#include "router/router_client_hello.h"

#include "auth/auth_sasl_client.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/text.h"
#include "cluster/cluster_fellow.h"
#include "sys/sys_hash.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <stdio.h>
#include <string.h>

#define AUTH_STEPS_MAX 8
#define AUTH_BYTES_MAX (8 * KIB)

/* The last reply ends it, as that kind of failure. */
static enum st refused(struct router_client *client, enum router_answer_kind kind)
{
    router_answer_take(&client->failure, kind, client->stage, &client->reply);
    client->broken = true;
    return ST_IO;
}

static enum st failed(struct router_client *client, enum router_answer_kind kind, const char *text)
{
    router_client_io_fail(client, kind, text);
    return ST_IO;
}

/* ---- EHLO ---- */

static void note_size(struct router_client *client, struct slice params)
{
    uint64_t size = 0;

    if (slice_to_u64(slice_trim(params), &size) == ST_OK)
        client->size_max = size;
}

static void note_auth(struct router_client *client, struct slice params)
{
    if (params.len < sizeof(client->auth))
        snprintf(client->auth, sizeof(client->auth), "%.*s", SLICE_ARG(params));
}

static const struct {
    struct slice keyword;
    enum router_peer feature;
    void (*note)(struct router_client *client, struct slice params);
} keywords[] = {
    {{"PIPELINING", 10}, ROUTER_PEER_PIPELINING, NULL},
    {{"CHUNKING", 8}, ROUTER_PEER_CHUNKING, NULL},
    {{"8BITMIME", 8}, ROUTER_PEER_8BITMIME, NULL},
    {{"SMTPUTF8", 8}, ROUTER_PEER_SMTPUTF8, NULL},
    {{"DSN", 3}, ROUTER_PEER_DSN, NULL},
    {{"SIZE", 4}, ROUTER_PEER_SIZE, note_size},
    {{"STARTTLS", 8}, ROUTER_PEER_STARTTLS, NULL},
    {{"AUTH", 4}, ROUTER_PEER_AUTH, note_auth},
    {{"XPOSTHORSE", 10}, ROUTER_PEER_POSTHORSE, NULL},
};

/* RFC 5321 4.1.1.1: ehlo-line = ehlo-keyword *( SP ehlo-param ) */
static void note_keyword(struct router_client *client, struct slice line)
{
    struct slice rest = line;
    struct slice word;

    if (!slice_split(&rest, ' ', &word))
        return;
    for (size_t i = 0; i < COUNT(keywords); i++)
        if (slice_ieq(word, keywords[i].keyword)) {
            client->peer |= (unsigned)keywords[i].feature;
            if (keywords[i].note != NULL)
                keywords[i].note(client, rest);
        }
}

static void note_keywords(struct router_client *client)
{
    struct slice rest = router_reply_text(&client->reply);
    struct slice line;

    client->peer = ROUTER_PEER_ESMTP;
    client->size_max = 0;
    client->auth[0] = '\0';
    for (bool first = true; slice_split(&rest, '\n', &line); first = false)
        if (!first) /* the first line is the server's name */
            note_keyword(client, line);
}

/* RFC 5321 3.2: HELO where the server does not know EHLO. */
static enum st say_ehlo(struct router_client *client, const char *own_name)
{
    client->stage = ROUTER_STAGE_EHLO;
    if (!router_client_io_command(client, false, "EHLO %s", own_name))
        return ST_IO;
    if (client->reply.code / 100 == 2) {
        note_keywords(client);
        return ST_OK;
    }
    if (client->reply.code / 100 != 5)
        return refused(client, ROUTER_ANSWERED);
    client->peer = 0;
    if (!router_client_io_command(client, false, "HELO %s", own_name))
        return ST_IO;
    return client->reply.code / 100 == 2 ? ST_OK : refused(client, ROUTER_ANSWERED);
}

static enum st await_greeting(struct router_client *client)
{
    client->stage = ROUTER_STAGE_GREETING;
    if (!router_client_io_reply(client, client->reply_ms, false))
        return ST_IO;
    return client->reply.code / 100 == 2 ? ST_OK : refused(client, ROUTER_ANSWERED);
}

/* ---- TLS ---- */

static enum st shake(struct router_client *client, const struct router_client_options *options,
                     const char *tls_host)
{
    char text[ROUTER_ANSWER_TEXT_BYTES];

    client->stage = ROUTER_STAGE_STARTTLS;
    enum st st = sys_stream_starttls(&client->stream, options->tls_client, tls_host,
                                     options->tls == ROUTER_TLS_VERIFIED,
                                     sys_mono_ms() + options->connect_ms);
    if (st == ST_OK)
        return ST_OK;
    snprintf(text, sizeof(text), "the TLS handshake failed: %s",
             st == ST_AGAIN ? "not done in time" : sys_tls_error(client->stream.tls));
    router_client_io_fail(client, ROUTER_NO_TLS, text);
    return options->tls == ROUTER_TLS_OPPORTUNISTIC && !options->implicit_tls ? ST_CONFLICT : ST_IO;
}

/* TLS with a server of our domain, which must be the one that is meant. */
static enum st shake_fellow(struct router_client *client,
                            const struct router_client_options *options)
{
    AUTO(buf) struct buf why = BUF(ROUTER_ANSWER_TEXT_BYTES);
    char text[ROUTER_ANSWER_TEXT_BYTES];
    struct sys_tls_client *tls_client = NULL;

    client->stage = ROUTER_STAGE_STARTTLS;
    if (cluster_fellow_client(options->cluster, &why, &tls_client) != ST_OK)
        return failed(client, ROUTER_NO_TLS, why.ptr != NULL ? why.ptr : "no certificates");
    struct router_client_options mutual = *options;
    mutual.tls = ROUTER_TLS_REQUIRED;
    mutual.tls_client = tls_client;
    enum st st = shake(client, &mutual, NULL);
    sys_tls_client_free(&tls_client);
    if (st != ST_OK)
        return st;
    client->fellow = mem_new(struct cluster_fellow);
    const char *doubt = cluster_fellow_read(options->cluster, client->stream.tls, client->fellow);
    if (doubt == NULL && strcmp(client->fellow->name, options->server) == 0)
        return ST_OK;
    snprintf(text, sizeof(text), "%s is meant, and %s: %s", options->server,
             client->fellow->name[0] != '\0' ? client->fellow->name : "somebody",
             doubt != NULL ? doubt : "shows another server's certificate");
    return failed(client, ROUTER_NO_TLS, text);
}

/* RFC 3207. Bytes behind the 220 came before TLS, from anybody: section 6 would have us drop them;
 * who sends them is not to be trusted with a message either. */
static enum st starttls(struct router_client *client, const struct router_client_options *options,
                        const char *tls_host)
{
    bool optional = options->tls == ROUTER_TLS_OPPORTUNISTIC;

    client->stage = ROUTER_STAGE_STARTTLS;
    if ((client->peer & ROUTER_PEER_STARTTLS) == 0)
        return optional ? ST_OK : failed(client, ROUTER_NO_TLS, "STARTTLS is not offered");
    if (!router_client_io_command(client, false, "STARTTLS"))
        return ST_IO;
    if (client->reply.code / 100 != 2)
        return optional && !client->finished ? ST_OK : refused(client, ROUTER_NO_TLS);
    if (client->in.len > 0)
        return failed(client, ROUTER_GARBAGE, "bytes came in the clear after STARTTLS");
    enum st st = shake(client, options, tls_host);
    return st == ST_OK ? say_ehlo(client, options->own_name) : st;
}

/* ---- AUTH ---- */

static void bindings(const struct router_client *client, struct buf *exporter, struct buf *unique)
{
    const struct sys_tls *tls = client->stream.tls;

    if (tls == NULL)
        return;
    if (sys_tls_channel_binding(tls, SYS_TLS_EXPORTER, exporter) != ST_OK)
        buf_clear(exporter);
    if (sys_tls_channel_binding(tls, SYS_TLS_UNIQUE, unique) != ST_OK)
        buf_clear(unique);
}

static struct auth_sasl_client *choose(struct router_client *client,
                                       const struct router_client_options *options)
{
    AUTO(buf) struct buf exporter = BUF(AUTH_BINDING_BYTES_MAX);
    AUTO(buf) struct buf unique = BUF(AUTH_BINDING_BYTES_MAX);
    struct auth_sasl_client *sasl = NULL;

    bindings(client, &exporter, &unique);
    const struct auth_sasl_client_options how = {
        .name = slice_str(options->user),
        .password = slice_str(options->password),
        .offered = slice_str(client->auth),
        .plain_allowed = client->stream.tls != NULL,
        .tls_exporter = buf_slice(&exporter),
        .tls_unique = buf_slice(&unique),
    };
    enum st st = auth_sasl_client_new(&how, &sasl);
    if (st == ST_DENIED)
        failed(client, ROUTER_NO_AUTH, "the server takes passwords only as they are, without TLS");
    else if (st != ST_OK)
        failed(client, ROUTER_NO_AUTH, "the server offers no mechanism that we know");
    return sasl;
}

/* One message of ours, and the server's answer to it. */
static enum st auth_turn(struct router_client *client, struct auth_sasl_client *sasl, bool first)
{
    AUTO(buf) struct buf in = BUF(AUTH_BYTES_MAX);
    AUTO(buf) struct buf out = BUF(AUTH_BYTES_MAX);
    AUTO(buf) struct buf text = BUF(AUTH_BYTES_MAX * 2);
    struct slice said = first ? SLICE("") : slice_trim(router_reply_text(&client->reply));
    const char *mechanism = auth_sasl_client_mechanism(sasl);
    bool sent;

    if (first && !auth_sasl_client_begins(sasl)) {
        sent = router_client_io_command(client, true, "AUTH %s", mechanism);
        return sent ? ST_OK : ST_IO;
    }
    if (text_unbase64(&in, said) != ST_OK ||
        auth_sasl_client_step(sasl, buf_slice(&in), &out) != ST_OK ||
        text_base64(&text, buf_slice(&out)) != ST_OK) {
        (void)router_client_io_command(client, false, "*"); /* RFC 4954 4: given up */
        return failed(client, ROUTER_NO_AUTH, "the server's challenge is not right");
    }
    if (first)
        sent = router_client_io_command(client, true, "AUTH %s %s", mechanism,
                                        text.len > 0 ? text.ptr : "=");
    else
        sent = router_client_io_command(client, true, "%s", text.len > 0 ? text.ptr : "");
    if (out.ptr != NULL)
        sys_secret_wipe(out.ptr, out.cap);
    if (text.ptr != NULL)
        sys_secret_wipe(text.ptr, text.cap);
    return sent ? ST_OK : ST_IO;
}

static enum st log_in(struct router_client *client, const struct router_client_options *options)
{
    struct auth_sasl_client *sasl;
    enum st st = ST_OK;

    client->stage = ROUTER_STAGE_AUTH;
    if ((client->peer & ROUTER_PEER_AUTH) == 0)
        return failed(client, ROUTER_NO_AUTH, "AUTH is not offered");
    sasl = choose(client, options);
    if (sasl == NULL)
        return ST_IO;
    st = auth_turn(client, sasl, true);
    for (size_t i = 0; st == ST_OK && client->reply.code == 334 && i < AUTH_STEPS_MAX; i++)
        st = auth_turn(client, sasl, false);
    bool proved = auth_sasl_client_proved(sasl);
    auth_sasl_client_free(&sasl);
    if (client->out.ptr != NULL)
        sys_secret_wipe(client->out.ptr, client->out.cap);
    if (st != ST_OK)
        return ST_IO;
    if (client->reply.code / 100 != 2)
        return refused(client, ROUTER_NO_AUTH);
    return proved ? ST_OK
                  : failed(client, ROUTER_NO_AUTH, "the server did not prove that it knows us");
}

enum st router_client_hello(struct router_client *client,
                            const struct router_client_options *options, const char *tls_host,
                            bool clear)
{
    bool fellow = options->server != NULL;
    enum st st = fellow ? shake_fellow(client, options) : ST_OK;

    if (!fellow && options->implicit_tls && !clear)
        st = shake(client, options, tls_host);
    if (st == ST_OK)
        st = await_greeting(client);
    if (st == ST_OK)
        st = say_ehlo(client, options->own_name);
    if (!fellow && st == ST_OK && options->tls != ROUTER_TLS_NONE && !options->implicit_tls &&
        !clear)
        st = starttls(client, options, tls_host);
    if (!fellow && st == ST_OK && options->user != NULL)
        st = log_in(client, options);
    return st;
}
