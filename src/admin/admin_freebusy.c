#include "admin/admin_call.h"
#include "base/arena.h"
#include "calendar/calendar.h"
#include "calendar/calendar_connector.h"
#include "calendar/calendar_find.h"
#include "calendar/calendar_hours.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "sys/sys_time.h"

#include <stdio.h>

#define ATTENDEES_MAX 1000
#define SUPPOSED_MAX 64
#define WINDOW_MAX_S (366 * INT64_C(86400))
#define FIND_MAX 20
#define FIND_USUAL 5
#define FIND_STEP_S 1800
#define DAY_FROM_S (8 * INT64_C(3600))
#define DAY_UNTIL_S (18 * INT64_C(3600))

static const char *const kinds[] = {"free", "elsewhere", "tentative", "busy", "unavailable"};
static_assert(COUNT(kinds) == STORE_BUSY_KIND_MAX, "a word for each kind");

struct looking {
    struct admin_call *call;
    const struct directory *directory;
    struct calendar *calendar;
    struct calendar_connector_ask ask;
    struct calendar_connector_if *ifs;
    struct calendar_who who;
    const struct calendar_connector_answer **answers; /* by their attendees */
    json_t **steps;                                   /* likewise; NULL: nobody wants them */
};

/* --- what is asked --- */

/* As it was written; a name without a domain is one of the first domain served here. */
static enum st read_attendee(struct looking *l, const json_t *value, struct slice *attendee_r)
{
    const struct slice text = {json_string_value(value), json_string_length(value)};
    AUTO(buf) struct buf whole = BUF(8 * KIB);

    if (text.len == 0)
        return admin_refuse(l->call, ST_INVALID, "attendees is not a list of addresses");
    buf_put(&whole, text);
    if (slice_find(text, '@') >= text.len)
        buf_putf(&whole, "@%.*s", SLICE_ARG(directory_first_domain(l->directory)));
    if (whole.over)
        return admin_refuse(l->call, ST_INVALID, "an address is too long");
    *attendee_r = arena_copy(l->call->arena, buf_slice(&whole));
    return ST_OK;
}

static enum st read_attendees(struct looking *l)
{
    const json_t *list = json_object_get(l->call->args, "attendees");
    struct slice *attendees = arena_many(l->call->arena, struct slice, ATTENDEES_MAX);
    enum st st = ST_OK;

    if (json_array_size(list) == 0 || json_array_size(list) > ATTENDEES_MAX)
        return admin_refuse(l->call, ST_INVALID, "attendees are 1 to %d", ATTENDEES_MAX);
    for (; st == ST_OK && l->ask.count < json_array_size(list); l->ask.count++)
        st = read_attendee(l, json_array_get(list, l->ask.count), &attendees[l->ask.count]);
    l->ask.attendees = attendees;
    return st;
}

static enum st read_window(struct looking *l)
{
    uint64_t from_s = 0;
    uint64_t until_s = 0;
    enum st st = admin_arg_u64(l->call, "from_s", &from_s);

    if (st == ST_OK)
        st = admin_arg_u64(l->call, "until_s", &until_s);
    if (st != ST_OK)
        return st;
    if (from_s >= until_s || until_s - from_s > WINDOW_MAX_S)
        return admin_refuse(l->call, ST_INVALID,
                            "until_s must be behind from_s, and not more than 366 days");
    l->ask.from_s = (int64_t)from_s;
    l->ask.until_s = (int64_t)until_s;
    return ST_OK;
}

/* Who asks; without a name, somebody who sees what all of the organisation do. */
static enum st read_who(struct looking *l)
{
    struct slice name = admin_arg_text(l->call, "as");
    char address[1000];

    if (name.len == 0)
        return ST_OK;
    const struct directory_person *person = directory_login(l->directory, name);
    if (person == NULL)
        return admin_refuse(l->call, ST_NOT_FOUND, "%.*s: there is no such person",
                            SLICE_ARG(slice_sub(name, 0, 300)));
    calendar_who_init(l->directory, l->call->arena, person, &l->who);
    l->ask.who = &l->who;
    snprintf(address, sizeof(address), "%s@%.*s", person->name,
             SLICE_ARG(directory_first_domain(l->directory)));
    l->ask.asker = arena_copy(l->call->arena, slice_str(address));
    return ST_OK;
}

/* --- what if --- */

struct naming {
    struct slice given, full;
};

static void match_server(void *ctx, const struct directory_server *server)
{
    struct naming *naming = ctx;
    struct slice name = slice_str(server->name);

    if (slice_ieq(slice_sub(name, 0, slice_find(name, '.')), naming->given))
        naming->full = name;
}

/* One of "down=mail1"; the first part of a server's name is enough. */
static enum st suppose(struct looking *l, struct slice text)
{
    const size_t at = slice_find(text, '=');
    const struct slice state = slice_sub(text, 0, at);
    const bool hung = slice_ieq(state, SLICE("hung"));
    struct naming naming = {.given = at < text.len ? slice_sub(text, at + 1, SIZE_MAX) : SLICE("")};

    naming.full = naming.given;
    if (naming.given.len == 0 || (!hung && !slice_ieq(state, SLICE("down"))))
        return admin_refuse(l->call, ST_INVALID,
                            "%.*s: write down=NAME or hung=NAME, of a server or a foreign "
                            "domain's document",
                            SLICE_ARG(slice_sub(text, 0, 300)));
    directory_server_each(l->directory, match_server, &naming);
    l->ifs[l->ask.if_count++] = (struct calendar_connector_if){naming.full, hung};
    return ST_OK;
}

static enum st read_supposed(struct looking *l)
{
    struct slice text = admin_arg_text(l->call, "if");
    struct slice one;
    enum st st = ST_OK;

    l->ifs = arena_many(l->call->arena, struct calendar_connector_if, SUPPOSED_MAX);
    while (st == ST_OK && text.len > 0 && slice_split(&text, ',', &one))
        st = l->ask.if_count < SUPPOSED_MAX
                 ? suppose(l, one)
                 : admin_refuse(l->call, ST_INVALID, "at most %d servers", SUPPOSED_MAX);
    l->ask.ifs = l->ifs;
    return st;
}

/* --- how it went --- */

static void tell(void *ctx, size_t attendee, uint64_t after_ms, const char *text)
{
    const struct looking *l = ctx;

    json_array_append_new(l->steps[attendee],
                          json_pack("{s:I, s:o}", "after_ms", (json_int_t)after_ms, "text",
                                    admin_json_text(slice_str(text))));
}

static enum st read_explain(struct looking *l)
{
    bool explain = false;
    enum st st = admin_arg_bool(l->call, "explain", &explain);

    if (st != ST_OK || !explain)
        return st;
    l->steps = arena_many(l->call->arena, json_t *, l->ask.count);
    for (size_t i = 0; i < l->ask.count; i++)
        l->steps[i] = json_array();
    l->ask.tell = tell;
    l->ask.tell_ctx = l;
    return ST_OK;
}

static enum st read_ask(struct looking *l)
{
    uint64_t within_ms = 0;
    enum st st = read_attendees(l);

    if (st == ST_OK)
        st = read_window(l);
    if (st == ST_OK)
        st = read_who(l);
    if (st == ST_OK)
        st = read_supposed(l);
    if (st == ST_OK)
        st = admin_arg_u64(l->call, "within_ms", &within_ms);
    if (st == ST_OK && within_ms > 0)
        l->ask.deadline_ms = sys_mono_ms() + (within_ms < HOUR_MS ? within_ms : HOUR_MS);
    return st == ST_OK ? read_explain(l) : st;
}

/* --- answers --- */

static json_t *rows_json(const struct calendar_connector_answer *answer)
{
    json_t *list = json_array();

    for (size_t i = 0; i < answer->count; i++)
        json_array_append_new(list, json_pack("{s:I, s:I, s:s}", "start_s",
                                              (json_int_t)answer->rows[i].start_s, "end_s",
                                              (json_int_t)answer->rows[i].end_s, "kind",
                                              kinds[answer->rows[i].kind]));
    return list;
}

static bool has_rows(const struct calendar_connector_answer *answer)
{
    return answer->result == CALENDAR_CONNECTOR_FRESH || answer->result == CALENDAR_CONNECTOR_KNOWN;
}

static json_t *answer_json(const struct looking *l, size_t i)
{
    const struct calendar_connector_answer *answer = l->answers[i];
    json_t *json = json_pack(
        "{s:o, s:s, s:o, s:o, s:I, s:I, s:o, s:o}", "address", admin_json_text(l->ask.attendees[i]),
        "result", calendar_connector_result_name(answer->result), "source",
        admin_json_text(slice_str(answer->source)), "way", admin_json_text(slice_str(answer->way)),
        "age_ms", (json_int_t)answer->age_ms, "took_ms", (json_int_t)answer->took_ms, "why",
        admin_json_text(slice_str(answer->why)), "busy", rows_json(answer));

    if (has_rows(answer)) {
        json_object_set_new(json, "from_s", json_integer((json_int_t)answer->from_s));
        json_object_set_new(json, "until_s", json_integer((json_int_t)answer->until_s));
    }
    if (l->steps != NULL)
        json_object_set(json, "steps", l->steps[i]);
    return json;
}

/* --- times for all --- */

static json_t *find(const struct looking *l, uint64_t length_ms, size_t count_max, json_t *without)
{
    struct arena *arena = arena_new("free time", GIB);
    struct calendar_find_person *people =
        arena_many(arena, struct calendar_find_person, l->ask.count);
    const int64_t now_s = sys_now_ms() / 1000;
    struct calendar_find_ask ask = {.from_s = l->ask.from_s > now_s ? l->ask.from_s : now_s,
                                    .until_s = l->ask.until_s,
                                    .length_s = (int64_t)(length_ms / 1000),
                                    .step_s = FIND_STEP_S,
                                    .people = people,
                                    .zone = calendar_zone(l->calendar, arena, SLICE(""), SLICE("")),
                                    .day_from_s = DAY_FROM_S,
                                    .day_until_s = DAY_UNTIL_S};
    int64_t starts[FIND_MAX];
    json_t *found = json_array();

    for (size_t i = 0; i < l->ask.count; i++) {
        const struct calendar_connector_answer *answer = l->answers[i];

        if (has_rows(answer))
            people[ask.count++] = (struct calendar_find_person){
                answer->rows, answer->count, answer->from_s, answer->until_s,
                answer->week != NULL && answer->week->own};
        else
            json_array_append_new(without, admin_json_text(l->ask.attendees[i]));
    }
    const size_t count = ask.count > 0 ? calendar_find(arena, &ask, starts, count_max) : 0;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(found, json_pack("{s:I, s:I}", "start_s", (json_int_t)starts[i],
                                               "end_s", (json_int_t)(starts[i] + ask.length_s)));
    arena_free(&arena);
    return found;
}

static enum st put_found(const struct looking *l, json_t *reply)
{
    uint64_t length_ms = 0;
    uint64_t count_max = FIND_USUAL;
    enum st st = admin_arg_u64(l->call, "find_ms", &length_ms);

    if (st == ST_OK)
        st = admin_arg_u64(l->call, "limit", &count_max);
    if (st == ST_OK && length_ms > 0 && (length_ms < MIN_MS || length_ms > WINDOW_MAX_S * SEC_MS))
        return admin_refuse(l->call, ST_INVALID, "find_ms is a minute to 366 days");
    if (st != ST_OK || length_ms == 0)
        return st;
    json_t *without = json_array();
    json_object_set_new(reply, "found",
                        find(l, length_ms, count_max < FIND_MAX ? count_max : FIND_MAX, without));
    json_object_set_new(reply, "without", without);
    return ST_OK;
}

static enum st look_up(struct looking *l)
{
    struct calendar_connector_lookup *lookup =
        calendar_connector_begin(calendar_connector(l->calendar), &l->ask);
    json_t *list = json_array();

    l->answers = arena_many(l->call->arena, const struct calendar_connector_answer *, l->ask.count);
    for (const struct calendar_connector_answer *answer = calendar_connector_next(lookup);
         answer != NULL; answer = calendar_connector_next(lookup))
        l->answers[answer->attendee] = answer;
    for (size_t i = 0; i < l->ask.count; i++)
        json_array_append_new(list, answer_json(l, i));
    json_t *reply = json_pack(
        "{s:s, s:I, s:I, s:o}", "server",
        calendar_server_name(l->calendar) != NULL ? calendar_server_name(l->calendar) : "",
        "from_s", (json_int_t)l->ask.from_s, "until_s", (json_int_t)l->ask.until_s, "attendees",
        list);
    enum st st = put_found(l, reply);
    calendar_connector_end(&lookup);
    l->call->reply = reply;
    return st;
}

enum st admin_freebusy(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct looking l = {.call = call,
                        .directory = directory,
                        .calendar = call->context->calendar,
                        .ask.week = true};
    enum st st = l.calendar != NULL
                     ? read_ask(&l)
                     : admin_refuse(call, ST_NOT_FOUND, "this server has no calendars");

    if (st == ST_OK)
        st = look_up(&l);
    for (size_t i = 0; l.steps != NULL && i < l.ask.count; i++)
        json_decref(l.steps[i]);
    return st;
}
