/* sys_cert.h: making and reading X.509 certificate files. */
#pragma once
#include "base/base.h"

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
