#include "admin/admin_frame.h"
#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar_file.h"
#include "calendar/calendar_object.h"
#include "ctl/ctl_client.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_progress.h"
#include "ctl/ctl_save.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"
#include "ical/ical_check.h"
#include "sys/sys_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_MAX (256 * MIB)
#define OBJECT_BYTES_MAX (16 * MIB)
#define REPLY_BYTES_MAX (16 * MIB)
#define TOLD_MAX 1000 /* refused objects, and faults */

/* --- export --- */

int ctl_cmd_calendar_export(struct ctl *ctl)
{
    json_t *query = json_pack("{s:s}", "name", ctl->args[0]);
    AUTO(buf) struct buf url = BUF(16 * KIB);

    if (query != NULL && ctl->arg_count > 1)
        json_object_set_new(query, "calendar", json_string(ctl->args[1]));
    ctl_url(ctl, "/v1/calendar/export", query, &url);
    return ctl_save(ctl, url.ptr, ctl_value(ctl, CTL_OPT_OUT), "the file");
}

/* --- a file of objects --- */

struct file {
    struct ctl *ctl;
    const char *path;
    struct buf text;
    struct arena *arena;
    struct ical_comp *comps;
    struct calendar_file_object *objects;
    size_t count;
};

static int read_text(struct file *file)
{
    if (strcmp(file->path, "-") == 0)
        return ctl_read_stdin(&file->text, "256 MiB");
    enum st st = sys_file_read(file->path, &file->text);
    return st == ST_OK ? EX_OK
                       : ctl_fail(st == ST_TOO_BIG ? EX_DATAERR : EX_NOINPUT, "%s: %s", file->path,
                                  st == ST_TOO_BIG ? "more than 256 MiB" : strerror(errno));
}

static int file_open(struct ctl *ctl, const char *path, struct file *file_r)
{
    struct ical_error error;

    *file_r = (struct file){.ctl = ctl, .path = path, .text = BUF(FILE_BYTES_MAX)};
    int exit = read_text(file_r);
    if (exit != EX_OK)
        return exit;
    file_r->arena = arena_new("calendar file", calendar_file_arena_bytes(file_r->text.len));
    if (ical_parse(file_r->arena, buf_slice(&file_r->text), &calendar_file_limits, &file_r->comps,
                   &error) != ST_OK)
        return ctl_fail(EX_DATAERR, "%s:%u: %s", path, error.line, error.text);
    calendar_file_split(file_r->arena, file_r->comps, &file_r->objects, &file_r->count);
    return EX_OK;
}

static void file_close(struct file *file)
{
    buf_fini(&file->text);
    arena_free(&file->arena);
}

/* --- import --- */

struct importing {
    struct file file;
    size_t at;
    struct buf out; /* of the object that is being sent */
    size_t sent;
    struct buf reply;
    struct ctl_progress progress;
};

/* The next object with its frame. */
static bool fill(struct importing *im)
{
    AUTO(buf) struct buf text = BUF(OBJECT_BYTES_MAX);

    if (im->at == im->file.count)
        return false;
    const struct calendar_file_object *object = &im->file.objects[im->at];
    json_t *head =
        json_pack("{s:I, s:o}", "at", (json_int_t)im->at, "uid",
                  json_stringn(object->uid.len > 0 ? object->uid.ptr : "", object->uid.len));

    /* What does not fit is refused by the server as it is: too large. */
    calendar_file_write(object, &text);
    admin_frame_begin(head, &im->out);
    admin_frame_bytes(buf_slice(&text), &im->out);
    admin_frame_end(&im->out);
    json_decref(head);
    im->at++;
    ctl_progress_step(&im->progress, 1, 0);
    return true;
}

static size_t give(void *ctx, char *room, size_t cap)
{
    struct importing *im = ctx;

    if (im->sent == im->out.len) {
        buf_clear(&im->out);
        im->sent = 0;
        if (!fill(im))
            return 0;
    }
    size_t len = im->out.len - im->sent < cap ? im->out.len - im->sent : cap;
    memcpy(room, im->out.ptr + im->sent, len);
    im->sent += len;
    return len;
}

static enum st take_reply(void *ctx, struct slice bytes)
{
    return buf_add(&((struct importing *)ctx)->reply, bytes);
}

static void tell_refused(const struct importing *im, const json_t *list)
{
    struct ctl *ctl = im->file.ctl;
    size_t i;
    json_t *refused;

    json_array_foreach(list, i, refused)
    {
        size_t at = (size_t)ctl_json_number(refused, "at");
        unsigned line = (unsigned)ctl_json_number(refused, "line");

        if (at < im->file.count && i < TOLD_MAX)
            fprintf(stderr, "%s:%u: %s\n", im->file.path,
                    calendar_file_line(&im->file.objects[at], line),
                    ctl_json_text(ctl->arena, refused, "why"));
    }
}

static int tell_import(const struct importing *im)
{
    struct ctl *ctl = im->file.ctl;
    json_t *reply = json_loadb(im->reply.ptr, im->reply.len, 0, NULL);
    uint64_t refused = ctl_json_number(reply, "refused_count");
    char room[4][CTL_QUANTITY_BYTES];

    if (ctl_has(ctl, CTL_OPT_JSON)) {
        ctl_print_json(reply);
        return refused == 0 ? EX_OK : EX_DATAERR;
    }
    tell_refused(im, json_object_get(reply, "refused"));
    printf("%s's calendar %s: %s new, %s changed, %s as they were, %s refused\n", ctl->args[0],
           ctl_json_text(ctl->arena, reply, "calendar"),
           ctl_table_number(room[0], ctl_json_number(reply, "made")),
           ctl_table_number(room[1], ctl_json_number(reply, "changed")),
           ctl_table_number(room[2], ctl_json_number(reply, "same")),
           ctl_table_number(room[3], refused));
    json_decref(reply);
    return refused == 0 ? EX_OK : EX_DATAERR;
}

static int send_all(struct importing *im)
{
    struct ctl *ctl = im->file.ctl;
    json_t *query = json_pack("{s:s}", "name", ctl->args[0]);
    AUTO(buf) struct buf url = BUF(16 * KIB);
    AUTO(buf) struct buf why = BUF(4 * KIB);

    if (query == NULL)
        return ctl_fail(EX_DATAERR, "the name is not UTF-8");
    if (ctl->arg_count > 2)
        json_object_set_new(query, "calendar", json_string(ctl->args[1]));
    ctl_url(ctl, "/v1/calendar/import", query, &url);
    ctl_progress_begin(&im->progress, "objects", 0);
    im->progress.total_count = im->file.count;
    int exit = ctl_client_run(
        ctl->client,
        &(struct ctl_request){.path = url.ptr, .read = give, .take = take_reply, .ctx = im}, &why);
    ctl_progress_end(&im->progress);
    return exit == EX_OK ? tell_import(im)
                         : ctl_fail(exit, "%s", why.len > 0 ? why.ptr : "it broke off");
}

int ctl_cmd_calendar_import(struct ctl *ctl)
{
    struct importing im = {.out = BUF(2 * OBJECT_BYTES_MAX), .reply = BUF(REPLY_BYTES_MAX)};
    int exit = file_open(ctl, ctl->args[ctl->arg_count - 1], &im.file);

    if (exit == EX_OK && im.file.count == 0)
        exit = ctl_fail(EX_DATAERR, "%s: there are no events in it", im.file.path);
    if (exit == EX_OK)
        exit = send_all(&im);
    file_close(&im.file);
    buf_fini(&im.out);
    buf_fini(&im.reply);
    return exit;
}

/* --- check --- */

struct checking {
    struct ctl *ctl;
    json_t *faults; /* for --json; otherwise they are printed as they come */
    uint64_t count;
    uint64_t objects;
    bool whole; /* the last line came */
};

static void tell(struct checking *c, const char *sentence)
{
    if (++c->count > TOLD_MAX)
        return;
    if (c->faults != NULL)
        json_array_append_new(c->faults, json_string(sentence));
    else
        printf("%s\n", ctl_text(c->ctl->arena, slice_str(sentence)));
}

static void tell_line(struct checking *c, const struct file *file, unsigned line, const char *text)
{
    AUTO(buf) struct buf sentence = BUF(16 * KIB);

    buf_putf(&sentence, "%s:%u: %s", file->path, line, text);
    tell(c, sentence.ptr);
}

/* Strictly by the RFC, and then as a calendar takes it. */
static void check_object(struct checking *c, const struct file *file, struct arena *arena,
                         const struct calendar_file_object *object)
{
    const struct calendar_limits limits = {10 * MIB, UINT64_MAX};
    AUTO(buf) struct buf text = BUF(OBJECT_BYTES_MAX);
    struct calendar_object read;
    enum calendar_fault fault;
    struct ical_error error = {0};
    struct ical_comp *comps;

    arena_reset(arena);
    calendar_file_write(object, &text);
    enum st st = ical_parse(arena, buf_slice(&text), &ical_limits_default, &comps, &error);
    if (st == ST_OK)
        st = ical_check(comps, ICAL_STRICT, &error);
    if (st == ST_OK && object->comps[0]->id != ICAL_VFREEBUSY &&
        object->comps[0]->id != ICAL_VAVAILABILITY)
        st = calendar_object_read(arena, buf_slice(&text), &limits, &read, &fault, &error);
    if (st != ST_OK)
        tell_line(c, file, calendar_file_line(object, error.line), error.text);
}

static void check_objects(struct checking *c, const struct file *file)
{
    const struct calendar_limits limits = {10 * MIB, UINT64_MAX};
    struct arena *arena = arena_new("calendar check", calendar_object_arena_bytes(&limits));
    struct ical_error error;

    for (size_t i = 0; i < file->count; i++)
        check_object(c, file, arena, &file->objects[i]);
    /* Of VCALENDARs, what is in none of their objects. */
    for (const struct ical_comp *comp = file->comps; comp != NULL; comp = comp->next)
        if (comp->id != ICAL_VCALENDAR)
            tell_line(c, file, comp->line, "it is no VCALENDAR");
        else if (c->count == 0 && ical_check(comp, ICAL_STRICT, &error) != ST_OK)
            tell_line(c, file, error.line, error.text);
    arena_free(&arena);
}

static int check_file(struct ctl *ctl, struct checking *c)
{
    struct file file;
    int exit = file_open(ctl, ctl->args[0], &file);

    if (exit == EX_OK)
        check_objects(c, &file);
    c->objects = file.count;
    file_close(&file);
    return exit;
}

static enum st take_line(void *ctx, json_t *object)
{
    struct checking *c = ctx;
    const char *fault = json_string_value(json_object_get(object, "fault"));

    if (fault != NULL) {
        tell(c, fault);
        return ST_OK;
    }
    c->whole = true;
    c->objects = ctl_json_number(object, "objects");
    return ST_OK;
}

static int check_account(struct ctl *ctl, struct checking *c)
{
    json_t *query = json_pack("{s:s}", "name", ctl->args[0]);
    int exit = query != NULL ? ctl_connect(ctl) : ctl_fail(EX_DATAERR, "the name is not UTF-8");

    if (exit == EX_OK)
        exit = ctl_stream_get(ctl, "/v1/calendar/check", query, take_line, c);
    if (exit == EX_OK && !c->whole)
        exit = ctl_fail(EX_IOERR, "the check broke off: the store cannot be read");
    return exit;
}

static int tell_check(const struct checking *c)
{
    char objects[CTL_QUANTITY_BYTES];
    char faults[CTL_QUANTITY_BYTES];

    if (c->faults != NULL)
        ctl_print_json(json_pack("{s:O, s:I, s:I}", "faults", c->faults, "count",
                                 (json_int_t)c->count, "objects", (json_int_t)c->objects));
    else
        printf("%s, %s\n", ctl_table_count(objects, c->objects, "object"),
               c->count == 0 ? "no faults" : ctl_table_count(faults, c->count, "fault"));
    return c->count == 0 ? EX_OK : EX_DATAERR;
}

int ctl_cmd_calendar_check(struct ctl *ctl)
{
    struct checking c = {.ctl = ctl, .faults = ctl_has(ctl, CTL_OPT_JSON) ? json_array() : NULL};
    bool file = strcmp(ctl->args[0], "-") == 0 || strchr(ctl->args[0], '/') != NULL ||
                access(ctl->args[0], F_OK) == 0;
    int exit = file ? check_file(ctl, &c) : check_account(ctl, &c);

    if (exit == EX_OK)
        exit = tell_check(&c);
    json_decref(c.faults);
    return exit;
}
