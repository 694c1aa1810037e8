#include "server/sandbox_join.h"

#include "base/buf.h"
#include "base/slice.h"
#include "cluster/cluster.h"
#include "cluster/cluster_domain.h"
#include "conf/conf.h"
#include "log/log.h"
#include "server/sandbox_server.h"
#include "store/store.h"
#include "sys/sys_file.h"
#include "sys/sys_random.h"
#include "sys/sys_sock.h"
#include "sys/sys_user.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define JOIN_MS_MAX 30000
#define TRIES_MAX 200
#define PORT_MIN 15000
#define PORT_COUNT 16000

/* --- as the user that the server runs as, in a process of its own --- */

static int fail(const char *what, const struct buf *why)
{
    AUTO(buf) struct buf sentence = BUF(8 * KIB);

    buf_putf(&sentence, "%s: %s", what, why->len > 0 ? why->ptr : "it failed");
    return sandbox_complain(sentence.ptr, EX_UNAVAILABLE);
}

static enum st become_server(const char *config, struct conf *conf, struct buf *why)
{
    struct sys_user user;

    *conf = conf_defaults;
    enum st st = conf_file_read(conf, config, why);
    if (st == ST_OK)
        st = sys_user_find(conf->user, &user, why);
    if (st == ST_OK)
        st = sys_user_become(&user, why);
    log_level_set(LOG_ERROR);
    conf_use(conf);
    return st;
}

static bool is_member(const struct conf *conf)
{
    char path[CLUSTER_PATH_BYTES];

    cluster_domain_path(conf->data_dir, CLUSTER_FILE_MEMBER, path);
    return sys_file_exists(path);
}

/* True in the child; the parent gets the child's code. */
static bool apart(int *code_r)
{
    int status = 0;

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        return true;
    *code_r = EX_OSERR;
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
        *code_r = WEXITSTATUS(status);
    return false;
}

static enum st join(const char *first_config, const char *address, const char *server_name,
                    const struct conf *conf, struct buf *why)
{
    AUTO(buf) struct buf token = BUF(KIB);
    struct conf first = conf_defaults;
    const struct store_options options = {.where = conf->store,
                                          .data_dir = conf->data_dir,
                                          .connections_max = conf->store_connections_max,
                                          .retry_ms = conf->store_retry_ms,
                                          .create = true};
    struct store *store;
    uint64_t count;
    enum st st = conf_file_read(&first, first_config, why);

    if (st == ST_OK)
        st = cluster_domain_invite(first.data_dir, server_name, JOIN_MS_MAX, &token, why);
    if (st == ST_OK)
        st = store_open(&options, why, &store);
    if (st != ST_OK)
        return st;
    const struct cluster_join_options joining = {.address = address,
                                                 .token = token.ptr,
                                                 .server_name = server_name,
                                                 .data_dir = conf->data_dir,
                                                 .store = store,
                                                 .timeout_ms = JOIN_MS_MAX};
    st = cluster_join(&joining, &count, why);
    store_close(&store);
    return st == ST_AGAIN ? ST_OK : st; /* it gets the rest of the documents when it runs */
}

/* How a server becomes one of the domain: it founds it, or joins it at the first one's address. */
struct membership {
    const char *config;
    const char *server_name;
    const char *domain; /* NULL: it joins */
    const char *first_config;
    const char *address;
};

static int become_member(const struct membership *m)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    bool founds = m->domain != NULL;
    struct conf conf;
    int code;

    if (!apart(&code))
        return code;
    enum st st = become_server(m->config, &conf, &why);
    if (st == ST_OK && !is_member(&conf))
        st = founds ? cluster_domain_init(conf.data_dir, m->domain, m->server_name,
                                          conf.cluster_certificate_ms, &why)
                    : join(m->first_config, m->address, m->server_name, &conf, &why);
    _exit(st == ST_OK ? EX_OK
                      : fail(founds ? "the domain cannot be made" : "a server cannot join", &why));
}

int sandbox_join_found(const char *config, const char *domain, const char *server_name)
{
    return become_member(
        &(struct membership){.config = config, .server_name = server_name, .domain = domain});
}

int sandbox_join(const char *first_config, const char *address, const char *server_name,
                 const char *config)
{
    return become_member(&(struct membership){.config = config,
                                              .server_name = server_name,
                                              .first_config = first_config,
                                              .address = address});
}

/* --- ports --- */

static bool is_free(const char *address, unsigned base_port, struct buf *why)
{
    bool ok = true;

    for (unsigned i = 0; ok && i < sandbox_port_cluster_max; i++) {
        AUTO(buf) struct buf at = BUF(100);
        int fd;

        buf_clear(why);
        buf_putf(&at, "%s:%u", address, base_port + i);
        ok = sys_listen(buf_slice(&at), false, &fd, why) == ST_OK;
        if (ok)
            close(fd);
    }
    return ok;
}

static bool all_free(unsigned base_port, unsigned servers, struct buf *why)
{
    bool ok = is_free("127.0.0.100", base_port, why);
    char address[32];

    for (unsigned i = 1; ok && i <= servers; i++) {
        snprintf(address, sizeof(address), "127.0.0.%u", i);
        ok = is_free(address, base_port, why);
    }
    return ok;
}

static unsigned last_time(const char *path)
{
    AUTO(buf) struct buf text = BUF(100);
    uint64_t number = 0;

    if (sys_file_read(path, &text) != ST_OK ||
        slice_to_u64(slice_trim(buf_slice(&text)), &number) != ST_OK || number > 65000)
        return 0;
    return (unsigned)number;
}

static unsigned any_port(unsigned servers, struct buf *why)
{
    for (int i = 0; i < TRIES_MAX; i++) {
        uint32_t random;

        sys_random(&random, sizeof(random));
        unsigned base_port = PORT_MIN + random % PORT_COUNT;
        if (all_free(base_port, servers, why))
            return base_port;
    }
    return 0;
}

int sandbox_join_ports(const char *dir, unsigned wanted, unsigned servers, unsigned *base_port_r,
                       bool *moved_r)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    char path[SANDBOX_PATH_BYTES];
    char line[16];

    if (snprintf(path, sizeof(path), "%s/base-port", dir) >= (int)sizeof(path))
        return sandbox_complain("--dir is too long", EX_USAGE);
    unsigned before = last_time(path);
    *base_port_r = wanted;
    if (wanted == 0)
        *base_port_r =
            before > 0 && all_free(before, servers, &why) ? before : any_port(servers, &why);
    else if (!all_free(wanted, servers, &why))
        return sandbox_complain(why.ptr, EX_UNAVAILABLE);
    if (*base_port_r == 0)
        return sandbox_complain("no free ports were found", EX_UNAVAILABLE);
    *moved_r = *base_port_r != before;
    snprintf(line, sizeof(line), "%u\n", *base_port_r);
    if (sys_folder_make(dir, 0755) != ST_OK || sys_file_write(path, slice_str(line), 0644) != ST_OK)
        return sandbox_complain("the folder of --dir cannot be written to", EX_CANTCREAT);
    return EX_OK;
}
