#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_client.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_local.h"
#include "ctl/ctl_progress.h"
#include "ctl/ctl_save.h"
#include "ctl/ctl_table.h"
#include "store/store_check.h"
#include "store/store_dump.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_BYTES_MAX (64 * KIB)

/* --- check --- */

struct checking {
    struct ctl *ctl;
    json_t *faults; /* for --json; otherwise they are printed as they come */
    uint64_t count;
    bool whole; /* the last line came */
    bool terminal;
    struct buf line;
};

static void on_fault(void *ctx, const char *sentence)
{
    struct checking *checking = ctx;

    checking->count++;
    if (checking->faults != NULL)
        json_array_append_new(checking->faults, json_string(sentence));
    else
        printf("%s%s\n", checking->terminal ? "\r\033[K" : "",
               ctl_text(checking->ctl->arena, slice_str(sentence)));
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    const struct checking *checking = ctx;

    if (checking->terminal)
        fprintf(stderr, "\r%llu of %llu accounts and bodies\033[K", (unsigned long long)done,
                (unsigned long long)total);
}

static void take_line(struct checking *checking, struct slice line)
{
    json_t *object = json_loadb(line.ptr, line.len, 0, NULL);
    const char *fault = json_string_value(json_object_get(object, "fault"));

    if (fault != NULL)
        on_fault(checking, fault);
    else if (json_object_get(object, "faults") != NULL)
        checking->whole = true;
    else
        on_progress(checking, (uint64_t)json_integer_value(json_object_get(object, "done")),
                    (uint64_t)json_integer_value(json_object_get(object, "total")));
    json_decref(object);
}

static enum st take_lines(void *ctx, struct slice bytes)
{
    struct checking *checking = ctx;
    enum st st = ST_OK;

    while (bytes.len > 0 && st == ST_OK) {
        size_t end = slice_find(bytes, '\n');

        st = buf_add(&checking->line, slice_sub(bytes, 0, end));
        bytes = slice_sub(bytes, end == SIZE_MAX ? bytes.len : end + 1, bytes.len);
        if (end == SIZE_MAX)
            break;
        take_line(checking, buf_slice(&checking->line));
        buf_clear(&checking->line);
    }
    return st;
}

static int check_by_server(struct ctl *ctl, struct checking *checking)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    const struct ctl_request request = {
        .path = ctl_has(ctl, CTL_OPT_DEEP) ? "/v1/store/check?deep=yes" : "/v1/store/check",
        .take = take_lines,
        .ctx = checking};
    int exit = ctl_client_run(ctl->client, &request, &why);

    if (exit == EX_OK && !checking->whole)
        return ctl_fail(EX_IOERR, "the check broke off: the store cannot be read");
    return exit == EX_OK ? EX_OK : ctl_fail(exit, "%s", why.ptr);
}

static int check_here(struct ctl *ctl, struct checking *checking)
{
    const struct store_check check = {.deep = ctl_has(ctl, CTL_OPT_DEEP),
                                      .fault = on_fault,
                                      .progress = on_progress,
                                      .ctx = checking};
    struct store *store;
    uint64_t faults;
    int exit = ctl_local_open(ctl, false, &store);

    if (exit != EX_OK)
        return exit;
    enum st st = store_check(store, &check, &faults);
    store_close(&store);
    return st == ST_OK ? EX_OK : ctl_fail(ctl_exit_of(st), "the store cannot be read");
}

static int tell_faults(struct checking *checking)
{
    if (checking->faults != NULL)
        ctl_print_json(json_pack("{s:O, s:I}", "faults", checking->faults, "count",
                                 (json_int_t)checking->count));
    else if (checking->count == 0)
        puts("no faults");
    else
        printf("%llu faults\n", (unsigned long long)checking->count);
    return checking->count == 0 ? EX_OK : EX_DATAERR;
}

int ctl_cmd_store_check(struct ctl *ctl)
{
    struct checking checking = {.ctl = ctl,
                                .faults = ctl_has(ctl, CTL_OPT_JSON) ? json_array() : NULL,
                                .terminal = isatty(STDERR_FILENO) == 1,
                                .line = BUF(LINE_BYTES_MAX)};
    int exit = ctl_local_find_server(ctl);

    if (exit == EX_OK)
        exit = check_by_server(ctl, &checking);
    else if (exit == EX_UNAVAILABLE)
        exit = check_here(ctl, &checking);
    if (checking.terminal)
        fputs("\r\033[K", stderr);
    if (exit == EX_OK)
        exit = tell_faults(&checking);
    json_decref(checking.faults);
    buf_fini(&checking.line);
    return exit;
}

/* --- backup --- */

int ctl_cmd_store_backup(struct ctl *ctl)
{
    return ctl_save(ctl, "/v1/store/backup", ctl->args[0], "the backup");
}

/* --- restore --- */

struct restoring {
    int fd;
    struct ctl_progress progress;
};

static enum st restore_read(void *ctx, char *into, size_t cap, size_t *len_r)
{
    struct restoring *restoring = ctx;
    ssize_t len = read(restoring->fd, into, cap);

    *len_r = len > 0 ? (size_t)len : 0;
    ctl_progress_step(&restoring->progress, 0, *len_r);
    return len < 0 ? ST_IO : ST_OK;
}

static int restore_from(struct ctl *ctl, struct restoring *restoring)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    struct store *store;
    char room[CTL_QUANTITY_BYTES];
    int exit = ctl_local_open(ctl, true, &store);

    if (exit != EX_OK)
        return exit;
    off_t bytes = lseek(restoring->fd, 0, SEEK_END);
    if (bytes >= 0)
        (void)lseek(restoring->fd, 0, SEEK_SET);
    ctl_progress_begin(&restoring->progress, "files", bytes > 0 ? (uint64_t)bytes : 0);
    enum st st = store_restore(store, restore_read, restoring, NULL, &why);
    ctl_progress_end(&restoring->progress);
    store_close(&store);
    if (st != ST_OK)
        return ctl_fail(ctl_exit_of(st), "%s: %s", ctl->args[0],
                        why.len > 0 ? why.ptr : "cannot be restored");
    printf("%s restored; posthorse serve may start\n",
           ctl_table_size(room, restoring->progress.bytes));
    return EX_OK;
}

int ctl_cmd_store_restore(struct ctl *ctl)
{
    bool standard = strcmp(ctl->args[0], "-") == 0;
    struct restoring restoring = {.fd = STDIN_FILENO};
    int exit = ctl_local_find_server(ctl);

    if (exit == EX_OK)
        return ctl_fail(EX_TEMPFAIL, "the server runs; stop it first, then restore");
    if (exit != EX_UNAVAILABLE)
        return exit;
    if (!standard)
        restoring.fd = open(ctl->args[0], O_RDONLY | O_CLOEXEC);
    if (restoring.fd < 0)
        return ctl_fail(EX_NOINPUT, "%s: %s", ctl->args[0], strerror(errno));
    exit = restore_from(ctl, &restoring);
    if (!standard)
        close(restoring.fd);
    return exit;
}
