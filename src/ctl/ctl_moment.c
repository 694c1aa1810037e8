#include "ctl/ctl_moment.h"

#include <time.h>

enum st ctl_moment_parse(const char *text, bool end, int64_t *ms_r)
{
    static const char *const forms[] = {"%Y-%m-%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M",
                                        "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"};

    for (size_t i = 0; i < COUNT(forms); i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *rest = strptime(text, forms[i], &tm);

        if (rest == NULL || *rest != '\0')
            continue;
        struct tm next = tm;
        next.tm_mday++;
        int day = tm.tm_mday;
        time_t at = mktime(&tm);
        if (at == (time_t)-1 || tm.tm_mday != day) /* 31 February is 3 March to it */
            return ST_INVALID;
        if (i == 0 && end)
            at = mktime(&next);
        *ms_r = (int64_t)at * 1000;
        return ST_OK;
    }
    return ST_INVALID;
}
