#include "dav/dav_tag.h"

#include "base/buf.h"
#include "base/slice.h"

#define SYNC "urn:posthorse:sync:"
#define TAG_BYTES_MAX 64

const char *const dav_components[DAV_COMPONENTS] = {
    [STORE_EVENT] = "VEVENT", [STORE_TODO] = "VTODO", [STORE_JOURNAL] = "VJOURNAL"};

void dav_etag_write(uint64_t modseq, struct buf *out)
{
    buf_putf(out, "\"%llu\"", (unsigned long long)modseq);
}

bool dav_etag_in(struct slice list, uint64_t modseq)
{
    AUTO(buf) struct buf tag = BUF(TAG_BYTES_MAX);
    struct slice part;

    dav_etag_write(modseq, &tag);
    while (slice_split(&list, ',', &part)) {
        part = slice_trim(part);
        if (slice_starts(part, SLICE("W/")))
            part = slice_sub(part, 2, part.len);
        if (slice_eq(part, SLICE("*")) || slice_eq(part, buf_slice(&tag)))
            return true;
    }
    return false;
}

void dav_sync_token_write(const struct store_calendar *calendar, struct buf *out)
{
    buf_putf(out, SYNC "%lld:%llu", (long long)calendar->calendar_id,
             (unsigned long long)calendar->modseq);
}

enum st dav_sync_token_read(struct slice token, const struct store_calendar *calendar,
                            uint64_t *modseq_r)
{
    struct slice rest = slice_trim(token);
    struct slice id;
    uint64_t calendar_id;

    *modseq_r = 0;
    if (!slice_starts(rest, SLICE(SYNC)))
        return ST_INVALID;
    rest = slice_sub(rest, sizeof(SYNC) - 1, rest.len);
    if (!slice_split(&rest, ':', &id) || slice_to_u64(id, &calendar_id) != ST_OK ||
        calendar_id != (uint64_t)calendar->calendar_id || slice_to_u64(rest, modseq_r) != ST_OK ||
        *modseq_r > calendar->modseq)
        return ST_INVALID;
    return ST_OK;
}

void dav_type_write(const struct store_event *event, struct buf *out)
{
    assert(event->kind < DAV_COMPONENTS);
    buf_putf(out, "text/calendar; charset=utf-8; component=%s", dav_components[event->kind]);
}
