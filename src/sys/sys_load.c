#include "sys/sys_load.h"

#include "base/slice.h"

#include <fcntl.h>
#include <unistd.h>

/* "0.20 0.18 0.12 1/80 11206": the fourth is running/all (proc(5)). */
void sys_load(uint64_t *running_r, uint64_t *processors_r)
{
    char text[128];
    struct slice part = SLICE("");
    int fd = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    if (fd >= 0)
        close(fd);
    *processors_r = processors > 0 ? (uint64_t)processors : 1;
    *running_r = 0;
    struct slice rest = {text, len > 0 ? (size_t)len : 0};
    for (int i = 0; i < 4; i++)
        if (!slice_split(&rest, ' ', &part))
            return;
    if (slice_to_u64(slice_sub(part, 0, slice_find(part, '/')), running_r) != ST_OK)
        *running_r = 0;
    if (*running_r > 0)
        --*running_r;
}
