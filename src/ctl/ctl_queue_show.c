#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "ctl/ctl_client.h"
#include "ctl/ctl_queue.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"
#include "sys/sys_time.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static void print_field(const char *name, const char *text)
{
    if (text[0] != '\0')
        printf("%-12s %s\n", name, text);
}

static void print_envelope(struct ctl *ctl, const json_t *message)
{
    const char *from = ctl_json_text(ctl->arena, message, "from");
    int64_t accepted_ms = (int64_t)ctl_json_number(message, "accepted_ms");
    char room[CTL_TIME_BYTES];
    char age[CTL_QUANTITY_BYTES];

    printf("%-12s %llu\n", "id", (unsigned long long)ctl_json_number(message, "id"));
    print_field("guid", ctl_json_text(ctl->arena, message, "guid"));
    print_field("message-id", ctl_json_text(ctl->arena, message, "message_id"));
    print_field("from", from[0] != '\0' ? from : "<>");
    print_field("came by", ctl_json_text(ctl->arena, message, "origin"));
    printf("%-12s %s, %s ago\n", "came", ctl_time(room, accepted_ms),
           ctl_table_duration(age, (uint64_t)(sys_now_ms() - accepted_ms)));
    print_field("size", ctl_table_size(age, ctl_json_number(message, "bytes")));
    print_field("priority", ctl_json_text(ctl->arena, message, "priority"));
    print_field("copy on", ctl_json_text(ctl->arena, message, "copy"));
    print_field("envid", ctl_json_text(ctl->arena, message, "envid"));
    if (json_is_true(json_object_get(message, "report")))
        print_field("kind", "a delivery report of this server's");
}

static void print_recipient(struct ctl *ctl, const json_t *row)
{
    const char *answer = ctl_json_text(ctl->arena, row, "answer");
    const char *answer_of = ctl_json_text(ctl->arena, row, "answer_of");

    printf("\n%-12s %s\n", ctl_json_text(ctl->arena, row, "id"),
           ctl_json_text(ctl->arena, row, "to"));
    printf("  %-10s %s, tried %llu times, next try: %s\n", "state",
           ctl_json_text(ctl->arena, row, "state"),
           (unsigned long long)ctl_json_number(row, "attempts"), ctl_queue_next(ctl->arena, row));
    printf("  %-10s %s%s\n", "goes to", ctl_json_text(ctl->arena, row, "destination"),
           json_is_true(json_object_get(row, "here")) ? "" : " (in the hands of another server)");
    if (answer[0] != '\0')
        printf("  %-10s %s%s\n", "answer", answer,
               strcmp(answer_of, "destination") == 0 ? " (of the destination, which is down)" : "");
}

static void print_header(struct ctl *ctl, const json_t *message)
{
    const json_t *header = json_object_get(message, "header");
    struct slice rest = {json_string_value(header), json_string_length(header)};
    struct slice line;

    putchar('\n');
    while (slice_split(&rest, '\n', &line))
        if (line.len > 0)
            printf("  %s%s\n", line.ptr[0] == ' ' || line.ptr[0] == '\t' ? "    " : "",
                   ctl_text(ctl->arena, slice_trim(line)));
}

int ctl_cmd_queue_show(struct ctl *ctl)
{
    json_t *reply;
    size_t i;
    json_t *row;
    int exit = ctl_get(ctl, "/v1/queue/show", json_pack("{s:s}", "id", ctl->args[0]), &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    print_envelope(ctl, reply);
    json_array_foreach(json_object_get(reply, "recipients"), i, row) print_recipient(ctl, row);
    print_header(ctl, reply);
    json_decref(reply);
    return EX_OK;
}

/* --- export --- */

struct exporting {
    const char *path; /* NULL: standard output */
    FILE *file;       /* made with the first bytes: not for a message that is not there */
};

static enum st write_bytes(void *ctx, struct slice bytes)
{
    struct exporting *exporting = ctx;

    if (exporting->file == NULL)
        exporting->file = exporting->path != NULL ? fopen(exporting->path, "wxe") : stdout;
    if (exporting->file == NULL)
        return ST_IO;
    return fwrite(bytes.ptr, 1, bytes.len, exporting->file) == bytes.len ? ST_OK : ST_IO;
}

int ctl_cmd_queue_export(struct ctl *ctl)
{
    struct exporting exporting = {.path = ctl->arg_count > 1 ? ctl->args[1] : NULL};
    AUTO(buf) struct buf url = BUF(4 * KIB);
    AUTO(buf) struct buf why = BUF(4 * KIB);

    if (exporting.path != NULL && strcmp(exporting.path, "-") == 0)
        exporting.path = NULL;
    umask(077); /* it is somebody's mail */
    ctl_url(ctl, "/v1/queue/export", json_pack("{s:s}", "id", ctl->args[0]), &url);
    errno = 0;
    int exit = ctl_client_run(
        ctl->client, &(struct ctl_request){.path = url.ptr, .take = write_bytes, .ctx = &exporting},
        &why);
    int error = errno;
    bool file = exporting.path != NULL && exporting.file != NULL;
    if (file && fclose(exporting.file) != 0 && exit == EX_OK)
        return ctl_fail(EX_IOERR, "%s: %s", exporting.path, strerror(errno));
    if (exit == EX_IOERR && why.len == 0 && exporting.path != NULL)
        return ctl_fail(EX_CANTCREAT, "%s: %s", exporting.path, strerror(error));
    if (exit != EX_OK)
        return ctl_fail(exit, "%s", why.len > 0 ? why.ptr : "the message broke off");
    if (file)
        fprintf(stderr, "%s: written to %s\n", ctl->args[0], exporting.path);
    return EX_OK;
}
