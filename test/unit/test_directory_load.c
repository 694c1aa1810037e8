/* How long the snapshot of a large directory takes, and what it costs; printed, not judged. */
#include "store_t.h"

#include "directory/directory.h"

#include <malloc.h>
#include <time.h>

#define PERSONS 100000

/* Each with an account, a password and two aliases, of which one is in a domain. */
static const char make_persons[] =
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
    " INSERT INTO document (kind, name, modified_ms, body, seq) SELECT 'person',"
    " printf('person%d', i), 1, printf('full_name = Person Number %d\nalias = p.number%d\n"
    "alias = p%d@other.test\n"
    "password_yescrypt = $y$j9T$AAAAAAAAAAAAAAAAAAAAAA$%043d\n"
    "password_scram = SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$%043d=:%043d=\n"
    "quota_bytes = 0\ndisabled = no\nadmin = no\n', i, i, i, i, i, i), i FROM n;"
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)"
    " INSERT INTO account (account_id, name, guid, modseq, uidvalidity, created_ms, bytes_used,"
    " message_count) SELECT i + 1, printf('person%d', i), printf('%032x', i), 1, 1, 1, 0, 0 FROM "
    "n;";

static double clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static double bytes_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return (double)(info.uordblks + info.hblkhd);
}

static int64_t account_of(const struct directory *directory, const char *local, const char *domain)
{
    struct directory_found found;

    if (!directory_find(directory, slice_str(local), slice_str(domain), &found))
        return 0;
    return found.person->account_id;
}

static void test_a_large_directory_is_read(void **state)
{
    struct t_store t = {.engine = "sqlite"};
    const struct directory *directory;

    (void)state;
    t_store_new(&t);
    t_sql(&t, make_persons);
    double before = bytes_in_use();
    double from = clock_ms(CLOCK_MONOTONIC);
    double cpu_from = clock_ms(CLOCK_THREAD_CPUTIME_ID);
    assert_int_equal(directory_open(t.store), ST_OK);
    printf("# snapshot of %d persons: %.0f ms, of these %.0f ms of processor time; %.1f MB\n",
           PERSONS, clock_ms(CLOCK_MONOTONIC) - from, clock_ms(CLOCK_THREAD_CPUTIME_ID) - cpu_from,
           (bytes_in_use() - before) / 1e6);
    directory = directory_ref();
    assert_int_equal(account_of(directory, "p77@other.test", "other.test"), 0);
    assert_int_equal(account_of(directory, "P77", "Other.test"), 78);
    assert_int_equal(account_of(directory, "p99999", "other.test"), 100000);
    assert_non_null(directory_login(directory, SLICE("person0")));
    assert_null(directory_login(directory, SLICE("person100000")));
    directory_unref(&directory);
    directory_close();
    t_store_free(&t);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_large_directory_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
