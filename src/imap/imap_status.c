#include "imap/imap_status.h"

#include "base/buf.h"
#include "conf/conf.h"
#include "imap/imap_utf7.h"

#include <inttypes.h>

enum item {
#define IMAP_STATUS(name, id, counts) ITEM_##id,
#include "imap/imap_status.def"
    ITEM_MAX,
};

static const struct {
    const char *name;
    bool counts;
} items[] = {
#define IMAP_STATUS(name, id, counts) {name, counts},
#include "imap/imap_status.def"
};
static_assert(COUNT(items) == ITEM_MAX, "one row for each item");

enum st imap_status_parse(struct imap_parse *p, unsigned *want_r)
{
    struct imap_slices names;

    *want_r = 0;
    if (imap_parse_astrings(p, &names) != ST_OK)
        return ST_INVALID;
    for (size_t i = 0; i < names.count; i++) {
        unsigned bit = 0;

        for (size_t j = 0; j < COUNT(items); j++)
            if (slice_ieq(names.items[i], slice_str(items[j].name)))
                bit = 1u << j;
        if (bit == 0)
            return imap_parse_fail(p, "Unknown STATUS item");
        *want_r |= bit;
    }
    return names.count > 0 ? ST_OK : imap_parse_fail(p, "STATUS items expected");
}

bool imap_status_wants_modseq(unsigned want)
{
    return (want & 1u << ITEM_HIGHESTMODSEQ) != 0;
}

static uint64_t value_of(enum item item, const struct store_folder *folder,
                         const struct store_folder_status *status)
{
    switch (item) {
    case ITEM_MESSAGES:
        return folder->message_count;
    case ITEM_RECENT:
        return status->recent;
    case ITEM_UIDNEXT:
        return folder->uidnext;
    case ITEM_UIDVALIDITY:
        return folder->uidvalidity;
    case ITEM_UNSEEN:
        return status->unseen;
    case ITEM_SIZE:
        return status->bytes;
    case ITEM_HIGHESTMODSEQ:
        return folder->modseq > 0 ? folder->modseq : 1;
    case ITEM_APPENDLIMIT:
        return conf_get()->message_bytes_max;
    case ITEM_MAILBOXID:
    case ITEM_MAX:
        break;
    }
    return 0;
}

enum st imap_status_write(struct store_tx *tx, const struct store_folder *folder, unsigned want,
                          struct buf *out)
{
    struct store_folder_status status = {.messages = 0};
    bool counts = false;
    const char *gap = "";

    for (size_t i = 0; i < COUNT(items); i++)
        counts |= items[i].counts && (want & 1u << i) != 0;
    enum st st = counts ? store_folder_status(tx, folder, &status) : ST_OK;
    if (st != ST_OK)
        return st;
    buf_put(out, SLICE("* STATUS "));
    imap_utf7_write(folder->name, out);
    buf_put(out, SLICE(" ("));
    for (size_t i = 0; i < COUNT(items); i++) {
        if ((want & 1u << i) == 0)
            continue;
        buf_putf(out, "%s%s ", gap, items[i].name);
        if (i == ITEM_MAILBOXID)
            buf_putf(out, "(%s)", folder->guid);
        else
            buf_putf(out, "%" PRIu64, value_of((enum item)i, folder, &status));
        gap = " ";
    }
    buf_put(out, SLICE(")\r\n"));
    return ST_OK;
}
