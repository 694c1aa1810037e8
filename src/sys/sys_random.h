/* sys_random.h: randomness from the kernel. */
#pragma once
#include "base/base.h"

#define SYS_GUID_HEX 32

void sys_random(void *out, size_t len); /* never fails: aborts where the kernel has none */
/* 128 random bits as 32 lower-case hexadecimal digits and a NUL. */
void sys_guid(char out[SYS_GUID_HEX + 1]);
