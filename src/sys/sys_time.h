/* sys_time.h: the clocks. No other folder reads one. */
#pragma once
#include "base/base.h"

int64_t sys_now_ms(void);   /* milliseconds since 1970, UTC */
uint64_t sys_mono_ms(void); /* never steps; for time-outs and durations */
uint64_t sys_mono_us(void);
