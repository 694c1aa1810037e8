#include "server/sandbox.h"

#include "auth/auth_password.h"
#include "auth/auth_scram.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "directory/directory_person.h"
#include "log/log.h"
#include "server/sandbox_postgres.h"
#include "server/server.h"
#include "store/store_account.h"
#include "store/store_document.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"
#include "sys/sys_user.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define DIR_DEFAULT "/tmp/posthorse-sandbox"
#define BASE_PORT_DEFAULT 10025
#define CERT_DAYS 3650
#define ACCOUNTS_BYTES_MAX (16 * MIB)
#define PASSWORD "horse"

struct sandbox {
    const char *dir;
    const char *store; /* "sqlite" or "postgres" */
    const char *accounts;
    const char *settings; /* a file with more lines for posthorse.ini, or NULL */
    unsigned base_port;   /* 0: whatever is free */
    struct sys_user user;
    char *where; /* the setting `store` */
};

static int complain(const char *sentence, int code)
{
    fprintf(stderr, "posthorse sandbox: %s\n", sentence);
    return code;
}

static enum st read_number(const char *text, unsigned *number_r)
{
    uint64_t number;

    if (slice_to_u64(slice_str(text), &number) != ST_OK || number > 65000)
        return ST_INVALID;
    *number_r = (unsigned)number;
    return ST_OK;
}

static int read_options(struct sandbox *sandbox, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (value == NULL)
            return complain("each option takes a value; see posthorse sandbox --help", EX_USAGE);
        if (strcmp(argv[i], "--dir") == 0)
            sandbox->dir = value;
        else if (strcmp(argv[i], "--accounts") == 0)
            sandbox->accounts = value;
        else if (strcmp(argv[i], "--settings") == 0)
            sandbox->settings = value;
        else if (strcmp(argv[i], "--store") == 0 &&
                 (strcmp(value, "sqlite") == 0 || strcmp(value, "postgres") == 0))
            sandbox->store = value;
        else if (strcmp(argv[i], "--base-port") != 0 ||
                 read_number(value, &sandbox->base_port) != ST_OK)
            return complain(
                "options: --dir DIR --store sqlite|postgres --base-port N --accounts FILE"
                " --settings FILE",
                EX_USAGE);
    }
    return sandbox->dir[0] == '/' ? EX_OK : complain("--dir must be an absolute path", EX_USAGE);
}

/* Whom to run as when root starts it: the package's account where it is, otherwise nobody. */
static const char *user_name(void)
{
    return getpwnam("posthorse") != NULL ? "posthorse" : "nobody";
}

static enum st path_in(const struct sandbox *sandbox, const char *name, char path[4096])
{
    return snprintf(path, 4096, "%s/%s", sandbox->dir, name) < 4096 ? ST_OK : ST_TOO_BIG;
}

static enum st make_certificate(const struct sandbox *sandbox)
{
    static const char *const names[] = {"mail.example.test", "localhost", "127.0.0.1"};
    char cert[4096];
    char key[4096];
    enum st st = path_in(sandbox, "cert.pem", cert);

    if (st == ST_OK)
        st = path_in(sandbox, "key.pem", key);
    if (st == ST_OK && !sys_file_exists(cert))
        st = sys_cert_make_selfsigned(names, COUNT(names), CERT_DAYS, cert, key);
    if (st == ST_OK && sandbox->user.change && !sys_user_own(&sandbox->user, key))
        st = ST_DENIED;
    return st;
}

static enum st write_config(const struct sandbox *sandbox, char path[4096])
{
    static const char *const listens[] = {"smtp", "submission", "lmtp", "imap", "imaps", "admin"};
    AUTO(buf) struct buf text = BUF(64 * KIB);
    enum st st = path_in(sandbox, "posthorse.ini", path);

    buf_putf(
        &text,
        "; made by posthorse sandbox\nserver_name = mail.example.test\ndomains = example.test\n");
    buf_putf(&text, "data_dir = %s/data\nuser = %s\nstore = %s\n", sandbox->dir, user_name(),
             sandbox->where);
    buf_putf(&text, "tls_certificate_file = %s/cert.pem\ntls_key_file = %s/key.pem\n", sandbox->dir,
             sandbox->dir);
    buf_putf(&text, "auth_plain_without_tls = yes\n");
    for (size_t i = 0; i < COUNT(listens); i++)
        buf_putf(&text, "listen_%s = 127.0.0.1:%u\n", listens[i],
                 sandbox->base_port == 0 ? 0 : sandbox->base_port + (unsigned)i);
    if (st == ST_OK && sandbox->settings != NULL)
        st = sys_file_read(sandbox->settings, &text);
    if (text.over)
        st = ST_TOO_BIG;
    return st != ST_OK ? st : sys_file_write(path, buf_slice(&text), 0644);
}

/* --- accounts --- */

struct adding {
    struct slice name;
    struct slice body;
    char guid[SYS_GUID_HEX + 1];
    int64_t now_ms;
};

static enum st add_account(struct store_tx *tx, void *arg)
{
    const struct adding *adding = arg;
    struct store_document document = {.kind = SLICE("person"),
                                      .name = adding->name,
                                      .modified_ms = adding->now_ms,
                                      .body = adding->body};
    int64_t account_id;
    enum st st = store_account_add(tx, adding->name, adding->guid, adding->now_ms, &account_id);

    return st != ST_OK ? st : store_document_put(tx, &document);
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

static enum st add_line(struct store *store, struct arena *arena, struct slice line,
                        struct verifiers *v)
{
    AUTO(buf) struct buf body = BUF(64 * KIB);
    struct slice name = slice_sub(line, 0, slice_find(line, ' '));
    struct slice password = slice_trim(slice_sub(line, name.len, line.len));
    struct directory_document document = {.person.full_name = ""};
    struct adding adding = {.name = name, .now_ms = sys_now_ms()};

    if (!directory_name_ok(name) || make_verifiers(arena, password, v) != ST_OK)
        return ST_INVALID;
    document.person.yescrypt = v->yescrypt.ptr;
    document.person.scram = v->scram.ptr;
    document.person.admin = slice_eq(name, SLICE("alice"));
    directory_person_write(&document, &body);
    adding.body = buf_slice(&body);
    sys_guid(adding.guid);
    enum st st = store_write(store, add_account, &adding);
    return st == ST_EXISTS ? ST_OK : st; /* a folder that is used again */
}

static enum st prepare(struct store *store, void *ctx)
{
    const struct sandbox *sandbox = ctx;
    struct arena *arena = arena_new("sandbox accounts", 64 * MIB);
    AUTO(buf) struct buf text = BUF(ACCOUNTS_BYTES_MAX);
    struct verifiers v = {.password = NULL};
    struct slice line;
    enum st st = ST_OK;

    buf_init(&v.yescrypt, KIB);
    buf_init(&v.scram, KIB);
    buf_put(&text, SLICE("alice " PASSWORD "\nbob " PASSWORD "\ncarol " PASSWORD "\n"));
    if (sandbox->accounts != NULL)
        st = sys_file_read(sandbox->accounts, &text);
    struct slice rest = buf_slice(&text);
    while (st == ST_OK && slice_split(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (line.len > 0 && line.ptr[0] != '#')
            st = add_line(store, arena, line, &v);
    }
    buf_fini(&v.yescrypt);
    buf_fini(&v.scram);
    arena_free(&arena);
    return st;
}

/* --- what a newcomer sees --- */

static void ready(void *ctx)
{
    static const char *const kinds[] = {"smtp", "submission", "lmtp", "imap", "imaps", "admin"};
    const struct sandbox *sandbox = ctx;

    printf("ready");
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const char *address = server_address(kinds[i], 0);
        printf(" %s=%s", kinds[i], address != NULL ? address : "-");
    }
    printf("\n\nThe domain is example.test; alice, bob and carol have the password \"" PASSWORD
           "\". Try:\n\n");
    printf(
        "  printf 'From: alice@example.test\\nTo: bob@example.test\\nSubject: Hello\\n\\nIt "
        "works.\\n' |\n"
        "    curl --crlf -sS smtp://%s --mail-from alice@example.test --mail-rcpt bob@example.test "
        "-T -\n",
        server_address("smtp", 0));
    if (server_address("imap", 0) != NULL)
        printf("  curl -sS 'imap://bob:" PASSWORD "@%s/INBOX;MAILINDEX=1'\n",
               server_address("imap", 0));
    printf("  build/posthorse status --dir %s\n\nWhat happens is told below; Ctrl-C ends it.\n",
           sandbox->dir);
    fflush(stdout);
}

static int make_folders(struct sandbox *sandbox)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    char data[4096];

    if (sys_user_find(user_name(), &sandbox->user, &why) != ST_OK)
        return complain(why.ptr, EX_NOUSER);
    if (sys_folder_make(sandbox->dir, 0755) == ST_OK &&
        sys_user_own(&sandbox->user, sandbox->dir) && path_in(sandbox, "data", data) == ST_OK &&
        sys_folder_make(data, 0700) == ST_OK && sys_user_own(&sandbox->user, data))
        return EX_OK;
    buf_putf(&why,
             "%s: cannot be made, or the account %s, which the server runs as, cannot reach it; "
             "choose a folder whose parents everybody may enter, such as one in /tmp",
             sandbox->dir, user_name());
    return complain(why.ptr, EX_CANTCREAT);
}

static int make_files(struct sandbox *sandbox, char config[4096])
{
    if (make_certificate(sandbox) != ST_OK)
        return complain("the certificate cannot be made", EX_CANTCREAT);
    if (write_config(sandbox, config) != ST_OK)
        return complain("posthorse.ini cannot be written", EX_CANTCREAT);
    return EX_OK;
}

int sandbox_run(int argc, char **argv)
{
    struct sandbox sandbox = {
        .dir = DIR_DEFAULT, .store = "sqlite", .base_port = BASE_PORT_DEFAULT};
    struct sandbox_postgres *postgres = NULL;
    AUTO(buf) struct buf where = BUF(4 * KIB);
    char config[4096];
    int code = read_options(&sandbox, argc, argv);

    if (code == EX_OK)
        code = make_folders(&sandbox);
    if (code != EX_OK)
        return code;
    log_open(STDOUT_FILENO);
    if (strcmp(sandbox.store, "postgres") == 0) {
        code = sandbox_postgres_start(sandbox.dir, &postgres, &where);
        if (code != EX_OK)
            return code;
    } else {
        buf_put(&where, SLICE("sqlite"));
    }
    sandbox.where = where.ptr;
    code = make_files(&sandbox, config);
    struct server_options options = {
        .config_path = config, .prepare = prepare, .ready = ready, .ctx = &sandbox};
    if (code == EX_OK)
        code = server_run(&options);
    sandbox_postgres_stop(&postgres);
    return code;
}
