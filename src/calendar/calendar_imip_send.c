/* A part of a scheduling message's recipients, as a mail. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_bounce.h"
#include "calendar/calendar_imip.h"
#include "calendar/calendar_mail.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "ical/ical_time.h"
#include "log/log.h"
#include "mime/mime_address.h"
#include "mime/mime_xtext.h"
#include "router/router.h"
#include "router/router_task.h"
#include "store/store_blob.h"
#include "store/store_queue.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#define ARENA_BYTES_MAX GIB
#define ADDRESS_BYTES_MAX 254 /* RFC 5321 section 4.5.3.1.3 */
#define ORCPT_BYTES_MAX 1000
#define LINE_BYTES_MAX (32 * KIB)
#define LOST_BYTES_MAX (2 * MIB)

struct sending {
    const struct calendar_imip_post *post;
    const struct directory *directory;
    struct arena *arena;
    struct calendar_imip_letter letter;
    const char *account;
    struct slice *to;
    struct router_rcpt *rcpts;
    size_t count;
    struct router_targets targets;
    struct buf lost; /* those who have no mail address, or none that leads anywhere; a line each */
    int64_t now_ms;
    size_t round_count; /* what it held before */
    bool ended;
};

/* --- from whom, to whom --- */

static enum st read_account(struct store_tx *tx, void *arg)
{
    struct sending *s = arg;
    struct store_account account;
    enum st st = store_account_get(tx, s->post->task->account_id, &account);

    if (st == ST_OK)
        s->account = slice_cstr(s->arena, slice_str(account.name));
    return st;
}

/* The mail address of a calendar user address, or "". */
static struct slice mail_of(struct arena *arena, struct slice address)
{
    struct mime_address spec;

    address = calendar_address(arena, address);
    if (!slice_starts(address, SLICE("mailto:")))
        return SLICE("");
    address = calendar_address_mail(address);
    if (address.len == 0 || address.len > ADDRESS_BYTES_MAX ||
        !mime_address_spec(arena, address, &spec) || spec.local.len == 0 || spec.domain.len == 0)
        return SLICE("");
    return directory_name_join(arena, spec.local, spec.domain);
}

/* So that a report names him as he was invited, wherever his mail goes on to (RFC 3461 section
 * 4.2). What is beyond ASCII has no such form that every server passes on. */
static struct slice orcpt_of(struct arena *arena, struct slice mail)
{
    AUTO(buf) struct buf text = BUF(ORCPT_BYTES_MAX);

    for (size_t i = 0; i < mail.len; i++)
        if ((unsigned char)mail.ptr[i] >= 0x80)
            return SLICE("");
    buf_put(&text, SLICE("rfc822;"));
    mime_xtext_encode(mail, &text);
    return text.over ? SLICE("") : arena_copy(arena, buf_slice(&text));
}

static bool resolve(struct sending *s, struct slice mail)
{
    struct router_rcpt *rcpt = &s->rcpts[s->count];
    size_t at = slice_find_last(mail, '@');

    if (at == SIZE_MAX)
        return false;
    enum router_verdict verdict =
        router_resolve(s->directory, slice_sub(mail, 0, at), slice_sub(mail, at + 1, SIZE_MAX),
                       &s->targets, &rcpt->reach);
    rcpt->address = mail;
    rcpt->orcpt = orcpt_of(s->arena, mail);
    return verdict == ROUTER_OK || verdict == ROUTER_FOREIGN;
}

static void find_rcpts(struct sending *s)
{
    s->to = arena_many(s->arena, struct slice, s->post->count + 1);
    s->rcpts = arena_many(s->arena, struct router_rcpt, s->post->count + 1);
    for (size_t i = 0; i < s->post->count; i++) {
        struct slice mail = mail_of(s->arena, s->post->rcpts[i]);

        if (resolve(s, mail))
            s->to[s->count++] = mail;
        else
            buf_putf(&s->lost, "%s%.*s", s->lost.len > 0 ? "\n" : "", SLICE_ARG(s->post->rcpts[i]));
    }
    s->letter.to = s->to;
    s->letter.to_count = s->count;
}

/* --- what is sent --- */

/* What Outlook and Google cannot hold. */
static const struct calendar_itip_holds holds = {.rdate = true};

/* A series that others would show otherwise is sent as instances, those to come. */
static void fit_series(struct sending *s)
{
    const struct calendar_itip_world world = {
        .arena = s->arena, .zones = calendar_zones(s->post->calendar), .now_s = s->now_ms / 1000};
    const struct ical_comp *vcalendar = s->post->vcalendar;
    struct ical_error error;

    s->letter.vcalendar = vcalendar;
    if (calendar_itip_method(vcalendar) != CALENDAR_ITIP_REQUEST)
        return;
    enum st st = calendar_itip_series(&world, vcalendar, &holds, world.now_s, ICAL_LOCAL_MAX,
                                      CALENDAR_IMIP_INSTANCES_MAX, &s->letter.vcalendar, &error);
    s->letter.cut = st == ST_TOO_BIG;
    if (st == ST_INVALID || s->letter.vcalendar->comps == NULL) {
        s->letter.vcalendar = vcalendar;
        s->letter.cut = false;
    }
}

static struct slice uid_of(const struct ical_comp *vcalendar)
{
    for (const struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        if (comp->id != ICAL_VTIMEZONE)
            return ical_prop_value(comp, ICAL_UID);
    return SLICE("");
}

/* On record, and who cannot be reached is so in the object, too. */
static enum st note(struct sending *s, struct store_tx *tx)
{
    AUTO(buf) struct buf text = BUF(LINE_BYTES_MAX);
    const struct store_task *task = s->post->task;
    enum st st = ST_OK;

    buf_putf(&text, "%s goes by mail%s to ",
             calendar_itip_method_name(calendar_itip_method(s->post->vcalendar)),
             s->letter.cut                               ? " (the first instances alone)"
             : s->letter.vcalendar != s->post->vcalendar ? " (as instances)"
                                                         : "");
    for (size_t i = 0; i < s->count; i++)
        buf_putf(&text, "%s%.*s", i > 0 ? ", " : "", SLICE_ARG(s->to[i]));
    const struct store_calendar_line line = {
        .at_ms = s->now_ms, .uid = uid_of(s->post->vcalendar), .text = buf_slice(&text)};
    const struct calendar_bounce bounce = {.account_id = task->account_id,
                                           .sender = task->sender,
                                           .rcpts = buf_slice(&s->lost),
                                           .answer = SLICE("550 5.1.3 no such mail address"),
                                           .text = task->body};
    if (s->count > 0)
        st = store_calendar_log(tx, task->account_id, &line);
    return st == ST_OK && s->lost.len > 0
               ? calendar_bounce_leave(s->post->round, tx, &bounce, s->now_ms)
               : st;
}

/* In the transaction of the mail, or by itself where nobody gets one. */
static enum st end_body(struct store_tx *tx, void *arg)
{
    struct sending *s = arg;
    const struct calendar_imip_post *post = s->post;
    enum st st;

    post->round->count = s->round_count;
    st = post->rest.len == 0 ? store_task_done(tx, post->task)
                             : store_task_rest(tx, post->task, post->rest);

    s->ended = false;
    if (st == ST_OK)
        st = note(s, tx);
    s->ended = st == ST_OK;
    return st;
}

static enum st write_mail(struct sending *s, struct router_message *message, struct buf *text)
{
    bool utf8 = false;

    s->letter.guid = slice_str(message->guid);
    s->letter.host = slice_str(calendar_server_name(s->post->calendar));
    buf_putf(text, "Return-Path: <%.*s>\r\n", SLICE_ARG(s->letter.from));
    message->body_offset = text->len;
    calendar_imip_write(s->arena, &s->letter, text, &utf8);
    message->flags |= utf8 ? STORE_ENVELOPE_UTF8 : 0;
    if (text->over)
        return ST_TOO_BIG;
    enum st st = blob_writer_add(message->body, buf_slice(text));
    return st == ST_OK ? blob_writer_end(message->body) : st;
}

static enum st send_mail(struct sending *s)
{
    AUTO(buf) struct buf text = BUF(CALENDAR_IMIP_MAIL_BYTES_MAX);
    AUTO(buf) struct buf origin = BUF(400);
    struct router_message message = {.body = blob_writer_new(calendar_store(s->post->calendar)),
                                     .now_ms = s->now_ms,
                                     .sender = s->letter.from,
                                     .rcpts = s->rcpts,
                                     .rcpt_count = s->count,
                                     .targets = &s->targets,
                                     .also = end_body,
                                     .also_arg = s};

    buf_putf(&origin, ROUTER_ORIGIN_CALENDAR " %s", s->account);
    message.origin = buf_slice(&origin);
    sys_guid(message.guid);
    enum st st = write_mail(s, &message, &text);
    if (st == ST_OK)
        st = calendar_mail_accept(s->post->calendar, &message, buf_slice(&text));
    blob_writer_free(&message.body);
    if (st == ST_OK && s->ended)
        log_event(
            EV_IMIP_SENT, 0, LOG_C("guid", message.guid), LOG_C("account", s->account),
            LOG_C("method", calendar_itip_method_name(calendar_itip_method(s->letter.vcalendar))),
            LOG_S("uid", uid_of(s->letter.vcalendar)), LOG_I("rcpts", (int64_t)s->count));
    return st;
}

static enum st end_alone(struct sending *s)
{
    return store_write(calendar_store(s->post->calendar), end_body, s);
}

static enum st send(struct sending *s)
{
    enum st st = store_read(calendar_store(s->post->calendar), read_account, s);

    if (st != ST_OK)
        return st;
    const struct directory_person *person = directory_login(s->directory, slice_str(s->account));
    s->letter.name = slice_str(person != NULL ? person->full_name : "");
    s->letter.from = mail_of(s->arena, s->post->task->sender);
    if (s->letter.from.len > 0)
        find_rcpts(s);
    if (s->count == 0)
        return end_alone(s);
    fit_series(s);
    st = send_mail(s);
    if (st != ST_TOO_BIG && (st != ST_OK || s->ended))
        return st;
    /* All accounts it was for are gone, or it is too long for a mail. */
    for (size_t i = 0; i < s->count; i++)
        buf_putf(&s->lost, "%s%.*s", s->lost.len > 0 ? "\n" : "", SLICE_ARG(s->to[i]));
    s->count = 0;
    return end_alone(s);
}

enum st calendar_imip_send(const struct calendar_imip_post *post)
{
    if (calendar_queue(post->calendar) == NULL)
        return ST_IO;
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct sending s = {.post = post,
                        .directory = directory,
                        .arena = arena_new("imip", ARENA_BYTES_MAX),
                        .account = "",
                        .round_count = post->round->count,
                        .now_ms = sys_now_ms()};

    s.targets.arena = s.arena;
    s.letter.zones = calendar_zones(post->calendar);
    s.letter.now_ms = s.now_ms;
    buf_init(&s.lost, LOST_BYTES_MAX);
    enum st st = send(&s);
    buf_fini(&s.lost);
    arena_free(&s.arena);
    return st;
}
