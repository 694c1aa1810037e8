#include "ctl/ctl_freebusy.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_moment.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"
#include "sys/sys_time.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define PICTURE_BYTES_MAX (64 * MIB)
#define DAY_S INT64_C(86400)
#define FIND_DAYS 7

static int64_t seconds_of(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

/* --- what is asked --- */

static int put_moment(struct ctl *ctl, enum ctl_opt_id id, int64_t usual_s, const char *key,
                      json_t *args)
{
    const char *text = ctl_value(ctl, id);
    int64_t ms = usual_s * 1000;

    if (text != NULL && ctl_moment_parse(text, id == CTL_OPT_TO, &ms) != ST_OK)
        return ctl_fail(EX_USAGE, "--%s %s: not a time; write 2026-12-24 or \"2026-12-24 17:30\"",
                        ctl_opts[id].name, text);
    json_object_set_new(args, key, json_integer((json_int_t)(ms / 1000)));
    return EX_OK;
}

/* Without --from today, or, where times are looked for, what is left of it. */
static int64_t usual_from_s(const struct ctl *ctl)
{
    const time_t now = (time_t)(sys_now_ms() / 1000);
    struct tm tm;

    if (ctl_has(ctl, CTL_OPT_FIND))
        return now;
    localtime_r(&now, &tm);
    tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
    tm.tm_isdst = -1;
    return mktime(&tm);
}

static int put_length(struct ctl *ctl, json_t *args)
{
    const char *text = ctl_value(ctl, CTL_OPT_FIND);
    uint64_t ms;

    if (text == NULL)
        return EX_OK;
    if (ctl_age_parse(text, &ms) != ST_OK)
        return ctl_fail(EX_USAGE, "--find %s: not a length of time; write 30min, 1h or 2d", text);
    json_object_set_new(args, "find_ms", json_integer((json_int_t)ms));
    return EX_OK;
}

static int make_args(struct ctl *ctl, json_t **args_r)
{
    json_t *people = json_array();
    json_t *args = json_pack(
        "{s:o, s:s*, s:s*, s:s*, s:b, s:b}", "attendees", people, "as", ctl_value(ctl, CTL_OPT_AS),
        "if", ctl_value(ctl, CTL_OPT_IF), "limit", ctl_value(ctl, CTL_OPT_LIMIT), "explain",
        ctl_has(ctl, CTL_OPT_EXPLAIN), "details", ctl_has(ctl, CTL_OPT_DETAILS));
    int exit = args != NULL ? EX_OK : ctl_fail(EX_DATAERR, "a name is not UTF-8");

    for (size_t i = 0; exit == EX_OK && i < ctl->arg_count; i++)
        if (json_array_append_new(people, json_string(ctl->args[i])) != 0)
            exit = ctl_fail(EX_DATAERR, "an address is not UTF-8");
    if (exit == EX_OK)
        exit = put_moment(ctl, CTL_OPT_FROM, usual_from_s(ctl), "from_s", args);
    if (exit == EX_OK)
        exit = put_moment(ctl, CTL_OPT_TO,
                          seconds_of(args, "from_s") +
                              (ctl_has(ctl, CTL_OPT_FIND) ? FIND_DAYS * DAY_S : DAY_S),
                          "until_s", args);
    if (exit == EX_OK)
        exit = put_length(ctl, args);
    if (exit != EX_OK)
        json_decref(args);
    *args_r = args;
    return exit;
}

/* --- the picture --- */

/* What this machine's clock shows then. */
static int64_t local_of(int64_t at_s)
{
    const time_t at = (time_t)at_s;
    struct tm tm;

    localtime_r(&at, &tm);
    return at_s + tm.tm_gmtoff;
}

static struct ctl_freebusy_row *rows_of(struct ctl *ctl, const json_t *list)
{
    struct ctl_freebusy_row *rows =
        arena_many(ctl->arena, struct ctl_freebusy_row, json_array_size(list) + 1);
    size_t i;
    json_t *row;

    json_array_foreach(list, i, row)
    {
        const char *kind = ctl_json_text(ctl->arena, row, "kind");

        rows[i] = (struct ctl_freebusy_row){local_of(seconds_of(row, "start_s")),
                                            local_of(seconds_of(row, "end_s")),
                                            ctl_agenda_kind_of(kind), strcmp(kind, "unknown") == 0};
    }
    return rows;
}

static void draw(struct ctl *ctl, const json_t *reply)
{
    const json_t *list = json_object_get(reply, "attendees");
    struct ctl_freebusy_person *people =
        arena_many(ctl->arena, struct ctl_freebusy_person, json_array_size(list) + 1);
    AUTO(buf) struct buf picture = BUF(PICTURE_BYTES_MAX);
    const time_t from = (time_t)seconds_of(reply, "from_s");
    struct tm tm;
    size_t i;
    json_t *person;

    localtime_r(&from, &tm);
    json_array_foreach(list, i, person)
    {
        const json_t *busy = json_object_get(person, "busy");
        const bool known = json_object_get(person, "from_s") != NULL;

        people[i] = (struct ctl_freebusy_person){
            .name = ctl_json_text(ctl->arena, person, "address"),
            .rows = rows_of(ctl, busy),
            .count = json_array_size(busy),
            .from_s = known ? local_of(seconds_of(person, "from_s")) : 0,
            .until_s = known ? local_of(seconds_of(person, "until_s")) : 0};
    }
    ctl_freebusy_draw(&(struct ctl_freebusy){.zone = tm.tm_zone,
                                             .from_s = local_of(seconds_of(reply, "from_s")),
                                             .until_s = local_of(seconds_of(reply, "until_s")),
                                             .people = people,
                                             .count = json_array_size(list),
                                             .columns = ctl_agenda_columns(),
                                             .colors = ctl_agenda_colors()},
                      &picture);
    fwrite(picture.ptr, 1, picture.len, stdout);
}

/* --- how each answer was got --- */

static void print_answers(struct ctl *ctl, const json_t *list)
{
    AUTO(buf) struct buf out = BUF(PICTURE_BYTES_MAX);
    struct ctl_table *table = ctl_table_new(ctl->arena, "WHO,ANSWER,SOURCE,BY,>AGE,>TOOK,WHY");
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *person;

    json_array_foreach(list, i, person)
    {
        const uint64_t age_ms = ctl_json_number(person, "age_ms");

        ctl_table_cell(table, ctl_json_text(ctl->arena, person, "address"));
        ctl_table_cell(table, ctl_json_text(ctl->arena, person, "result"));
        ctl_table_cell(table, ctl_json_text(ctl->arena, person, "source"));
        ctl_table_cell(table, ctl_json_text(ctl->arena, person, "way"));
        ctl_table_cell(table, age_ms > 0 ? ctl_table_duration(room, age_ms) : "");
        snprintf(room, sizeof(room), "%llu ms",
                 (unsigned long long)ctl_json_number(person, "took_ms"));
        ctl_table_cell(table, room);
        ctl_table_cell(table, ctl_json_text(ctl->arena, person, "why"));
    }
    ctl_table_write(table, &out);
    printf("\n%.*s", SLICE_ARG(buf_slice(&out)));
}

static void print_steps(struct ctl *ctl, const json_t *list)
{
    size_t i, k;
    json_t *person, *step;

    json_array_foreach(list, i, person)
    {
        printf("\n%s\n", ctl_json_text(ctl->arena, person, "address"));
        json_array_foreach(json_object_get(person, "steps"), k, step)
            printf("%8llu ms  %s\n", (unsigned long long)ctl_json_number(step, "after_ms"),
                   ctl_json_text(ctl->arena, step, "text"));
        printf("%8llu ms  %s\n", (unsigned long long)ctl_json_number(person, "took_ms"),
               ctl_json_text(ctl->arena, person, "result"));
    }
}

static void print_span(const json_t *time)
{
    const time_t start = (time_t)seconds_of(time, "start_s");
    const time_t end = (time_t)seconds_of(time, "end_s");
    struct tm tm;
    char from[40], until[40];

    localtime_r(&start, &tm);
    (void)strftime(from, sizeof(from), "%a %Y-%m-%d %H:%M", &tm);
    const int day = tm.tm_yday;
    localtime_r(&end, &tm);
    (void)strftime(until, sizeof(until), tm.tm_yday == day ? "%H:%M" : "%a %Y-%m-%d %H:%M", &tm);
    printf("  %s–%s", from, until);
}

/* Of what is only a time nothing more is said. */
static void print_event(struct ctl *ctl, const json_t *event)
{
    const char *subject = ctl_json_text(ctl->arena, event, "subject");
    const char *place = ctl_json_text(ctl->arena, event, "place");

    print_span(event);
    printf("  %s", ctl_json_text(ctl->arena, event, "kind"));
    if (json_is_true(json_object_get(event, "private")))
        printf("  private");
    else if (subject[0] != '\0' || place[0] != '\0')
        printf("  %s%s%s", subject, subject[0] != '\0' && place[0] != '\0' ? ", " : "", place);
    puts("");
}

static void print_events(struct ctl *ctl, const json_t *list)
{
    size_t i, k;
    json_t *person, *event;

    json_array_foreach(list, i, person)
    {
        const json_t *events = json_object_get(person, "events");

        printf("\n%s\n%s", ctl_json_text(ctl->arena, person, "address"),
               events == NULL                 ? "  no more is known\n"
               : json_array_size(events) == 0 ? "  nothing\n"
                                              : "");
        json_array_foreach(events, k, event) print_event(ctl, event);
    }
}

static void print_found(struct ctl *ctl, const json_t *reply)
{
    const json_t *found = json_object_get(reply, "found");
    size_t i;
    json_t *at;

    if (found == NULL)
        return;
    puts(json_array_size(found) > 0 ? "\nall have time" : "\nno time was found");
    json_array_foreach(found, i, at)
    {
        print_span(at);
        puts("");
    }
    json_array_foreach(json_object_get(reply, "without"), i, at) printf(
        "  but nobody can say of %s\n", ctl_text(ctl->arena, slice_str(json_string_value(at))));
}

/* Scripts see whether everybody's time is known. */
static int exit_of(const json_t *list)
{
    int exit = EX_OK;
    size_t i;
    json_t *person;

    json_array_foreach(list, i, person)
    {
        const char *result = json_string_value(json_object_get(person, "result"));

        if (strcmp(result, "no data") == 0)
            exit = EX_TEMPFAIL;
        else if (exit == EX_OK && json_object_get(person, "from_s") == NULL)
            exit = strcmp(result, "denied") == 0 ? EX_NOPERM : EX_NOUSER;
    }
    return exit;
}

int ctl_cmd_freebusy(struct ctl *ctl)
{
    json_t *args;
    json_t *reply;
    int exit = make_args(ctl, &args);

    if (exit == EX_OK)
        exit = ctl_post(ctl, "/v1/freebusy", args, &reply);
    if (exit != EX_OK)
        return exit;
    const json_t *list = json_object_get(reply, "attendees");
    exit = exit_of(list);
    if (ctl_has(ctl, CTL_OPT_JSON)) {
        (void)ctl_print_json(reply);
        return exit;
    }
    draw(ctl, reply);
    print_answers(ctl, list);
    if (ctl_has(ctl, CTL_OPT_DETAILS))
        print_events(ctl, list);
    if (ctl_has(ctl, CTL_OPT_EXPLAIN))
        print_steps(ctl, list);
    print_found(ctl, reply);
    json_decref(reply);
    return exit;
}
