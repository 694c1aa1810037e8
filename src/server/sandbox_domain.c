#include "server/sandbox_domain.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "log/log.h"
#include "server/sandbox.h"
#include "server/sandbox_calendar.h"
#include "server/sandbox_join.h"
#include "server/sandbox_server.h"
#include "server/server.h"
#include "sys/sys_time.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define ARENA_BYTES_MAX (16 * MIB)
#define DOCUMENTS_MAX (SANDBOX_SERVERS_MAX + 3)
#define READY_MS_MAX 60000
#define END_MS_MAX 30000 /* a server's own time to end is less */
#define TICK_MS 50
#define SERVER_NAME "mail%u.example.test"
#define OTHER_ADDRESS "127.0.0.100"
#define OTHER_DOMAIN "exchange.example"
#define THEIR_ASKER "asker" /* who asks there for us */
#define THEIR_PEOPLE \
    "user " SANDBOX_PASSWORD "\ngina " SANDBOX_PASSWORD "\n" THEIR_ASKER " " SANDBOX_PASSWORD "\n"
#define MORE \
    "cluster_certificate_ms = 3650 d\nstore_connections_max = 12\nqueue_retry_min_ms = 1 s\n" \
    "queue_probe_ms = 500 ms\n"

struct member {
    struct sandbox_server server; /* first: server_options.ctx points to it */
    const char *short_name;
    char config[SANDBOX_PATH_BYTES];
    pid_t pid;    /* of its supervisor, and its process group; 0: none */
    int ready_fd; /* it tells its ports here; -1: it has */
    char ports[1000];
    uint64_t died_ms;
    int code; /* of its end */
};

struct domain {
    const struct sandbox_options *options;
    struct arena *arena;
    struct member members[SANDBOX_SERVERS_MAX + 1]; /* the last is the other mail system */
    size_t count;                                   /* with that */
    const char *names[SANDBOX_SERVERS_MAX];
    struct sandbox_document documents[DOCUMENTS_MAX];
    struct sandbox_document theirs; /* of the other mail system */
    unsigned base_port;
    bool moved; /* the ports are not those of the last time */
    bool terminal;
    bool ending;
    pid_t picture;
    sigset_t signals;
    sigset_t signals_before;
};

/* --- who they are --- */

static const char *text(struct domain *d, const char *fmt, ...) PRINTF(2, 3);
static const char *text(struct domain *d, const char *fmt, ...)
{
    char room[8 * KIB];
    va_list args;

    va_start(args, fmt);
    vsnprintf(room, sizeof(room), fmt, args);
    va_end(args);
    return slice_cstr(d->arena, slice_str(room));
}

static void name_members(struct domain *d, const char *where)
{
    unsigned servers = d->options->servers;

    d->count = servers + 1;
    for (unsigned i = 0; i < d->count; i++) {
        struct member *member = &d->members[i];
        bool other = i == servers;

        member->short_name = other ? "exchange" : text(d, "mail%u", i + 1);
        member->ready_fd = -1;
        member->server = (struct sandbox_server){
            .dir = text(d, "%s/%s", d->options->dir, member->short_name),
            .name = other ? "mail." OTHER_DOMAIN : text(d, SERVER_NAME, i + 1),
            .domain = other ? OTHER_DOMAIN : "example.test",
            .address = other ? OTHER_ADDRESS : text(d, "127.0.0.%u", i + 1),
            .base_port = d->base_port,
            .cluster = !other,
            .store = other ? "sqlite" : where,
            .settings = d->options->settings,
            .more = other ? NULL : MORE,
            .people = other ? THEIR_PEOPLE : SANDBOX_PEOPLE,
            .accounts = other ? NULL : d->options->accounts,
            .directory = other || i == 0,
            .replace = d->moved};
        if (!other)
            d->names[i] = member->server.name;
    }
}

static unsigned port(const struct domain *d, const char *kind)
{
    unsigned i = 0;

    while (strcmp(sandbox_ports[i], kind) != 0)
        i++;
    return d->base_port + i;
}

static const char *gateway_body(struct domain *d, size_t gateway)
{
    return text(d,
                "full_name = The way by %s\ndomain = BTEx\nmail_server = %s\nhost = " OTHER_ADDRESS
                ":%u\ncalendar_server = %s\n"
                "calendar = caldav http://" OTHER_ADDRESS ":%u/dav/calendars/" THEIR_ASKER
                "/outbox/\n"
                "calendar_user = " THEIR_ASKER "@" OTHER_DOMAIN
                "\ncalendar_password = " SANDBOX_PASSWORD
                "\n"
                "rewrite = *@BTEx *@" OTHER_DOMAIN "\npriority = %zu\n",
                d->members[gateway].short_name, d->names[gateway], port(d, "smtp"),
                d->names[gateway], port(d, "http"), gateway + 1);
}

static void write_documents(struct domain *d)
{
    unsigned servers = d->options->servers;
    size_t count = 0;

    for (unsigned i = 0; i < servers; i++) {
        const char *address = d->members[i].server.address;

        d->documents[count++] = (struct sandbox_document){
            "server", d->names[i],
            text(d, "address = %s\nsmtp = %s:%u\ncluster = %s:%u\n", address, address,
                 port(d, "transfer"), address, port(d, "cluster"))};
    }
    /* Those of a time when there were more: their own folders stay, they may come back. */
    for (unsigned i = servers; i < SANDBOX_SERVERS_MAX; i++)
        d->documents[count++] =
            (struct sandbox_document){"server", text(d, SERVER_NAME, i + 1), NULL};
    d->documents[count++] = (struct sandbox_document){
        "cluster", "pair", text(d, "member = %s\nmember = %s\n", d->names[0], d->names[1])};
    for (size_t i = 0; i < 2; i++)
        d->documents[count++] = (struct sandbox_document){
            "foreign-domain", text(d, "btex-%zu", i + 1), gateway_body(d, i)};
    d->members[0].server.documents = d->documents;
    d->members[0].server.document_count = count;
    d->theirs = (struct sandbox_document){
        "connection", "example.test",
        text(d, "domain = example.test\nhost = %s:%u\nhost = %s:%u\n", d->members[0].server.address,
             port(d, "smtp"), d->members[1].server.address, port(d, "smtp"))};
    d->members[servers].server.documents = &d->theirs;
    d->members[servers].server.document_count = 1;
    for (unsigned i = 0; strcmp(d->options->store, "sqlite") == 0 && i < servers; i++) {
        d->members[i].server.holders = d->names;
        d->members[i].server.holder_count = servers;
    }
}

/* --- a server's life --- */

/* In the server's own process. */
static void tell_ready(void *ctx)
{
    const struct member *member = ctx;
    size_t count = member->server.cluster ? sandbox_port_cluster_max : sandbox_port_count;
    AUTO(buf) struct buf line = BUF(sizeof(member->ports) - 1);

    for (size_t i = 0; i < count; i++) {
        const char *address = server_address(sandbox_ports[i], 0);

        buf_putf(&line, " %s=%s", sandbox_ports[i], address != NULL ? address : "-");
    }
    buf_put(&line, SLICE("\n"));
    if (write(member->ready_fd, line.ptr, line.len) < 0)
        perror("posthorse sandbox");
    close(member->ready_fd);
}

static void write_elsewhere(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return;
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void be_server(const struct domain *d, struct member *member, int ready_fd, pid_t parent)
{
    const struct server_options options = {.config_path = member->config,
                                           .prepare = sandbox_server_prepare,
                                           .furnish = sandbox_calendar_furnish,
                                           .ready = tell_ready,
                                           .ctx = member};
    char path[SANDBOX_PATH_BYTES + 8];

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(EX_TEMPFAIL);
    sigprocmask(SIG_SETMASK, &d->signals_before, NULL);
    member->ready_fd = ready_fd;
    snprintf(path, sizeof(path), "%s/log", member->server.dir);
    if (d->terminal)
        write_elsewhere(path);
    else
        log_name(member->short_name);
    exit(server_run(&options));
}

static bool start(struct domain *d, struct member *member)
{
    pid_t me = getpid();
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    member->pid = fork();
    if (member->pid == 0) {
        close(fds[0]);
        be_server(d, member, fds[1], me);
    }
    setpgid(member->pid, member->pid); /* whoever of both comes first */
    close(fds[1]);
    member->ready_fd = fds[0];
    member->died_ms = 0;
    return member->pid > 0;
}

/* A server whose supervisor is gone is gone as a whole. */
static void bury(struct domain *d, struct member *member)
{
    siginfo_t info = {.si_pid = 0};
    int status = 0;

    if (member->pid <= 0 ||
        waitid(P_PID, (id_t)member->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
        info.si_pid == 0)
        return;
    kill(-member->pid, SIGKILL);
    waitpid(member->pid, &status, 0);
    member->code = WIFEXITED(status) ? WEXITSTATUS(status) : EX_SOFTWARE;
    if (!d->terminal && !d->ending)
        printf("server %s ended: pid=%d %s=%d\n", member->short_name, (int)member->pid,
               WIFSIGNALED(status) ? "signal" : "code",
               WIFSIGNALED(status) ? WTERMSIG(status) : member->code);
    fflush(stdout);
    member->pid = 0;
    member->died_ms = sys_mono_ms();
    if (member->ready_fd >= 0)
        close(member->ready_fd);
    member->ready_fd = -1;
}

static void hear(struct member *member)
{
    struct pollfd poll_fd = {.fd = member->ready_fd, .events = POLLIN};

    if (member->ready_fd < 0 || poll(&poll_fd, 1, 0) <= 0)
        return;
    ssize_t got = read(member->ready_fd, member->ports, sizeof(member->ports) - 1);
    member->ports[got > 0 ? got : 0] = '\0';
    member->ports[strcspn(member->ports, "\n")] = '\0';
    close(member->ready_fd);
    member->ready_fd = -1;
}

/* Whoever read what is told has gone: `posthorse sandbox | head`. */
static bool nobody_reads(void)
{
    struct pollfd out = {.fd = STDOUT_FILENO};

    return poll(&out, 1, 0) > 0 && (out.revents & POLLERR) != 0;
}

/* Lets at most ms pass. */
static void tick(struct domain *d, uint64_t ms)
{
    struct timespec wait = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
    int signal = sigtimedwait(&d->signals, NULL, &wait);

    if (signal == SIGINT || signal == SIGTERM || nobody_reads())
        d->ending = true;
    for (size_t i = 0; i < d->count; i++) {
        hear(&d->members[i]);
        bury(d, &d->members[i]);
    }
    if (d->picture > 0 && waitpid(d->picture, NULL, WNOHANG) == d->picture)
        d->picture = 0;
}

static int await_ready(struct domain *d, struct member *member)
{
    uint64_t end_ms = sys_mono_ms() + READY_MS_MAX;

    while (!d->ending && member->pid > 0 && member->ready_fd >= 0 && sys_mono_ms() < end_ms)
        tick(d, TICK_MS);
    if (d->ending)
        return EX_OK;
    if (member->pid == 0)
        return member->code != EX_OK ? member->code : EX_SOFTWARE;
    return member->ready_fd < 0 ? EX_OK : sandbox_complain("a server does not start", EX_TEMPFAIL);
}

static void end_all(struct domain *d)
{
    uint64_t end_ms = sys_mono_ms() + END_MS_MAX;
    bool left = true;

    d->ending = true;
    for (size_t i = 0; i < d->count; i++)
        if (d->members[i].pid > 0) {
            kill(-d->members[i].pid, SIGCONT);
            kill(d->members[i].pid, SIGTERM);
        }
    if (d->picture > 0)
        kill(d->picture, SIGTERM);
    while (left) {
        left = d->picture > 0;
        for (size_t i = 0; i < d->count; i++) {
            left = left || d->members[i].pid > 0;
            if (d->members[i].pid > 0 && sys_mono_ms() > end_ms)
                kill(-d->members[i].pid, SIGKILL);
        }
        if (left)
            tick(d, TICK_MS);
    }
}

/* --- all of them --- */

static int join_all(struct domain *d)
{
    const struct member *first = &d->members[0];
    int code = EX_OK;

    for (size_t i = 1; code == EX_OK && !d->ending && i + 1 < d->count; i++) {
        struct member *member = &d->members[i];

        code = sandbox_join(first->config, text(d, "127.0.0.1:%u", port(d, "cluster")),
                            member->server.name, member->config);
        if (code == EX_OK && !start(d, member))
            code = sandbox_complain("no process can be started", EX_OSERR);
    }
    return code;
}

static int start_all(struct domain *d)
{
    struct member *first = &d->members[0];
    struct member *other = &d->members[d->count - 1];
    int code = EX_OK;

    for (size_t i = 0; code == EX_OK && i < d->count; i++)
        code = sandbox_server_make(&d->members[i].server, d->members[i].config);
    if (code == EX_OK)
        code = sandbox_join_found(first->config, first->server.domain, first->server.name);
    if (code == EX_OK && (!start(d, first) || !start(d, other)))
        code = sandbox_complain("no process can be started", EX_OSERR);
    if (code == EX_OK)
        code = await_ready(d, first);
    if (code == EX_OK)
        code = join_all(d);
    for (size_t i = 1; code == EX_OK && i < d->count; i++)
        code = await_ready(d, &d->members[i]);
    return code;
}

static void tell_all(const struct domain *d)
{
    const struct member *first = &d->members[0];

    for (size_t i = 0; i < d->count; i++)
        printf("server %s pid=%d dir=%s name=%s%s\n", d->members[i].short_name,
               (int)d->members[i].pid, d->members[i].server.dir, d->members[i].server.name,
               d->members[i].ports);
    printf("ready%s\n", first->ports);
    fflush(stdout);
}

/* The picture is drawn by a command of its own, which asks the servers as any other command. */
static void show_picture(struct domain *d)
{
    char *argv[2 * (SANDBOX_SERVERS_MAX + 1) + 6] = {mem_copy(SLICE("posthorse")),
                                                     mem_copy(SLICE("watch"))};
    size_t argc = 2;

    for (size_t i = 0; i < d->count; i++) {
        argv[argc++] = mem_copy(SLICE("--dir"));
        argv[argc++] = mem_copy(slice_str(d->members[i].server.dir));
    }
    argv[argc++] = mem_copy(SLICE("--revive"));
    argv[argc++] = mem_copy(slice_str(text(d, "%u", d->options->revive_s)));
    d->picture = fork();
    if (d->picture == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        sigprocmask(SIG_SETMASK, &d->signals_before, NULL);
        execv("/proc/self/exe", argv);
        _exit(EX_UNAVAILABLE);
    }
    for (size_t i = 0; i < argc; i++)
        mem_free(argv[i]);
}

static void revive(struct domain *d)
{
    uint64_t after_ms = (uint64_t)d->options->revive_s * SEC_MS;

    for (size_t i = 0; i < d->count && after_ms > 0; i++)
        if (d->members[i].pid == 0 && sys_mono_ms() > d->members[i].died_ms + after_ms)
            start(d, &d->members[i]);
}

static void run(struct domain *d)
{
    tell_all(d);
    if (d->terminal)
        show_picture(d);
    while (!d->ending) {
        tick(d, 10 * TICK_MS);
        revive(d);
    }
}

int sandbox_domain_run(const struct sandbox_options *options, const char *where)
{
    struct domain *d = mem_new(struct domain);

    d->options = options;
    d->arena = arena_new("sandbox", ARENA_BYTES_MAX);
    d->terminal = isatty(STDOUT_FILENO) == 1;
    sigemptyset(&d->signals);
    sigaddset(&d->signals, SIGINT);
    sigaddset(&d->signals, SIGTERM);
    sigaddset(&d->signals, SIGCHLD);
    sigprocmask(SIG_BLOCK, &d->signals, &d->signals_before);
    signal(SIGPIPE, SIG_IGN); /* servers are ended in order; see nobody_reads() */
    int code = sandbox_join_ports(options->dir, options->base_port, options->servers, &d->base_port,
                                  &d->moved);
    if (code == EX_OK) {
        name_members(d, where);
        write_documents(d);
        code = start_all(d);
        if (code == EX_OK && !d->ending)
            run(d);
        end_all(d);
    }
    arena_free(&d->arena);
    mem_free(d);
    return code;
}
