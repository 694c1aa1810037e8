/* mime_address.h: address lists (RFC 5322 section 3.4, obsolete forms of 4.4, UTF-8 of RFC 6532).
 */
#pragma once
#include "base/base.h"

struct arena;

enum mime_address_kind {
    MIME_ADDRESS_MAILBOX,
    MIME_ADDRESS_GROUP,     /* opens a group: name is its name; what follows is in it */
    MIME_ADDRESS_GROUP_END, /* closes it */
};

/* Quoting and comments are removed, encoded words are not decoded. An empty slice: absent. */
struct mime_address {
    struct mime_address *next;
    enum mime_address_kind kind;
    bool broken;         /* no grammar fits: local has what was left of the text */
    struct slice name;   /* display-name, or else the text of the comment beside the address */
    struct slice route;  /* obs-route, as "@a,@b" */
    struct slice local;  /* local-part */
    struct slice domain; /* a domain literal keeps its brackets */
    struct slice spec;   /* where local and domain stand in the text; empty where broken */
};

struct mime_addresses {
    struct mime_address *first;
    size_t count;
    bool over; /* there were more than count_max */
};

/* Everything of value's text is in some address, unless `over`. Never fails; linear. Takes at
 * most 256 bytes of arena for each address plus four times the text. */
struct mime_addresses mime_address_parse(struct arena *arena, struct slice value, size_t count_max);
/* One addr-spec ("local@domain", comments and quotes allowed) into out. False if it is none. */
bool mime_address_spec(struct arena *arena, struct slice text, struct mime_address *out);
