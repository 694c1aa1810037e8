#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_lines.h"
#include "sys/sys_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (64 * KIB)

static int not_utf8(void)
{
    return ctl_fail(EX_DATAERR, "an argument is not UTF-8");
}

static int post(struct ctl *ctl, const char *path, json_t *args, const char *done)
{
    int exit = args != NULL ? ctl_post(ctl, path, args, NULL) : not_utf8();

    if (exit == EX_OK)
        printf("%s, calendar %s: %s\n", ctl->args[0], ctl->args[1], done);
    return exit;
}

/* --- calendars --- */

static json_t *subject(const struct ctl *ctl)
{
    static const struct {
        enum ctl_opt_id id;
        const char *key;
    } texts[] = {
        {CTL_OPT_TITLE, "title"}, {CTL_OPT_COLOR, "color"}, {CTL_OPT_TRANSPARENT, "transparent"}};
    json_t *args = json_pack("{s:s, s:s}", "name", ctl->args[0], "calendar", ctl->args[1]);

    for (size_t i = 0; i < COUNT(texts) && args != NULL; i++)
        if (ctl_has(ctl, texts[i].id))
            json_object_set_new(args, texts[i].key, json_string(ctl_value(ctl, texts[i].id)));
    if (args != NULL && ctl_has(ctl, CTL_OPT_DEFAULT))
        json_object_set_new(args, "default", json_true());
    return args;
}

int ctl_cmd_calendar_make(struct ctl *ctl)
{
    return post(ctl, "/v1/calendar/make", subject(ctl), "made");
}

int ctl_cmd_calendar_set(struct ctl *ctl)
{
    return post(ctl, "/v1/calendar/set", subject(ctl), "changed");
}

int ctl_cmd_calendar_remove(struct ctl *ctl)
{
    char answer[16];

    if (!ctl_has(ctl, CTL_OPT_YES) && isatty(STDIN_FILENO)) {
        fprintf(stderr, "Remove %s's calendar %s with all in it? [y/N] ", ctl->args[0],
                ctl->args[1]);
        if (fgets(answer, sizeof(answer), stdin) == NULL || (answer[0] != 'y' && answer[0] != 'Y'))
            return ctl_fail(EX_USAGE, "%s was not removed", ctl->args[1]);
    }
    return post(ctl, "/v1/calendar/remove", subject(ctl), "removed");
}

/* --- who else --- */

int ctl_cmd_calendar_share(struct ctl *ctl)
{
    json_t *args = json_pack("{s:s, s:s, s:s, s:s}", "name", ctl->args[0], "calendar", ctl->args[1],
                             "grantee", ctl->args[2], "rights", ctl->args[3]);
    AUTO(buf) struct buf done = BUF(4 * KIB);

    buf_putf(&done, "%s: %s", ctl->args[2], ctl->args[3]);
    return post(ctl, "/v1/calendar/share", args, done.ptr);
}

int ctl_cmd_calendar_delegate(struct ctl *ctl)
{
    json_t *args = json_pack("{s:s, s:s, s:s}", "name", ctl->args[0], "grantee", ctl->args[1],
                             "rights", ctl->args[2]);
    int exit = args != NULL ? ctl_post(ctl, "/v1/calendar/share", args, NULL) : not_utf8();

    if (exit == EX_OK)
        printf("%s, all calendars: %s: %s\n", ctl->args[0], ctl->args[1], ctl->args[2]);
    return exit;
}

/* --- availability --- */

static int read_text(struct ctl *ctl, struct buf *text)
{
    const char *path = ctl->args[1];

    if (strcmp(path, "-") == 0)
        return ctl_read_stdin(text, "64 KiB");
    enum st st = sys_file_read(path, text);
    return st == ST_OK ? EX_OK
                       : ctl_fail(st == ST_TOO_BIG ? EX_DATAERR : EX_NOINPUT, "%s: %s", path,
                                  st == ST_TOO_BIG ? "more than 64 KiB" : strerror(errno));
}

static int put_text(struct ctl *ctl, json_t *args)
{
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);

    if (ctl_has(ctl, CTL_OPT_NONE)) {
        json_object_set_new(args, "text", json_string(""));
        return ctl->arg_count > 1 ? ctl_fail(EX_USAGE, "say either --none or FILE") : EX_OK;
    }
    if (ctl->arg_count < 2)
        return EX_OK;
    int exit = read_text(ctl, &text);
    json_t *json = exit == EX_OK ? json_stringn(text.len > 0 ? text.ptr : "", text.len) : NULL;
    if (exit == EX_OK && json == NULL)
        return ctl_fail(EX_DATAERR, "%s: not UTF-8", ctl->args[1]);
    if (json != NULL)
        json_object_set_new(args, "text", json);
    return exit;
}

static int show(struct ctl *ctl, json_t *reply)
{
    const char *zone = json_string_value(json_object_get(reply, "zone"));
    const char *text = json_string_value(json_object_get(reply, "text"));

    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    if (zone != NULL && text != NULL) {
        fprintf(stderr, "zone: %s\n",
                zone[0] != '\0' ? ctl_text(ctl->arena, slice_str(zone)) : "the server's");
        fputs(text[0] != '\0' ? ctl_lines_text(ctl->arena, slice_str(text)) : "always available\n",
              stdout);
    }
    json_decref(reply);
    return EX_OK;
}

int ctl_cmd_calendar_availability(struct ctl *ctl)
{
    json_t *args = json_pack("{s:s}", "name", ctl->args[0]);
    json_t *reply;

    if (args == NULL)
        return not_utf8();
    if (ctl_has(ctl, CTL_OPT_ZONE))
        json_object_set_new(args, "zone", json_string(ctl_value(ctl, CTL_OPT_ZONE)));
    int exit = put_text(ctl, args);
    if (exit != EX_OK) {
        json_decref(args);
        return exit;
    }
    exit = ctl_post(ctl, "/v1/calendar/availability", args, &reply);
    return exit == EX_OK ? show(ctl, reply) : exit;
}
