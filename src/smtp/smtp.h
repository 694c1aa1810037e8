/* smtp.h: mail comes in: SMTP (RFC 5321), submission (RFC 6409), LMTP (RFC 2033). */
#pragma once
#include "net/net.h"

struct cluster;
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
    struct cluster *cluster; /* of proto_transfer; the others do without */
};

extern const struct net_proto proto_smtp, proto_submission, proto_lmtp;
/* Mail from the other servers of the domain: TLS with the domain's certificates on both sides from
 * the first byte (net_tls_use_for(), by the cluster). A peer without one that is in force gets no
 * session; the others are trusted: they may send to anywhere, without a log-in.
 *
 * EHLO tells XPOSTHORSE: MAIL takes XGUID=GUID, what the sender calls the message. A recipient that
 * was taken under that GUID before is answered with 250 and is not taken again. */
extern const struct net_proto proto_transfer;
