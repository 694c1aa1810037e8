#include "ctl/ctl_mbox.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "mime/mime_date.h"

#include <stdio.h>
#include <time.h>

#define LINE_BYTES_MAX (64 * KIB)  /* a longer one passes in pieces */
#define HEADER_BYTES_MAX (1 * MIB) /* a longer one is not looked at for flags */
#define HEADER_BYTES_ENOUGH (MIB / 2)

static const struct {
    char letter;
    const char *flag;
} letters[] = {
    {'R', "\\Seen"}, {'A', "\\Answered"}, {'F', "\\Flagged"}, {'D', "\\Deleted"}, {'T', "\\Draft"}};

/* --- reading --- */

enum place { BEFORE, HEADER, BODY };

struct ctl_mbox_reader {
    struct ctl_mbox_fns fns;
    void *ctx;
    enum place place;
    struct buf line;    /* what there is of one so far */
    bool line_open;     /* the line's first piece has passed already */
    bool after_blank;   /* the line before was empty */
    bool blank_held;    /* and is a From_ line's if one follows, else the text's */
    struct slice blank; /* as it was: LF or CR LF */
    struct buf header;
    int64_t date_s;
    json_t *flags;
};

struct ctl_mbox_reader *ctl_mbox_reader_new(const struct ctl_mbox_fns *fns, void *ctx)
{
    struct ctl_mbox_reader *reader = mem_new(struct ctl_mbox_reader);

    reader->fns = *fns;
    reader->ctx = ctx;
    buf_init(&reader->line, LINE_BYTES_MAX);
    buf_init(&reader->header, HEADER_BYTES_MAX);
    return reader;
}

void ctl_mbox_reader_free(struct ctl_mbox_reader **reader)
{
    if (*reader == NULL)
        return;
    buf_fini(&(*reader)->line);
    buf_fini(&(*reader)->header);
    json_decref((*reader)->flags);
    mem_free(*reader);
    *reader = NULL;
}

static bool is_blank(struct slice line)
{
    return slice_eq(line, SLICE("\n")) || slice_eq(line, SLICE("\r\n"));
}

/* "From alice@example.test Thu Jan  1 00:00:00 1970": what follows the address is a date. */
static int64_t date_of(struct slice line)
{
    struct slice rest = slice_trim(slice_sub(line, 5, line.len));
    size_t space = slice_find(rest, ' ');
    struct mime_date date;

    if (space == SIZE_MAX ||
        mime_date_parse(slice_trim(slice_sub(rest, space, rest.len)), &date) != ST_OK)
        return INT64_MIN;
    return date.epoch;
}

static void add_letters(struct ctl_mbox_reader *reader, struct slice value)
{
    for (size_t i = 0; i < COUNT(letters); i++)
        if (slice_find(value, letters[i].letter) != SIZE_MAX)
            json_array_append_new(reader->flags, json_string(letters[i].flag));
}

static void add_keywords(struct ctl_mbox_reader *reader, struct slice value)
{
    struct slice word;

    while (slice_split(&value, ' ', &word)) {
        while (word.len > 0 && word.ptr[word.len - 1] == ',')
            word.len--;
        if (word.len > 0)
            json_array_append_new(reader->flags, json_stringn(word.ptr, word.len));
    }
}

/* Whether the line tells flags; it is then no part of the message. */
static bool take_flags(struct ctl_mbox_reader *reader, struct slice line)
{
    size_t colon = slice_find(line, ':');
    struct slice name = slice_sub(line, 0, colon);

    if (colon == SIZE_MAX)
        return false;
    struct slice value = slice_trim(slice_sub(line, colon + 1, line.len));
    if (slice_ieq(name, SLICE("Status")) || slice_ieq(name, SLICE("X-Status")))
        add_letters(reader, value);
    else if (slice_ieq(name, SLICE("X-Keywords")))
        add_keywords(reader, value);
    else
        return false;
    return true;
}

static void end_header(struct ctl_mbox_reader *reader)
{
    reader->place = BODY;
    reader->fns.begin(reader->ctx, reader->date_s, reader->flags);
    json_decref(reader->flags);
    reader->flags = NULL;
    if (reader->header.len > 0)
        reader->fns.bytes(reader->ctx, buf_slice(&reader->header));
    buf_clear(&reader->header);
}

static void end_message(struct ctl_mbox_reader *reader)
{
    if (reader->place == HEADER)
        end_header(reader);
    if (reader->place == BODY)
        reader->fns.end(reader->ctx);
    reader->blank_held = false;
}

static void give_blank(struct ctl_mbox_reader *reader)
{
    if (reader->blank_held)
        reader->fns.bytes(reader->ctx, reader->blank);
    reader->blank_held = false;
}

/* mboxrd: one '>' off ">From " and ">>From ". */
static struct slice unquoted(struct slice line)
{
    size_t marks = 0;

    while (marks < line.len && line.ptr[marks] == '>')
        marks++;
    bool quoted = marks > 0 && slice_starts(slice_sub(line, marks, line.len), SLICE("From "));
    return slice_sub(line, quoted, line.len);
}

static void take_header_line(struct ctl_mbox_reader *reader, struct slice line, bool first_piece)
{
    if (first_piece && take_flags(reader, line))
        return;
    buf_put(&reader->header, line);
    if (is_blank(line) || reader->header.len > HEADER_BYTES_ENOUGH)
        end_header(reader);
}

static void take_body_line(struct ctl_mbox_reader *reader, struct slice line, bool first_piece)
{
    give_blank(reader);
    if (first_piece && is_blank(line)) {
        reader->blank_held = true;
        reader->blank = line.len == 2 ? SLICE("\r\n") : SLICE("\n");
        return;
    }
    reader->fns.bytes(reader->ctx, first_piece ? unquoted(line) : line);
}

/* An unquoted From_ line counts only at the start or after an empty line: some writers of other
 * forms leave it unquoted elsewhere. */
static enum st take_line(struct ctl_mbox_reader *reader, struct slice line, bool first_piece)
{
    bool from = first_piece && slice_starts(line, SLICE("From ")) &&
                (reader->place == BEFORE || reader->after_blank);

    reader->after_blank = first_piece && is_blank(line);
    if (from) {
        end_message(reader);
        reader->place = HEADER;
        reader->date_s = date_of(line);
        reader->flags = json_array();
        return ST_OK;
    }
    if (reader->place == BEFORE)
        return is_blank(line) ? ST_OK : ST_INVALID;
    if (reader->place == HEADER)
        take_header_line(reader, line, first_piece);
    else
        take_body_line(reader, line, first_piece);
    return ST_OK;
}

enum st ctl_mbox_feed(struct ctl_mbox_reader *reader, struct slice in)
{
    enum st st = ST_OK;

    while (in.len > 0 && st == ST_OK) {
        size_t end = slice_find(in, '\n');
        size_t room = LINE_BYTES_MAX - reader->line.len;
        size_t len = end == SIZE_MAX ? in.len : end + 1;
        bool whole = end != SIZE_MAX && len <= room;

        if (len > room)
            len = room;
        buf_put(&reader->line, slice_sub(in, 0, len));
        in = slice_sub(in, len, in.len);
        if (!whole && reader->line.len < LINE_BYTES_MAX)
            return ST_OK;
        st = take_line(reader, buf_slice(&reader->line), !reader->line_open);
        reader->line_open = !whole;
        buf_clear(&reader->line);
    }
    return st;
}

enum st ctl_mbox_end(struct ctl_mbox_reader *reader)
{
    enum st st = ST_OK;

    if (reader->line.len > 0)
        st = take_line(reader, buf_slice(&reader->line), !reader->line_open);
    buf_clear(&reader->line);
    if (st == ST_OK)
        end_message(reader); /* the empty line before the end is the separator's */
    return st;
}

/* --- writing --- */

static void put_date(int64_t date_s, struct buf *out)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    time_t seconds = (time_t)date_s;
    struct tm tm = {0};

    gmtime_r(&seconds, &tm);
    buf_putf(out, "%.3s %.3s %2d %02d:%02d:%02d %d", days + 3 * (size_t)tm.tm_wday,
             months + 3 * (size_t)tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec,
             1900 + tm.tm_year);
}

static bool has_flag(const json_t *flags, const char *name)
{
    for (size_t i = 0; i < json_array_size(flags); i++)
        if (slice_ieq(slice_str(json_string_value(json_array_get(flags, i))), slice_str(name)))
            return true;
    return false;
}

static void put_keywords(const json_t *flags, struct buf *out)
{
    bool any = false;

    for (size_t i = 0; i < json_array_size(flags); i++) {
        const char *flag = json_string_value(json_array_get(flags, i));

        if (flag[0] == '\\')
            continue;
        buf_putf(out, "%s%s", any ? " " : "X-Keywords: ", flag);
        any = true;
    }
    if (any)
        buf_put(out, SLICE("\n"));
}

void ctl_mbox_write_begin(struct ctl_mbox_writer *writer, int64_t date_s, const json_t *flags,
                          struct buf *out)
{
    char status[COUNT(letters)];
    size_t len = 0;

    *writer = (struct ctl_mbox_writer){.line_start = true};
    for (size_t i = 1; i < COUNT(letters); i++)
        if (has_flag(flags, letters[i].flag))
            status[len++] = letters[i].letter;
    buf_put(out, SLICE("From MAILER-DAEMON "));
    put_date(date_s, out);
    buf_putf(out, "\nStatus: %sO\n", has_flag(flags, "\\Seen") ? "R" : "");
    if (len > 0)
        buf_putf(out, "X-Status: %.*s\n", (int)len, status);
    put_keywords(flags, out);
}

/* What is held of a line's start: some '>' and a piece of "From ". True while it may become one. */
static bool hold(struct ctl_mbox_writer *writer, char byte)
{
    static const char from[] = "From ";
    size_t marks = 0;

    if (writer->held == sizeof(writer->hold))
        return false;
    while (marks < writer->held && writer->hold[marks] == '>')
        marks++;
    bool fits =
        marks == writer->held ? byte == '>' || byte == from[0] : byte == from[writer->held - marks];
    if (fits)
        writer->hold[writer->held++] = byte;
    return fits;
}

static bool held_is_from(const struct ctl_mbox_writer *writer)
{
    return writer->held >= 5 &&
           slice_eq((struct slice){writer->hold + writer->held - 5, 5}, SLICE("From "));
}

static void let_go(struct ctl_mbox_writer *writer, struct buf *out)
{
    if (held_is_from(writer))
        buf_put(out, SLICE(">"));
    buf_put(out, (struct slice){writer->hold, writer->held});
    writer->held = 0;
    writer->line_start = false;
}

void ctl_mbox_write(struct ctl_mbox_writer *writer, struct slice bytes, struct buf *out)
{
    while (bytes.len > 0) {
        if (writer->line_start && !held_is_from(writer) && hold(writer, bytes.ptr[0])) {
            bytes = slice_sub(bytes, 1, bytes.len);
            continue;
        }
        if (writer->line_start)
            let_go(writer, out);
        size_t end = slice_find(bytes, '\n');
        size_t len = end == SIZE_MAX ? bytes.len : end + 1;
        buf_put(out, slice_sub(bytes, 0, len));
        writer->line_start = end != SIZE_MAX;
        bytes = slice_sub(bytes, len, bytes.len);
    }
}

void ctl_mbox_write_end(struct ctl_mbox_writer *writer, struct buf *out)
{
    bool open = !writer->line_start || writer->held > 0;

    if (writer->line_start)
        let_go(writer, out);
    buf_put(out, open ? SLICE("\n\n") : SLICE("\n"));
}
