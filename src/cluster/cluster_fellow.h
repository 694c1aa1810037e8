/* cluster_fellow.h: another server of the domain at the end of a TLS connection, and whether it may
 * be trusted: for mail that servers hand to each other. */
#pragma once
#include "base/base.h"

struct buf;
struct cluster;
struct sys_tls;
struct sys_tls_client;

/* What its certificate says. */
struct cluster_fellow {
    char name[256];    /* the server's */
    int64_t issued_ms; /* on the clock of who signed it */
    int64_t ends_ms;
};

/* Who it is: tls is of a handshake with the domain's certificates (sys_tls_server_new_mutual(), or
 * cluster_fellow_client()), so that what it has shown is signed by the domain's authority. NULL: a
 * member that may be trusted; otherwise a phrase that says why not. */
const char *cluster_fellow_read(struct cluster *cluster, const struct sys_tls *tls,
                                struct cluster_fellow *fellow_r);
/* Whether that is still so: NULL, or why not (revoked, or ended). Takes a lock for a moment. */
const char *cluster_fellow_doubt(struct cluster *cluster, const struct cluster_fellow *fellow);
/* What a connection to another server shows and trusts, read anew from data_dir/domain: the
 * caller's to free. As sys_tls_client_new_mutual(). */
MUST_USE enum st cluster_fellow_client(const struct cluster *cluster, struct buf *why,
                                       struct sys_tls_client **client_r);
