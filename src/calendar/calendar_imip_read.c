/* A scheduling message that came by mail: what it is, and from whom (RFC 6047 sections 2.2 to 2.4).
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_imip.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "mime/mime_address.h"
#include "mime/mime_decode.h"
#include "mime/mime_header.h"
#include "router/router.h"
#include "router/router_task.h"

#include <string.h>

#define CHARSET_BYTES_MAX 100
#define WORDS_MAX 8

/* --- the message --- */

static bool decode(const struct mime_part *part, struct slice raw, struct buf *text)
{
    AUTO(buf) struct buf bytes = BUF(text->bytes_max);
    AUTO(buf) struct buf charset = BUF(CHARSET_BYTES_MAX);
    struct mime_decoder decoder;

    mime_decoder_init(&decoder, mime_encoding_find(part->encoding));
    mime_decoder_feed(&decoder, raw, &bytes);
    mime_decoder_end(&decoder, &bytes);
    (void)mime_param_decode(part->params, SLICE("charset"), &charset);
    mime_charset_decode(buf_slice(&charset), buf_slice(&bytes), text);
    return !bytes.over && !text->over;
}

/* RFC 6638 section 7: they are between a client and its server. */
static void strip_params(struct ical_prop *prop)
{
    struct ical_param **at = &prop->params;

    while (*at != NULL) {
        if (slice_istarts((*at)->name, SLICE("SCHEDULE-")))
            *at = (*at)->next;
        else
            at = &(*at)->next;
    }
}

static void strip(struct ical_comp *vcalendar)
{
    for (struct ical_comp *comp = vcalendar->comps; comp != NULL; comp = comp->next)
        for (struct ical_prop *prop = comp->props; prop != NULL; prop = prop->next)
            if (prop->id == ICAL_ATTENDEE || prop->id == ICAL_ORGANIZER)
                strip_params(prop);
}

static enum st check(const struct mime_part *part, const struct ical_comp *vcalendar,
                     struct ical_error *error)
{
    struct slice said = slice_trim(mime_param_get(part->params, SLICE("method")));
    struct slice method = slice_trim(ical_prop_value(vcalendar, ICAL_METHOD));

    if (vcalendar->id != ICAL_VCALENDAR || vcalendar->next != NULL)
        ical_error_set(error, 0, "The part is not one VCALENDAR.");
    else if (calendar_itip_method(vcalendar) == CALENDAR_ITIP_NONE)
        ical_error_set(error, 0, "Its METHOD is missing or unknown.");
    else if (!slice_ieq(said, method)) /* RFC 6047 section 2.4 */
        ical_error_set(error, 0, "METHOD is %.*s, but the part says %.*s.",
                       (int)(method.len < 20 ? method.len : 20), method.ptr,
                       (int)(said.len < 20 ? said.len : 20), said.ptr);
    else
        return ST_OK;
    return ST_INVALID;
}

enum st calendar_imip_read(struct arena *arena, const struct mime_part *part, struct slice raw,
                           size_t bytes_max, struct ical_comp **message_r,
                           struct ical_error *error_r)
{
    AUTO(buf) struct buf text = BUF(bytes_max);
    struct ical_limits limits = ical_limits_default;

    if (!decode(part, raw, &text)) {
        ical_error_set(error_r, 0, "It has more than %zu bytes.", bytes_max);
        return ST_TOO_BIG;
    }
    limits.bytes_max = bytes_max;
    enum st st = ical_parse(arena, buf_slice(&text), &limits, message_r, error_r);
    if (st == ST_OK)
        st = check(part, *message_r, error_r);
    if (st == ST_OK)
        strip(*message_r);
    return st;
}

/* --- from whom --- */

struct slice calendar_imip_from(struct arena *arena, struct slice header)
{
    struct slice value = SLICE("");
    struct mime_field field;
    size_t count = 0;

    while (mime_field_next(&header, &field))
        if (slice_ieq(field.name, SLICE("From"))) {
            value = field.value;
            count++;
        }
    if (count != 1)
        return SLICE("");
    const struct mime_addresses list = mime_address_parse(arena, mime_unfold(arena, value), 2);
    const struct mime_address *a = list.first;
    if (list.count != 1 || list.over || a->kind != MIME_ADDRESS_MAILBOX || a->broken ||
        a->local.len == 0 || a->domain.len == 0)
        return SLICE("");
    return slice_lower(arena, directory_name_join(arena, a->local, a->domain));
}

enum calendar_imip_accept calendar_imip_accept(const char *name)
{
    static const char *const names[] = {[CALENDAR_IMIP_OFF] = "off",
                                        [CALENDAR_IMIP_INSIDE] = "inside",
                                        [CALENDAR_IMIP_KNOWN] = "known",
                                        [CALENDAR_IMIP_ANYONE] = "anyone"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum calendar_imip_accept)i;
    return CALENDAR_IMIP_KNOWN;
}

static bool owns(const struct directory *directory, struct slice login, struct slice from)
{
    const struct directory_person *person = directory_login(directory, login);
    size_t at = slice_find_last(from, '@');

    return person != NULL && at != SIZE_MAX &&
           directory_owns(directory, person, slice_sub(from, 0, at),
                          slice_sub(from, at + 1, SIZE_MAX));
}

bool calendar_imip_names_us(const struct directory *directory, struct slice from)
{
    size_t at = slice_find_last(from, '@');
    struct directory_found found;

    return at != SIZE_MAX &&
           directory_find(directory, slice_sub(from, 0, at), slice_sub(from, at + 1, SIZE_MAX),
                          &found) &&
           (strcmp(found.via, "direct") == 0 || strcmp(found.via, "alias") == 0);
}

/* Words of "from X ([192.0.2.1]) by NAME with ESMTPSA id 1 ...", as our servers write it: what a
 * client says of itself has no blank in it. */
static size_t words_of(struct slice value, struct slice *words)
{
    size_t count = 0;
    size_t at = 0;

    while (at < value.len && count < WORDS_MAX) {
        size_t end = at;

        while (end < value.len && (unsigned char)value.ptr[end] > ' ')
            end++;
        if (end > at)
            words[count++] = slice_sub(value, at, end - at);
        at = end + 1;
    }
    return count;
}

/* Whether the server that handed it over had it from one who logged in there, or made it itself:
 * then nothing was received before. The first line is ours. */
static bool fellow_vouches(struct slice header, struct slice fellow)
{
    struct slice words[WORDS_MAX];
    struct mime_field field;
    size_t lines = 0;

    while (mime_field_next(&header, &field)) {
        if (!slice_ieq(field.name, SLICE("Received")) || ++lines == 1)
            continue;
        size_t count = words_of(field.value, words);
        struct slice with = count > 6 ? words[6] : SLICE("");

        return count > 6 && slice_ieq(words[0], SLICE("from")) &&
               slice_ieq(words[3], SLICE("by")) && slice_ieq(words[4], fellow) &&
               slice_ieq(words[5], SLICE("with")) && with.len > 5 && with.ptr[with.len - 1] == 'A';
    }
    return lines == 1;
}

bool calendar_imip_inside(const struct calendar_imip_way *way)
{
    struct slice rest = way->origin;
    struct slice kind;
    struct slice who;

    if (way->from.len == 0 || !slice_split(&rest, ' ', &kind) || !slice_split(&rest, ' ', &who))
        return false;
    if (slice_eq(kind, SLICE("submission")) || slice_eq(kind, SLICE(ROUTER_ORIGIN_CALENDAR)))
        return owns(way->directory, who, way->from);
    /* That the envelope's sender is the login's, the other server has seen to. */
    return slice_eq(kind, SLICE(ROUTER_HANDED_OVER)) &&
           calendar_imip_names_us(way->directory, way->from) &&
           slice_ieq(way->from, way->envelope) && fellow_vouches(way->header, who);
}
