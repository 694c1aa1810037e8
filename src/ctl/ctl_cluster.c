#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"

#include <stdio.h>
#include <string.h>

#define TABLE_BYTES_MAX (1 * MIB)
#define ACCOUNTS_BYTES_MAX (256 * MIB)

static const char *text(struct ctl *ctl, const json_t *object, const char *key)
{
    return ctl_json_text(ctl->arena, object, key);
}

static void cell_number(struct ctl_table *table, uint64_t value)
{
    char room[CTL_QUANTITY_BYTES];

    ctl_table_cell(table, ctl_table_number(room, value));
}

/* "12 of 14": what has come, of what there is. */
static void cell_share(struct ctl_table *table, uint64_t have, uint64_t all)
{
    char share[2 * CTL_QUANTITY_BYTES + 8];

    snprintf(share, sizeof(share), "%llu of %llu", (unsigned long long)have,
             (unsigned long long)all);
    ctl_table_cell(table, share);
}

static void cell_state(struct ctl *ctl, struct ctl_table *table, const json_t *server)
{
    char room[CTL_QUANTITY_BYTES];
    const char *state = text(ctl, server, "state");

    ctl_table_cell(table, state[0] != '\0' ? state : "not watched");
    ctl_table_cell(
        table, state[0] != '\0' ? ctl_table_duration(room, ctl_json_number(server, "for_ms")) : "");
}

static void add_row(struct ctl *ctl, struct ctl_table *table, const json_t *server, uint64_t ours)
{
    char rtt[CTL_QUANTITY_BYTES];
    uint64_t rtt_us = ctl_json_number(server, "rtt_us");

    ctl_table_cell(table, text(ctl, server, "name"));
    cell_state(ctl, table, server);
    cell_number(table, ctl_json_number(server, "index"));
    snprintf(rtt, sizeof(rtt), "%llu.%llu ms", (unsigned long long)rtt_us / 1000,
             (unsigned long long)rtt_us / 100 % 10);
    ctl_table_cell(table, rtt_us > 0 ? rtt : "");
    cell_share(table, ctl_json_number(server, "documents_seen"),
               ctl_json_number(server, "documents"));
    cell_share(table, ctl_json_number(server, "ours_seen"), ours);
    ctl_table_cell(table, text(ctl, server, "version"));
    ctl_table_cell(table, text(ctl, server, "address"));
    ctl_table_cell(table, text(ctl, server, "why"));
}

static void print_view(struct ctl *ctl, const json_t *server)
{
    const json_t *view = json_object_get(server, "view");
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *seen;

    if (view == NULL)
        return;
    printf("\nin the eyes of %s, %s ago:\n", text(ctl, server, "name"),
           ctl_table_duration(room, ctl_json_number(server, "view_age_ms")));
    json_array_foreach(view, i, seen)
        printf("  %s: %s for %s\n", text(ctl, seen, "name"), text(ctl, seen, "state"),
               ctl_table_duration(room, ctl_json_number(seen, "for_ms")));
}

static void print_cluster(struct ctl *ctl, const json_t *reply)
{
    struct ctl_table *table =
        ctl_table_new(ctl->arena,
                      "server,state,for,>index,>round trip,>its documents,>ours there,version,"
                      "address,no connection because");
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *server;

    printf("%s, this server: %s for %s, index %llu, version %s\n", text(ctl, reply, "name"),
           text(ctl, reply, "state"), ctl_table_duration(room, ctl_json_number(reply, "for_ms")),
           (unsigned long long)ctl_json_number(reply, "index"), text(ctl, reply, "version"));
    json_array_foreach(json_object_get(reply, "servers"), i, server)
        add_row(ctl, table, server, ctl_json_number(reply, "documents"));
    ctl_table_write(table, &out);
    if (json_array_size(json_object_get(reply, "servers")) > 0)
        fwrite(out.ptr, 1, out.len, stdout);
    else
        puts("no other server: domain invite lets one join");
    json_array_foreach(json_object_get(reply, "servers"), i, server) print_view(ctl, server);
}

int ctl_cmd_cluster_show(struct ctl *ctl)
{
    json_t *reply;
    json_t *query = ctl_has(ctl, CTL_OPT_ALL) ? json_pack("{s:s}", "views", "yes") : NULL;
    int exit = ctl_get(ctl, "/v1/cluster/show", query, &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    print_cluster(ctl, reply);
    json_decref(reply);
    return EX_OK;
}

/* --- accounts --- */

static void put_servers(struct ctl *ctl, const json_t *account, bool shared, struct buf *out)
{
    const json_t *servers = json_object_get(account, "servers");
    size_t i;
    json_t *server;

    json_array_foreach(servers, i, server)
    {
        const char *state = text(ctl, server, "state");

        buf_putf(out, "%s%s%s%s%s", i > 0 ? ", " : "", text(ctl, server, "name"),
                 state[0] != '\0' ? " (" : "", state, state[0] != '\0' ? ")" : "");
    }
    if (i == 0)
        buf_putf(out, "%s", shared ? "all that have this store" : "whoever has the store");
}

int ctl_cmd_cluster_accounts(struct ctl *ctl)
{
    struct ctl_table *table = ctl_table_new(ctl->arena, "account,here,servers");
    AUTO(buf) struct buf out = BUF(ACCOUNTS_BYTES_MAX);
    json_t *reply;
    size_t i;
    json_t *account;
    int exit = ctl_get(ctl, "/v1/cluster/accounts", NULL, &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    json_array_foreach(json_object_get(reply, "accounts"), i, account)
    {
        AUTO(buf) struct buf servers = BUF(TABLE_BYTES_MAX);

        put_servers(ctl, account, json_is_true(json_object_get(reply, "shared")), &servers);
        ctl_table_cell(table, text(ctl, account, "name"));
        ctl_table_cell(table, json_is_true(json_object_get(account, "here")) ? "yes" : "no");
        ctl_table_cell(table, slice_cstr(ctl->arena, buf_slice(&servers)));
    }
    ctl_table_write(table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    json_decref(reply);
    return EX_OK;
}
