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
        const struct tm given = tm;
        tm.tm_mday += i == 0 && end;
        time_t at = mktime(&tm);
        /* mktime() makes 3 March of 31 February, and an hour that a gap leaves out is another. */
        bool same = (i == 0 && end) || (tm.tm_mday == given.tm_mday && tm.tm_mon == given.tm_mon);
        if (at == (time_t)-1 || !same)
            return ST_INVALID;
        *ms_r = (int64_t)at * 1000;
        return ST_OK;
    }
    return ST_INVALID;
}
