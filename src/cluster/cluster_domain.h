/* cluster_domain.h: the domain's own authority, kept in data_dir/domain.
 *
 *   authority.pem   the authority's certificate: every server has it
 *   authority.key   its key: only where `posthorse domain init` was run
 *   member.pem      this server's certificate, the authority's and this server's key, in one file
 * so that they are exchanged together invites/ID      invitations that are open: "NAME HASH
 * EXPIRES" epoch           how often this server has started, or the time, whichever is more
 */
#pragma once
#include "base/base.h"

struct buf;
struct cluster_claim;

#define CLUSTER_PATH_BYTES 4200

enum cluster_file {
    CLUSTER_FILE_FOLDER,
    CLUSTER_FILE_AUTHORITY,
    CLUSTER_FILE_KEY,
    CLUSTER_FILE_MEMBER,
    CLUSTER_FILE_INVITES,
    CLUSTER_FILE_EPOCH,
    CLUSTER_FILE_COPIES, /* cluster_journal.h */
};
void cluster_domain_path(const char *data_dir, enum cluster_file file,
                         char path[CLUSTER_PATH_BYTES]);

/* All of these put a sentence into why where they fail. */

/* Makes the authority of the domain (its name) and this server's certificate. ST_EXISTS: this
 * server is of a domain already. */
MUST_USE enum st cluster_domain_init(const char *data_dir, const char *domain, const char *server,
                                     uint64_t life_ms, struct buf *why);
/* Appends a token that lets a server of this name join within life_ms. ST_NOT_FOUND: the authority
 * is not here. */
MUST_USE enum st cluster_domain_invite(const char *data_dir, const char *name, uint64_t life_ms,
                                       struct buf *token, struct buf *why);
/* Signs the request of a claim that the proof proves, and ends the invitation. ST_DENIED: no such
 * invitation, used, expired, for another name, or not proved: why tells which, for the log alone.
 * issued_ms: cluster_domain_sign(). */
MUST_USE enum st cluster_domain_admit(const char *data_dir, const struct cluster_claim *claim,
                                      struct slice proof, int64_t issued_ms, uint64_t life_ms,
                                      struct buf *cert_pem, struct buf *why);
/* Signs a request of a server whose name is proved. issued_ms is what a revocation is compared
 * with. */
MUST_USE enum st cluster_domain_sign(const char *data_dir, struct slice request, const char *name,
                                     int64_t issued_ms, uint64_t life_ms, struct buf *cert_pem,
                                     struct buf *why);
/* Keeps the certificate that was made for the key, and, where it is given, the authority.
 * ST_DENIED: it is not of this name, or not of the authority that is known. */
MUST_USE enum st cluster_domain_keep(const char *data_dir, const char *name, struct slice cert_pem,
                                     struct slice key_pem, struct slice authority_pem,
                                     struct buf *why);

struct cluster_domain_look {
    char domain[256];
    char fingerprint[65]; /* hexadecimal */
    char server[256];     /* that this server's certificate names */
    bool authority;       /* the key is here */
    unsigned invite_count;
    int64_t authority_ends_ms;
    int64_t issued_ms; /* this server's certificate */
    int64_t ends_ms;
};
/* ST_NOT_FOUND: this server is of no domain. */
MUST_USE enum st cluster_domain_look(const char *data_dir, struct cluster_domain_look *look_r,
                                     struct buf *why);
/* A number that grows with each start, whatever the clock does. */
MUST_USE enum st cluster_domain_epoch(const char *data_dir, uint64_t *epoch_r);
