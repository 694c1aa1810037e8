#include "calendar/calendar_oof_ask.h"

#include "base/arena.h"
#include "base/buf.h"
#include "calendar/calendar.h"
#include "calendar/calendar_connector_run.h"
#include "calendar/calendar_oof.h"
#include "calendar/calendar_relay_oof.h"
#include "cluster/cluster_ask.h"
#include "cluster/cluster_frame.h"
#include "conf/conf.h"
#include "health/health_rank.h"
#include "log/log.h"
#include "sys/sys_time.h"

#define ARENA_BYTES_MAX (64 * MIB)
#define WHY_BYTES_MAX 1000

struct asking {
    struct calendar *calendar;
    struct arena *arena;
    const struct calendar_oof_ask *ask;
    struct store_calendar_account *oof;
};

/* --- in this store --- */

/* Who may act in somebody's name may say that he is away. */
static enum st body(struct store_tx *tx, void *arg)
{
    const struct asking *a = arg;
    const struct directory_person *owner = a->ask->owner;
    struct store_calendar_account wanted = *a->oof;
    struct calendar_rights rights;
    enum st st = calendar_rights(tx, a->ask->who, owner, 0, &rights);

    wanted.account_id = owner->account_id;
    if (st == ST_OK && rights.account < STORE_RIGHTS_ACT)
        return ST_DENIED;
    if (st != ST_OK)
        return st;
    return a->ask->change ? calendar_oof_change(tx, &wanted)
                          : store_calendar_account_get(tx, a->arena, owner->account_id, a->oof);
}

static enum st work_here(struct asking *a)
{
    static const char *const states[] = {"off", "on", "scheduled"};
    struct store *store = calendar_store(a->calendar);
    const enum st st = a->ask->change ? store_write(store, body, a) : store_read(store, body, a);

    if (st == ST_OK && a->ask->change)
        log_event(EV_OOF_SET, 0, LOG_C("account", a->ask->owner->name),
                  LOG_C("by", a->ask->who->person->name), LOG_C("state", states[a->oof->oof]),
                  LOG_I("from_ms", a->oof->oof_from_ms), LOG_I("until_ms", a->oof->oof_until_ms));
    return st == ST_OK || st == ST_DENIED || st == ST_INVALID || st == ST_TOO_BIG ? st : ST_IO;
}

/* --- in another's --- */

static const enum st sts[CALENDAR_RELAY_OOF_RESULT_MAX] = {
    [CALENDAR_RELAY_OOF_DONE] = ST_OK,
    [CALENDAR_RELAY_OOF_DENIED] = ST_DENIED,
    [CALENDAR_RELAY_OOF_INVALID] = ST_INVALID,
    [CALENDAR_RELAY_OOF_TOO_BIG] = ST_TOO_BIG,
    [CALENDAR_RELAY_OOF_NOT_HERE] = ST_NOT_FOUND,
    [CALENDAR_RELAY_OOF_FAILED] = ST_IO,
};

struct hearing {
    struct arena *arena;
    bool heard;
    struct calendar_relay_oof_answer answer;
};

static enum st hear(void *ctx, struct slice bytes)
{
    struct hearing *hearing = ctx;

    if (hearing->heard)
        return ST_INVALID;
    hearing->heard = true;
    return calendar_relay_oof_answer_read(hearing->arena, bytes, &hearing->answer);
}

/* ST_IO: another one is to be asked; why has a phrase. */
static enum st ask_server(struct asking *a, struct slice server, uint64_t deadline_ms,
                          struct buf *why)
{
    struct cluster *cluster = calendar_connector(a->calendar)->cluster;
    const struct calendar_relay_oof_question question = {
        .owner = slice_str(a->ask->owner->name),
        .who = slice_str(a->ask->who->person->name),
        .change = a->ask->change,
        .oof = *a->oof,
    };
    struct hearing hearing = {.arena = a->arena};
    AUTO(buf) struct buf out = BUF(CLUSTER_BODY_BYTES_MAX);
    enum st st = calendar_relay_oof_question_write(&question, &out);

    if (st != ST_OK)
        return st;
    st = cluster_ask(cluster, server, buf_slice(&out),
                     calendar_question_deadline(cluster, server, deadline_ms), hear, &hearing, why);
    if (st == ST_OK && !hearing.heard)
        buf_put(why, SLICE("it did not answer"));
    if (st != ST_OK || !hearing.heard)
        return ST_IO;
    st = sts[hearing.answer.result];
    if (st == ST_OK && !a->ask->change)
        *a->oof = hearing.answer.oof;
    if (st == ST_NOT_FOUND || st == ST_IO)
        buf_put(why, st == ST_IO ? SLICE("its store failed") : SLICE("the account is not there"));
    return st == ST_NOT_FOUND ? ST_IO : st;
}

/* Those that hold the account, the best first; this one, which does not, is not among them. */
static size_t order_servers(const struct asking *a, size_t *order)
{
    const struct directory_person *owner = a->ask->owner;
    struct cluster *cluster = calendar_connector(a->calendar)->cluster;
    struct health *health = cluster != NULL ? cluster_health(cluster) : NULL;
    enum health_rank *ranks = arena_many(a->arena, enum health_rank, owner->server_count + 1);

    if (health == NULL)
        return 0;
    const struct health_view *view = health_view_ref(health);
    for (size_t i = 0; i < owner->server_count; i++) {
        const struct health_look look = health_of(view, owner->servers[i], sys_mono_ms());

        ranks[i] = slice_ieq(owner->servers[i], slice_str(calendar_server_name(a->calendar)))
                       ? HEALTH_RANK_PASSED
                       : health_rank_of(&look, false);
    }
    health_view_unref(&view);
    return health_rank_order(ranks, owner->server_count, order);
}

/* Each gets its part of the time that is left, so that one that hangs leaves some to the others. */
static enum st work_elsewhere(struct asking *a, struct buf *why)
{
    const uint64_t deadline_ms = sys_mono_ms() + conf_get()->freebusy_deadline_ms;
    const struct directory_person *owner = a->ask->owner;
    size_t *order = arena_many(a->arena, size_t, owner->server_count + 1);
    const size_t count = order_servers(a, order);
    enum st st = ST_IO;

    buf_put(why, SLICE("No server that has the account answers"));
    for (size_t i = 0; st == ST_IO && i < count; i++) {
        AUTO(buf) struct buf phrase = BUF(WHY_BYTES_MAX);
        const struct slice server = owner->servers[order[i]];
        const uint64_t now_ms = sys_mono_ms();
        const uint64_t left_ms = deadline_ms > now_ms ? deadline_ms - now_ms : 0;

        st = ask_server(a, server, now_ms + left_ms / (count - i), &phrase);
        if (st == ST_IO)
            buf_putf(why, "%s%.*s: %.*s", i == 0 ? ": " : "; ", SLICE_ARG(server),
                     SLICE_ARG(buf_slice(&phrase)));
    }
    return st;
}

enum st calendar_oof_ask(struct calendar *calendar, struct arena *arena,
                         const struct calendar_oof_ask *ask, struct store_calendar_account *oof,
                         struct buf *why)
{
    struct asking a = {calendar, arena, ask, oof};

    if (ask->owner->account_id == 0)
        return work_elsewhere(&a, why);
    const enum st st = work_here(&a);
    if (st == ST_IO)
        buf_put(why, SLICE("The store failed; the server's log says why"));
    return st;
}

/* --- for another --- */

static enum calendar_relay_oof_result result_of(enum st st)
{
    for (size_t i = 0; i < COUNT(sts); i++)
        if (sts[i] == st)
            return (enum calendar_relay_oof_result)i;
    return CALENDAR_RELAY_OOF_FAILED;
}

/* It has the asker's word for who it is that asks, as the certificate has it for the asker. */
static void work_for(struct calendar *calendar, struct arena *arena,
                     const struct calendar_relay_oof_question *question,
                     struct calendar_relay_oof_answer *answer)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct directory_person *person = directory_login(directory, question->who);
    struct calendar_who who;
    const struct calendar_oof_ask ask = {.who = &who,
                                         .owner = directory_login(directory, question->owner),
                                         .change = question->change};
    struct asking a = {calendar, arena, &ask, &answer->oof};

    answer->result = CALENDAR_RELAY_OOF_NOT_HERE;
    if (ask.owner == NULL || ask.owner->account_id == 0)
        return;
    answer->result = CALENDAR_RELAY_OOF_DENIED;
    if (person == NULL)
        return;
    calendar_who_init(directory, arena, person, &who);
    answer->oof = question->oof;
    answer->result = result_of(work_here(&a));
}

enum st calendar_oof_serve(struct calendar_connector *connector, struct cluster_asked *asked)
{
    struct arena *arena = arena_new("out of office asked", ARENA_BYTES_MAX);
    AUTO(buf) struct buf body_out = BUF(CLUSTER_BODY_BYTES_MAX);
    struct calendar_relay_oof_question question;
    struct calendar_relay_oof_answer answer = {0};
    enum st st = calendar_relay_oof_question_read(arena, cluster_asked_question(asked), &question);

    if (st == ST_OK) {
        work_for(connector->calendar, arena, &question, &answer);
        st = calendar_relay_oof_answer_write(&answer, &body_out);
    }
    if (st == ST_OK)
        st = cluster_asked_answer(asked, buf_slice(&body_out));
    arena_free(&arena);
    return st;
}
