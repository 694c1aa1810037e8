/* smtp.h: mail comes in: SMTP (RFC 5321), submission (RFC 6409), LMTP (RFC 2033). */
#pragma once
#include "net/net.h"

struct router_queue;
struct router_spool;
struct store;
struct directory_auth;

/* What the sessions share; the context given to net_listen(). */
struct smtp_context {
    struct store *store;
    struct router_queue *queue;
    struct router_spool *spool; /* NULL: there is none */
    struct directory_auth *auth;
    const char *server_name;
};

extern const struct net_proto proto_smtp, proto_submission, proto_lmtp;
