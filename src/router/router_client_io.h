/* router_client_io.h: inside router_client*.c: commands out, replies in, each with its deadline. */
#pragma once
#include "base/buf.h"
#include "router/router_client.h"
#include "sys/sys_stream.h"

#define ROUTER_CLIENT_OUT_BYTES (64 * KIB)   /* a body in pieces of this */
#define ROUTER_CLIENT_IN_BYTES_MAX (1 * MIB) /* of replies kept unread while we send */
#define ROUTER_CLIENT_AUTH_BYTES_MAX 500     /* of a list of mechanisms */

struct router_client {
    struct sys_stream stream;
    uint64_t reply_ms;
    uint64_t end_ms;
    uint64_t limit_ms; /* on sys_mono_ms(): the deadline of the whole transaction */
    unsigned peer;     /* bits of enum router_peer */
    uint64_t size_max; /* 0: none said */
    char auth[ROUTER_CLIENT_AUTH_BYTES_MAX + 1]; /* mechanisms, between blanks */
    struct cluster_fellow *fellow;               /* a server of our domain; NULL */
    enum router_stage stage;
    bool broken;   /* failure says why */
    bool finished; /* 421 was said */
    bool dirty;    /* a transaction is half-done: RSET before the next MAIL */
    struct router_answer failure;
    struct router_reply reply; /* the last */
    struct buf in;             /* received; empty once all of it was read */
    size_t in_read;            /* so much of it was read as replies */
    struct buf out;            /* to be sent by router_client_io_flush() */
};

/* Notes that the connection is of no more use, and why, unless that is noted already. False. */
bool router_client_io_fail(struct router_client *client, enum router_answer_kind kind,
                           const char *text);
/* Sends what client->out holds, reading meanwhile so that neither side waits for the other, by
 * deadline_ms. False: broken. */
bool router_client_io_flush(struct router_client *client, uint64_t deadline_ms);
/* Waits at most ms for the next reply, into client->reply. False: broken. A reply of 3yz is garbage
 * unless asked for. Notes 421. */
bool router_client_io_reply(struct router_client *client, uint64_t ms, bool want_3yz);
/* Sends the line (formatted, without CR LF) and waits for its reply. False: broken. */
bool router_client_io_command(struct router_client *client, bool want_3yz, const char *fmt, ...)
    PRINTF(3, 4);
/* Takes in, without waiting, what has come. False: the server has closed, or broken. */
bool router_client_io_take(struct router_client *client);
/* Whether the server has already begun a refusal (4yz, 5yz), and it is whole: into client->reply.
 * For a connection that broke while we were sending. */
bool router_client_io_last_words(struct router_client *client);
/* The sooner of ms from now and the transaction's deadline. */
uint64_t router_client_io_deadline(const struct router_client *client, uint64_t ms);
