#include "server/server.h"

#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "log/log.h"
#include "server/server_listen.h"
#include "server/server_worker.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_notify.h"
#include "sys/sys_time.h"
#include "sys/sys_user.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define RESTARTS_FREE 3      /* deaths in a row that are answered at once */
#define RESTART_MS_MAX 10000 /* ... later ones wait, up to this long */
#define STEADY_MS 30000      /* a worker that lived so long starts the count anew */
#define KILL_AFTER_MS 5000   /* beyond shutdown_timeout_ms */

struct supervisor {
    const struct server_options *options;
    struct server_listeners listeners;
    struct sys_user user; /* whom workers run as */
    pid_t worker;
    int ready_fd; /* the worker writes here once it serves; -1: it has */
    uint64_t started_ms;
    unsigned deaths; /* in a row */
    bool served;     /* a worker was ready once */
    bool ending;
    uint64_t kill_ms; /* when an ending worker is killed */
    sigset_t signals_before;
};

static struct supervisor self;

static int complain(const char *sentence, int code)
{
    fprintf(stderr, "posthorse: %s\n", sentence);
    return code;
}

const char *server_address(const char *kind, size_t n)
{
    for (size_t i = 0; i < self.listeners.count; i++)
        if (strcmp(server_kind_name(self.listeners.list[i].kind), kind) == 0 && n-- == 0)
            return self.listeners.list[i].address;
    return NULL;
}

/* --- the worker's life --- */

static void be_worker(int ready_fd, pid_t supervisor)
{
    AUTO(buf) struct buf why = BUF(KIB);

    sigprocmask(SIG_SETMASK, &self.signals_before, NULL);
    if (sys_user_become(&self.user, &why) != ST_OK)
        _exit(complain(why.ptr, EX_NOPERM));
    prctl(PR_SET_PDEATHSIG, SIGTERM); /* nobody would restart it; changing users had cleared it */
    if (getppid() != supervisor)
        _exit(EX_TEMPFAIL);
    exit(server_worker_run(self.options, &self.listeners, ready_fd));
}

static bool start_worker(void)
{
    int fds[2];
    pid_t me = getpid();

    if (pipe(fds) != 0)
        return false;
    fflush(NULL);
    self.worker = fork();
    if (self.worker == 0) {
        close(fds[0]);
        be_worker(fds[1], me);
    }
    close(fds[1]);
    self.ready_fd = fds[0];
    self.started_ms = sys_mono_ms();
    return self.worker > 0;
}

static void worker_ready(void)
{
    char byte;
    ssize_t got = read(self.ready_fd, &byte, 1);

    close(self.ready_fd);
    self.ready_fd = -1;
    if (got != 1)
        return;
    if (!self.served && self.options->ready != NULL)
        self.options->ready(self.options->ctx);
    self.served = true;
    sys_notify("READY=1");
}

/* How long to wait before the next worker starts. */
static uint64_t restart_delay_ms(void)
{
    if (sys_mono_ms() - self.started_ms > STEADY_MS)
        self.deaths = 0;
    self.deaths++;
    if (self.deaths <= RESTARTS_FREE)
        return 0;
    uint64_t ms =
        UINT64_C(100) << (self.deaths - RESTARTS_FREE < 8 ? self.deaths - RESTARTS_FREE : 8);
    return ms < RESTART_MS_MAX ? ms : RESTART_MS_MAX;
}

/* A worker has ended. Returns an exit code, or -1 when another one was started. */
static int worker_ended(int status)
{
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;

    self.worker = 0;
    if (self.ending)
        return EX_OK;
    if (!self.served && code > 0) /* it has said why it cannot start */
        return code;
    log_event(EV_WORKER_DIED, 0, LOG_I("signal", WIFSIGNALED(status) ? WTERMSIG(status) : 0),
              LOG_I("code", code));
    sys_sleep_ms(restart_delay_ms());
    if (!start_worker())
        return complain("no worker can be started", EX_OSERR);
    return -1;
}

static void begin_end(void)
{
    if (!self.ending) {
        sys_notify("STOPPING=1");
        self.kill_ms = sys_mono_ms() + conf_get()->shutdown_timeout_ms + KILL_AFTER_MS;
    }
    self.ending = true;
    kill(self.worker, SIGTERM);
}

static int take_signal(int signal_fd)
{
    struct signalfd_siginfo info;
    int status;

    if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
        return -1;
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
        begin_end();
    else if (info.ssi_signo == SIGHUP)
        kill(self.worker, SIGHUP);
    else if (waitpid(self.worker, &status, WNOHANG) == self.worker)
        return worker_ended(status);
    return -1;
}

static int supervise(int signal_fd)
{
    int code = -1;

    while (code < 0) {
        struct pollfd fds[2] = {{.fd = signal_fd, .events = POLLIN},
                                {.fd = self.ready_fd, .events = POLLIN}};
        int n = poll(fds, self.ready_fd >= 0 ? 2 : 1, 1000);

        if (n > 0 && (fds[0].revents & POLLIN) != 0)
            code = take_signal(signal_fd);
        else if (n > 0 && fds[1].revents != 0)
            worker_ready();
        if (self.ending && sys_mono_ms() > self.kill_ms)
            kill(self.worker, SIGKILL);
    }
    return code;
}

/* --- start --- */

/* A server that starts with a certificate nobody accepts helps nobody. While it runs it only warns.
 */
static enum st check_certificate(const struct conf *conf, struct buf *why)
{
    int64_t expiry_ms;

    if (conf->tls_certificate_file[0] == '\0')
        return ST_OK;
    enum st st = sys_cert_expiry_ms(conf->tls_certificate_file, &expiry_ms);
    if (st != ST_OK) {
        buf_putf(why, "tls_certificate_file = %s: cannot be read", conf->tls_certificate_file);
        return st;
    }
    if (expiry_ms > sys_now_ms())
        return ST_OK;
    buf_putf(why, "tls_certificate_file = %s: the certificate has expired; put a new one there",
             conf->tls_certificate_file);
    return ST_INVALID;
}

static int prepare(const struct conf *conf)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    enum st st;

    if (sys_user_find(conf->user, &self.user, &why) != ST_OK)
        return complain(why.ptr, EX_NOUSER);
    st = sys_folder_make(conf->data_dir, 0700);
    if (st != ST_OK || !sys_user_own(&self.user, conf->data_dir)) {
        buf_putf(&why, "data_dir = %s: cannot be made or is not writable", conf->data_dir);
        return complain(why.ptr, EX_CANTCREAT);
    }
    st = check_certificate(conf, &why);
    if (st != ST_OK)
        return complain(why.ptr, EX_CONFIG);
    st = server_listen_open(conf, &self.listeners, &why);
    if (st != ST_OK)
        return complain(why.ptr, st == ST_DENIED    ? EX_NOPERM
                                 : st == ST_INVALID ? EX_CONFIG
                                                    : EX_UNAVAILABLE);
    return EX_OK;
}

static int catch_signals(void)
{
    sigset_t signals;

    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &signals, &self.signals_before);
    return signalfd(-1, &signals, SFD_CLOEXEC);
}

int server_run(const struct server_options *options)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    struct conf conf = conf_defaults;

    if (conf_file_read(&conf, options->config_path, &why) != ST_OK)
        return complain(why.ptr, EX_CONFIG);
    conf_use(&conf);
    self.options = options;
    int code = prepare(&conf);
    if (code != EX_OK)
        return code;
    int signal_fd = catch_signals();
    log_event(EV_SERVER_START, 0, LOG_C("version", POSTHORSE_VERSION), LOG_I("pid", getpid()),
              LOG_C("config", options->config_path));
    if (signal_fd < 0 || !start_worker())
        return complain("no worker can be started", EX_OSERR);
    code = supervise(signal_fd);
    log_event(EV_SERVER_STOP, 0, LOG_I("code", code));
    return code;
}
