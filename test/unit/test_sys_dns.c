#include "t.h"

#include "base/arena.h"
#include "base/buf.h"
#include "sys/sys_dns.h"
#include "sys/sys_time.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_MS 20000
#define TYPE_A 1
#define TYPE_CNAME 5
#define TYPE_SOA 6
#define TYPE_MX 15
#define TYPE_AAAA 28
#define SERVFAIL 2
#define NXDOMAIN 3
#define SILENCE 100 /* no answer at all */

/* ---- a name server ---- */

struct record {
    const char *name;
    uint16_t type;
    unsigned rcode;
    const char *value; /* NULL: there is no such record, which is the answer */
    uint16_t preference;
};

static const struct record zone[] = {
    {"mx.example", TYPE_MX, 0, "Mail2.example", 20},
    {"mx.example", TYPE_MX, 0, "mail1.example", 10},
    {"null.example", TYPE_MX, 0, "", 0},
    {"nothing.example", 0, 0, NULL, 0},
    {"missing.example", 0, NXDOMAIN, NULL, 0},
    {"broken.example", 0, SERVFAIL, NULL, 0},
    {"silent.example", 0, SILENCE, NULL, 0},
    {"alias.example", TYPE_CNAME, 0, "mx.example", 0},
    {"weird.example", TYPE_MX, 0, "bad host.example", 5},
    {"weird.example", TYPE_MX, 0, "good_host.example", 6},
    {"both.example", TYPE_A, 0, "192.0.2.1", 0},
    {"both.example", TYPE_A, 0, "192.0.2.2", 0},
    {"both.example", TYPE_AAAA, 0, "2001:db8::1", 0},
    {"half.example", TYPE_A, 0, "192.0.2.3", 0},
    {"half.example", TYPE_AAAA, SERVFAIL, NULL, 0},
    {"six.example", TYPE_AAAA, 0, "2001:db8::6", 0},
    {"host.test", TYPE_A, 0, "192.0.2.4", 0},
};

struct server {
    pthread_t thread;
    int fd;
    int stop_fd;
    uint16_t port;
};

static void put_u16(struct buf *out, unsigned value)
{
    const char bytes[] = {(char)(value >> 8), (char)value};

    buf_put(out, (struct slice){bytes, 2});
}

static void put_name(struct buf *out, const char *name)
{
    struct slice rest = slice_str(name);
    struct slice label;

    while (name[0] != '\0' && slice_split(&rest, '.', &label)) {
        buf_putf(out, "%c", (char)label.len);
        buf_put(out, label);
    }
    buf_put(out, (struct slice){"", 1});
}

static void put_rdata(struct buf *out, const struct record *record)
{
    unsigned char bytes[16];

    if (record->type == TYPE_A || record->type == TYPE_AAAA) {
        inet_pton(record->type == TYPE_A ? AF_INET : AF_INET6, record->value, bytes);
        buf_put(out, (struct slice){(char *)bytes, record->type == TYPE_A ? 4 : 16});
        return;
    }
    if (record->type == TYPE_MX)
        put_u16(out, record->preference);
    put_name(out, record->value);
}

static void put_record(struct buf *out, const char *name, uint16_t type, struct slice rdata)
{
    put_name(out, name);
    put_u16(out, type);
    put_u16(out, 1);
    put_u16(out, 0); /* one minute */
    put_u16(out, 60);
    put_u16(out, (unsigned)rdata.len);
    buf_put(out, rdata);
}

static unsigned put_answers(struct buf *out, const char *name, uint16_t type, unsigned *rcode_r)
{
    unsigned count = 0;

    for (size_t i = 0; i < COUNT(zone); i++) {
        AUTO(buf) struct buf rdata = BUF(KIB);
        bool any = zone[i].type == 0 || zone[i].type == TYPE_CNAME;

        if (!slice_ieq(slice_str(zone[i].name), slice_str(name)) || (!any && zone[i].type != type))
            continue;
        *rcode_r = zone[i].rcode;
        if (zone[i].value == NULL)
            continue;
        put_rdata(&rdata, &zone[i]);
        put_record(out, name, zone[i].type, buf_slice(&rdata));
        count++;
    }
    return count;
}

/* many.example has 150 MX; tN.example has the address 192.0.2.N. */
static unsigned put_made_up(struct buf *out, const char *name, uint16_t type)
{
    AUTO(buf) struct buf rdata = BUF(KIB);
    unsigned count = 0;

    if (name[0] == 't' && type == TYPE_A) {
        struct record record = {name, TYPE_A, 0, "192.0.2.0", 0};

        put_rdata(&rdata, &record);
        rdata.ptr[3] = (char)strtoul(name + 1, NULL, 10);
        put_record(out, name, TYPE_A, buf_slice(&rdata));
        return 1;
    }
    for (; strcmp(name, "many.example") == 0 && type == TYPE_MX && count < 150; count++) {
        char host[40];

        snprintf(host, sizeof(host), "m%u", count);
        buf_clear(&rdata);
        put_u16(&rdata, count);
        put_name(&rdata, host);
        put_record(out, name, TYPE_MX, buf_slice(&rdata));
    }
    return count;
}

/* The name in the question; where it ends. */
static size_t read_name(const unsigned char *query, size_t len, char name[256])
{
    size_t pos = 12;
    size_t out = 0;

    while (pos < len && query[pos] != 0) {
        for (size_t label = query[pos++]; label > 0; label--)
            name[out++] = (char)query[pos++];
        name[out++] = '.';
    }
    name[out > 0 ? out - 1 : 0] = '\0';
    return pos + 1;
}

static void answer(struct server *server, const unsigned char *query, size_t len,
                   const struct sockaddr_in *from)
{
    AUTO(buf) struct buf out = BUF(64 * KIB);
    AUTO(buf) struct buf records = BUF(64 * KIB);
    char name[256];
    size_t end = read_name(query, len, name);
    uint16_t type = (uint16_t)(query[end] << 8 | query[end + 1]);
    unsigned rcode = 0;
    unsigned count = put_answers(&records, name, type, &rcode);

    if (count == 0)
        count = put_made_up(&records, name, type);
    if (rcode == SILENCE)
        return;
    buf_put(&out, (struct slice){(const char *)query, 2});
    put_u16(&out, 0x8180 | rcode);
    put_u16(&out, 1);
    put_u16(&out, count);
    put_u16(&out, count == 0 && rcode != SERVFAIL ? 1 : 0);
    put_u16(&out, 0);
    buf_put(&out, (struct slice){(const char *)query + 12, end + 4 - 12});
    buf_put(&out, buf_slice(&records));
    if (count == 0 && rcode != SERVFAIL) /* RFC 2308: no is said with the zone's SOA */
        put_record(&out, "example", TYPE_SOA,
                   (struct slice){"\0\0"
                                  "\0\0\0\1\0\0\0\74\0\0\0\74\0\0\0\74\0\0\0\74",
                                  22});
    (void)sendto(server->fd, out.ptr, out.len, 0, (const struct sockaddr *)from, sizeof(*from));
}

static void *serve(void *arg)
{
    struct server *server = arg;
    struct pollfd ready[] = {{.fd = server->fd, .events = POLLIN},
                             {.fd = server->stop_fd, .events = POLLIN}};

    while (poll(ready, COUNT(ready), -1) > 0 && ready[1].revents == 0) {
        unsigned char query[KIB];
        struct sockaddr_in from;
        socklen_t from_len = sizeof(from);
        ssize_t len =
            recvfrom(server->fd, query, sizeof(query), 0, (struct sockaddr *)&from, &from_len);

        if (len > 16)
            answer(server, query, (size_t)len, &from);
    }
    return NULL;
}

/* On port, 0 for any; the port is bound but nobody answers until server_start(). */
static void server_bind(struct server *server, uint16_t port)
{
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
    socklen_t len = sizeof(addr);

    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(getsockname(server->fd, (struct sockaddr *)&addr, &len), 0);
    server->port = ntohs(addr.sin_port);
}

static void server_start(struct server *server)
{
    server->stop_fd = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(pthread_create(&server->thread, NULL, serve, server), 0);
}

static void server_stop(struct server *server)
{
    assert_int_equal(eventfd_write(server->stop_fd, 1), 0);
    pthread_join(server->thread, NULL);
    close(server->stop_fd);
    close(server->fd);
}

static struct sys_dns *dns_new(uint16_t port)
{
    AUTO(buf) struct buf servers = BUF(100);
    AUTO(buf) struct buf why = BUF(1000);
    struct sys_dns *dns;

    buf_putf(&servers, " 127.0.0.1@%u ", port);
    if (sys_dns_new(buf_slice(&servers), &why, &dns) != ST_OK)
        fail_msg("%s", why.ptr);
    return dns;
}

/* ---- tests ---- */

static struct server server;
static struct sys_dns *dns;

static int set_up(void **state)
{
    (void)state;
    server_bind(&server, 0);
    server_start(&server);
    dns = dns_new(server.port);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sys_dns_free(&dns);
    server_stop(&server);
    return 0;
}

static void test_mx(void **state)
{
    static const struct {
        const char *domain;
        enum st st;
        const char *want;
    } rows[] = {
        {"mx.example", ST_OK, "10 mail1.example\n20 mail2.example\n"},
        {"MX.Example.", ST_OK, "10 mail1.example\n20 mail2.example\n"},
        {"null.example", ST_OK, "0 \n"},
        {"nothing.example", ST_OK, ""},
        {"missing.example", ST_NOT_FOUND, ""},
        {"broken.example", ST_IO, ""},
        {"alias.example", ST_OK, "10 mail1.example\n20 mail2.example\n"},
        {"weird.example", ST_OK, "6 good_host.example\n"},
        {"", ST_INVALID, ""},
        {".", ST_INVALID, ""},
        {"a..example", ST_INVALID, ""},
        {"a b.example", ST_INVALID, ""},
        {"1234567890123456789012345678901234567890123456789012345678901234.example", ST_INVALID,
         ""},
    };
    struct arena *arena = arena_new("test", MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf got = BUF(KIB);
        struct sys_dns_mx *list;
        size_t count;

        T_ROW(i, rows[i].domain);
        assert_int_equal(sys_dns_mx(dns, arena, rows[i].domain, TIMEOUT_MS, &list, &count),
                         rows[i].st);
        for (unsigned preference = 0; preference < 30; preference++) /* the order is nobody's */
            for (size_t k = 0; k < count; k++)
                if (list[k].preference == preference)
                    buf_putf(&got, "%u %s\n", preference, list[k].host);
        T_EQ_SLICE(buf_slice(&got), slice_str(rows[i].want));
    }
    arena_free(&arena);
}

static void test_records_are_bounded(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct sys_dns_mx *list;
    size_t count;

    (void)state;
    assert_int_equal(sys_dns_mx(dns, arena, "many.example", TIMEOUT_MS, &list, &count), ST_OK);
    assert_int_equal(count, SYS_DNS_MX_COUNT_MAX);
    arena_free(&arena);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *host;
        enum st st;
        const char *want[3];
    } rows[] = {
        {"both.example", ST_OK, {"192.0.2.1", "192.0.2.2", "2001:db8::1"}},
        {"half.example", ST_OK, {"192.0.2.3"}},
        {"six.example", ST_OK, {"2001:db8::6"}},
        {"host.test", ST_OK, {"192.0.2.4"}},
        {"nothing.example", ST_OK, {NULL}},
        {"missing.example", ST_NOT_FOUND, {NULL}},
        {"broken.example", ST_IO, {NULL}},
        {"[192.0.2.9]", ST_OK, {"192.0.2.9"}},
        {"192.0.2.9", ST_OK, {"192.0.2.9"}},
        {"[IPv6:2001:db8::9]", ST_OK, {"2001:db8::9"}},
        {"[2001:db8::9]", ST_OK, {"2001:db8::9"}},
        {"[192.0.2]", ST_INVALID, {NULL}},
        {"[x]", ST_INVALID, {NULL}},
    };
    struct arena *arena = arena_new("test", MIB);

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sys_dns_address *list;
        size_t count;
        size_t want = 0;

        T_ROW(i, rows[i].host);
        assert_int_equal(sys_dns_addresses(dns, arena, rows[i].host, TIMEOUT_MS, &list, &count),
                         rows[i].st);
        while (want < 3 && rows[i].want[want] != NULL)
            want++;
        assert_int_equal(count, want);
        for (size_t k = 0; k < count; k++) {
            bool found = false;

            for (size_t w = 0; w < want; w++)
                found = found || strcmp(list[k].text, rows[i].want[w]) == 0;
            assert_true(found);
            assert_true(k == 0 || list[k - 1].ipv6 <= list[k].ipv6);
            assert_int_equal(list[k].ipv6, strchr(list[k].text, ':') != NULL);
        }
    }
    arena_free(&arena);
}

static void test_silence_ends_at_the_deadline(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct sys_dns_mx *list;
    size_t count;
    uint64_t start_ms = sys_mono_ms();

    (void)state;
    assert_int_equal(sys_dns_mx(dns, arena, "silent.example", 100, &list, &count), ST_IO);
    assert_true(sys_mono_ms() - start_ms >= 100 && sys_mono_ms() - start_ms < TIMEOUT_MS);
    for (int i = 0; i < 50; i++) /* questions given up, some just as their answer comes */
        assert_int_equal(sys_dns_mx(dns, arena, i % 2 == 0 ? "silent.example" : "broken.example", 1,
                                    &list, &count),
                         ST_IO);
    arena_free(&arena);
}

static void test_a_dead_server_is_ok_again_when_it_is_back(void **state)
{
    struct arena *arena = arena_new("test", MIB);
    struct sys_dns_address *list;
    struct server late;
    size_t count;
    uint64_t start_ms = sys_mono_ms();
    enum st st = ST_IO;

    (void)state;
    server_bind(&late, 0);
    close(late.fd); /* so that the port is refused */
    struct sys_dns *asks = dns_new(late.port);
    assert_int_equal(sys_dns_addresses(asks, arena, "t1.example", 1000, &list, &count), ST_IO);
    assert_true(sys_mono_ms() - start_ms < TIMEOUT_MS);
    server_bind(&late, late.port);
    server_start(&late);
    start_ms = sys_mono_ms();
    for (int i = 2; i < 100 && st != ST_OK && sys_mono_ms() - start_ms < TIMEOUT_MS; i++) {
        char name[30];

        snprintf(name, sizeof(name), "t%d.example", i);
        st = sys_dns_addresses(asks, arena, name, TIMEOUT_MS, &list, &count);
    }
    printf("# back after %llu ms\n", (unsigned long long)(sys_mono_ms() - start_ms));
    assert_int_equal(st, ST_OK);
    sys_dns_free(&asks);
    server_stop(&late);
    arena_free(&arena);
}

static void *ask_many(void *arg)
{
    struct arena *arena = arena_new("test", 4 * MIB);
    size_t *good = arg;

    for (unsigned i = 0; i < 100; i++) {
        struct sys_dns_address *list;
        size_t count = 0;
        char name[30];
        char want[30];

        snprintf(name, sizeof(name), "t%u.example", i % 200 + 1);
        snprintf(want, sizeof(want), "192.0.2.%u", i % 200 + 1);
        if (sys_dns_addresses(dns, arena, name, TIMEOUT_MS, &list, &count) == ST_OK && count == 1 &&
            strcmp(list[0].text, want) == 0)
            ++*good;
        arena_reset(arena);
    }
    arena_free(&arena);
    return NULL;
}

static void test_threads_ask_at_once(void **state)
{
    pthread_t threads[8];
    size_t good[8] = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, ask_many, &good[i]), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(good[i], 100);
    }
}

static void test_servers_that_are_none_are_told(void **state)
{
    static const char *const rows[] = {"mail.example", "127.0.0.1@", "127.0.0.1@0",
                                       "127.0.0.1@70000", "127.0.0.1 ,::1"};

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        AUTO(buf) struct buf why = BUF(1000);
        struct sys_dns *none;

        T_ROW(i, rows[i]);
        assert_int_equal(sys_dns_new(slice_str(rows[i]), &why, &none), ST_INVALID);
        assert_null(none);
        assert_true(slice_find_slice(buf_slice(&why), SLICE("is not an address")) < why.len);
    }
}

static void test_the_system_has_servers_too(void **state)
{
    AUTO(buf) struct buf why = BUF(1000);
    struct sys_dns *system;

    (void)state;
    assert_int_equal(sys_dns_new(SLICE(""), &why, &system), ST_OK);
    sys_dns_free(&system);
    assert_null(system);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mx),
        cmocka_unit_test(test_records_are_bounded),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_silence_ends_at_the_deadline),
        cmocka_unit_test(test_a_dead_server_is_ok_again_when_it_is_back),
        cmocka_unit_test(test_threads_ask_at_once),
        cmocka_unit_test(test_servers_that_are_none_are_told),
        cmocka_unit_test(test_the_system_has_servers_too),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
