#include "admin/admin_calendar.h"
#include "admin/admin_frame.h"
#include "base/arena.h"
#include "base/mem.h"
#include "calendar/calendar_file.h"
#include "calendar/calendar_put.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "sys/sys_time.h"

#include <stdio.h>

#define OUT_BYTES_MAX (64 * MIB)
#define FLUSH_BYTES (64 * KIB)
#define MERGE_ARENA_BYTES_MAX (40 * MIB)
#define REFUSED_MAX 10000 /* told by name */
#define BATCH_MAX 100     /* objects of one transaction */
#define BATCH_BYTES (1 * MIB)
#define IMPORT_ARENA_BYTES_MAX (64 * MIB) /* of a batch and the largest object */

/* --- export --- */

struct exporting {
    struct admin_calendar *of;
    struct http_out *out;
    struct arena *arena;  /* of an object */
    struct arena *merged; /* the zones */
    struct calendar_merge *merge;
    struct buf text;
    bool alone; /* those that do not fit are written, each as a VCALENDAR of its own */
    bool apart; /* there are such */
};

static enum st flush(struct exporting *x, size_t from)
{
    if (x->text.over)
        return ST_IO;
    if (x->text.len < from || x->text.len == 0)
        return ST_OK;
    enum st st = http_out_add(x->out, buf_slice(&x->text));
    buf_clear(&x->text);
    return st;
}

/* NULL: what is stored cannot be read; `calendar check` tells of it. */
static const struct ical_comp *parse(struct exporting *x, const struct store_event *event)
{
    struct ical_error error;
    struct ical_comp *comps;

    arena_reset(x->arena);
    return ical_parse(x->arena, event->body, &ical_limits_default, &comps, &error) == ST_OK ? comps
                                                                                            : NULL;
}

static enum st look(void *ctx, const struct store_calendar *calendar,
                    const struct store_event *event)
{
    struct exporting *x = ctx;
    const struct ical_comp *vcalendar =
        calendar->kind == STORE_CALENDAR_PLAIN ? parse(x, event) : NULL;

    if (vcalendar != NULL)
        calendar_merge_look(x->merge, vcalendar);
    return ST_OK;
}

/* What came after the zones were looked at may bring one of its own; then it is one of those apart.
 */
static enum st put(void *ctx, const struct store_calendar *calendar,
                   const struct store_event *event)
{
    struct exporting *x = ctx;
    const struct ical_comp *vcalendar =
        calendar->kind == STORE_CALENDAR_PLAIN ? parse(x, event) : NULL;
    AUTO(buf) struct buf none = BUF(OUT_BYTES_MAX);

    if (vcalendar == NULL)
        return ST_OK;
    bool fits = calendar_merge_put(x->merge, vcalendar, x->alone ? &none : &x->text);
    x->apart |= !fits;
    if (x->alone && !fits)
        ical_write(vcalendar, &x->text);
    return flush(x, FLUSH_BYTES);
}

static enum st write_all(struct exporting *x)
{
    const struct admin_calendar *of = x->of;
    enum st st = admin_calendar_each(x->of, look, x);
    bool one = st == ST_OK && of->only.len > 0;

    if (st == ST_OK)
        calendar_merge_begin(x->merge, one ? of->calendars[0].title : SLICE(""),
                             one ? of->calendars[0].color : SLICE(""), &x->text);
    if (st == ST_OK)
        st = admin_calendar_each(x->of, put, x);
    calendar_merge_end(&x->text);
    if (st == ST_OK && x->apart) {
        x->alone = true;
        st = admin_calendar_each(x->of, put, x);
    }
    return st == ST_OK ? flush(x, 0) : st;
}

static enum st export_produce(struct admin_call *call, struct http_out *out)
{
    struct exporting x = {.of = call->mine, .out = out, .text = BUF(OUT_BYTES_MAX)};

    x.arena = arena_new("calendar export", ical_limits_arena_bytes(&ical_limits_default) + MIB);
    x.merged = arena_new("calendar export", MERGE_ARENA_BYTES_MAX);
    x.merge = calendar_merge_new(x.merged, calendar_zones(x.of->calendar));
    enum st st = write_all(&x);
    arena_free(&x.merged);
    arena_free(&x.arena);
    buf_fini(&x.text);
    return st;
}

enum st admin_calendar_export(struct admin_call *call)
{
    call->type = "text/calendar; charset=utf-8";
    call->produce = export_produce;
    return admin_calendar_begin(call);
}

/* --- import --- */

/* An object that came and is not stored yet; its texts lie in the batch's arena. */
struct item {
    json_int_t at; /* its number in the caller's file */
    struct slice uid;
    struct slice body;
    struct slice name; /* of what is there of it, or of what is made */
    bool same;         /* as what is there */
};

struct importing {
    struct admin_calendar *of;
    struct admin_frame *frame;
    struct arena *arena;   /* of a batch */
    struct arena *scratch; /* of an object */
    int64_t calendar_id;   /* where things go */
    struct slice calendar; /* its name */
    struct buf body;       /* of the object that comes in */
    struct item items[BATCH_MAX];
    size_t count;
    size_t bytes;
    uint64_t made, changed, same, refused;
    json_t *list; /* of those refused */
};

static enum st begin(void *ctx, json_t *object)
{
    struct importing *im = ctx;
    const json_t *uid = json_object_get(object, "uid");
    struct item *item = &im->items[im->count];

    buf_clear(&im->body);
    *item =
        (struct item){.at = json_integer_value(json_object_get(object, "at")), .uid = SLICE("")};
    if (json_is_string(uid))
        item->uid =
            arena_copy(im->arena, (struct slice){json_string_value(uid), json_string_length(uid)});
    return ST_OK;
}

/* What is too large is refused by name, not with the whole stream. */
static enum st take_bytes(void *ctx, struct slice bytes)
{
    buf_put(&((struct importing *)ctx)->body, bytes);
    return ST_OK;
}

static void refuse(struct importing *im, const struct item *item, unsigned line, const char *why)
{
    if (im->refused++ < REFUSED_MAX)
        json_array_append_new(im->list,
                              json_pack("{s:I, s:i, s:o, s:s}", "at", item->at, "line", (int)line,
                                        "uid", admin_json_text(item->uid), "why", why));
}

static enum st find_old(struct importing *im, struct store_tx *tx, struct item *item)
{
    struct store_event event;

    item->same = false;
    item->name = calendar_file_name(im->arena, item->uid);
    if (item->uid.len == 0 || item->uid.len > STORE_EVENT_UID_BYTES_MAX)
        return ST_OK;
    arena_reset(im->scratch);
    enum st st =
        store_event_find_uid(tx, im->scratch, im->of->account.account_id, item->uid, &event);
    if (st == ST_OK && event.calendar_id != im->calendar_id)
        st = store_event_find(tx, im->scratch, im->calendar_id, item->name, &event);
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    item->name = arena_copy(im->arena, event.name);
    item->same =
        calendar_file_same(im->scratch, calendar_zones(im->of->calendar), event.body, item->body);
    return ST_OK;
}

static enum st find_body(struct store_tx *tx, void *arg)
{
    struct importing *im = arg;
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < im->count; i++)
        st = find_old(im, tx, &im->items[i]);
    return st;
}

/* Counts and tells; what stops the import is returned. */
static enum st tell(struct importing *im, const struct item *item, const struct calendar_put *put)
{
    char why[STORE_NAME_BYTES_MAX + 300];

    im->made += put->st == ST_OK && put->created;
    im->changed += put->st == ST_OK && !put->created;
    if (put->st != ST_INVALID)
        return put->st;
    snprintf(why, sizeof(why), "%s%s%s%s", put->error.text, put->conflict[0] != '\0' ? " (" : "",
             put->conflict, put->conflict[0] != '\0' ? ")" : "");
    refuse(im, item, put->error.line, why);
    return ST_OK;
}

static enum st store_items(struct importing *im)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct directory_person *owner = directory_login(directory, im->of->name);
    struct calendar_put *puts = arena_many(im->arena, struct calendar_put, BATCH_MAX);
    size_t at[BATCH_MAX];
    size_t count = 0;

    if (owner == NULL || owner->account_id == 0)
        return admin_refuse(im->of->call, ST_NOT_FOUND, "%.*s: nobody has that account here",
                            SLICE_ARG(im->of->name));
    for (size_t i = 0; i < im->count; i++) {
        im->same += im->items[i].same;
        if (im->items[i].same)
            continue;
        at[count] = i;
        puts[count++] = (struct calendar_put){.owner = owner,
                                              .calendar_id = im->calendar_id,
                                              .name = im->items[i].name,
                                              .body = im->items[i].body,
                                              .quiet = true,
                                              .now_ms = sys_now_ms()};
    }
    enum st st = count > 0 ? calendar_put_many(im->of->calendar, puts, count) : ST_OK;
    enum st stops = ST_OK;
    for (size_t i = 0; st == ST_OK && i < count; i++) {
        enum st told = tell(im, &im->items[at[i]], &puts[i]);

        stops = stops == ST_OK ? told : stops;
    }
    return st == ST_OK ? stops : st;
}

static enum st explain(struct importing *im, enum st st)
{
    if (st == ST_OK)
        return st;
    uint64_t done = im->made + im->changed;
    return admin_refuse(
        im->of->call, st, "%.*s: %s; %llu objects were imported before it", SLICE_ARG(im->of->name),
        st == ST_FULL ? "over the account's quota" : "the store failed; the server's log says why",
        (unsigned long long)done);
}

/* Stores what came, in one transaction. */
static enum st flush_items(struct importing *im)
{
    enum st st = ST_OK;

    if (im->count > 0)
        st = store_read(im->of->call->context->store, find_body, im);
    if (st == ST_OK && im->count > 0)
        st = store_items(im);
    im->count = 0;
    im->bytes = 0;
    arena_reset(im->arena);
    return explain(im, st);
}

/* An object is found in the store, so what comes a second time waits for the first. */
static bool came_before(const struct importing *im)
{
    for (size_t i = 0; i < im->count; i++)
        if (slice_eq(im->items[i].uid, im->items[im->count].uid))
            return true;
    return false;
}

static enum st flush_before(struct importing *im)
{
    struct item last = im->items[im->count];
    AUTO(buf) struct buf uid = BUF(MIB);

    buf_put(&uid, last.uid);
    enum st st = flush_items(im);
    last.uid = arena_copy(im->arena, buf_slice(&uid));
    im->items[0] = last;
    return st;
}

static enum st end(void *ctx)
{
    struct importing *im = ctx;

    if (came_before(im)) {
        enum st st = flush_before(im);

        if (st != ST_OK)
            return st;
    }
    struct item *item = &im->items[im->count];
    if (im->body.over) {
        refuse(im, item, 0, "it is larger than the setting calendar_object_bytes_max allows");
        return ST_OK;
    }
    item->body = arena_copy(im->arena, buf_slice(&im->body));
    im->bytes += im->body.len;
    im->count++;
    return im->count == BATCH_MAX || im->bytes >= BATCH_BYTES ? flush_items(im) : ST_OK;
}

static enum st import_upload(struct admin_call *call, struct slice bytes)
{
    const struct importing *im = call->mine;
    enum st st = admin_frame_feed(im->frame, bytes);

    return st == ST_INVALID ? admin_refuse(call, st, "the body is not a stream of objects") : st;
}

static enum st import_finish(struct admin_call *call)
{
    struct importing *im = call->mine;

    if (!admin_frame_is_whole(im->frame))
        return admin_refuse(call, ST_INVALID, "the body ends inside an object");
    enum st st = flush_items(im);
    if (st != ST_OK)
        return st;
    call->reply = json_pack("{s:o, s:I, s:I, s:I, s:I, s:O}", "calendar",
                            admin_json_text(im->calendar), "made", (json_int_t)im->made, "changed",
                            (json_int_t)im->changed, "same", (json_int_t)im->same, "refused_count",
                            (json_int_t)im->refused, "refused", im->list);
    return ST_OK;
}

static void importing_free(void *mine)
{
    struct importing *im = mine;

    admin_frame_free(&im->frame);
    arena_free(&im->arena);
    arena_free(&im->scratch);
    buf_fini(&im->body);
    json_decref(im->list);
    if (im->of != NULL)
        admin_calendar_release(im->of);
    mem_free(im);
}

static enum st open_body(struct store_tx *tx, void *arg)
{
    struct importing *im = arg;
    enum st st = admin_calendar_find_to_change(tx, im->of);
    const struct store_calendar *calendar = st == ST_OK ? admin_calendar_usual(im->of) : NULL;

    if (st == ST_OK && calendar == NULL)
        return admin_refuse(im->of->call, ST_INVALID, "events are not imported into an inbox");
    if (st == ST_OK) {
        im->calendar_id = calendar->calendar_id;
        im->calendar = calendar->name;
    }
    return st;
}

enum st admin_calendar_import(struct admin_call *call)
{
    static const struct admin_frame_fns fns = {begin, take_bytes, end};
    struct importing *im = mem_new(struct importing);

    call->mine = im;
    call->release = importing_free;
    call->upload = import_upload;
    call->finish = import_finish;
    im->frame = admin_frame_new(&fns, im);
    im->arena = arena_new("calendar import", IMPORT_ARENA_BYTES_MAX);
    im->scratch = arena_new("calendar import", 3 * ical_limits_arena_bytes(&ical_limits_default));
    im->list = json_array();
    buf_init(&im->body, conf_get()->calendar_object_bytes_max);
    enum st st = admin_calendar_new(call, "calendar", &im->of);
    return st == ST_OK ? store_write(call->context->store, open_body, im) : st;
}
