#include "ctl/ctl_watch.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "ctl/ctl_client.h"
#include "sys/sys_time.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define ASK_MS 300 /* a server that hangs does not hold the picture up for long */
#define ROUND_MS 500
#define EVENTS "/v1/trace/recent?limit=40"
#define REPLY_BYTES_MAX (16 * MIB)
#define PICTURE_BYTES_MAX (256 * KIB)
#define LINES_DEFAULT 60
#define COLUMNS_DEFAULT 160

static volatile sig_atomic_t ended;

static void end(int signal)
{
    (void)signal;
    ended = 1;
}

/* --- asking --- */

static enum st take(void *ctx, struct slice bytes)
{
    return buf_add(ctx, bytes);
}

static json_t *ask(struct ctl_watched *server, const char *path)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    AUTO(buf) struct buf answer = BUF(REPLY_BYTES_MAX);
    const struct ctl_request request = {
        .path = path, .take = take, .ctx = &answer, .timeout_ms = ASK_MS};

    if (ctl_client_run(server->client, &request, &why) != EX_OK)
        return NULL;
    return json_loadb(answer.ptr, answer.len, 0, NULL);
}

static void forget(struct ctl_watched *server)
{
    json_decref(server->status);
    json_decref(server->cluster);
    json_decref(server->events);
    server->status = server->cluster = server->events = NULL;
}

static void look_at(struct ctl_watched *server)
{
    forget(server);
    server->status = ask(server, "/v1/status");
    server->answers = server->status != NULL;
    if (server->answers) {
        /* The worker's group is its supervisor's, where that leads one, as in a sandbox. */
        pid_t pid = (pid_t)json_integer_value(json_object_get(server->status, "pid"));
        pid_t group = getpgid(pid);

        server->pid = group > 0 ? group : pid;
        server->cluster = ask(server, "/v1/cluster/show");
        server->events = ask(server, EVENTS);
    } else if (server->pid > 0 && kill((pid_t)server->pid, 0) != 0) {
        server->pid = 0;
    }
}

/* --- the servers --- */

static int add_server(struct ctl_watch *watch, const char *dir, const char *conf_path)
{
    struct ctl_watched *server = &watch->servers[watch->count];
    AUTO(buf) struct buf path = BUF(8 * KIB);
    AUTO(buf) struct buf why = BUF(4 * KIB);

    if (watch->count == CTL_WATCH_MAX)
        return ctl_fail(EX_USAGE, "%d servers at most", CTL_WATCH_MAX);
    server->dir = dir;
    server->conf = conf_defaults;
    if (conf_file_read(&server->conf, conf_path, &why) != ST_OK)
        return ctl_fail(EX_CONFIG, "%s", why.ptr);
    snprintf(server->name, sizeof(server->name), "%s", server->conf.server_name);
    snprintf(server->short_name, sizeof(server->short_name), "%.*s",
             (int)strcspn(server->conf.server_name, "."), server->conf.server_name);
    if (strcmp(server->short_name, "mail") == 0) /* the folder says more */
        snprintf(server->short_name, sizeof(server->short_name), "%s",
                 strrchr(dir, '/') != NULL ? strrchr(dir, '/') + 1 : dir);
    buf_putf(&path, "%s/admin.sock", server->conf.data_dir);
    server->client = ctl_client_new(path.ptr);
    watch->count++;
    return EX_OK;
}

static int add_servers(struct ctl *ctl, struct ctl_watch *watch)
{
    json_t *dirs = ctl_values(ctl, CTL_OPT_DIR);
    int exit = EX_OK;
    size_t i;
    json_t *dir;

    json_array_foreach(dirs, i, dir)
    {
        AUTO(buf) struct buf path = BUF(8 * KIB);

        buf_putf(&path, "%s/posthorse.ini", json_string_value(dir));
        if (exit == EX_OK)
            exit = add_server(watch, slice_cstr(ctl->arena, slice_str(json_string_value(dir))),
                              path.ptr);
    }
    json_decref(dirs);
    if (exit == EX_OK && watch->count == 0)
        exit = add_server(watch, "", ctl_conf_path(ctl));
    return exit;
}

/* --- the picture --- */

static void measure(struct ctl_watch *watch)
{
    struct winsize size;

    watch->lines = LINES_DEFAULT;
    watch->columns = COLUMNS_DEFAULT;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
        watch->lines = size.ws_row;
        watch->columns = size.ws_col;
    }
}

static void show(struct ctl_watch *watch, bool terminal)
{
    AUTO(buf) struct buf out = BUF(PICTURE_BYTES_MAX);

    for (size_t i = 0; i < watch->count; i++)
        look_at(&watch->servers[i]);
    measure(watch);
    if (terminal)
        buf_put(&out, SLICE("\033[H"));
    ctl_watch_draw(watch, &out);
    if (terminal) /* what is left of the picture before */
        buf_put(&out, SLICE("\033[J"));
    fwrite(out.ptr, 1, out.len, stdout);
    fflush(stdout);
    arena_reset(watch->ctl->arena);
}

static void watch_on(struct ctl_watch *watch)
{
    struct sigaction action = {.sa_handler = end};

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    fputs("\033[?25l\033[2J", stdout);
    while (ended == 0) {
        uint64_t next_ms = sys_mono_ms() + ROUND_MS;

        show(watch, true);
        uint64_t now_ms = sys_mono_ms();
        if (ended == 0 && now_ms < next_ms)
            sys_sleep_ms(next_ms - now_ms);
    }
    fputs("\033[?25h\n", stdout);
}

int ctl_cmd_watch(struct ctl *ctl)
{
    struct ctl_watch *watch = mem_new(struct ctl_watch);
    struct arena *arena = arena_new("picture", 64 * MIB);
    struct ctl drawing = *ctl;
    int exit = add_servers(ctl, watch);

    drawing.arena = arena;
    watch->ctl = &drawing;
    watch->revive = ctl_value(ctl, CTL_OPT_REVIVE);
    if (exit == EX_OK && isatty(STDOUT_FILENO) == 1)
        watch_on(watch);
    else if (exit == EX_OK)
        show(watch, false);
    for (size_t i = 0; i < watch->count; i++) {
        forget(&watch->servers[i]);
        ctl_client_free(&watch->servers[i].client);
    }
    arena_free(&arena);
    mem_free(watch);
    return exit;
}
