#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_directory.h"
#include "ctl/ctl_stream.h"
#include "sys/sys_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (60 * MIB)
#define SUFFIX ".ini"

/* --- writing --- */

static struct slice text_of(const json_t *document, const char *key)
{
    return slice_str(json_string_value(json_object_get(document, key)));
}

/* "[kind name]", then the document's own lines. */
static void put_document(struct buf *out, const json_t *document)
{
    struct slice text = text_of(document, "text");

    buf_putf(out, "[%.*s %.*s]\n", SLICE_ARG(text_of(document, "kind")),
             SLICE_ARG(text_of(document, "name")));
    buf_put(out, text);
    if (text.len > 0 && text.ptr[text.len - 1] != '\n')
        buf_put(out, SLICE("\n"));
}

/* A file of this name is made or takes the place of one; only its owner may read it. */
static int write_file(const char *path, struct slice bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (file == NULL)
        return ctl_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    bool written = fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
    return fclose(file) == 0 && written ? EX_OK
                                        : ctl_fail(EX_IOERR, "%s: %s", path, strerror(errno));
}

static int export_one(const json_t *documents, const char *path)
{
    AUTO(buf) struct buf out = BUF(1 * GIB);
    const json_t *document;
    size_t i;

    json_array_foreach(documents, i, document)
    {
        if (i > 0)
            buf_put(&out, SLICE("\n"));
        put_document(&out, document);
    }
    if (path != NULL && strcmp(path, "-") != 0)
        return write_file(path, buf_slice(&out));
    if (out.len > 0)
        fwrite(out.ptr, 1, out.len, stdout);
    return EX_OK;
}

/* One file for each: KIND.NAME.ini */
static int export_many(const json_t *documents, const char *dir)
{
    const json_t *document;
    size_t i;
    int exit = EX_OK;

    json_array_foreach(documents, i, document)
    {
        AUTO(buf) struct buf path = BUF(8 * KIB);
        AUTO(buf) struct buf out = BUF(2 * CTL_DOCUMENT_BYTES_MAX);

        if (exit != EX_OK)
            break;
        buf_putf(&path, "%s/%.*s.%.*s" SUFFIX, dir, SLICE_ARG(text_of(document, "kind")),
                 SLICE_ARG(text_of(document, "name")));
        put_document(&out, document);
        exit = write_file(path.ptr, buf_slice(&out));
    }
    return exit;
}

static bool is_dir(const char *path)
{
    struct stat info;

    return path != NULL && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int ctl_cmd_directory_export(struct ctl *ctl)
{
    const char *path = ctl->arg_count > 0 ? ctl->args[0] : NULL;
    json_t *query = json_pack("{s:s, s:s}", "texts", "yes", "secrets",
                              ctl_has(ctl, CTL_OPT_SECRETS) ? "yes" : "no");
    json_t *reply;
    int exit = ctl_get(ctl, "/v1/directory/list", query, &reply);

    if (exit != EX_OK)
        return exit;
    const json_t *documents = json_object_get(reply, "documents");
    exit = is_dir(path) ? export_many(documents, path) : export_one(documents, path);
    json_decref(reply);
    return exit;
}

/* --- reading --- */

/* Splits "[kind name]"; false: it is none. */
static bool split_header(struct slice line, struct slice *kind_r, struct slice *name_r)
{
    struct slice text = slice_trim(line);

    if (text.len < 2 || text.ptr[text.len - 1] != ']')
        return false;
    text = slice_sub(text, 1, text.len - 2);
    size_t blank = slice_find(text, ' ');
    *kind_r = slice_sub(text, 0, blank);
    *name_r = blank == SIZE_MAX ? SLICE("") : slice_trim(slice_sub(text, blank, text.len));
    return kind_r->len > 0 && name_r->len > 0;
}

/* The lines up to the next header, without the blank ones at their end. */
static struct slice take_body(struct slice *rest)
{
    struct slice from = *rest;
    struct slice line;
    size_t len = 0;
    size_t all = 0;

    while (rest->len > 0 && rest->ptr[0] != '[') {
        slice_split(rest, '\n', &line);
        all += line.len + (rest->ptr != NULL);
        if (slice_trim(line).len > 0)
            len = all;
        if (rest->ptr == NULL)
            break;
    }
    return slice_sub(from, 0, len);
}

static int take_documents(struct buf *text, const char *path, json_t *documents)
{
    struct slice rest = buf_slice(text);
    struct slice line;
    struct slice kind;
    struct slice name;

    for (take_body(&rest); rest.len > 0;) {
        slice_split(&rest, '\n', &line);
        if (!split_header(line, &kind, &name))
            return ctl_fail(EX_DATAERR, "%s: %.*s: write [kind name], as [group sales]", path,
                            SLICE_ARG(slice_sub(line, 0, 100)));
        struct slice body = take_body(&rest);
        json_t *document =
            json_pack("{s:s%, s:s%, s:s%}", "kind", kind.ptr, kind.len, "name", name.ptr, name.len,
                      "text", body.len > 0 ? body.ptr : "", body.len);
        if (document == NULL)
            return ctl_fail(EX_DATAERR, "%s: [%.*s %.*s] is not UTF-8", path, SLICE_ARG(kind),
                            SLICE_ARG(name));
        json_array_append_new(documents, document);
    }
    return EX_OK;
}

static int import_file(const char *path, json_t *documents)
{
    AUTO(buf) struct buf text = BUF(FILE_BYTES_MAX);
    bool input = strcmp(path, "-") == 0;
    enum st st = input ? ST_OK : sys_file_read(path, &text);
    int exit = input ? ctl_read_stdin(&text, "60 MiB") : EX_OK;

    if (st != ST_OK)
        return ctl_fail(st == ST_TOO_BIG ? EX_DATAERR : EX_NOINPUT, "%s: %s", path,
                        st == ST_TOO_BIG ? "more than 60 MiB" : strerror(errno));
    return exit != EX_OK ? exit : take_documents(&text, path, documents);
}

static int wanted(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > sizeof(SUFFIX) - 1 &&
           strcmp(entry->d_name + len - (sizeof(SUFFIX) - 1), SUFFIX) == 0;
}

static int import_dir(const char *dir, json_t *documents)
{
    struct dirent **entries;
    int count = scandir(dir, &entries, wanted, alphasort);
    int exit = EX_OK;

    if (count < 0)
        return ctl_fail(EX_NOINPUT, "%s: %s", dir, strerror(errno));
    for (int i = 0; i < count; i++) {
        char path[4096];

        snprintf(path, sizeof(path), "%s/%s", dir, entries[i]->d_name);
        if (exit == EX_OK)
            exit = import_file(path, documents);
        free(entries[i]);
    }
    free(entries);
    return exit;
}

static void print_import(struct ctl *ctl, const json_t *documents)
{
    const json_t *document;
    size_t i;
    size_t same = 0;

    json_array_foreach(documents, i, document)
    {
        const char *became = ctl_json_text(ctl->arena, document, "became");

        if (strcmp(became, "same") == 0) {
            same++;
            continue;
        }
        printf("%s %s: %s\n", ctl_json_text(ctl->arena, document, "kind"),
               ctl_json_text(ctl->arena, document, "name"), became);
        ctl_directory_print_seen(ctl, document);
    }
    if (same > 0)
        printf("%zu not changed\n", same);
}

int ctl_cmd_directory_import(struct ctl *ctl)
{
    json_t *documents = json_array();
    json_t *reply;
    int exit = is_dir(ctl->args[0]) ? import_dir(ctl->args[0], documents)
                                    : import_file(ctl->args[0], documents);

    if (exit != EX_OK) {
        json_decref(documents);
        return exit;
    }
    json_t *args = json_pack("{s:o, s:s, s:b}", "documents", documents, "editor",
                             ctl_directory_editor(ctl), "widen", ctl_has(ctl, CTL_OPT_WIDEN));
    if (args == NULL)
        return ctl_fail(EX_SOFTWARE, "the name of who runs this is not UTF-8");
    exit = ctl_post(ctl, "/v1/directory/import", args, &reply);
    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    print_import(ctl, json_object_get(reply, "documents"));
    json_decref(reply);
    return EX_OK;
}
