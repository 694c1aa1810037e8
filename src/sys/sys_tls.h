/* sys_tls.h: TLS 1.2 and 1.3 (RFC 5246, RFC 8446) over a socket that is already connected.
 *
 *   struct sys_tls_server   what a listener offers: certificate, key, priorities, ticket key.
 *   struct sys_tls_client   what we ask for when we connect out: whom to trust, priorities.
 *   struct sys_tls          one connection of either side. Used by one thread at a time.
 *
 * Each connection keeps what it was made from alive: after a reload the old server object may be
 * freed at once, and its connections go on. */
#pragma once
#include "base/base.h"

struct buf;
struct sys_tls;
struct sys_tls_client;
struct sys_tls_server;

/* Reads the PEM files. On ST_INVALID, ST_NOT_FOUND, ST_DENIED, ST_IO or ST_TOO_BIG *why holds one
 * sentence that names the file or the place in the priority string, and *server_r is NULL. */
MUST_USE enum st sys_tls_server_new(const char *cert_file, const char *key_file,
                                    const char *priorities, struct buf *why,
                                    struct sys_tls_server **server_r);
void sys_tls_server_free(struct sys_tls_server **server); /* sets *server to NULL */
/* After a reload: server also accepts the session tickets that `old` gave out (RFC 8446 4.6.1,
 * RFC 5077). Before server's first connection. */
void sys_tls_server_keep_tickets(struct sys_tls_server *server, const struct sys_tls_server *old);

/* trust_file: PEM file of trusted certificates, NULL for the system's. As sys_tls_server_new(). */
MUST_USE enum st sys_tls_client_new(const char *trust_file, const char *priorities, struct buf *why,
                                    struct sys_tls_client **client_r);
void sys_tls_client_free(struct sys_tls_client **client);

/* --- between servers that have an authority of their own --- */

/* TLS 1.3 only, no resumption. member_file: PEM file with the server's certificate, the
 * authority's, and the key; authority_file: PEM file of the authority. A client's certificate is
 * asked for: one that the authority has not signed ends the handshake; a client without one is let
 * in, and sys_tls_peer_pem() tells that it has none. As sys_tls_server_new(). */
MUST_USE enum st sys_tls_server_new_mutual(const char *member_file, const char *authority_file,
                                           struct buf *why, struct sys_tls_server **server_r);
/* The other end of it: shows its certificate, and takes only a server whose certificate is signed
 * by the authority; use sys_tls_connect() without a name, and look at sys_tls_peer_pem(). Without
 * files (both NULL) any server is taken, for one that has yet to join. */
MUST_USE enum st sys_tls_client_new_mutual(const char *member_file, const char *authority_file,
                                           struct buf *why, struct sys_tls_client **client_r);
/* Appends the peer's certificate as PEM. ST_NOT_FOUND: it has shown none. */
MUST_USE enum st sys_tls_peer_pem(const struct sys_tls *tls, struct buf *pem);
/* Whether the peer has shown the authority whose SHA-256 fingerprint is given, and a certificate of
 * its own that this authority has signed for a TLS server and that is in force: appends the
 * authority as PEM. ST_DENIED: not so. */
MUST_USE enum st sys_tls_peer_authority(const struct sys_tls *tls, struct slice fingerprint,
                                        struct buf *authority_pem);

/* A connection on fd, which stays the caller's to close. fd may block or not; with a receive
 * time-out (SO_RCVTIMEO) on a blocking one, ST_AGAIN means that it ran out. */
struct sys_tls *sys_tls_new(struct sys_tls_server *server, int fd);
/* host is sent as the server's name unless it is NULL or an IP address (RFC 6066 3); where verify
 * is set the certificate must be trusted and be host's (RFC 9525), otherwise any is taken. */
struct sys_tls *sys_tls_connect(struct sys_tls_client *client, int fd, const char *host,
                                bool verify);
void sys_tls_free(struct sys_tls **tls); /* NULL is fine; sets *tls to NULL */

/* ST_OK: done. ST_AGAIN: call again when the socket is writable (*want_write_r) or readable. Any
 * other is the end, and sys_tls_error() says why: ST_INVALID what the peer sent will not do, ST_IO
 * the connection broke. */
MUST_USE enum st sys_tls_handshake(struct sys_tls *tls, bool *want_write_r);

/* At most cap bytes, *len_r > 0. ST_OK with *len_r 0: the peer said goodbye. ST_AGAIN: wait until
 * the socket is readable. ST_INVALID, ST_IO as above; a connection cut without a goodbye is ST_IO.
 * After ST_OK look at sys_tls_pending() before waiting on the socket. */
MUST_USE enum st sys_tls_recv(struct sys_tls *tls, void *out, size_t cap, size_t *len_r);
/* Takes a part of bytes, at most one record (16 KiB), *len_r > 0. ST_AGAIN: wait until the socket
 * is writable, then call again with a slice that begins with the same bytes (it may lie elsewhere
 * and be longer): they are encrypted already. */
MUST_USE enum st sys_tls_send(struct sys_tls *tls, struct slice bytes, size_t *len_r);
/* Bytes that are decrypted and wait to be received: the socket need not become readable for them.
 */
size_t sys_tls_pending(const struct sys_tls *tls);
/* Says goodbye (close_notify) if the socket takes it at once; once only. */
void sys_tls_bye(struct sys_tls *tls);

/* The last error as a phrase for the log; "" where there was none. Lives as long as tls. */
const char *sys_tls_error(const struct sys_tls *tls);
/* Appends "tls TLS_AES_256_GCM_SHA384 group x25519", the clause of a Received line (RFC 8314 4.3).
 */
MUST_USE enum st sys_tls_clause(const struct sys_tls *tls, struct buf *out);
/* Whether this connection continued an earlier one's session. */
bool sys_tls_resumed(const struct sys_tls *tls);

/* What a client needs to resume later, appended; empty where the server gave no ticket (TLS 1.3
 * gives them with the first received bytes). use: before the handshake; ST_INVALID if unusable. */
MUST_USE enum st sys_tls_session_save(const struct sys_tls *tls, struct buf *out);
MUST_USE enum st sys_tls_session_use(struct sys_tls *tls, struct slice saved);

enum sys_tls_binding {
    SYS_TLS_EXPORTER, /* tls-exporter, RFC 9266; TLS 1.3, or 1.2 with extended master secret */
    SYS_TLS_SERVER_END_POINT, /* tls-server-end-point, RFC 5929 4 */
    SYS_TLS_UNIQUE,           /* tls-unique, RFC 5929 3; TLS 1.2 with extended master secret */
};
/* Appends the channel binding's bytes. ST_NOT_FOUND where this connection has none that is safe. */
MUST_USE enum st sys_tls_channel_binding(const struct sys_tls *tls, enum sys_tls_binding type,
                                         struct buf *out);
/* SYS_TLS_SERVER_END_POINT of a session that another library made with GnuTLS (gnutls_session_t).
 */
MUST_USE enum st sys_tls_end_point(void *session, struct buf *out);
