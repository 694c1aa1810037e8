#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_local.h"
#include "ctl/ctl_table.h"
#include "sys/sys_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- status --- */

static void print_count(const json_t *status, const char *key, const char *name)
{
    char room[CTL_QUANTITY_BYTES];

    printf("%-20s %s\n", name,
           ctl_table_number(room, (uint64_t)json_integer_value(json_object_get(status, key))));
}

static uint64_t number(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

/* Those that are down, with what they said. */
static void print_down(struct ctl *ctl, const json_t *down)
{
    const json_t *answer = json_object_get(down, "answer");
    char room[CTL_QUANTITY_BYTES];

    printf("  %s: down, %s%s waiting", json_string_value(json_object_get(down, "destination")),
           json_is_true(json_object_get(down, "more")) ? "more than " : "",
           ctl_table_number(room, number(down, "recipients")));
    printf(", next try in %s\n", ctl_table_duration(room, number(down, "next_in_ms")));
    printf("      %s\n", ctl_text(ctl->arena, (struct slice){json_string_value(answer),
                                                             json_string_length(answer)}));
}

static void print_queue(struct ctl *ctl, const json_t *queue)
{
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *down;

    printf("%-20s %s", "queue", ctl_table_count(room, number(queue, "recipients"), "recipient"));
    printf(" of %s", ctl_table_count(room, number(queue, "messages"), "message"));
    printf(", %s", ctl_table_size(room, number(queue, "bytes")));
    if (number(queue, "held") > 0)
        printf(", %s of them held", ctl_table_number(room, number(queue, "held")));
    if (json_object_get(queue, "oldest_ms") != NULL)
        printf(", the oldest %s old", ctl_table_duration(room, number(queue, "oldest_ms")));
    if (number(queue, "counted_ms_ago") >= SEC_MS)
        printf(" (counted %s ago)", ctl_table_duration(room, number(queue, "counted_ms_ago")));
    putchar('\n');
    json_array_foreach(json_object_get(queue, "down"), i, down) print_down(ctl, down);
}

static void print_copies(const json_t *list, const char *name, const char *of)
{
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *server;

    json_array_foreach(list, i, server) printf(
        "%-20s %s %s %s\n", name, ctl_table_count(room, number(server, "messages"), "message"), of,
        json_string_value(json_object_get(server, "server")));
}

/* Copies here and elsewhere, where there may be any. */
static void print_shadow(const json_t *shadow)
{
    const char *mode = json_string_value(json_object_get(shadow, "mode"));
    size_t i;
    json_t *server;

    if (strcmp(mode, "off") != 0)
        printf("%-20s %s\n", "copies (shadow)", mode);
    print_copies(json_object_get(shadow, "held"), "copies here", "of");
    print_copies(json_object_get(shadow, "owed"), "copies elsewhere", "on");
    json_array_foreach(json_object_get(shadow, "unsettled"), i, server)
        printf("%-20s what %s has copies of waits until that is settled with it\n", "unsettled",
               json_string_value(server));
}

static void print_status(struct ctl *ctl, const json_t *status)
{
    char room[CTL_QUANTITY_BYTES];
    uint64_t up_ms = (uint64_t)json_integer_value(json_object_get(status, "uptime_ms"));

    printf("posthorse %s on %s, process %lld, serving for %s\n",
           json_string_value(json_object_get(status, "version")),
           json_string_value(json_object_get(status, "server_name")),
           (long long)json_integer_value(json_object_get(status, "pid")),
           ctl_table_duration(room, up_ms));
    printf("%-20s %s\n", "store", json_string_value(json_object_get(status, "store")));
    print_count(status, "persons", "persons");
    print_count(status, "sessions", "sessions");
    print_count(status, "sessions_total", "sessions so far");
    print_count(status, "threads", "session threads");
    print_count(status, "messages_accepted", "messages accepted");
    print_count(status, "messages_delivered", "messages delivered");
    print_count(status, "store_commits", "store commits");
    print_count(status, "messages_sent", "recipients sent on");
    print_count(status, "messages_failed", "recipients failed");
    if (json_object_get(status, "queue") != NULL)
        print_queue(ctl, json_object_get(status, "queue"));
    print_shadow(json_object_get(status, "shadow"));
}

int ctl_cmd_status(struct ctl *ctl)
{
    json_t *reply;
    int exit = ctl_get(ctl, "/v1/status", NULL, &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    print_status(ctl, reply);
    json_decref(reply);
    return EX_OK;
}

/* --- settings --- */

static json_t *settings_of_file(const struct ctl *ctl)
{
    json_t *settings = json_array();
    AUTO(buf) struct buf value = BUF(8 * KIB);

    for (size_t i = 0; i < conf_field_count; i++) {
        const struct conf_field *field = &conf_fields[i];

        buf_clear(&value);
        conf_value_write(&ctl->conf, field, &value);
        json_array_append_new(settings,
                              json_pack("{s:s, s:s, s:b, s:b}", "name", field->name, "value",
                                        value.ptr != NULL ? value.ptr : "", "changed",
                                        !conf_same(&ctl->conf, &conf_defaults, field), "reload",
                                        field->reload));
    }
    return json_pack("{s:o}", "settings", settings);
}

static void drop_unchanged(json_t *settings)
{
    for (size_t i = json_array_size(settings); i > 0; i--)
        if (!json_is_true(json_object_get(json_array_get(settings, i - 1), "changed")))
            json_array_remove(settings, i - 1);
}

static void print_settings(const json_t *settings)
{
    size_t i;
    json_t *setting;

    json_array_foreach(settings, i, setting)
        printf("%s = %s\n", json_string_value(json_object_get(setting, "name")),
               json_string_value(json_object_get(setting, "value")));
}

/* A server that runs may have settings that the file has no more. */
static int get_settings(struct ctl *ctl, json_t **reply_r)
{
    int exit = ctl_local_find_server(ctl);

    if (exit == EX_OK)
        return ctl_get(ctl, "/v1/config/show", NULL, reply_r);
    if (exit != EX_UNAVAILABLE)
        return exit;
    if (!ctl_has(ctl, CTL_OPT_JSON))
        fprintf(stderr, "# of %s; no server is running\n",
                ctl->conf_path != NULL ? ctl->conf_path : "the defaults");
    *reply_r = settings_of_file(ctl);
    return EX_OK;
}

int ctl_cmd_config_show(struct ctl *ctl)
{
    json_t *reply;
    int exit = get_settings(ctl, &reply);

    if (exit != EX_OK)
        return exit;
    json_t *settings = json_object_get(reply, "settings");
    if (ctl_has(ctl, CTL_OPT_CHANGED))
        drop_unchanged(settings);
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    print_settings(settings);
    json_decref(reply);
    return EX_OK;
}

int ctl_cmd_config_check(struct ctl *ctl)
{
    if (ctl->arg_count > 0)
        ctl->given[ctl->given_count++] = (struct ctl_given){CTL_OPT_CONFIG, ctl->args[0]};
    int exit = ctl_conf_read(ctl);
    if (exit == EX_OK)
        printf("%s: good\n", ctl->conf_path != NULL ? ctl->conf_path : "the defaults");
    return exit;
}

int ctl_cmd_config_reload(struct ctl *ctl)
{
    int exit = ctl_post(ctl, "/v1/config/reload", NULL, NULL);

    if (exit == EX_OK)
        puts("settings read again; the log tells what changed or was refused");
    return exit;
}

enum st ctl_age_parse(const char *text, uint64_t *ms_r)
{
    const struct conf_field *field = conf_field_find(SLICE("queue_timeout_ms"));
    struct conf conf = conf_defaults;
    AUTO(buf) struct buf why = BUF(1 * KIB);

    enum st st = conf_set(&conf, field, slice_trim(slice_str(text)), &why);
    *ms_r = conf.queue_timeout_ms;
    return st;
}

enum st ctl_size_parse(const char *text, uint64_t *bytes_r)
{
    const struct conf_field *field = conf_field_find(SLICE("quota_bytes"));
    struct conf conf = conf_defaults;
    AUTO(buf) struct buf why = BUF(1 * KIB);

    enum st st = conf_set(&conf, field, slice_trim(slice_str(text)), &why);
    *bytes_r = conf.quota_bytes;
    return st;
}
