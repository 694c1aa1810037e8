#include "sys/sys_random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void sys_random(void *out, size_t len)
{
    char *pos = out;

    while (len > 0) {
        ssize_t got = getrandom(pos, len, 0);

        if (got < 0 && errno != EINTR)
            abort();
        if (got > 0) {
            pos += got;
            len -= (size_t)got;
        }
    }
}

void sys_guid(char out[SYS_GUID_HEX + 1])
{
    unsigned char bytes[SYS_GUID_HEX / 2];

    sys_random(bytes, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++)
        snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}
