#include "ctl/ctl_diff.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"

#define CONTEXT 3
#define CELLS_MAX (16 * MIB)

struct lines {
    struct slice *at;
    size_t count;
    size_t cap;
};

/* One line of the answer: ' ', '-' or '+'. */
struct step {
    char sign;
    struct slice line;
};

struct script {
    struct step *at;
    size_t count;
};

static struct lines split(struct arena *arena, struct slice text)
{
    struct lines lines = {.at = NULL};
    struct slice line;

    while (slice_split(&text, '\n', &line)) {
        if (line.len == 0 && text.ptr == NULL)
            break; /* behind the last line's end */
        if (lines.count == lines.cap)
            lines.at = arena_grow(arena, lines.at, lines.count, &lines.cap, sizeof(line));
        lines.at[lines.count++] = line;
    }
    return lines;
}

static void put(struct script *script, char sign, struct slice line)
{
    script->at[script->count++] = (struct step){sign, line};
}

/* length[i][k]: how many lines the rests from i and from k have in common, in order. */
static uint32_t *common_lengths(struct arena *arena, const struct slice *a, size_t a_count,
                                const struct slice *b, size_t b_count)
{
    size_t width = b_count + 1;
    uint32_t *length = arena_many(arena, uint32_t, (a_count + 1) * width);

    for (size_t i = a_count; i-- > 0;)
        for (size_t k = b_count; k-- > 0;) {
            uint32_t down = length[(i + 1) * width + k];
            uint32_t right = length[i * width + k + 1];

            length[i * width + k] = slice_eq(a[i], b[k]) ? length[(i + 1) * width + k + 1] + 1
                                    : down > right       ? down
                                                         : right;
        }
    return length;
}

/* What lies between the lines that both begin and end with. */
static void put_middle(struct arena *arena, struct script *script, const struct slice *a,
                       size_t a_count, const struct slice *b, size_t b_count)
{
    bool small = (a_count + 1) * (b_count + 1) <= CELLS_MAX;
    const uint32_t *length = small ? common_lengths(arena, a, a_count, b, b_count) : NULL;
    size_t width = b_count + 1;
    size_t i = 0;
    size_t k = 0;

    while (i < a_count || k < b_count) {
        if (small && i < a_count && k < b_count && slice_eq(a[i], b[k])) {
            put(script, ' ', a[i++]);
            k++;
        } else if (i < a_count && (k == b_count || !small ||
                                   length[(i + 1) * width + k] >= length[i * width + k + 1]))
            put(script, '-', a[i++]);
        else
            put(script, '+', b[k++]);
    }
}

static struct script compare(struct arena *arena, const struct lines *a, const struct lines *b)
{
    struct script script = {.at = arena_many(arena, struct step, a->count + b->count + 1)};
    size_t least = a->count < b->count ? a->count : b->count;
    size_t head = 0;
    size_t tail = 0;

    while (head < least && slice_eq(a->at[head], b->at[head]))
        put(&script, ' ', a->at[head++]);
    while (tail < least - head && slice_eq(a->at[a->count - 1 - tail], b->at[b->count - 1 - tail]))
        tail++;
    put_middle(arena, &script, a->count > 0 ? a->at + head : NULL, a->count - head - tail,
               b->count > 0 ? b->at + head : NULL, b->count - head - tail);
    for (size_t i = a->count - tail; i < a->count; i++)
        put(&script, ' ', a->at[i]);
    return script;
}

/* The step behind the hunk that begins at from: more than twice the context is unchanged there. */
static size_t end_of_hunk(const struct script *script, size_t from)
{
    size_t end = from;

    for (size_t i = from; i < script->count && i <= end + 2 * CONTEXT + 1; i++)
        if (script->at[i].sign != ' ')
            end = i;
    end += 1 + CONTEXT;
    return end < script->count ? end : script->count;
}

static void put_hunk(struct buf *out, const struct script *script, size_t from, size_t to,
                     size_t old_line, size_t now_line)
{
    size_t olds = 0;
    size_t nows = 0;

    for (size_t i = from; i < to; i++) {
        olds += script->at[i].sign != '+';
        nows += script->at[i].sign != '-';
    }
    buf_putf(out, "@@ -%zu,%zu +%zu,%zu @@\n", olds > 0 ? old_line + 1 : old_line, olds,
             nows > 0 ? now_line + 1 : now_line, nows);
    for (size_t i = from; i < to; i++)
        buf_putf(out, "%c%.*s\n", script->at[i].sign, SLICE_ARG(script->at[i].line));
}

void ctl_diff(struct arena *arena, struct slice old, struct slice now, const char *old_name,
              const char *now_name, struct buf *out)
{
    struct lines a = split(arena, old);
    struct lines b = split(arena, now);
    struct script script = compare(arena, &a, &b);
    size_t old_line = 0; /* before step `at` */
    size_t now_line = 0;
    size_t at = 0;
    bool begun = false;

    for (size_t i = 0; i < script.count; i++) {
        if (script.at[i].sign == ' ' || i < at)
            continue;
        size_t from = i > at + CONTEXT ? i - CONTEXT : at;
        size_t to = end_of_hunk(&script, i);

        if (!begun)
            buf_putf(out, "--- %s\n+++ %s\n", old_name, now_name);
        begun = true;
        old_line += from - at; /* what lies between hunks is unchanged */
        now_line += from - at;
        put_hunk(out, &script, from, to, old_line, now_line);
        for (; from < to; from++) {
            old_line += script.at[from].sign != '+';
            now_line += script.at[from].sign != '-';
        }
        at = to;
    }
}
