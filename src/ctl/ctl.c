#include "ctl/ctl.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "ctl/ctl_args.h"
#include "ctl/ctl_client.h"
#include "ctl/ctl_help.h"
#include "sys/sys_file.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BYTES_MAX (1 * GIB)
#define WHY_BYTES_MAX (4 * KIB)
#define HELP_BYTES_MAX (64 * KIB)
#define REPLY_BYTES_MAX (1 * GIB)
#define URL_BYTES_MAX (16 * KIB)
#define CONF_PATH "/etc/posthorse/posthorse.ini"

int ctl_fail(int status, const char *fmt, ...)
{
    va_list args;

    fflush(stdout);
    fputs("posthorse: ", stderr);
    va_start(args, fmt);
    vfprintf(stderr, fmt, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

int ctl_exit_of(enum st st)
{
    static const int exits[] = {
        [ST_OK] = EX_OK,
        [ST_AGAIN] = EX_TEMPFAIL,
        [ST_INVALID] = EX_DATAERR,
        [ST_TOO_BIG] = EX_DATAERR,
        [ST_DENIED] = EX_NOPERM,
        [ST_NOT_FOUND] = EX_NOINPUT,
        [ST_EXISTS] = EX_CANTCREAT,
        [ST_CONFLICT] = EX_TEMPFAIL,
        [ST_FULL] = EX_CANTCREAT,
        [ST_IO] = EX_IOERR,
    };

    static_assert(COUNT(exits) == ST_MAX, "each status has its exit status");
    return exits[st];
}

const char *ctl_text(struct arena *arena, struct slice text)
{
    char *copy = slice_cstr(arena, text);

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)copy[i] < 0x20 || copy[i] == 0x7f)
            copy[i] = '?';
    return copy;
}

/* --- settings --- */

static const char *join(struct arena *arena, const char *folder, const char *name)
{
    AUTO(buf) struct buf path = BUF(16 * KIB);

    buf_putf(&path, "%s/%s", folder, name);
    return slice_cstr(arena, buf_slice(&path));
}

const char *ctl_conf_path(const struct ctl *ctl)
{
    const char *dir = ctl_value(ctl, CTL_OPT_DIR);
    const char *path = ctl_value(ctl, CTL_OPT_CONFIG);

    if (path != NULL || dir == NULL)
        return path != NULL ? path : CONF_PATH;
    path = join(ctl->arena, dir, "posthorse.ini");
    return sys_file_exists(path) ? path : NULL;
}

int ctl_conf_read(struct ctl *ctl)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);

    ctl->conf = conf_defaults;
    ctl->conf_path = ctl_conf_path(ctl);
    if (ctl->conf_path == NULL) {
        ctl->conf.data_dir = ctl_value(ctl, CTL_OPT_DIR);
        return EX_OK;
    }
    enum st st = conf_file_read(&ctl->conf, ctl->conf_path, &why);
    if (st == ST_OK)
        return EX_OK;
    if (st == ST_NOT_FOUND)
        return ctl_fail(EX_CONFIG, "%s; say -c FILE or --dir DIR, or make one with posthorse init",
                        why.ptr);
    return ctl_fail(st == ST_DENIED ? EX_NOPERM : EX_CONFIG, "%s", why.ptr);
}

/* --- calls --- */

static enum st take_answer(void *ctx, struct slice bytes)
{
    return buf_add(ctx, bytes);
}

static int run(struct ctl *ctl, struct ctl_request *request, json_t **reply_r)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    AUTO(buf) struct buf answer = BUF(REPLY_BYTES_MAX);
    json_error_t error;

    request->take = take_answer;
    request->ctx = &answer;
    int exit = ctl_client_run(ctl->client, request, &why);
    if (exit != EX_OK)
        return ctl_fail(exit, "%s", why.ptr);
    json_t *reply = json_loadb(answer.ptr, answer.len, 0, &error);
    if (!json_is_object(reply)) {
        json_decref(reply);
        return ctl_fail(EX_PROTOCOL, "the server's answer is no JSON object: %s", error.text);
    }
    if (reply_r != NULL)
        *reply_r = reply;
    else
        json_decref(reply);
    return EX_OK;
}

void ctl_url(struct ctl *ctl, const char *path, json_t *query, struct buf *out)
{
    const char *name;
    json_t *value;
    char mark = '?';

    buf_put(out, slice_str(path));
    json_object_foreach(query, name, value)
    {
        buf_putf(out, "%c%s=", mark, name);
        ctl_client_escape(ctl->client,
                          (struct slice){json_string_value(value), json_string_length(value)}, out);
        mark = '&';
    }
    json_decref(query);
}

int ctl_get(struct ctl *ctl, const char *path, json_t *query, json_t **reply_r)
{
    AUTO(buf) struct buf url = BUF(URL_BYTES_MAX);

    ctl_url(ctl, path, query, &url);
    return run(ctl, &(struct ctl_request){.path = url.ptr}, reply_r);
}

int ctl_post(struct ctl *ctl, const char *path, json_t *args, json_t **reply_r)
{
    char *text = args != NULL ? json_dumps(args, JSON_COMPACT) : mem_copy(SLICE("{}"));

    json_decref(args);
    if (text == NULL) /* a text among the arguments is no UTF-8 */
        return ctl_fail(EX_DATAERR, "the arguments are not UTF-8");
    int exit = run(ctl, &(struct ctl_request){.path = path, .json = text}, reply_r);
    free(text);
    return exit;
}

int ctl_print_json(json_t *json)
{
    json_dumpf(json, stdout, JSON_INDENT(2));
    fputc('\n', stdout);
    json_decref(json);
    return EX_OK;
}

/* --- a command --- */

static int print(const struct buf *text)
{
    fwrite(text->ptr, 1, text->len, stdout);
    return EX_OK;
}

static int help(const struct ctl *ctl)
{
    AUTO(buf) struct buf out = BUF(HELP_BYTES_MAX);

    if (ctl->cmd != NULL)
        ctl_help_cmd(ctl->cmd, &out);
    else if (ctl->arg_count == 0 || !ctl_help_group(ctl->args[0], &out))
        ctl_help_all(&out);
    return print(&out);
}

int ctl_connect(struct ctl *ctl)
{
    int exit = ctl_conf_read(ctl);

    if (exit == EX_OK)
        ctl->client = ctl_client_new(join(ctl->arena, ctl->conf.data_dir, "admin.sock"));
    return exit;
}

static int dispatch(struct ctl *ctl)
{
    int exit = ctl->cmd->needs == CTL_NEEDS_SERVER ? ctl_connect(ctl) : EX_OK;

    if (exit == EX_OK)
        exit = ctl->cmd->handler(ctl);
    ctl_client_free(&ctl->client);
    if (fflush(stdout) != 0 || ferror(stdout))
        return ctl_fail(EX_IOERR, "standard output: %s", strerror(errno));
    return exit;
}

static int read_and_run(struct ctl *ctl, int argc, char **argv)
{
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);

    if (ctl_args_read(ctl, argc, argv, &why) != ST_OK)
        return ctl_fail(EX_USAGE, "%s", why.ptr);
    if (ctl_has(ctl, CTL_OPT_VERSION)) {
        puts("posthorse " POSTHORSE_VERSION);
        return EX_OK;
    }
    if (ctl_has(ctl, CTL_OPT_HELP))
        return help(ctl);
    if (ctl->cmd == NULL)
        return ctl_fail(EX_USAGE, "say what to do; posthorse --help lists the commands");
    return dispatch(ctl);
}

int ctl_main(int argc, char **argv, const struct ctl_hooks *hooks)
{
    struct ctl *ctl = mem_new(struct ctl);

    ctl->hooks = hooks;
    ctl->arena = arena_new("command line", ARENA_BYTES_MAX);
    int exit = read_and_run(ctl, argc, argv);
    arena_free(&ctl->arena);
    mem_free(ctl);
    return exit;
}

/* --- commands of src/main.c --- */

int ctl_cmd_serve(struct ctl *ctl)
{
    const char *path = ctl_conf_path(ctl);

    if (path == NULL)
        return ctl_fail(EX_CONFIG, "%s: there is no posthorse.ini in it",
                        ctl_value(ctl, CTL_OPT_DIR));
    return ctl->hooks->serve(path);
}

int ctl_cmd_sandbox(struct ctl *ctl)
{
    return ctl->hooks->sandbox(ctl->raw_count, ctl->raw);
}
