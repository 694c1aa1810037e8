/* sys_load.h: how much there is to do on this machine. */
#pragma once
#include "base/base.h"

/* How many threads of the machine run or wait for a processor at this moment, this one not counted
 * (0 where the kernel does not tell), and how many processors there are. */
void sys_load(uint64_t *running_r, uint64_t *processors_r);
