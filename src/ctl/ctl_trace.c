#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_queue.h"
#include "ctl/ctl_stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What an event says to a person: $key stands for a field of the line. The first row whose event
 * and field fit counts. */
static const struct {
    const char *event;
    const char *having; /* a field that it must have; NULL: none */
    const char *text;
} texts[] = {
    {"smtp_accepted", "xguid",
     "taken from $from by $origin, peer $peer: $rcpts recipients, $bytes bytes, guid $guid; there "
     "it is $xguid"},
    {"smtp_known", NULL, "handed over once more by $server: $known of $rcpts recipients are known"},
    {"smtp_accepted", NULL,
     "taken from $from by $origin, peer $peer: $rcpts recipients, $bytes bytes, guid $guid"},
    {"imap_appended", NULL, "put by $account into folder $folder, UID $uid, guid $guid"},
    {"spooled", NULL, "taken into the spool, PostgreSQL was away"},
    {"spool_moved", NULL, "moved from the spool into the store"},
    {"delivered", NULL, "delivered to $account, folder $folder"},
    {"queued", NULL, "$to: queued ($id) for \"$destination\": $why"},
    {"sent", NULL, "$to: taken over by another server at try $attempts: $answer"},
    {"deferred", NULL, "$to: put off at try $attempts: $answer"},
    {"failed", NULL, "$to: failed: $answer"},
    {"rerouted", NULL, "$to: goes another way now: $by"},
    {"reported", NULL, "report ($kind) made to $to, guid $report"},
    {"dropped", "who", "$to: dropped, by an administrator ($who)"},
    {"dropped", NULL, "$to: over ($kind), no report was wanted: $answer"},
    {"queue_changed", NULL, "$to: $what, by an administrator ($who)"},
    {"destination_down", NULL, "\"$destination\" does not answer: $answer"},
    {"destination_up", NULL, "\"$destination\" answers again"},
};

struct tracing {
    struct ctl *ctl;
    json_t *events;
    json_t *queued;
    json_t *lies;
    bool whole; /* the last line came */
    bool more;
};

static enum st take(void *ctx, json_t *object)
{
    struct tracing *t = ctx;
    const struct {
        const char *kind;
        json_t *list;
    } kinds[] = {{"event", t->events}, {"queued", t->queued}, {"lies", t->lies}};
    const json_t *end = json_object_get(object, "end");

    for (size_t i = 0; i < COUNT(kinds); i++) {
        json_t *json = json_object_get(object, kinds[i].kind);

        if (json != NULL)
            json_array_append(kinds[i].list, json);
    }
    t->whole = t->whole || end != NULL;
    t->more = t->more || json_is_true(json_object_get(end, "more"));
    return ST_OK;
}

/* --- in order --- */

struct event {
    json_t *json;
    int64_t at_ms;
    size_t number; /* as they came */
};

int ctl_trace_order(int64_t x_ms, size_t x_number, int64_t y_ms, size_t y_number)
{
    if (x_ms != y_ms)
        return x_ms < y_ms ? -1 : 1;
    return (x_number > y_number) - (x_number < y_number);
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;

    return ctl_trace_order(x->at_ms, x->number, y->at_ms, y->number);
}

/* What began a message, or a report, is logged when all of it was done. It is told before that. */
static void move_forward(struct event *event, const json_t *events)
{
    const char *name = json_string_value(json_object_get(event->json, "event"));
    bool came = name != NULL && strcmp(name, "smtp_accepted") == 0;
    const json_t *of = json_object_get(event->json, came ? "message" : "report");
    size_t i;
    json_t *other;

    if (of == NULL)
        return;
    json_array_foreach(events, i, other)
    {
        int64_t at_ms = json_integer_value(json_object_get(other, "at_ms"));

        if (at_ms <= event->at_ms && json_equal(json_object_get(other, "message"), of)) {
            event->at_ms = at_ms;
            event->number = 0;
        }
    }
    json_object_set_new(event->json, "at_ms", json_integer(event->at_ms));
}

static json_t *sorted(struct ctl *ctl, const json_t *events)
{
    size_t count = json_array_size(events);
    struct event *list = arena_many(ctl->arena, struct event, count + 1);
    json_t *result = json_array();

    for (size_t i = 0; i < count; i++) {
        list[i].json = json_array_get(events, i);
        list[i].at_ms = json_integer_value(json_object_get(list[i].json, "at_ms"));
        list[i].number = i + 1;
        move_forward(&list[i], events);
    }
    qsort(list, count, sizeof(list[0]), by_time);
    for (size_t i = 0; i < count; i++)
        json_array_append(result, list[i].json);
    return result;
}

/* --- told --- */

static const char *template_of(const char *name, const json_t *event)
{
    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(texts[i].event, name) == 0 &&
            (texts[i].having == NULL || json_object_get(event, texts[i].having) != NULL))
            return texts[i].text;
    return "$event";
}

void ctl_trace_fill(struct ctl *ctl, const char *template, const json_t *event, struct buf *out)
{
    while (*template != '\0') {
        size_t len = strcspn(template, "$");
        char key[32] = "";

        buf_put(out, (struct slice){template, len});
        template += len;
        if (*template == '\0')
            return;
        len = strspn(++template, "abcdefghijklmnopqrstuvwxyz_");
        snprintf(key, sizeof(key), "%.*s", (int)len, template);
        const char *value = ctl_json_text(ctl->arena, event, key);
        bool address = strcmp(key, "from") == 0 || strcmp(key, "to") == 0;
        buf_put(out, value[0] == '\0' && address ? SLICE("<>") : slice_str(value));
        template += len;
    }
}

static void print_event(struct ctl *ctl, const json_t *event)
{
    const char *name = ctl_json_text(ctl->arena, event, "event");
    int64_t at_ms = json_integer_value(json_object_get(event, "at_ms"));
    char room[CTL_TIME_BYTES];
    AUTO(buf) struct buf text = BUF(64 * KIB);

    ctl_trace_fill(ctl, template_of(name, event), event, &text);
    printf("%s.%03d  %s%s\n", ctl_time(room, at_ms), (int)(at_ms % 1000),
           json_object_get(event, "about") != NULL ? "    report: " : "", text.ptr);
}

static void print_where(struct ctl *ctl, const struct tracing *t)
{
    size_t i;
    json_t *at;

    puts("\nnow");
    json_array_foreach(t->queued, i, at)
        printf("  queued %s: %s, %s, next try: %s\n", ctl_json_text(ctl->arena, at, "id"),
               ctl_json_text(ctl->arena, at, "to"), ctl_json_text(ctl->arena, at, "state"),
               ctl_queue_next(ctl->arena, at));
    json_array_foreach(t->lies, i, at)
        printf("  %saccount %s, folder %s, UID %llu\n",
               json_object_get(at, "about") != NULL ? "report: " : "",
               ctl_json_text(ctl->arena, at, "account"), ctl_json_text(ctl->arena, at, "folder"),
               (unsigned long long)ctl_json_number(at, "uid"));
    if (json_array_size(t->queued) + json_array_size(t->lies) == 0)
        puts("  nowhere here any more");
    if (t->more)
        puts("  this is not all: the message has more recipients and reports than are followed");
}

static void print(struct tracing *t)
{
    json_t *events = sorted(t->ctl, t->events);
    size_t i;
    json_t *event;

    json_array_foreach(events, i, event) print_event(t->ctl, event);
    json_decref(events);
    print_where(t->ctl, t);
}

int ctl_cmd_trace(struct ctl *ctl)
{
    struct tracing t = {
        .ctl = ctl, .events = json_array(), .queued = json_array(), .lies = json_array()};
    json_t *query = json_pack("{s:s}", "message", ctl->args[0]);
    int exit = query == NULL ? ctl_fail(EX_DATAERR, "the Message-ID is not UTF-8")
                             : ctl_stream_get(ctl, "/v1/trace", query, take, &t);

    if (exit == EX_OK && !t.whole)
        exit = ctl_fail(EX_IOERR, "the record or the store cannot be read");
    if (exit == EX_OK && ctl_has(ctl, CTL_OPT_JSON))
        ctl_print_json(json_pack("{s:o, s:O, s:O, s:b}", "events", sorted(ctl, t.events), "queued",
                                 t.queued, "lies", t.lies, "more", t.more));
    else if (exit == EX_OK)
        print(&t);
    json_decref(t.events);
    json_decref(t.queued);
    json_decref(t.lies);
    return exit;
}
