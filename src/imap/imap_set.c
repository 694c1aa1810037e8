#include "imap/imap_set.h"

#include "base/buf.h"
#include "base/mem.h"

#include <inttypes.h>
#include <stdlib.h>

static int range_cmp(const void *a, const void *b)
{
    const struct imap_range *left = a;
    const struct imap_range *right = b;

    return left->first < right->first ? -1 : left->first > right->first;
}

static void set_join(struct imap_set *set)
{
    size_t used = 0;

    for (size_t i = 0; i < set->count; i++) {
        struct imap_range range = set->ranges[i];
        struct imap_range *last = used > 0 ? &set->ranges[used - 1] : NULL;

        if (last != NULL && (last->last == UINT32_MAX || range.first <= last->last + 1)) {
            if (range.last > last->last)
                last->last = range.last;
            continue;
        }
        set->ranges[used++] = range;
    }
    set->count = used;
}

void imap_set_resolve(struct imap_set *set, uint32_t max)
{
    bool sorted = true;
    size_t used = 0;

    for (size_t i = 0; i < set->count; i++) {
        struct imap_range range = set->ranges[i];

        if (max == 0 && (range.first == IMAP_STAR || range.last == IMAP_STAR))
            continue;
        if (range.first == IMAP_STAR)
            range.first = max;
        if (range.last == IMAP_STAR)
            range.last = max;
        if (range.first > range.last)
            range = (struct imap_range){range.last, range.first};
        if (used > 0 && range.first < set->ranges[used - 1].first)
            sorted = false;
        set->ranges[used++] = range;
    }
    set->count = used;
    if (!sorted)
        qsort(set->ranges, set->count, sizeof(set->ranges[0]), range_cmp);
    set_join(set);
}

bool imap_set_has(const struct imap_set *set, uint32_t number)
{
    size_t low = 0;
    size_t high = set->count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (set->ranges[mid].last < number)
            low = mid + 1;
        else
            high = mid;
    }
    return low < set->count && set->ranges[low].first <= number;
}

uint64_t imap_set_size(const struct imap_set *set)
{
    uint64_t size = 0;

    for (size_t i = 0; i < set->count; i++)
        size += (uint64_t)set->ranges[i].last - set->ranges[i].first + 1;
    return size;
}

void imap_numbers_add(struct imap_numbers *numbers, uint32_t number)
{
    struct imap_set *set = &numbers->set;

    if (set->count > 0 && set->ranges[set->count - 1].last + 1 == number) {
        set->ranges[set->count - 1].last = number;
        return;
    }
    if (set->count == numbers->cap) {
        numbers->cap = numbers->cap * 2 + 16;
        set->ranges = mem_grow(set->ranges, numbers->cap, sizeof(set->ranges[0]));
    }
    set->ranges[set->count++] = (struct imap_range){number, number};
}

void imap_numbers_fini(struct imap_numbers *numbers)
{
    mem_free(numbers->set.ranges);
    *numbers = (struct imap_numbers){.cap = 0};
}

void imap_set_write(const struct imap_set *set, struct buf *out)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct imap_range *range = &set->ranges[i];

        buf_putf(out, "%s%" PRIu32, i > 0 ? "," : "", range->first);
        if (range->last != range->first)
            buf_putf(out, ":%" PRIu32, range->last);
    }
}
