/* ical_bits.h: sets of small numbers as words of bits, for recurrence. Pure. */
#pragma once
#include "base/base.h"

#define ICAL_BIT(n) (UINT64_C(1) << (n))

static inline bool ical_bits_has(const uint64_t *words, unsigned n)
{
    return (words[n / 64] >> (n % 64) & 1) != 0;
}

static inline void ical_bits_set(uint64_t *words, unsigned n)
{
    words[n / 64] |= ICAL_BIT(n % 64);
}

/* count (1 to 64) bits from n on; words are limit bits long, beyond are zeros. */
static inline uint64_t ical_bits_get(const uint64_t *words, unsigned n, unsigned count,
                                     unsigned limit)
{
    uint64_t got = words[n / 64] >> (n % 64);

    if (n % 64 != 0 && (n / 64 + 1) * 64 < limit)
        got |= words[n / 64 + 1] << (64 - n % 64);
    return count < 64 ? got & (ICAL_BIT(count) - 1) : got;
}

/* The first bit from n on, or -1. */
static inline int ical_bits_next(const uint64_t *words, size_t count, unsigned n)
{
    size_t i = n / 64;

    if (i >= count)
        return -1;
    uint64_t word = words[i] & ~UINT64_C(0) << (n % 64);
    while (word == 0) {
        if (++i == count)
            return -1;
        word = words[i];
    }
    return (int)(i * 64) + __builtin_ctzll(word);
}

/* The last bit up to n, or -1. */
static inline int ical_bits_prev(const uint64_t *words, unsigned n)
{
    size_t i = n / 64;
    uint64_t word = words[i] & ~UINT64_C(0) >> (63 - n % 64);

    while (word == 0) {
        if (i-- == 0)
            return -1;
        word = words[i];
    }
    return (int)(i * 64) + 63 - __builtin_clzll(word);
}

/* The nth bit (from 0) of a word that has more than n. */
static inline unsigned ical_bits_nth(uint64_t word, uint64_t n)
{
    for (; n > 0; n--)
        word &= word - 1;
    return (unsigned)__builtin_ctzll(word);
}
