/* router_dsn_field.h: what the fields of a delivery report say, read from what the queue knows.
 * Inside router/. Pure. */
#pragma once
#include "router/router_dsn.h"

struct buf;

/* Takes ORCPT apart: its type, which borrows, and the address, decoded, into out (RFC 3461 section
 * 4.2, RFC 6533 section 3). What cannot be decoded, or holds controls, stays as received. Both
 * empty where there is no type. */
void router_dsn_field_orcpt(struct slice orcpt, struct slice *type_r, struct buf *out);
/* The diagnostic's text and its type; both may be literals. */
struct slice router_dsn_field_diagnostic(const struct router_dsn_rcpt *rcpt, struct slice *type_r);
/* The first digit of a status (RFC 3463 section 2), '2', '4' or '5'; 0: it is none. */
char router_dsn_field_class(struct slice status);
/* The recipient's status, or the kind's where it has none that fits. */
struct slice router_dsn_field_status(enum router_dsn_kind kind, const struct router_dsn_rcpt *rcpt);
