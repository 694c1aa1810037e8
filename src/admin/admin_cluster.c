#include "admin/admin_call.h"
#include "cluster/cluster.h"
#include "directory/directory.h"
#include "health/health.h"
#include "log/log.h"
#include "store/store.h"
#include "sys/sys_time.h"

#include <string.h>

#define NAME_BYTES_MAX 255

struct showing {
    json_t *servers;
    const struct health_view *view;
    uint64_t now_ms;
    bool views;
};

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static void put_health(const struct showing *showing, const char *name, json_t *json)
{
    struct health_look look = health_of(showing->view, slice_str(name), showing->now_ms);

    json_object_set_new(json, "state",
                        look.known ? json_string(health_state_name(look.state)) : json_null());
    if (!look.known)
        return;
    json_object_set_new(json, "for_ms", number(showing->now_ms - look.since_ms));
    json_object_set_new(
        json, "since_ms",
        json_integer((json_int_t)sys_now_ms() - (json_int_t)(showing->now_ms - look.since_ms)));
    json_object_set_new(json, "index", number(look.index));
}

/* Lines of "name state ms index". */
static json_t *view_json(struct slice lines)
{
    json_t *list = json_array();
    struct slice line;

    while (slice_split(&lines, '\n', &line)) {
        struct slice name;
        struct slice state;
        struct slice ms;
        uint64_t for_ms;

        if (!slice_split(&line, ' ', &name) || !slice_split(&line, ' ', &state) ||
            !slice_split(&line, ' ', &ms) || slice_to_u64(ms, &for_ms) != ST_OK)
            continue;
        json_array_append_new(list,
                              json_pack("{s:o, s:o, s:o}", "name", admin_json_text(name), "state",
                                        admin_json_text(state), "for_ms", number(for_ms)));
    }
    return list;
}

static void add_server(void *ctx, const struct cluster_look *look)
{
    const struct showing *showing = ctx;
    json_t *json =
        json_pack("{s:o, s:o, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "name",
                  admin_json_text(slice_str(look->name)), "address",
                  admin_json_text(slice_str(look->address)), "version",
                  admin_json_text(slice_str(look->version)), "connected", look->connected, "why",
                  admin_json_text(slice_str(look->why)), "epoch", number(look->epoch), "rtt_us",
                  number(look->rtt_us), "documents", number(look->documents), "documents_seen",
                  number(look->seen), "ours_seen", number(look->their_seen));

    put_health(showing, look->name, json);
    if (showing->views && look->view[0] != '\0') {
        json_object_set_new(json, "view", view_json(slice_str(look->view)));
        json_object_set_new(json, "view_age_ms", number(look->view_age_ms));
    }
    json_array_append_new(showing->servers, json);
}

enum st admin_cluster_show(struct admin_call *call)
{
    struct cluster *cluster = call->context->cluster;
    struct showing showing = {.now_ms = sys_mono_ms(), .servers = NULL};
    enum st st = admin_arg_bool(call, "views", &showing.views);

    if (st != ST_OK)
        return st;
    if (cluster == NULL)
        return admin_refuse(call, ST_NOT_FOUND,
                            "this server is of no domain; posthorse domain init makes one, "
                            "posthorse domain join joins one");
    showing.servers = json_array();
    showing.view = health_view_ref(cluster_health(cluster));
    cluster_each(cluster, add_server, &showing);
    call->reply =
        json_pack("{s:s, s:s, s:o, s:o, s:o}", "name", call->context->server_name, "version",
                  POSTHORSE_VERSION, "epoch", number(cluster_epoch(cluster)), "documents",
                  number(cluster_documents(cluster)), "servers", showing.servers);
    put_health(&showing, call->context->server_name, call->reply);
    health_view_unref(&showing.view);
    return ST_OK;
}

/* --- who holds which account --- */

struct holding {
    json_t *accounts;
    const struct health_view *view; /* NULL: alone */
    uint64_t now_ms;
};

static json_t *holder_json(const struct holding *holding, struct slice name)
{
    struct health_look look = {.known = false};

    if (holding->view != NULL)
        look = health_of(holding->view, name, holding->now_ms);
    return json_pack("{s:o, s:s*}", "name", admin_json_text(name), "state",
                     look.known ? health_state_name(look.state) : NULL);
}

static void add_account(void *ctx, const struct directory_person *person)
{
    const struct holding *holding = ctx;
    json_t *servers = json_array();

    for (unsigned i = 0; i < person->server_count; i++)
        json_array_append_new(servers, holder_json(holding, person->servers[i]));
    json_array_append_new(holding->accounts,
                          json_pack("{s:o, s:o, s:b}", "name",
                                    admin_json_text(slice_str(person->name)), "servers", servers,
                                    "here", person->account_id != 0));
}

enum st admin_cluster_accounts(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct cluster *cluster = call->context->cluster;
    struct holding holding = {.accounts = json_array(),
                              .view =
                                  cluster != NULL ? health_view_ref(cluster_health(cluster)) : NULL,
                              .now_ms = sys_mono_ms()};

    directory_each(directory, add_account, &holding);
    health_view_unref(&holding.view);
    call->reply = json_pack("{s:s, s:b, s:o}", "name", call->context->server_name, "shared",
                            store_is_shared(call->context->store), "accounts", holding.accounts);
    return ST_OK;
}

/* --- revoking --- */

enum st admin_domain_revoke(struct admin_call *call)
{
    struct slice name;
    enum st st = admin_arg_need(call, "name", &name);

    if (st != ST_OK)
        return st;
    if (name.len > NAME_BYTES_MAX)
        return admin_refuse(call, ST_INVALID, "the name is over 255 bytes");
    if (slice_eq(name, slice_str(call->context->server_name)))
        return admin_refuse(call, ST_INVALID, "a server cannot revoke itself; do it on another");
    st = cluster_revoke(call->context->store, name, sys_now_ms());
    if (st == ST_OK)
        log_event(EV_DOMAIN_REVOKED, 0, LOG_S("server", name));
    return st;
}

static void add_revoked(void *ctx, const char *server, int64_t before_ms)
{
    json_array_append_new(ctx, json_pack("{s:o, s:I}", "name", admin_json_text(slice_str(server)),
                                         "before_ms", (json_int_t)before_ms));
}

enum st admin_domain_revoked(struct admin_call *call)
{
    json_t *list = json_array();
    enum st st = cluster_revoked_each(call->context->store, add_revoked, list);

    call->reply = json_pack("{s:o}", "revoked", list);
    return st;
}
