#include "imap/imap_match.h"

#include "base/slice.h"

/* Where to go on when what follows a wildcard does not fit: one byte more to the wildcard. */
struct retry {
    size_t pattern; /* behind the wildcard; 0: there was none */
    size_t name;
};

static char upper(char c)
{
    if (c >= 'a' && c <= 'z')
        return (char)(c - ('a' - 'A'));
    return c;
}

/* INBOX itself, and the level INBOX of what lies below it. */
static size_t folded_len(struct slice name, char separator)
{
    if (slice_istarts(name, SLICE("INBOX")) && (name.len == 5 || name.ptr[5] == separator))
        return 5;
    return 0;
}

bool imap_match(struct slice pattern, struct slice name, char separator)
{
    const size_t folded = folded_len(name, separator);
    struct retry star = {0, 0};
    struct retry percent = {0, 0};
    size_t p = 0;
    size_t n = 0;

    while (n < name.len || p < pattern.len) {
        char want = 0;

        if (p < pattern.len)
            want = pattern.ptr[p];
        if (p < pattern.len && want == '*') {
            star = (struct retry){++p, n};
            percent.pattern = 0;
            continue;
        }
        if (p < pattern.len && want == '%') {
            percent = (struct retry){++p, n};
            continue;
        }
        if (p < pattern.len && n < name.len &&
            (want == name.ptr[n] || (n < folded && upper(want) == upper(name.ptr[n])))) {
            p++;
            n++;
            continue;
        }
        /* The last % may not swallow a separator; no earlier % could either. */
        if (percent.pattern != 0 && percent.name < name.len &&
            name.ptr[percent.name] != separator) {
            p = percent.pattern;
            n = ++percent.name;
            continue;
        }
        percent.pattern = 0;
        if (star.pattern == 0 || star.name >= name.len)
            return false;
        p = star.pattern;
        n = ++star.name;
    }
    return true;
}
