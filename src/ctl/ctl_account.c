#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TABLE_BYTES_MAX (256 * MIB)

/* --- making and changing --- */

static int put_quota(struct ctl *ctl, json_t *args)
{
    const char *text = ctl_value(ctl, CTL_OPT_QUOTA);
    uint64_t bytes;

    if (text == NULL)
        return EX_OK;
    if (ctl_size_parse(text, &bytes) != ST_OK)
        return ctl_fail(EX_USAGE, "--quota %s: not a size; write 500 MiB or 2 GiB", text);
    json_object_set_new(args, "quota_bytes", json_integer((json_int_t)bytes));
    return EX_OK;
}

static void put_text(const struct ctl *ctl, enum ctl_opt_id id, const char *key, json_t *args)
{
    if (ctl_has(ctl, id))
        json_object_set_new(args, key, json_string(ctl_value(ctl, id)));
}

/* A generated password is told once the server has it. */
static int say_done(const struct ctl *ctl, const char *what, const char *password)
{
    printf("%s: %s\n", ctl->args[0], what);
    if (ctl_has(ctl, CTL_OPT_GENERATE))
        printf("password: %s\n", password);
    return EX_OK;
}

/* Nobody logs in as a room, unless a password is given. */
static int new_password(struct ctl *ctl, const char **password_r)
{
    bool room = ctl_has(ctl, CTL_OPT_ROOM) || ctl_has(ctl, CTL_OPT_RESOURCE);

    *password_r = "";
    if (ctl_has(ctl, CTL_OPT_ROOM) && ctl_has(ctl, CTL_OPT_RESOURCE))
        return ctl_fail(EX_USAGE, "--room and --resource: say one of them");
    if (room && !ctl_has(ctl, CTL_OPT_GENERATE) && !ctl_has(ctl, CTL_OPT_PASSWORD_STDIN))
        return EX_OK;
    return ctl_password(ctl, ctl->args[0], password_r);
}

int ctl_cmd_account_add(struct ctl *ctl)
{
    const char *password;
    int exit = new_password(ctl, &password);

    if (exit != EX_OK)
        return exit;
    json_t *args = json_pack("{s:s, s:s, s:o, s:o, s:b}", "name", ctl->args[0], "password",
                             password, "aliases", ctl_values(ctl, CTL_OPT_ALIAS), "servers",
                             ctl_values(ctl, CTL_OPT_SERVER), "admin", ctl_has(ctl, CTL_OPT_ADMIN));
    if (args == NULL)
        return ctl_fail(EX_DATAERR, "the name, the password or an alias is not UTF-8");
    put_text(ctl, CTL_OPT_FULL_NAME, "full_name", args);
    if (ctl_has(ctl, CTL_OPT_ROOM) || ctl_has(ctl, CTL_OPT_RESOURCE))
        json_object_set_new(args, "kind",
                            json_string(ctl_has(ctl, CTL_OPT_ROOM) ? "room" : "resource"));
    exit = put_quota(ctl, args);
    if (exit != EX_OK) {
        json_decref(args);
        return exit;
    }
    exit = ctl_post(ctl, "/v1/account/add", args, NULL);
    return exit != EX_OK ? exit : say_done(ctl, "added", password);
}

static json_t *name_arg(const struct ctl *ctl)
{
    return json_pack("{s:s}", "name", ctl->args[0]);
}

static int post_name(struct ctl *ctl, const char *path, const char *what)
{
    int exit = ctl_post(ctl, path, name_arg(ctl), NULL);

    return exit != EX_OK ? exit : say_done(ctl, what, NULL);
}

static int confirm_removal(const struct ctl *ctl)
{
    char answer[300];

    if (ctl_has(ctl, CTL_OPT_YES) || !isatty(STDIN_FILENO))
        return EX_OK;
    fprintf(stderr, "Remove %s with all mail? Write the name again to do it: ", ctl->args[0]);
    if (fgets(answer, sizeof(answer), stdin) != NULL &&
        slice_eq(slice_trim(slice_str(answer)), slice_str(ctl->args[0])))
        return EX_OK;
    return ctl_fail(EX_USAGE, "%s was not removed", ctl->args[0]);
}

int ctl_cmd_account_remove(struct ctl *ctl)
{
    int exit = confirm_removal(ctl);

    return exit != EX_OK ? exit : post_name(ctl, "/v1/account/remove", "removed");
}

int ctl_cmd_account_passwd(struct ctl *ctl)
{
    const char *password;
    int exit = ctl_password(ctl, ctl->args[0], &password);

    if (exit == EX_OK)
        exit = ctl_post(ctl, "/v1/account/passwd",
                        json_pack("{s:s, s:s}", "name", ctl->args[0], "password", password), NULL);
    return exit != EX_OK ? exit : say_done(ctl, "password changed", password);
}

int ctl_cmd_account_disable(struct ctl *ctl)
{
    return post_name(ctl, "/v1/account/disable", "disabled");
}

int ctl_cmd_account_enable(struct ctl *ctl)
{
    return post_name(ctl, "/v1/account/enable", "enabled");
}

int ctl_cmd_account_rename(struct ctl *ctl)
{
    int exit = ctl_post(ctl, "/v1/account/rename",
                        json_pack("{s:s, s:s}", "name", ctl->args[0], "to", ctl->args[1]), NULL);

    if (exit == EX_OK)
        printf("%s: renamed to %s\n", ctl->args[0], ctl->args[1]);
    return exit;
}

int ctl_cmd_account_set(struct ctl *ctl)
{
    bool admin = ctl_has(ctl, CTL_OPT_ADMIN);
    bool no_admin = ctl_has(ctl, CTL_OPT_NO_ADMIN);

    if (admin && no_admin)
        return ctl_fail(EX_USAGE, "--admin and --no-admin: say one of them");
    json_t *args = json_pack("{s:s, s:o, s:o}", "name", ctl->args[0], "aliases_add",
                             ctl_values(ctl, CTL_OPT_ALIAS), "aliases_remove",
                             ctl_values(ctl, CTL_OPT_REMOVE_ALIAS));
    if (admin || no_admin)
        json_object_set_new(args, "admin", json_boolean(admin));
    put_text(ctl, CTL_OPT_FULL_NAME, "full_name", args);
    int exit = put_quota(ctl, args);
    if (exit != EX_OK) {
        json_decref(args);
        return exit;
    }
    exit = ctl_post(ctl, "/v1/account/set", args, NULL);
    return exit != EX_OK ? exit : say_done(ctl, "changed", NULL);
}

/* --- showing --- */

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static const char *text(const struct ctl *ctl, const json_t *object, const char *key)
{
    return ctl_text(ctl->arena, slice_str(json_string_value(json_object_get(object, key))));
}

static const char *joined(const struct ctl *ctl, const json_t *list)
{
    AUTO(buf) struct buf out = BUF(64 * KIB);

    for (size_t i = 0; i < json_array_size(list); i++)
        buf_putf(&out, "%s%s", i > 0 ? " " : "", json_string_value(json_array_get(list, i)));
    return ctl_text(ctl->arena, buf_slice(&out));
}

static const char *state_of(const struct ctl *ctl, const json_t *account)
{
    AUTO(buf) struct buf out = BUF(4 * KIB);

    if (json_object_get(account, "fault") != NULL)
        buf_putf(&out, "fault: %s", text(ctl, account, "fault"));
    else if (json_is_true(json_object_get(account, "disabled")))
        buf_put(&out, SLICE("disabled"));
    else
        buf_put(&out, json_is_false(json_object_get(account, "password")) ? SLICE("no password")
                                                                          : SLICE("ok"));
    if (json_is_true(json_object_get(account, "admin")))
        buf_put(&out, SLICE(", admin"));
    if (json_object_get(account, "guid") == NULL)
        buf_put(&out, SLICE(", no account here"));
    return slice_cstr(ctl->arena, buf_slice(&out));
}

static const char *quota_text(char room[CTL_QUANTITY_BYTES], const json_t *account)
{
    uint64_t quota = number(account, "quota_bytes");

    return quota == 0 ? "-" : ctl_table_size(room, quota);
}

static int print_table(const struct ctl_table *table)
{
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);

    ctl_table_write(table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    return EX_OK;
}

static int print_list(struct ctl *ctl, const json_t *accounts)
{
    struct ctl_table *table =
        ctl_table_new(ctl->arena, "NAME,>MESSAGES,>SIZE,>QUOTA,STATE,FULL NAME,ALIASES");
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *account;

    json_array_foreach(accounts, i, account)
    {
        ctl_table_cell(table, text(ctl, account, "name"));
        ctl_table_cell(table, ctl_table_number(room, number(account, "messages")));
        ctl_table_cell(table, ctl_table_size(room, number(account, "bytes_used")));
        ctl_table_cell(table, quota_text(room, account));
        ctl_table_cell(table, state_of(ctl, account));
        ctl_table_cell(table, text(ctl, account, "full_name"));
        ctl_table_cell(table, joined(ctl, json_object_get(account, "aliases")));
    }
    return print_table(table);
}

int ctl_cmd_account_list(struct ctl *ctl)
{
    json_t *reply;
    int exit = ctl_get(ctl, "/v1/account/list", NULL, &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    exit = print_list(ctl, json_object_get(reply, "accounts"));
    json_decref(reply);
    return exit;
}

static int print_account(struct ctl *ctl, const json_t *account)
{
    struct ctl_table *table =
        ctl_table_new(ctl->arena, "FOLDER,>MESSAGES,>UNSEEN,>SIZE,>UIDVALIDITY,>UIDNEXT,>MODSEQ");
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *folder;

    printf("name       %s\nfull name  %s\n", text(ctl, account, "name"),
           text(ctl, account, "full_name"));
    printf("aliases    %s\n", joined(ctl, json_object_get(account, "aliases")));
    printf("state      %s\n", state_of(ctl, account));
    printf("messages   %s\n", ctl_table_number(room, number(account, "messages")));
    printf("size       %s", ctl_table_size(room, number(account, "bytes_used")));
    printf(" (quota %s)\n", quota_text(room, account));
    printf("modseq     %llu\n\n", (unsigned long long)number(account, "modseq"));
    json_array_foreach(json_object_get(account, "folders"), i, folder)
    {
        ctl_table_cell(table, text(ctl, folder, "name"));
        ctl_table_cell(table, ctl_table_number(room, number(folder, "messages")));
        ctl_table_cell(table, ctl_table_number(room, number(folder, "unseen")));
        ctl_table_cell(table, ctl_table_size(room, number(folder, "bytes")));
        snprintf(room, sizeof(room), "%llu", (unsigned long long)number(folder, "uidvalidity"));
        ctl_table_cell(table, room);
        snprintf(room, sizeof(room), "%llu", (unsigned long long)number(folder, "uidnext"));
        ctl_table_cell(table, room);
        snprintf(room, sizeof(room), "%llu", (unsigned long long)number(folder, "modseq"));
        ctl_table_cell(table, room);
    }
    return print_table(table);
}

int ctl_cmd_account_show(struct ctl *ctl)
{
    json_t *reply;
    int exit = ctl_get(ctl, "/v1/account/show", name_arg(ctl), &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    exit = print_account(ctl, reply);
    json_decref(reply);
    return exit;
}
