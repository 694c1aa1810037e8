#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_moment.h"
#include "ctl/ctl_stream.h"
#include "sys/sys_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TEXT_BYTES_MAX (64 * KIB)

/* --- showing --- */

static void print_times(const json_t *oof)
{
    char room[CTL_TIME_BYTES];
    int64_t from_ms = json_integer_value(json_object_get(oof, "from_ms"));
    int64_t until_ms = json_integer_value(json_object_get(oof, "until_ms"));

    if (from_ms != 0)
        printf(" from %s", ctl_time(room, from_ms));
    if (until_ms != 0)
        printf(" until %s", ctl_time(room, until_ms));
}

static void print_text(struct ctl *ctl, const json_t *oof, const char *key, const char *to)
{
    struct slice rest = slice_str(json_string_value(json_object_get(oof, key)));
    struct slice line;

    if (rest.len == 0)
        return;
    printf("%s:\n", to);
    while (rest.len > 0 && slice_split(&rest, '\n', &line))
        printf("    %s\n", ctl_text(ctl->arena, slice_trim(line)));
}

static int print_oof(struct ctl *ctl, json_t *reply)
{
    const char *state = json_string_value(json_object_get(reply, "state"));
    bool external = json_is_true(json_object_get(reply, "external"));

    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    printf("%s: out of office is %s", ctl_json_text(ctl->arena, reply, "name"), state);
    if (strcmp(state, "scheduled") == 0)
        print_times(reply);
    printf("\n");
    print_text(ctl, reply, "inside", "to people of this domain");
    print_text(ctl, reply, "outside",
               external ? "to others" : "to others, who are not answered now");
    json_decref(reply);
    return EX_OK;
}

int ctl_cmd_oof_show(struct ctl *ctl)
{
    json_t *reply;
    int exit = ctl_get(ctl, "/v1/oof/show", json_pack("{s:s}", "name", ctl->args[0]), &reply);

    return exit != EX_OK ? exit : print_oof(ctl, reply);
}

/* --- setting --- */

static int post(struct ctl *ctl, json_t *args)
{
    json_t *reply;
    int exit = ctl_post(ctl, "/v1/oof/set", args, &reply);

    return exit != EX_OK ? exit : print_oof(ctl, reply);
}

static int put_time(const struct ctl *ctl, enum ctl_opt_id id, const char *open, const char *key,
                    json_t *args)
{
    const char *text = ctl_value(ctl, id);
    int64_t ms = 0;

    if (text == NULL)
        return EX_OK;
    if (strcmp(text, open) != 0 && ctl_moment_parse(text, id == CTL_OPT_UNTIL, &ms) != ST_OK)
        return ctl_fail(EX_USAGE, "%s: not a time; write 2026-12-24, \"2026-12-24 17:30\" or %s",
                        text, open);
    json_object_set_new(args, key, json_integer((json_int_t)ms));
    return EX_OK;
}

/* @FILE is the file's text. */
static int put_text(const struct ctl *ctl, enum ctl_opt_id id, const char *key, json_t *args)
{
    const char *given = ctl_value(ctl, id);
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);

    if (given == NULL)
        return EX_OK;
    if (given[0] != '@') {
        buf_put(&text, slice_str(given));
    } else if (strcmp(given, "@-") == 0) {
        int exit = ctl_read_stdin(&text, "64 KiB");
        if (exit != EX_OK)
            return exit;
    } else {
        enum st st = sys_file_read(given + 1, &text);
        if (st != ST_OK && st != ST_TOO_BIG)
            return ctl_fail(EX_NOINPUT, "%s: %s", given + 1, strerror(errno));
        text.over = text.over || st == ST_TOO_BIG;
    }
    if (text.over)
        return ctl_fail(EX_DATAERR, "%s: more than 64 KiB of text", given);
    json_t *json = json_stringn(text.len > 0 ? text.ptr : "", text.len);
    if (json == NULL)
        return ctl_fail(EX_DATAERR, "the text %s is not UTF-8", key);
    json_object_set_new(args, key, json);
    return EX_OK;
}

int ctl_cmd_oof_set(struct ctl *ctl)
{
    json_t *args = json_pack("{s:s}", "name", ctl->args[0]);

    if (args == NULL)
        return ctl_fail(EX_DATAERR, "the name is not UTF-8");
    int exit = put_time(ctl, CTL_OPT_FROM, "now", "from_ms", args);
    if (exit == EX_OK)
        exit = put_time(ctl, CTL_OPT_UNTIL, "open", "until_ms", args);
    if (exit == EX_OK)
        exit = put_text(ctl, CTL_OPT_INSIDE, "inside", args);
    if (exit == EX_OK)
        exit = put_text(ctl, CTL_OPT_OUTSIDE, "outside", args);
    if (ctl_has(ctl, CTL_OPT_EXTERNAL))
        json_object_set_new(args, "external", json_string(ctl_value(ctl, CTL_OPT_EXTERNAL)));
    if (exit == EX_OK)
        return post(ctl, args);
    json_decref(args);
    return exit;
}

int ctl_cmd_oof_off(struct ctl *ctl)
{
    return post(ctl, json_pack("{s:s, s:b}", "name", ctl->args[0], "off", true));
}
