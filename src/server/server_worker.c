#include "server/server_worker.h"

#include "admin/admin.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar.h"
#include "calendar/calendar_connector.h"
#include "cluster/cluster.h"
#include "conf/conf.h"
#include "directory/directory_auth.h"
#include "health/health.h"
#include "http/http_negotiate.h"
#include "imap/imap.h"
#include "log/log.h"
#include "log/log_trace.h"
#include "net/net.h"
#include "router/router_queue.h"
#include "router/router_shadow.h"
#include "router/router_spool.h"
#include "server/server_web.h"
#include "smtp/smtp.h"
#include "store/store_blob.h"
#include "sys/sys_cert.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <unistd.h>

#define EXPIRY_WARN_MS (INT64_C(14) * 24 * 3600 * 1000)
#define TICK_S 3600

struct worker {
    const struct server_options *options;
    struct store *store;
    struct net *net;
    struct router_queue *queue;
    struct router_spool *spool;
    struct calendar *calendar;
    struct directory_auth auth;
    struct smtp_context smtp;
    struct imap_context imap;
    struct admin *admin;
    struct server_web *web;
    struct health *health;
    struct router_shadow *shadow;
    struct cluster *cluster;    /* NULL: this server is of no domain */
    struct sys_tls_server *tls; /* the one in force */
    char server_name[256];
};

static int complain(const struct buf *why, int code)
{
    fprintf(stderr, "posthorse: %s\n", why->len > 0 ? why->ptr : "cannot start");
    return code;
}

static int exit_code_of(enum st st)
{
    static const int codes[] = {
        [ST_OK] = EX_OK,
        [ST_AGAIN] = EX_TEMPFAIL,
        [ST_INVALID] = EX_CONFIG,
        [ST_TOO_BIG] = EX_CONFIG,
        [ST_DENIED] = EX_NOPERM,
        [ST_NOT_FOUND] = EX_NOINPUT,
        [ST_EXISTS] = EX_UNAVAILABLE,
        [ST_CONFLICT] = EX_TEMPFAIL,
        [ST_FULL] = EX_IOERR,
        [ST_IO] = EX_IOERR,
    };
    static_assert(COUNT(codes) == ST_MAX, "one exit code for each enum st");

    return codes[st];
}

static struct net_options net_options_of(const struct conf *conf)
{
    return (struct net_options){.threads_max = conf->threads_max,
                                .connections_max = conf->connections_max,
                                .write_timeout_ms = conf->write_timeout_ms};
}

static struct log_trace_limits trace_limits_of(const struct conf *conf)
{
    return (struct log_trace_limits){.days = conf->trace_days, .bytes_max = conf->trace_bytes_max};
}

/* Without it mail goes on all the same. */
static void open_trace(const struct conf *conf)
{
    const struct log_trace_limits limits = trace_limits_of(conf);
    AUTO(buf) struct buf folder = BUF(8 * KIB);

    buf_putf(&folder, "%s/trace", conf->data_dir);
    if (log_trace_open(folder.ptr, &limits, sys_now_ms()) != ST_OK)
        log_event(EV_TRACE_TROUBLE, 0, LOG_C("folder", folder.ptr));
}

static void use_log_level(const struct conf *conf)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(conf->log_level, names[i]) == 0)
            log_level_set((enum log_level)i);
}

/* --- TLS --- */

static void warn_of_expiry(const struct conf *conf)
{
    int64_t expiry_ms;

    if (conf->tls_certificate_file[0] == '\0' ||
        sys_cert_expiry_ms(conf->tls_certificate_file, &expiry_ms) != ST_OK ||
        expiry_ms - sys_now_ms() > EXPIRY_WARN_MS)
        return;
    log_event(EV_TLS_EXPIRING, 0, LOG_C("file", conf->tls_certificate_file),
              LOG_I("hours_left", (expiry_ms - sys_now_ms()) / (int64_t)HOUR_MS));
}

static enum st load_tls(struct worker *worker, const struct conf *conf, struct buf *why)
{
    struct sys_tls_server *tls = NULL;

    if (conf->tls_certificate_file[0] == '\0')
        return ST_OK;
    enum st st = sys_tls_server_new(conf->tls_certificate_file, conf->tls_key_file,
                                    conf->tls_priorities, why, &tls);
    if (st != ST_OK)
        return st;
    if (worker->tls != NULL) {
        sys_tls_server_keep_tickets(tls, worker->tls);
        sys_tls_server_free(&worker->tls); /* connections keep what they were made from */
    }
    worker->tls = tls;
    net_tls_use(worker->net, tls);
    st = server_web_tls_use(worker->web, conf, why);
    if (st != ST_OK)
        return st;
    log_event(EV_TLS_LOADED, 0, LOG_C("file", conf->tls_certificate_file));
    warn_of_expiry(conf);
    return ST_OK;
}

/* --- start --- */

static void raise_file_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum st open_store(struct worker *worker, const struct conf *conf, struct buf *why)
{
    struct store_options options = {.where = conf->store,
                                    .data_dir = conf->data_dir,
                                    .connections_max = conf->store_connections_max,
                                    .retry_ms = conf->store_retry_ms,
                                    .create = true,
                                    .server_name = worker->server_name};
    enum st st = store_open(&options, why, &worker->store);

    if (st != ST_OK)
        return st;
    store_set_root(worker->store, conf_uidvalidity_root(conf));
    log_event(EV_STORE_OPENED, 0, LOG_C("engine", store_engine_name(worker->store)));
    st = blob_sweep(worker->store, !store_is_shared(worker->store));
    if (st == ST_OK && worker->options->prepare != NULL)
        st = worker->options->prepare(worker->store, worker->options->ctx);
    if (st == ST_OK)
        st = directory_open(worker->store);
    if (st != ST_OK && why->len == 0)
        buf_put(why, SLICE("the store cannot be read"));
    return st;
}

static struct health_limits health_limits_of(const struct conf *conf)
{
    return (struct health_limits){.suspect_ms = conf->cluster_suspect_ms,
                                  .down_ms = conf->cluster_down_ms,
                                  .steady_ms = conf->cluster_steady_ms};
}

static void kick_calendar(void *calendar)
{
    calendar_kick(calendar);
}

static enum st open_queue(struct worker *worker, const struct conf *conf, struct buf *why)
{
    const struct health_limits limits = health_limits_of(conf);

    worker->health = health_new(&limits);
    const struct router_queue_options options = {worker->store, worker->server_name,
                                                 worker->health};

    enum st st = router_queue_new(&options, why, &worker->queue);
    if (st == ST_OK && conf->spool && store_is_shared(worker->store))
        st = router_spool_new(conf->data_dir, worker->store, why, &worker->spool);
    worker->calendar =
        calendar_new(&(struct calendar_context){worker->store, worker->queue, worker->server_name});
    if (st == ST_OK && worker->options->furnish != NULL)
        st = worker->options->furnish(worker->calendar, worker->options->ctx);
    return st;
}

/* --- the other servers --- */

static const char *first_listening(const struct server_listeners *listeners, enum server_kind kind)
{
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->list[i].kind == kind)
            return listeners->list[i].address;
    return "";
}

/* A server without a domain serves all the same, alone. */
static enum st open_cluster(struct worker *worker, const struct conf *conf,
                            const struct server_listeners *listeners, struct buf *why)
{
    const struct cluster_context context = {.store = worker->store,
                                            .net = worker->net,
                                            .server_name = worker->server_name,
                                            .data_dir = conf->data_dir,
                                            .listening = first_listening(listeners, SERVER_cluster),
                                            .transfer = first_listening(listeners, SERVER_transfer),
                                            .proto_transfer = &proto_transfer};
    struct cluster_context with = context;

    with.health = worker->health;
    enum st st = cluster_open(&with, why, &worker->cluster);
    if (st != ST_NOT_FOUND)
        return st;
    if (context.listening[0] != '\0' || context.transfer[0] != '\0')
        log_event(EV_CLUSTER_ALONE, 0, LOG_S("why", buf_slice(why)));
    buf_clear(why);
    return ST_OK;
}

static void *context_of(struct worker *worker, const struct net_proto *proto)
{
    if (proto == &proto_imap)
        return &worker->imap;
    if (proto == &proto_transfer && worker->cluster == NULL)
        return NULL; /* without a domain nobody could be trusted */
    return proto == &proto_cluster ? (void *)worker->cluster : &worker->smtp;
}

static void listen_all(struct worker *worker, const struct conf *conf,
                       struct server_listeners *listeners)
{
    static const struct {
        const struct net_proto *proto;
        bool tls_first;
        bool limited;
    } kinds[] = {
#define LISTEN(kind, setting, proto, tls, limited) {proto, tls, limited},
#include "server/server_listen.def"
    };

    for (size_t i = 0; i < listeners->count; i++) {
        enum server_kind kind = listeners->list[i].kind;
        void *context = context_of(worker, kinds[kind].proto);

        if (kinds[kind].proto != NULL && context != NULL)
            net_listen(worker->net, listeners->list[i].fd, kinds[kind].proto, context,
                       kinds[kind].tls_first,
                       kinds[kind].limited ? conf->smtp_connections_per_address_max : 0);
    }
}

/* The thread that waits for signals reads the settings. */
static void ask_for_reload(void *arg)
{
    kill(getpid(), SIGHUP);
}

static enum st start_admin(struct worker *worker, const struct server_listeners *listeners,
                           struct buf *why)
{
    const struct admin_context context = {.store = worker->store,
                                          .queue = worker->queue,
                                          .auth = &worker->auth,
                                          .cluster = worker->cluster,
                                          .calendar = worker->calendar,
                                          .server_name = worker->server_name,
                                          .config_path = worker->options->config_path,
                                          .reload = ask_for_reload};

    worker->admin = admin_new(&context);
    admin_listen_unix(worker->admin, listeners->admin_fd);
    for (size_t i = 0; i < listeners->count; i++)
        if (listeners->list[i].kind == SERVER_admin)
            admin_listen_tcp(worker->admin, listeners->list[i].fd);
    return admin_start(worker->admin, why);
}

static enum st start_web(struct worker *worker, const struct server_listeners *listeners,
                         struct buf *why)
{
    const struct server_web_context context = {worker->store, &worker->auth, worker->calendar};

    http_negotiate_check();
    return server_web_listen(worker->web, &context, listeners, why);
}

static void name_server(struct worker *worker, const struct conf *conf)
{
    if (conf->server_name[0] != '\0')
        snprintf(worker->server_name, sizeof(worker->server_name), "%s", conf->server_name);
    else if (gethostname(worker->server_name, sizeof(worker->server_name) - 1) != 0)
        snprintf(worker->server_name, sizeof(worker->server_name), "localhost");
}

static enum st start_cluster(struct worker *worker, struct buf *why)
{
    enum st st = router_shadow_new(worker->queue, worker->cluster, why, &worker->shadow);

    if (st == ST_OK)
        st = cluster_start(worker->cluster, why);
    return st == ST_OK ? router_shadow_start(worker->shadow) : st;
}

static enum st start(struct worker *worker, struct server_listeners *listeners, struct buf *why)
{
    const struct conf *conf = conf_get();
    struct net_options net_options = net_options_of(conf);

    raise_file_limit();
    use_log_level(conf);
    conf_begin();
    if (conf->server_restricted != 0 && conf_restriction() == CONF_OPEN)
        log_event(EV_RESTRICTION_ENDED, 0, LOG_U("server_restricted", conf->server_restricted));
    open_trace(conf);
    name_server(worker, conf);
    directory_auth_init(&worker->auth);
    worker->net = net_new(&net_options);
    enum st st = open_store(worker, conf, why);
    worker->web = server_web_new();
    if (st == ST_OK)
        st = load_tls(worker, conf, why);
    if (st == ST_OK)
        st = open_queue(worker, conf, why);
    if (st == ST_OK)
        st = open_cluster(worker, conf, listeners, why);
    if (st != ST_OK)
        return st;
    worker->smtp = (struct smtp_context){worker->store, worker->queue,       worker->spool,
                                         &worker->auth, worker->server_name, worker->cluster};
    worker->imap = (struct imap_context){worker->store, &worker->auth};
    listen_all(worker, conf, listeners);
    router_queue_use_cluster(worker->queue, worker->cluster);
    router_queue_watch_tasks(worker->queue, kick_calendar, worker->calendar);
    calendar_connector_use_cluster(calendar_connector(worker->calendar), worker->cluster);
    if (worker->cluster != NULL)
        st = start_cluster(worker, why);
    if (st == ST_OK)
        st = net_start(worker->net);
    if (st == ST_OK)
        st = start_admin(worker, listeners, why);
    if (st == ST_OK)
        st = start_web(worker, listeners, why);
    if (st == ST_OK)
        router_queue_start(worker->queue);
    if (st == ST_OK && worker->spool != NULL)
        st = router_spool_start(worker->spool, worker->queue);
    if (st == ST_OK)
        st = calendar_start(worker->calendar, why);
    return st;
}

/* --- while it serves --- */

static void reload(struct worker *worker)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    struct conf conf = conf_defaults;

    if (conf_file_read(&conf, worker->options->config_path, &why) != ST_OK) {
        log_event(EV_CONFIG_REFUSED, 0, LOG_S("why", buf_slice(&why)));
        return;
    }
    for (size_t i = 0; i < conf_field_count; i++) {
        if (conf_fields[i].reload || conf_same(&conf, conf_get(), &conf_fields[i]))
            continue;
        log_event(EV_CONFIG_REFUSED, 0, LOG_C("setting", conf_fields[i].name),
                  LOG_C("why", "takes effect at the next start"));
        conf_keep(&conf, conf_get(), &conf_fields[i]);
    }
    conf_use(&conf);
    use_log_level(&conf);
    const struct log_trace_limits limits = trace_limits_of(&conf);
    log_trace_limit(&limits, sys_now_ms());
    struct net_options net_options = net_options_of(&conf);
    net_set_options(worker->net, &net_options);
    store_set_retry(worker->store, conf.store_retry_ms);
    store_set_root(worker->store, conf_uidvalidity_root(&conf));
    directory_reload();
    cluster_reload(worker->cluster);
    router_queue_look(worker->queue, true);
    if (load_tls(worker, &conf, &why) != ST_OK)
        log_event(EV_TLS_REFUSED, 0, LOG_S("why", buf_slice(&why)));
    http_negotiate_check();
    log_event(EV_CONFIG_RELOADED, 0, LOG_C("file", worker->options->config_path));
}

static void await_end(struct worker *worker, const sigset_t *signals)
{
    for (;;) {
        struct timespec tick = {.tv_sec = TICK_S};
        int signal = sigtimedwait(signals, NULL, &tick);

        if (signal == SIGTERM)
            return;
        if (signal == SIGHUP)
            reload(worker);
        else if (signal < 0)
            warn_of_expiry(conf_get());
    }
}

static void stop(struct worker *worker)
{
    calendar_connector_hurry(calendar_connector(worker->calendar));
    server_web_stop(worker->web, conf_get()->shutdown_timeout_ms);
    server_web_free(&worker->web);
    admin_stop(worker->admin, conf_get()->shutdown_timeout_ms);
    admin_free(&worker->admin);
    router_shadow_stop(worker->shadow);
    cluster_stop(worker->cluster);
    net_stop(worker->net, conf_get()->shutdown_timeout_ms);
    store_hurry(worker->store); /* nobody waits for its answers any more */
    net_join(worker->net, conf_get()->shutdown_timeout_ms);
    calendar_stop(worker->calendar);
    router_spool_stop(worker->spool);
    router_queue_stop(worker->queue, conf_get()->shutdown_timeout_ms);
    router_shadow_free(&worker->shadow);
    calendar_free(&worker->calendar);
    router_queue_free(&worker->queue);
    router_spool_free(&worker->spool);
    cluster_free(&worker->cluster);
    health_free(&worker->health);
    directory_close();
    store_close(&worker->store);
    net_free(&worker->net);
    sys_tls_server_free(&worker->tls);
    directory_auth_fini(&worker->auth);
    log_event(EV_WORKER_STOP, 0, LOG_I("pid", getpid()));
    log_trace_close();
}

int server_worker_run(const struct server_options *options, struct server_listeners *listeners,
                      int ready_fd)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    struct worker *worker = mem_new(struct worker);
    sigset_t signals;

    mem_tune();
    worker->options = options;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, SIG_IGN); /* Ctrl-C reaches the supervisor too, which ends this one in order */
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_SETMASK, &signals, NULL); /* threads inherit it; this one waits for them */
    uint64_t begun_ms = sys_mono_ms();
    enum st st = start(worker, listeners, &why);
    if (st != ST_OK)
        return complain(&why, exit_code_of(st));
    log_event(EV_WORKER_READY, 0, LOG_I("pid", getpid()), LOG_U("ms", sys_mono_ms() - begun_ms));
    if (write(ready_fd, "R", 1) != 1)
        return EX_OSERR;
    await_end(worker, &signals);
    stop(worker);
    mem_free(worker);
    return EX_OK;
}
