#include "ctl/ctl_save.h"

#include "base/buf.h"
#include "ctl/ctl_client.h"
#include "ctl/ctl_progress.h"
#include "ctl/ctl_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct saving {
    FILE *file;
    struct ctl_progress progress;
    int error;
};

static enum st save_bytes(void *ctx, struct slice bytes)
{
    struct saving *saving = ctx;

    ctl_progress_step(&saving->progress, 0, bytes.len);
    if (fwrite(bytes.ptr, 1, bytes.len, saving->file) == bytes.len)
        return ST_OK;
    saving->error = errno;
    return ST_IO;
}

static int run(struct ctl *ctl, struct saving *saving, const char *url, const char *path,
               const char *what)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    const struct ctl_request request = {.path = url, .take = save_bytes, .ctx = saving};

    ctl_progress_begin(&saving->progress, "files", 0);
    int exit = ctl_client_run(ctl->client, &request, &why);
    ctl_progress_end(&saving->progress);
    if (saving->error != 0)
        return ctl_fail(EX_IOERR, "%s: %s", path, strerror(saving->error));
    if (exit == EX_OK)
        return EX_OK;
    return ctl_fail(exit, "%s; %s is not whole", why.len > 0 ? why.ptr : "it broke off", what);
}

static int run_into_file(struct ctl *ctl, struct saving *saving, const char *url, const char *path,
                         const char *what)
{
    AUTO(buf) struct buf part = BUF(16 * KIB);

    buf_putf(&part, "%s.part", path);
    int fd = open(part.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    saving->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (saving->file == NULL)
        return ctl_fail(EX_CANTCREAT, "%s: %s", part.ptr, strerror(errno));
    int exit = run(ctl, saving, url, path, what);
    if (exit == EX_OK && (fflush(saving->file) != 0 || fsync(fd) != 0))
        exit = ctl_fail(EX_IOERR, "%s: %s", path, strerror(errno));
    fclose(saving->file);
    if (exit == EX_OK && rename(part.ptr, path) != 0)
        exit = ctl_fail(EX_IOERR, "%s: %s", path, strerror(errno));
    if (exit != EX_OK)
        unlink(part.ptr);
    return exit;
}

int ctl_save(struct ctl *ctl, const char *url, const char *path, const char *what)
{
    struct saving saving = {.file = stdout};
    char room[CTL_QUANTITY_BYTES];
    bool standard = path == NULL || strcmp(path, "-") == 0;
    int exit = standard ? run(ctl, &saving, url, "standard output", what)
                        : run_into_file(ctl, &saving, url, path, what);

    if (exit == EX_OK)
        fprintf(stderr, "%s written\n", ctl_table_size(room, saving.progress.bytes));
    return exit;
}
