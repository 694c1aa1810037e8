#include "sys/sys_cert.h"

#include "base/buf.h"
#include "base/slice.h"
#include "sys/sys_file.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>

#define CERT_FILE_BYTES_MAX (1 * MIB)
#define NAME_BYTES_MAX 255
#define SERIAL_BYTES 16

static int add_name(gnutls_x509_crt_t crt, const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    unsigned len = 0;

    if (inet_pton(AF_INET, name, address) == 1)
        len = sizeof(struct in_addr);
    else if (inet_pton(AF_INET6, name, address) == 1)
        len = sizeof(struct in6_addr);
    if (len > 0)
        return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_IPADDRESS, address, len,
                                                    GNUTLS_FSAN_APPEND);
    return gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                (unsigned)strlen(name), GNUTLS_FSAN_APPEND);
}

static int set_subject(gnutls_x509_crt_t crt, const char *const names[], size_t count)
{
    /* A common name has 64 characters at most (RFC 5280 appendix A.1, ub-common-name); clients look
     * at subjectAltName only (RFC 9525), so cutting it harms nobody. */
    size_t len = strnlen(names[0], 64);
    int rc =
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, names[0], (unsigned)len);

    for (size_t i = 0; i < count && rc >= 0; i++)
        rc = add_name(crt, names[i]);
    return rc;
}

/* A v3 certificate, in force from an hour before from_ms. */
static int set_life(gnutls_x509_crt_t crt, const unsigned char serial[SERIAL_BYTES],
                    int64_t from_ms, uint64_t life_ms)
{
    int rc = gnutls_x509_crt_set_version(crt, 3);

    if (rc >= 0)
        rc = gnutls_x509_crt_set_serial(crt, serial, SERIAL_BYTES);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_activation_time(
            crt, (time_t)((from_ms - (int64_t)HOUR_MS) / (int64_t)SEC_MS));
    if (rc >= 0)
        rc = gnutls_x509_crt_set_expiration_time(
            crt, (time_t)((from_ms + (int64_t)life_ms) / (int64_t)SEC_MS));
    return rc;
}

static int set_validity(gnutls_x509_crt_t crt, unsigned days)
{
    unsigned char serial[SERIAL_BYTES];

    sys_random(serial, sizeof(serial));
    serial[0] = (unsigned char)((serial[0] & 0x7f) | 0x40); /* positive and never shorter */
    return set_life(crt, serial, sys_now_ms(), days * DAY_MS);
}

static int set_usage(gnutls_x509_crt_t crt)
{
    int rc = gnutls_x509_crt_set_basic_constraints(crt, 0, -1);

    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_SERVER, 0);
    return rc;
}

static enum st write_files(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *cert_path,
                           const char *key_path)
{
    gnutls_datum_t cert_pem = {NULL, 0};
    gnutls_datum_t key_pem = {NULL, 0};
    enum st st = ST_IO;

    if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &cert_pem) < 0 ||
        gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                          &key_pem) < 0)
        goto out;
    st = sys_file_write(key_path, (struct slice){(char *)key_pem.data, key_pem.size}, 0600);
    if (st == ST_OK)
        st = sys_file_write(cert_path, (struct slice){(char *)cert_pem.data, cert_pem.size}, 0644);
    sys_secret_wipe(key_pem.data, key_pem.size);
out:
    gnutls_free(cert_pem.data);
    gnutls_free(key_pem.data);
    return st;
}

enum st sys_cert_make_selfsigned(const char *const names[], size_t count, unsigned days,
                                 const char *cert_path, const char *key_path)
{
    gnutls_x509_crt_t crt = NULL;
    gnutls_x509_privkey_t key = NULL;
    enum st st = ST_INVALID;

    if (count == 0)
        return ST_INVALID;
    for (size_t i = 0; i < count; i++)
        if (names[i][0] == '\0' || strlen(names[i]) > NAME_BYTES_MAX)
            return ST_INVALID;
    if (gnutls_x509_crt_init(&crt) < 0 || gnutls_x509_privkey_init(&key) < 0)
        goto out;
    st = ST_IO;
    if (gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) < 0)
        goto out;
    if (gnutls_x509_crt_set_key(crt, key) < 0 || set_validity(crt, days) < 0 || set_usage(crt) < 0)
        goto out;
    st = ST_INVALID;
    if (set_subject(crt, names, count) < 0)
        goto out;
    st = ST_IO;
    if (gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) >= 0)
        st = write_files(crt, key, cert_path, key_path);
out:
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return st;
}

enum st sys_cert_expiry_ms(const char *cert_file, int64_t *expiry_ms_r)
{
    AUTO(buf) struct buf pem = BUF(CERT_FILE_BYTES_MAX);
    gnutls_x509_crt_t *crts = NULL;
    unsigned count = 0;

    enum st st = sys_file_read(cert_file, &pem);
    if (st != ST_OK)
        return st;
    gnutls_datum_t bytes = {(unsigned char *)pem.ptr, (unsigned)pem.len};
    if (pem.len == 0 ||
        gnutls_x509_crt_list_import2(&crts, &count, &bytes, GNUTLS_X509_FMT_PEM, 0) < 0)
        return ST_INVALID;
    time_t till = gnutls_x509_crt_get_expiration_time(crts[0]);
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(crts[i]);
    gnutls_free(crts);
    if (till == (time_t)-1)
        return ST_INVALID;
    *expiry_ms_r = (int64_t)till * (int64_t)SEC_MS;
    return ST_OK;
}

/* --- a domain's own certificates --- */

static gnutls_datum_t datum_of(struct slice bytes)
{
    return (gnutls_datum_t){(unsigned char *)(uintptr_t)bytes.ptr, (unsigned)bytes.len};
}

/* Takes what GnuTLS has allocated. */
static enum st take(struct buf *out, gnutls_datum_t *datum, bool secret)
{
    enum st st = buf_add(out, (struct slice){(char *)datum->data, datum->size});

    if (secret)
        sys_secret_wipe(datum->data, datum->size);
    gnutls_free(datum->data);
    return st;
}

static enum st export_key(gnutls_x509_privkey_t key, struct buf *pem)
{
    gnutls_datum_t datum = {NULL, 0};

    if (gnutls_x509_privkey_export2_pkcs8(key, GNUTLS_X509_FMT_PEM, NULL, GNUTLS_PKCS_PLAIN,
                                          &datum) < 0)
        return ST_IO;
    return take(pem, &datum, true);
}

static enum st export_cert(gnutls_x509_crt_t crt, struct buf *pem)
{
    gnutls_datum_t datum = {NULL, 0};

    if (gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &datum) < 0)
        return ST_IO;
    return take(pem, &datum, false);
}

static bool new_key(gnutls_x509_privkey_t *key)
{
    return gnutls_x509_privkey_init(key) >= 0 &&
           gnutls_x509_privkey_generate(*key, GNUTLS_PK_ECDSA,
                                        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0) >= 0;
}

static bool name_fits(const char *name)
{
    return name[0] != '\0' && strlen(name) <= NAME_BYTES_MAX;
}

enum st sys_cert_make_authority(const char *name, unsigned days, struct buf *cert_pem,
                                struct buf *key_pem)
{
    gnutls_x509_crt_t crt = NULL;
    gnutls_x509_privkey_t key = NULL;
    enum st st = name_fits(name) ? ST_IO : ST_INVALID;

    if (st == ST_IO && new_key(&key) && gnutls_x509_crt_init(&crt) >= 0 &&
        gnutls_x509_crt_set_key(crt, key) >= 0 && set_validity(crt, days) >= 0 &&
        gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                      (unsigned)strnlen(name, 64)) >= 0 &&
        gnutls_x509_crt_set_basic_constraints(crt, 1, 0) >= 0 &&
        gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN) >= 0 &&
        gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0) >= 0) {
        st = export_cert(crt, cert_pem);
        if (st == ST_OK)
            st = export_key(key, key_pem);
    }
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
    return st;
}

enum st sys_cert_make_request(const char *name, struct buf *key_pem, struct buf *request_pem)
{
    gnutls_x509_crq_t crq = NULL;
    gnutls_x509_privkey_t key = NULL;
    gnutls_datum_t datum = {NULL, 0};
    enum st st = name_fits(name) ? ST_IO : ST_INVALID;

    if (st == ST_IO && new_key(&key) && gnutls_x509_crq_init(&crq) >= 0 &&
        gnutls_x509_crq_set_version(crq, 1) >= 0 && gnutls_x509_crq_set_key(crq, key) >= 0 &&
        gnutls_x509_crq_set_dn_by_oid(crq, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                      (unsigned)strnlen(name, 64)) >= 0 &&
        gnutls_x509_crq_sign2(crq, key, GNUTLS_DIG_SHA256, 0) >= 0 &&
        gnutls_x509_crq_export2(crq, GNUTLS_X509_FMT_PEM, &datum) >= 0) {
        st = take(request_pem, &datum, false);
        if (st == ST_OK)
            st = export_key(key, key_pem);
    }
    if (crq != NULL)
        gnutls_x509_crq_deinit(crq);
    gnutls_x509_privkey_deinit(key);
    return st;
}

/* The serial tells when it was made, to the millisecond: what revoking goes by. */
static int set_issued(gnutls_x509_crt_t crt, int64_t issued_ms, uint64_t life_ms)
{
    unsigned char serial[SERIAL_BYTES];

    sys_random(serial, sizeof(serial));
    serial[0] = 0x40;
    for (size_t i = 0; i < 6; i++)
        serial[1 + i] = (unsigned char)((uint64_t)issued_ms >> (8 * (5 - i)));
    return set_life(crt, serial, issued_ms, life_ms);
}

static int set_member(gnutls_x509_crt_t crt, gnutls_x509_crq_t crq, const char *name)
{
    int rc = gnutls_x509_crt_set_crq(crt, crq);

    if (rc >= 0)
        rc = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
                                           (unsigned)strnlen(name, 64));
    if (rc >= 0)
        rc = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                  (unsigned)strlen(name), GNUTLS_FSAN_SET);
    if (rc >= 0)
        rc = set_usage(crt);
    if (rc >= 0)
        rc = gnutls_x509_crt_set_key_purpose_oid(crt, GNUTLS_KP_TLS_WWW_CLIENT, 0);
    return rc;
}

static bool read_request(struct slice pem, gnutls_x509_crq_t *crq)
{
    gnutls_datum_t datum = datum_of(pem);

    return pem.len > 0 && gnutls_x509_crq_init(crq) >= 0 &&
           gnutls_x509_crq_import(*crq, &datum, GNUTLS_X509_FMT_PEM) >= 0 &&
           gnutls_x509_crq_verify(*crq, 0) >= 0;
}

static bool read_authority(const struct sys_cert_authority *authority, gnutls_x509_crt_t *crt,
                           gnutls_x509_privkey_t *key)
{
    gnutls_datum_t cert_pem = datum_of(authority->cert_pem);
    gnutls_datum_t key_pem = datum_of(authority->key_pem);

    return authority->cert_pem.len > 0 && authority->key_pem.len > 0 &&
           gnutls_x509_crt_init(crt) >= 0 && gnutls_x509_privkey_init(key) >= 0 &&
           gnutls_x509_crt_import(*crt, &cert_pem, GNUTLS_X509_FMT_PEM) >= 0 &&
           gnutls_x509_privkey_import2(*key, &key_pem, GNUTLS_X509_FMT_PEM, NULL, 0) >= 0;
}

enum st sys_cert_sign(const struct sys_cert_authority *authority, struct slice request_pem,
                      const char *name, int64_t issued_ms, uint64_t life_ms, struct buf *cert_pem)
{
    gnutls_x509_crq_t crq = NULL;
    gnutls_x509_crt_t crt = NULL;
    gnutls_x509_crt_t ca = NULL;
    gnutls_x509_privkey_t key = NULL;
    enum st st = ST_INVALID;

    if (name_fits(name) && read_request(request_pem, &crq)) {
        st = read_authority(authority, &ca, &key) ? ST_IO : ST_DENIED;
        if (st == ST_IO && gnutls_x509_crt_init(&crt) >= 0 && set_member(crt, crq, name) >= 0 &&
            set_issued(crt, issued_ms, life_ms) >= 0)
            st = gnutls_x509_crt_sign2(crt, ca, key, GNUTLS_DIG_SHA256, 0) >= 0
                     ? export_cert(crt, cert_pem)
                     : ST_DENIED;
    }
    if (st == ST_OK)
        st = export_cert(ca, cert_pem);
    if (crq != NULL)
        gnutls_x509_crq_deinit(crq);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_crt_deinit(ca);
    gnutls_x509_privkey_deinit(key);
    return st;
}

static void look_at(gnutls_x509_crt_t crt, struct sys_cert_look *look)
{
    unsigned char serial[64];
    size_t len = sizeof(serial);
    size_t name_len = sizeof(look->name) - 1;

    if (gnutls_x509_crt_get_subject_alt_name(crt, 0, look->name, &name_len, NULL) !=
        GNUTLS_SAN_DNSNAME) {
        name_len = sizeof(look->name) - 1;
        memset(look->name, 0, sizeof(look->name));
        if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, look->name,
                                          &name_len) < 0)
            look->name[0] = '\0';
    }
    if (gnutls_x509_crt_get_serial(crt, serial, &len) >= 0 && len == SERIAL_BYTES)
        for (size_t i = 0; i < 6; i++)
            look->issued_ms = look->issued_ms << 8 | serial[1 + i];
    look->ends_ms = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * (int64_t)SEC_MS;
    look->authority = gnutls_x509_crt_get_ca_status(crt, NULL) > 0;
    len = sizeof(look->print);
    if (gnutls_x509_crt_get_fingerprint(crt, GNUTLS_DIG_SHA256, look->print, &len) < 0)
        memset(look->print, 0, sizeof(look->print));
}

enum st sys_cert_look(struct slice pem, struct sys_cert_look *look_r)
{
    gnutls_datum_t datum = datum_of(pem);
    gnutls_x509_crt_t crt = NULL;

    memset(look_r, 0, sizeof(*look_r));
    if (pem.len == 0 || gnutls_x509_crt_init(&crt) < 0)
        return ST_INVALID;
    enum st st = ST_INVALID;
    if (gnutls_x509_crt_import(crt, &datum, GNUTLS_X509_FMT_PEM) >= 0) {
        look_at(crt, look_r);
        st = ST_OK;
    }
    gnutls_x509_crt_deinit(crt);
    return st;
}
