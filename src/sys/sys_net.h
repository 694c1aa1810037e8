/* sys_net.h: addresses and networks as text. */
#pragma once
#include "base/base.h"

/* Whether it is a network: "10.0.0.0/8", "2001:db8::/32", or an address, which is a network of one.
 * Bits behind the prefix are not looked at. */
bool sys_net_ok(struct slice network);
/* Whether the address lies in one of the networks, which blanks separate. An address of version 4
 * that is written as one of version 6 (::ffff:192.0.2.1) counts as what it is. What is no address
 * lies in none. */
bool sys_net_contains(struct slice networks, struct slice address);
