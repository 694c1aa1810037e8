#include "ctl/ctl_help.h"

#include "base/buf.h"
#include "ctl/ctl_args.h"

#include <string.h>

static struct slice first_line(const char *text)
{
    struct slice whole = slice_str(text);

    return slice_sub(whole, 0, slice_find(whole, '\n'));
}

static void put_row(const struct ctl_cmd *cmd, struct buf *out)
{
    buf_putf(out, "  %-21s %.*s\n", cmd->words, SLICE_ARG(first_line(cmd->help)));
}

void ctl_help_all(struct buf *out)
{
    buf_put(out,
            SLICE("posthorse - a mail server\n\nposthorse [-c FILE | --dir DIR] COMMAND ...\n\n"
                  "Commands:\n"));
    for (size_t i = 0; i < ctl_cmd_count; i++)
        put_row(&ctl_cmds[i], out);
    buf_put(out, SLICE("\nposthorse COMMAND --help tells more, with examples.\n\n"
                       "The server is found by its settings:\n"));
    buf_putf(out, "  -c, --config FILE  %s\n", ctl_opts[CTL_OPT_CONFIG].help);
    buf_putf(out, "      --dir DIR      %s\n", ctl_opts[CTL_OPT_DIR].help);
}

bool ctl_help_group(const char *group, struct buf *out)
{
    struct slice name = slice_str(group);
    bool found = false;

    for (size_t i = 0; i < ctl_cmd_count; i++) {
        const char *words = ctl_cmds[i].words;

        if (!slice_starts(slice_str(words), name) || words[name.len] != ' ')
            continue;
        if (!found)
            buf_putf(out, "posthorse %s ...\n\n", group);
        put_row(&ctl_cmds[i], out);
        found = true;
    }
    return found;
}

static void put_options(const struct ctl_cmd *cmd, struct buf *out)
{
    for (unsigned i = 0; i < CTL_OPT_MAX; i++) {
        const struct ctl_opt *opt = &ctl_opts[i];
        AUTO(buf) struct buf text = BUF(64);

        if (!ctl_args_allows(cmd->usage, (enum ctl_opt_id)i))
            continue;
        if (opt->letter != NULL && ctl_args_letter(cmd, opt->letter) == opt)
            buf_putf(&text, "-%s, ", opt->letter);
        buf_putf(&text, "--%s%s%s", opt->name, opt->value != NULL ? " " : "",
                 opt->value != NULL ? opt->value : "");
        buf_putf(out, "  %-22s %s\n", text.ptr, opt->help);
    }
}

void ctl_help_cmd(const struct ctl_cmd *cmd, struct buf *out)
{
    struct slice rest = slice_str(cmd->examples);
    struct slice line;

    buf_putf(out, "posthorse %s%s%s\n\n%s\n\nOptions:\n", cmd->words,
             cmd->usage[0] != '\0' ? " " : "", cmd->usage, cmd->help);
    put_options(cmd, out);
    buf_put(out, SLICE("\nExamples:\n"));
    while (slice_split(&rest, '\n', &line))
        if (line.len > 0)
            buf_putf(out, "  %.*s\n", SLICE_ARG(line));
}
