/* Values by their type (RFC 5545 section 3.3). */
#include "base/slice.h"
#include "ical/ical_check.h"
#include "ical/ical_rule.h"
#include "ical/ical_time.h"

static bool digits_only(struct slice s)
{
    uint64_t ignored;

    return s.len > 0 && s.len <= 18 && slice_to_u64(s, &ignored) == ST_OK;
}

static bool valid_integer(struct slice s)
{
    uint64_t value;
    bool sign = slice_starts(s, SLICE("-")) || slice_starts(s, SLICE("+"));

    return slice_to_u64(slice_sub(s, sign ? 1 : 0, s.len), &value) == ST_OK && value <= INT32_MAX;
}

static bool valid_float(struct slice s)
{
    bool sign = slice_starts(s, SLICE("-")) || slice_starts(s, SLICE("+"));
    struct slice rest = slice_sub(s, sign ? 1 : 0, s.len), whole;

    return slice_split(&rest, '.', &whole) && digits_only(whole) &&
           (rest.ptr == NULL || digits_only(rest));
}

/* time-value (section 3.3.12) */
static bool valid_clock(struct slice s)
{
    char text[16] = "20000101T";
    struct ical_time time;

    if (s.len < 6 || s.len > 7)
        return false;
    for (size_t i = 0; i < s.len; i++)
        text[9 + i] = s.ptr[i];
    return ical_time_parse((struct slice){text, 9 + s.len}, &time) == ST_OK;
}

/* A scheme and a colon; what follows is the scheme's. */
static bool valid_uri(struct slice s)
{
    size_t colon = slice_find(s, ':');

    return colon != SIZE_MAX && colon > 0 && slice_find(slice_sub(s, 0, colon), ' ') == SIZE_MAX;
}

static bool valid_binary(struct slice s)
{
    size_t pad = 0;

    for (; pad < 2 && s.len > 0 && s.ptr[s.len - 1] == '='; pad++)
        s.len--;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];

        if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              c == '+' || c == '/'))
            return false;
    }
    return (s.len + pad) % 4 == 0;
}

static bool valid_rule(struct slice s)
{
    struct ical_rule rule;
    struct ical_error ignored;

    return ical_rule_parse(s, &rule, &ignored) == ST_OK;
}

bool ical_value_valid(enum ical_type type, struct slice value)
{
    struct ical_time time;
    struct ical_duration duration;
    struct ical_period period;
    int32_t offset;

    switch (type) {
    case ICAL_TYPE_DATE:
        return ical_time_parse(value, &time) == ST_OK && time.form == ICAL_DATE;
    case ICAL_TYPE_DATE_TIME:
        return ical_time_parse(value, &time) == ST_OK && time.form != ICAL_DATE;
    case ICAL_TYPE_DURATION:
        return ical_duration_parse(value, &duration) == ST_OK;
    case ICAL_TYPE_PERIOD:
        return ical_period_parse(value, &period) == ST_OK;
    case ICAL_TYPE_UTC_OFFSET:
        return ical_offset_parse(value, &offset) == ST_OK;
    case ICAL_TYPE_RECUR:
        return valid_rule(value);
    case ICAL_TYPE_INTEGER:
        return valid_integer(value);
    case ICAL_TYPE_FLOAT:
        return valid_float(value);
    case ICAL_TYPE_BOOLEAN:
        return slice_ieq(value, SLICE("TRUE")) || slice_ieq(value, SLICE("FALSE"));
    case ICAL_TYPE_CAL_ADDRESS: /* or a path: calendar-user-address-set has those of principals */
        return valid_uri(value) ||
               (slice_starts(value, SLICE("/")) && slice_find(value, ' ') == SIZE_MAX);
    case ICAL_TYPE_URI:
        return valid_uri(value);
    case ICAL_TYPE_BINARY:
        return valid_binary(value);
    case ICAL_TYPE_TIME:
        return valid_clock(value);
    case ICAL_TYPE_TEXT:
    case ICAL_TYPE_UNKNOWN:
    case ICAL_TYPE_MAX:
        return true;
    }
    return true;
}
