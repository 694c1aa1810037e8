#include "server/sandbox_server.h"

#include "auth/auth_password.h"
#include "auth/auth_scram.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "directory/directory_person.h"
#include "store/store_account.h"
#include "store/store_document.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#define CERT_DAYS 3650
#define ACCOUNTS_BYTES_MAX (16 * MIB)

const char *const sandbox_ports[] = {"smtp",  "submission", "lmtp",  "imap",    "imaps",
                                     "admin", "http",       "https", "cluster", "transfer"};
const size_t sandbox_port_cluster_max = COUNT(sandbox_ports);
const size_t sandbox_port_count = 8;

int sandbox_complain(const char *sentence, int code)
{
    fprintf(stderr, "posthorse sandbox: %s\n", sentence);
    return code;
}

/* --- the folder --- */

/* Whom servers run as when root starts them: the package's account where it is, otherwise nobody.
 */
static const char *server_user(void)
{
    return getpwnam("posthorse") != NULL ? "posthorse" : "nobody";
}

static enum st path_in(const struct sandbox_server *server, const char *name,
                       char path[SANDBOX_PATH_BYTES])
{
    return snprintf(path, SANDBOX_PATH_BYTES, "%s/%s", server->dir, name) < SANDBOX_PATH_BYTES
               ? ST_OK
               : ST_TOO_BIG;
}

static enum st make_certificate(const struct sandbox_server *server)
{
    const char *const names[] = {server->name, "localhost", server->address};
    char cert[SANDBOX_PATH_BYTES];
    char key[SANDBOX_PATH_BYTES];
    enum st st = path_in(server, "cert.pem", cert);

    if (st == ST_OK)
        st = path_in(server, "key.pem", key);
    if (st == ST_OK && !sys_file_exists(cert))
        st = sys_cert_make_selfsigned(names, COUNT(names), CERT_DAYS, cert, key);
    if (st == ST_OK && server->user.change && !sys_user_own(&server->user, key))
        st = ST_DENIED;
    return st;
}

static enum st write_config(const struct sandbox_server *server, char path[SANDBOX_PATH_BYTES])
{
    AUTO(buf) struct buf text = BUF(64 * KIB);
    size_t ports = server->cluster ? sandbox_port_cluster_max : sandbox_port_count;
    enum st st = path_in(server, "posthorse.ini", path);

    buf_putf(&text, "; made by posthorse sandbox\nserver_name = %s\ndomains = %s\n", server->name,
             server->domain);
    buf_putf(&text, "data_dir = %s/data\nuser = %s\nstore = %s\n", server->dir, server_user(),
             server->store);
    buf_putf(&text, "tls_certificate_file = %s/cert.pem\ntls_key_file = %s/key.pem\n", server->dir,
             server->dir);
    buf_putf(&text, "auth_plain_without_tls = yes\n");
    for (size_t i = 0; i < ports; i++)
        buf_putf(&text, "listen_%s = %s:%u\n", sandbox_ports[i], server->address,
                 server->base_port == 0 ? 0 : server->base_port + (unsigned)i);
    buf_put(&text, slice_str(server->more));
    if (st == ST_OK && server->settings != NULL)
        st = sys_file_read(server->settings, &text);
    if (text.over)
        st = ST_TOO_BIG;
    return st != ST_OK ? st : sys_file_write(path, buf_slice(&text), 0644);
}

static int make_folders(struct sandbox_server *server)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    char data[SANDBOX_PATH_BYTES];

    if (sys_user_find(server_user(), &server->user, &why) != ST_OK)
        return sandbox_complain(why.ptr, EX_NOUSER);
    if (sys_folder_make(server->dir, 0755) == ST_OK && sys_user_own(&server->user, server->dir) &&
        path_in(server, "data", data) == ST_OK && sys_folder_make(data, 0700) == ST_OK &&
        sys_user_own(&server->user, data))
        return EX_OK;
    buf_putf(&why,
             "%s: cannot be made, or the account %s, which the server runs as, cannot reach it; "
             "choose a folder whose parents everybody may enter, such as one in /tmp",
             server->dir, server_user());
    return sandbox_complain(why.ptr, EX_CANTCREAT);
}

int sandbox_server_make(struct sandbox_server *server, char config[SANDBOX_PATH_BYTES])
{
    int code = make_folders(server);

    if (code != EX_OK)
        return code;
    if (make_certificate(server) != ST_OK)
        return sandbox_complain("the certificate cannot be made", EX_CANTCREAT);
    if (write_config(server, config) != ST_OK)
        return sandbox_complain("posthorse.ini cannot be written", EX_CANTCREAT);
    return EX_OK;
}

/* --- documents --- */

struct comparing {
    struct slice body;
    bool same;
};

static enum st compare(void *ctx, const struct store_document *document)
{
    struct comparing *comparing = ctx;

    comparing->same = slice_eq(document->body, comparing->body);
    return ST_OK;
}

struct putting {
    const struct store_document *document;
    bool replace;
};

static enum st put_document(struct store_tx *tx, void *arg)
{
    const struct putting *putting = arg;
    const struct store_document *document = putting->document;
    struct comparing comparing = {.body = document->body};
    enum st st = store_document_get(tx, document->kind, document->name, compare, &comparing);

    if (document->removed)
        return st == ST_OK ? store_document_delete(tx, document) : ST_OK;
    if (st == ST_NOT_FOUND || (st == ST_OK && putting->replace && !comparing.same))
        return store_document_put(tx, document);
    return st;
}

static enum st put_documents(struct store *store, const struct sandbox_server *server)
{
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < server->document_count; i++) {
        const struct store_document document = {.kind = slice_str(server->documents[i].kind),
                                                .name = slice_str(server->documents[i].name),
                                                .body = slice_str(server->documents[i].body),
                                                .removed = server->documents[i].body == NULL,
                                                .modified_ms = sys_now_ms()};

        st = store_write(store, put_document,
                         &(struct putting){.document = &document, .replace = server->replace});
    }
    return st;
}

/* --- accounts --- */

struct adding {
    const struct sandbox_server *server;
    struct slice name;
    struct slice body;
    bool here; /* the account lies in this store */
    char guid[SYS_GUID_HEX + 1];
    int64_t now_ms;
};

/* Which of the servers that persons are dealt out to a document names. */
struct held {
    const struct sandbox_server *server;
    bool named;     /* any */
    bool somewhere; /* one that is started */
    bool here;
};

static enum st see_holders(void *ctx, const struct store_document *document)
{
    struct held *held = ctx;
    struct slice rest = document->body;
    struct slice line;

    while (slice_split(&rest, '\n', &line)) {
        bool names = slice_starts(line, SLICE("server = "));

        held->named |= names;
        for (size_t i = 0; names && i < held->server->holder_count; i++)
            if (slice_eq(slice_sub(line, 9, line.len), slice_str(held->server->holders[i]))) {
                held->somewhere = true;
                held->here |= strcmp(held->server->holders[i], held->server->name) == 0;
            }
    }
    return ST_OK;
}

/* What is there stays as it is: the folder may be used again, and then the person's document says
 * who has the account. Only one whose servers are no longer started is dealt out anew. */
static enum st add_account(struct store_tx *tx, void *arg)
{
    const struct adding *adding = arg;
    const struct store_document document = {.kind = SLICE("person"),
                                            .name = adding->name,
                                            .modified_ms = adding->now_ms,
                                            .body = adding->body};
    struct held held = {.server = adding->server};
    struct store_account account;
    enum st st = store_document_get(tx, document.kind, document.name, see_holders, &held);
    bool here = held.somewhere ? held.here : adding->here;

    if (st == ST_OK || st == ST_NOT_FOUND)
        st = here ? store_account_find(tx, adding->name, &account) : ST_OK;
    if (st == ST_NOT_FOUND)
        st = store_account_add(tx, adding->name, adding->guid, adding->now_ms, &account.account_id);
    if (st != ST_OK || !adding->server->directory)
        return st;
    return put_document(
        tx, &(struct putting){.document = &document, .replace = held.named && !held.somewhere});
}

/* The verifiers of a password; those of the one before serve again where it is the same. */
struct verifiers {
    char *password;
    struct buf yescrypt;
    struct buf scram;
};

static enum st make_verifiers(struct arena *arena, struct slice password, struct verifiers *v)
{
    if (v->password != NULL && slice_eq(slice_str(v->password), password))
        return ST_OK;
    buf_clear(&v->yescrypt);
    buf_clear(&v->scram);
    v->password = slice_cstr(arena, password);
    enum st st = auth_password_make(password, &v->yescrypt);
    return st != ST_OK ? st : auth_scram_make(password, &v->scram);
}

static void write_person(struct slice name, const char *holder, const struct verifiers *v,
                         struct buf *body)
{
    struct directory_document document = {.person.full_name = ""};

    document.person.yescrypt = v->yescrypt.ptr;
    document.person.scram = v->scram.ptr;
    document.person.admin = slice_eq(name, SLICE("alice"));
    if (slice_starts(name, SLICE("room-")))
        document.person.kind = DIRECTORY_PERSON_ROOM;
    directory_person_write(&document, body);
    if (holder != NULL)
        buf_putf(body, "server = %s\n", holder);
}

static enum st add_line(struct store *store, struct arena *arena,
                        const struct sandbox_server *server, struct slice line, size_t number,
                        struct verifiers *v)
{
    AUTO(buf) struct buf body = BUF(64 * KIB);
    struct slice name = slice_sub(line, 0, slice_find(line, ' '));
    struct slice password = slice_trim(slice_sub(line, name.len, line.len));
    const char *holder =
        server->holder_count > 0 ? server->holders[number % server->holder_count] : NULL;
    struct adding adding = {.server = server, .name = name, .now_ms = sys_now_ms()};

    if (!directory_name_ok(name))
        return ST_INVALID;
    adding.here = holder == NULL ? server->directory : strcmp(holder, server->name) == 0;
    if (server->directory) {
        if (make_verifiers(arena, password, v) != ST_OK)
            return ST_INVALID;
        write_person(name, holder, v, &body);
    }
    adding.body = buf_slice(&body);
    sys_guid(adding.guid);
    return store_write(store, add_account, &adding);
}

enum st sandbox_server_prepare(struct store *store, void *ctx)
{
    const struct sandbox_server *server = ctx;
    struct arena *arena = arena_new("sandbox accounts", 64 * MIB);
    AUTO(buf) struct buf text = BUF(ACCOUNTS_BYTES_MAX);
    struct verifiers v = {.password = NULL};
    struct slice line;
    size_t number = 0;
    enum st st = server->directory ? put_documents(store, server) : ST_OK;

    buf_init(&v.yescrypt, KIB);
    buf_init(&v.scram, KIB);
    buf_put(&text, slice_str(server->people));
    if (st == ST_OK && server->accounts != NULL)
        st = sys_file_read(server->accounts, &text);
    struct slice rest = buf_slice(&text);
    while (st == ST_OK && slice_split(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (line.len > 0 && line.ptr[0] != '#')
            st = add_line(store, arena, server, line, number++, &v);
    }
    buf_fini(&v.yescrypt);
    buf_fini(&v.scram);
    arena_free(&arena);
    return st;
}
