#include "admin/admin_call.h"
#include "base/arena.h"
#include "directory/directory.h"
#include "router/router.h"
#include "router/router_hand.h"
#include "router/router_plan.h"
#include "smtp/smtp_path.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>

struct routing {
    struct admin_call *call;
    const struct directory *directory;
    struct arena *arena;
    bool dns;                /* ask the name servers */
    const char *server_name; /* as which server sees it; NULL: as this one */
    const struct health_view *servers;
    uint64_t mono_ms;
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
    if (hop->server != NULL)
        json_object_set_new(json, "server", json_string(hop->server));
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

static json_t *candidates_json(const struct router_plan *plan)
{
    json_t *list = json_array();

    for (size_t i = 0; i < plan->candidate_count; i++) {
        const struct health_candidate *candidate = &plan->candidates[i];

        json_array_append_new(list, json_pack("{s:o, s:s, s:b, s:o}", "name",
                                              admin_json_text(slice_str(candidate->name)), "state",
                                              candidate->state, "taken", candidate->taken, "why",
                                              admin_json_text(slice_str(candidate->why))));
    }
    return list;
}

static json_t *plan_json(const struct routing *r, struct slice address)
{
    static const char *const ways[] = {
        [ROUTER_WAY_SEND] = "send", [ROUTER_WAY_HERE] = "here", [ROUTER_WAY_REFUSE] = "refuse"};
    struct router_question question =
        router_question_now(r->call->context->queue, r->directory, address, SLICE(""), r->servers);
    struct router_plan plan;
    json_t *hops = json_array();

    question.explain = true;
    question.mono_ms = r->mono_ms;
    if (r->server_name != NULL) {
        question.server_name = r->server_name;
        question.health = NULL;
    }
    router_plan(&question, r->arena, &plan);
    json_t *json = json_pack("{s:s, s:o, s:o}", "way", ways[plan.way], "key",
                             admin_json_text(slice_str(plan.key)), "why",
                             admin_json_text(slice_str(plan.why)));
    for (size_t i = 0; i < plan.hop_count; i++)
        json_array_append_new(hops, hop_json(r, &plan.hops[i], plan.domain));
    json_object_set_new(json, "hops", hops);
    json_object_set_new(json, "candidates", candidates_json(&plan));
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

/* --- what if --- */

#define SUPPOSED_MAX 64

struct supposing {
    struct routing *routing;
    struct health_server *servers;
    struct health_view view;
};

/* The servers as they are, and room for those that are only supposed. */
static void copy_view(struct routing *r, struct health *health, struct supposing *s)
{
    const struct health_view *view = health != NULL ? health_view_ref(health) : NULL;
    size_t count = view != NULL ? view->count : 0;
    s->servers = arena_many(r->arena, struct health_server, count + SUPPOSED_MAX);
    if (count > 0)
        memcpy(s->servers, view->servers, count * sizeof(s->servers[0]));
    s->view = (struct health_view){.servers = s->servers, .count = count};
    if (view != NULL)
        s->view.limits = view->limits;
    health_view_unref(&view);
}

/* One of "down=mail1". */
static enum st suppose(struct supposing *s, struct slice text)
{
    size_t at = slice_find(text, '=');
    struct slice name = at < text.len ? slice_sub(text, at + 1, SIZE_MAX) : SLICE("");
    enum health_state state;
    size_t i = 0;

    if (name.len == 0 || name.len >= HEALTH_NAME_BYTES ||
        health_state_find(slice_sub(text, 0, at), &state) != ST_OK)
        return admin_refuse(s->routing->call, ST_INVALID,
                            "%.*s: write STATE=SERVER, such as down=mail1; states are up, busy, "
                            "suspect, restricted and down",
                            SLICE_ARG(slice_sub(text, 0, 300)));
    while (i < s->view.count && !slice_ieq(slice_str(s->servers[i].name), name))
        i++;
    if (i == s->view.count)
        s->view.count++;
    snprintf(s->servers[i].name, sizeof(s->servers[i].name), "%.*s", SLICE_ARG(name));
    s->servers[i].peer = health_peer_as(&s->view.limits, state, s->routing->mono_ms);
    return ST_OK;
}

static enum st read_supposed(struct routing *r)
{
    struct supposing *s = arena_one(r->arena, struct supposing);
    struct slice text = admin_arg_text(r->call, "if");
    size_t count = 0;
    enum st st = ST_OK;

    s->routing = r;
    copy_view(r, router_queue_servers(r->call->context->queue), s);
    while (st == ST_OK && text.len > 0) {
        size_t end = slice_find(text, ',');

        if (++count > SUPPOSED_MAX)
            return admin_refuse(r->call, ST_INVALID, "at most %d servers", SUPPOSED_MAX);
        st = suppose(s, slice_sub(text, 0, end));
        text = end < text.len ? slice_sub(text, end + 1, SIZE_MAX) : SLICE("");
    }
    r->servers = &s->view;
    return st;
}

enum st admin_route(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = NULL;
    struct slice from = admin_arg_text(call, "from");
    struct routing r = {.call = call, .arena = call->arena, .dns = true, .mono_ms = sys_mono_ms()};
    struct smtp_path path;
    enum st st = read_path(call, &path);

    if (st == ST_OK)
        st = admin_arg_bool(call, "dns", &r.dns);
    if (st == ST_OK && call->context->queue == NULL)
        st = admin_refuse(call, ST_DENIED, "this server has no queue");
    if (st == ST_OK)
        st = read_supposed(&r);
    if (st != ST_OK)
        return st;
    if (from.len > 0)
        r.server_name = slice_cstr(call->arena, slice_lower(call->arena, from));
    directory = from.len > 0 ? directory_seen_by(slice_str(r.server_name)) : directory_ref();
    if (directory == NULL)
        return admin_refuse(call, ST_IO, "the documents cannot be read");
    if (from.len > 0 && directory_server(directory, from) == NULL)
        return admin_refuse(call, ST_NOT_FOUND, "%.*s: there is no server document of this name",
                            SLICE_ARG(from));
    r.directory = directory;
    call->reply = resolve(&r, &path);
    return ST_OK;
}
