/* cluster_token.h: the word that lets one new server join, once. Pure.
 *
 * "INVITE.SECRET.FINGERPRINT": which invitation it is, what proves it, and the SHA-256 of the
 * authority's certificate, so that the one who joins knows the right domain before saying anything.
 * The inviting server keeps a hash. The proof is SCRAM's (RFC 5802 section 3), bound to the TLS
 * connection, the name and the request: whoever reads the kept hash, or the proof, has no token. */
#pragma once
#include "base/base.h"

struct buf;

#define CLUSTER_INVITE_HEX 16
#define CLUSTER_SECRET_BYTES 20
#define CLUSTER_PRINT_BYTES 32
#define CLUSTER_KEY_BYTES 32
#define CLUSTER_TOKEN_BYTES_MAX 256

struct cluster_token {
    char invite[CLUSTER_INVITE_HEX + 1];
    unsigned char secret[CLUSTER_SECRET_BYTES];
    unsigned char fingerprint[CLUSTER_PRINT_BYTES];
};

/* With a new invitation and secret. */
void cluster_token_make(struct slice fingerprint, struct cluster_token *token_r);
MUST_USE enum st cluster_token_write(const struct cluster_token *token, struct buf *out);
/* ST_INVALID: not a token. */
MUST_USE enum st cluster_token_parse(struct slice text, struct cluster_token *token_r);

/* What the inviting server keeps. */
void cluster_token_kept(const struct cluster_token *token, unsigned char kept[CLUSTER_KEY_BYTES]);
/* What the proof speaks of. */
struct cluster_claim {
    struct slice binding; /* the connection's channel binding (RFC 9266) */
    struct slice invite;
    struct slice name;
    struct slice request;
};
void cluster_token_prove(const struct cluster_token *token, const struct cluster_claim *claim,
                         unsigned char proof[CLUSTER_KEY_BYTES]);
/* Whether the proof was made for the claim by one who has the token of what is kept. */
bool cluster_token_proves(const unsigned char kept[CLUSTER_KEY_BYTES],
                          const struct cluster_claim *claim, struct slice proof);
