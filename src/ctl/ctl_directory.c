#include "ctl/ctl_directory.h"
#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_table.h"
#include "sys/sys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TABLE_BYTES_MAX (256 * MIB)

json_t *ctl_directory_subject(const struct ctl *ctl)
{
    return json_pack("{s:s, s:s}", "kind", ctl->args[0], "name", ctl->args[1]);
}

int ctl_directory_not_utf8(void)
{
    return ctl_fail(EX_DATAERR, "the kind or the name is not UTF-8");
}

const char *ctl_directory_editor(struct ctl *ctl)
{
    const char *name = getenv("SUDO_USER");
    const struct passwd *user = name == NULL || name[0] == '\0' ? getpwuid(getuid()) : NULL;

    if (user != NULL)
        name = user->pw_name;
    return name != NULL ? ctl_text(ctl->arena, slice_str(name)) : "";
}

void ctl_directory_print_seen(struct ctl *ctl, const json_t *document)
{
    const char *seen = json_string_value(json_object_get(document, "seen_by"));

    if (seen != NULL)
        printf("it may now be seen by: %s\n", ctl_text(ctl->arena, slice_str(seen)));
}

/* --- listing and showing --- */

static const char *text_of(const struct ctl *ctl, const json_t *object, const char *key)
{
    return ctl_text(ctl->arena, slice_str(json_string_value(json_object_get(object, key))));
}

static void put_time(struct ctl_table *table, const json_t *document)
{
    json_int_t ms = json_integer_value(json_object_get(document, "modified_ms"));
    time_t seconds = (time_t)(ms / 1000);
    struct tm utc;
    char text[32] = "-";

    if (ms > 0 && gmtime_r(&seconds, &utc) != NULL)
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%SZ", &utc);
    ctl_table_cell(table, text);
}

static int print_list(const struct ctl *ctl, const json_t *documents)
{
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);
    struct ctl_table *table = ctl_table_new(ctl->arena, "KIND,NAME,CHANGED,>SIZE,FAULT");
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *document;

    json_array_foreach(documents, i, document)
    {
        json_int_t bytes = json_integer_value(json_object_get(document, "bytes"));

        ctl_table_cell(table, text_of(ctl, document, "kind"));
        ctl_table_cell(table, text_of(ctl, document, "name"));
        put_time(table, document);
        ctl_table_cell(table, ctl_table_size(room, (uint64_t)bytes));
        ctl_table_cell(table, text_of(ctl, document, "fault"));
    }
    ctl_table_write(table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    return EX_OK;
}

int ctl_cmd_directory_list(struct ctl *ctl)
{
    json_t *query = ctl->arg_count > 0 ? json_pack("{s:s}", "kind", ctl->args[0]) : NULL;
    json_t *reply;

    if (ctl->arg_count > 0 && query == NULL)
        return ctl_directory_not_utf8();
    int exit = ctl_get(ctl, "/v1/directory/list", query, &reply);
    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    exit = print_list(ctl, json_object_get(reply, "documents"));
    json_decref(reply);
    return exit;
}

static int get_document(struct ctl *ctl, json_t **reply_r)
{
    json_t *query = ctl_directory_subject(ctl);

    return query == NULL ? ctl_directory_not_utf8()
                         : ctl_get(ctl, "/v1/directory/show", query, reply_r);
}

int ctl_cmd_directory_show(struct ctl *ctl)
{
    json_t *reply;
    int exit = get_document(ctl, &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    fputs(json_string_value(json_object_get(reply, "text")), stdout);
    json_decref(reply);
    return EX_OK;
}

int ctl_cmd_directory_remove(struct ctl *ctl)
{
    json_t *args = ctl_directory_subject(ctl);
    char answer[16];

    if (args == NULL)
        return ctl_directory_not_utf8();
    if (!ctl_has(ctl, CTL_OPT_YES) && isatty(STDIN_FILENO)) {
        fprintf(stderr, "Remove the %s %s? [y/N] ", ctl->args[0], ctl->args[1]);
        if (fgets(answer, sizeof(answer), stdin) == NULL ||
            (answer[0] != 'y' && answer[0] != 'Y')) {
            json_decref(args);
            return ctl_fail(EX_USAGE, "%s was not removed", ctl->args[1]);
        }
    }
    json_object_set_new(args, "editor", json_string(ctl_directory_editor(ctl)));
    int exit = ctl_post(ctl, "/v1/directory/remove", args, NULL);
    if (exit == EX_OK)
        printf("%s %s: removed\n", ctl->args[0], ctl->args[1]);
    return exit;
}

/* --- editing --- */

static int send_text(struct ctl *ctl, const struct buf *text)
{
    json_t *args =
        json_pack("{s:s, s:s, s:s%, s:s, s:b}", "kind", ctl->args[0], "name", ctl->args[1], "text",
                  text->len > 0 ? text->ptr : "", text->len, "editor", ctl_directory_editor(ctl),
                  "widen", ctl_has(ctl, CTL_OPT_WIDEN));
    json_t *reply;

    if (args == NULL)
        return ctl_fail(EX_DATAERR, "the kind, the name or the text is not UTF-8");
    int exit = ctl_post(ctl, "/v1/directory/edit", args, &reply);
    if (exit != EX_OK)
        return exit;
    printf("%s %s: %s\n", ctl->args[0], ctl->args[1],
           json_is_true(json_object_get(reply, "created")) ? "made" : "changed");
    ctl_directory_print_seen(ctl, reply);
    json_decref(reply);
    return EX_OK;
}

static int read_path(const char *path, struct buf *text)
{
    enum st st = sys_file_read(path, text);

    return st == ST_OK ? EX_OK
                       : ctl_fail(st == ST_TOO_BIG ? EX_DATAERR : EX_NOINPUT, "%s: %s", path,
                                  st == ST_TOO_BIG ? "more than 4 MiB" : strerror(errno));
}

/* Runs the person's editor on the file, as a shell would: $EDITOR may hold options. */
static int run_editor(const char *path)
{
    const char *editor = getenv("VISUAL");
    int status;

    if (editor == NULL || editor[0] == '\0')
        editor = getenv("EDITOR");
    if (editor == NULL || editor[0] == '\0')
        editor = "vi";
    pid_t pid = fork();
    if (pid == 0) {
        char command[4096];

        snprintf(command, sizeof(command), "%s \"$1\"", editor);
        execl("/bin/sh", "sh", "-c", command, "sh", path, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0
               ? EX_OK
               : ctl_fail(EX_SOFTWARE, "the editor %s failed; set EDITOR or use --file", editor);
}

/* What the editor begins with: the document, or nothing where there is none yet. */
static int current_text(struct ctl *ctl, struct buf *text)
{
    json_t *query = ctl_directory_subject(ctl);
    json_t *reply;
    size_t i;
    json_t *document;

    if (query == NULL)
        return ctl_directory_not_utf8();
    json_object_del(query, "name");
    int exit = ctl_get(ctl, "/v1/directory/list", query, &reply);
    if (exit != EX_OK)
        return exit;
    bool there = false;
    json_array_foreach(json_object_get(reply, "documents"), i, document) there |=
        strcasecmp(text_of(ctl, document, "name"), ctl->args[1]) == 0;
    json_decref(reply);
    if (!there)
        return EX_OK;
    exit = get_document(ctl, &reply);
    if (exit != EX_OK)
        return exit;
    buf_put(text, slice_str(json_string_value(json_object_get(reply, "text"))));
    json_decref(reply);
    return EX_OK;
}

static bool again(void)
{
    char answer[16];

    fputs("Edit again? [Y/n] ", stderr);
    return fgets(answer, sizeof(answer), stdin) != NULL && answer[0] != 'n' && answer[0] != 'N';
}

/* The text goes through the editor until it is taken or given up. */
static int edit_file(struct ctl *ctl, const char *path, const struct buf *before)
{
    AUTO(buf) struct buf text = BUF(CTL_DOCUMENT_BYTES_MAX);
    int exit;

    do {
        buf_clear(&text);
        exit = run_editor(path);
        if (exit == EX_OK)
            exit = read_path(path, &text);
        if (exit != EX_OK)
            return exit;
        if (slice_eq(buf_slice(&text), buf_slice(before))) {
            printf("%s %s: not changed\n", ctl->args[0], ctl->args[1]);
            return EX_OK;
        }
        exit = send_text(ctl, &text);
    } while ((exit == EX_DATAERR || exit == EX_NOPERM) && again());
    return exit;
}

static int edit_in_editor(struct ctl *ctl)
{
    AUTO(buf) struct buf before = BUF(CTL_DOCUMENT_BYTES_MAX);
    const char *dir = getenv("TMPDIR");
    char path[4096];
    int exit = current_text(ctl, &before);

    if (exit != EX_OK)
        return exit;
    snprintf(path, sizeof(path), "%s/posthorse-XXXXXX", dir != NULL ? dir : "/tmp");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return ctl_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    bool written = before.len == 0 || write(fd, before.ptr, before.len) == (ssize_t)before.len;
    close(fd);
    exit = written ? edit_file(ctl, path, &before)
                   : ctl_fail(EX_IOERR, "%s: %s", path, strerror(errno));
    unlink(path);
    return exit;
}

int ctl_cmd_directory_edit(struct ctl *ctl)
{
    AUTO(buf) struct buf text = BUF(CTL_DOCUMENT_BYTES_MAX);
    const char *path = ctl_value(ctl, CTL_OPT_FILE);

    if (path == NULL && isatty(STDIN_FILENO))
        return edit_in_editor(ctl);
    int exit = path == NULL || strcmp(path, "-") == 0 ? ctl_read_stdin(&text, "4 MiB")
                                                      : read_path(path, &text);
    return exit != EX_OK ? exit : send_text(ctl, &text);
}
