#include "cluster/cluster_token.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <stdio.h>
#include <string.h>

static struct slice bytes_of(const unsigned char *bytes, size_t len)
{
    return (struct slice){(const char *)bytes, len};
}

void cluster_token_make(struct slice fingerprint, struct cluster_token *token_r)
{
    char guid[SYS_GUID_HEX + 1];

    assert(fingerprint.len == CLUSTER_PRINT_BYTES);
    sys_guid(guid);
    snprintf(token_r->invite, sizeof(token_r->invite), "%.*s", CLUSTER_INVITE_HEX, guid);
    sys_random(token_r->secret, sizeof(token_r->secret));
    memcpy(token_r->fingerprint, fingerprint.ptr, fingerprint.len);
}

enum st cluster_token_write(const struct cluster_token *token, struct buf *out)
{
    enum st st = buf_addf(out, "%s.", token->invite);

    if (st == ST_OK)
        st = text_hex(out, bytes_of(token->secret, sizeof(token->secret)));
    if (st == ST_OK)
        st = buf_add(out, SLICE("."));
    return st == ST_OK ? text_hex(out, bytes_of(token->fingerprint, sizeof(token->fingerprint)))
                       : st;
}

static bool unhex(struct slice text, unsigned char *out, size_t len)
{
    AUTO(buf) struct buf bytes = BUF(CLUSTER_TOKEN_BYTES_MAX);

    if (text_unhex(&bytes, text) != ST_OK || bytes.len != len)
        return false;
    memcpy(out, bytes.ptr, len);
    sys_secret_wipe(bytes.ptr, bytes.len);
    return true;
}

enum st cluster_token_parse(struct slice text, struct cluster_token *token_r)
{
    struct slice rest = slice_trim(text);
    struct slice invite;
    struct slice secret;
    unsigned char waste[CLUSTER_INVITE_HEX / 2];

    memset(token_r, 0, sizeof(*token_r));
    if (rest.len > CLUSTER_TOKEN_BYTES_MAX || !slice_split(&rest, '.', &invite) ||
        !slice_split(&rest, '.', &secret))
        return ST_INVALID;
    if (invite.len != CLUSTER_INVITE_HEX || !unhex(invite, waste, sizeof(waste)) ||
        !unhex(secret, token_r->secret, sizeof(token_r->secret)) ||
        !unhex(rest, token_r->fingerprint, sizeof(token_r->fingerprint)))
        return ST_INVALID;
    snprintf(token_r->invite, sizeof(token_r->invite), "%.*s", SLICE_ARG(invite));
    return ST_OK;
}

/* --- the proof: SCRAM's with a random secret in the place of a password --- */

static void client_key(const struct cluster_token *token, unsigned char key[CLUSTER_KEY_BYTES])
{
    const struct slice words[] = {SLICE("posthorse join"), slice_str(token->invite)};

    sys_hmac_sha256(bytes_of(token->secret, sizeof(token->secret)), words, COUNT(words), key);
}

void cluster_token_kept(const struct cluster_token *token, unsigned char kept[CLUSTER_KEY_BYTES])
{
    unsigned char key[CLUSTER_KEY_BYTES];

    client_key(token, key);
    sys_sha256(bytes_of(key, sizeof(key)), kept);
    sys_secret_wipe(key, sizeof(key));
}

/* Each part with its length before it, so that no two claims read alike. */
static void signature(const unsigned char kept[CLUSTER_KEY_BYTES],
                      const struct cluster_claim *claim, unsigned char out[CLUSTER_KEY_BYTES])
{
    const struct slice said[] = {claim->binding, claim->invite, claim->name, claim->request};
    unsigned char lengths[COUNT(said)][4];
    struct slice parts[2 * COUNT(said)];

    for (size_t i = 0; i < COUNT(said); i++) {
        for (size_t byte = 0; byte < 4; byte++)
            lengths[i][byte] = (unsigned char)(said[i].len >> (8 * (3 - byte)));
        parts[2 * i] = bytes_of(lengths[i], sizeof(lengths[i]));
        parts[2 * i + 1] = said[i];
    }
    sys_hmac_sha256(bytes_of(kept, CLUSTER_KEY_BYTES), parts, COUNT(parts), out);
}

void cluster_token_prove(const struct cluster_token *token, const struct cluster_claim *claim,
                         unsigned char proof[CLUSTER_KEY_BYTES])
{
    unsigned char kept[CLUSTER_KEY_BYTES];
    unsigned char key[CLUSTER_KEY_BYTES];

    cluster_token_kept(token, kept);
    client_key(token, key);
    signature(kept, claim, proof);
    for (size_t i = 0; i < CLUSTER_KEY_BYTES; i++)
        proof[i] ^= key[i];
    sys_secret_wipe(key, sizeof(key));
}

bool cluster_token_proves(const unsigned char kept[CLUSTER_KEY_BYTES],
                          const struct cluster_claim *claim, struct slice proof)
{
    unsigned char key[CLUSTER_KEY_BYTES];
    unsigned char hash[CLUSTER_KEY_BYTES];

    if (proof.len != CLUSTER_KEY_BYTES)
        return false;
    signature(kept, claim, key);
    for (size_t i = 0; i < CLUSTER_KEY_BYTES; i++)
        key[i] ^= (unsigned char)proof.ptr[i];
    sys_sha256(bytes_of(key, sizeof(key)), hash);
    sys_secret_wipe(key, sizeof(key));
    return sys_secret_eq(bytes_of(hash, sizeof(hash)), bytes_of(kept, CLUSTER_KEY_BYTES));
}
