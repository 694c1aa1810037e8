#include "store_t.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define STEPS 3000
#define POSITIONS 6
#define MODEL_MAX 20000

/* What a client that was told every difference believes the folder to be. */
struct model {
    struct view *view;
    struct view_entry *entries;
    uint32_t count;
    uint32_t *expunged; /* old sequence numbers, ascending */
    uint32_t expunged_count;
    struct model_change {
        uint32_t seqno;
        struct view_entry entry;
    } * added, *changed;
    uint32_t added_count, changed_count;
};

static void model_init(struct model *m, struct store *store, struct t_store *t)
{
    *m = (struct model){.entries = mem_alloc(MODEL_MAX * sizeof(*m->entries)),
                        .expunged = mem_alloc(MODEL_MAX * sizeof(*m->expunged)),
                        .added = mem_alloc(MODEL_MAX * sizeof(*m->added)),
                        .changed = mem_alloc(MODEL_MAX * sizeof(*m->changed))};
    assert_int_equal(view_open(store, t->account_id, t->inbox_id, &m->view), ST_OK);
    m->count = view_count(m->view);
    for (uint32_t i = 0; i < m->count; i++)
        m->entries[i] = *view_at(m->view, i + 1);
}

static void model_fini(struct model *m)
{
    view_unref(&m->view);
    mem_free(m->entries);
    mem_free(m->expunged);
    mem_free(m->added);
    mem_free(m->changed);
}

static void expunged(void *ctx, uint32_t seqno, const struct view_entry *entry)
{
    struct model *m = ctx;

    assert_true(m->expunged_count == 0 || m->expunged[m->expunged_count - 1] < seqno);
    assert_int_equal(m->entries[seqno - 1].uid, entry->uid);
    m->expunged[m->expunged_count++] = seqno;
}

static void added(void *ctx, uint32_t seqno, const struct view_entry *entry)
{
    struct model *m = ctx;

    m->added[m->added_count++] = (struct model_change){seqno, *entry};
}

static void changed(void *ctx, uint32_t seqno, const struct view_entry *entry)
{
    struct model *m = ctx;

    m->changed[m->changed_count++] = (struct model_change){seqno, *entry};
}

static void apply(struct model *m)
{
    for (uint32_t i = m->expunged_count; i-- > 0;) {
        uint32_t at = m->expunged[i] - 1;
        memmove(&m->entries[at], &m->entries[at + 1], (--m->count - at) * sizeof(*m->entries));
    }
    for (uint32_t i = 0; i < m->added_count; i++) {
        uint32_t at = m->added[i].seqno - 1;
        assert_true(at <= m->count);
        memmove(&m->entries[at + 1], &m->entries[at], (m->count++ - at) * sizeof(*m->entries));
        m->entries[at] = m->added[i].entry;
    }
    for (uint32_t i = 0; i < m->changed_count; i++) {
        struct view_entry *entry = &m->entries[m->changed[i].seqno - 1];
        assert_int_equal(entry->uid, m->changed[i].entry.uid);
        *entry = m->changed[i].entry;
    }
    m->expunged_count = m->added_count = m->changed_count = 0;
}

static void model_step(struct model *m, struct store *store)
{
    static const struct view_diff_fns fns = {expunged, changed, added};
    struct view *newer;

    assert_int_equal(view_latest(store, m->view, &newer), ST_OK);
    assert_true(view_modseq(newer) >= view_modseq(m->view));
    view_diff(m->view, newer, &fns, m);
    apply(m);
    view_unref(&m->view);
    m->view = newer;
    assert_int_equal(m->count, view_count(newer));
    for (uint32_t i = 0; i < m->count; i++) {
        const struct view_entry *entry = view_at(newer, i + 1);
        assert_int_equal(m->entries[i].uid, entry->uid);
        assert_int_equal(m->entries[i].flags, entry->flags);
        assert_int_equal(m->entries[i].modseq, entry->modseq);
    }
}

static void check_truth(struct t_store *t, const struct model *m)
{
    AUTO(buf) struct buf text = BUF(1 * MIB);

    for (uint32_t i = 0; i < m->count; i++)
        buf_putf(&text, "%s%u:%llx", i > 0 ? " " : "", m->entries[i].uid,
                 (unsigned long long)m->entries[i].flags);
    assert_string_equal(text.len > 0 ? text.ptr : "", t_messages(t, t->inbox_id));
}

/* --- a random history --- */

struct history {
    struct t_store *t;
    struct store *store;
    uint64_t seed;
    struct arena *arena;
    struct store_folder inbox;
    int64_t blob_id;
    int steps;
};

static uint32_t chance(struct history *h, uint32_t below)
{
    h->seed = h->seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(h->seed >> 33) % below;
}

static enum st add_some(struct store_tx *tx, void *arg)
{
    struct history *h = arg;
    uint32_t count = 1 + (uint32_t)(h->seed >> 40) % 30;
    enum st st = ST_OK;

    for (uint32_t i = 0; st == ST_OK && i < count; i++) {
        struct store_message message = {.blob_id = h->blob_id, .bytes = 1, .guid = "g"};
        st = store_message_add(tx, h->t->account_id, h->inbox.folder_id, 0, &message);
    }
    return st;
}

static struct store_uids some_uids(struct history *h)
{
    uint32_t first = 1 + chance(h, 6000);

    return (struct store_uids){first, first + chance(h, chance(h, 10) == 0 ? 2000 : 20)};
}

static void act(struct history *h)
{
    struct store_uids range = some_uids(h);
    uint32_t kind = chance(h, 10);
    uint64_t count;

    arena_reset(h->arena);
    if (kind < 5) {
        assert_int_equal(store_write(h->store, add_some, h), ST_OK);
    } else if (kind < 7) {
        struct store_flagging f = {.uids = {&range, 1},
                                   .op = (enum store_flag_op)chance(h, 3),
                                   .flags = chance(h, 32),
                                   .unchanged_since = UINT64_MAX};
        assert_int_equal(t_flags(h->store, h->arena, &h->inbox, &f), ST_OK);
    } else if (kind < 9) {
        assert_int_equal(t_expunge(h->store, &h->inbox, range, false, &count), ST_OK);
    } else {
        struct store_copying copying = {.uids = {&range, 1}, .move = true};
        assert_int_equal(t_copy(h->store, h->arena, &h->inbox, &h->inbox, &copying), ST_OK);
    }
}

static void history_init(struct history *h, struct t_store *t, uint64_t seed)
{
    *h = (struct history){.t = t, .store = t->store, .seed = seed};
    h->arena = arena_new("history", 256 * MIB);
    h->inbox = t_folder_now(t, t->inbox_id);
    /* A body that stays, whatever is expunged. */
    h->blob_id = t_deliver(t, t_folder(t, "Archive"), SLICE("x")).blob_id;
}

static void test_differences_told_add_up_to_the_folder(struct t_store *t)
{
    struct model models[POSITIONS];
    struct history h;

    history_init(&h, t, 20240607);
    for (int i = 0; i < POSITIONS; i++)
        model_init(&models[i], t->store, t);
    for (int step = 0; step < STEPS / (t_is_postgres(t) ? 3 : 1); step++) {
        act(&h);
        /* Some positions are behind by hundreds of steps. */
        for (uint32_t i = 0; i < POSITIONS; i++)
            if (chance(&h, 1u << (2 * i)) == 0)
                model_step(&models[i], t->store);
        if (step % 50 == 0)
            check_truth(t, &models[0]);
    }
    for (int i = 0; i < POSITIONS; i++) {
        model_step(&models[i], t->store);
        check_truth(t, &models[i]);
        model_fini(&models[i]);
    }
    arena_free(&h.arena);
}

static atomic_bool writers_done;

static void *write_history(void *arg)
{
    struct history *h = arg;

    for (int i = 0; i < h->steps; i++)
        act(h);
    return NULL;
}

struct following {
    struct t_store *t;
    struct store *store;
};

static void *follow(void *arg)
{
    struct following *f = arg;

    while (!atomic_load(&writers_done)) {
        struct model m;

        model_init(&m, f->store, f->t);
        for (int i = 0; i < 20; i++)
            model_step(&m, f->store);
        model_fini(&m);
    }
    return NULL;
}

static void run_threads(struct t_store *t, struct store *other)
{
    struct history h[4];
    struct following f[4];
    pthread_t writers[4];
    pthread_t readers[4];

    atomic_store(&writers_done, false);
    for (unsigned i = 0; i < 4; i++) {
        history_init(&h[i], t, 77 + i);
        h[i].steps = 150;
        h[i].store = i % 2 == 0 ? t->store : other;
        f[i] = (struct following){t, i % 2 == 0 ? t->store : other};
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&writers[i], NULL, write_history, &h[i]), 0);
        assert_int_equal(pthread_create(&readers[i], NULL, follow, &f[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++)
        pthread_join(writers[i], NULL);
    atomic_store(&writers_done, true);
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(readers[i], NULL);
        arena_free(&h[i].arena);
    }
}

static void test_many_threads_see_the_same_folder(struct t_store *t)
{
    struct model m;

    run_threads(t, t->store);
    model_init(&m, t->store, t);
    check_truth(t, &m);
    model_fini(&m);
}

static void test_two_servers_see_the_same_folder(struct t_store *t)
{
    struct store *other = t_store_second(t);
    struct model mine;
    struct model its;
    uint64_t until_ms;

    model_init(&mine, t->store, t);
    model_init(&its, other, t);
    run_threads(t, other);
    until_ms = sys_mono_ms() + 10000;
    do {
        model_step(&mine, t->store);
        model_step(&its, other);
    } while (view_modseq(mine.view) != view_modseq(its.view) && sys_mono_ms() < until_ms);
    check_truth(t, &mine);
    check_truth(t, &its);
    model_fini(&mine);
    model_fini(&its);
    store_close(&other);
}

/* --- being told --- */

struct told {
    pthread_mutex_t lock;
    pthread_cond_t cond;
    int64_t account_id;
    int64_t folder_id;
    int count;
};

static void hear(void *ctx, int64_t account_id, int64_t folder_id)
{
    struct told *told = ctx;

    if (folder_id == STORE_FOLDER_ANY)
        return;
    pthread_mutex_lock(&told->lock);
    told->account_id = account_id;
    told->folder_id = folder_id;
    told->count++;
    pthread_cond_signal(&told->cond);
    pthread_mutex_unlock(&told->lock);
}

static bool wait_told(struct told *told, int count)
{
    uint64_t until_ms = sys_mono_ms() + 10000;

    pthread_mutex_lock(&told->lock);
    while (told->count < count && sys_mono_ms() < until_ms)
        (void)sys_cond_wait_ms(&told->cond, &told->lock, 100);
    bool enough = told->count >= count;
    pthread_mutex_unlock(&told->lock);
    return enough;
}

static void check_told(struct t_store *t, struct store *watcher)
{
    struct told told = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct told deaf = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct view *view;
    struct view *newer;

    sys_cond_init(&told.cond);
    sys_cond_init(&deaf.cond);
    struct store_watch *watch = store_watch_new(watcher, t->account_id, hear, &told);
    struct store_watch *other = store_watch_new(watcher, t->account_id + 1, hear, &deaf);
    assert_int_equal(view_open(watcher, t->account_id, t->inbox_id, &view), ST_OK);
    if (watcher != t->store)
        sys_sleep_ms(300); /* until it listens */
    (void)t_deliver(t, t->inbox_id, SLICE("x"));
    assert_true(wait_told(&told, 1));
    assert_int_equal(told.account_id, t->account_id);
    assert_int_equal(told.folder_id, t->inbox_id);
    assert_int_equal(view_latest(watcher, view, &newer), ST_OK);
    assert_int_equal(view_count(newer), view_count(view) + 1);
    assert_int_equal(t_folder_add(t, "told"), ST_OK);
    assert_true(wait_told(&told, 2));
    assert_int_equal(told.folder_id, 0);
    assert_int_equal(deaf.count, 0);
    store_watch_free(&watch);
    store_watch_free(&other);
    (void)t_deliver(t, t->inbox_id, SLICE("x"));
    assert_int_equal(told.count, 2);
    view_unref(&view);
    view_unref(&newer);
}

static void test_watchers_are_told_of_their_account(struct t_store *t)
{
    check_told(t, t->store);
}

static void test_another_servers_watchers_are_told(struct t_store *t)
{
    struct store *other = t_store_second(t);

    check_told(t, other);
    store_close(&other);
}

static void hear_any(void *ctx, int64_t account_id, int64_t folder_id)
{
    if (folder_id == STORE_FOLDER_ANY)
        atomic_fetch_add((atomic_int *)ctx, 1);
}

static void test_what_was_not_heard_is_made_good_after_a_reconnect(struct t_store *t)
{
    struct store *other = t_store_second(t);
    atomic_int told_any = 0;
    struct store_watch *watch = store_watch_new(other, t->account_id, hear_any, &told_any);
    struct view *view;

    assert_int_equal(view_open(other, t->account_id, t->inbox_id, &view), ST_OK);
    for (uint32_t i = 1; i <= 10; i++) {
        uint64_t until_ms = sys_mono_ms() + 10000;
        t_admin(t,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND datname = current_database()");
        (void)t_deliver(t, t->inbox_id, SLICE("x"));
        while (view_count(view) < i && sys_mono_ms() < until_ms) {
            struct view *newer;
            assert_int_equal(view_latest(other, view, &newer), ST_OK);
            view_unref(&view);
            view = newer;
            sys_sleep_ms(5);
        }
        assert_int_equal(view_count(view), i);
    }
    assert_true(atomic_load(&told_any) >= 10);
    view_unref(&view);
    store_watch_free(&watch);
    store_close(&other);
}

static void test_a_removed_folders_view_stays_and_says_so(struct t_store *t)
{
    int64_t id = t_folder(t, "short");
    struct view *view;
    struct view *newer;
    struct view *again;

    (void)t_deliver(t, id, SLICE("x"));
    assert_int_equal(view_open(t->store, t->account_id, id, &view), ST_OK);
    assert_int_equal(view_seqno(view, 1), 1);
    assert_int_equal(view_seqno(view, 2), 0);
    assert_int_equal(view_lower_bound(view, 2), 2);
    assert_int_equal(t_folder_remove(t, "short"), ST_OK);
    assert_int_equal(view_latest(t->store, view, &newer), ST_OK);
    assert_true(view_folder_gone(newer));
    assert_int_equal(view_count(newer), 1);
    assert_int_equal(view_open(t->store, t->account_id, id, &again), ST_NOT_FOUND);
    assert_int_equal(view_latest(t->store, newer, &again), ST_OK);
    assert_ptr_equal(again, newer);
    view_unref(&again);
    view_unref(&newer);
    view_unref(&view);
    assert_int_equal(view_open(t->store, t->account_id, id, &view), ST_NOT_FOUND);
    assert_null(view);
}

int main(void)
{
    static const struct t_case cases[] = {
        T_CASE(test_differences_told_add_up_to_the_folder),
        T_CASE(test_many_threads_see_the_same_folder),
        T_CASE_ONLY(test_two_servers_see_the_same_folder, "postgres"),
        T_CASE(test_watchers_are_told_of_their_account),
        T_CASE_ONLY(test_another_servers_watchers_are_told, "postgres"),
        T_CASE_ONLY(test_what_was_not_heard_is_made_good_after_a_reconnect, "postgres"),
        T_CASE(test_a_removed_folders_view_stays_and_says_so),
    };
    return t_run(cases, COUNT(cases));
}
