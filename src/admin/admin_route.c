#include "admin/admin_call.h"
#include "base/arena.h"
#include "directory/directory.h"
#include "router/router.h"
#include "router/router_hand.h"
#include "router/router_plan.h"
#include "smtp/smtp_path.h"
#include "sys/sys_time.h"

struct routing {
    struct admin_call *call;
    const struct directory *directory;
    struct arena *arena;
    bool dns; /* ask the name servers */
};

/* --- a hop --- */

static const char *const tls_names[] = {
    [ROUTER_TLS_NONE] = "none",
    [ROUTER_TLS_OPPORTUNISTIC] = "opportunistic",
    [ROUTER_TLS_REQUIRED] = "required",
    [ROUTER_TLS_VERIFIED] = "verified",
};
static_assert(COUNT(tls_names) == ROUTER_TLS_MAX, "one name for each");

static json_t *host_json(const struct routing *r, const struct router_host *host)
{
    int64_t now_ms = sys_now_ms();
    int64_t since_ms = 0;
    bool down = router_health_is_down(router_queue_health(r->call->context->queue), host->name,
                                      host->port, now_ms, &since_ms);
    json_t *json = json_pack("{s:o, s:s, s:i}", "name", admin_json_text(slice_str(host->name)),
                             "address", host->address, "port", (int)host->port);

    if (down)
        json_object_set_new(json, "down_ms", json_integer((json_int_t)(now_ms - since_ms)));
    return json;
}

/* The hosts as the name servers have them now, or why there are none. */
static void put_hosts(const struct routing *r, const struct router_hop *hop, const char *domain,
                      json_t *json)
{
    struct router_host *hosts = arena_many(r->arena, struct router_host, ROUTER_HOSTS_MAX);
    struct router_answer answer = {0};
    size_t count = 0;
    enum st st =
        router_queue_hosts(r->call->context->queue, r->arena, hop, domain, hosts, &count, &answer);
    json_t *list = json_array();

    for (size_t i = 0; st == ST_OK && i < count; i++)
        json_array_append_new(list, host_json(r, &hosts[i]));
    json_object_set_new(json, "hosts", list);
    if (st == ST_OK)
        return;
    json_object_set_new(json, "trouble", admin_json_text(slice_str(answer.text)));
    json_object_set_new(json, "final", json_boolean(st == ST_DENIED));
}

static json_t *hop_json(const struct routing *r, const struct router_hop *hop, const char *domain)
{
    json_t *json = json_pack("{s:b, s:i, s:s, s:b, s:o}", "mx", hop->mx, "port", (int)hop->port,
                             "tls", tls_names[hop->tls], "tls_first", hop->tls_first, "why",
                             admin_json_text(slice_str(hop->why)));

    if (!hop->mx)
        json_object_set_new(json, "host", admin_json_text(slice_str(hop->host)));
    if (hop->user != NULL)
        json_object_set_new(json, "user", admin_json_text(slice_str(hop->user)));
    if (r->dns)
        put_hosts(r, hop, domain, json);
    return json;
}

/* --- a plan --- */

static void put_destination(const struct routing *r, const char *key, json_t *json)
{
    struct router_dest_look look;

    if (!router_dest_look(r->call->context->queue, slice_str(key), &look) || look.attempts == 0)
        return;
    int64_t left_ms = look.next_ms - sys_now_ms();
    json_object_set_new(json, "down",
                        json_pack("{s:I, s:I, s:o}", "attempts", (json_int_t)look.attempts,
                                  "next_in_ms", (json_int_t)(left_ms > 0 ? left_ms : 0), "answer",
                                  admin_json_text(slice_str(look.answer))));
}

static json_t *plan_json(const struct routing *r, struct slice address)
{
    static const char *const ways[] = {
        [ROUTER_WAY_SEND] = "send", [ROUTER_WAY_HERE] = "here", [ROUTER_WAY_REFUSE] = "refuse"};
    struct router_plan plan;
    json_t *hops = json_array();

    router_plan_now(r->call->context->queue, r->directory, address, r->arena, &plan);
    json_t *json = json_pack("{s:s, s:o, s:o}", "way", ways[plan.way], "key",
                             admin_json_text(slice_str(plan.key)), "why",
                             admin_json_text(slice_str(plan.why)));
    for (size_t i = 0; i < plan.hop_count; i++)
        json_array_append_new(hops, hop_json(r, &plan.hops[i], plan.domain));
    json_object_set_new(json, "hops", hops);
    put_destination(r, plan.key, json);
    return json;
}

/* --- an address --- */

static json_t *target_json(const struct routing *r, const struct router_target *target)
{
    json_t *json = json_pack("{s:o}", "via", admin_json_text(slice_str(target->via)));

    if (target->kind == ROUTER_LOCAL) {
        json_object_set_new(json, "account", admin_json_text(slice_str(target->name)));
    } else {
        json_object_set_new(json, "address", admin_json_text(target->address));
        json_object_set_new(json, "plan", plan_json(r, target->address));
    }
    return json;
}

/* What RCPT is told, in the words of a person. */
static const struct {
    const char *verdict;
    const char *why;
} verdicts[] = {
    [ROUTER_OK] = {"accepted", ""},
    [ROUTER_FOREIGN] = {"relayed",
                        "the domain is not served here: only those who may relay can "
                        "send to it (users who logged in, relay_networks)"},
    [ROUTER_NOBODY] = {"refused", "550 5.1.1: nobody has this address"},
    [ROUTER_NO_STORE] = {"refused", "451 4.3.0: the person's account is not in this store"},
    [ROUTER_EMPTY] = {"refused",
                      "550 5.2.4: it leads to nobody: no members, or forwards in a "
                      "circle"},
    [ROUTER_TOO_MANY] = {"refused",
                         "550 5.2.4: it leads to more recipients than "
                         "group_members_max allows"},
    [ROUTER_LATER] = {"refused", "452 4.5.3: it leads to too many recipients"},
};
static_assert(COUNT(verdicts) == ROUTER_VERDICT_MAX, "one for each verdict");

static json_t *resolve(const struct routing *r, const struct smtp_path *path)
{
    struct router_targets targets = {.arena = r->arena};
    struct router_reach reach;
    struct slice domain =
        path->domain.len > 0 ? path->domain : directory_first_domain(r->directory);
    enum router_verdict verdict =
        router_resolve(r->directory, path->local, domain, &targets, &reach);
    bool taken = verdict == ROUTER_OK || verdict == ROUTER_FOREIGN;
    json_t *list = json_array();

    for (size_t i = 0; taken && i < reach.count; i++)
        json_array_append_new(list, target_json(r, reach.targets[i]));
    json_t *json = json_pack("{s:o, s:s, s:s, s:o, s:I}", "address", admin_json_text(path->text),
                             "verdict", verdicts[verdict].verdict, "why", verdicts[verdict].why,
                             "targets", list, "lost", (json_int_t)(taken ? reach.lost_count : 0));
    if (taken && reach.lost_count > 0)
        json_object_set_new(json, "lost_first", admin_json_text(slice_str(reach.lost)));
    return json;
}

/* The address as it stands in a command, with or without its brackets. */
static enum st read_path(struct admin_call *call, struct smtp_path *path)
{
    struct slice text;
    AUTO(buf) struct buf bracketed = BUF(2 * KIB);
    enum st st = admin_arg_need(call, "address", &text);

    if (st != ST_OK)
        return st;
    if (text.ptr[0] == '<')
        buf_put(&bracketed, text);
    else
        buf_putf(&bracketed, "<%.*s>", SLICE_ARG(text));
    struct slice rest = arena_copy(call->arena, buf_slice(&bracketed));
    if (bracketed.over || smtp_path_parse(call->arena, &rest, true, path) != ST_OK || path->null ||
        rest.len > 0)
        return admin_refuse(call, ST_INVALID, "%.*s: not an address",
                            SLICE_ARG(slice_sub(text, 0, 300)));
    return ST_OK;
}

enum st admin_route(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct routing r = {.call = call, .directory = directory, .arena = call->arena, .dns = true};
    struct smtp_path path;
    enum st st = read_path(call, &path);

    if (st == ST_OK)
        st = admin_arg_bool(call, "dns", &r.dns);
    if (st == ST_OK && call->context->queue == NULL)
        st = admin_refuse(call, ST_DENIED, "this server has no queue");
    if (st == ST_OK)
        call->reply = resolve(&r, &path);
    return st;
}
