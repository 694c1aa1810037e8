/* auth_scram.h: what is kept of a password for SCRAM-SHA-256 (RFC 5802, RFC 7677). */
#pragma once
#include "base/base.h"

struct buf;

#define AUTH_SCRAM_ROUNDS 4096 /* RFC 7677 4: at least this */
#define AUTH_SCRAM_SALT_BYTES 16

/* Appends "SCRAM-SHA-256$4096:salt$StoredKey:ServerKey" (RFC 5803's fields, RFC 5802's keys). As
 * auth_password_make(). */
MUST_USE enum st auth_scram_make(struct slice password, struct buf *out);

/* The fields of auth_scram_make()'s text, still in base64 and borrowed. ST_INVALID: not of that
 * form. */
struct auth_scram {
    unsigned rounds;
    struct slice salt;
    struct slice stored_key;
    struct slice server_key;
};
MUST_USE enum st auth_scram_parse(struct slice text, struct auth_scram *scram_r);
/* A salt in base64 for a name that there is not: the same each time for this process and
 * name, whatever its ASCII case. */
MUST_USE enum st auth_scram_fake_salt(struct slice name, struct buf *out);
