/* auth_sasl_client.h: logging in to another server: the client's side of SASL (RFC 4422) with
 * SCRAM-SHA-256-PLUS, SCRAM-SHA-256 (RFC 5802, RFC 7677), PLAIN (RFC 4616) and LOGIN. */
#pragma once
#include "auth/auth_sasl.h"

struct auth_sasl_client;

/* Borrowed until auth_sasl_client_new() returns. */
struct auth_sasl_client_options {
    struct slice name;
    struct slice password;
    struct slice offered;      /* the server's mechanisms, separated by blanks */
    bool plain_allowed;        /* TLS is on: PLAIN and LOGIN may be used */
    struct slice tls_exporter; /* channel bindings, bytes; empty: there is none */
    struct slice tls_unique;
};

/* Takes the best mechanism offered; -PLUS where there is a channel binding. ST_NOT_FOUND: none that
 * is known here; ST_DENIED: none that may be used without TLS. */
MUST_USE enum st auth_sasl_client_new(const struct auth_sasl_client_options *options,
                                      struct auth_sasl_client **client_r);
void auth_sasl_client_free(struct auth_sasl_client **client); /* NULL is fine; sets it to NULL */
/* "SCRAM-SHA-256" and so on. */
const char *auth_sasl_client_mechanism(const struct auth_sasl_client *client);
/* Whether the first message is the client's (an initial response); false: LOGIN. */
bool auth_sasl_client_begins(const struct auth_sasl_client *client);
/* Takes a challenge, base64 undone (to begin, the empty slice), and appends the response to out.
 * ST_INVALID: the challenge is not right, or SCRAM found that the server does not know the
 * password. */
MUST_USE enum st auth_sasl_client_step(struct auth_sasl_client *client, struct slice in,
                                       struct buf *out);
/* Whether the server may be believed when it says that all went well: SCRAM has seen its proof;
 * always with PLAIN and LOGIN. */
bool auth_sasl_client_proved(const struct auth_sasl_client *client);
