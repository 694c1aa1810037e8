#include "base/buf.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"

#include <stdio.h>
#include <string.h>

static const char *text(struct ctl *ctl, const json_t *object, const char *key)
{
    return ctl_json_text(ctl->arena, object, key);
}

static bool is(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

/* What all hosts of a hop have in common. */
static void put_manner(struct ctl *ctl, const json_t *hop, struct buf *out)
{
    const char *user = text(ctl, hop, "user");

    if (is(hop, "tls_first"))
        buf_put(out, SLICE(", TLS from the first byte"));
    else
        buf_putf(out, ", TLS %s", text(ctl, hop, "tls"));
    if (user[0] != '\0')
        buf_putf(out, ", logging in as %s", user);
}

static void print_host(struct ctl *ctl, const json_t *hop, const json_t *host, unsigned number)
{
    AUTO(buf) struct buf manner = BUF(4 * KIB);
    char room[CTL_QUANTITY_BYTES];

    put_manner(ctl, hop, &manner);
    printf("       %u. %s [%s] port %llu%s\n", number, text(ctl, host, "name"),
           text(ctl, host, "address"), (unsigned long long)ctl_json_number(host, "port"),
           manner.ptr);
    if (json_object_get(host, "down_ms") != NULL)
        printf("          down: no answer for %s\n",
               ctl_table_duration(room, ctl_json_number(host, "down_ms")));
}

/* Returns the number of the last host. */
static unsigned print_hop(struct ctl *ctl, const json_t *hop, unsigned number)
{
    const char *trouble = text(ctl, hop, "trouble");
    const char *host = text(ctl, hop, "host");
    size_t i;
    json_t *at;

    json_array_foreach(json_object_get(hop, "hosts"), i, at) print_host(ctl, hop, at, ++number);
    if (trouble[0] != '\0')
        printf("       %u. %s: %s; %s\n", ++number, host[0] != '\0' ? host : "MX hosts", trouble,
               is(hop, "final") ? "the mail goes back to its sender"
                                : "it waits and is tried again");
    return number;
}

static void print_down(struct ctl *ctl, const json_t *down)
{
    char room[CTL_QUANTITY_BYTES];

    if (down == NULL)
        return;
    printf("       down after %llu tries, the next in %s; the last answer: %s\n",
           (unsigned long long)ctl_json_number(down, "attempts"),
           ctl_table_duration(room, ctl_json_number(down, "next_in_ms")),
           text(ctl, down, "answer"));
}

/* Who was looked at, where servers of the domain are among them. */
static void print_candidates(struct ctl *ctl, const json_t *list)
{
    size_t i;
    json_t *at;

    if (json_array_size(list) < 2)
        return;
    json_array_foreach(list, i, at)
    {
        const char *state = text(ctl, at, "state");

        printf("       %s %s%s%s%s: %s\n", is(at, "taken") ? "+" : "-", text(ctl, at, "name"),
               state[0] != '\0' ? " (" : "", state, state[0] != '\0' ? ")" : "",
               text(ctl, at, "why"));
    }
}

static void print_plan(struct ctl *ctl, const json_t *plan)
{
    const char *way = text(ctl, plan, "way");
    unsigned number = 0;
    size_t i;
    json_t *hop;
    const char *last_why = "";

    if (strcmp(way, "send") != 0) {
        printf("     %s: %s\n", strcmp(way, "here") == 0 ? "stays here" : "goes nowhere",
               text(ctl, plan, "why"));
        return;
    }
    printf("     queued under \"%s\": %s\n", text(ctl, plan, "key"), text(ctl, plan, "why"));
    print_down(ctl, json_object_get(plan, "down"));
    print_candidates(ctl, json_object_get(plan, "candidates"));
    json_array_foreach(json_object_get(plan, "hops"), i, hop)
    {
        const char *why = text(ctl, hop, "why");

        if (strcmp(why, text(ctl, plan, "why")) != 0 && strcmp(why, last_why) != 0)
            printf("       by %s:\n", why);
        last_why = why;
        number = print_hop(ctl, hop, number);
    }
}

static void print_target(struct ctl *ctl, const json_t *target)
{
    const char *account = text(ctl, target, "account");
    const char *via = text(ctl, target, "via");
    AUTO(buf) struct buf note = BUF(1 * KIB);

    if (strcmp(via, "direct") != 0)
        buf_putf(&note, " (%s)", via);
    if (account[0] != '\0') {
        printf("  -> account %s, here%s\n", account, buf_slice(&note).ptr);
        return;
    }
    printf("  -> %s, elsewhere%s\n", text(ctl, target, "address"), buf_slice(&note).ptr);
    print_plan(ctl, json_object_get(target, "plan"));
}

static void print_route(struct ctl *ctl, const json_t *route)
{
    const char *why = text(ctl, route, "why");
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *target;

    printf("%s: %s%s%s\n", text(ctl, route, "address"), text(ctl, route, "verdict"),
           why[0] != '\0' ? "; " : "", why);
    json_array_foreach(json_object_get(route, "targets"), i, target) print_target(ctl, target);
    if (ctl_json_number(route, "lost") > 0)
        printf("  %s members or forwards lead to nobody; the first is %s\n",
               ctl_table_number(room, ctl_json_number(route, "lost")),
               text(ctl, route, "lost_first"));
}

int ctl_cmd_route(struct ctl *ctl)
{
    json_t *all = json_array();
    int exit = EX_OK;

    for (size_t i = 0; exit == EX_OK && i < ctl->arg_count; i++) {
        json_t *reply = NULL;
        json_t *query = json_pack("{s:s, s:s*, s:s*}", "address", ctl->args[i], "from",
                                  ctl_value(ctl, CTL_OPT_FROM), "if", ctl_value(ctl, CTL_OPT_IF));

        exit = query == NULL ? ctl_fail(EX_DATAERR, "an address is not UTF-8")
                             : ctl_get(ctl, "/v1/route", query, &reply);
        if (exit == EX_OK && !ctl_has(ctl, CTL_OPT_JSON))
            print_route(ctl, reply);
        if (exit == EX_OK)
            json_array_append_new(all, reply);
    }
    if (exit == EX_OK && ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(json_pack("{s:o}", "routes", all));
    json_decref(all);
    return exit;
}
