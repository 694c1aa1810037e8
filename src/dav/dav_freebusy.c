/* GET /freebusy/NAME.ifb: when somebody is busy, as a file that any calendar program reads. Who
 * logs in learns what he may; without a log-in it is there of those alone who grant it to anyone.
 */
#include "calendar/calendar.h"
#include "calendar/calendar_address.h"
#include "calendar/calendar_ask.h"
#include "calendar/calendar_connector.h"
#include "dav/dav_call.h"
#include "dav/dav_tag.h"
#include "directory/directory_name.h"
#include "http/http_login.h"
#include "ical/ical.h"
#include "ical/ical_time.h"
#include "ical/ical_zone.h"
#include "sys/sys_hash.h"
#include "sys/sys_time.h"

#include <string.h>

#define PAST_DAYS 60
#define AHEAD_DAYS 180
#define ANSWER_BYTES_MAX (16 * MIB)
#define TIME_BYTES_MAX 40
#define TAG_BYTES_MAX 40
#define TYPE "text/calendar; charset=utf-8; method=PUBLISH; component=VFREEBUSY"

/* What RFC 3339 or RFC 5545 writes, in UTC; a date is its midnight. */
static enum st read_time(const char *text, int64_t *at_s_r)
{
    AUTO(buf) struct buf bare = BUF(TIME_BYTES_MAX);
    struct ical_time time;

    for (const char *at = text; *at != '\0'; at++)
        if (*at != '-' && *at != ':')
            buf_put(&bare, (struct slice){at, 1});
    if (bare.over || bare.len == 0 || ical_time_parse(buf_slice(&bare), &time) != ST_OK ||
        time.form == ICAL_FLOATING)
        return ST_INVALID;
    *at_s_r = time.local_s;
    return ST_OK;
}

/* start, and end or period, as CalConnect's free/busy URLs have them. */
static enum st read_window(struct dav_call *call, struct calendar_ask *ask)
{
    const char *start = http_request_query(call->request, "start");
    const char *end = http_request_query(call->request, "end");
    const char *period = http_request_query(call->request, "period");
    const int64_t today_s = sys_now_ms() / 1000 / ICAL_DAY_S * ICAL_DAY_S;
    struct ical_duration length = {0};

    ask->from_s = today_s - PAST_DAYS * ICAL_DAY_S;
    ask->until_s = today_s + AHEAD_DAYS * ICAL_DAY_S;
    if (start != NULL && read_time(start, &ask->from_s) != ST_OK)
        return ST_INVALID;
    if (start != NULL && ask->until_s <= ask->from_s)
        ask->until_s = ask->from_s + AHEAD_DAYS * ICAL_DAY_S;
    if (end != NULL && (period != NULL || read_time(end, &ask->until_s) != ST_OK))
        return ST_INVALID;
    if (period != NULL) {
        if (ical_duration_parse(slice_str(period), &length) != ST_OK)
            return ST_INVALID;
        const struct ical_time from = {ask->from_s, ICAL_UTC, NULL};
        ask->until_s = ical_time_add(from, length).local_s;
    }
    return ask->from_s >= ICAL_LOCAL_MIN && ask->until_s <= ICAL_LOCAL_MAX &&
                   ask->until_s > ask->from_s && ask->until_s - ask->from_s <= CALENDAR_ASK_S_MAX
               ? ST_OK
               : ST_INVALID;
}

/* The address, of a name alone that in the first domain served here. */
static struct slice address_of(struct dav_call *call)
{
    struct slice name = call->target.path.person;
    const struct slice *domain = directory_domain(call->directory, 0);

    return slice_find(name, '@') != SIZE_MAX || domain == NULL
               ? name
               : directory_name_join(call->arena, name, *domain);
}

/* Without the DTSTAMP: the same until something changes. */
static uint64_t tag_of(const struct calendar_ask *ask, const struct calendar_ask_known *known)
{
    unsigned char out[SYS_SHA256_BYTES];
    const int64_t window[] = {ask->from_s, ask->until_s, known->from_s, known->until_s};
    struct sys_sha256 hash;
    uint64_t tag;

    sys_sha256_init(&hash);
    sys_sha256_add(&hash, (struct slice){(const char *)window, sizeof(window)});
    for (size_t i = 0; i < known->count; i++) {
        const int64_t row[] = {known->rows[i].start_s, known->rows[i].end_s,
                               (int64_t)known->rows[i].kind};

        sys_sha256_add(&hash, (struct slice){(const char *)row, sizeof(row)});
    }
    sys_sha256_end(&hash, out);
    memcpy(&tag, out, sizeof(tag));
    return tag;
}

static enum st reply(struct dav_call *call, const struct calendar_ask *ask,
                     const struct calendar_ask_known *known)
{
    const char *none = http_request_header(call->request, "If-None-Match");
    const uint64_t tag = tag_of(ask, known);
    AUTO(buf) struct buf text = BUF(ANSWER_BYTES_MAX);
    AUTO(buf) struct buf etag = BUF(TAG_BYTES_MAX);

    if (known->age_ms == 0) {
        dav_etag_write(tag, &etag);
        http_reply_header(call->request, "ETag", etag.ptr);
    }
    http_reply_header(call->request, "Cache-Control", "private, no-cache");
    if (known->age_ms == 0 && none != NULL && dav_etag_in(slice_str(none), tag)) {
        http_reply(call->request, 304, NULL, SLICE(""));
        return ST_OK;
    }
    ical_write(calendar_ask_publish(call->arena, ask, known, sys_now_ms() / 1000), &text);
    if (text.over)
        return ST_TOO_BIG;
    http_reply(call->request, 200, TYPE, buf_slice(&text));
    return ST_OK;
}

static bool is_answer(const struct calendar_connector_answer *answer)
{
    return answer->result == CALENDAR_CONNECTOR_FRESH || answer->result == CALENDAR_CONNECTOR_KNOWN;
}

/* Who is not there, who grants nothing to anyone, and of whom nothing is known now, are not told
 * apart. */
static enum st refuse_anyone(struct dav_call *call)
{
    http_login_challenge(call->request);
    return dav_refuse(call, 401, XML_DAV, NULL,
                      "There is nothing here for those who do not log in");
}

static enum st refuse_me(struct dav_call *call, enum calendar_connector_result result)
{
    if (result == CALENDAR_CONNECTOR_DENIED)
        return dav_refuse(call, 403, XML_DAV, "need-privileges", "This person does not tell you");
    return result == CALENDAR_CONNECTOR_NO_DATA ? ST_AGAIN : ST_NOT_FOUND;
}

static enum st look_up(struct dav_call *call, const struct calendar_ask *ask)
{
    static const struct calendar_who anyone = {.anonymous = true};
    const bool me = call->me != NULL;
    const struct calendar_connector_ask question = {.who = me ? &call->who : &anyone,
                                                    .attendees = &ask->organizer,
                                                    .count = 1,
                                                    .from_s = ask->from_s,
                                                    .until_s = ask->until_s};

    call->lookup = calendar_connector_begin(calendar_connector(call->context->calendar), &question);
    const struct calendar_connector_answer *answer = calendar_connector_get(call->lookup, 0);
    const struct calendar_ask_known known = {answer->rows, answer->count, answer->from_s,
                                             answer->until_s, answer->age_ms};
    if (is_answer(answer))
        return reply(call, ask, &known);
    return me ? refuse_me(call, answer->result) : refuse_anyone(call);
}

enum st dav_freebusy_get(struct dav_call *call)
{
    struct slice address = address_of(call);
    struct calendar_ask ask = {.uid = address, .organizer = calendar_address(call->arena, address)};

    if (read_window(call, &ask) != ST_OK)
        return dav_refuse(call, 400, XML_DAV, NULL,
                          "start and end are dates or times in UTC, as 20270301T080000Z, at most "
                          "five years apart; period is a duration, as P14D");
    return look_up(call, &ask);
}
