#include "calendar/calendar_known.h"

#include "base/arena.h"
#include "base/mem.h"
#include "base/slice.h"
#include "calendar/calendar_freebusy.h"

#include <pthread.h>
#include <string.h>
#include <uthash.h>

#define ANSWERS_MAX 4 /* of one attendee */
#define KEY_BYTES_MAX 1000

struct answer {
    int64_t from_s, until_s;
    uint64_t at_ms;
    struct calendar_busy_row *rows;
    size_t count;
};

struct entry {
    UT_hash_handle hh; /* in the order of their last use */
    struct answer answers[ANSWERS_MAX];
    size_t count;
    size_t bytes;
    size_t key_len;
    char key[];
};

struct calendar_known {
    pthread_mutex_t lock;
    struct entry *entries;
    size_t bytes, bytes_max, rows_max;
};

struct calendar_known *calendar_known_new(size_t bytes_max, size_t rows_max)
{
    struct calendar_known *known = mem_new(struct calendar_known);

    pthread_mutex_init(&known->lock, NULL);
    known->bytes_max = bytes_max;
    known->rows_max = rows_max;
    return known;
}

/* --- under the lock --- */

static size_t bytes_of(const struct answer *answer)
{
    return answer->count * sizeof(answer->rows[0]);
}

static void take_out(struct calendar_known *known, struct entry *entry, size_t i)
{
    size_t bytes = bytes_of(&entry->answers[i]);

    mem_free(entry->answers[i].rows);
    entry->answers[i] = entry->answers[--entry->count];
    entry->bytes -= bytes;
    known->bytes -= bytes;
}

static void forget(struct calendar_known *known, struct entry *entry)
{
    while (entry->count > 0)
        take_out(known, entry, 0);
    known->bytes -= entry->bytes;
    HASH_DEL(known->entries, entry);
    mem_free(entry);
}

/* Lower case, so that a look-up is one of bytes. */
static size_t fold(struct slice key, char *folded_r)
{
    size_t len = key.len < KEY_BYTES_MAX ? key.len : KEY_BYTES_MAX;

    for (size_t i = 0; i < len; i++) {
        char c = key.ptr[i];
        folded_r[i] = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
    }
    return len;
}

/* Found ones become the last used. */
static struct entry *find(struct calendar_known *known, const char *key, size_t len)
{
    struct entry *entry;

    HASH_FIND(hh, known->entries, key, len, entry);
    if (entry != NULL) {
        HASH_DEL(known->entries, entry);
        HASH_ADD_KEYPTR(hh, known->entries, entry->key, entry->key_len, entry);
    }
    return entry;
}

static struct entry *make(struct calendar_known *known, const char *key, size_t len)
{
    struct entry *entry = mem_alloc(sizeof(*entry) + len);

    memcpy(entry->key, key, len);
    entry->key_len = len;
    entry->bytes = sizeof(*entry) + len;
    known->bytes += entry->bytes;
    HASH_ADD_KEYPTR(hh, known->entries, entry->key, entry->key_len, entry);
    return entry;
}

static bool covers(const struct answer *answer, const struct answer *old)
{
    return old->from_s >= answer->from_s && old->until_s <= answer->until_s &&
           calendar_freebusy_known_s(answer->rows, answer->count, old->from_s, old->until_s) ==
               old->until_s - old->from_s;
}

/* What the new answer covers is outdated; else the oldest goes. */
static void make_room(struct calendar_known *known, struct entry *entry,
                      const struct answer *answer)
{
    size_t oldest = 0;

    for (size_t i = entry->count; i-- > 0;)
        if (covers(answer, &entry->answers[i]))
            take_out(known, entry, i);
    if (entry->count < ANSWERS_MAX)
        return;
    for (size_t i = 1; i < entry->count; i++)
        if (entry->answers[i].at_ms < entry->answers[oldest].at_ms)
            oldest = i;
    take_out(known, entry, oldest);
}

static int64_t overlap_s(const struct answer *answer, int64_t from_s, int64_t until_s)
{
    int64_t from = answer->from_s > from_s ? answer->from_s : from_s;
    int64_t until = answer->until_s < until_s ? answer->until_s : until_s;

    return calendar_freebusy_known_s(answer->rows, answer->count, from, until);
}

static const struct answer *best_of(const struct entry *entry, int64_t from_s, int64_t until_s,
                                    uint64_t after_ms)
{
    const struct answer *best = NULL;
    int64_t most_s = 0;

    for (size_t i = 0; i < entry->count; i++) {
        const struct answer *answer = &entry->answers[i];
        int64_t s = answer->at_ms >= after_ms ? overlap_s(answer, from_s, until_s) : 0;

        if (s > most_s || (s == most_s && s > 0 && answer->at_ms > best->at_ms)) {
            best = answer;
            most_s = s;
        }
    }
    return best;
}

static void copy_rows(const struct answer *answer, struct arena *arena,
                      struct calendar_known_answer *r)
{
    r->rows = arena_many(arena, struct calendar_busy_row, answer->count + 1);
    r->count = 0;
    for (size_t i = 0; i < answer->count; i++) {
        struct calendar_busy_row row = answer->rows[i];

        row.start_s = row.start_s > r->from_s ? row.start_s : r->from_s;
        row.end_s = row.end_s < r->until_s ? row.end_s : r->until_s;
        if (row.start_s < row.end_s)
            r->rows[r->count++] = row;
    }
    calendar_freebusy_trim(&r->rows, &r->count, &r->from_s, &r->until_s);
}

/* --- for everybody --- */

void calendar_known_free(struct calendar_known **known)
{
    struct calendar_known *k = *known;

    if (k == NULL)
        return;
    while (k->entries != NULL)
        forget(k, k->entries);
    pthread_mutex_destroy(&k->lock);
    mem_free(k);
    *known = NULL;
}

void calendar_known_put(struct calendar_known *known, struct slice key, int64_t from_s,
                        int64_t until_s, const struct calendar_busy_row *rows, size_t count,
                        uint64_t now_ms)
{
    char folded[KEY_BYTES_MAX];
    size_t len = fold(key, folded);
    struct answer answer = {from_s, until_s, now_ms, NULL, count};

    if (count > known->rows_max || from_s >= until_s || key.len > KEY_BYTES_MAX)
        return;
    answer.rows = mem_alloc(bytes_of(&answer) + 1);
    if (count > 0)
        memcpy(answer.rows, rows, bytes_of(&answer));
    pthread_mutex_lock(&known->lock);
    struct entry *entry = find(known, folded, len);
    if (entry == NULL)
        entry = make(known, folded, len);
    make_room(known, entry, &answer);
    entry->answers[entry->count++] = answer;
    entry->bytes += bytes_of(&answer);
    known->bytes += bytes_of(&answer);
    while (known->bytes > known->bytes_max && known->entries != NULL)
        forget(known, known->entries); /* the first was not used for longest */
    pthread_mutex_unlock(&known->lock);
}

bool calendar_known_get(struct calendar_known *known, struct slice key, int64_t from_s,
                        int64_t until_s, uint64_t now_ms, uint64_t age_max_ms, struct arena *arena,
                        struct calendar_known_answer *answer_r)
{
    uint64_t after_ms = now_ms > age_max_ms ? now_ms - age_max_ms : 0;
    char folded[KEY_BYTES_MAX];
    size_t len = fold(key, folded);
    const struct answer *answer = NULL;

    if (key.len > KEY_BYTES_MAX)
        return false;
    pthread_mutex_lock(&known->lock);
    const struct entry *entry = find(known, folded, len);
    if (entry != NULL)
        answer = best_of(entry, from_s, until_s, after_ms);
    if (answer != NULL) {
        *answer_r = (struct calendar_known_answer){
            .from_s = answer->from_s > from_s ? answer->from_s : from_s,
            .until_s = answer->until_s < until_s ? answer->until_s : until_s,
            .age_ms = now_ms - answer->at_ms};
        copy_rows(answer, arena, answer_r);
    }
    pthread_mutex_unlock(&known->lock);
    return answer != NULL;
}

void calendar_known_drop(struct calendar_known *known, struct slice key)
{
    char folded[KEY_BYTES_MAX];
    size_t len = fold(key, folded);

    if (key.len > KEY_BYTES_MAX)
        return;
    pthread_mutex_lock(&known->lock);
    struct entry *entry = find(known, folded, len);
    if (entry != NULL)
        forget(known, entry);
    pthread_mutex_unlock(&known->lock);
}

struct calendar_known_figures calendar_known_figures(struct calendar_known *known)
{
    pthread_mutex_lock(&known->lock);
    const struct calendar_known_figures figures = {HASH_COUNT(known->entries), known->bytes};
    pthread_mutex_unlock(&known->lock);
    return figures;
}
