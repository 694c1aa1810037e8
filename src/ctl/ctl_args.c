#include "ctl/ctl_args.h"

#include "base/arena.h"
#include "base/buf.h"

#include <string.h>

const struct ctl_opt ctl_opts[] = {
#define CTL_OPT(id, name, letter, value, help) {name, letter, value, help},
#include "ctl/ctl_opt.def"
};

const struct ctl_cmd ctl_cmds[] = {
#define CTL_CMD(handler, words, needs, usage, help, examples) \
    {words, CTL_NEEDS_##needs, usage, help, examples, ctl_cmd_##handler},
#include "ctl/ctl_cmd.def"
};
const size_t ctl_cmd_count = COUNT(ctl_cmds);

/* --- usages --- */

/* The next word of a usage, its brackets off; *optional_r tells whether it had any. */
static bool next_word(struct slice *rest, struct slice *word_r, bool *optional_r)
{
    while (slice_split(rest, ' ', word_r)) {
        if (word_r->len == 0 || slice_eq(*word_r, SLICE("|")))
            continue;
        *optional_r = word_r->ptr[0] == '[';
        if (*optional_r)
            *word_r = slice_sub(*word_r, 1, word_r->len);
        if (word_r->len > 0 && word_r->ptr[word_r->len - 1] == ']')
            *word_r = slice_sub(*word_r, 0, word_r->len - 1);
        return true;
    }
    return false;
}

static const struct ctl_opt *find_option(struct slice name)
{
    for (size_t i = 0; i < CTL_OPT_MAX; i++)
        if (slice_eq(slice_str(ctl_opts[i].name), name))
            return &ctl_opts[i];
    return NULL;
}

void ctl_args_count(const char *usage, size_t *min_r, size_t *max_r)
{
    struct slice rest = slice_str(usage);
    struct slice word;
    bool optional;

    *min_r = *max_r = 0;
    while (next_word(&rest, &word, &optional)) {
        if (slice_starts(word, SLICE("--"))) {
            const struct ctl_opt *opt = find_option(slice_sub(word, 2, word.len));

            assert(opt != NULL);
            if (opt->value != NULL)
                (void)next_word(&rest, &word, &optional);
            continue;
        }
        bool many = word.len > 3 && slice_eq(slice_sub(word, word.len - 3, 3), SLICE("..."));
        *max_r = many || *max_r == SIZE_MAX ? SIZE_MAX : *max_r + 1;
        *min_r += !optional;
    }
}

static bool names_option(const char *usage, const struct ctl_opt *opt)
{
    struct slice rest = slice_str(usage);
    struct slice word;
    bool optional;

    while (next_word(&rest, &word, &optional))
        if (slice_starts(word, SLICE("--")) &&
            slice_eq(slice_sub(word, 2, word.len), slice_str(opt->name)))
            return true;
    return false;
}

bool ctl_args_allows(const char *usage, enum ctl_opt_id id)
{
    if (id == CTL_OPT_CONFIG || id == CTL_OPT_DIR || id == CTL_OPT_HELP)
        return true;
    return names_option(usage, &ctl_opts[id]);
}

/* --- options --- */

static enum st refuse_option(const char *text, struct slice name, struct buf *why)
{
    const struct ctl_opt *best = &ctl_opts[0];
    size_t best_edits = SIZE_MAX;

    for (size_t i = 0; i < CTL_OPT_MAX; i++) {
        size_t edits = slice_edits(name, slice_str(ctl_opts[i].name));
        if (edits < best_edits) {
            best = &ctl_opts[i];
            best_edits = edits;
        }
    }
    buf_putf(why, "there is no option %s; the nearest is --%s", text, best->name);
    return ST_INVALID;
}

static void give(struct ctl *ctl, const struct ctl_opt *opt, const char *value)
{
    ctl->given[ctl->given_count++] = (struct ctl_given){(enum ctl_opt_id)(opt - ctl_opts), value};
}

const struct ctl_opt *ctl_args_letter(const struct ctl_cmd *cmd, const char *letter)
{
    const struct ctl_opt *found = NULL;

    for (size_t i = 0; i < CTL_OPT_MAX; i++) {
        if (ctl_opts[i].letter == NULL || strcmp(ctl_opts[i].letter, letter) != 0)
            continue;
        if (found == NULL || (cmd != NULL && names_option(cmd->usage, &ctl_opts[i])))
            found = &ctl_opts[i];
    }
    return found;
}

/* argv[*at] begins with '-'; *at ends on the last argument used. */
static enum st read_option(struct ctl *ctl, int argc, char **argv, int *at, struct buf *why)
{
    const char *text = argv[*at];
    bool full = text[1] == '-';
    struct slice name = slice_str(text + (full ? 2 : 1));
    const char *value = full ? strchr(text, '=') : NULL;

    if (value != NULL)
        name.len = (size_t)(value++ - text) - 2;
    const struct ctl_opt *opt = full ? find_option(name) : ctl_args_letter(ctl->cmd, text + 1);
    if (opt == NULL)
        return refuse_option(text, name, why);
    if (opt->value == NULL && value != NULL) {
        buf_putf(why, "--%s takes no value", opt->name);
        return ST_INVALID;
    }
    if (opt->value != NULL && value == NULL) {
        if (*at + 1 == argc) {
            buf_putf(why, "--%s wants a value: %s", opt->name, opt->value);
            return ST_INVALID;
        }
        value = argv[++*at];
    }
    give(ctl, opt, value);
    return ST_OK;
}

/* --- commands --- */

/* How many words of argv the command's name takes; 0: it is another command. */
static int match(const struct ctl_cmd *cmd, int argc, char **argv)
{
    struct slice rest = slice_str(cmd->words);
    struct slice word;
    int count = 0;

    while (slice_split(&rest, ' ', &word)) {
        if (count == argc || !slice_eq(slice_str(argv[count]), word))
            return 0;
        count++;
    }
    return count;
}

/* "account add" of the words given, for looking for what is near. */
static struct slice first_words(struct arena *arena, int argc, char **argv)
{
    AUTO(buf) struct buf words = BUF(200);

    for (int i = 0; i < argc && i < 2 && argv[i][0] != '-'; i++)
        buf_putf(&words, "%s%.80s", i > 0 ? " " : "", argv[i]);
    return arena_copy(arena, buf_slice(&words));
}

/* "account" is no command, but the beginning of some. */
static bool is_group(const char *word)
{
    struct slice name = slice_str(word);

    for (size_t i = 0; i < ctl_cmd_count; i++)
        if (slice_starts(slice_str(ctl_cmds[i].words), name) && ctl_cmds[i].words[name.len] == ' ')
            return true;
    return false;
}

/* The second word given may belong to the command's name or be its argument. */
static size_t distance(const struct ctl_cmd *cmd, struct slice words)
{
    size_t whole = slice_edits(words, slice_str(cmd->words));
    size_t first = slice_edits(slice_sub(words, 0, slice_find(words, ' ')), slice_str(cmd->words));

    return first < whole ? first : whole;
}

static enum st refuse_command(struct ctl *ctl, int argc, char **argv, struct buf *why)
{
    struct slice words = first_words(ctl->arena, argc, argv);
    const struct ctl_cmd *best = &ctl_cmds[0];

    if (is_group(argv[0]) && slice_find(words, ' ') == SIZE_MAX) {
        buf_putf(why, "%s what? See posthorse %s --help", argv[0], argv[0]);
        return ST_INVALID;
    }
    for (size_t i = 1; i < ctl_cmd_count; i++)
        if (distance(&ctl_cmds[i], words) < distance(best, words))
            best = &ctl_cmds[i];
    buf_putf(why, "there is no command %.*s; the nearest is %s", SLICE_ARG(words), best->words);
    return ST_INVALID;
}

static int find_command(struct ctl *ctl, int argc, char **argv)
{
    for (size_t i = 0; i < ctl_cmd_count; i++) {
        int count = match(&ctl_cmds[i], argc, argv);
        if (count > 0) {
            ctl->cmd = &ctl_cmds[i];
            return count;
        }
    }
    return 0;
}

static bool help_follows(int argc, char **argv)
{
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

static enum st read_rest(struct ctl *ctl, int argc, char **argv, struct buf *why)
{
    enum st st = ST_OK;
    bool options = true;

    for (int i = 0; st == ST_OK && i < argc; i++) {
        if (options && strcmp(argv[i], "--") == 0)
            options = false;
        else if (options && argv[i][0] == '-' && argv[i][1] != '\0')
            st = read_option(ctl, argc, argv, &i, why);
        else
            ctl->args[ctl->arg_count++] = argv[i];
    }
    return st;
}

static enum st check(struct ctl *ctl, struct buf *why)
{
    size_t min;
    size_t max;

    for (size_t i = 0; i < ctl->given_count; i++)
        if (!ctl_args_allows(ctl->cmd->usage, ctl->given[i].id)) {
            buf_putf(why, "%s takes no option --%s", ctl->cmd->words,
                     ctl_opts[ctl->given[i].id].name);
            return ST_INVALID;
        }
    ctl_args_count(ctl->cmd->usage, &min, &max);
    if (ctl_has(ctl, CTL_OPT_HELP) || (ctl->arg_count >= min && ctl->arg_count <= max))
        return ST_OK;
    buf_putf(why, "too %s arguments; the command is posthorse %s %s",
             ctl->arg_count < min ? "few" : "many", ctl->cmd->words, ctl->cmd->usage);
    return ST_INVALID;
}

enum st ctl_args_read(struct ctl *ctl, int argc, char **argv, struct buf *why)
{
    enum st st = ST_OK;
    int at = 1;

    ctl->args = arena_many(ctl->arena, const char *, (size_t)argc + 1);
    ctl->given = arena_many(ctl->arena, struct ctl_given, (size_t)argc + 1);
    for (; st == ST_OK && at < argc && argv[at][0] == '-'; at++)
        st = read_option(ctl, argc, argv, &at, why);
    if (st != ST_OK || at >= argc)
        return st;
    int words = find_command(ctl, argc - at, argv + at);
    if (words == 0 && !ctl_has(ctl, CTL_OPT_HELP) && !help_follows(argc - at, argv + at))
        return refuse_command(ctl, argc - at, argv + at, why);
    if (words > 0 && ctl->cmd->needs == CTL_NEEDS_HOOK) {
        ctl->raw = argv + at + words - 1;
        ctl->raw_count = argc - at - words + 1;
    }
    st = read_rest(ctl, argc - at - words, argv + at + words, why);
    return st != ST_OK || ctl->cmd == NULL ? st : check(ctl, why);
}

/* --- looking options up --- */

const char *ctl_value(const struct ctl *ctl, enum ctl_opt_id id)
{
    for (size_t i = ctl->given_count; i > 0; i--)
        if (ctl->given[i - 1].id == id)
            return ctl->given[i - 1].value;
    return NULL;
}

bool ctl_has(const struct ctl *ctl, enum ctl_opt_id id)
{
    for (size_t i = 0; i < ctl->given_count; i++)
        if (ctl->given[i].id == id)
            return true;
    return false;
}

json_t *ctl_values(const struct ctl *ctl, enum ctl_opt_id id)
{
    json_t *list = json_array();

    for (size_t i = 0; i < ctl->given_count; i++)
        if (ctl->given[i].id == id)
            json_array_append_new(list, json_string(ctl->given[i].value));
    return list;
}
