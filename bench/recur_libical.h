/* recur_libical.h: libical's side of recur.c; its header and ours use the same names. */
#pragma once
#include <stdint.h>

void *recur_libical_parse(const char *text);
void recur_libical_free(void *calendar);
/* How many instances of the first event lie in the window. */
unsigned recur_libical_expand(void *calendar, int64_t from_s, int64_t until_s);
