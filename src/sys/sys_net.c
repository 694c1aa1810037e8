#include "sys/sys_net.h"

#include "base/slice.h"

#include <arpa/inet.h>
#include <string.h>

#define MAPPED_BITS 96 /* of ::ffff:0:0/96, RFC 4291 section 2.5.5.2 */

/* An address of version 4 is kept as version 6 writes it, so that both are compared alike. */
struct network {
    unsigned char bytes[16];
    uint64_t bits; /* of the prefix */
};

static bool parse_address(struct slice text, struct network *net_r, bool *v4_r)
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    char copy[INET6_ADDRSTRLEN + 1];

    if (text.len >= sizeof(copy) || slice_find(text, '\0') != SIZE_MAX)
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    net_r->bits = 128;
    *v4_r = inet_pton(AF_INET, copy, net_r->bytes + sizeof(mapped)) == 1;
    if (*v4_r)
        memcpy(net_r->bytes, mapped, sizeof(mapped));
    return *v4_r || inet_pton(AF_INET6, copy, net_r->bytes) == 1;
}

static bool parse_network(struct slice text, struct network *net_r)
{
    size_t slash = slice_find(text, '/');
    bool v4;

    if (text.len == 0 || !parse_address(slice_sub(text, 0, slash), net_r, &v4))
        return false;
    if (slash == SIZE_MAX)
        return true;
    if (slice_to_u64(slice_sub(text, slash + 1, text.len), &net_r->bits) != ST_OK ||
        net_r->bits > (v4 ? 32 : 128))
        return false;
    if (v4)
        net_r->bits += MAPPED_BITS;
    return true;
}

static bool lies_in(const struct network *net, const struct network *address)
{
    size_t bytes = net->bits / 8;
    unsigned rest = net->bits % 8;

    return memcmp(net->bytes, address->bytes, bytes) == 0 &&
           (rest == 0 || (net->bytes[bytes] ^ address->bytes[bytes]) >> (8 - rest) == 0);
}

bool sys_net_ok(struct slice network)
{
    struct network net;

    return parse_network(network, &net);
}

bool sys_net_contains(struct slice networks, struct slice address)
{
    struct network peer;
    struct network net;
    struct slice text;
    bool v4;

    if (address.len == 0 || !parse_address(address, &peer, &v4))
        return false;
    while (slice_split(&networks, ' ', &text))
        if (parse_network(text, &net) && lies_in(&net, &peer))
            return true;
    return false;
}
