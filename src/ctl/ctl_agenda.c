#include "ctl/ctl_agenda.h"

#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PICTURE_BYTES_MAX (16 * MIB)
#define COLUMNS_USUAL 100
#define DAYS_MAX 62

enum ctl_agenda_kind ctl_agenda_kind_of(const char *word)
{
    static const char *const words[] = {"free", "elsewhere", "tentative", "busy", "unavailable"};

    static_assert(COUNT(words) == CTL_AGENDA_KIND_MAX, "a word for each kind");
    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(words[i], word) == 0)
            return (enum ctl_agenda_kind)i;
    return CTL_AGENDA_BUSY;
}

static int64_t seconds_of(const json_t *object, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(object, key));
}

static int by_start(const void *a, const void *b)
{
    const struct ctl_agenda_item *x = a;
    const struct ctl_agenda_item *y = b;

    if (x->start_s != y->start_s)
        return x->start_s < y->start_s ? -1 : 1;
    return (x->end_s < y->end_s) - (x->end_s > y->end_s);
}

/* One line: line ends within a summary are blanks. */
static const char *line_of(struct ctl *ctl, const json_t *object, const char *key)
{
    const char *said = json_string_value(json_object_get(object, key));
    char *text = slice_cstr(ctl->arena, slice_str(said));

    for (char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            *at = ' ';
    return text;
}

static struct ctl_agenda_item *items_of(struct ctl *ctl, const json_t *list)
{
    struct ctl_agenda_item *items =
        arena_many(ctl->arena, struct ctl_agenda_item, json_array_size(list) + 1);
    size_t i;
    json_t *object;

    json_array_foreach(list, i, object)
    {
        bool hidden = json_is_true(json_object_get(object, "private"));

        items[i] = (struct ctl_agenda_item){
            .start_s = seconds_of(object, "start_s"),
            .end_s = seconds_of(object, "end_s"),
            .all_day = json_is_true(json_object_get(object, "all_day")),
            .hidden = hidden,
            .kind = ctl_agenda_kind_of(ctl_json_text(ctl->arena, object, "kind")),
            .summary = line_of(ctl, object, "summary"),
            .location = line_of(ctl, object, "location"),
            .calendar = line_of(ctl, object, "calendar")};
    }
    qsort(items, json_array_size(list), sizeof(*items), by_start);
    return items;
}

unsigned ctl_agenda_columns(void)
{
    const char *said = getenv("COLUMNS");
    struct winsize size;
    uint64_t number;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return said != NULL && slice_to_u64(slice_str(said), &number) == ST_OK && number > 0 &&
                   number < 10000
               ? (unsigned)number
               : COLUMNS_USUAL;
}

bool ctl_agenda_colors(void)
{
    return isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == NULL;
}

static int draw(struct ctl *ctl, const json_t *reply)
{
    const json_t *list = json_object_get(reply, "instances");
    AUTO(buf) struct buf picture = BUF(PICTURE_BYTES_MAX);
    struct ctl_agenda agenda = {.name = ctl_json_text(ctl->arena, reply, "name"),
                                .zone = ctl_json_text(ctl->arena, reply, "zone"),
                                .from_s = seconds_of(reply, "from_s"),
                                .days = (unsigned)ctl_json_number(reply, "days"),
                                .now_s = seconds_of(reply, "now_s"),
                                .items = items_of(ctl, list),
                                .count = json_array_size(list),
                                .columns = ctl_agenda_columns(),
                                .colors = ctl_agenda_colors()};

    if (agenda.days == 0 || agenda.days > DAYS_MAX)
        return ctl_fail(EX_SOFTWARE, "the server's answer does not fit");
    ctl_agenda_draw(&agenda, ctl->arena, &picture);
    fwrite(picture.ptr, 1, picture.len, stdout);
    return EX_OK;
}

int ctl_cmd_calendar_agenda(struct ctl *ctl)
{
    json_t *query = json_pack("{s:s}", "name", ctl->args[0]);
    json_t *reply;

    if (query == NULL)
        return ctl_fail(EX_DATAERR, "the name is not UTF-8");
    if (ctl_has(ctl, CTL_OPT_FROM))
        json_object_set_new(query, "from", json_string(ctl_value(ctl, CTL_OPT_FROM)));
    if (ctl_has(ctl, CTL_OPT_DAYS))
        json_object_set_new(query, "days", json_string(ctl_value(ctl, CTL_OPT_DAYS)));
    int exit = ctl_get(ctl, "/v1/calendar/agenda", query, &reply);
    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    exit = draw(ctl, reply);
    json_decref(reply);
    return exit;
}
