#include "router/router_client_io.h"

#include "base/slice.h"
#include "sys/sys_time.h"

#include <stdarg.h>
#include <stdio.h>

#define READ_BYTES (16 * KIB)
#define COMMAND_BYTES_MAX 16000

bool router_client_io_fail(struct router_client *client, enum router_answer_kind kind,
                           const char *text)
{
    if (!client->broken)
        router_answer_say(&client->failure, kind, client->stage, text);
    client->broken = true;
    return false;
}

uint64_t router_client_io_deadline(const struct router_client *client, uint64_t ms)
{
    uint64_t deadline_ms = sys_mono_ms() + ms;

    return client->limit_ms < deadline_ms ? client->limit_ms : deadline_ms;
}

/* One piece of what has come: ST_OK, ST_AGAIN: nothing there, ST_IO: closed or broken. */
static enum st take_some(struct router_client *client)
{
    size_t len = 0;

    buf_drop(&client->in, client->in_read);
    client->in_read = 0;
    char *room = buf_room(&client->in, READ_BYTES);
    if (room == NULL) {
        router_client_io_fail(client, ROUTER_GARBAGE, "it talks without being asked");
        return ST_IO;
    }
    enum st st = sys_stream_recv(&client->stream, room, READ_BYTES, &len);
    if (st == ST_AGAIN)
        return ST_AGAIN;
    if (st == ST_INVALID)
        router_client_io_fail(client, ROUTER_GARBAGE, "what came is no TLS");
    else if (st != ST_OK || len == 0)
        router_client_io_fail(client, ROUTER_CUT, "the server closed the connection");
    buf_grew(&client->in, len);
    return client->broken ? ST_IO : ST_OK;
}

bool router_client_io_take(struct router_client *client)
{
    enum st st = ST_OK;

    while (st == ST_OK && client->in.len + READ_BYTES <= ROUTER_CLIENT_IN_BYTES_MAX)
        st = take_some(client);
    return !client->broken;
}

/* Waits until there is room to send. */
static bool await_room(struct router_client *client, uint64_t deadline_ms)
{
    unsigned wanted = SYS_STREAM_WRITE;
    unsigned ready = 0;

    if (client->in.len + READ_BYTES <= ROUTER_CLIENT_IN_BYTES_MAX)
        wanted |= SYS_STREAM_READ;
    enum st st = sys_stream_wait(&client->stream, wanted, deadline_ms, &ready);
    if (st == ST_AGAIN)
        return router_client_io_fail(client, ROUTER_TIMED_OUT, "it took nothing more in time");
    if (st != ST_OK)
        return router_client_io_fail(client, ROUTER_CUT, "stopped");
    return (ready & SYS_STREAM_READ) == 0 || router_client_io_take(client);
}

bool router_client_io_flush(struct router_client *client, uint64_t deadline_ms)
{
    size_t done = 0;

    while (!client->broken && done < client->out.len) {
        size_t len = 0;
        enum st st = sys_stream_send(
            &client->stream, (struct slice){client->out.ptr + done, client->out.len - done}, &len);

        done += len;
        if (st == ST_AGAIN)
            await_room(client, deadline_ms);
        else if (st != ST_OK)
            router_client_io_fail(client, ROUTER_CUT, "the connection broke while sending");
    }
    buf_clear(&client->out);
    return !client->broken;
}

/* Feeds what is there to the reply. */
static enum st parse(struct router_client *client)
{
    struct slice rest = slice_sub(buf_slice(&client->in), client->in_read, SIZE_MAX);
    size_t used;
    enum st st = router_reply_feed(&client->reply, rest, &used);

    client->in_read += used;
    if (client->in_read == client->in.len) {
        client->in_read = 0;
        buf_clear(&client->in);
    }
    return st;
}

/* Waits until something comes. */
static bool await_input(struct router_client *client, uint64_t deadline_ms)
{
    unsigned ready;
    enum st st = take_some(client);

    if (st != ST_AGAIN)
        return st == ST_OK;
    st = sys_stream_wait(&client->stream, SYS_STREAM_READ, deadline_ms, &ready);
    if (st == ST_AGAIN)
        return router_client_io_fail(client, ROUTER_TIMED_OUT, "no reply in time");
    return st == ST_OK || router_client_io_fail(client, ROUTER_CUT, "stopped");
}

bool router_client_io_reply(struct router_client *client, uint64_t ms, bool want_3yz)
{
    uint64_t deadline_ms = router_client_io_deadline(client, ms);

    router_reply_init(&client->reply);
    enum st st = parse(client);
    while (st == ST_AGAIN && !client->broken) {
        /* A server that drips may always have something ready. */
        if (sys_mono_ms() >= deadline_ms)
            return router_client_io_fail(client, ROUTER_TIMED_OUT, "no reply in time");
        if (!await_input(client, deadline_ms))
            return false;
        st = parse(client);
    }
    if (client->broken)
        return false;
    if (st != ST_OK || (client->reply.code / 100 == 3 && !want_3yz))
        return router_client_io_fail(client, ROUTER_GARBAGE, "the reply is no SMTP");
    client->finished = client->finished || client->reply.code == 421;
    return true;
}

bool router_client_io_command(struct router_client *client, bool want_3yz, const char *fmt, ...)
{
    char line[COMMAND_BYTES_MAX];
    va_list args;

    if (client->broken)
        return false;
    if (client->in.len > 0)
        return router_client_io_fail(client, ROUTER_GARBAGE, "a reply that was not asked for");
    va_start(args, fmt);
    int len = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    assert(len >= 0 && (size_t)len < sizeof(line));
    buf_putf(&client->out, "%s\r\n", line);
    return router_client_io_flush(client, router_client_io_deadline(client, client->reply_ms)) &&
           router_client_io_reply(client, client->reply_ms, want_3yz);
}

bool router_client_io_last_words(struct router_client *client)
{
    size_t len = 1;

    while (len > 0 && client->in.len + READ_BYTES <= ROUTER_CLIENT_IN_BYTES_MAX) {
        char *room = buf_room(&client->in, READ_BYTES);

        if (room == NULL || sys_stream_recv(&client->stream, room, READ_BYTES, &len) != ST_OK)
            break;
        buf_grew(&client->in, len);
    }
    router_reply_init(&client->reply);
    return parse(client) == ST_OK && client->reply.code >= 400;
}
