#include "cluster/cluster_fellow.h"

#include "cluster/cluster_run.h"
#include "sys/sys_cert.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <string.h>

#define PEM_BYTES_MAX (64 * KIB)

const char *cluster_fellow_read(struct cluster *cluster, const struct sys_tls *tls,
                                struct cluster_fellow *fellow_r)
{
    AUTO(buf) struct buf pem = BUF(PEM_BYTES_MAX);
    struct sys_cert_look look;

    static_assert(sizeof(look.name) == sizeof(fellow_r->name), "a name is a name");
    memset(fellow_r, 0, sizeof(*fellow_r));
    if (sys_tls_peer_pem(tls, &pem) != ST_OK)
        return "it shows no certificate";
    if (sys_cert_look(buf_slice(&pem), &look) != ST_OK || look.name[0] == '\0')
        return "its certificate names no server";
    memcpy(fellow_r->name, look.name, sizeof(look.name));
    fellow_r->issued_ms = look.issued_ms;
    fellow_r->ends_ms = look.ends_ms;
    if (strcmp(look.name, cluster->context.server_name) == 0)
        return "it shows a certificate of this server's name";
    return cluster_fellow_doubt(cluster, fellow_r);
}

const char *cluster_fellow_doubt(struct cluster *cluster, const struct cluster_fellow *fellow)
{
    if (cluster_is_revoked(cluster, fellow->name, fellow->issued_ms))
        return "its certificate was revoked";
    return sys_now_ms() >= fellow->ends_ms ? "its certificate has ended" : NULL;
}

enum st cluster_fellow_client(const struct cluster *cluster, struct buf *why,
                              struct sys_tls_client **client_r)
{
    char member[CLUSTER_PATH_BYTES];
    char authority[CLUSTER_PATH_BYTES];

    cluster_domain_path(cluster->context.data_dir, CLUSTER_FILE_MEMBER, member);
    cluster_domain_path(cluster->context.data_dir, CLUSTER_FILE_AUTHORITY, authority);
    return sys_tls_client_new_mutual(member, authority, why, client_r);
}
