#include "directory/directory_person.h"

#include "base/arena.h"
#include "base/buf.h"

#include <string.h>

#define ROOM_NUMBER_MAX 1000000
#define DAY_MIN 1440

#define AT(member) offsetof(struct directory_document, member)

static enum st take_forward(struct directory_reading *reading, void *at, const char *value)
{
    const struct directory_texts *forwards = at;

    if (forwards->count == DIRECTORY_FORWARDS_MAX)
        return directory_text_refuse(reading, "forward %s is one too many; a person may have %d",
                                     value, DIRECTORY_FORWARDS_MAX);
    return directory_text_take_recipient(reading, at, value);
}

static const char *const sent_words[] = {"setting", "off", "on"};
static_assert(COUNT(sent_words) == DIRECTORY_SENT_MAX, "one word for each");

static enum st take_sent_copy(struct directory_reading *reading, void *at, const char *value)
{
    enum directory_sent *sent = at;

    for (size_t i = 0; i < COUNT(sent_words); i++)
        if (strcmp(value, sent_words[i]) == 0) {
            *sent = (enum directory_sent)i;
            return ST_OK;
        }
    return directory_text_refuse(reading, "%s is neither on nor off nor setting", value);
}

/* --- rooms --- */

static const char *const kind_words[] = {"person", "room", "resource"};
static_assert(COUNT(kind_words) == DIRECTORY_PERSON_KIND_MAX, "one word for each");
static const char *const series_words[] = {"yes", "no", "partly"};
static_assert(COUNT(series_words) == DIRECTORY_SERIES_MAX, "one word for each");
static const char *const day_words[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};

static bool find_word(const char *const *words, size_t count, struct slice value, size_t *at_r)
{
    for (size_t i = 0; i < count; i++)
        if (slice_ieq(slice_str(words[i]), value)) {
            *at_r = i;
            return true;
        }
    return false;
}

bool directory_person_kind_find(struct slice word, enum directory_person_kind *kind_r)
{
    size_t at;
    bool found = find_word(kind_words, COUNT(kind_words), word, &at);

    if (found)
        *kind_r = (enum directory_person_kind)at;
    return found;
}

static enum st take_kind(struct directory_reading *reading, void *at, const char *value)
{
    if (!directory_person_kind_find(slice_str(value), at))
        return directory_text_refuse(reading, "%s is none of person, room, resource", value);
    return ST_OK;
}

static void count_room_line(struct directory_reading *reading)
{
    struct directory_document *document = reading->document;

    document->room_lines++;
}

static enum st take_room_number(struct directory_reading *reading, void *at, const char *value)
{
    count_room_line(reading);
    return directory_text_take_number(reading, at, value, 0, ROOM_NUMBER_MAX);
}

static enum st take_series(struct directory_reading *reading, void *at, const char *value)
{
    enum directory_series *series = at;
    size_t word;

    count_room_line(reading);
    if (!find_word(series_words, COUNT(series_words), slice_str(value), &word))
        return directory_text_refuse(reading, "%s is none of yes, no, partly", value);
    *series = (enum directory_series)word;
    return ST_OK;
}

static bool minute_of_day(struct slice text, uint32_t *minute_r)
{
    uint64_t hour, minute;
    size_t colon = slice_find(text, ':');

    if (colon == SIZE_MAX || slice_to_u64(slice_sub(text, 0, colon), &hour) != ST_OK ||
        slice_to_u64(slice_sub(text, colon + 1, text.len), &minute) != ST_OK || hour > 24 ||
        minute > 59 || hour * 60 + minute > DAY_MIN)
        return false;
    *minute_r = (uint32_t)(hour * 60 + minute);
    return true;
}

static enum st take_hours(struct directory_reading *reading, void *at, const char *value)
{
    struct directory_room *room = at;
    struct slice text = slice_str(value);
    size_t dash = slice_find(text, '-');

    count_room_line(reading);
    if (dash == SIZE_MAX || !minute_of_day(slice_trim(slice_sub(text, 0, dash)), &room->open_min) ||
        !minute_of_day(slice_trim(slice_sub(text, dash + 1, text.len)), &room->close_min) ||
        room->open_min >= room->close_min)
        return directory_text_refuse(
            reading, "%s is no time of the day from-until; write 08:00-18:00", value);
    return ST_OK;
}

/* "mon-fri", "mon wed sat". */
static enum st take_days(struct directory_reading *reading, void *at, const char *value)
{
    uint8_t *days = at;
    struct slice rest = slice_str(value);
    struct slice word;

    count_room_line(reading);
    *days = 0;
    while (slice_split(&rest, ' ', &word)) {
        size_t dash = slice_find(word, '-');
        size_t first, last;

        if (word.len == 0)
            continue;
        if (!find_word(day_words, COUNT(day_words), slice_sub(word, 0, dash), &first) ||
            (dash != SIZE_MAX &&
             !find_word(day_words, COUNT(day_words), slice_sub(word, dash + 1, word.len), &last)))
            return directory_text_refuse(reading, "%s are no days; write mon-fri, or mon wed sat",
                                         value);
        if (dash == SIZE_MAX)
            last = first;
        for (size_t day = first;; day = (day + 1) % COUNT(day_words)) {
            *days |= (uint8_t)(1u << day);
            if (day == last)
                break;
        }
    }
    return ST_OK;
}

static void write_days(uint8_t days, struct buf *body)
{
    if (days == 0)
        return;
    buf_put(body, SLICE("room_days ="));
    for (size_t i = 0; i < COUNT(day_words); i++)
        if ((days >> i & 1) != 0)
            buf_putf(body, " %s", day_words[i]);
    buf_put(body, SLICE("\n"));
}

static void write_number(const char *field, uint64_t number, struct buf *body)
{
    if (number != 0)
        buf_putf(body, "%s = %llu\n", field, (unsigned long long)number);
}

static void write_room(const struct directory_room *room, struct buf *body)
{
    write_number("room_capacity", room->capacity, body);
    if (room->close_min != 0)
        buf_putf(body, "room_hours = %02u:%02u-%02u:%02u\n", room->open_min / 60,
                 room->open_min % 60, room->close_min / 60, room->close_min % 60);
    write_days(room->days, body);
    write_number("room_minutes_max", room->duration_max_min, body);
    write_number("room_ahead_days", room->ahead_days, body);
    if (room->series != DIRECTORY_SERIES_YES)
        buf_putf(body, "room_series = %s\n", series_words[room->series]);
}

static const struct directory_field fields[] = {
    {"full_name", directory_text_take, AT(person.full_name)},
    {"alias", directory_text_take_alias, AT(aliases)},
    {"forward", take_forward, AT(forwards)},
    {"forward_keep", directory_text_take_bool, AT(person.forward_keep)},
    {"password_yescrypt", directory_text_take, AT(person.yescrypt)},
    {"password_scram", directory_text_take, AT(person.scram)},
    {"quota_bytes", directory_text_take_u64, AT(person.quota_bytes)},
    {"sent_copy", take_sent_copy, AT(person.sent_copy)},
    {"server", directory_text_take_names, AT(servers)},
    {"role", directory_text_take_names, AT(roles)},
    {"disabled", directory_text_take_bool, AT(person.disabled)},
    {"admin", directory_text_take_bool, AT(person.admin)},
    {"kind", take_kind, AT(person.kind)},
    {"room_capacity", take_room_number, AT(room.capacity)},
    {"room_hours", take_hours, AT(room)},
    {"room_days", take_days, AT(room.days)},
    {"room_minutes_max", take_room_number, AT(room.duration_max_min)},
    {"room_ahead_days", take_room_number, AT(room.ahead_days)},
    {"room_series", take_series, AT(room.series)},
};

enum st directory_person_read(struct arena *arena, struct slice name, struct slice body,
                              struct directory_document *document_r, struct buf *why)
{
    struct directory_reading reading = {arena,         document_r,         why, "person", fields,
                                        COUNT(fields), &document_r->common};

    memset(document_r, 0, sizeof(*document_r));
    document_r->person.name = slice_cstr(arena, name);
    document_r->person.full_name = "";
    document_r->person.yescrypt = "";
    document_r->person.scram = "";
    document_r->person.forward_keep = true;
    enum st st = directory_text_read(&reading, name, body);
    document_r->person.forwards = document_r->forwards.at;
    document_r->person.servers = document_r->servers.at;
    document_r->person.server_count = (unsigned)document_r->servers.count;
    document_r->person.forward_count = (unsigned)document_r->forwards.count;
    if (document_r->person.kind != DIRECTORY_PERSON_HUMAN) {
        struct directory_room *room = arena_one(arena, struct directory_room);

        *room = document_r->room;
        document_r->person.room = room;
    }
    return st;
}

void directory_person_write(const struct directory_document *document, struct buf *body)
{
    const struct directory_person *person = &document->person;

    buf_putf(body, "full_name = %s\n", person->full_name);
    for (size_t i = 0; i < document->aliases.count; i++)
        buf_putf(body, "alias = %.*s\n", SLICE_ARG(document->aliases.at[i]));
    for (size_t i = 0; i < document->forwards.count; i++)
        buf_putf(body, "forward = %.*s\n", SLICE_ARG(document->forwards.at[i]));
    if (document->forwards.count > 0)
        buf_putf(body, "forward_keep = %s\n", person->forward_keep ? "yes" : "no");
    buf_putf(body, "password_yescrypt = %s\npassword_scram = %s\n", person->yescrypt,
             person->scram);
    buf_putf(body, "quota_bytes = %llu\n", (unsigned long long)person->quota_bytes);
    if (person->sent_copy != DIRECTORY_SENT_SETTING)
        buf_putf(body, "sent_copy = %s\n", sent_words[person->sent_copy]);
    buf_putf(body, "disabled = %s\nadmin = %s\n", person->disabled ? "yes" : "no",
             person->admin ? "yes" : "no");
    if (person->kind != DIRECTORY_PERSON_HUMAN)
        buf_putf(body, "kind = %s\n", kind_words[person->kind]);
    write_room(&document->room, body);
    directory_text_write_list("server", &document->servers, body);
    directory_text_write_list("role", &document->roles, body);
    directory_text_write_common(&document->common, body);
}
