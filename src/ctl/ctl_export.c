#include "admin/admin_frame.h"
#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"
#include "ctl/ctl_client.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_lines.h"
#include "ctl/ctl_maildir.h"
#include "ctl/ctl_mbox.h"
#include "ctl/ctl_progress.h"
#include "ctl/ctl_table.h"
#include "sys/sys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096
#define TEXT_BYTES_MAX (4 * MIB)

/* Where the messages go; the functions of one form. */
struct exporting {
    struct ctl *ctl;
    struct arena *arena;
    const char *root; /* the Maildir */
    struct buf why;   /* of a fault here */
    struct ctl_progress progress;
    struct ctl_lines lines;
    struct buf text;
    FILE *file; /* of the message, or the whole mbox */
    struct ctl_mbox_writer mbox;
    /* Maildir */
    char *folder; /* its name, as messages tell it */
    char dir[PATH_BYTES_MAX];
    struct ctl_maildir_keywords keywords;
    char name[300]; /* of the message's file, without its flags */
    char info[100];
    int64_t date_s;
};

static enum st fail(struct exporting *exporting, const char *path)
{
    buf_clear(&exporting->why);
    buf_putf(&exporting->why, "%s: %s", path, strerror(errno));
    return ST_IO;
}

/* Writes what exporting->text holds. */
static enum st flush(struct exporting *exporting, const char *path)
{
    size_t len = exporting->text.len;

    if (exporting->text.over)
        return ST_TOO_BIG;
    bool written = fwrite(exporting->text.ptr, 1, len, exporting->file) == len;
    buf_clear(&exporting->text);
    return written ? ST_OK : fail(exporting, path);
}

/* --- Maildir --- */

static enum st write_keywords(struct exporting *exporting)
{
    char path[PATH_BYTES_MAX + 32];
    AUTO(buf) struct buf text = BUF(64 * KIB);

    ctl_maildir_keywords_write(&exporting->keywords, &text);
    if (exporting->folder == NULL || text.len == 0)
        return ST_OK;
    snprintf(path, sizeof(path), "%s/dovecot-keywords", exporting->dir);
    return sys_file_write(path, buf_slice(&text), 0600) == ST_OK ? ST_OK : fail(exporting, path);
}

static enum st make_folder(struct exporting *exporting)
{
    static const char *const parts[] = {"tmp", "new", "cur"};
    char path[PATH_BYTES_MAX + 32];
    AUTO(buf) struct buf text = BUF(64 * KIB);

    for (size_t i = 0; i < COUNT(parts); i++) {
        snprintf(path, sizeof(path), "%s/%s", exporting->dir, parts[i]);
        if (sys_folder_make(path, 0700) != ST_OK)
            return fail(exporting, path);
    }
    snprintf(path, sizeof(path), "%s/dovecot-keywords", exporting->dir);
    if (sys_file_read(path, &text) != ST_OK)
        buf_clear(&text);
    ctl_maildir_keywords_read(exporting->arena, buf_slice(&text), &exporting->keywords);
    snprintf(path, sizeof(path), "%s/maildirfolder", exporting->dir);
    if (strcmp(exporting->dir, exporting->root) != 0 &&
        sys_file_write(path, SLICE(""), 0600) != ST_OK)
        return fail(exporting, path);
    return ST_OK;
}

static enum st enter_folder(struct exporting *exporting, const char *folder)
{
    AUTO(buf) struct buf name = BUF(PATH_BYTES_MAX);

    if (exporting->folder != NULL && strcmp(exporting->folder, folder) == 0)
        return ST_OK;
    enum st st = write_keywords(exporting);
    if (st != ST_OK)
        return st;
    mem_free(exporting->folder);
    exporting->folder = mem_copy(slice_str(folder));
    ctl_maildir_folder_write(slice_str(folder), &name);
    int len = snprintf(exporting->dir, PATH_BYTES_MAX, "%s%s%s", exporting->root,
                       name.len > 0 ? "/" : "", name.len > 0 ? name.ptr : "");
    if (len < 0 || len >= PATH_BYTES_MAX) {
        errno = ENAMETOOLONG;
        return fail(exporting, folder);
    }
    return make_folder(exporting);
}

static enum st maildir_begin(void *ctx, json_t *message)
{
    struct exporting *exporting = ctx;
    const char *folder = json_string_value(json_object_get(message, "folder"));
    const char *guid = json_string_value(json_object_get(message, "guid"));
    char path[PATH_BYTES_MAX + 400];
    AUTO(buf) struct buf info = BUF(sizeof(exporting->info));

    if (folder == NULL || guid == NULL || strchr(guid, '/') != NULL)
        return ST_INVALID;
    enum st st = enter_folder(exporting, folder);
    if (st != ST_OK)
        return st;
    exporting->date_s = json_integer_value(json_object_get(message, "date_s"));
    snprintf(exporting->name, sizeof(exporting->name), "%lld.U%lld_%.64s.posthorse",
             (long long)exporting->date_s,
             (long long)json_integer_value(json_object_get(message, "uid")), guid);
    ctl_maildir_info_write(exporting->arena, json_object_get(message, "flags"),
                           &exporting->keywords, &info);
    snprintf(exporting->info, sizeof(exporting->info), "%s", info.ptr);
    snprintf(path, sizeof(path), "%s/tmp/%s", exporting->dir, exporting->name);
    exporting->file = fopen(path, "we");
    return exporting->file != NULL ? ST_OK : fail(exporting, path);
}

static enum st maildir_bytes(void *ctx, struct slice bytes)
{
    struct exporting *exporting = ctx;

    ctl_lines_to_lf(&exporting->lines, bytes, &exporting->text);
    ctl_progress_step(&exporting->progress, 0, bytes.len);
    return flush(exporting, exporting->dir);
}

/* The file's time is the internal date, and its name comes with its flags: both at once, at last.
 */
static enum st maildir_end(void *ctx)
{
    struct exporting *exporting = ctx;
    char from[PATH_BYTES_MAX + 400];
    char to[PATH_BYTES_MAX + 600];
    struct timespec times[2] = {{.tv_sec = exporting->date_s}, {.tv_sec = exporting->date_s}};

    ctl_lines_to_lf_end(&exporting->lines, &exporting->text);
    enum st st = flush(exporting, exporting->dir);
    bool closed = fclose(exporting->file) == 0;
    exporting->file = NULL;
    snprintf(from, sizeof(from), "%s/tmp/%s", exporting->dir, exporting->name);
    snprintf(to, sizeof(to), "%s/cur/%s:%s", exporting->dir, exporting->name, exporting->info);
    ctl_progress_step(&exporting->progress, 1, 0);
    if (st != ST_OK)
        return st;
    if (!closed || utimensat(AT_FDCWD, from, times, 0) != 0 || rename(from, to) != 0)
        return fail(exporting, to);
    return ST_OK;
}

/* --- mbox --- */

static enum st mbox_begin(void *ctx, json_t *message)
{
    struct exporting *exporting = ctx;

    ctl_mbox_write_begin(&exporting->mbox, json_integer_value(json_object_get(message, "date_s")),
                         json_object_get(message, "flags"), &exporting->text);
    return flush(exporting, exporting->root);
}

static enum st mbox_write(struct exporting *exporting, struct slice lf)
{
    ctl_mbox_write(&exporting->mbox, lf, &exporting->text);
    return flush(exporting, exporting->root);
}

static enum st mbox_bytes(void *ctx, struct slice bytes)
{
    struct exporting *exporting = ctx;
    AUTO(buf) struct buf lf = BUF(TEXT_BYTES_MAX);

    ctl_lines_to_lf(&exporting->lines, bytes, &lf);
    ctl_progress_step(&exporting->progress, 0, bytes.len);
    return mbox_write(exporting, buf_slice(&lf));
}

static enum st mbox_end(void *ctx)
{
    struct exporting *exporting = ctx;
    AUTO(buf) struct buf lf = BUF(16);

    ctl_lines_to_lf_end(&exporting->lines, &lf);
    enum st st = mbox_write(exporting, buf_slice(&lf));
    ctl_mbox_write_end(&exporting->mbox, &exporting->text);
    ctl_progress_step(&exporting->progress, 1, 0);
    return st != ST_OK ? st : flush(exporting, exporting->root);
}

/* --- the command --- */

struct receiving {
    struct admin_frame *frame;
};

static enum st take(void *ctx, struct slice bytes)
{
    const struct receiving *receiving = ctx;

    return admin_frame_feed(receiving->frame, bytes);
}

/* The account's size for the progress; and an early word where there is no such account. */
static int count_total(struct ctl *ctl, uint64_t *bytes_r)
{
    json_t *reply;
    int exit = ctl_get(ctl, "/v1/account/show", json_pack("{s:s}", "name", ctl->args[0]), &reply);

    if (exit != EX_OK)
        return exit;
    *bytes_r = (uint64_t)json_integer_value(json_object_get(reply, "bytes_used"));
    json_decref(reply);
    return EX_OK;
}

static int receive(struct exporting *exporting, const struct admin_frame_fns *fns,
                   const char *folder)
{
    struct ctl *ctl = exporting->ctl;
    json_t *query = json_pack("{s:s}", "name", ctl->args[0]);
    struct receiving receiving = {admin_frame_new(fns, exporting)};
    AUTO(buf) struct buf url = BUF(16 * KIB);

    if (folder != NULL)
        json_object_set_new(query, "folder", json_string(folder));
    ctl_url(ctl, "/v1/mail/export", query, &url);
    int exit = ctl_client_run(
        ctl->client, &(struct ctl_request){.path = url.ptr, .take = take, .ctx = &receiving},
        &exporting->why);
    bool whole = admin_frame_is_whole(receiving.frame);
    admin_frame_free(&receiving.frame);
    ctl_progress_end(&exporting->progress);
    if (exit != EX_OK)
        return ctl_fail(exit, "%s",
                        exporting->why.len > 0 ? exporting->why.ptr : "the export broke off");
    return whole ? EX_OK : ctl_fail(EX_PROTOCOL, "the server's answer ends inside a message");
}

static int say_done(const struct exporting *exporting, const char *where)
{
    char count[CTL_QUANTITY_BYTES];
    char size[CTL_QUANTITY_BYTES];

    fprintf(stderr, "%s messages, %s, written to %s\n",
            ctl_table_number(count, exporting->progress.count),
            ctl_table_size(size, exporting->progress.bytes), where);
    return EX_OK;
}

static int export_maildir(struct exporting *exporting)
{
    static const struct admin_frame_fns fns = {maildir_begin, maildir_bytes, maildir_end};
    int exit;

    exporting->root = ctl_value(exporting->ctl, CTL_OPT_MAILDIR);
    if (enter_folder(exporting, "INBOX") != ST_OK)
        return ctl_fail(EX_CANTCREAT, "%s", exporting->why.ptr);
    exit = receive(exporting, &fns, ctl_value(exporting->ctl, CTL_OPT_FOLDER));
    if (exporting->file != NULL)
        fclose(exporting->file);
    if (exit == EX_OK && write_keywords(exporting) != ST_OK)
        exit = ctl_fail(EX_IOERR, "%s", exporting->why.ptr);
    return exit != EX_OK ? exit : say_done(exporting, exporting->root);
}

static int export_mbox(struct exporting *exporting)
{
    static const struct admin_frame_fns fns = {mbox_begin, mbox_bytes, mbox_end};
    const char *path = ctl_value(exporting->ctl, CTL_OPT_MBOX);
    const char *folder = ctl_value(exporting->ctl, CTL_OPT_FOLDER);
    bool standard = strcmp(path, "-") == 0;

    exporting->root = path;
    exporting->file = standard ? stdout : fopen(path, "wxe");
    if (exporting->file == NULL)
        return ctl_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    int exit = receive(exporting, &fns, folder != NULL ? folder : "INBOX");
    if (!standard && fclose(exporting->file) != 0 && exit == EX_OK)
        exit = ctl_fail(EX_IOERR, "%s: %s", path, strerror(errno));
    return exit != EX_OK ? exit : say_done(exporting, path);
}

int ctl_cmd_account_export(struct ctl *ctl)
{
    bool maildir = ctl_has(ctl, CTL_OPT_MAILDIR);
    uint64_t total_bytes = 0;

    if (maildir == ctl_has(ctl, CTL_OPT_MBOX))
        return ctl_fail(EX_USAGE, "say either --maildir DIR or --mbox FILE");
    int exit = count_total(ctl, &total_bytes);
    if (exit != EX_OK)
        return exit;
    umask(077); /* it is somebody's mail */
    struct exporting *exporting = mem_new(struct exporting);
    exporting->ctl = ctl;
    exporting->arena = ctl->arena;
    buf_init(&exporting->why, PATH_BYTES_MAX + 1024);
    buf_init(&exporting->text, TEXT_BYTES_MAX);
    ctl_progress_begin(&exporting->progress, "messages",
                       ctl_has(ctl, CTL_OPT_FOLDER) || !maildir ? 0 : total_bytes);
    exit = maildir ? export_maildir(exporting) : export_mbox(exporting);
    buf_fini(&exporting->why);
    buf_fini(&exporting->text);
    mem_free(exporting->folder);
    mem_free(exporting);
    return exit;
}
