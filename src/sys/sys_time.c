#include "sys/sys_time.h"

#include <time.h>

static uint64_t read_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

int64_t sys_now_ms(void)
{
    return (int64_t)(read_us(CLOCK_REALTIME) / 1000);
}

uint64_t sys_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

uint64_t sys_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}
