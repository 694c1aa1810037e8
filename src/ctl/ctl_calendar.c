#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_lines.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"
#include "ical/ical_time.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TABLE_BYTES_MAX (256 * MIB)
#define PAGE_ROWS 200

static int not_utf8(void)
{
    return ctl_fail(EX_DATAERR, "a name is not UTF-8");
}

/* --- list --- */

static const char *shares_of(struct ctl *ctl, const json_t *list)
{
    AUTO(buf) struct buf text = BUF(64 * KIB);
    size_t i;
    json_t *share;

    json_array_foreach(list, i, share)
        buf_putf(&text, "%s%s %s", i > 0 ? ", " : "", ctl_json_text(ctl->arena, share, "grantee"),
                 ctl_json_text(ctl->arena, share, "rights"));
    return slice_cstr(ctl->arena, buf_slice(&text));
}

static const char *marks_of(struct ctl *ctl, const json_t *calendar)
{
    AUTO(buf) struct buf text = BUF(200);

    if (strcmp(ctl_json_text(ctl->arena, calendar, "kind"), "inbox") == 0)
        buf_put(&text, SLICE("inbox"));
    if (json_is_true(json_object_get(calendar, "default")))
        buf_put(&text, SLICE("default"));
    if (json_is_true(json_object_get(calendar, "transparent")))
        buf_putf(&text, "%stransparent", text.len > 0 ? ", " : "");
    return slice_cstr(ctl->arena, buf_slice(&text));
}

static void print_calendars(struct ctl *ctl, const json_t *calendars)
{
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);
    struct ctl_table *table =
        ctl_table_new(ctl->arena, "ACCOUNT,CALENDAR,TITLE,COLOR,>OBJECTS,IS,SHARED");
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *calendar;

    json_array_foreach(calendars, i, calendar)
    {
        ctl_table_cell(table, ctl_json_text(ctl->arena, calendar, "account"));
        ctl_table_cell(table, ctl_json_text(ctl->arena, calendar, "name"));
        ctl_table_cell(table, ctl_json_text(ctl->arena, calendar, "title"));
        ctl_table_cell(table, ctl_json_text(ctl->arena, calendar, "color"));
        ctl_table_cell(table, ctl_table_number(room, ctl_json_number(calendar, "objects")));
        ctl_table_cell(table, marks_of(ctl, calendar));
        ctl_table_cell(table, shares_of(ctl, json_object_get(calendar, "shares")));
    }
    ctl_table_write(table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
}

int ctl_cmd_calendar_list(struct ctl *ctl)
{
    json_t *query = ctl->arg_count > 0 ? json_pack("{s:s}", "name", ctl->args[0]) : NULL;
    json_t *reply;
    size_t i;
    json_t *account;

    if (ctl->arg_count > 0 && query == NULL)
        return not_utf8();
    int exit = ctl_get(ctl, "/v1/calendar/list", query, &reply);
    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    print_calendars(ctl, json_object_get(reply, "calendars"));
    json_array_foreach(json_object_get(reply, "accounts"), i, account)
    {
        const json_t *delegates = json_object_get(account, "delegates");

        if (json_array_size(delegates) > 0)
            printf("all calendars of %s: %s\n", ctl_json_text(ctl->arena, account, "name"),
                   shares_of(ctl, delegates));
    }
    json_decref(reply);
    return EX_OK;
}

/* --- show --- */

struct showing {
    struct ctl *ctl;
    struct arena *arenas[2]; /* of this page and of the one before */
    unsigned page;
    struct ctl_table *table;
    size_t rows;
    json_t *list; /* for --json */
    bool one;
    bool found;
};

static const char *moment(char room[32], const json_t *object, const char *key)
{
    int64_t at_s = (int64_t)json_integer_value(json_object_get(object, key));
    struct ical_civil t = ical_civil(at_s);

    if (at_s <= ICAL_LOCAL_MIN || at_s >= ICAL_LOCAL_MAX)
        return at_s < 0 ? "always" : "no end";
    snprintf(room, 32, "%04d-%02d-%02d %02d:%02dZ", (int)t.year, t.month, t.day, t.hour, t.minute);
    return room;
}

static void write_page(struct showing *s)
{
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);

    ctl_table_write(s->table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    s->page ^= 1;
    arena_reset(s->arenas[s->page]);
    s->table = ctl_table_more(s->arenas[s->page], s->table);
    s->rows = 0;
}

static void put_row(struct showing *s, const json_t *object)
{
    struct arena *arena = s->arenas[s->page];
    char room[32];
    AUTO(buf) struct buf marks = BUF(100);

    if (s->table == NULL)
        s->table = ctl_table_new(arena, "BEGINS,ENDS,WHAT,NAME,IS");
    ctl_table_cell(s->table, moment(room, object, "first_s"));
    ctl_table_cell(s->table, moment(room, object, "last_s"));
    ctl_table_cell(s->table, ctl_json_text(arena, object, "summary"));
    ctl_table_cell(s->table, ctl_json_text(arena, object, "name"));
    buf_putf(&marks, "%s%s%s%s", ctl_json_text(arena, object, "kind"),
             json_is_true(json_object_get(object, "repeats")) ? ", repeats" : "",
             json_is_true(json_object_get(object, "private")) ? ", private" : "",
             json_is_true(json_object_get(object, "invites")) ? ", meeting" : "");
    ctl_table_cell(s->table, marks.ptr);
    if (++s->rows == PAGE_ROWS)
        write_page(s);
}

static enum st take_object(void *ctx, json_t *object)
{
    struct showing *s = ctx;
    const json_t *text = json_object_get(object, "text");

    if (json_object_get(object, "found") != NULL) {
        s->found = json_is_true(json_object_get(object, "found"));
        return ST_OK;
    }
    if (s->list != NULL)
        json_array_append(s->list, object);
    else if (text != NULL)
        fputs(isatty(STDOUT_FILENO) == 1
                  ? ctl_lines_text(s->ctl->arena, slice_str(json_string_value(text)))
                  : json_string_value(text),
              stdout);
    else
        put_row(s, object);
    return ST_OK;
}

int ctl_cmd_calendar_show(struct ctl *ctl)
{
    struct showing s = {.ctl = ctl, .one = ctl->arg_count > 2};
    json_t *query = json_pack("{s:s, s:s}", "name", ctl->args[0], "calendar", ctl->args[1]);

    if (query == NULL)
        return not_utf8();
    if (s.one)
        json_object_set_new(query, "event", json_string(ctl->args[2]));
    s.list = ctl_has(ctl, CTL_OPT_JSON) ? json_array() : NULL;
    s.arenas[0] = arena_new("calendar show", 64 * MIB);
    s.arenas[1] = arena_new("calendar show", 64 * MIB);
    int exit = ctl_stream_get(ctl, "/v1/calendar/show", query, take_object, &s);
    if (exit == EX_OK && s.rows > 0)
        write_page(&s);
    if (exit == EX_OK && s.one && !s.found)
        exit = ctl_fail(EX_NOUSER, "%s: the calendar %s has no such object", ctl->args[2],
                        ctl->args[1]);
    else if (exit == EX_OK && s.list != NULL)
        exit = ctl_print_json(json_incref(s.list));
    else if (exit == EX_OK && !s.found)
        puts("nothing");
    json_decref(s.list);
    arena_free(&s.arenas[0]);
    arena_free(&s.arenas[1]);
    return exit;
}

/* --- log --- */

int ctl_cmd_calendar_log(struct ctl *ctl)
{
    json_t *query = json_pack("{s:s}", "name", ctl->args[0]);
    json_t *reply;
    size_t i;
    json_t *line;

    if (query == NULL)
        return not_utf8();
    if (ctl_has(ctl, CTL_OPT_LIMIT))
        json_object_set_new(query, "limit", json_string(ctl_value(ctl, CTL_OPT_LIMIT)));
    int exit = ctl_get(ctl, "/v1/calendar/log", query, &reply);
    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    json_array_foreach(json_object_get(reply, "lines"), i, line)
    {
        char room[CTL_TIME_BYTES];

        printf("%s  %s  (%s)\n", ctl_time(room, (int64_t)ctl_json_number(line, "at_ms")),
               ctl_json_text(ctl->arena, line, "text"), ctl_json_text(ctl->arena, line, "uid"));
    }
    json_decref(reply);
    return EX_OK;
}
