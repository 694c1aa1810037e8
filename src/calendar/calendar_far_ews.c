/* EWS: GetUserAvailability over HTTP, in pieces of the persons and days that it takes. */
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_connector_plan.h"
#include "calendar/calendar_far_data.h"
#include "directory/directory.h"

#define BODY_BYTES_MAX MIB

static void ask_piece(struct calendar_far_run *run, const struct calendar_far_part *part,
                      const char *url, int64_t from_s, int64_t until_s)
{
    const char *impersonate = run->ask->calendar->impersonate;
    AUTO(buf) struct buf body = BUF(BODY_BYTES_MAX), answer = BUF(1), anchor = BUF(KIB);
    unsigned status;

    buf_putf(&anchor, "X-AnchorMailbox: %s", impersonate); /* the server that has it takes it */
    const char *const headers[] = {
        "Content-Type: text/xml; charset=utf-8",
        "SOAPAction: \"http://schemas.microsoft.com/exchange/services/2006/messages/"
        "GetUserAvailability\"",
        anchor.ptr};
    calendar_far_ews_write(part, from_s, until_s, impersonate, &body);
    const struct calendar_far_message message = {
        .method = "POST",
        .url = url,
        .headers = headers,
        .header_count = COUNT(headers) - (impersonate[0] == '\0'),
        .body = buf_slice(&body),
    };
    if (!calendar_far_fetch(run, part, &message, &status, &answer))
        return;
    if (status == 200 || status == 500)
        calendar_far_ews_read(run->arena, buf_slice(&answer), from_s, until_s, status, part);
    else
        calendar_far_refused(run, part, status, false);
}

static bool any_good(const struct calendar_far_part *part)
{
    for (size_t i = 0; i < part->count; i++)
        if (part->persons[i].answer == CALENDAR_HEDGE_GOOD)
            return true;
    return false;
}

/* Whole intervals, so that the digits of a merged view say when. */
static int64_t round_down(int64_t at_s)
{
    int64_t over = at_s % CALENDAR_FAR_EWS_INTERVAL_S;

    return at_s - (over < 0 ? over + CALENDAR_FAR_EWS_INTERVAL_S : over);
}

static void ask_all(struct calendar_far_run *run, const struct calendar_far_part *part,
                    const char *url)
{
    int64_t until_s = round_down(run->ask->until_s + CALENDAR_FAR_EWS_INTERVAL_S - 1);

    for (int64_t at_s = round_down(run->ask->from_s); at_s < until_s && any_good(part);
         at_s += CALENDAR_CONNECTOR_EWS_WINDOW_S) {
        int64_t end_s = at_s + CALENDAR_CONNECTOR_EWS_WINDOW_S;

        ask_piece(run, part, url, at_s, end_s < until_s ? end_s : until_s);
    }
}

void calendar_far_ews(struct calendar_far_run *run)
{
    size_t count = run->ask->count;
    bool each = directory_calendar_is_each(run->ask->calendar);
    size_t together = each ? 1 : CALENDAR_FAR_EWS_PERSONS_MAX;

    for (size_t i = 0; i < count; i += together) {
        const struct calendar_far_part part = {&run->persons[i],
                                               count - i < together ? count - i : together};

        ask_all(run, &part, each ? calendar_far_url(run, part.persons) : run->ask->calendar->url);
    }
}
