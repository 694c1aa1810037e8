#include "base/buf.h"
#include "ctl/ctl_args.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_help.h"

#include <stdio.h>
#include <string.h>

#define MAN_BYTES_MAX (1 * MIB)
#define FILL_COLS 78
#define DATE "November 22, 2026"

/* Text that is read as text: no request at a line's start, no escape. */
static void put_text(struct slice text, struct buf *out)
{
    if (text.len > 0 && (text.ptr[0] == '.' || text.ptr[0] == '\''))
        buf_put(out, SLICE("\\&"));
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '\\')
            buf_put(out, SLICE("\\e"));
        else
            buf_putf(out, "%c", text.ptr[i]);
}

/* Filled lines; each sentence begins one, as mdoc wants it. */
static void put_sentences(const char *text, struct buf *out)
{
    struct slice rest = slice_str(text);
    size_t col = 0;

    while (rest.len > 0) {
        size_t len = 0;

        while (len < rest.len && rest.ptr[len] != ' ' && rest.ptr[len] != '\n')
            len++;
        struct slice word = slice_sub(rest, 0, len);
        if (col > 0 && col + len >= FILL_COLS)
            col = 0;
        buf_put(out, col > 0                                          ? SLICE(" ")
                     : out->len > 0 && out->ptr[out->len - 1] != '\n' ? SLICE("\n")
                                                                      : SLICE(""));
        put_text(word, out);
        col = len > 0 && word.ptr[len - 1] == '.' ? 0 : col + len + 1;
        rest = slice_trim(slice_sub(rest, len, rest.len));
    }
    buf_put(out, SLICE("\n"));
}

static void put_word(struct slice word, struct buf *out)
{
    if (slice_starts(word, SLICE("--")))
        buf_putf(out, " Fl -%.*s", SLICE_ARG(slice_sub(word, 2, word.len)));
    else
        buf_putf(out, " Ar %.*s", SLICE_ARG(word));
}

/* "NAME [--quota SIZE]" becomes the lines ".Ar NAME" and ".Op Fl -quota Ar SIZE". */
static void put_usage(const char *usage, struct buf *out)
{
    struct slice rest = slice_str(usage);
    struct slice word;
    bool inside = false;

    while (slice_split(&rest, ' ', &word)) {
        bool open = word.len > 0 && word.ptr[0] == '[';
        bool close = word.len > 0 && word.ptr[word.len - 1] == ']';

        word = slice_sub(word, open, word.len - open - close);
        if (word.len == 0)
            continue;
        if (open)
            buf_put(out, SLICE(".Op"));
        if (open || inside)
            put_word(word, out);
        else
            buf_putf(out, ".Ar %.*s", SLICE_ARG(word));
        inside = (inside || open) && !close;
        if (!inside)
            buf_put(out, SLICE("\n"));
    }
}

static void put_examples(const char *examples, struct buf *out)
{
    struct slice rest = slice_str(examples);
    struct slice line;

    buf_put(out, SLICE(".Bd -literal -offset indent -compact\n"));
    while (slice_split(&rest, '\n', &line)) {
        if (line.len == 0)
            continue;
        put_text(line, out);
        buf_put(out, SLICE("\n"));
    }
    buf_put(out, SLICE(".Ed\n"));
}

static void put_command(const struct ctl_cmd *cmd, struct buf *out)
{
    buf_putf(out, ".It Xo\n.Ic %s\n", cmd->words);
    put_usage(cmd->usage, out);
    buf_put(out, SLICE(".Xc\n"));
    put_sentences(cmd->help, out);
    buf_put(out, SLICE(".Pp\n"));
    put_examples(cmd->examples, out);
}

static void put_option(const struct ctl_opt *opt, struct buf *out)
{
    buf_put(out, SLICE(".It"));
    if (opt->letter != NULL)
        buf_putf(out, " Fl %s ,", opt->letter);
    buf_putf(out, " Fl -%s", opt->name);
    if (opt->value != NULL)
        buf_putf(out, " Ar %s", opt->value);
    buf_put(out, SLICE("\n"));
    put_sentences(opt->help, out);
}

static const struct {
    int status;
    const char *help;
} exits[] = {
    {EX_OK, "Done."},
    {EX_USAGE, "The command line cannot be understood."},
    {EX_DATAERR, "What was given does not fit, or the store has faults."},
    {EX_NOINPUT, "A file is not there."},
    {EX_NOUSER, "There is no such account."},
    {EX_UNAVAILABLE, "The server is not running, or a port is in use."},
    {EX_CANTCREAT, "It exists already, or cannot be made."},
    {EX_IOERR, "A disk or the database failed."},
    {EX_TEMPFAIL, "Not now; try again."},
    {EX_NOPERM, "No permission."},
    {EX_CONFIG, "The settings are wrong or missing."},
};

static void put_tail_8(struct buf *out)
{
    buf_put(out, SLICE(".El\n.Sh SIGNALS\n.Bl -tag -width SIGTERM\n"
                       ".It Dv SIGTERM\nEnds the server once the commands under way are done.\n"
                       ".It Dv SIGHUP\nReads the settings and the certificate again.\n.El\n"
                       ".Sh FILES\n.Bl -tag -width Ds\n"
                       ".It Pa /etc/posthorse/posthorse.ini\nThe settings; see\n"
                       ".Xr posthorse.ini 5 .\n"
                       ".It Pa /var/lib/posthorse\nThe data folder.\n"
                       ".It Pa /var/lib/posthorse/admin.sock\n"
                       "Where the server takes the commands of this program.\n.El\n"
                       ".Sh EXIT STATUS\nAs in\n.Pa sysexits.h :\n.Bl -tag -width 99\n"));
    for (size_t i = 0; i < COUNT(exits); i++)
        buf_putf(out, ".It %d\n%s\n", exits[i].status, exits[i].help);
    buf_put(out, SLICE(".El\n.Sh SEE ALSO\n.Xr posthorse.ini 5\n"));
}

void ctl_man_8(struct buf *out)
{
    buf_put(out,
            SLICE(".Dd " DATE "\n.Dt POSTHORSE 8\n.Os\n.Sh NAME\n.Nm posthorse\n"
                  ".Nd mail server and its commands\n.Sh SYNOPSIS\n.Nm\n"
                  ".Op Fl c Ar FILE | Fl -dir Ar DIR\n.Ar command\n.Op Ar argument ...\n"
                  ".Sh DESCRIPTION\n.Nm\ntakes mail in by SMTP, submission and LMTP,\nkeeps it "
                  "safe, and gives it out by IMAP.\nOne program is the server and the means\n"
                  "to look after it: most commands ask a running server,\nwhich they find by "
                  "its settings.\n.Pp\nThe commands are:\n.Bl -tag -width Ds\n"));
    for (size_t i = 0; i < ctl_cmd_count; i++)
        put_command(&ctl_cmds[i], out);
    buf_put(out, SLICE(".El\n.Pp\nThe options are:\n.Bl -tag -width Ds\n"));
    for (size_t i = 0; i < CTL_OPT_MAX; i++)
        put_option(&ctl_opts[i], out);
    put_tail_8(out);
}

static void put_limits(const struct conf_field *field, struct buf *out)
{
    AUTO(buf) struct buf dflt = BUF(4 * KIB);

    conf_value_write(&conf_defaults, field, &dflt);
    buf_put(out, SLICE("Default:\n"));
    if (dflt.len == 0)
        buf_put(out, SLICE("empty.\n"));
    else
        buf_putf(out, ".Ql %s .\n", dflt.ptr);
    if (field->type != CONF_BOOL && field->type != CONF_TEXT) {
        struct conf limits = conf_defaults;
        AUTO(buf) struct buf text = BUF(1 * KIB);

        *(uint64_t *)(void *)((char *)&limits + field->offset) = field->min;
        conf_value_write(&limits, field, &text);
        buf_put(&text, SLICE(" to "));
        *(uint64_t *)(void *)((char *)&limits + field->offset) = field->max;
        conf_value_write(&limits, field, &text);
        buf_putf(out, "From %s.\n", text.ptr);
    }
    if (!field->reload)
        buf_put(out, SLICE("Takes effect at the next start.\n"));
}

void ctl_man_5(struct buf *out)
{
    static const char *const types[] = {"size",         "time",     "number",
                                        "number | off", "yes | no", "text"};

    buf_put(out, SLICE(".Dd " DATE "\n.Dt POSTHORSE.INI 5\n.Os\n.Sh NAME\n.Nm posthorse.ini\n"
                       ".Nd settings of the mail server posthorse\n.Sh DESCRIPTION\n"
                       "One setting a line, as name = value; a line that begins with a semicolon\n"
                       "is a comment.\nSizes have the units bytes, KiB, MiB and GiB; times have "
                       "ms, s, min, h and d.\n.Pp\nThe server reads the file when it starts, and "
                       "again at\n.Dv SIGHUP\nor\n.Ic posthorse config reload .\n"
                       ".Ic posthorse config check\ntells what is wrong with it.\n.Pp\n"
                       "The settings are:\n.Bl -tag -width Ds\n"));
    for (size_t i = 0; i < conf_field_count; i++) {
        buf_putf(out, ".It Ic %s No = Ar %s\n", conf_fields[i].name, types[conf_fields[i].type]);
        put_sentences(conf_fields[i].help, out);
        put_limits(&conf_fields[i], out);
    }
    buf_put(out, SLICE(".El\n.Sh FILES\n.Bl -tag -width Ds\n.It Pa /etc/posthorse/posthorse.ini\n"
                       "Where the server looks unless told otherwise.\n.El\n"
                       ".Sh SEE ALSO\n.Xr posthorse 8\n"));
}

int ctl_cmd_man(struct ctl *ctl)
{
    AUTO(buf) struct buf out = BUF(MAN_BYTES_MAX);

    if (strcmp(ctl->args[0], "8") == 0)
        ctl_man_8(&out);
    else if (strcmp(ctl->args[0], "5") == 0)
        ctl_man_5(&out);
    else
        return ctl_fail(EX_USAGE, "%s: no such section; there are 8 and 5", ctl->args[0]);
    fwrite(out.ptr, 1, out.len, stdout);
    return EX_OK;
}
