#include "ctl/ctl_maildir.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "imap/imap_utf7.h"

#include <string.h>

#define NAME_BYTES_MAX 4096
#define DOT_ENCODED SLICE("&AC4-") /* a dot in UTF-7, where a plain one separates levels */

/* In ASCII order, as the letters must stand in a name. */
static const struct {
    char letter;
    const char *flag;
} letters[] = {{'D', "\\Draft"},    {'F', "\\Flagged"}, {'P', "$Forwarded"},
               {'R', "\\Answered"}, {'S', "\\Seen"},    {'T', "\\Deleted"}};

/* --- folders --- */

void ctl_maildir_folder_write(struct slice folder, struct buf *out)
{
    AUTO(buf) struct buf encoded = BUF(NAME_BYTES_MAX);

    if (slice_eq(folder, SLICE("INBOX")))
        return;
    imap_utf7_encode(folder, &encoded);
    buf_put(out, SLICE("."));
    for (size_t i = 0; i < encoded.len; i++) {
        if (encoded.ptr[i] == '.')
            buf_put(out, DOT_ENCODED);
        else
            buf_putf(out, "%c", encoded.ptr[i] == '/' ? '.' : encoded.ptr[i]);
    }
}

/* Dots that stood in a name are no canonical UTF-7, so they are read before the rest is. */
static void read_levels(struct slice name, struct buf *out)
{
    while (name.len > 0) {
        if (slice_starts(name, DOT_ENCODED)) {
            buf_put(out, SLICE("."));
            name = slice_sub(name, DOT_ENCODED.len, name.len);
            continue;
        }
        buf_putf(out, "%c", name.ptr[0] == '.' ? '/' : name.ptr[0]);
        name = slice_sub(name, 1, name.len);
    }
}

enum st ctl_maildir_folder_read(struct arena *arena, struct slice name, struct slice *folder_r)
{
    AUTO(buf) struct buf levels = BUF(NAME_BYTES_MAX);

    if (name.len == 0) {
        *folder_r = SLICE("INBOX");
        return ST_OK;
    }
    if (name.len < 2 || name.ptr[0] != '.' || name.ptr[1] == '.')
        return ST_INVALID;
    read_levels(slice_sub(name, 1, name.len), &levels);
    struct slice copy = arena_copy(arena, buf_slice(&levels));
    if (levels.over)
        return ST_INVALID;
    if (imap_utf7_decode(arena, copy, folder_r) != ST_OK)
        *folder_r = copy; /* some write UTF-8, or an & that is one */
    return ST_OK;
}

/* --- keywords --- */

void ctl_maildir_keywords_read(struct arena *arena, struct slice text,
                               struct ctl_maildir_keywords *keywords)
{
    struct slice line;

    memset(keywords, 0, sizeof(*keywords));
    while (slice_split(&text, '\n', &line)) {
        size_t space = slice_find(line, ' ');
        uint64_t no;

        if (space == SIZE_MAX || slice_to_u64(slice_sub(line, 0, space), &no) != ST_OK ||
            no >= CTL_MAILDIR_KEYWORDS)
            continue;
        keywords->names[no] = slice_cstr(arena, slice_trim(slice_sub(line, space, line.len)));
    }
}

void ctl_maildir_keywords_write(const struct ctl_maildir_keywords *keywords, struct buf *out)
{
    for (size_t i = 0; i < CTL_MAILDIR_KEYWORDS; i++)
        if (keywords->names[i] != NULL)
            buf_putf(out, "%zu %s\n", i, keywords->names[i]);
}

/* The letter's number; CTL_MAILDIR_KEYWORDS where all are taken. */
static size_t letter_of(struct arena *arena, struct slice name,
                        struct ctl_maildir_keywords *keywords)
{
    size_t i = 0;

    while (i < CTL_MAILDIR_KEYWORDS && keywords->names[i] != NULL) {
        if (slice_ieq(slice_str(keywords->names[i]), name))
            return i;
        i++;
    }
    if (i < CTL_MAILDIR_KEYWORDS)
        keywords->names[i] = slice_cstr(arena, name);
    return i;
}

/* --- flags --- */

static bool has_flag(const json_t *flags, const char *name)
{
    for (size_t i = 0; i < json_array_size(flags); i++)
        if (slice_ieq(slice_str(json_string_value(json_array_get(flags, i))), slice_str(name)))
            return true;
    return false;
}

static bool has_letter(struct slice flag)
{
    for (size_t i = 0; i < COUNT(letters); i++)
        if (slice_ieq(slice_str(letters[i].flag), flag))
            return true;
    return false;
}

void ctl_maildir_info_write(struct arena *arena, const json_t *flags,
                            struct ctl_maildir_keywords *keywords, struct buf *out)
{
    bool taken[CTL_MAILDIR_KEYWORDS] = {false};

    buf_put(out, SLICE("2,"));
    for (size_t i = 0; i < COUNT(letters); i++)
        if (has_flag(flags, letters[i].flag))
            buf_putf(out, "%c", letters[i].letter);
    for (size_t i = 0; i < json_array_size(flags); i++) {
        struct slice flag = slice_str(json_string_value(json_array_get(flags, i)));
        size_t no = flag.len == 0 || flag.ptr[0] == '\\' || has_letter(flag)
                        ? CTL_MAILDIR_KEYWORDS
                        : letter_of(arena, flag, keywords);

        if (no < CTL_MAILDIR_KEYWORDS)
            taken[no] = true;
    }
    for (size_t i = 0; i < CTL_MAILDIR_KEYWORDS; i++)
        if (taken[i])
            buf_putf(out, "%c", (char)('a' + (int)i));
}

json_t *ctl_maildir_info_read(struct slice file, const struct ctl_maildir_keywords *keywords)
{
    size_t at = slice_find_slice(file, SLICE(":2,"));
    struct slice info = at == SIZE_MAX ? SLICE("") : slice_sub(file, at + 3, file.len);
    json_t *flags = json_array();

    for (size_t i = 0; i < COUNT(letters); i++)
        if (slice_find(info, letters[i].letter) != SIZE_MAX)
            json_array_append_new(flags, json_string(letters[i].flag));
    for (size_t i = 0; i < CTL_MAILDIR_KEYWORDS; i++)
        if (slice_find(info, (char)('a' + (int)i)) != SIZE_MAX && keywords->names[i] != NULL)
            json_array_append_new(flags, json_string(keywords->names[i]));
    return flags;
}
