/* router_mx.h: in which order a domain's mail hosts are tried (RFC 5321 section 5.1). Pure. */
#pragma once
#include "sys/sys_dns.h"

enum router_mx {
    ROUTER_MX_HOSTS, /* try them in their order */
    ROUTER_MX_NONE,  /* no record: the domain is its own host (the implicit MX) */
    ROUTER_MX_NULL,  /* the domain takes no mail (RFC 7505): 556, 5.1.10 */
    ROUTER_MX_LOOP,  /* we are the best host there is, and do not know the domain: 5.4.6 */
};

/* Sorts list, of *count, in place: preference ascending, those of one preference shuffled by seed
 * (the same for the same seed and the same records in whatever order), each host once. Where
 * own_name (any case) is among them, it goes, and with it all whose preference is not better.
 * *count becomes the number of hosts to try. */
enum router_mx router_mx_order(struct sys_dns_mx list[], size_t *count, struct slice own_name,
                               uint64_t seed);
