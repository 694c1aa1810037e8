#include "directory/directory_lint.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "directory/directory_cluster.h"
#include "directory/directory_connection.h"
#include "directory/directory_foreign.h"
#include "directory/directory_group.h"
#include "directory/directory_kind.h"
#include "directory/directory_person.h"
#include "directory/directory_server.h"
#include "directory/directory_visible.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SENTENCE_BYTES 900
#define ALL_DOMAINS "localhost"

struct item {
    struct directory_lint *lint;
    enum directory_kind kind;
    const char *name;
    const void *read; /* NULL: it cannot be read */
    const char *fault;
    struct item *next;
};

struct directory_lint {
    struct arena *arena;
    struct directory *making; /* all there is */
    const struct directory *all;
    struct item *items, **tail;
    struct directory_members *members;
    size_t server_count;
    directory_lint_fn *fn;
    void *ctx;
};

struct directory_lint *directory_lint_new(void)
{
    struct directory_lint *lint = mem_new(struct directory_lint);

    lint->arena = arena_new("lint", 4 * GIB);
    lint->making = directory_new(SLICE(ALL_DOMAINS));
    lint->tail = &lint->items;
    return lint;
}

void directory_lint_free(struct directory_lint **lint)
{
    struct directory_lint *l = *lint;

    if (l == NULL)
        return;
    const struct directory *all = l->all != NULL ? l->all : directory_end(l->making);
    directory_unref(&all);
    directory_members_clear(&l->members);
    arena_free(&l->arena);
    mem_free(l);
    *lint = NULL;
}

static const struct directory_common *common_of(const struct item *item)
{
    return (const void *)((const char *)item->read + directory_kinds[item->kind].common_at);
}

/* Most persons say nothing that is looked at here. */
static bool worth_keeping(enum directory_kind kind, const void *read)
{
    const struct directory_document *person = read;

    return kind != DIRECTORY_PERSON || person->servers.count > 0 ||
           person->common.readers.count > 0 || person->common.authors.count > 0 ||
           person->roles.count > 0 || person->room_lines > 0;
}

static struct item *keep(struct directory_lint *lint, enum directory_kind kind, struct slice name)
{
    struct item *item = arena_one(lint->arena, struct item);

    item->lint = lint;
    item->kind = kind;
    item->name = slice_cstr(lint->arena, name);
    *lint->tail = item;
    lint->tail = &item->next;
    return item;
}

static void keep_read(struct directory_lint *lint, enum directory_kind kind, struct slice name,
                      const void *read)
{
    struct item *item = keep(lint, kind, name);
    void *copy = arena_alloc(lint->arena, 1, directory_kinds[kind].size);

    memcpy(copy, read, directory_kinds[kind].size);
    item->read = copy;
    if (kind == DIRECTORY_GROUP)
        directory_members_add(&lint->members, lint->arena, copy);
    lint->server_count += kind == DIRECTORY_SERVER;
}

void directory_lint_add(struct directory_lint *lint, struct slice kind_name, struct slice name,
                        int64_t modified_ms, struct slice body)
{
    AUTO(buf) struct buf why = BUF(2 * KIB);
    enum directory_kind kind;

    if (directory_kind_find(kind_name, &kind) != ST_OK)
        return;
    void *read = mem_alloc(directory_kinds[kind].size);
    if (directory_kinds[kind].read(lint->arena, name, body, read, &why) != ST_OK)
        keep(lint, kind, name)->fault = slice_cstr(lint->arena, buf_slice(&why));
    else {
        directory_add(lint->making, kind_name, name, modified_ms, body);
        if (worth_keeping(kind, read))
            keep_read(lint, kind, name, read);
    }
    mem_free(read);
}

static PRINTF(2, 3) void found(const struct item *item, const char *fmt, ...)
{
    char sentence[SENTENCE_BYTES];
    va_list args;

    va_start(args, fmt);
    vsnprintf(sentence, sizeof(sentence), fmt, args);
    va_end(args);
    item->lint->fn(item->lint->ctx, slice_str(directory_kind_name(item->kind)),
                   slice_str(item->name), slice_str(sentence));
}

static const struct item *next_of(const struct item *item, enum directory_kind kind)
{
    while (item != NULL && (item->kind != kind || item->read == NULL))
        item = item->next;
    return item;
}

static bool is_server(const struct directory_lint *lint, struct slice name)
{
    return directory_server(lint->all, name) != NULL;
}

/* --- readers --- */

static bool texts_have(const struct directory_texts *texts, struct slice text)
{
    for (size_t i = 0; i < texts->count; i++)
        if (slice_eq(texts->at[i], text))
            return true;
    return false;
}

static const struct directory_texts *roles_of(const struct item *item)
{
    static const struct directory_texts none;

    size_t at = directory_kinds[item->kind].roles_at;

    return item->read == NULL || at == SIZE_MAX ? &none
                                                : (const void *)((const char *)item->read + at);
}

static bool is_role(const struct directory_lint *lint, struct slice role)
{
    for (const struct item *item = lint->items; item != NULL; item = item->next)
        if (texts_have(roles_of(item), role))
            return true;
    return false;
}

static bool is_somebody(const struct directory_lint *lint, struct slice name)
{
    struct directory_found found_r;

    if (name.ptr[0] == '[')
        return is_role(lint, slice_sub(name, 1, name.len - 2));
    return directory_find_name(lint->all, name, &found_r) || is_server(lint, name);
}

static void check_readers(const struct item *item, const struct directory_texts *readers,
                          const char *what)
{
    for (size_t i = 0; i < readers->count; i++)
        if (!is_somebody(item->lint, readers->at[i]))
            found(item,
                  "%s %.*s is nobody: no person, server or group has the name, no document the "
                  "role; correct it or take the line out",
                  what, SLICE_ARG(readers->at[i]));
}

static bool server_sees(const struct item *server, const struct item *item)
{
    const struct directory_common *common = common_of(item);
    struct directory_who who;

    directory_members_who(server->lint->members, server->lint->arena, slice_str(server->name),
                          roles_of(server), &who);
    return directory_visible(&common->readers, &common->authors, &who);
}

static void check_seen(const struct item *item)
{
    const struct directory_common *common = common_of(item);

    check_readers(item, &common->readers, "the reader");
    check_readers(item, &common->authors, "the author");
    if (item->lint->server_count == 0 || (common->readers.count == 0 && common->authors.count == 0))
        return;
    for (const struct item *server = next_of(item->lint->items, DIRECTORY_SERVER); server != NULL;
         server = next_of(server->next, DIRECTORY_SERVER))
        if (server_sees(server, item))
            return;
    found(item,
          "no server may see it, so it counts nowhere; name a server, or a group of servers, "
          "as a reader");
}

/* --- each kind --- */

static void check_person(const struct item *item)
{
    const struct directory_document *person = item->read;

    for (size_t i = 0; i < person->servers.count; i++)
        if (!is_server(item->lint, person->servers.at[i]))
            found(
                item,
                "the server %.*s is to hold the account but has no document; make one, or correct "
                "the name",
                SLICE_ARG(person->servers.at[i]));
    if (person->room_lines > 0 && person->person.kind == DIRECTORY_PERSON_HUMAN)
        found(item,
              "the lines room_... count for rooms and resources alone; say kind = room, or "
              "take them out");
}

static void check_group(const struct item *item)
{
    const struct directory_group_document *group = item->read;

    for (size_t i = 0; i < group->members.count; i++) {
        struct slice member = group->members.at[i];

        if (slice_find(member, '@') == SIZE_MAX && !is_somebody(item->lint, member))
            found(item,
                  "the member %.*s leads nowhere: nobody has the name; correct it or take it "
                  "out",
                  SLICE_ARG(member));
    }
}

static void check_server(const struct item *item)
{
    if (item->lint->server_count > 1 &&
        directory_cluster_of(item->lint->all, slice_str(item->name)) == NULL)
        found(item,
              "it is in no cluster, so nobody takes over what it holds; make it a member of "
              "one");
}

static void check_cluster(const struct item *item)
{
    const struct directory_cluster_document *cluster = item->read;

    if (cluster->members.count < 2)
        found(item, "%s in it, so nobody takes over; add a server or remove the cluster",
              cluster->members.count == 0 ? "nobody is" : "a server is alone");
    for (size_t i = 0; i < cluster->members.count; i++) {
        struct slice name = cluster->members.at[i];
        const struct directory_cluster *other = directory_cluster_of(item->lint->all, name);

        if (!is_server(item->lint, name))
            found(item, "the member %.*s has no server document; make one, or take it out",
                  SLICE_ARG(name));
        if (other != NULL && strcmp(other->name, item->name) != 0)
            found(item,
                  "the member %.*s is in the cluster %s too, and that one counts; take it "
                  "out of one",
                  SLICE_ARG(name), other->name);
    }
}

static void check_gateway(const struct item *item, const char *what, const char *name)
{
    if (name[0] == '\0')
        return;
    if (!is_server(item->lint, slice_str(name))) {
        found(item, "the %s %s has no server document; make one, or correct the name", what, name);
        return;
    }
    for (const struct item *server = next_of(item->lint->items, DIRECTORY_SERVER); server != NULL;
         server = next_of(server->next, DIRECTORY_SERVER))
        if (strcmp(server->name, name) == 0 && !server_sees(server, item))
            found(item, "its own %s %s may not see it; make %s a reader", what, name, name);
}

/* Whether mail for the domain can go by this document. */
static bool leads_out(const struct directory_lint *lint, const struct directory_foreign *foreign)
{
    return foreign->connection.host_count > 0 && is_server(lint, slice_str(foreign->mail_server));
}

static void check_domain(const struct item *item, struct slice domain)
{
    const struct directory_foreign *list[DIRECTORY_CONNECTIONS_MAX];
    const struct directory_lint *lint = item->lint;
    size_t count = directory_foreign(lint->all, domain, list, COUNT(list));
    bool reached = false;

    for (size_t i = 0; i < count; i++) {
        reached |= leads_out(lint, list[i]);
        if (i > 0 && strcmp(list[i]->name, item->name) == 0 &&
            list[i]->connection.priority == list[i - 1]->connection.priority)
            found(item,
                  "it and %s have the priority %llu for %.*s, so whichever was edited last comes "
                  "first; give them different priorities",
                  list[i - 1]->name, (unsigned long long)list[i]->connection.priority,
                  SLICE_ARG(domain));
    }
    if (!reached && count > 0 && strcmp(list[0]->name, item->name) == 0)
        found(item,
              "nobody can reach %.*s: no document for it has both a mail_server that exists and a "
              "host; add them",
              SLICE_ARG(domain));
}

/* http://127.0.0.1:8008/... */
static bool is_this_machine(struct slice url)
{
    struct slice host = slice_sub(url, strlen("http://"), url.len);
    size_t len = 0;

    while (len < host.len &&
           (host.ptr[len] == '.' || (host.ptr[len] >= '0' && host.ptr[len] <= '9')))
        len++;
    return slice_starts(host, SLICE("127.")) &&
           (len == host.len || host.ptr[len] == ':' || host.ptr[len] == '/');
}

/* Whom nobody can ask for free time, and what the asking shows to others. */
static void check_calendar(const struct item *item, const struct directory_foreign *foreign)
{
    const struct directory_calendar *calendar = &foreign->calendar;
    bool asked = calendar->way != DIRECTORY_CALENDAR_NONE;

    if (foreign->calendar_server[0] != '\0' && !asked)
        found(item,
              "its calendar_server %s does not know how to ask for free time; add calendar = ews, "
              "caldav or ifb and a URL",
              foreign->calendar_server);
    if (foreign->calendar_server[0] == '\0' && asked)
        found(item, "nobody asks %s for free time; add calendar_server", calendar->url);
    if (calendar->password[0] != '\0' && slice_starts(slice_str(calendar->url), SLICE("http://")) &&
        !is_this_machine(slice_str(calendar->url)) && calendar->auth == DIRECTORY_CALENDAR_BASIC)
        found(item, "its calendar_password goes to %s for everybody to read; write https",
              calendar->url);
}

static void check_foreign(const struct item *item)
{
    const struct directory_foreign_document *document = item->read;
    const struct directory_foreign *foreign = &document->foreign;

    check_gateway(item, "mail_server", foreign->mail_server);
    check_gateway(item, "calendar_server", foreign->calendar_server);
    check_calendar(item, foreign);
    if (foreign->mail_server[0] != '\0' && document->hosts.count == 0)
        found(item, "its gateway %s has no host to send to; add host = mx.exchange.example:25",
              foreign->mail_server);
    for (size_t i = 0; i < document->domains.count; i++)
        check_domain(item, document->domains.at[i]);
}

static bool same_hosts(const struct directory_connection *a, const struct directory_connection *b)
{
    if (a->host_count != b->host_count)
        return false;
    for (size_t i = 0; i < a->host_count; i++)
        if (strcmp(a->hosts[i].name, b->hosts[i].name) != 0 || a->hosts[i].port != b->hosts[i].port)
            return false;
    return true;
}

/* Of each of its domains another connection that comes before leads to the same hosts. */
static void check_connection(const struct item *item)
{
    const struct directory_connection_document *document = item->read;
    const struct directory_connection *before = NULL;

    for (size_t i = 0; i < document->domains.count; i++) {
        const struct directory_connection *list[DIRECTORY_CONNECTIONS_MAX];
        struct slice domain = document->domains.at[i];
        size_t count;
        size_t k = 0;

        if (slice_starts(domain, SLICE("*")))
            domain = domain.len == 1 ? SLICE("any.invalid") : slice_sub(domain, 1, domain.len);
        count = directory_connections(item->lint->all, domain, list, COUNT(list));
        while (k < count && strcmp(list[k]->name, item->name) != 0 &&
               !same_hosts(list[k], &document->connection))
            k++;
        if (k == count || strcmp(list[k]->name, item->name) == 0)
            return;
        before = list[k];
    }
    if (before != NULL)
        found(item,
              "it is never used: the connection %s comes before it and leads to the same "
              "hosts; change its hosts or its priority, or remove it",
              before->name);
}

void directory_lint_run(struct directory_lint *lint, directory_lint_fn *fn, void *ctx)
{
    static void (*const checks[DIRECTORY_KIND_MAX])(const struct item *) = {
        [DIRECTORY_PERSON] = check_person,         [DIRECTORY_GROUP] = check_group,
        [DIRECTORY_CONNECTION] = check_connection, [DIRECTORY_SERVER] = check_server,
        [DIRECTORY_CLUSTER] = check_cluster,       [DIRECTORY_FOREIGN] = check_foreign,
    };

    lint->fn = fn;
    lint->ctx = ctx;
    if (lint->all == NULL)
        lint->all = directory_end(lint->making);
    for (const struct item *item = lint->items; item != NULL; item = item->next) {
        if (item->read == NULL) {
            found(item, "it cannot be read and counts nowhere: %s; edit it", item->fault);
            continue;
        }
        check_seen(item);
        if (checks[item->kind] != NULL)
            checks[item->kind](item);
    }
}
