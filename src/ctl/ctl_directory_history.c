#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_diff.h"
#include "ctl/ctl_directory.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TABLE_BYTES_MAX (1 * MIB)

static int get_versions(struct ctl *ctl, bool texts, json_t **reply_r)
{
    json_t *query = ctl_directory_subject(ctl);

    if (query == NULL)
        return ctl_directory_not_utf8();
    if (texts)
        json_object_set_new(query, "texts", json_string("yes"));
    return ctl_get(ctl, "/v1/directory/history", query, reply_r);
}

static const char *what_it_was(const json_t *version)
{
    if (json_is_true(json_object_get(version, "lost")))
        return "lost: changed elsewhere at the same time";
    return json_is_true(json_object_get(version, "removed")) ? "removed" : "";
}

int ctl_cmd_directory_history(struct ctl *ctl)
{
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);
    struct ctl_table *table = ctl_table_new(ctl->arena, ">N,CHANGED,SERVER,BY,>SIZE,NOTE");
    char time[CTL_TIME_BYTES];
    char quantity[CTL_QUANTITY_BYTES];
    char number[24];
    json_t *reply;
    json_t *version;
    size_t i;
    int exit = get_versions(ctl, false, &reply);

    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    json_array_foreach(json_object_get(reply, "versions"), i, version)
    {
        snprintf(number, sizeof(number), "%zu", i + 1);
        ctl_table_cell(table, number);
        ctl_table_cell(table, ctl_time(time, (int64_t)ctl_json_number(version, "modified_ms")));
        ctl_table_cell(table, ctl_json_text(ctl->arena, version, "server"));
        ctl_table_cell(table, ctl_json_text(ctl->arena, version, "editor"));
        ctl_table_cell(table, ctl_table_size(quantity, ctl_json_number(version, "bytes")));
        ctl_table_cell(table, what_it_was(version));
    }
    ctl_table_write(table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    json_decref(reply);
    return EX_OK;
}

/* --- diff --- */

/* The version that the argument names, counted from 1; where it is not given the one of this
 * number. */
static int read_number(const struct ctl *ctl, size_t arg, uint64_t otherwise, uint64_t *number_r)
{
    *number_r = otherwise;
    if (arg < ctl->arg_count &&
        (slice_to_u64(slice_str(ctl->args[arg]), number_r) != ST_OK || *number_r == 0))
        return ctl_fail(EX_USAGE, "%s is not a version; directory history numbers them from 1",
                        ctl->args[arg]);
    return EX_OK;
}

static const char *title(struct ctl *ctl, const json_t *version, uint64_t number)
{
    char time[CTL_TIME_BYTES];
    AUTO(buf) struct buf text = BUF(4 * KIB);

    buf_putf(&text, "%s %s version %" PRIu64 " %s %s", ctl->args[0], ctl->args[1], number,
             ctl_time(time, (int64_t)ctl_json_number(version, "modified_ms")),
             ctl_json_text(ctl->arena, version, "server"));
    return slice_cstr(ctl->arena, buf_slice(&text));
}

static struct slice text_of(const json_t *version)
{
    return slice_str(json_string_value(json_object_get(version, "text")));
}

static int print_diff(struct ctl *ctl, const json_t *versions, uint64_t old, uint64_t now)
{
    AUTO(buf) struct buf out = BUF(64 * MIB);
    size_t count = json_array_size(versions);

    if (old == count + 1 && now == count)
        return ctl_fail(EX_NOUSER, "%s %s has one version; there is nothing to compare it with",
                        ctl->args[0], ctl->args[1]);
    if (old > count || now > count)
        return ctl_fail(EX_NOUSER, "%s %s has %zu versions", ctl->args[0], ctl->args[1], count);
    const json_t *a = json_array_get(versions, old - 1);
    const json_t *b = json_array_get(versions, now - 1);
    ctl_diff(ctl->arena, text_of(a), text_of(b), title(ctl, a, old), title(ctl, b, now), &out);
    if (out.len > 0)
        fwrite(out.ptr, 1, out.len, stdout);
    return EX_OK;
}

int ctl_cmd_directory_diff(struct ctl *ctl)
{
    uint64_t old;
    uint64_t now;
    json_t *reply;
    int exit = read_number(ctl, 2, 2, &old);

    if (exit == EX_OK)
        exit = read_number(ctl, 3, 1, &now);
    if (exit == EX_OK)
        exit = get_versions(ctl, true, &reply);
    if (exit != EX_OK)
        return exit;
    exit = print_diff(ctl, json_object_get(reply, "versions"), old, now);
    json_decref(reply);
    return exit;
}

/* --- lint --- */

int ctl_cmd_directory_lint(struct ctl *ctl)
{
    json_t *reply;
    json_t *finding;
    size_t i;
    int exit = ctl_get(ctl, "/v1/directory/lint", NULL, &reply);

    if (exit != EX_OK)
        return exit;
    size_t count = json_array_size(json_object_get(reply, "findings"));
    if (ctl_has(ctl, CTL_OPT_JSON)) {
        ctl_print_json(reply);
        return count > 0 ? EX_DATAERR : EX_OK;
    }
    json_array_foreach(json_object_get(reply, "findings"), i, finding) printf(
        "%s %s: %s\n", ctl_json_text(ctl->arena, finding, "kind"),
        ctl_json_text(ctl->arena, finding, "name"), ctl_json_text(ctl->arena, finding, "finding"));
    json_decref(reply);
    fflush(stdout);
    return count == 0 ? EX_OK : ctl_fail(EX_DATAERR, "%zu findings", count);
}
