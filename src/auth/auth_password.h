/* auth_password.h: passwords and what is kept of them (verifiers), and a memory of recent
 * successes.
 *
 * Passwords are prepared with SASLprep (RFC 4013) before anything is made of them, so that a letter
 * typed as one character or as two is the same password. */
#pragma once
#include "base/base.h"

struct buf;

#define AUTH_PASSWORD_BYTES_MAX 1000
#define AUTH_VERIFIER_BYTES_MAX 384

/* Appends a yescrypt string ("$y$..."), salted afresh. ST_INVALID: the password is empty, over
 * AUTH_PASSWORD_BYTES_MAX or has characters that SASLprep prohibits. ST_TOO_BIG: out is full. */
MUST_USE enum st auth_password_make(struct slice password, struct buf *out);

/* Whether the password is the one that yescrypt was made from. Any crypt(5) string is understood.
 * Costs one key derivation whatever the answer is, a bad password or string included. At most a few
 * run at once (16 MiB each); the others wait. */
bool auth_password_check(const char *yescrypt, struct slice password);
/* The same cost, for a name that there is not. */
void auth_password_check_nobody(struct slice password);
/* How many of these and of auth_scram_make() were computed by this process. */
uint64_t auth_password_derivations(void);
