/* imap.h: the IMAP4rev1 service (RFC 3501) for net_listen(). */
#pragma once
#include "net/net.h"

struct directory_auth;
struct store;

/* What all sessions of a listener share; lives as long as the net. */
struct imap_context {
    struct store *store;
    struct directory_auth *auth;
};

extern const struct net_proto proto_imap; /* its context: struct imap_context */
