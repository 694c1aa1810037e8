/* sys_gss.h: who a peer is, by GSSAPI (RFC 2743): Kerberos (RFC 4121) and NTLM (MS-NLMP), each
 * alone or inside SPNEGO (RFC 4178). The side that accepts.
 *
 * NTLM is there where gss-ntlmssp is installed; whom it knows is its own business (NTLM_USER_FILE
 * or winbind). Any thread, an exchange by one at a time. A step may block: on the replay cache's
 * file, on winbind. At most 16 run at once; another waits for 5 s, then it is ST_IO. */
#pragma once
#include "base/base.h"

struct buf;
struct sys_gss;

#define SYS_GSS_TOKEN_BYTES_MAX (64 * KIB)

struct sys_gss_options {
    bool kerberos; /* at least one of the two */
    bool ntlm;
    const char *service; /* whose tickets are taken: "HTTP", of any host */
    const char *keytab; /* file with the service's keys; "": KRB5_KTNAME, /etc/krb5.keytab; the same
                           one for all exchanges at a time */
    struct slice end_point; /* sys_tls_end_point() of the connection; empty: it has none */
};

/* Begins an exchange; options need not outlive it. ST_IO with a phrase: the environment lacks
 * something (keytab, mechanism). */
MUST_USE enum st sys_gss_new(const struct sys_gss_options *options, struct buf *why,
                             struct sys_gss **gss_r);
void sys_gss_free(struct sys_gss **gss); /* NULL is fine; sets *gss to NULL */

/* Takes a token and appends what is to be sent back, which may be nothing.
 *   ST_AGAIN    another token is to come
 *   ST_OK       done: sys_gss_name() and sys_gss_mechanism() say who it is
 *   ST_INVALID  that is no token; why gets a phrase for the log, as below
 *   ST_NOT_FOUND  it is of a mechanism that is not taken
 *   ST_DENIED   refused: expired, of another service, shown before, bound to another connection
 *   ST_TOO_BIG  over SYS_GSS_TOKEN_BYTES_MAX
 * After any but ST_AGAIN the exchange is over.
 * A client that binds its token to a TLS connection (RFC 5929) must have bound it to this one; one
 * that does not bind is taken all the same, as Windows does by default. */
MUST_USE enum st sys_gss_step(struct sys_gss *gss, struct slice token, struct buf *out,
                              struct buf *why);

/* After ST_OK: "alice@EXAMPLE.TEST" of Kerberos as RFC 1964 2.1.1 writes it, "EXAMPLE\alice" of
 * NTLM. Lives as long as gss. */
const char *sys_gss_name(const struct sys_gss *gss);
/* "Kerberos" or "NTLM". */
const char *sys_gss_mechanism(const struct sys_gss *gss);
/* Tokens that were taken. */
unsigned sys_gss_steps(const struct sys_gss *gss);
