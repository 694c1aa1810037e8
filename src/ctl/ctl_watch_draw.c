#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_queue.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"
#include "ctl/ctl_watch.h"
#include "sys/sys_time.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (64 * KIB)
#define HINT_LINES 9
#define DOWN_LINES_MAX 4
#define EYE_COLUMNS_MAX 5
#define EVENTS_MAX (CTL_WATCH_MAX * 40)

struct drawing {
    const struct ctl_watch *watch;
    struct ctl *ctl;
    struct buf *out;
    unsigned left; /* lines */
};

/* One line, cut where the terminal ends; colour: "" or an SGR number. */
static void put_line(struct drawing *d, const char *colour, struct slice text)
{
    size_t columns = d->watch->columns;
    bool terminal = isatty(STDOUT_FILENO) == 1;
    size_t end = 0;

    if (d->left == 0)
        return;
    for (size_t shown = 0; end < text.len && shown < columns; end++)
        shown += end + 1 == text.len || ((unsigned char)text.ptr[end + 1] & 0xc0) != 0x80;
    if (d->left < d->watch->lines)
        buf_put(d->out, SLICE("\n"));
    if (terminal && colour[0] != '\0')
        buf_putf(d->out, "\033[%sm", colour);
    buf_put(d->out, (struct slice){text.ptr, end});
    if (terminal && colour[0] != '\0')
        buf_put(d->out, SLICE("\033[0m"));
    if (terminal)
        buf_put(d->out, SLICE("\033[K"));
    d->left--;
}

static void say(struct drawing *d, const char *colour, const char *fmt, ...) PRINTF(3, 4);
static void say(struct drawing *d, const char *colour, const char *fmt, ...)
{
    char room[4 * KIB];
    va_list args;

    va_start(args, fmt);
    vsnprintf(room, sizeof(room), fmt, args);
    va_end(args);
    put_line(d, colour, slice_str(room));
}

/* --- servers --- */

/* How a server is in the eyes of another one. */
static const char *state_of(struct ctl *ctl, const struct ctl_watched *eye,
                            const struct ctl_watched *server)
{
    const json_t *list = json_object_get(eye->cluster, "servers");
    size_t i;
    json_t *seen;

    json_array_foreach(list, i, seen)
    {
        if (strcmp(ctl_json_text(ctl->arena, seen, "name"), server->name) == 0)
            return ctl_json_text(ctl->arena, seen, "state");
    }
    return "";
}

/* "up 10, down 1": in the eyes of all others, where there are too many for a column each. */
static const char *states_of(const struct drawing *d, const struct ctl_watched *server)
{
    static const char *const states[] = {"up", "busy", "suspect", "restricted", "down"};
    AUTO(buf) struct buf text = BUF(200);

    for (size_t s = 0; s < COUNT(states); s++) {
        unsigned count = 0;

        for (size_t i = 0; i < d->watch->count; i++)
            count += strcmp(state_of(d->ctl, &d->watch->servers[i], server), states[s]) == 0;
        if (count > 0)
            buf_putf(&text, "%s%s %u", text.len > 0 ? ", " : "", states[s], count);
    }
    return slice_cstr(d->ctl->arena, buf_slice(&text));
}

static bool is_eye(const struct ctl_watched *server)
{
    return server->conf.listen_cluster[0] != '\0';
}

/* Whether each server has a column for what it thinks. */
static bool have_columns(const struct ctl_watch *watch)
{
    size_t count = 0;

    for (size_t i = 0; i < watch->count; i++)
        count += is_eye(&watch->servers[i]);
    return count <= EYE_COLUMNS_MAX;
}

static void put_count(struct ctl_table *table, const json_t *object, const char *key)
{
    char room[CTL_QUANTITY_BYTES];

    ctl_table_cell(table, ctl_table_number(room, ctl_json_number(object, key)));
}

static void put_server(struct drawing *d, struct ctl_table *table, const struct ctl_watched *server)
{
    char room[CTL_QUANTITY_BYTES];

    ctl_table_cell(table, server->short_name);
    snprintf(room, sizeof(room), "%lld", server->pid);
    ctl_table_cell(table, server->pid > 0 ? room : "-");
    ctl_table_cell(table, server->answers ? "serves" : server->pid > 0 ? "HANGS" : "DEAD");
    for (size_t i = 0; have_columns(d->watch) && i < d->watch->count; i++) {
        const struct ctl_watched *eye = &d->watch->servers[i];

        if (is_eye(eye))
            ctl_table_cell(table, eye == server ? "-" : state_of(d->ctl, eye, server));
    }
    if (!have_columns(d->watch))
        ctl_table_cell(table, states_of(d, server));
    put_count(table, server->status, "messages_accepted");
    put_count(table, server->status, "messages_delivered");
    put_count(table, server->status, "messages_sent");
    put_count(table, json_object_get(server->status, "queue"), "recipients");
}

static const char *colour_of(const struct ctl_watched *server)
{
    return server->answers ? "" : server->pid > 0 ? "33" : "31";
}

static void put_servers(struct drawing *d)
{
    AUTO(buf) struct buf headings = BUF(4 * KIB);
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);
    struct slice line;
    size_t row = 0;

    buf_put(&headings, SLICE("server,>process,it"));
    for (size_t i = 0; have_columns(d->watch) && i < d->watch->count; i++)
        if (is_eye(&d->watch->servers[i]))
            buf_putf(&headings, ",for %s", d->watch->servers[i].short_name);
    if (!have_columns(d->watch))
        buf_put(&headings, SLICE(",for the others"));
    buf_put(&headings, SLICE(",>took,>put into mailboxes,>sent on,>waiting"));
    struct ctl_table *table = ctl_table_new(d->ctl->arena, headings.ptr);
    for (size_t i = 0; i < d->watch->count; i++)
        put_server(d, table, &d->watch->servers[i]);
    ctl_table_write(table, &text);
    struct slice rest = buf_slice(&text);
    while (slice_split(&rest, '\n', &line)) {
        if (line.len > 0)
            put_line(d, row == 0 ? "1" : colour_of(&d->watch->servers[row - 1]), line);
        row++;
    }
}

/* --- what waits --- */

static void put_down(struct drawing *d)
{
    unsigned count = 0;
    char room[CTL_QUANTITY_BYTES];

    for (size_t i = 0; i < d->watch->count; i++) {
        const json_t *queue = json_object_get(d->watch->servers[i].status, "queue");
        size_t at;
        json_t *down;

        json_array_foreach(json_object_get(queue, "down"), at, down)
        {
            if (count++ < DOWN_LINES_MAX)
                say(d, "33", "%s: %llu wait for %s, next try in %s: %s",
                    d->watch->servers[i].short_name,
                    (unsigned long long)ctl_json_number(down, "recipients"),
                    ctl_json_text(d->ctl->arena, down, "destination"),
                    ctl_table_duration(room, ctl_json_number(down, "next_in_ms")),
                    ctl_json_text(d->ctl->arena, down, "answer"));
        }
    }
}

/* --- messages --- */

struct event {
    const struct ctl_watched *server;
    const json_t *json;
    int64_t at_ms;
    size_t number;
};

static int by_time(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;

    return ctl_trace_order(x->at_ms, x->number, y->at_ms, y->number);
}

/* $key stands for a field. */
static const struct {
    const char *event;
    const char *colour;
    const char *text;
} texts[] = {
    {"smtp_accepted", "", "takes a message from $from"},
    {"delivered", "32", "puts it into $folder of $account"},
    {"queued", "", "for $to: $why"},
    {"sent", "32", "$to: sent on: $answer"},
    {"deferred", "33", "$to: put off: $answer"},
    {"failed", "31", "$to: failed: $answer"},
    {"rerouted", "36", "$to: goes another way now: $by"},
    {"reported", "33", "a report ($kind) to $to"},
    {"foreign_rewritten", "", "addresses rewritten by $document: from $from to $as"},
    {"dropped", "31", "$to: dropped"},
    {"destination_down", "33", "\"$destination\" does not answer: $answer"},
    {"destination_up", "32", "\"$destination\" answers again"},
};

static void put_event(struct drawing *d, const struct event *event)
{
    const char *name = ctl_json_text(d->ctl->arena, event->json, "event");
    const char *template = "$event";
    const char *colour = "";
    char at[CTL_TIME_BYTES];
    AUTO(buf) struct buf text = BUF(TEXT_BYTES_MAX);

    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(texts[i].event, name) == 0) {
            template = texts[i].text;
            colour = texts[i].colour;
        }
    buf_putf(&text, "%s.%03d  %-9s ", ctl_time(at, event->at_ms) + sizeof("2026-01-02"),
             (int)(event->at_ms % 1000), event->server->short_name);
    ctl_trace_fill(d->ctl, template, event->json, &text);
    put_line(d, colour, buf_slice(&text));
}

static void put_events(struct drawing *d, unsigned lines)
{
    struct event *list = arena_many(d->ctl->arena, struct event, EVENTS_MAX);
    size_t count = 0;

    for (size_t i = 0; i < d->watch->count; i++) {
        const json_t *events = json_object_get(d->watch->servers[i].events, "events");
        size_t at;
        json_t *json;

        json_array_foreach(events, at, json)
        {
            if (count < EVENTS_MAX)
                list[count] =
                    (struct event){.server = &d->watch->servers[i],
                                   .json = json,
                                   .at_ms = json_integer_value(json_object_get(json, "at_ms")),
                                   .number = count};
            count += count < EVENTS_MAX;
        }
    }
    qsort(list, count, sizeof(list[0]), by_time);
    for (size_t i = count > lines ? count - lines : 0; i < count; i++)
        put_event(d, &list[i]);
}

/* --- hints --- */

static void put_hints(struct drawing *d)
{
    const struct ctl_watched *first = &d->watch->servers[0];
    const struct ctl_watched *second = &d->watch->servers[d->watch->count > 1 ? 1 : 0];
    const char *revive = d->watch->revive;
    bool revives = strcmp(revive, "0") != 0;

    say(d, "1", "Try, in another terminal (Ctrl-C here ends all)");
    say(d, "",
        "  printf 'Subject: Hello\\n\\nHi.\\n' | curl --crlf -sS -u alice:horse smtp://%s \\",
        first->conf.listen_submission);
    say(d, "",
        "    --mail-from alice@example.test --mail-rcpt user@BTEx -T -    # or bob@example.test: "
        "mail2; carol@example.test: mail3");
    if (second->pid > 0) {
        say(d, "", "  kill -9 %-20lld # %s dies%s%s%s", second->pid, second->short_name,
            revives ? ", and is started anew after " : "", revives ? revive : "",
            revives ? " s" : "");
        say(d, "", "  kill -STOP -- -%-13lld # it hangs; kill -CONT -- -%lld: it goes on",
            second->pid, second->pid);
    }
    say(d, "", "  build/posthorse cluster show --all --dir %s", first->dir);
    say(d, "", "  build/posthorse route user@BTEx --dir %s", first->dir);
    say(d, "", "  build/posthorse freebusy alice user@BTEx --explain --dir %s", first->dir);
    say(d, "",
        "  build/posthorse directory edit foreign-domain btex-2 --dir %s   # priority = 0, say",
        first->dir);
}

void ctl_watch_draw(const struct ctl_watch *watch, struct buf *out)
{
    struct drawing d = {.watch = watch, .ctl = watch->ctl, .out = out, .left = watch->lines};
    char now[CTL_TIME_BYTES];

    say(&d, "7", " posthorse, %zu servers%*s", watch->count,
        (int)(watch->columns > 50 ? watch->columns - 24 : 0),
        ctl_time(now, sys_now_ms()) + sizeof("2026-01-02"));
    put_servers(&d);
    put_down(&d);
    say(&d, "", "%s", "");
    say(&d, "1", "Last messages");
    unsigned hints = watch->revive != NULL ? HINT_LINES : 0;
    put_events(&d, d.left > hints + 2 ? d.left - hints : 2);
    while (d.left > hints && isatty(STDOUT_FILENO) == 1)
        say(&d, "", "%s", "");
    if (hints > 0) {
        say(&d, "", "%s", "");
        put_hints(&d);
    }
    if (isatty(STDOUT_FILENO) != 1)
        buf_put(out, SLICE("\n"));
}
