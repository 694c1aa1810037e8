/* directory_foreign.h: a foreign-domain document as INI text, and what it says: one way to another
 * mail system. Several documents for one domain are tried by priority, then last modified first.
 *
 *   domain = BTEx                       (the foreign domain; may be given again)
 *   mail_server = gate1.example.org     (our server that sends there: the gateway)
 *   calendar_server = gate1.example.org (our server that asks there for free time)
 *   host = mx.exchange.example:25       (the foreign system's hosts, in order; for the gateway)
 *   rewrite = *@BTEx *@exchange.example (an address as we write it, and as they do: applied on the
 *                                       way out and, the other way round, on the way in)
 *   network = 192.0.2.0/24              (where their own mail comes from: only what comes from
 *                                       there, or from a host given by its address, is rewritten
 *                                       on the way in; may be given again. Without one the sender's
 *                                       address alone tells, and that can be forged)
 *   shared_domain = example.org         (addresses of it that nobody here has are theirs)
 *   calendar = ews https://...          (how it is asked for free time: directory_calendar.h)
 *   calendar_user, calendar_password, calendar_auth, calendar_impersonate
 *   full_name, and user, password, tls, tls_first, connections_max as in a connection */
#pragma once
#include "directory/directory_calendar.h"
#include "directory/directory_connection.h"
#include "directory/directory_rule.h"

struct directory_foreign_document {
    struct directory_foreign foreign;
    struct directory_common common;
    struct directory_texts domains; /* what foreign points to, as the rest */
    struct directory_texts shared;
    struct directory_texts networks;
    struct directory_connection connection;
    struct directory_hosts hosts;
    struct directory_rules out;
    struct directory_rules in;
};

/* Everything read lives in arena. ST_INVALID with a sentence in why that names the line. The lists
 * of rules are the document's own: foreign.out and foreign.in are set by
 * directory_elsewhere_add_foreign(). */
MUST_USE enum st directory_foreign_read(struct arena *arena, struct slice name, struct slice body,
                                        struct directory_foreign_document *document_r,
                                        struct buf *why);
