/* The threads that ask: who hangs keeps nobody else's questions. */
#include "t.h"

#include "calendar/calendar_source.h"
#include "sys/sys_time.h"

#include <pthread.h>

#define MANY 20000
#define PATIENCE_MS (10 * SEC_MS)
#define REST_MS 5

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool open; /* lock; those that hang go on */
static size_t begun, done, dropped;

static void add(size_t *count)
{
    pthread_mutex_lock(&lock);
    (*count)++;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
}

static bool await(const size_t *count, size_t wanted)
{
    const uint64_t end_ms = sys_mono_ms() + PATIENCE_MS;

    pthread_mutex_lock(&lock);
    for (uint64_t now_ms = sys_mono_ms(); *count < wanted && now_ms < end_ms;
         now_ms = sys_mono_ms())
        (void)sys_cond_wait_ms(&changed, &lock, end_ms - now_ms);
    const bool came = *count >= wanted;
    pthread_mutex_unlock(&lock);
    return came;
}

static void hang(void *ctx)
{
    add(&begun);
    pthread_mutex_lock(&lock);
    while (!open)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}

static void finish(void *ctx)
{
    add(&done);
}

static void drop(void *ctx)
{
    add(&dropped);
}

static void run(struct calendar_sources *sources, const char *source, void (*fn)(void *ctx))
{
    calendar_source_run(sources,
                        &(struct calendar_job){source, sys_mono_ms() + HOUR_MS, fn, drop, NULL});
}

static void begin(void)
{
    open = false;
    begun = done = dropped = 0;
    sys_cond_init(&changed);
}

static void end(struct calendar_sources *sources)
{
    calendar_sources_hurry(sources);
    pthread_mutex_lock(&lock);
    open = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    calendar_sources_stop(sources);
    calendar_sources_free(&sources);
}

static void who_hangs_leaves_room_for_questions_to_others(void **state)
{
    struct calendar_sources *sources = calendar_sources_new(2, 1);

    begin();
    for (size_t i = 0; i < MANY; i++)
        run(sources, "hangs", hang);
    assert_true(await(&begun, 1));
    assert_true(dropped > 0 && dropped < MANY);
    const size_t too_many = dropped;
    run(sources, "works", finish);
    assert_true(await(&done, 1));
    assert_int_equal(dropped, too_many);
    end(sources);
    assert_int_equal(begun, 1);
    assert_int_equal(dropped, MANY - 1);
}

/* As many wait for one source as threads rest: the next job's thread is woken all the same. */
static void a_thread_that_rests_is_woken_whoever_else_waits(void **state)
{
    struct calendar_sources *sources = calendar_sources_new(2, 1);

    begin();
    run(sources, "hangs", hang);
    run(sources, "works", finish);
    assert_true(await(&done, 1));
    run(sources, "hangs", hang);
    run(sources, "hangs", hang);
    for (size_t i = 2; i < 10; i++) {
        sys_sleep_ms(REST_MS); /* without it the thread is met before it rests */
        run(sources, "works", finish);
        assert_true(await(&done, i));
    }
    end(sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_hangs_leaves_room_for_questions_to_others),
        cmocka_unit_test(a_thread_that_rests_is_woken_whoever_else_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
