#include "admin/admin_calendar.h"

#include "admin/admin_lines.h"
#include "base/arena.h"
#include "base/mem.h"
#include "ical/ical.h"
#include "store/store_task.h"
#include "sys/sys_time.h"

#define ARENA_BYTES_MAX (512 * MIB)
#define BATCH_COUNT 100
#define BATCH_ARENA_BYTES_MAX GIB
#define LOG_LINES_USUAL 100

static const char *const kinds[] = {"event", "to-do", "journal"};
static const char *const rights[] = {"none", "busy", "read", "write", "act"};

/* --- finding --- */

void admin_calendar_release(void *mine)
{
    struct admin_calendar *of = mine;

    arena_free(&of->arena);
    mem_free(of);
}

enum st admin_calendar_new(struct admin_call *call, const char *key, struct admin_calendar **of_r)
{
    struct admin_calendar *of = mem_new(struct admin_calendar);

    of->call = call;
    of->calendar = call->context->calendar;
    of->arena = arena_new("admin calendar", ARENA_BYTES_MAX);
    if (call->release == NULL) {
        call->mine = of;
        call->release = admin_calendar_release;
    }
    *of_r = of;
    if (of->calendar == NULL)
        return admin_refuse(call, ST_NOT_FOUND, "this server has no calendars");
    if (key != NULL)
        of->only = admin_arg_text(call, key);
    return admin_arg_name(call, "name", &of->name);
}

/* Only the calendar that was named. */
static enum st choose(struct admin_calendar *of)
{
    for (size_t i = 0; i < of->count; i++)
        if (slice_eq(of->calendars[i].name, of->only)) {
            of->calendars += i;
            of->count = 1;
            return ST_OK;
        }
    return admin_refuse(of->call, ST_NOT_FOUND, "%.*s has no calendar %.*s", SLICE_ARG(of->name),
                        SLICE_ARG(of->only));
}

static enum st find_account(struct store_tx *tx, struct admin_calendar *of)
{
    enum st st = store_account_find(tx, of->name, &of->account);

    return st == ST_NOT_FOUND ? admin_refuse(of->call, st, "%.*s: there is no such account here",
                                             SLICE_ARG(of->name))
                              : st;
}

static enum st find_calendars(struct store_tx *tx, struct admin_calendar *of)
{
    enum st st = store_calendar_account_get(tx, of->arena, of->account.account_id, &of->settings);

    of->settings.account_id = of->account.account_id;
    if (st == ST_OK)
        st = store_calendar_list(tx, of->arena, of->account.account_id, &of->calendars, &of->count);
    return st == ST_OK && of->only.len > 0 ? choose(of) : st;
}

enum st admin_calendar_find(struct store_tx *tx, struct admin_calendar *of)
{
    arena_reset(of->arena);
    buf_clear(&of->call->why);
    enum st st = find_account(tx, of);
    return st == ST_OK ? find_calendars(tx, of) : st;
}

enum st admin_calendar_find_to_change(struct store_tx *tx, struct admin_calendar *of)
{
    uint64_t modseq;
    uint64_t bytes_used;

    arena_reset(of->arena);
    buf_clear(&of->call->why);
    enum st st = find_account(tx, of);
    if (st == ST_OK)
        st = store_account_advance(tx, of->account.account_id, 0, 0, &modseq, &bytes_used);
    if (st == ST_OK)
        st = calendar_ensure(tx, of->arena, of->account.account_id, sys_now_ms());
    return st == ST_OK ? find_calendars(tx, of) : st;
}

static enum st find_body(struct store_tx *tx, void *arg)
{
    return admin_calendar_find(tx, arg);
}

enum st admin_calendar_begin(struct admin_call *call)
{
    struct admin_calendar *of;
    enum st st = admin_calendar_new(call, "calendar", &of);

    return st == ST_OK ? store_read(call->context->store, find_body, of) : st;
}

const struct store_calendar *admin_calendar_usual(const struct admin_calendar *of)
{
    const struct store_calendar *usual = NULL;

    for (size_t i = 0; i < of->count; i++) {
        const struct store_calendar *calendar = &of->calendars[i];

        if (calendar->kind != STORE_CALENDAR_PLAIN)
            continue;
        if (usual == NULL || calendar->calendar_id == of->settings.default_calendar_id)
            usual = calendar;
    }
    return usual;
}

/* --- walking --- */

struct place {
    int64_t event_id;
    const struct store_calendar *calendar;
};

struct walking {
    struct admin_calendar *of;
    struct arena *arena; /* of a batch */
    struct place *places;
    size_t count, cap, at;
    size_t calendar; /* while the list is made */
    struct store_event batch[BATCH_COUNT];
};

static enum st note_place(void *ctx, const struct store_event *event)
{
    struct walking *w = ctx;

    if (w->count == w->cap) {
        w->cap = w->cap == 0 ? 1000 : 2 * w->cap;
        w->places = mem_grow(w->places, w->cap, sizeof(*w->places));
    }
    w->places[w->count++] = (struct place){event->event_id, &w->of->calendars[w->calendar]};
    return ST_OK;
}

static enum st list_places(struct store_tx *tx, void *arg)
{
    struct walking *w = arg;
    enum st st = admin_calendar_find(tx, w->of);

    w->count = 0;
    for (w->calendar = 0; st == ST_OK && w->calendar < w->of->count; w->calendar++)
        st = store_event_each(tx, w->of->calendars[w->calendar].calendar_id, false, note_place, w);
    return st;
}

static size_t batch_count(const struct walking *w)
{
    return w->count - w->at < BATCH_COUNT ? w->count - w->at : BATCH_COUNT;
}

static enum st read_batch(struct store_tx *tx, void *arg)
{
    struct walking *w = arg;
    enum st st = ST_OK;

    arena_reset(w->arena);
    for (size_t i = 0; st == ST_OK && i < batch_count(w); i++) {
        w->batch[i].event_id = 0;
        st = store_event_get(tx, w->arena, w->places[w->at + i].event_id, &w->batch[i]);
        if (st == ST_NOT_FOUND) {
            w->batch[i].event_id = 0;
            st = ST_OK;
        }
    }
    return st;
}

enum st admin_calendar_each(struct admin_calendar *of, admin_calendar_fn *fn, void *ctx)
{
    struct walking *w = mem_new(struct walking);
    struct store *store = of->call->context->store;

    w->of = of;
    w->arena = arena_new("calendar walk", BATCH_ARENA_BYTES_MAX);
    enum st st = store_read(store, list_places, w);
    for (; st == ST_OK && w->at < w->count; w->at += batch_count(w)) {
        st = store_read(store, read_batch, w);
        for (size_t i = 0; st == ST_OK && i < batch_count(w); i++)
            if (w->batch[i].event_id != 0)
                st = fn(ctx, w->places[w->at + i].calendar, &w->batch[i]);
    }
    arena_free(&w->arena);
    mem_free(w->places);
    mem_free(w);
    return st;
}

/* --- calendar/list --- */

struct listing {
    struct admin_calendar *of;
    json_t *list;     /* of calendars */
    json_t *accounts; /* of all of them, where none is named */
    uint64_t events;
};

static enum st count_event(void *ctx, const struct store_event *event)
{
    ((struct listing *)ctx)->events++;
    return ST_OK;
}

static enum st put_calendar(struct store_tx *tx, struct listing *l,
                            const struct store_calendar *calendar,
                            const struct store_calendar *usual)
{
    l->events = 0;
    enum st st = store_event_each(tx, calendar->calendar_id, false, count_event, l);
    json_array_append_new(
        l->list,
        json_pack("{s:o, s:o, s:s, s:o, s:o, s:I, s:b, s:b, s:I, s:[]}", "account",
                  admin_json_text(l->of->name), "name", admin_json_text(calendar->name), "kind",
                  calendar->kind == STORE_CALENDAR_INBOX ? "inbox" : "calendar", "title",
                  admin_json_text(calendar->title), "color", admin_json_text(calendar->color),
                  "objects", (json_int_t)l->events, "transparent", calendar->transparent, "default",
                  calendar == usual, "modseq", (json_int_t)calendar->modseq, "shares"));
    return st;
}

static enum st note_grant(void *ctx, const struct store_calendar_grant *grant)
{
    struct listing *l = ctx;
    json_t *share = json_pack("{s:o, s:s}", "grantee", admin_json_text(grant->grantee), "rights",
                              rights[(size_t)grant->rights < COUNT(rights) ? grant->rights : 0]);

    for (size_t i = 0; i < l->of->count; i++)
        if (l->of->calendars[i].calendar_id == grant->calendar_id)
            json_array_append(
                json_object_get(
                    json_array_get(l->list, json_array_size(l->list) - l->of->count + i), "shares"),
                share);
    if (grant->calendar_id == 0)
        json_array_append(
            json_object_get(json_array_get(l->accounts, json_array_size(l->accounts) - 1),
                            "delegates"),
            share);
    json_decref(share);
    return ST_OK;
}

static enum st list_account(struct store_tx *tx, struct listing *l)
{
    const struct admin_calendar *of = l->of;
    const struct store_calendar *usual = admin_calendar_usual(of);
    enum st st = ST_OK;

    if (of->count > 0)
        json_array_append_new(l->accounts,
                              json_pack("{s:o, s:o, s:[]}", "name", admin_json_text(of->name),
                                        "zone", admin_json_text(of->settings.zone), "delegates"));
    for (size_t i = 0; st == ST_OK && i < of->count; i++)
        st = put_calendar(tx, l, &of->calendars[i], usual);
    return st == ST_OK && of->count > 0
               ? store_calendar_grants_of(tx, of->account.account_id, note_grant, l)
               : st;
}

static enum st note_name(void *ctx, const struct store_account *account)
{
    json_array_append_new(ctx, admin_json_text(slice_str(account->name)));
    return ST_OK;
}

static enum st list_body(struct store_tx *tx, void *arg)
{
    struct listing *l = arg;
    json_t *names = json_array();
    enum st st = ST_OK;
    size_t i;
    json_t *name;

    json_array_clear(l->list);
    json_array_clear(l->accounts);
    if (admin_arg_has(l->of->call, "name"))
        json_array_append_new(names, admin_json_text(l->of->name));
    else
        st = store_account_each(tx, note_name, names);
    json_array_foreach(names, i, name)
    {
        l->of->name = slice_str(json_string_value(name));
        if (st == ST_OK)
            st = admin_calendar_find(tx, l->of);
        if (st == ST_OK)
            st = list_account(tx, l);
    }
    json_decref(names);
    return st;
}

enum st admin_calendar_list(struct admin_call *call)
{
    struct listing l = {.list = json_array(), .accounts = json_array()};
    enum st st = admin_calendar_new(call, NULL, &l.of);

    if (st == ST_INVALID && !admin_arg_has(call, "name")) {
        buf_clear(&call->why);
        st = ST_OK;
    }
    struct slice name = l.of->name;
    if (st == ST_OK)
        st = store_read(call->context->store, list_body, &l);
    l.of->name = name;
    if (st == ST_OK)
        call->reply = json_pack("{s:O, s:O}", "calendars", l.list, "accounts", l.accounts);
    json_decref(l.list);
    json_decref(l.accounts);
    return st;
}

/* --- calendar/show --- */

struct showing {
    struct admin_calendar *of;
    struct admin_lines lines;
    struct arena *arena; /* of an object */
    struct slice wanted; /* its name or UID; empty: all */
    bool found;
};

static struct slice text_of(struct showing *s, const struct ical_comp *comp, enum ical_prop_id id)
{
    return comp != NULL ? ical_text_decode(s->arena, ical_prop_value(comp, id)) : SLICE("");
}

static const struct ical_comp *main_of(struct showing *s, const struct store_event *event)
{
    struct ical_error error;
    struct ical_comp *comps;

    arena_reset(s->arena);
    if (ical_parse(s->arena, event->body, &ical_limits_default, &comps, &error) != ST_OK)
        return NULL;
    const struct ical_comp *comp = comps->comps;
    while (comp != NULL && comp->id == ICAL_VTIMEZONE)
        comp = comp->next;
    return comp;
}

static enum st show_event(void *ctx, const struct store_calendar *calendar,
                          const struct store_event *event)
{
    struct showing *s = ctx;

    if (s->wanted.len > 0 && !slice_eq(event->name, s->wanted) && !slice_eq(event->uid, s->wanted))
        return ST_OK;
    const struct ical_comp *comp = main_of(s, event);
    json_t *json = json_pack("{s:o, s:o, s:o, s:s, s:o, s:I, s:I, s:b, s:b, s:b, s:I, s:I, s:I}",
                             "calendar", admin_json_text(calendar->name), "name",
                             admin_json_text(event->name), "uid", admin_json_text(event->uid),
                             "kind", kinds[(size_t)event->kind < COUNT(kinds) ? event->kind : 0],
                             "summary", admin_json_text(text_of(s, comp, ICAL_SUMMARY)), "first_s",
                             (json_int_t)event->first_s, "last_s", (json_int_t)event->last_s,
                             "repeats", (event->flags & STORE_EVENT_REPEATS) != 0, "private",
                             (event->flags & STORE_EVENT_PRIVATE) != 0, "invites",
                             comp != NULL && ical_prop_find(comp, ICAL_ORGANIZER) != NULL, "bytes",
                             (json_int_t)event->bytes, "etag", (json_int_t)event->modseq,
                             "modified_ms", (json_int_t)event->modified_ms);

    if (s->wanted.len > 0)
        json_object_set_new(json, "text", admin_json_text(event->body));
    s->found = true;
    return admin_lines_put(&s->lines, json);
}

static enum st show_produce(struct admin_call *call, struct http_out *out)
{
    struct showing s = {.of = call->mine, .wanted = admin_arg_text(call, "event")};

    admin_lines_init(&s.lines, out);
    s.arena = arena_new("calendar show", ical_limits_arena_bytes(&ical_limits_default) + MIB);
    enum st st = admin_calendar_each(s.of, show_event, &s);
    if (st == ST_OK)
        st = admin_lines_put(&s.lines, json_pack("{s:b}", "found", s.found));
    if (st == ST_OK)
        st = admin_lines_flush(&s.lines);
    arena_free(&s.arena);
    admin_lines_fini(&s.lines);
    return st;
}

enum st admin_calendar_show(struct admin_call *call)
{
    call->type = "application/x-ndjson";
    call->produce = show_produce;
    return admin_calendar_begin(call);
}

/* --- calendar/log --- */

struct logging {
    struct admin_calendar *of;
    uint64_t limit;
    json_t *lines;
};

static enum st note_line(void *ctx, const struct store_calendar_line *line)
{
    json_array_append_new(ctx, json_pack("{s:I, s:o, s:o}", "at_ms", (json_int_t)line->at_ms, "uid",
                                         admin_json_text(line->uid), "text",
                                         admin_json_text(line->text)));
    return ST_OK;
}

static enum st log_body(struct store_tx *tx, void *arg)
{
    struct logging *l = arg;
    enum st st = admin_calendar_find(tx, l->of);

    json_array_clear(l->lines);
    return st == ST_OK ? store_calendar_log_each(tx, l->of->account.account_id, l->limit, note_line,
                                                 l->lines)
                       : st;
}

enum st admin_calendar_log(struct admin_call *call)
{
    struct logging l = {.limit = LOG_LINES_USUAL, .lines = json_array()};
    enum st st = admin_calendar_new(call, NULL, &l.of);

    if (st == ST_OK)
        st = admin_arg_u64(call, "limit", &l.limit);
    if (st == ST_OK)
        st = store_read(call->context->store, log_body, &l);
    if (st == ST_OK)
        call->reply = json_pack("{s:O}", "lines", l.lines);
    json_decref(l.lines);
    return st;
}
