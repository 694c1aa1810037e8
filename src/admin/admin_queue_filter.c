#include "admin/admin_queue_filter.h"

#include "base/slice.h"

#include <ctype.h>

static bool same_byte(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

/* The last star takes one byte more whenever what follows it does not fit: no recursion. */
bool admin_glob(struct slice pattern, struct slice text)
{
    size_t star = SIZE_MAX;
    size_t star_at = 0;
    size_t p = 0;
    size_t t = 0;

    while (t < text.len) {
        if (p < pattern.len && pattern.ptr[p] == '*') {
            star = p++;
            star_at = t;
        } else if (p < pattern.len && same_byte(pattern.ptr[p], text.ptr[t])) {
            p++;
            t++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            t = ++star_at;
        } else {
            return false;
        }
    }
    while (p < pattern.len && pattern.ptr[p] == '*')
        p++;
    return p == pattern.len;
}

static enum st read_number(struct slice text, int64_t *number_r)
{
    uint64_t number = 0;
    enum st st = slice_to_u64(text, &number);

    if (st != ST_OK || number == 0 || number > INT64_MAX)
        return ST_INVALID;
    *number_r = (int64_t)number;
    return ST_OK;
}

enum st admin_queue_id_read(struct slice text, struct admin_queue_id *id_r)
{
    size_t dot = slice_find(text, '.');
    enum st st = read_number(slice_sub(text, 0, dot), &id_r->envelope_id);

    id_r->rcpt_no = 0;
    if (st != ST_OK || dot == SIZE_MAX)
        return st;
    return read_number(slice_sub(text, dot + 1, text.len), &id_r->rcpt_no);
}

enum st admin_queue_state_find(struct slice name, enum store_rcpt_state *state_r)
{
    for (int i = 0; i < STORE_RCPT_STATE_MAX; i++)
        if (slice_ieq(name, slice_str(store_rcpt_state_names[i]))) {
            *state_r = (enum store_rcpt_state)i;
            return ST_OK;
        }
    return ST_INVALID;
}

static bool fits(struct slice pattern, struct slice text)
{
    return pattern.len == 0 || admin_glob(pattern, text);
}

static bool sender_fits(struct slice pattern, struct slice sender)
{
    return slice_eq(pattern, SLICE("<>")) ? sender.len == 0 : fits(pattern, sender);
}

/* "example.net" is what "domain example.net" is called where its kind goes without saying. */
static bool destination_fits(struct slice pattern, struct slice name)
{
    size_t blank = slice_find(name, ' ');

    return fits(pattern, name) ||
           (blank != SIZE_MAX && admin_glob(pattern, slice_sub(name, blank + 1, name.len)));
}

bool admin_queue_filter_fits(const struct admin_queue_filter *filter,
                             const struct store_queued *row, struct slice answer)
{
    if (filter->state != STORE_RCPT_STATE_MAX && row->rcpt.state != filter->state)
        return false;
    return row->envelope.accepted_ms >= filter->accepted_min_ms &&
           row->envelope.accepted_ms <= filter->accepted_max_ms &&
           sender_fits(filter->from, row->envelope.sender) && fits(filter->to, row->rcpt.address) &&
           destination_fits(filter->destination, row->destination) && fits(filter->answer, answer);
}
