/* A delivered mail that may be iMIP: who sent it, whether he may, and into the calendar with it. */
#include "calendar/calendar_imip.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_schedule.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "mime/mime_structure.h"
#include "router/router_task.h"
#include "store/store_blob.h"
#include "sys/sys_time.h"

#define ARENA_BYTES_MAX GIB
#define HEADER_BYTES_MAX (64 * KIB)
#define STRUCTURE_BYTES_MAX (8 * MIB)

struct coming {
    struct calendar_round *round;
    const struct store_task *task;
    const struct directory *directory;
    struct arena *arena;
    struct arena *tx_arena; /* of one run of the body */
    size_t round_count;     /* what it held before */
    struct slice guid, origin;
    struct slice account; /* its name */
    const struct directory_person *person;
    struct slice address; /* that it came to, "mailto:..." */
    struct buf header;
    struct buf raw; /* the part */
    const struct mime_part *part;
    struct slice from;
    struct ical_comp *message;
    struct slice text;
    bool known_only;
    enum calendar_itip_verdict verdict;
    bool gone; /* somebody else did the task */
    int64_t now_ms;
    struct ical_error error;
};

/* --- what there is --- */

static void find_person(struct coming *c)
{
    AUTO(buf) struct buf address = BUF(4 * KIB);
    struct slice rcpt = c->task->rcpt;
    size_t at = slice_find_last(rcpt, '@');

    c->person = directory_login(c->directory, c->account);
    if (c->person == NULL)
        return;
    /* A group's address is nobody's own: he speaks in his name. */
    if (at != SIZE_MAX && directory_owns(c->directory, c->person, slice_sub(rcpt, 0, at),
                                         slice_sub(rcpt, at + 1, SIZE_MAX)))
        buf_putf(&address, "mailto:%.*s", SLICE_ARG(rcpt));
    else
        buf_putf(&address, "mailto:%s@%.*s", c->person->name,
                 SLICE_ARG(directory_first_domain(c->directory)));
    c->address = arena_copy(c->arena, buf_slice(&address));
}

static enum st add_bytes(void *ctx, struct slice bytes)
{
    buf_put(ctx, bytes);
    return ST_OK;
}

enum st calendar_imip_bytes(struct store *store, int64_t blob_id, uint64_t from, uint64_t until,
                            struct buf *out)
{
    uint64_t len = until > from ? until - from : 0;

    return blob_each(store, blob_id, from, len < out->bytes_max ? len : out->bytes_max, add_bytes,
                     out);
}

enum st calendar_imip_root(struct store *store, struct arena *arena, int64_t blob_id,
                           const struct mime_part **root_r)
{
    AUTO(buf) struct buf envelope = BUF(STRUCTURE_BYTES_MAX);
    AUTO(buf) struct buf structure = BUF(STRUCTURE_BYTES_MAX);
    struct blob_packed packed;
    enum st st = blob_packed_look(store, blob_id, &packed, &envelope, &structure);

    *root_r = NULL;
    if (st != ST_OK)
        return st;
    struct slice kept = arena_copy(arena, buf_slice(&structure));
    if (mime_structure_read(arena, kept, root_r) != ST_OK)
        *root_r = NULL;
    return ST_OK;
}

/* Of a large mail no more than its header and the part. */
static enum st read_mail(struct coming *c)
{
    struct store *store = calendar_store(c->round->calendar);
    int64_t blob_id = c->task->blob_id;
    const struct mime_part *root;
    enum st st = calendar_imip_root(store, c->arena, blob_id, &root);

    c->part = st == ST_OK ? router_task_imip_part(root) : NULL;
    if (c->part == NULL)
        return st;
    st = calendar_imip_bytes(store, blob_id, 0, root->body_start, &c->header);
    return st == ST_OK ? calendar_imip_bytes(store, blob_id, c->part->body_start, c->part->body_end,
                                             &c->raw)
                       : st;
}

/* --- nothing comes of it --- */

static enum st refuse_body(struct store_tx *tx, void *arg)
{
    struct coming *c = arg;
    AUTO(buf) struct buf text = BUF(KIB);
    enum st st = store_task_done(tx, c->task);

    c->gone = st == ST_NOT_FOUND;
    buf_putf(&text, "Mail from %.*s: %s", (int)(c->from.len < 200 ? c->from.len : 200), c->from.ptr,
             c->error.text);
    const struct store_calendar_line line = {
        .at_ms = c->now_ms, .uid = SLICE(""), .text = buf_slice(&text)};
    return st == ST_OK ? store_calendar_log(tx, c->task->account_id, &line) : st;
}

static enum st refuse(struct coming *c)
{
    enum st st = store_write(calendar_store(c->round->calendar), refuse_body, c);

    if (st == ST_OK)
        log_event(EV_IMIP_REFUSED, 0, LOG_S("guid", c->guid), LOG_S("account", c->account),
                  LOG_S("from", c->from), LOG_C("why", c->error.text));
    return c->gone ? ST_OK : st;
}

static enum st refuse_since(struct coming *c, const char *why)
{
    ical_error_set(&c->error, 0, "%s", why);
    return refuse(c);
}

static enum st end_body(struct store_tx *tx, void *arg)
{
    const struct coming *c = arg;
    enum st st = store_task_done(tx, c->task);

    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* --- into the calendar --- */

static enum st arrive_body(struct store_tx *tx, void *arg)
{
    static const struct calendar_itip_policy policy = {.crashers = false};
    struct coming *c = arg;
    enum st st = store_task_done(tx, c->task);
    const struct calendar_arrival arrival = {.round = c->round,
                                             .directory = c->directory,
                                             .person = c->person,
                                             .address = c->address,
                                             .sender = c->from,
                                             .policy = &policy,
                                             .known_only = c->known_only,
                                             .message = c->message,
                                             .text = c->text,
                                             .now_ms = c->now_ms,
                                             .arena = c->tx_arena,
                                             .verdict_r = &c->verdict};

    c->gone = st == ST_NOT_FOUND;
    c->round->count = c->round_count;
    arena_reset(c->tx_arena);
    return st == ST_OK ? calendar_schedule_arrive(tx, &arrival, &c->error) : st;
}

static enum st arrive(struct coming *c)
{
    AUTO(buf) struct buf text = BUF(ical_limits_default.bytes_max);

    ical_write(c->message, &text);
    c->text = buf_slice(&text);
    c->round_count = c->round->count;
    ical_error_set(&c->error, 0, "It cannot be stored.");
    enum st st = store_write(calendar_store(c->round->calendar), arrive_body, c);
    if (st == ST_OK)
        log_event(EV_IMIP_CAME, 0, LOG_S("guid", c->guid), LOG_S("account", c->account),
                  LOG_S("from", c->from),
                  LOG_C("method", calendar_itip_method_name(calendar_itip_method(c->message))),
                  LOG_C("verdict", calendar_itip_verdict_name(c->verdict)));
    else
        c->round->count = c->round_count;
    if (st == ST_OK || c->gone)
        return ST_OK;
    return st == ST_IO || st == ST_AGAIN || st == ST_CONFLICT ? st : refuse(c);
}

static enum st judge(struct coming *c)
{
    const struct conf *conf = conf_get();
    enum calendar_imip_accept accept = calendar_imip_accept(conf->imip_accept);
    const struct calendar_imip_way way = {.directory = c->directory,
                                          .from = c->from,
                                          .envelope = c->task->sender,
                                          .origin = c->origin,
                                          .header = buf_slice(&c->header)};
    bool inside = calendar_imip_inside(&way);

    if (accept == CALENDAR_IMIP_OFF)
        return refuse_since(c, "imip_accept is off.");
    if (c->from.len == 0)
        return refuse_since(c, "its From is not one address.");
    if (!inside && calendar_imip_names_us(c->directory, c->from))
        return refuse_since(c, "its From is somebody here, who did not log in to send it.");
    if (!inside && accept == CALENDAR_IMIP_INSIDE)
        return refuse_since(c, "it is from outside, and imip_accept is inside.");
    c->known_only = !inside && accept == CALENDAR_IMIP_KNOWN;
    if (calendar_imip_read(c->arena, c->part, buf_slice(&c->raw), conf->calendar_object_bytes_max,
                           &c->message, &c->error) != ST_OK)
        return refuse(c);
    return arrive(c);
}

static enum st work(struct coming *c)
{
    struct store *store = calendar_store(c->round->calendar);
    enum st st = calendar_task_account(store, c->task, c->arena, &c->account);

    if (st == ST_OK)
        st = read_mail(c);
    /* The account or the mail is gone, or it is none of ours. */
    if (st == ST_NOT_FOUND || (st == ST_OK && c->part == NULL))
        return store_write(store, end_body, c);
    if (st != ST_OK)
        return st;
    find_person(c);
    if (c->person == NULL)
        return store_write(store, end_body, c);
    c->from = calendar_imip_from(c->arena, buf_slice(&c->header));
    return judge(c);
}

enum st calendar_imip_work(struct calendar_round *round, const struct store_task *task)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct coming c = {.round = round,
                       .task = task,
                       .directory = directory,
                       .arena = arena_new("imip", ARENA_BYTES_MAX),
                       .tx_arena = arena_new("imip", ARENA_BYTES_MAX),
                       .now_ms = sys_now_ms()};
    size_t cut = slice_find(task->body, ' ');

    c.guid = slice_sub(task->body, 0, cut);
    c.origin = cut != SIZE_MAX ? slice_sub(task->body, cut + 1, SIZE_MAX) : SLICE("");
    buf_init(&c.header, HEADER_BYTES_MAX);
    buf_init(&c.raw, 2 * conf_get()->calendar_object_bytes_max);
    enum st st = work(&c);
    buf_fini(&c.raw);
    buf_fini(&c.header);
    arena_free(&c.tx_arena);
    arena_free(&c.arena);
    return st;
}
