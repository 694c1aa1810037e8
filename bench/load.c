/* load: many SMTP, LMTP or IMAP sessions from one thread, with little work of its own, since it
 * shares the processors with what it measures. Prints one JSON object.
 *
 *     load smtp|lmtp|imap --port N [--sessions N] [--count N] [--size BYTES]
 *          [--users N | --user NAME] [--domain NAME] [--timeout SECONDS]
 *
 * Messages go to u1@example.test, u2@... (or of another domain) in turn; an imap operation is
 * connect, LOGIN, SELECT, FETCH 1 (FLAGS ENVELOPE), LOGOUT. Exit code 1 when an operation failed.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/slice.h"
#include "load.h"

enum {
    IOV_COUNT = 16,
    EVENTS_MAX = 256,
    ERRORS_SHOWN_MAX = 5,
    UNGREETED_MAX = 4, /* connections: OpenSMTPD lets five wait, and the kernel loses the next */
};

struct session {
    int fd;               /* -1: closed */
    uint64_t connections; /* opened so far */
    size_t step;
    bool busy; /* an operation is under way */
    uint64_t op;
    double begun; /* seconds, when the operation began */
    struct load_out out;
    size_t piece;       /* next to send: out.piece[piece], */
    uint64_t piece_off; /* from this byte on */
    bool waits_out;     /* registered for EPOLLOUT */
    char line[LOAD_LINE_BYTES];
    size_t line_len;
};

struct load {
    struct load_plan plan;
    int epoll;
    struct session *sessions;
    uint64_t started_count; /* of the sessions */
    uint64_t greeted_count;
    uint64_t open_count;
    uint64_t op_count; /* taken so far */
    uint64_t error_count;
    double begun;
    double ended; /* when the last operation was over */
    double *took; /* seconds of each operation that went well */
    uint64_t took_count;
};

static _Noreturn void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "load: %s: %s\n", what, why);
    exit(2);
}

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static const struct load_step *session_step(const struct load *load, const struct session *s)
{
    return &load->plan.proto->steps[s->step];
}

/* Takes the next operation; false when none is left. */
static bool op_take(struct load *load, struct session *s)
{
    if (load->op_count == load->plan.count)
        return false;
    s->op = load->op_count++;
    s->busy = true;
    s->begun = now();
    return true;
}

static void op_done(struct load *load, struct session *s)
{
    load->ended = now();
    load->took[load->took_count++] = load->ended - s->begun;
    s->busy = false;
}

/* Charges an operation with what went wrong, also where it failed before it could begin. */
static void op_fail(struct load *load, struct session *s, const char *why)
{
    const struct load_proto *proto = load->plan.proto;

    if (!s->busy && (s->step > proto->end || !op_take(load, s)))
        return;
    s->busy = false;
    load->ended = now();
    if (load->error_count++ < ERRORS_SHOWN_MAX)
        (void)fprintf(stderr, "load: %s: %s\n", session_step(load, s)->name, why);
}

static void session_close(struct load *load, struct session *s)
{
    if (s->fd < 0)
        return;
    (void)close(s->fd);
    s->fd = -1;
    load->open_count--;
}

static bool session_connect(struct load *load, struct session *s)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)load->plan.port)};
    struct epoll_event ev = {.events = EPOLLIN, .data.ptr = s};
    int one = 1;

    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    s->connections++;
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        die("socket", strerror(errno));
    load->open_count++;
    (void)setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(s->fd, (struct sockaddr *)&to, sizeof(to)) == 0 || errno == EINPROGRESS) {
        if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, s->fd, &ev) < 0)
            die("epoll_ctl", strerror(errno));
        return true;
    }
    op_fail(load, s, strerror(errno));
    session_close(load, s);
    return false;
}

/* Connects, if there is work left for a connection. */
static void session_open(struct load *load, struct session *s)
{
    while (load->op_count < load->plan.count) {
        s->step = 0;
        s->busy = false;
        s->line_len = 0;
        s->out.piece_count = 0;
        s->piece = 0;
        s->waits_out = false;
        if (load->plan.proto->begin == 0)
            (void)op_take(load, s);
        if (session_connect(load, s))
            return;
    }
}

/* Opens as many of the sessions that were not open yet as may wait for a greeting. */
static void sessions_start(struct load *load)
{
    while (load->started_count < load->plan.sessions &&
           load->started_count < load->greeted_count + UNGREETED_MAX)
        session_open(load, &load->sessions[load->started_count++]);
}

static void session_fail(struct load *load, struct session *s, const char *why)
{
    load->greeted_count += s->step == 0 && s->connections == 1;
    op_fail(load, s, why);
    session_close(load, s);
    session_open(load, s);
    sessions_start(load);
}

/* Points iov at what is still to be sent; pieces that wrap round their ring take several. */
static size_t session_iov(const struct session *s, struct iovec *iov)
{
    size_t count = 0;
    uint64_t off = s->piece_off;

    for (size_t i = s->piece; i < s->out.piece_count; i++, off = 0) {
        const struct load_piece *p = &s->out.piece[i];

        while (off < p->len && count < IOV_COUNT) {
            uint64_t at = (p->at + off) % p->ring_len;
            uint64_t left = p->len - off;
            uint64_t len = left < p->ring_len - at ? left : p->ring_len - at;

            iov[count].iov_base = p->ptr + at;
            iov[count++].iov_len = len;
            off += len;
        }
    }
    return count;
}

static void session_sent(struct session *s, uint64_t len)
{
    s->piece_off += len;
    while (s->piece < s->out.piece_count && s->piece_off >= s->out.piece[s->piece].len)
        s->piece_off -= s->out.piece[s->piece++].len;
}

static void session_wait(struct load *load, struct session *s, bool out)
{
    struct epoll_event ev = {.events = out ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = s};

    if (s->waits_out == out)
        return;
    s->waits_out = out;
    if (epoll_ctl(load->epoll, EPOLL_CTL_MOD, s->fd, &ev) < 0)
        die("epoll_ctl", strerror(errno));
}

/* Sends what the peer takes now. An error shows when we read. */
static void session_send(struct load *load, struct session *s)
{
    while (s->piece < s->out.piece_count) {
        struct iovec iov[IOV_COUNT];
        struct msghdr msg = {.msg_iov = iov, .msg_iovlen = session_iov(s, iov)};
        ssize_t len = sendmsg(s->fd, &msg, MSG_NOSIGNAL);

        if (len < 0) {
            session_wait(load, s, errno == EAGAIN);
            return;
        }
        session_sent(s, (uint64_t)len);
    }
    session_wait(load, s, false);
}

static void session_say(struct load *load, struct session *s)
{
    s->out.text_len = 0;
    s->out.piece_count = 0;
    s->piece = 0;
    s->piece_off = 0;
    session_step(load, s)->compose(&load->plan, s->op, &s->out);
    session_send(load, s);
}

/* A good answer came: on to the next step, operation or connection. */
static void session_advance(struct load *load, struct session *s)
{
    const struct load_proto *proto = load->plan.proto;

    if (s->step == 0 && s->connections == 1) {
        load->greeted_count++;
        sessions_start(load);
    }
    if (s->step == proto->end) {
        op_done(load, s);
        s->step = proto->keeps ? proto->begin : proto->end + 1;
    } else {
        s->step++;
    }
    if (s->step == proto->begin && !op_take(load, s))
        s->step = proto->end + 1;
    if (s->step < proto->step_count) {
        session_say(load, s);
        return;
    }
    session_close(load, s);
    session_open(load, s);
}

static void session_line(struct load *load, struct session *s)
{
    const char *expect = session_step(load, s)->expect;

    s->line[s->line_len] = '\0';
    if (s->step > 0 && !load->plan.proto->ends(s->line, s->line_len, expect))
        return;
    if (strncmp(s->line, expect, strlen(expect)) == 0)
        session_advance(load, s);
    else
        session_fail(load, s, s->line);
}

/* Cuts what came into lines, of which only the beginning is kept. What follows the line that ended
 * the connection is nobody's. */
static void session_input(struct load *load, struct session *s, struct slice in)
{
    uint64_t connection = s->connections;

    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '\n') {
            if (s->line_len < LOAD_LINE_BYTES - 1 && in.ptr[i] != '\r')
                s->line[s->line_len++] = in.ptr[i];
            continue;
        }
        session_line(load, s);
        s->line_len = 0;
        if (s->fd < 0 || s->connections != connection)
            return;
    }
}

static void session_read(struct load *load, struct session *s)
{
    char in[16384];
    ssize_t len = recv(s->fd, in, sizeof(in), 0);

    if (len > 0)
        session_input(load, s, (struct slice){in, (size_t)len});
    else if (len == 0)
        session_fail(load, s, "the server closed the connection");
    else if (errno != EAGAIN && errno != EINTR)
        session_fail(load, s, strerror(errno));
}

static void load_run(struct load *load)
{
    struct epoll_event ev[EVENTS_MAX];

    load->begun = now();
    sessions_start(load);
    while (load->open_count > 0) {
        int count = epoll_wait(load->epoll, ev, EVENTS_MAX, (int)load->plan.timeout_ms);

        if (count == 0) {
            (void)fprintf(stderr, "load: no answer within the time-out\n");
            break;
        }
        for (int i = 0; i < count; i++) {
            struct session *s = ev[i].data.ptr;

            if ((ev[i].events & EPOLLOUT) != 0)
                session_send(load, s);
            if ((ev[i].events & ~(uint32_t)EPOLLOUT) != 0)
                session_read(load, s);
        }
    }
    load->error_count = load->plan.count - load->took_count;
}

static int seconds_cmp(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static double took_at_ms(const struct load *load, double share)
{
    if (load->took_count == 0)
        return 0;
    return load->took[(uint64_t)((double)(load->took_count - 1) * share)] * 1e3;
}

static void load_report(struct load *load)
{
    double secs = load->ended - load->begun;

    qsort(load->took, load->took_count, sizeof(*load->took), seconds_cmp);
    (void)printf("{\"protocol\": \"%s\", \"sessions\": %" PRIu64 ", \"count\": %" PRIu64
                 ", \"size\": %" PRIu64
                 ", \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f"
                 ", \"p99_ms\": %.3f, \"errors\": %" PRIu64 "}\n",
                 load->plan.proto->name, load->plan.sessions, load->plan.count, load->plan.size,
                 secs, secs > 0 ? (double)load->took_count / secs : 0, took_at_ms(load, 0.5),
                 took_at_ms(load, 0.99), load->error_count);
}

/* One row per option. */
static const struct {
    const char *name;
    size_t offset; /* of a uint64_t in struct load_plan */
    uint64_t min;
    uint64_t max;
    uint64_t scale;
} numbers[] = {
    {"port", offsetof(struct load_plan, port), 1, 65535, 1},
    {"sessions", offsetof(struct load_plan, sessions), 1, 10000, 1},
    {"count", offsetof(struct load_plan, count), 1, 100000000, 1},
    {"size", offsetof(struct load_plan, size), 1, 4 * GIB, 1},
    {"users", offsetof(struct load_plan, users), 1, 1000000, 1},
    {"timeout", offsetof(struct load_plan, timeout_ms), 1, 3600, SEC_MS},
};

static void plan_set(struct load_plan *plan, size_t option, const char *arg)
{
    uint64_t value;

    if (option >= COUNT(numbers)) {
        *(option == COUNT(numbers) ? &plan->user : &plan->domain) = arg;
        return;
    }
    if (slice_to_u64(slice_str(arg), &value) != ST_OK || value < numbers[option].min ||
        value > numbers[option].max)
        die(numbers[option].name, "the number is missing or out of range");
    *(uint64_t *)(void *)((char *)plan + numbers[option].offset) = value * numbers[option].scale;
}

static void plan_read(struct load_plan *plan, int argc, char **argv)
{
    struct option options[COUNT(numbers) + 3] = {0};
    int option;
    int which;

    for (size_t i = 0; i < COUNT(numbers); i++)
        options[i] = (struct option){numbers[i].name, required_argument, NULL, 0};
    options[COUNT(numbers)] = (struct option){"user", required_argument, NULL, 0};
    options[COUNT(numbers) + 1] = (struct option){"domain", required_argument, NULL, 0};
    while ((option = getopt_long(argc, argv, "", options, &which)) == 0)
        plan_set(plan, (size_t)which, optarg);
    if (option != -1 || optind + 1 != argc || plan->port == 0)
        die("usage",
            "load smtp|lmtp|imap --port N [--sessions N] [--count N] [--size BYTES]"
            " [--users N | --user NAME] [--domain NAME] [--timeout SECONDS]");
    plan->proto = load_proto_find(argv[optind]);
    if (plan->proto == NULL)
        die(argv[optind], "is not smtp, lmtp or imap");
}

int main(int argc, char **argv)
{
    struct load load = {.plan = {.sessions = 1,
                                 .count = 1000,
                                 .size = 10240,
                                 .users = 100,
                                 .domain = "example.test",
                                 .timeout_ms = 120 * SEC_MS}};
    struct timespec t;

    plan_read(&load.plan, argc, argv);
    (void)clock_gettime(CLOCK_REALTIME, &t);
    load.plan.run_id = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
    load_pool_fill();
    load.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (load.epoll < 0)
        die("epoll_create1", strerror(errno));
    load.took = mem_alloc(load.plan.count * sizeof(*load.took));
    load.sessions = mem_alloc(load.plan.sessions * sizeof(*load.sessions));
    for (uint64_t i = 0; i < load.plan.sessions; i++)
        load.sessions[i].fd = -1;
    load_run(&load);
    load_report(&load);
    mem_free(load.sessions);
    mem_free(load.took);
    (void)close(load.epoll);
    return load.error_count > 0 ? 1 : 0;
}
