#include "sys/sys_hash.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>

/* The calls below fail only where GnuTLS was built or set up without SHA-256: nothing we could do
 * without it. */
static void must(int rc)
{
    if (rc < 0)
        abort();
}

void sys_sha256_init(struct sys_sha256 *hash)
{
    gnutls_hash_hd_t handle;

    must(gnutls_hash_init(&handle, GNUTLS_DIG_SHA256));
    hash->state = handle;
}

void sys_sha256_add(struct sys_sha256 *hash, struct slice bytes)
{
    if (bytes.len > 0)
        must(gnutls_hash(hash->state, bytes.ptr, bytes.len));
}

void sys_sha256_end(struct sys_sha256 *hash, unsigned char out[SYS_SHA256_BYTES])
{
    gnutls_hash_deinit(hash->state, out);
    hash->state = NULL;
}

void sys_sha256(struct slice bytes, unsigned char out[SYS_SHA256_BYTES])
{
    must(gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes.len > 0 ? bytes.ptr : "", bytes.len, out));
}

void sys_hmac_sha256(struct slice key, const struct slice parts[], size_t count,
                     unsigned char out[SYS_SHA256_BYTES])
{
    gnutls_hmac_hd_t handle;

    must(gnutls_hmac_init(&handle, GNUTLS_MAC_SHA256, key.len > 0 ? key.ptr : "", key.len));
    for (size_t i = 0; i < count; i++)
        if (parts[i].len > 0)
            must(gnutls_hmac(handle, parts[i].ptr, parts[i].len));
    gnutls_hmac_deinit(handle, out);
}

void sys_pbkdf2_sha256(struct slice password, struct slice salt, unsigned rounds, void *out,
                       size_t len)
{
    static unsigned char none;
    gnutls_datum_t key = {password.len > 0 ? (unsigned char *)(uintptr_t)password.ptr : &none,
                          (unsigned)password.len};
    gnutls_datum_t salted = {salt.len > 0 ? (unsigned char *)(uintptr_t)salt.ptr : &none,
                             (unsigned)salt.len};

    assert(rounds > 0);
    must(gnutls_pbkdf2(GNUTLS_MAC_SHA256, &key, &salted, rounds, out, len));
}

bool sys_secret_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || gnutls_memcmp(a.ptr, b.ptr, a.len) == 0);
}

void sys_secret_wipe(void *ptr, size_t len)
{
    gnutls_memset(ptr, 0, len);
}
