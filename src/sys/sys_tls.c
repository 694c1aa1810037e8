#include "sys/sys_tls.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_file.h"
#include "sys/sys_hash.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PEM_BYTES_MAX (1 * MIB)
/* A client's whole first flight; GnuTLS would keep 128 KiB for anybody who connects. */
#define HELLO_BYTES_MAX (32 * KIB)
#define RECORD_BYTES_MAX (16 * KIB)
/* Records that are not data (warnings, empty ones) taken in one call, so that a peer who sends
 * nothing else cannot hold a thread. */
#define IDLE_RECORDS_MAX 16
/* Reads in one call that gave a part of a record: more than a record has bytes. */
#define PARTS_MAX 20000
#define PEER_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"

/* What connections are made from, counted by them. */
struct origin {
    atomic_uint refs;
    gnutls_certificate_credentials_t credentials;
    gnutls_priority_t priorities;
    gnutls_datum_t ticket_key;
    bool mutual; /* between servers with an authority of their own */
    bool trusts; /* it has the authority */
};

struct sys_tls_server {
    struct origin origin;
};

struct sys_tls_client {
    struct origin origin;
};

struct sys_tls {
    gnutls_session_t session;
    struct origin *origin;
    char *error;   /* NULL until there is one */
    size_t unsent; /* bytes of the caller's that are encrypted but not all written */
    int fd;
    bool dry; /* the socket had nothing more when last read from */
    bool said_bye;
};

/* Out of memory, or a GnuTLS that cannot do what every build of it can. */
static void must(int rc)
{
    if (rc < 0)
        abort();
}

static void origin_drop(struct origin *origin)
{
    if (atomic_fetch_sub(&origin->refs, 1) != 1)
        return;
    gnutls_certificate_free_credentials(origin->credentials);
    if (origin->priorities != NULL)
        gnutls_priority_deinit(origin->priorities);
    if (origin->ticket_key.data != NULL)
        sys_secret_wipe(origin->ticket_key.data, origin->ticket_key.size);
    gnutls_free(origin->ticket_key.data);
    mem_free(origin);
}

static enum st set_priorities(struct origin *origin, const char *text, struct buf *why)
{
    const char *at = text;
    int rc = gnutls_priority_init2(&origin->priorities, text, &at, 0);

    if (rc >= 0)
        return ST_OK;
    origin->priorities = NULL;
    buf_putf(why, "TLS priorities \"%s\": not understood from position %zu on, \"%s\" (%s)", text,
             (size_t)(at - text) + 1, at, gnutls_strerror(rc));
    return ST_INVALID;
}

static enum st read_pem(const char *what, const char *path, struct buf *pem, struct buf *why)
{
    enum st st = sys_file_read(path, pem);

    if (st == ST_OK && pem->len > 0)
        return ST_OK;
    buf_putf(why, "%s file %s: %s", what, path,
             st == ST_OK          ? "is empty"
             : st == ST_NOT_FOUND ? "is not there"
             : st == ST_DENIED    ? "may not be read by this user"
             : st == ST_TOO_BIG   ? "is over 1 MiB"
                                  : "cannot be read");
    return st == ST_OK ? ST_INVALID : st;
}

static gnutls_datum_t datum_of(const struct buf *buf)
{
    return (gnutls_datum_t){(unsigned char *)buf->ptr, (unsigned)buf->len};
}

static int try_certificate(const gnutls_datum_t *pem)
{
    gnutls_x509_crt_t *crts = NULL;
    unsigned count = 0;
    int rc = gnutls_x509_crt_list_import2(&crts, &count, pem, GNUTLS_X509_FMT_PEM, 0);

    if (rc < 0)
        return rc;
    for (unsigned i = 0; i < count; i++)
        gnutls_x509_crt_deinit(crts[i]);
    gnutls_free(crts);
    return 0;
}

static int try_key(const gnutls_datum_t *pem)
{
    gnutls_x509_privkey_t key;

    must(gnutls_x509_privkey_init(&key));
    int rc = gnutls_x509_privkey_import2(key, pem, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_x509_privkey_deinit(key);
    return rc;
}

static enum st set_pair(struct origin *origin, const char *cert_file, const gnutls_datum_t *cert,
                        const char *key_file, const gnutls_datum_t *key, struct buf *why)
{
    int rc = try_certificate(cert);

    if (rc < 0) {
        buf_putf(why, "certificate file %s: holds no PEM certificate (%s)", cert_file,
                 gnutls_strerror(rc));
        return ST_INVALID;
    }
    rc = try_key(key);
    if (rc < 0) {
        buf_putf(why, "key file %s: holds no PEM private key without a passphrase (%s)", key_file,
                 gnutls_strerror(rc));
        return ST_INVALID;
    }
    rc = gnutls_certificate_set_x509_key_mem2(origin->credentials, cert, key, GNUTLS_X509_FMT_PEM,
                                              NULL, 0);
    if (rc >= 0)
        return ST_OK;
    if (rc == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        buf_putf(why, "key file %s: is not the key of the first certificate in %s", key_file,
                 cert_file);
    else
        buf_putf(why, "certificate file %s with key file %s: %s", cert_file, key_file,
                 gnutls_strerror(rc));
    return ST_INVALID;
}

static enum st load_pair(struct origin *origin, const char *cert_file, const char *key_file,
                         struct buf *why)
{
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf key = BUF(PEM_BYTES_MAX);

    enum st st = read_pem("certificate", cert_file, &cert, why);
    if (st == ST_OK)
        st = read_pem("key", key_file, &key, why);
    if (st == ST_OK) {
        gnutls_datum_t cert_pem = datum_of(&cert);
        gnutls_datum_t key_pem = datum_of(&key);

        st = set_pair(origin, cert_file, &cert_pem, key_file, &key_pem, why);
    }
    if (key.ptr != NULL)
        sys_secret_wipe(key.ptr, key.cap);
    return st;
}

enum st sys_tls_server_new(const char *cert_file, const char *key_file, const char *priorities,
                           struct buf *why, struct sys_tls_server **server_r)
{
    struct sys_tls_server *server = mem_new(struct sys_tls_server);

    *server_r = NULL;
    atomic_init(&server->origin.refs, 1);
    must(gnutls_certificate_allocate_credentials(&server->origin.credentials));
    must(gnutls_session_ticket_key_generate(&server->origin.ticket_key));
    enum st st = set_priorities(&server->origin, priorities, why);
    if (st == ST_OK)
        st = load_pair(&server->origin, cert_file, key_file, why);
    if (st == ST_OK)
        *server_r = server;
    else
        origin_drop(&server->origin);
    return st;
}

void sys_tls_server_free(struct sys_tls_server **server)
{
    if (*server != NULL)
        origin_drop(&(*server)->origin);
    *server = NULL;
}

void sys_tls_server_keep_tickets(struct sys_tls_server *server, const struct sys_tls_server *old)
{
    assert(server->origin.ticket_key.size == old->origin.ticket_key.size);
    memcpy(server->origin.ticket_key.data, old->origin.ticket_key.data,
           old->origin.ticket_key.size);
}

static enum st load_trust(struct origin *origin, const char *trust_file, struct buf *why)
{
    AUTO(buf) struct buf pem = BUF(PEM_BYTES_MAX * 8);

    if (trust_file == NULL) {
        /* A host without a trust store can still talk unverified; verifying then fails, said so. */
        (void)gnutls_certificate_set_x509_system_trust(origin->credentials);
        return ST_OK;
    }
    enum st st = read_pem("trust", trust_file, &pem, why);
    if (st != ST_OK)
        return st;
    gnutls_datum_t bytes = datum_of(&pem);
    int rc =
        gnutls_certificate_set_x509_trust_mem(origin->credentials, &bytes, GNUTLS_X509_FMT_PEM);
    if (rc > 0)
        return ST_OK;
    buf_putf(why, "trust file %s: holds no PEM certificate (%s)", trust_file, gnutls_strerror(rc));
    return ST_INVALID;
}

enum st sys_tls_client_new(const char *trust_file, const char *priorities, struct buf *why,
                           struct sys_tls_client **client_r)
{
    struct sys_tls_client *client = mem_new(struct sys_tls_client);

    *client_r = NULL;
    atomic_init(&client->origin.refs, 1);
    must(gnutls_certificate_allocate_credentials(&client->origin.credentials));
    enum st st = set_priorities(&client->origin, priorities, why);
    if (st == ST_OK)
        st = load_trust(&client->origin, trust_file, why);
    if (st == ST_OK)
        *client_r = client;
    else
        origin_drop(&client->origin);
    return st;
}

void sys_tls_client_free(struct sys_tls_client **client)
{
    if (*client != NULL)
        origin_drop(&(*client)->origin);
    *client = NULL;
}

/* --- between servers that have an authority of their own --- */

static enum st set_mutual(struct origin *origin, const char *member_file,
                          const char *authority_file, struct buf *why)
{
    atomic_init(&origin->refs, 1);
    origin->mutual = true;
    origin->trusts = authority_file != NULL;
    must(gnutls_certificate_allocate_credentials(&origin->credentials));
    enum st st = set_priorities(origin, PEER_PRIORITIES, why);
    if (st == ST_OK && member_file != NULL)
        st = load_pair(origin, member_file, member_file, why);
    if (st == ST_OK && authority_file != NULL)
        st = load_trust(origin, authority_file, why);
    return st;
}

enum st sys_tls_server_new_mutual(const char *member_file, const char *authority_file,
                                  struct buf *why, struct sys_tls_server **server_r)
{
    struct sys_tls_server *server = mem_new(struct sys_tls_server);
    enum st st = set_mutual(&server->origin, member_file, authority_file, why);

    *server_r = st == ST_OK ? server : NULL;
    if (st != ST_OK)
        origin_drop(&server->origin);
    return st;
}

enum st sys_tls_client_new_mutual(const char *member_file, const char *authority_file,
                                  struct buf *why, struct sys_tls_client **client_r)
{
    struct sys_tls_client *client = mem_new(struct sys_tls_client);
    enum st st = set_mutual(&client->origin, member_file, authority_file, why);

    *client_r = st == ST_OK ? client : NULL;
    if (st != ST_OK)
        origin_drop(&client->origin);
    return st;
}

/* Called in the handshake; a client may have no certificate yet, a server must have one. */
static int verify_member(gnutls_session_t session, bool server_side)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID};
    unsigned status = 0;
    unsigned count = 0;

    purpose.data = (unsigned char *)(uintptr_t)(server_side ? GNUTLS_KP_TLS_WWW_CLIENT
                                                            : GNUTLS_KP_TLS_WWW_SERVER);
    if (gnutls_certificate_get_peers(session, &count) == NULL || count == 0)
        return server_side ? 0 : GNUTLS_E_NO_CERTIFICATE_FOUND;
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0 || status != 0)
        return GNUTLS_E_CERTIFICATE_ERROR;
    return 0;
}

static int verify_client(gnutls_session_t session)
{
    return verify_member(session, true);
}

static int verify_server(gnutls_session_t session)
{
    return verify_member(session, false);
}

enum st sys_tls_peer_pem(const struct sys_tls *tls, struct buf *pem)
{
    unsigned count = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(tls->session, &count);
    gnutls_datum_t text = {NULL, 0};

    if (list == NULL || count == 0 || gnutls_pem_base64_encode2("CERTIFICATE", &list[0], &text) < 0)
        return ST_NOT_FOUND;
    enum st st = buf_add(pem, (struct slice){(char *)text.data, text.size});
    gnutls_free(text.data);
    return st;
}

/* Whether der is the certificate with the fingerprint; *crt_r is made then. */
static bool is_print(const gnutls_datum_t *der, struct slice fingerprint, gnutls_x509_crt_t *crt_r)
{
    unsigned char print[SYS_SHA256_BYTES];

    sys_sha256((struct slice){(const char *)der->data, der->size}, print);
    if (!sys_secret_eq((struct slice){(const char *)print, sizeof(print)}, fingerprint))
        return false;
    must(gnutls_x509_crt_init(crt_r));
    if (gnutls_x509_crt_import(*crt_r, der, GNUTLS_X509_FMT_DER) >= 0)
        return true;
    gnutls_x509_crt_deinit(*crt_r);
    *crt_r = NULL;
    return false;
}

/* Whether the first of the peer's certificates is signed by the authority. */
static bool signed_by(const gnutls_datum_t *der, gnutls_x509_crt_t authority)
{
    gnutls_x509_trust_list_t trusted;
    gnutls_x509_crt_t crt;
    unsigned status = 1;
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_SERVER};

    must(gnutls_x509_trust_list_init(&trusted, 1));
    must(gnutls_x509_crt_init(&crt));
    bool ok =
        gnutls_x509_trust_list_add_cas(trusted, &authority, 1, 0) == 1 &&
        gnutls_x509_crt_import(crt, der, GNUTLS_X509_FMT_DER) >= 0 &&
        gnutls_x509_trust_list_verify_crt2(trusted, &crt, 1, &purpose, 1, 0, &status, NULL) >= 0 &&
        status == 0;
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_trust_list_deinit(trusted, 0);
    return ok;
}

enum st sys_tls_peer_authority(const struct sys_tls *tls, struct slice fingerprint,
                               struct buf *authority_pem)
{
    unsigned count = 0;
    const gnutls_datum_t *list = gnutls_certificate_get_peers(tls->session, &count);
    gnutls_x509_crt_t authority = NULL;
    gnutls_datum_t text = {NULL, 0};
    enum st st = ST_DENIED;

    for (unsigned i = 0; list != NULL && i < count && authority == NULL; i++)
        (void)is_print(&list[i], fingerprint, &authority);
    if (authority != NULL && signed_by(&list[0], authority) &&
        gnutls_x509_crt_export2(authority, GNUTLS_X509_FMT_PEM, &text) >= 0) {
        st = buf_add(authority_pem, (struct slice){(char *)text.data, text.size});
        gnutls_free(text.data);
    }
    gnutls_x509_crt_deinit(authority);
    return st;
}

/* GnuTLS says "again" for a socket that is dry, for a part of a record, and after a record that was
 * not data (a TLS 1.3 ticket, say). Reading the socket ourselves tells the first from the others.
 */
static ssize_t pull(gnutls_transport_ptr_t ptr, void *out, size_t cap)
{
    struct sys_tls *tls = ptr;
    ssize_t got = recv(tls->fd, out, cap, 0);

    tls->dry = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
    return got;
}

static ssize_t push(gnutls_transport_ptr_t ptr, const giovec_t *parts, int count)
{
    const struct sys_tls *tls = ptr;
    const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts,
                                   .msg_iovlen = (size_t)count};

    return sendmsg(tls->fd, &message, MSG_NOSIGNAL);
}

static struct sys_tls *tls_new(struct origin *origin, int fd, unsigned flags)
{
    struct sys_tls *tls = mem_new(struct sys_tls);

    atomic_fetch_add(&origin->refs, 1);
    tls->origin = origin;
    must(gnutls_init(&tls->session, flags | GNUTLS_NONBLOCK));
    must(gnutls_priority_set(tls->session, origin->priorities));
    must(gnutls_credentials_set(tls->session, GNUTLS_CRD_CERTIFICATE, origin->credentials));
    gnutls_handshake_set_timeout(tls->session, GNUTLS_INDEFINITE_TIMEOUT);
    tls->fd = fd;
    gnutls_transport_set_ptr(tls->session, tls);
    gnutls_transport_set_pull_function(tls->session, pull);
    gnutls_transport_set_vec_push_function(tls->session, push);
    return tls;
}

struct sys_tls *sys_tls_new(struct sys_tls_server *server, int fd)
{
    struct sys_tls *tls = tls_new(&server->origin, fd, GNUTLS_SERVER);

    gnutls_handshake_set_max_packet_length(tls->session, HELLO_BYTES_MAX);
    if (server->origin.mutual) {
        gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_REQUEST);
        gnutls_session_set_verify_function(tls->session, verify_client);
        return tls;
    }
    gnutls_certificate_server_set_request(tls->session, GNUTLS_CERT_IGNORE);
    must(gnutls_session_ticket_enable_server(tls->session, &server->origin.ticket_key));
    return tls;
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

struct sys_tls *sys_tls_connect(struct sys_tls_client *client, int fd, const char *host,
                                bool verify)
{
    struct sys_tls *tls = tls_new(&client->origin, fd, GNUTLS_CLIENT);

    assert(host != NULL || !verify);
    if (client->origin.trusts)
        gnutls_session_set_verify_function(tls->session, verify_server);
    if (host != NULL && !is_address(host))
        (void)gnutls_server_name_set(tls->session, GNUTLS_NAME_DNS, host, strlen(host));
    if (verify) /* GnuTLS borrows the name; ours lives as long as the session. */
        gnutls_session_set_ptr(tls->session, mem_copy(slice_str(host)));
    if (verify)
        gnutls_session_set_verify_cert(tls->session, gnutls_session_get_ptr(tls->session), 0);
    return tls;
}

void sys_tls_free(struct sys_tls **tls)
{
    struct sys_tls *gone = *tls;

    if (gone == NULL)
        return;
    void *host = gnutls_session_get_ptr(gone->session);
    gnutls_deinit(gone->session);
    mem_free(host);
    mem_free(gone->error);
    origin_drop(gone->origin);
    mem_free(gone);
    *tls = NULL;
}

static void note_error(struct sys_tls *tls, int rc)
{
    AUTO(buf) struct buf text = BUF(1000);

    if (tls->error != NULL)
        return;
    if (rc == GNUTLS_E_FATAL_ALERT_RECEIVED || rc == GNUTLS_E_WARNING_ALERT_RECEIVED) {
        const char *name = gnutls_alert_get_name(gnutls_alert_get(tls->session));

        buf_putf(&text, "the peer refused: %s", name != NULL ? name : "unknown alert");
    } else if (rc == GNUTLS_E_CERTIFICATE_VERIFICATION_ERROR) {
        gnutls_datum_t said = {NULL, 0};
        unsigned status = gnutls_session_get_verify_cert_status(tls->session);

        if (gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &said, 0) >= 0)
            buf_putf(&text, "%s", (const char *)said.data);
        gnutls_free(said.data);
    }
    if (text.len == 0)
        buf_putf(&text, "%s", gnutls_strerror(rc));
    tls->error = mem_copy(slice_trim(buf_slice(&text)));
}

static enum st fail(struct sys_tls *tls, int rc)
{
    note_error(tls, rc);
    switch (rc) {
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
    case GNUTLS_E_PREMATURE_TERMINATION:
    case GNUTLS_E_SESSION_EOF:
    case GNUTLS_E_INVALID_SESSION: /* used on after an error */
    case GNUTLS_E_MEMORY_ERROR:
        return ST_IO;
    default:
        return ST_INVALID;
    }
}

/* How one call into GnuTLS may end. */
struct turn {
    ssize_t rc;
    int parts;
    int idle_records;
};

/* Whether to call again at once after what *turn says. */
static bool go_on(const struct sys_tls *tls, struct turn *turn)
{
    if (turn->rc == GNUTLS_E_AGAIN)
        return !tls->dry && gnutls_record_get_direction(tls->session) == 0 &&
               ++turn->parts < PARTS_MAX;
    /* A client that wants to renegotiate (TLS 1.2) is refused: RFC 9325 3.5. */
    return turn->rc < 0 && !gnutls_error_is_fatal((int)turn->rc) &&
           turn->rc != GNUTLS_E_REHANDSHAKE && ++turn->idle_records < IDLE_RECORDS_MAX;
}

enum st sys_tls_handshake(struct sys_tls *tls, bool *want_write_r)
{
    struct turn turn = {0};

    *want_write_r = false;
    do {
        tls->dry = false;
        turn.rc = gnutls_handshake(tls->session);
    } while (go_on(tls, &turn));
    if (turn.rc == GNUTLS_E_SUCCESS)
        return ST_OK;
    if (turn.rc == GNUTLS_E_AGAIN) {
        *want_write_r = gnutls_record_get_direction(tls->session) == 1;
        return ST_AGAIN;
    }
    enum st st = fail(tls, (int)turn.rc);
    if (st == ST_INVALID)
        (void)gnutls_alert_send_appropriate(tls->session, (int)turn.rc);
    return st;
}

enum st sys_tls_recv(struct sys_tls *tls, void *out, size_t cap, size_t *len_r)
{
    struct turn turn = {0};

    assert(cap > 0);
    *len_r = 0;
    do {
        tls->dry = false;
        turn.rc = gnutls_record_recv(tls->session, out, cap);
    } while (go_on(tls, &turn));
    if (turn.rc == GNUTLS_E_AGAIN)
        return ST_AGAIN;
    if (turn.rc < 0)
        return fail(tls, (int)turn.rc);
    *len_r = (size_t)turn.rc;
    return ST_OK;
}

enum st sys_tls_send(struct sys_tls *tls, struct slice bytes, size_t *len_r)
{
    size_t len = bytes.len < RECORD_BYTES_MAX ? bytes.len : RECORD_BYTES_MAX;
    ssize_t rc;

    assert(len > 0 && len >= tls->unsent);
    *len_r = 0;
    do {
        /* Once a record is encrypted, GnuTLS wants to be asked for the rest with nothing new. */
        if (tls->unsent > 0)
            rc = gnutls_record_send(tls->session, NULL, 0);
        else
            rc = gnutls_record_send(tls->session, bytes.ptr, len);
    } while (rc == GNUTLS_E_INTERRUPTED);
    if (rc == GNUTLS_E_AGAIN) {
        if (tls->unsent == 0)
            tls->unsent = len;
        return ST_AGAIN;
    }
    if (rc < 0)
        return fail(tls, (int)rc);
    *len_r = (size_t)rc;
    tls->unsent = 0;
    return ST_OK;
}

size_t sys_tls_pending(const struct sys_tls *tls)
{
    return gnutls_record_check_pending(tls->session);
}

void sys_tls_bye(struct sys_tls *tls)
{
    if (!tls->said_bye && tls->error == NULL && tls->unsent == 0)
        (void)gnutls_bye(tls->session, GNUTLS_SHUT_WR);
    tls->said_bye = true;
}

const char *sys_tls_error(const struct sys_tls *tls)
{
    return tls->error != NULL ? tls->error : "";
}

enum st sys_tls_clause(const struct sys_tls *tls, struct buf *out)
{
    const char *group = gnutls_group_get_name(gnutls_group_get(tls->session));
    const char *suite = gnutls_ciphersuite_get(tls->session);
    enum st st = buf_addf(out, "tls %s", suite != NULL ? suite : "unknown");

    if (st == ST_OK && group != NULL)
        st = buf_addf(out, " group %s", group);
    /* IANA's group names are in lower case, GnuTLS's are not. */
    for (size_t i = 0; st == ST_OK && group != NULL && i < strlen(group); i++)
        out->ptr[out->len - 1 - i] = (char)tolower((unsigned char)out->ptr[out->len - 1 - i]);
    return st;
}

bool sys_tls_resumed(const struct sys_tls *tls)
{
    return gnutls_session_is_resumed(tls->session) != 0;
}

enum st sys_tls_session_save(const struct sys_tls *tls, struct buf *out)
{
    gnutls_datum_t data = {NULL, 0};

    /* Without a ticket GnuTLS would wait for one, then give something that cannot be resumed. */
    if ((gnutls_session_get_flags(tls->session) & GNUTLS_SFLAGS_SESSION_TICKET) == 0)
        return ST_OK;
    if (gnutls_session_get_data2(tls->session, &data) < 0)
        return ST_OK;
    enum st st = buf_add(out, (struct slice){(const char *)data.data, data.size});
    gnutls_free(data.data);
    return st;
}

enum st sys_tls_session_use(struct sys_tls *tls, struct slice saved)
{
    return gnutls_session_set_data(tls->session, saved.ptr, saved.len) < 0 ? ST_INVALID : ST_OK;
}

/* Without extended master secret (RFC 7627) two connections can be made to share these bytes. */
static bool binds_safely(const struct sys_tls *tls)
{
    return gnutls_protocol_get_version(tls->session) >= GNUTLS_TLS1_3 ||
           gnutls_session_ext_master_secret_status(tls->session) != 0;
}

static enum st put_binding(gnutls_session_t session, gnutls_channel_binding_t type, struct buf *out)
{
    gnutls_datum_t data = {NULL, 0};

    if (gnutls_session_channel_binding(session, type, &data) < 0)
        return ST_NOT_FOUND;
    enum st st = buf_add(out, (struct slice){(const char *)data.data, data.size});
    gnutls_free(data.data);
    return st;
}

enum st sys_tls_channel_binding(const struct sys_tls *tls, enum sys_tls_binding type,
                                struct buf *out)
{
    static const gnutls_channel_binding_t types[] = {
        [SYS_TLS_EXPORTER] = GNUTLS_CB_TLS_EXPORTER,
        [SYS_TLS_SERVER_END_POINT] = GNUTLS_CB_TLS_SERVER_END_POINT,
        [SYS_TLS_UNIQUE] = GNUTLS_CB_TLS_UNIQUE,
    };
    gnutls_protocol_t version = gnutls_protocol_get_version(tls->session);

    if (type == SYS_TLS_UNIQUE && version >= GNUTLS_TLS1_3) /* RFC 8446 appendix C.5: undefined */
        return ST_NOT_FOUND;
    if (type != SYS_TLS_SERVER_END_POINT && !binds_safely(tls))
        return ST_NOT_FOUND;
    return put_binding(tls->session, types[type], out);
}

enum st sys_tls_end_point(void *session, struct buf *out)
{
    return put_binding(session, GNUTLS_CB_TLS_SERVER_END_POINT, out);
}
