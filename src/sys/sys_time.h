/* sys_time.h: the clocks. No other folder reads one. */
#pragma once
#include "base/base.h"

#include <pthread.h>

int64_t sys_now_ms(void);   /* milliseconds since 1970, UTC */
uint64_t sys_mono_ms(void); /* never steps; for time-outs and durations */
uint64_t sys_mono_us(void);
void sys_sleep_ms(uint64_t ms);
/* Waits on cond, made by sys_cond_init(), at most ms; false when the time is over. */
bool sys_cond_wait_ms(pthread_cond_t *cond, pthread_mutex_t *lock, uint64_t ms);
void sys_cond_init(pthread_cond_t *cond); /* on the monotonic clock */
