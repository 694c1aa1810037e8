#include "base/buf.h"
#include "cluster/cluster.h"
#include "cluster/cluster_domain.h"
#include "ctl/ctl_client.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_local.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"
#include "log/log.h"
#include "store/store.h"
#include "sys/sys_time.h"
#include "sys/sys_user.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WHY_BYTES_MAX (8 * KIB)
#define NAME_BYTES_MAX 255
#define TOKEN_BYTES_MAX 1024
#define JOIN_TIMEOUT_MS (60 * SEC_MS)

/* The domain's files belong to the user that the server runs as. */
static int become_server(struct ctl *ctl)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    struct sys_user user;
    int exit = ctl_conf_read(ctl);

    if (exit != EX_OK)
        return exit;
    if (sys_user_find(ctl->conf.user, &user, &why) != ST_OK ||
        sys_user_become(&user, &why) != ST_OK)
        return ctl_fail(EX_OSERR, "%s", why.ptr);
    return EX_OK;
}

/* As the server names itself. */
static const char *server_name(struct ctl *ctl)
{
    char name[NAME_BYTES_MAX + 1] = "localhost";

    if (ctl->conf.server_name[0] != '\0')
        return ctl->conf.server_name;
    if (gethostname(name, sizeof(name) - 1) != 0)
        return "localhost";
    return slice_cstr(ctl->arena, slice_str(name));
}

static const char *first_domain(struct ctl *ctl)
{
    struct slice rest = slice_str(ctl->conf.domains);
    struct slice domain = SLICE("");

    while (domain.len == 0 && slice_split(&rest, ' ', &domain))
        ;
    return slice_cstr(ctl->arena, domain);
}

int ctl_cmd_domain_init(struct ctl *ctl)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    int exit = become_server(ctl);

    if (exit != EX_OK)
        return exit;
    enum st st = cluster_domain_init(ctl->conf.data_dir, first_domain(ctl), server_name(ctl),
                                     ctl->conf.cluster_certificate_ms, &why);
    if (st != ST_OK)
        return ctl_fail(ctl_exit_of(st), "%s", why.ptr);
    printf("%s is the first server of the domain %s\n", server_name(ctl), first_domain(ctl));
    if (ctl->conf.listen_cluster[0] == '\0')
        puts("Next: set listen_cluster, and start the server anew.");
    else
        puts("Next: start the server anew.");
    return EX_OK;
}

static enum st expiry_of(const struct ctl *ctl, uint64_t *ms_r)
{
    const char *given = ctl_value(ctl, CTL_OPT_EXPIRES);
    const struct conf_field *field = conf_field_find(SLICE("queue_warn_ms"));
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    struct conf conf = conf_defaults;

    *ms_r = HOUR_MS;
    if (given == NULL)
        return ST_OK;
    enum st st = conf_set(&conf, field, slice_trim(slice_str(given)), &why);
    *ms_r = conf.queue_warn_ms;
    return st == ST_OK && *ms_r > 0 ? ST_OK : ST_INVALID;
}

static bool name_ok(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if ((unsigned char)name.ptr[i] <= ' ' || (unsigned char)name.ptr[i] >= 0x7f)
            return false;
    return name.len > 0 && name.len <= NAME_BYTES_MAX;
}

int ctl_cmd_domain_invite(struct ctl *ctl)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    AUTO(buf) struct buf token = BUF(TOKEN_BYTES_MAX);
    uint64_t life_ms;

    if (!name_ok(slice_str(ctl->args[0])))
        return ctl_fail(EX_USAGE, "%s: not the name of a server", ctl->args[0]);
    if (expiry_of(ctl, &life_ms) != ST_OK)
        return ctl_fail(EX_USAGE, "--expires %s: write it as 30min, 4h or 1d",
                        ctl_value(ctl, CTL_OPT_EXPIRES));
    int exit = become_server(ctl);
    if (exit != EX_OK)
        return exit;
    enum st st = cluster_domain_invite(ctl->conf.data_dir, ctl->args[0], life_ms, &token, &why);
    if (st != ST_OK)
        return ctl_fail(ctl_exit_of(st), "%s", why.ptr);
    printf("%s\n", token.ptr);
    return EX_OK;
}

/* --- joining --- */

static int join(struct ctl *ctl, struct store *store)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    const struct cluster_join_options options = {.address = ctl->args[0],
                                                 .token = ctl->args[1],
                                                 .server_name = server_name(ctl),
                                                 .data_dir = ctl->conf.data_dir,
                                                 .store = store,
                                                 .timeout_ms = JOIN_TIMEOUT_MS};
    uint64_t count;
    enum st st = cluster_join(&options, &count, &why);

    if (st != ST_OK && st != ST_AGAIN)
        return ctl_fail(ctl_exit_of(st), "%s", why.ptr != NULL ? why.ptr : "it failed");
    printf("%s has joined; %llu versions of documents came\n", server_name(ctl),
           (unsigned long long)count);
    if (st == ST_AGAIN)
        printf("not all of them (%s): the server gets the rest when it runs\n",
               why.ptr != NULL ? why.ptr : "the store failed");
    if (ctl->conf.listen_cluster[0] == '\0')
        puts("Next: set listen_cluster, and start the server.");
    else
        puts("Next: start the server.");
    return EX_OK;
}

/* The store is opened before the token is used up. */
int ctl_cmd_domain_join(struct ctl *ctl)
{
    struct store *store;
    int exit = ctl_conf_read(ctl);

    if (exit == EX_OK)
        exit = ctl_local_open(ctl, true, &store);
    if (exit != EX_OK)
        return exit;
    exit = join(ctl, store);
    store_close(&store);
    return exit;
}

/* --- looking --- */

/* What only a running server knows; NULL: none runs. */
static json_t *revoked_of_server(struct ctl *ctl)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    json_t *reply = NULL;

    if (ctl_connect(ctl) != EX_OK ||
        ctl_client_run(ctl->client, &(struct ctl_request){.path = "/v1/status"}, &why) != EX_OK)
        return NULL;
    if (ctl_get(ctl, "/v1/domain/revoked", NULL, &reply) != EX_OK)
        return NULL;
    json_t *list = json_incref(json_object_get(reply, "revoked"));
    json_decref(reply);
    return list;
}

static json_t *look_json(const struct cluster_domain_look *look)
{
    return json_pack("{s:s, s:s, s:s, s:b, s:i, s:I, s:I, s:I}", "domain", look->domain,
                     "fingerprint", look->fingerprint, "server", look->server, "authority",
                     look->authority, "invites", (int)look->invite_count, "authority_ends_ms",
                     (json_int_t)look->authority_ends_ms, "issued_ms", (json_int_t)look->issued_ms,
                     "ends_ms", (json_int_t)look->ends_ms);
}

static void print_left(const char *what, int64_t ends_ms)
{
    char room[CTL_QUANTITY_BYTES];
    int64_t left_ms = ends_ms - sys_now_ms();

    if (left_ms > 0)
        printf("%-20s ends in %s\n", what, ctl_table_duration(room, (uint64_t)left_ms));
    else
        printf("%-20s has ended\n", what);
}

static void print_look(struct ctl *ctl, const struct cluster_domain_look *look,
                       const json_t *revoked)
{
    size_t i;
    json_t *server;

    printf("%-20s %s\n", "domain", look->domain);
    printf("%-20s %s\n", "fingerprint", look->fingerprint);
    printf("%-20s %s\n", "this server", look->server);
    print_left("its certificate", look->ends_ms);
    print_left("the authority", look->authority_ends_ms);
    if (look->authority)
        printf("%-20s here; %u invitations are open\n", "the authority's key", look->invite_count);
    else
        printf("%-20s on another server\n", "the authority's key");
    json_array_foreach(revoked, i, server)
        printf("%-20s %s\n", "revoked", ctl_json_text(ctl->arena, server, "name"));
}

int ctl_cmd_domain_show(struct ctl *ctl)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    struct cluster_domain_look look;
    int exit = ctl_conf_read(ctl);

    if (exit != EX_OK)
        return exit;
    enum st st = cluster_domain_look(ctl->conf.data_dir, &look, &why);
    if (st != ST_OK)
        return ctl_fail(ctl_exit_of(st), "%s", why.ptr);
    json_t *revoked = revoked_of_server(ctl);
    if (!ctl_has(ctl, CTL_OPT_JSON)) {
        print_look(ctl, &look, revoked);
        json_decref(revoked);
        return EX_OK;
    }
    json_t *json = look_json(&look);
    if (revoked != NULL)
        json_object_set_new(json, "revoked", revoked);
    return ctl_print_json(json);
}

int ctl_cmd_domain_revoke(struct ctl *ctl)
{
    char answer[8] = "";

    if (!ctl_has(ctl, CTL_OPT_YES) && isatty(STDIN_FILENO)) {
        printf("Refuse %s on every server of the domain from now on? yes or no: ", ctl->args[0]);
        fflush(stdout);
        if (fgets(answer, sizeof(answer), stdin) == NULL || strcmp(answer, "yes\n") != 0)
            return ctl_fail(EX_USAGE, "nothing was revoked");
    }
    json_t *args = json_pack("{s:s}", "name", ctl->args[0]);
    if (args == NULL)
        return ctl_fail(EX_DATAERR, "the name is not UTF-8");
    int exit = ctl_post(ctl, "/v1/domain/revoke", args, NULL);
    if (exit == EX_OK)
        printf("%s is refused from now on; remove its server document too if it is gone for good\n",
               ctl->args[0]);
    return exit;
}
