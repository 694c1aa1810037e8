/* base.h: the handful of words every file may use. */
#pragma once
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF(f, a) __attribute__((format(printf, f, a)))
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define AUTO(type) __attribute__((cleanup(type##_cleanup)))

#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SEC_MS UINT64_C(1000)
#define MIN_MS (60 * SEC_MS)
#define HOUR_MS (60 * MIN_MS)
#define DAY_MS (24 * HOUR_MS)

/* Every operation that can fail returns one of these; each protocol owns one table that maps them
 * to its own replies. */
enum st {
    ST_OK = 0,
    ST_AGAIN,   /* not an error: call again when there is more input */
    ST_INVALID, /* the peer's fault */
    ST_TOO_BIG, /* over a configured limit */
    ST_DENIED,
    ST_NOT_FOUND,
    ST_EXISTS,
    ST_CONFLICT, /* lost a race: retry */
    ST_FULL,     /* over the account's quota */
    ST_IO,       /* our fault: disk, database, peer node */
    ST_MAX,
};

/* A borrowed run of bytes. Never owns, never NUL-terminated. */
struct slice {
    const char *ptr;
    size_t len;
};
#define SLICE(lit) ((struct slice){(lit), sizeof(lit) - 1})
/* For printf's "%.*s". */
#define SLICE_ARG(s) (int)(s).len, (s).ptr
