#include "router/router_client_hello.h"

#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_sock.h"
#include "sys/sys_time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HOST_BYTES 256
/* What a burst and the commands before it may take: a body whose every byte is a bare LF doubles.
 */
#define OUT_BYTES_MAX (16 * MIB)

/* The domain's servers answer each other's pings every moment; what is sent into a cut link would
 * otherwise wait far beyond the cut, while there may be another way. */
#define FELLOW_UNREACHED_MS 5000

/* The name that TLS wants: "[192.0.2.1]" and "[IPv6:2001:db8::1]" without what is around it. */
static void tls_name(const char *host, char name[HOST_BYTES])
{
    struct slice text = slice_str(host);

    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = slice_sub(text, 1, text.len - 2);
    if (slice_istarts(text, SLICE("IPv6:")))
        text = slice_sub(text, 5, SIZE_MAX);
    snprintf(name, HOST_BYTES, "%.*s", SLICE_ARG(text));
}

static void say_no_connection(struct router_answer *answer, enum st st)
{
    const char *text = st == ST_INVALID     ? "not an address"
                       : st == ST_AGAIN     ? "no answer to the connection"
                       : errno == ECANCELED ? "stopped"
                                            : strerror(errno);

    router_answer_say(answer, ROUTER_NO_CONNECTION, ROUTER_STAGE_CONNECT, text);
}

static struct router_client *connect_to(const struct router_client_options *options,
                                        const char *address, uint16_t port,
                                        struct router_answer *answer_r)
{
    int fd = -1;
    enum st st = sys_connect(address, port, options->connect_ms, options->stop_fd, &fd);

    if (st != ST_OK) {
        say_no_connection(answer_r, st);
        return NULL;
    }
    struct router_client *client = mem_new(struct router_client);
    if (options->server != NULL)
        sys_sock_unreached_ms(fd, FELLOW_UNREACHED_MS);
    sys_stream_init(&client->stream, fd, options->stop_fd);
    buf_init(&client->in, ROUTER_CLIENT_IN_BYTES_MAX);
    buf_init(&client->out, OUT_BYTES_MAX);
    client->reply_ms = options->reply_ms;
    client->end_ms = options->end_ms;
    client->limit_ms = UINT64_MAX;
    return client;
}

struct router_client *router_client_open(const struct router_client_options *options,
                                         const char *host, const char *address, uint16_t port,
                                         struct router_answer *answer_r)
{
    char name[HOST_BYTES];
    enum st st = ST_CONFLICT;
    struct router_client *client = NULL;

    assert(options->server != NULL           ? options->cluster != NULL
           : options->tls == ROUTER_TLS_NONE ? !options->implicit_tls
                                             : options->tls_client != NULL);
    tls_name(host, name);
    for (int turn = 0; turn < 2 && st == ST_CONFLICT; turn++) {
        router_client_free(&client);
        client = connect_to(options, address, port, answer_r);
        if (client == NULL)
            return NULL;
        st = router_client_hello(client, options, name, turn == 1);
    }
    if (st == ST_OK) {
        router_answer_take(answer_r, ROUTER_ANSWERED, client->stage, &client->reply);
        return client;
    }
    *answer_r = client->failure;
    router_client_free(&client);
    return NULL;
}

bool router_client_has(const struct router_client *client, enum router_peer feature)
{
    return (client->peer & (unsigned)feature) != 0;
}

const struct cluster_fellow *router_client_fellow(const struct router_client *client)
{
    return client->fellow;
}

bool router_client_alive(struct router_client *client)
{
    return !client->broken && !client->finished && client->in.len == 0 &&
           router_client_io_take(client) && client->in.len == 0;
}

bool router_client_reset(struct router_client *client)
{
    client->stage = ROUTER_STAGE_MAIL;
    if (client->dirty && !client->finished && router_client_io_command(client, false, "RSET"))
        client->dirty = client->reply.code / 100 != 2;
    return !client->dirty && !client->broken && !client->finished;
}

void router_client_quit(struct router_client **client)
{
    if (*client != NULL && router_client_alive(*client)) {
        buf_put(&(*client)->out, SLICE("QUIT\r\n"));
        (void)router_client_io_flush(*client, sys_mono_ms());
    }
    router_client_free(client);
}

void router_client_free(struct router_client **client)
{
    if (*client == NULL)
        return;
    sys_stream_fini(&(*client)->stream);
    buf_fini(&(*client)->in);
    buf_fini(&(*client)->out);
    mem_free((*client)->fellow);
    mem_free(*client);
    *client = NULL;
}
