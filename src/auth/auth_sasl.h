/* auth_sasl.h: who a client is: SASL exchanges (RFC 4422) with PLAIN (RFC 4616), SCRAM-SHA-256 and
 * SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), and a plain name and password (IMAP LOGIN).
 *
 * An unknown name, a disabled account and a wrong password look the same to the client and cost the
 * same. Throttling, the cache of recent successes and counting failures are done here; logging is
 * the protocol's, from auth_sasl_why(). */
#pragma once
#include "auth/auth_password.h"
#include "base/base.h"

struct auth_cache;
struct auth_sasl;
struct auth_throttle;
struct buf;

#define AUTH_NAME_BYTES_MAX 255
#define AUTH_BINDING_BYTES_MAX 64

/* What the directory knows of a person. */
struct auth_person {
    char name[AUTH_NAME_BYTES_MAX + 1];         /* canonical: what auth_sasl_name() will say */
    char yescrypt[AUTH_VERIFIER_BYTES_MAX + 1]; /* for PLAIN and LOGIN; "" where there is none */
    char scram[AUTH_VERIFIER_BYTES_MAX + 1];    /* for SCRAM; "" where there is none */
    bool disabled;
};

/* Fills *person (zeroed before) for the name a client gave, SASLprepped. ST_OK, ST_NOT_FOUND, or
 * ST_IO where it cannot be said now: the exchange then ends with ST_IO and counts no failure. */
typedef enum st auth_lookup(void *arg, struct slice name, struct auth_person *person);

struct auth_options {
    auth_lookup *lookup;
    void *arg;
    struct auth_throttle *throttle; /* NULL: none */
    struct auth_cache *cache;       /* NULL: none */
    struct slice address;           /* the peer's, as text */
    uint64_t now_ms;                /* sys_mono_ms() */
    bool plain_allowed;             /* TLS is on, or auth_plain_without_tls */
    struct slice tls_exporter;      /* channel bindings, bytes; empty: this connection has none */
    struct slice tls_unique;
};

/* Why an exchange ended as it did: for the log, never for the client. */
enum auth_why {
    AUTH_WHY_NONE, /* succeeded, or still going on */
    AUTH_WHY_PASSWORD,
    AUTH_WHY_NOBODY, /* no such name, or one without a verifier of the kind needed */
    AUTH_WHY_DISABLED,
    AUTH_WHY_THROTTLED,
    AUTH_WHY_AUTHZID, /* wanted to act as somebody else */
    AUTH_WHY_BINDING, /* SCRAM without the channel binding that was offered: a man in the middle? */
    AUTH_WHY_MALFORMED, /* also: given up, too long, PLAIN where it is not allowed */
    AUTH_WHY_DIRECTORY, /* the look-up failed */
    AUTH_WHY_TOKEN,     /* GSSAPI refused it: expired, of another service, shown before ... */
    AUTH_WHY_REALM,     /* GSSAPI knows who it is, but that is somebody of another realm */
    AUTH_WHY_LIBRARY,   /* GSSAPI lacks something here, such as a keytab */
    AUTH_WHY_MAX,
};
/* "password", "nobody" and so on. */
const char *auth_why_name(enum auth_why why);

/* Appends the mechanisms that may be used, best first, each after `before`: " " for EHLO's AUTH
 * line (RFC 4954), " AUTH=" for CAPABILITY (RFC 9051 7.2.2). */
MUST_USE enum st auth_sasl_mechanisms(const struct auth_options *options, const char *before,
                                      struct buf *out);

/* Begins an exchange. What options points to (lookup's arg, throttle, cache, and the bytes of
 * address) must live until auth_sasl_free(); options itself and the bindings need not.
 * ST_NOT_FOUND: no such mechanism here; ST_DENIED: PLAIN, but not without TLS (RFC 4954's 538,
 * IMAP's PRIVACYREQUIRED). */
MUST_USE enum st auth_sasl_new(const struct auth_options *options, struct slice mechanism,
                               struct auth_sasl **sasl_r);
void auth_sasl_free(struct auth_sasl **sasl); /* NULL is fine; sets *sasl to NULL */

/* Takes what the client sent, base64 undone; to begin without an initial response, the empty slice.
 * *out is cleared first.
 * ST_AGAIN: send *out (which may be empty) as a challenge. SCRAM's last message goes out this way
 *   too, and the client's empty answer to it ends the exchange (RFC 4422 5, "additional data").
 * ST_OK: done, auth_sasl_name() is who it is. ST_DENIED: refused. ST_INVALID: malformed. ST_IO: the
 * directory could not say. After any but ST_AGAIN the exchange is over. */
MUST_USE enum st auth_sasl_step(struct auth_sasl *sasl, struct slice in, struct buf *out);

/* After ST_OK the canonical name; before, or after a failure, what the client called itself ("" if
 * it has not): for the log. Lives as long as sasl. */
struct slice auth_sasl_name(const struct auth_sasl *sasl);
enum auth_why auth_sasl_why(const struct auth_sasl *sasl);

/* A name and a password at once, by the same rules: ST_OK and *person filled, ST_DENIED, ST_INVALID
 * (empty or too long), ST_IO. Does not look at options->plain_allowed: the protocol's guard has.
 * why_r may be NULL. */
MUST_USE enum st auth_login(const struct auth_options *options, struct slice name,
                            struct slice password, struct auth_person *person,
                            enum auth_why *why_r);

/* Somebody whom GSSAPI vouches for, in three calls. Too many failures at this address? */
bool auth_vouched_throttled(const struct auth_options *options);
/* The exchange failed, AUTH_WHY_TOKEN or the like: counts it for the address. */
void auth_vouched_failed(const struct auth_options *options);
/* It succeeded: fills *person. The name must be that of the document, no other name of the person:
 * what somebody's aliases are nobody asks who gives out names in a realm. ST_OK, ST_DENIED, ST_IO.
 */
MUST_USE enum st auth_vouched(const struct auth_options *options, struct slice name,
                              struct auth_person *person, enum auth_why *why_r);

/* SASLprep (RFC 4013), appended. stored: the result is kept (unassigned code points refused).
 * ST_INVALID: not UTF-8, holds a NUL, prohibited, or nothing is left of it. */
MUST_USE enum st auth_saslprep(struct slice text, bool stored, struct buf *out);
