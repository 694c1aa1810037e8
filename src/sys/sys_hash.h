/* sys_hash.h: SHA-256 (FIPS 180-4), HMAC (RFC 2104), PBKDF2 (RFC 8018 5.2), comparing secrets. */
#pragma once
#include "base/base.h"

#define SYS_SHA256_BYTES 32

/* One digest in the making: init, add as often as wanted, end. end frees what init took, so each
 * init needs its end. */
struct sys_sha256 {
    void *state;
};

void sys_sha256_init(struct sys_sha256 *hash);
void sys_sha256_add(struct sys_sha256 *hash, struct slice bytes);
void sys_sha256_end(struct sys_sha256 *hash, unsigned char out[SYS_SHA256_BYTES]);
/* The three above in one. */
void sys_sha256(struct slice bytes, unsigned char out[SYS_SHA256_BYTES]);

/* HMAC-SHA-256 over the parts as if they stood one behind the other. */
void sys_hmac_sha256(struct slice key, const struct slice parts[], size_t count,
                     unsigned char out[SYS_SHA256_BYTES]);
/* PBKDF2-HMAC-SHA-256: fills len bytes. rounds is at least 1. */
void sys_pbkdf2_sha256(struct slice password, struct slice salt, unsigned rounds, void *out,
                       size_t len);
/* True where both are the same. The time taken tells the lengths only, never where they differ. */
bool sys_secret_eq(struct slice a, struct slice b);
/* Overwrites with zeros in a way that the compiler keeps. */
void sys_secret_wipe(void *ptr, size_t len);
