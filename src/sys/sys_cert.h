/* sys_cert.h: making and reading X.509 certificate files. */
#pragma once
#include "base/base.h"

struct buf;

/* Writes a certificate signed by itself (ECDSA P-256, TLS server) and its key as PEM files, the key
 * with mode 0600. Each name becomes a subjectAltName: an IP address where it reads as one, a DNS
 * name otherwise (RFC 5280 4.2.1.6); the first is the subject's common name too. Valid from an hour
 * ago for days days. ST_INVALID: no name, or one that is empty or over 255 bytes; else what writing
 * the files gave. */
MUST_USE enum st sys_cert_make_selfsigned(const char *const names[], size_t count, unsigned days,
                                          const char *cert_path, const char *key_path);
/* When the first certificate of the PEM file ends, in milliseconds since 1970. ST_INVALID: holds no
 * certificate; else what reading the file gave. */
MUST_USE enum st sys_cert_expiry_ms(const char *cert_file, int64_t *expiry_ms_r);

/* --- a domain's own certificates --- */

#define SYS_CERT_NAME_BYTES 256
#define SYS_CERT_PRINT_BYTES 32

struct sys_cert_look {
    char name[SYS_CERT_NAME_BYTES]; /* its first DNS name, or its common name where it has none */
    int64_t issued_ms;              /* as sys_cert_sign() was told; of other makers' no meaning */
    int64_t ends_ms;
    bool authority;                            /* may sign others */
    unsigned char print[SYS_CERT_PRINT_BYTES]; /* SHA-256 of its DER form */
};

/* Looks at the first certificate of a PEM text. ST_INVALID: there is none. */
MUST_USE enum st sys_cert_look(struct slice pem, struct sys_cert_look *look_r);
/* A certificate authority (ECDSA P-256) of this common name, for days days, and its key, appended
 * as PEM. It may sign servers, not other authorities. ST_INVALID: no name; ST_TOO_BIG. */
MUST_USE enum st sys_cert_make_authority(const char *name, unsigned days, struct buf *cert_pem,
                                         struct buf *key_pem);
/* A new key (ECDSA P-256) and a request for a certificate (PKCS #10, RFC 2986) of this name, signed
 * with it, appended as PEM. */
MUST_USE enum st sys_cert_make_request(const char *name, struct buf *key_pem,
                                       struct buf *request_pem);

struct sys_cert_authority {
    struct slice cert_pem;
    struct slice key_pem;
};
/* Makes the certificate of the key that signed the request, for a server and a client of TLS, named
 * `name` and nothing else whatever the request asks for; valid from an hour before issued_ms until
 * life_ms after it. Appended as PEM, the authority's behind it. ST_INVALID: not a request, or not
 * signed with its own key; ST_DENIED: the authority's files do not fit. */
MUST_USE enum st sys_cert_sign(const struct sys_cert_authority *authority, struct slice request_pem,
                               const char *name, int64_t issued_ms, uint64_t life_ms,
                               struct buf *cert_pem);
