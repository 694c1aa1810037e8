#include "admin/admin_call.h"
#include "base/arena.h"
#include "calendar/calendar_oof.h"
#include "log/log.h"

static const char *const states[] = {"off", "on", "scheduled"};

/* An account's out of office while it is asked for or changed. */
struct setting {
    struct admin_call *call;
    struct slice name;
    struct store_calendar_account oof;
    bool off;
};

static enum st find(struct store_tx *tx, struct setting *s)
{
    struct store_account account;
    enum st st = store_account_find(tx, s->name, &account);

    return st != ST_OK
               ? st
               : store_calendar_account_get(tx, s->call->arena, account.account_id, &s->oof);
}

static enum st show_body(struct store_tx *tx, void *arg)
{
    return find(tx, arg);
}

/* Of an account that never set anything there is no text at all. */
static json_t *text_of(struct slice text)
{
    return admin_json_text(text.ptr != NULL ? text : SLICE(""));
}

static json_t *describe(const struct setting *s)
{
    const struct store_calendar_account *oof = &s->oof;

    return json_pack("{s:o, s:s, s:I, s:I, s:b, s:o, s:o}", "name", admin_json_text(s->name),
                     "state", states[oof->oof % COUNT(states)], "from_ms",
                     (json_int_t)oof->oof_from_ms, "until_ms", (json_int_t)oof->oof_until_ms,
                     "external", oof->oof_external, "inside", text_of(oof->oof_inside_text),
                     "outside", text_of(oof->oof_outside_text));
}

static enum st tell(struct setting *s, enum st st)
{
    if (st == ST_NOT_FOUND)
        return admin_refuse(s->call, st, "%.*s: there is no such account here", SLICE_ARG(s->name));
    if (st == ST_OK)
        s->call->reply = describe(s);
    return st;
}

enum st admin_oof_show(struct admin_call *call)
{
    struct setting s = {.call = call};
    enum st st = admin_arg_name(call, "name", &s.name);

    return st != ST_OK ? st : tell(&s, store_read(call->context->store, show_body, &s));
}

/* --- setting it --- */

/* A time that is not spoken of stays as long as it is in force. */
static enum st take_times(struct admin_call *call, struct store_calendar_account *oof)
{
    uint64_t from_ms = oof->oof == STORE_OOF_SCHEDULED ? (uint64_t)oof->oof_from_ms : 0;
    uint64_t until_ms = oof->oof == STORE_OOF_SCHEDULED ? (uint64_t)oof->oof_until_ms : 0;
    enum st st = admin_arg_u64(call, "from_ms", &from_ms);

    if (st == ST_OK)
        st = admin_arg_u64(call, "until_ms", &until_ms);
    oof->oof_from_ms = (int64_t)from_ms;
    oof->oof_until_ms = (int64_t)until_ms;
    oof->oof = from_ms == 0 && until_ms == 0 ? STORE_OOF_ON : STORE_OOF_SCHEDULED;
    if (st == ST_OK && until_ms != 0 && until_ms <= from_ms)
        st = admin_refuse(call, ST_INVALID, "the time away would end before it begins");
    return st;
}

static enum st take_text(struct admin_call *call, const char *key, struct slice *text)
{
    if (admin_arg_has(call, key))
        *text = admin_arg_text(call, key);
    return text->len <= STORE_CALENDAR_TEXT_BYTES_MAX
               ? ST_OK
               : admin_refuse(call, ST_TOO_BIG, "the text %s is longer than 64 KiB", key);
}

/* Who gives a text for others means them to have it. */
static enum st take_texts(struct admin_call *call, struct store_calendar_account *oof)
{
    enum st st = take_text(call, "inside", &oof->oof_inside_text);

    if (st == ST_OK)
        st = take_text(call, "outside", &oof->oof_outside_text);
    if (admin_arg_has(call, "outside"))
        oof->oof_external = oof->oof_outside_text.len > 0;
    if (st == ST_OK)
        st = admin_arg_bool(call, "external", &oof->oof_external);
    if (st == ST_OK && oof->oof_external && oof->oof_outside_text.len == 0)
        st = admin_refuse(call, ST_INVALID,
                          "there is no text for people of other domains (outside)");
    if (st == ST_OK && oof->oof_inside_text.len == 0 && !oof->oof_external)
        st = admin_refuse(call, ST_INVALID, "there is no text to answer with (inside, outside)");
    return st;
}

static enum st set_body(struct store_tx *tx, void *arg)
{
    struct setting *s = arg;
    enum st st = find(tx, s);

    buf_clear(&s->call->why);
    if (s->off)
        s->oof.oof = STORE_OOF_OFF;
    else if (st == ST_OK)
        st = take_times(s->call, &s->oof);
    if (st == ST_OK && !s->off)
        st = take_texts(s->call, &s->oof);
    return st == ST_OK ? calendar_oof_change(tx, &s->oof) : st;
}

enum st admin_oof_set(struct admin_call *call)
{
    struct setting s = {.call = call};
    enum st st = admin_arg_name(call, "name", &s.name);

    if (st == ST_OK)
        st = admin_arg_bool(call, "off", &s.off);
    if (st != ST_OK)
        return st;
    st = tell(&s, store_write(call->context->store, set_body, &s));
    if (st == ST_OK)
        log_event(EV_OOF_SET, 0, LOG_S("account", s.name), LOG_C("state", states[s.oof.oof]),
                  LOG_I("from_ms", s.oof.oof_from_ms), LOG_I("until_ms", s.oof.oof_until_ms));
    return st;
}
