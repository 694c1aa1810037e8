#include "directory/directory_foreign.h"

#include "base/arena.h"
#include "base/slice.h"
#include "directory/directory_name.h"

#include "sys/sys_net.h"

#include <string.h>

#define AT(member) offsetof(struct directory_foreign_document, member)

static enum st take_domain(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_texts *domains = at;
    struct slice domain = slice_lower(reading->arena, slice_str(value));

    if (!directory_name_is_domain(domain))
        return directory_text_refuse(reading, "%s is not a domain; write BTEx or exchange.example",
                                     value);
    if (domains->count == DIRECTORY_CONNECTION_DOMAINS_MAX)
        return directory_text_refuse(reading, "domain %s is one too many; %d may stand here", value,
                                     DIRECTORY_CONNECTION_DOMAINS_MAX);
    directory_text_append(reading, domains, domain);
    return ST_OK;
}

static enum st take_network(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_texts *networks = at;
    struct slice network = arena_copy(reading->arena, slice_str(value));

    if (!sys_net_ok(network))
        return directory_text_refuse(reading, "%s is not a network; write 192.0.2.0/24", value);
    if (networks->count == DIRECTORY_HOSTS_MAX)
        return directory_text_refuse(reading, "network %s is one too many; %d may stand here",
                                     value, DIRECTORY_HOSTS_MAX);
    directory_text_append(reading, networks, network);
    return ST_OK;
}

static enum st take_rewrite(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_foreign_document *document = reading->document;
    struct directory_rule reverse;
    enum st st = directory_rule_take(reading, &document->out, value);

    if (st != ST_OK)
        return st;
    if (!directory_rule_reverse(&document->out.at[document->out.count - 1], reading->arena,
                                &reverse))
        return directory_text_refuse(
            reading,
            "%s cannot be undone on the way in; write both domains out, and a * on both sides or "
            "on none",
            value);
    *directory_rule_append(reading->arena, &document->in) = reverse;
    return ST_OK;
}

static const struct directory_field fields[] = {
    {"full_name", directory_text_take, AT(foreign.full_name)},
    {"domain", take_domain, AT(domains)},
    {"mail_server", directory_text_take_name, AT(foreign.mail_server)},
    {"calendar_server", directory_text_take_name, AT(foreign.calendar_server)},
    {"rewrite", take_rewrite, AT(out)},
    {"network", take_network, AT(networks)},
    {"shared_domain", take_domain, AT(shared)},
    DIRECTORY_CALENDAR_FIELDS(struct directory_foreign_document),
    DIRECTORY_CONNECTION_FIELDS(struct directory_foreign_document),
};

static void begin(struct arena *arena, struct slice name, struct directory_foreign_document *read)
{
    memset(read, 0, sizeof(*read));
    read->foreign.name = slice_cstr(arena, name);
    read->foreign.full_name = "";
    read->foreign.mail_server = "";
    read->foreign.calendar_server = "";
    directory_calendar_begin(&read->foreign.calendar);
    read->connection.name = read->foreign.name;
    read->connection.user = "";
    read->connection.password = "";
}

enum st directory_foreign_read(struct arena *arena, struct slice name, struct slice body,
                               struct directory_foreign_document *document_r, struct buf *why)
{
    struct directory_foreign *foreign = &document_r->foreign;
    struct directory_reading reading = {
        arena, document_r, why, "foreign-domain", fields, COUNT(fields), &document_r->common};

    begin(arena, name, document_r);
    enum st st = directory_text_read(&reading, name, body);
    if (st != ST_OK)
        return st;
    if (document_r->domains.count == 0)
        return directory_text_refuse(&reading, "there is no domain; write domain = BTEx");
    st = directory_connection_end(&reading, &document_r->hosts, &document_r->connection);
    if (st == ST_OK)
        st = directory_calendar_end(&reading, &foreign->calendar);
    foreign->domains = document_r->domains.at;
    foreign->domain_count = document_r->domains.count;
    foreign->networks = document_r->networks.at;
    foreign->network_count = document_r->networks.count;
    foreign->shared = document_r->shared.at;
    foreign->shared_count = document_r->shared.count;
    foreign->connection = document_r->connection;
    return st;
}
