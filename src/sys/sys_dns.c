#include "sys/sys_dns.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_time.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unbound.h>
#include <unistd.h>

#define CLASS_IN 1
#define TYPE_A 1
#define TYPE_MX 15
#define TYPE_AAAA 28
#define RCODE_NOERROR 0
#define RCODE_NXDOMAIN 3

/* libunbound resolves on a thread of its own; ours brings its answers to those who wait. */
struct sys_dns {
    struct ub_ctx *ctx;
    pthread_t thread;
    int stop_fd;
    pthread_mutex_t lock; /* of every question's state */
};

/* One question. Belongs to the thread that asks; where that has gone, to the answer. */
struct question {
    struct sys_dns *dns;
    pthread_cond_t answered;
    struct ub_result *result; /* NULL: failed */
    int id;
    bool done;
    bool abandoned;
};

/* ---- the resolver ---- */

static const struct {
    const char *name;
    const char *value;
} options[] = {
    {"module-config:", "iterator"}, /* no validation */
    {"do-not-query-localhost:", "no"},
    {"unblock-lan-zones:", "yes"},  /* private addresses' names: as the name server knows them */
    {"infra-keep-probing:", "yes"}, /* a name server that was away is asked again soon */
    {"infra-cache-max-rtt:", "2000"},
    {"infra-host-ttl:", "2"}, /* one name it is silent on does not cut off all others for long */
    {"use-syslog:", "no"},
};

static enum st refuse(struct buf *why, const char *what, struct slice value, int rc)
{
    buf_putf(why, "%s \"%.*s\": %s", what, SLICE_ARG(value), ub_strerror(rc));
    return ST_INVALID;
}

/* "192.0.2.53" or "192.0.2.53@5353". */
static bool is_server(struct slice server)
{
    struct slice rest = server;
    struct slice address;
    unsigned char bytes[sizeof(struct in6_addr)];
    char text[SYS_ADDR_BYTES];
    uint64_t port = 1;

    if (!slice_split(&rest, '@', &address) || address.len >= sizeof(text))
        return false;
    if (rest.ptr != NULL && (slice_to_u64(rest, &port) != ST_OK || port == 0 || port > UINT16_MAX))
        return false;
    memcpy(text, address.ptr, address.len);
    text[address.len] = '\0';
    return inet_pton(AF_INET, text, bytes) == 1 || inet_pton(AF_INET6, text, bytes) == 1;
}

static enum st add_servers(struct ub_ctx *ctx, struct slice servers, struct buf *why)
{
    struct slice rest = servers;
    struct slice server;

    while (slice_split(&rest, ' ', &server)) {
        AUTO(buf) struct buf text = BUF(KIB);

        if (server.len == 0)
            continue;
        if (!is_server(server)) {
            buf_putf(why,
                     "dns_servers: \"%.*s\" is not an address; write 192.0.2.53 or "
                     "192.0.2.53@5353",
                     SLICE_ARG(server));
            return ST_INVALID;
        }
        buf_put(&text, server);
        int rc = ub_ctx_set_fwd(ctx, text.ptr);
        if (rc != 0)
            return refuse(why, "name server", server, rc);
    }
    return ST_OK;
}

static enum st use_system(struct ub_ctx *ctx, struct buf *why)
{
    int rc = ub_ctx_resolvconf(ctx, NULL);

    if (rc == 0 && access("/etc/hosts", R_OK) == 0) /* a small system has none */
        rc = ub_ctx_hosts(ctx, NULL);
    if (rc == 0)
        return ST_OK;
    buf_putf(why, "/etc/resolv.conf and /etc/hosts: %s", ub_strerror(rc));
    return ST_IO;
}

static enum st set_up(struct ub_ctx *ctx, struct slice servers, struct buf *why)
{
    /* Names that libunbound would answer itself, and that a network may use within. */
    static const char *const zones[] = {"test.", "home.arpa."};
    int rc = ub_ctx_debugout(ctx, NULL);

    for (size_t i = 0; i < COUNT(options) && rc == 0; i++) {
        rc = ub_ctx_set_option(ctx, options[i].name, options[i].value);
        if (rc != 0)
            return refuse(why, options[i].name, slice_str(options[i].value), rc);
    }
    enum st st =
        slice_trim(servers).len > 0 ? add_servers(ctx, servers, why) : use_system(ctx, why);
    if (st == ST_OK && ub_ctx_async(ctx, 1) != 0)
        st = ST_IO;
    for (size_t i = 0; i < COUNT(zones) && st == ST_OK; i++)
        (void)ub_ctx_zone_remove(ctx, zones[i]);
    return st;
}

static void *bring_answers(void *arg)
{
    struct sys_dns *dns = arg;
    struct pollfd ready[] = {{.fd = ub_fd(dns->ctx), .events = POLLIN},
                             {.fd = dns->stop_fd, .events = POLLIN}};

    while (ready[1].revents == 0) {
        if (poll(ready, COUNT(ready), -1) < 0 && errno != EINTR)
            break;
        if (ready[0].revents != 0)
            (void)ub_process(dns->ctx);
    }
    return NULL;
}

enum st sys_dns_new(struct slice servers, struct buf *why, struct sys_dns **dns_r)
{
    struct sys_dns *dns = mem_new(struct sys_dns);
    enum st st = ST_IO;

    *dns_r = NULL;
    pthread_mutex_init(&dns->lock, NULL);
    dns->stop_fd = eventfd(0, EFD_CLOEXEC);
    dns->ctx = ub_ctx_create();
    if (dns->ctx != NULL && dns->stop_fd >= 0)
        st = set_up(dns->ctx, servers, why);
    if (st == ST_OK && pthread_create(&dns->thread, NULL, bring_answers, dns) != 0)
        st = ST_IO;
    if (st == ST_OK) {
        *dns_r = dns;
        return ST_OK;
    }
    if (why->len == 0)
        buf_putf(why, "the resolver cannot start: %s", strerror(errno));
    if (dns->ctx != NULL)
        ub_ctx_delete(dns->ctx);
    if (dns->stop_fd >= 0)
        close(dns->stop_fd);
    mem_free(dns);
    return st;
}

void sys_dns_free(struct sys_dns **dns)
{
    if (*dns == NULL)
        return;
    (void)eventfd_write((*dns)->stop_fd, 1);
    pthread_join((*dns)->thread, NULL);
    ub_ctx_delete((*dns)->ctx);
    close((*dns)->stop_fd);
    pthread_mutex_destroy(&(*dns)->lock);
    mem_free(*dns);
    *dns = NULL;
}

/* ---- questions ---- */

static void question_free(struct question *question)
{
    if (question->result != NULL)
        ub_resolve_free(question->result);
    pthread_cond_destroy(&question->answered);
    mem_free(question);
}

static void on_answer(void *arg, int error, struct ub_result *result)
{
    struct question *question = arg;
    struct sys_dns *dns = question->dns;

    pthread_mutex_lock(&dns->lock);
    question->result = error == 0 ? result : NULL;
    question->done = true;
    bool abandoned = question->abandoned;
    pthread_cond_signal(&question->answered);
    pthread_mutex_unlock(&dns->lock);
    if (abandoned)
        question_free(question);
}

static struct question *ask(struct sys_dns *dns, const char *name, int type)
{
    struct question *question = mem_new(struct question);

    question->dns = dns;
    sys_cond_init(&question->answered);
    if (ub_resolve_async(dns->ctx, name, type, CLASS_IN, question, on_answer, &question->id) != 0)
        question->done = true;
    return question;
}

/* Nobody waits any more. Either libunbound forgets it, or its answer is on the way and frees it. */
static void abandon(struct question *question)
{
    struct sys_dns *dns = question->dns;
    bool forgotten = ub_cancel(dns->ctx, question->id) == 0;

    pthread_mutex_lock(&dns->lock);
    question->abandoned = true;
    bool ours = forgotten || question->done;
    pthread_mutex_unlock(&dns->lock);
    if (ours)
        question_free(question);
}

/* The answer by deadline_ms: ST_OK (perhaps without records), ST_NOT_FOUND, ST_IO. The question
 * stays until drop(). */
static enum st await(struct question *question, uint64_t deadline_ms)
{
    struct sys_dns *dns = question->dns;
    const struct ub_result *result = NULL;

    pthread_mutex_lock(&dns->lock);
    while (!question->done && sys_mono_ms() < deadline_ms)
        (void)sys_cond_wait_ms(&question->answered, &dns->lock, deadline_ms - sys_mono_ms());
    if (question->done)
        result = question->result;
    pthread_mutex_unlock(&dns->lock);
    if (result == NULL || (result->rcode != RCODE_NOERROR && result->rcode != RCODE_NXDOMAIN))
        return ST_IO;
    return result->nxdomain != 0 ? ST_NOT_FOUND : ST_OK;
}

static void drop(struct question *question)
{
    pthread_mutex_lock(&question->dns->lock);
    bool done = question->done;
    pthread_mutex_unlock(&question->dns->lock);
    if (done)
        question_free(question);
    else
        abandon(question);
}

/* ---- names ---- */

static bool is_host_byte(char c)
{
    return isalnum((unsigned char)c) != 0 || c == '-' || c == '_';
}

/* Labels of 1 to 63 letters, digits, hyphens and underscores; a dot may end it. */
static bool is_name(const char *name)
{
    size_t label = 0;
    size_t len = strlen(name);

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len == 0 || len > SYS_DNS_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (name[i] == '.' && label == 0)
            return false;
        label = name[i] == '.' ? 0 : label + 1;
        if (label > 63 || (name[i] != '.' && !is_host_byte(name[i])))
            return false;
    }
    return label > 0;
}

/* RFC 1035 3.1: a name in labels, which libunbound has uncompressed. false: not a host's. */
static bool read_name(struct slice wire, char out[SYS_DNS_NAME_BYTES_MAX + 3])
{
    size_t len = 0;
    size_t pos = 0;

    while (pos < wire.len && wire.ptr[pos] != 0) {
        size_t label = (unsigned char)wire.ptr[pos++];

        if (label > 63 || label > wire.len - pos || len + label + 1 > SYS_DNS_NAME_BYTES_MAX + 1)
            return false;
        for (size_t i = 0; i < label; i++) {
            if (!is_host_byte(wire.ptr[pos + i]))
                return false;
            out[len++] = (char)tolower((unsigned char)wire.ptr[pos + i]);
        }
        out[len++] = '.';
        pos += label;
    }
    out[len > 0 ? len - 1 : 0] = '\0';
    return pos < wire.len;
}

static size_t count_records(const struct ub_result *result, size_t max)
{
    size_t count = 0;

    while (result->havedata != 0 && count < max && result->data[count] != NULL)
        count++;
    return count;
}

/* ---- MX ---- */

static void read_mx(struct arena *arena, const struct ub_result *result, struct sys_dns_mx **list_r,
                    size_t *count_r)
{
    size_t count = count_records(result, SYS_DNS_MX_COUNT_MAX);
    struct sys_dns_mx *list = arena_many(arena, struct sys_dns_mx, count + 1);
    char host[SYS_DNS_NAME_BYTES_MAX + 3];

    *list_r = list;
    for (size_t i = 0; i < count; i++) {
        struct slice data = {result->data[i], (size_t)result->len[i]};

        if (data.len < 3 || !read_name(slice_sub(data, 2, SIZE_MAX), host))
            continue;
        list->preference = (uint16_t)((unsigned char)data.ptr[0] << 8 | (unsigned char)data.ptr[1]);
        list->host = slice_cstr(arena, slice_str(host));
        list++;
    }
    *count_r = (size_t)(list - *list_r);
}

enum st sys_dns_mx(struct sys_dns *dns, struct arena *arena, const char *domain,
                   uint64_t timeout_ms, struct sys_dns_mx **list_r, size_t *count_r)
{
    *count_r = 0;
    *list_r = NULL;
    if (!is_name(domain))
        return ST_INVALID;
    struct question *question = ask(dns, domain, TYPE_MX);
    enum st st = await(question, sys_mono_ms() + timeout_ms);
    if (st == ST_OK)
        read_mx(arena, question->result, list_r, count_r);
    drop(question);
    return st;
}

/* ---- addresses ---- */

/* An address, with or without the brackets of a literal. */
static bool read_literal(const char *host, struct sys_dns_address *address)
{
    struct slice text = slice_str(host);
    unsigned char bytes[sizeof(struct in6_addr)];

    if (text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']')
        text = slice_sub(text, 1, text.len - 2);
    if (slice_istarts(text, SLICE("IPv6:")))
        text = slice_sub(text, 5, SIZE_MAX);
    if (text.len >= sizeof(address->text))
        return false;
    memcpy(address->text, text.ptr, text.len);
    address->text[text.len] = '\0';
    address->ipv6 = inet_pton(AF_INET6, address->text, bytes) == 1;
    return address->ipv6 || inet_pton(AF_INET, address->text, bytes) == 1;
}

static void read_addresses(const struct ub_result *result, bool ipv6, size_t max,
                           struct sys_dns_address *list, size_t *count)
{
    size_t records = count_records(result, max);

    for (size_t i = 0; i < records && *count < max; i++) {
        if (result->len[i] != (ipv6 ? 16 : 4))
            continue;
        list[*count].ipv6 = ipv6;
        inet_ntop(ipv6 ? AF_INET6 : AF_INET, result->data[i], list[*count].text, SYS_ADDR_BYTES);
        ++*count;
    }
}

enum st sys_dns_addresses(struct sys_dns *dns, struct arena *arena, const char *host,
                          uint64_t timeout_ms, struct sys_dns_address **list_r, size_t *count_r)
{
    struct sys_dns_address *list =
        arena_many(arena, struct sys_dns_address, SYS_DNS_ADDRESS_COUNT_MAX);
    uint64_t deadline_ms = sys_mono_ms() + timeout_ms;

    *list_r = list;
    *count_r = read_literal(host, &list[0]) ? 1 : 0;
    if (*count_r == 1)
        return ST_OK;
    if (!is_name(host))
        return ST_INVALID;
    struct question *four = ask(dns, host, TYPE_A);
    struct question *six = ask(dns, host, TYPE_AAAA);
    enum st st = await(four, deadline_ms);
    enum st st_six = await(six, deadline_ms);
    if (st == ST_OK) /* half the room stays for the other kind */
        read_addresses(four->result, false, SYS_DNS_ADDRESS_COUNT_MAX / 2, list, count_r);
    if (st_six == ST_OK)
        read_addresses(six->result, true, SYS_DNS_ADDRESS_COUNT_MAX, list, count_r);
    drop(four);
    drop(six);
    if (*count_r > 0)
        return ST_OK;
    if (st == ST_NOT_FOUND || st_six == ST_NOT_FOUND)
        return ST_NOT_FOUND;
    return st == ST_OK && st_six == ST_OK ? ST_OK : ST_IO;
}
