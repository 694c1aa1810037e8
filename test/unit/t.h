/* t.h: cmocka with what it wants included before it, and a check for slices. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/slice.h"

#include <stdio.h>
#include <string.h>

/* Compares bytes and, where they differ, shows both. */
#define T_EQ_SLICE(got, want) t_eq_slice((got), (want), __FILE__, __LINE__)

static inline void t_eq_slice(struct slice got, struct slice want, const char *file, int line)
{
    if (slice_eq(got, want))
        return;
    printf("# got  \"%.*s\"\n# want \"%.*s\"\n", SLICE_ARG(got), SLICE_ARG(want));
    _fail(file, line);
}

/* Names the row of a table case that is about to run, for the reader of a failure. */
#define T_ROW(i, what) t_row((i), (what))

static inline void t_row(size_t i, const char *what)
{
    printf("# row %zu: ", i);
    for (; *what != '\0'; what++) /* on one line, whatever it is: TAP goes by lines */
        putchar((unsigned char)*what < ' ' ? '~' : *what);
    putchar('\n');
}
