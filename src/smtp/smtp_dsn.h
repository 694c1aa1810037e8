/* smtp_dsn.h: the parameters of MAIL and RCPT that speak of delivery reports (RFC 3461 section 4,
 * RFC 6533 section 3) and of priority (RFC 6710). Pure.
 *
 * Both take one parameter at a time: ST_NOT_FOUND: the keyword is none of theirs; ST_INVALID: its
 * value is bad, or it came before. What they keep borrows from value. */
#pragma once
#include "router/router.h"

#define SMTP_ENVID_BYTES_MAX 100 /* decoded (RFC 3461 section 4.4) */
#define SMTP_ORCPT_BYTES_MAX 500 /* decoded, type and all (RFC 3461 section 4.2) */

struct smtp_dsn_mail {
    enum router_ret ret;
    struct slice envid; /* xtext; empty: none was said */
    bool prioritised;   /* MT-PRIORITY was said */
    int8_t priority;
};

struct smtp_dsn_rcpt {
    uint8_t notify;     /* enum router_notify */
    struct slice orcpt; /* type and address as sent; empty: none was said */
};

/* RET, ENVID and MT-PRIORITY. */
MUST_USE enum st smtp_dsn_mail(struct slice keyword, struct slice value,
                               struct smtp_dsn_mail *mail);
/* NOTIFY and ORCPT. utf8: SMTPUTF8 was said with MAIL. */
MUST_USE enum st smtp_dsn_rcpt(struct slice keyword, struct slice value, bool utf8,
                               struct smtp_dsn_rcpt *rcpt);
