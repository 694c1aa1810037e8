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

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096
#define READ_BYTES (64 * KIB)
#define OUT_BYTES_MAX (4 * MIB)
#define ACCOUNTS_BATCH 50

struct found_folder {
    struct slice name;
    struct ctl_maildir_keywords keywords;
};

struct found_file {
    const char *path;
    const struct found_folder *folder;
    int64_t date_s;
    uint64_t bytes;
};

/* What is brought in, as the bytes of a request: pulled by the client, a piece at a time. */
struct importing {
    struct ctl *ctl;
    struct arena *arena;
    bool (*fill)(struct importing *importing); /* puts more into out; false: the end or a fault */
    struct buf out;
    size_t sent;
    bool failed;
    struct buf why;
    int fd; /* of the message, or the mbox; -1: none */
    const char *path;
    struct ctl_lines lines;
    struct ctl_progress progress;
    /* Maildir */
    struct found_file *files;
    size_t file_count, file_cap, file_at;
    uint64_t bytes;
    /* mbox */
    struct ctl_mbox_reader *reader;
    const char *folder;
    bool ended;
};

static bool fail(struct importing *importing, const char *path, const char *text)
{
    buf_putf(&importing->why, "%s: %s", path, text);
    importing->failed = true;
    return false;
}

static size_t give(void *ctx, char *room, size_t cap)
{
    struct importing *importing = ctx;

    while (importing->sent == importing->out.len) {
        buf_clear(&importing->out);
        importing->sent = 0;
        if (!importing->fill(importing))
            return importing->failed ? SIZE_MAX : 0;
        if (importing->out.over) {
            (void)fail(importing, importing->path, "a header is too long");
            return SIZE_MAX;
        }
    }
    size_t len = importing->out.len - importing->sent;
    if (len > cap)
        len = cap;
    memcpy(room, importing->out.ptr + importing->sent, len);
    importing->sent += len;
    return len;
}

/* Bytes of the message with the line ends of mail. */
static void put_bytes(struct importing *importing, struct slice bytes)
{
    AUTO(buf) struct buf crlf = BUF(OUT_BYTES_MAX);

    ctl_lines_to_crlf(&importing->lines, bytes, &crlf);
    admin_frame_bytes(buf_slice(&crlf), &importing->out);
}

static void put_begin(struct importing *importing, struct slice folder, int64_t date_s,
                      json_t *flags)
{
    json_t *message =
        json_pack("{s:o, s:O}", "folder", json_stringn(folder.ptr, folder.len), "flags", flags);

    if (date_s != INT64_MIN)
        json_object_set_new(message, "date_s", json_integer(date_s));
    importing->lines = (struct ctl_lines){false};
    admin_frame_begin(message, &importing->out);
    json_decref(message);
}

/* --- Maildir --- */

static void add_file(struct importing *importing, const struct found_file *file)
{
    if (importing->file_count == importing->file_cap) {
        importing->file_cap = importing->file_cap == 0 ? 1024 : 2 * importing->file_cap;
        importing->files =
            mem_grow(importing->files, importing->file_cap, sizeof(*importing->files));
    }
    importing->files[importing->file_count++] = *file;
    importing->bytes += file->bytes;
}

static void scan_files(struct importing *importing, const char *dir,
                       const struct found_folder *folder)
{
    DIR *listing = opendir(dir);
    const struct dirent *entry;

    while (listing != NULL && (entry = readdir(listing)) != NULL) {
        char path[PATH_BYTES_MAX];
        struct stat stat_of;

        if (entry->d_name[0] == '.' ||
            snprintf(path, sizeof(path), "%s/%s", dir, entry->d_name) >= (int)sizeof(path) ||
            stat(path, &stat_of) != 0 || !S_ISREG(stat_of.st_mode))
            continue;
        add_file(importing,
                 &(struct found_file){slice_cstr(importing->arena, slice_str(path)), folder,
                                      stat_of.st_mtime, (uint64_t)stat_of.st_size});
    }
    if (listing != NULL)
        closedir(listing);
}

/* Older first, so that UIDs come in the order of arrival. */
static int by_date(const void *a, const void *b)
{
    const struct found_file *x = a;
    const struct found_file *y = b;
    int dates = (x->date_s > y->date_s) - (x->date_s < y->date_s);

    return dates != 0 ? dates : strcmp(x->path, y->path);
}

static void scan_folder(struct importing *importing, const char *dir, struct slice name)
{
    struct found_folder *folder = arena_one(importing->arena, struct found_folder);
    size_t first = importing->file_count;
    AUTO(buf) struct buf keywords = BUF(64 * KIB);
    char path[PATH_BYTES_MAX + 32];

    snprintf(path, sizeof(path), "%s/dovecot-keywords", dir);
    if (sys_file_read(path, &keywords) != ST_OK)
        buf_clear(&keywords);
    folder->name = name;
    ctl_maildir_keywords_read(importing->arena, buf_slice(&keywords), &folder->keywords);
    snprintf(path, sizeof(path), "%s/cur", dir);
    scan_files(importing, path, folder);
    snprintf(path, sizeof(path), "%s/new", dir);
    scan_files(importing, path, folder);
    if (importing->file_count > first)
        qsort(importing->files + first, importing->file_count - first, sizeof(*importing->files),
              by_date);
}

static int folders_of_maildir(const struct dirent *entry)
{
    return entry->d_name[0] == '.' && entry->d_name[1] != '\0' && entry->d_name[1] != '.';
}

static int scan_maildir(struct importing *importing, const char *root, const char *only)
{
    struct dirent **entries;
    int count = scandir(root, &entries, folders_of_maildir, alphasort);

    if (count < 0)
        return ctl_fail(EX_NOINPUT, "%s: %s", root, strerror(errno));
    if (only == NULL || slice_ieq(slice_str(only), SLICE("INBOX")))
        scan_folder(importing, root, SLICE("INBOX"));
    for (int i = 0; i < count; i++) {
        char path[PATH_BYTES_MAX];
        struct slice name;

        snprintf(path, sizeof(path), "%s/%s", root, entries[i]->d_name);
        if (ctl_maildir_folder_read(importing->arena, slice_str(entries[i]->d_name), &name) ==
                ST_OK &&
            (only == NULL || slice_eq(name, slice_str(only))))
            scan_folder(importing, path, name);
        free(entries[i]);
    }
    free(entries);
    return EX_OK;
}

/* A file that a mail program has renamed meanwhile is looked for no further. */
static bool open_next(struct importing *importing)
{
    while (importing->fd < 0 && importing->file_at < importing->file_count) {
        const struct found_file *file = &importing->files[importing->file_at++];

        importing->path = file->path;
        importing->fd = open(file->path, O_RDONLY | O_CLOEXEC);
        if (importing->fd < 0 && errno != ENOENT)
            return fail(importing, file->path, strerror(errno));
        if (importing->fd < 0)
            continue;
        json_t *flags = ctl_maildir_info_read(slice_str(file->path), &file->folder->keywords);
        put_begin(importing, file->folder->name, file->date_s, flags);
        json_decref(flags);
    }
    return importing->fd >= 0;
}

static bool fill_maildir(struct importing *importing)
{
    char piece[READ_BYTES];

    if (importing->fd < 0)
        return open_next(importing);
    ssize_t len = read(importing->fd, piece, sizeof(piece));
    if (len < 0)
        return fail(importing, importing->path, strerror(errno));
    if (len > 0) {
        put_bytes(importing, (struct slice){piece, (size_t)len});
    } else {
        admin_frame_end(&importing->out);
        close(importing->fd);
        importing->fd = -1;
    }
    ctl_progress_step(&importing->progress, len == 0, (uint64_t)len);
    return true;
}

/* --- mbox --- */

static void mbox_begin(void *ctx, int64_t date_s, json_t *flags)
{
    struct importing *importing = ctx;

    put_begin(importing, slice_str(importing->folder), date_s, flags);
}

static void mbox_bytes(void *ctx, struct slice bytes)
{
    put_bytes(ctx, bytes);
}

static void mbox_end(void *ctx)
{
    struct importing *importing = ctx;

    admin_frame_end(&importing->out);
    ctl_progress_step(&importing->progress, 1, 0);
}

static bool fill_mbox(struct importing *importing)
{
    char piece[READ_BYTES];
    ssize_t len = importing->ended ? 0 : read(importing->fd, piece, sizeof(piece));

    if (importing->ended)
        return false;
    if (len < 0)
        return fail(importing, importing->path, strerror(errno));
    importing->ended = len == 0;
    enum st st = len == 0 ? ctl_mbox_end(importing->reader)
                          : ctl_mbox_feed(importing->reader, (struct slice){piece, (size_t)len});
    ctl_progress_step(&importing->progress, 0, (uint64_t)len);
    return st == ST_OK ||
           fail(importing, importing->path, "no mbox: it does not begin with a From_ line");
}

/* --- sending --- */

static enum st take(void *ctx, struct slice bytes)
{
    struct importing *importing = ctx;

    return buf_add(&importing->why, bytes);
}

/* The server's answer is kept where a fault's sentence would be: there is either or. */
static int send_all(struct importing *importing)
{
    struct ctl *ctl = importing->ctl;
    AUTO(buf) struct buf url = BUF(16 * KIB);
    AUTO(buf) struct buf why = BUF(4 * KIB);

    ctl_url(ctl, "/v1/mail/import", json_pack("{s:s}", "name", ctl->args[0]), &url);
    int exit = ctl_client_run(
        ctl->client,
        &(struct ctl_request){.path = url.ptr, .read = give, .take = take, .ctx = importing}, &why);
    ctl_progress_end(&importing->progress);
    if (importing->failed)
        return ctl_fail(EX_IOERR, "%s", importing->why.ptr);
    if (exit != EX_OK)
        return ctl_fail(exit, "%s", why.ptr);
    json_t *reply = json_loadb(importing->why.ptr, importing->why.len, 0, NULL);
    char count[CTL_QUANTITY_BYTES];
    char size[CTL_QUANTITY_BYTES];
    printf(
        "%s messages, %s, imported into %s\n",
        ctl_table_number(count, (uint64_t)json_integer_value(json_object_get(reply, "messages"))),
        ctl_table_size(size, (uint64_t)json_integer_value(json_object_get(reply, "bytes"))),
        ctl->args[0]);
    json_decref(reply);
    return EX_OK;
}

static int import_maildir(struct importing *importing, const char *root)
{
    int exit = scan_maildir(importing, root, ctl_value(importing->ctl, CTL_OPT_FOLDER));

    if (exit != EX_OK)
        return exit;
    if (importing->file_count == 0)
        return ctl_fail(EX_NOINPUT, "%s: there are no messages in it; is it a Maildir?", root);
    importing->fill = fill_maildir;
    ctl_progress_begin(&importing->progress, "messages", importing->bytes);
    return send_all(importing);
}

static int import_mbox(struct importing *importing, const char *path)
{
    static const struct ctl_mbox_fns fns = {mbox_begin, mbox_bytes, mbox_end};
    const char *folder = ctl_value(importing->ctl, CTL_OPT_FOLDER);
    struct stat stat_of = {0};

    importing->fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);
    if (importing->fd < 0 || fstat(importing->fd, &stat_of) != 0)
        return ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
    importing->path = path;
    importing->folder = folder != NULL ? folder : "INBOX";
    importing->reader = ctl_mbox_reader_new(&fns, importing);
    importing->fill = fill_mbox;
    ctl_progress_begin(&importing->progress, "messages", (uint64_t)stat_of.st_size);
    return send_all(importing);
}

static int import_mail(struct ctl *ctl)
{
    const char *maildir = ctl_value(ctl, CTL_OPT_MAILDIR);
    const char *mbox = ctl_value(ctl, CTL_OPT_MBOX);
    struct importing *importing = mem_new(struct importing);

    if (maildir != NULL && mbox != NULL) {
        mem_free(importing);
        return ctl_fail(EX_USAGE, "say either --maildir DIR or --mbox FILE");
    }
    importing->ctl = ctl;
    importing->arena = ctl->arena;
    importing->fd = -1;
    buf_init(&importing->out, OUT_BYTES_MAX);
    buf_init(&importing->why, PATH_BYTES_MAX + 1024);
    int exit = maildir != NULL ? import_maildir(importing, maildir) : import_mbox(importing, mbox);
    if (importing->fd >= 0)
        close(importing->fd);
    ctl_mbox_reader_free(&importing->reader);
    buf_fini(&importing->out);
    buf_fini(&importing->why);
    mem_free(importing->files);
    mem_free(importing);
    return exit;
}

/* --- accounts from a file --- */

struct accounts {
    struct ctl *ctl;
    const char *path;
    FILE *file;
    json_t *batch;
    uint64_t added;
    unsigned line_no;
};

/* "name password full name" */
static int add_line(struct accounts *accounts, struct slice line)
{
    size_t space = slice_find(line, ' ');
    struct slice rest = slice_trim(slice_sub(line, space, line.len));
    size_t second = slice_find(rest, ' ');
    struct slice name = slice_sub(line, 0, space);
    struct slice password = slice_sub(rest, 0, second);
    struct slice full = slice_trim(slice_sub(rest, second, rest.len));
    json_t *account = json_pack("{s:s%, s:s%, s:s%}", "name", name.ptr, name.len, "password",
                                password.len > 0 ? password.ptr : "", password.len, "full_name",
                                full.len > 0 ? full.ptr : "", full.len);

    if (account == NULL)
        return ctl_fail(EX_DATAERR, "%s:%u: not UTF-8", accounts->path, accounts->line_no);
    if (password.len == 0) {
        json_decref(account);
        return ctl_fail(EX_DATAERR, "%s:%u: no password; write name password [full name]",
                        accounts->path, accounts->line_no);
    }
    json_array_append_new(accounts->batch, account);
    return EX_OK;
}

static int send_accounts(struct accounts *accounts)
{
    size_t count = json_array_size(accounts->batch);

    if (count == 0)
        return EX_OK;
    int exit = ctl_post(accounts->ctl, "/v1/account/import",
                        json_pack("{s:O}", "accounts", accounts->batch), NULL);
    json_array_clear(accounts->batch);
    if (exit == EX_OK)
        accounts->added += count;
    if (isatty(STDERR_FILENO))
        fprintf(stderr, "\r%llu accounts", (unsigned long long)accounts->added);
    return exit;
}

static int read_accounts(struct accounts *accounts)
{
    char line[2000];
    int exit = EX_OK;

    while (exit == EX_OK && fgets(line, sizeof(line), accounts->file) != NULL) {
        struct slice text = slice_trim(slice_str(line));

        accounts->line_no++;
        if (text.len > 0 && text.ptr[0] != '#')
            exit = add_line(accounts, text);
        if (exit == EX_OK && json_array_size(accounts->batch) == ACCOUNTS_BATCH)
            exit = send_accounts(accounts);
    }
    return exit == EX_OK ? send_accounts(accounts) : exit;
}

static int import_accounts(struct ctl *ctl)
{
    struct accounts accounts = {.ctl = ctl, .path = ctl->args[0], .batch = json_array()};
    bool standard = strcmp(ctl->args[0], "-") == 0;

    accounts.file = standard ? stdin : fopen(ctl->args[0], "re");
    if (accounts.file == NULL) {
        json_decref(accounts.batch);
        return ctl_fail(EX_NOINPUT, "%s: %s", ctl->args[0], strerror(errno));
    }
    int exit = read_accounts(&accounts);
    if (isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    printf("%llu accounts added\n", (unsigned long long)accounts.added);
    json_decref(accounts.batch);
    if (!standard)
        fclose(accounts.file);
    return exit;
}

int ctl_cmd_account_import(struct ctl *ctl)
{
    if (ctl_has(ctl, CTL_OPT_MAILDIR) || ctl_has(ctl, CTL_OPT_MBOX))
        return import_mail(ctl);
    return import_accounts(ctl);
}
