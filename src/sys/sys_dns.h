/* sys_dns.h: asking the domain name system (RFC 1035) where mail goes: MX, A and AAAA.
 *
 * Used by many threads at once; an answer is cached as long as it says. Aliases (CNAME) are
 * followed. Answers are not validated (DNSSEC): what they say is as good as the way to the name
 * server. */
#pragma once
#include "base/base.h"
#include "sys/sys_sock.h"

struct arena;
struct buf;
struct sys_dns;

#define SYS_DNS_MX_COUNT_MAX 100
#define SYS_DNS_ADDRESS_COUNT_MAX 32
#define SYS_DNS_NAME_BYTES_MAX 253

/* servers: "192.0.2.53 2001:db8::53 127.0.0.1@5353", separated by blanks; empty: those of
 * /etc/resolv.conf, with /etc/hosts. Makes two threads, so it belongs into the process that asks.
 * ST_INVALID, ST_IO with a sentence in why. */
MUST_USE enum st sys_dns_new(struct slice servers, struct buf *why, struct sys_dns **dns_r);
/* No thread may be asking. NULL is fine; sets *dns to NULL. */
void sys_dns_free(struct sys_dns **dns);

struct sys_dns_mx {
    uint16_t preference;
    const char *host; /* in lower case without the last dot; "": the root, RFC 7505's null MX */
};

/* What the domain's MX records say, in no order; at most SYS_DNS_MX_COUNT_MAX, and none whose host
 * is not a host name (RFC 1123 2.1, underscores too). The list lies in the arena. ST_OK; with
 * *count_r 0 the domain exists and has no such record. ST_NOT_FOUND: it does not exist (NXDOMAIN).
 * ST_INVALID: not a domain name. ST_IO: nobody could say within timeout_ms, ask again later. */
MUST_USE enum st sys_dns_mx(struct sys_dns *dns, struct arena *arena, const char *domain,
                            uint64_t timeout_ms, struct sys_dns_mx **list_r, size_t *count_r);

struct sys_dns_address {
    char text[SYS_ADDR_BYTES]; /* as sys_connect() takes it */
    bool ipv6;
};

/* The host's addresses, those of IPv4 first; at most SYS_DNS_ADDRESS_COUNT_MAX. Both kinds are
 * asked for at once; where one cannot be had and the other can, that is the answer. "[192.0.2.1]",
 * "[IPv6:2001:db8::1]" (RFC 5321 4.1.3) and addresses without brackets are their own answer: nobody
 * is asked. Else as sys_dns_mx(). */
MUST_USE enum st sys_dns_addresses(struct sys_dns *dns, struct arena *arena, const char *host,
                                   uint64_t timeout_ms, struct sys_dns_address **list_r,
                                   size_t *count_r);
