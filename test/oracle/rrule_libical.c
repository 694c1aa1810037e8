/* rrule_libical: what libical makes of a recurrence rule. Lines as those of rrule_expand; each
 * instance is written as soon as it is found, so that whoever has no more patience has them all. */
#include <libical/ical.h>

#include <stdio.h>
#include <string.h>

static void expand(const char *start_text, const char *rule_text, unsigned max)
{
    struct icaltimetype start = icaltime_from_string(start_text), at;
    struct icalrecurrencetype rule = icalrecurrencetype_from_string(rule_text);
    icalrecur_iterator *iter;

    if (icaltime_is_null_time(start) || rule.freq == ICAL_NO_RECURRENCE ||
        (iter = icalrecur_iterator_new(rule, start)) == NULL) {
        printf("! %s\n", icalerror_strerror(icalerrno));
        return;
    }
    for (; max > 0 && !icaltime_is_null_time(at = icalrecur_iterator_next(iter)); max--) {
        printf("%04d%02d%02dT%02d%02d%02d ", at.year, at.month, at.day, at.hour, at.minute,
               at.second);
        fflush(stdout);
    }
    icalrecur_iterator_free(iter);
    printf(max > 0 ? "\n" : "+\n");
}

int main(void)
{
    char line[4096], start[64], rule[4000], from[64];
    unsigned max;

    icalerror_set_errors_are_fatal(0);
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (sscanf(line, "%63s %3999s %63s %u", start, rule, from, &max) == 4)
            expand(start, rule, max);
        else
            printf("! the line is not understood\n");
        fflush(stdout);
    }
    return 0;
}
