#include "directory/directory_calendar.h"

#include "base/arena.h"
#include "base/buf.h"

#include <string.h>

#define URL_BYTES_MAX 2000 /* an address may be 320 bytes, three each when escaped */

static const char *const ways[] = {
    [DIRECTORY_CALENDAR_NONE] = "none",
    [DIRECTORY_CALENDAR_EWS] = "ews",
    [DIRECTORY_CALENDAR_CALDAV] = "caldav",
    [DIRECTORY_CALENDAR_IFB] = "ifb",
};
static_assert(COUNT(ways) == DIRECTORY_CALENDAR_MAX, "one for each");

static const char *const auths[] = {
    [DIRECTORY_CALENDAR_BASIC] = "basic",
    [DIRECTORY_CALENDAR_NTLM] = "ntlm",
    [DIRECTORY_CALENDAR_NEGOTIATE] = "negotiate",
};
static_assert(COUNT(auths) == DIRECTORY_CALENDAR_AUTH_MAX, "one for each");

/* --- the URL --- */

static const struct {
    const char *name;
    bool local, domain;
} marks[] = {{"{local}", true, false}, {"{domain}", false, true}, {"{address}", true, true}};

/* The mark that text begins with, or COUNT(marks). */
static size_t mark_at(struct slice text)
{
    size_t i = 0;

    while (i < COUNT(marks) && !slice_starts(text, slice_str(marks[i].name)))
        i++;
    return i;
}

/* RFC 3986 section 2.3 stays as it is. */
static void put_escaped(struct buf *out, struct slice text)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] != '\0' && strchr(plain, text.ptr[i]) != NULL)
            buf_put(out, slice_sub(text, i, 1));
        else
            buf_putf(out, "%%%02X", (unsigned)(unsigned char)text.ptr[i]);
}

bool directory_calendar_is_each(const struct directory_calendar *calendar)
{
    struct slice url = slice_str(calendar->url);

    for (size_t i = 0; i < url.len; i++)
        if (mark_at(slice_sub(url, i, url.len)) < COUNT(marks))
            return true;
    return false;
}

const char *directory_calendar_url(const struct directory_calendar *calendar, struct arena *arena,
                                   struct slice local, struct slice domain)
{
    AUTO(buf) struct buf out = BUF(URL_BYTES_MAX);
    struct slice rest = slice_str(calendar->url);

    while (rest.len > 0) {
        size_t mark = mark_at(rest);
        size_t len = mark < COUNT(marks) ? strlen(marks[mark].name) : 1;

        if (mark == COUNT(marks))
            buf_put(&out, slice_sub(rest, 0, 1));
        else if (marks[mark].local)
            put_escaped(&out, local);
        if (mark < COUNT(marks) && marks[mark].domain) {
            if (marks[mark].local)
                buf_put(&out, SLICE("%40"));
            put_escaped(&out, domain);
        }
        rest = slice_sub(rest, len, rest.len);
    }
    return slice_cstr(arena, buf_slice(&out));
}

/* A scheme, a host without a user, and nothing that would end a line of HTTP. */
static bool is_url(struct slice url)
{
    size_t from = slice_starts(url, SLICE("https://"))  ? 8
                  : slice_starts(url, SLICE("http://")) ? 7
                                                        : SIZE_MAX;

    if (from >= url.len || url.ptr[from] == '/' || url.ptr[from] == '{')
        return false;
    struct slice host = slice_sub(url, from, url.len);
    host = slice_sub(host, 0, slice_find(host, '/'));
    if (slice_find(host, '@') != SIZE_MAX)
        return false;
    for (size_t i = 0; i < url.len; i++)
        if ((unsigned char)url.ptr[i] <= ' ' || url.ptr[i] == 0x7f || url.ptr[i] == '"')
            return false;
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] == '{' && mark_at(slice_sub(url, i, url.len)) == COUNT(marks))
            return false;
    return true;
}

/* --- fields --- */

enum st directory_calendar_take(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_calendar *calendar = at;
    struct slice rest = slice_str(value);
    size_t blank = slice_find(rest, ' ');
    struct slice word = slice_sub(rest, 0, blank);
    struct slice url = blank < rest.len ? slice_trim(slice_sub(rest, blank, rest.len)) : SLICE("");
    enum directory_calendar_way way = DIRECTORY_CALENDAR_EWS;

    while (way < DIRECTORY_CALENDAR_MAX && !slice_eq(word, slice_str(ways[way])))
        way++;
    if (way == DIRECTORY_CALENDAR_MAX || !is_url(url))
        return directory_text_refuse(
            reading,
            "%s is no way to ask for free time; write ews, caldav or ifb and a URL, as in ifb "
            "https://www.example/freebusy/{local}.ifb",
            value);
    calendar->way = way;
    calendar->url = slice_cstr(reading->arena, url);
    return ST_OK;
}

enum st directory_calendar_take_auth(struct directory_reading *reading, void *at, const char *value)
{
    enum directory_calendar_auth *auth = at;

    for (*auth = 0; *auth < DIRECTORY_CALENDAR_AUTH_MAX; (*auth)++)
        if (strcmp(value, auths[*auth]) == 0)
            return ST_OK;
    return directory_text_refuse(reading, "calendar_auth = %s: write basic, ntlm or negotiate",
                                 value);
}

void directory_calendar_begin(struct directory_calendar *calendar)
{
    *calendar =
        (struct directory_calendar){.url = "", .user = "", .password = "", .impersonate = ""};
}

/* Nothing that would end a line of HTTP. */
static bool is_address(struct slice text)
{
    const size_t at = slice_find(text, '@');

    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] <= ' ' || text.ptr[i] == 0x7f)
            return false;
    return at > 0 && at < text.len - 1;
}

enum st directory_calendar_end(struct directory_reading *reading,
                               const struct directory_calendar *calendar)
{
    if (calendar->password[0] != '\0' && calendar->user[0] == '\0')
        return directory_text_refuse(reading, "a calendar_password without a calendar_user");
    if (calendar->user[0] != '\0' && calendar->way == DIRECTORY_CALENDAR_NONE)
        return directory_text_refuse(reading, "a calendar_user, and no calendar to ask");
    if (calendar->impersonate[0] != '\0' && calendar->way != DIRECTORY_CALENDAR_EWS)
        return directory_text_refuse(reading, "a calendar_impersonate is for calendar = ews alone");
    if (calendar->impersonate[0] != '\0' && !is_address(slice_str(calendar->impersonate)))
        return directory_text_refuse(reading, "calendar_impersonate = %s is no address",
                                     calendar->impersonate);
    if (calendar->way == DIRECTORY_CALENDAR_IFB && !directory_calendar_is_each(calendar))
        return directory_text_refuse(
            reading, "calendar = ifb %s names nobody; write {local} or {address} in it",
            calendar->url);
    return ST_OK;
}
