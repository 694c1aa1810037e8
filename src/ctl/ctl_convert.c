#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_table.h"
#include "sys/sys_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define NAMES_BYTES_MAX (3 * MIB) /* with quotes and commas they fit into one call */
#define TABLE_BYTES_MAX (256 * MIB)

/* What the converter of Domino does and this server has no need of. */
static const struct {
    enum ctl_opt_id id;
    const char *why;
} meaningless[] = {
    {CTL_OPT_HEADERS,
     "-h has nothing to do here: what IMAP tells of a message (its envelope, structure and size) "
     "is kept from the moment it arrives; for help say --help"},
    {CTL_OPT_REFERENCES,
     "-m has nothing to do here: a message lies in one folder, there are no folder references"},
    {CTL_OPT_RECURSE,
     "-r has nothing to do here: accounts lie in no folders; '*' names all of them, 'a*' those "
     "that begin with a"},
};

static int check_options(const struct ctl *ctl)
{
    bool on = ctl_has(ctl, CTL_OPT_IMAP_ON);
    bool off = ctl_has(ctl, CTL_OPT_IMAP_OFF);
    bool list = ctl_has(ctl, CTL_OPT_LIST);

    for (size_t i = 0; i < COUNT(meaningless); i++)
        if (ctl_has(ctl, meaningless[i].id))
            return ctl_fail(EX_USAGE, "%s", meaningless[i].why);
    if (on && off)
        return ctl_fail(EX_USAGE, "-e- and -e: say -e- first, and -e in a second command");
    if (list && (on || off))
        return ctl_fail(EX_USAGE, "-l lists and changes nothing; give its file to -f afterwards");
    if (!on && !off && !list && !ctl_has(ctl, CTL_OPT_DRY_RUN))
        return ctl_fail(EX_USAGE,
                        "say what to do: -e- (IMAP off), -e (on), -l FILE (list) or -n "
                        "(tell how it is)");
    return EX_OK;
}

/* --- names --- */

static int read_file(const char *path, struct buf *text)
{
    const char *from = strcmp(path, "-") == 0 ? "/dev/stdin" : path;
    enum st st = sys_file_read(from, text);

    if (st == ST_TOO_BIG)
        return ctl_fail(EX_DATAERR, "%s: more than 3 MiB of names; give them in several files",
                        path);
    return st == ST_OK ? EX_OK : ctl_fail(ctl_exit_of(st), "%s: %s", path, strerror(errno));
}

static void add_name(json_t *names, struct slice name)
{
    json_t *json = json_stringn(name.ptr, name.len);

    json_array_append_new(names, json != NULL ? json : json_string("\xef\xbf\xbd"));
}

static int add_lines(const char *path, json_t *names)
{
    AUTO(buf) struct buf text = BUF(NAMES_BYTES_MAX);
    struct slice line;
    int exit = read_file(path, &text);
    struct slice rest = buf_slice(&text);

    while (exit == EX_OK && slice_split(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (line.len > 0 && line.ptr[0] != '#')
            add_name(names, line);
    }
    return exit;
}

/* Of the arguments and of -f's file; all accounts where nothing is changed and nobody is named. */
static int read_names(const struct ctl *ctl, json_t *names)
{
    bool changes = ctl_has(ctl, CTL_OPT_IMAP_ON) || ctl_has(ctl, CTL_OPT_IMAP_OFF);
    const char *path = ctl_value(ctl, CTL_OPT_NAMES);

    for (size_t i = 0; i < ctl->arg_count; i++)
        add_name(names, slice_str(ctl->args[i]));
    if (path != NULL)
        return add_lines(path, names);
    if (ctl->arg_count == 0 && changes)
        return ctl_fail(EX_USAGE, "name the accounts; '*' is all of them");
    if (ctl->arg_count == 0)
        add_name(names, SLICE("*"));
    return EX_OK;
}

/* --- answers --- */

static unsigned long long number(const json_t *account, const char *key)
{
    return (unsigned long long)json_integer_value(json_object_get(account, key));
}

static bool is(const json_t *account, const char *key)
{
    return json_is_true(json_object_get(account, key));
}

static const char *name_of(const struct ctl *ctl, const json_t *account)
{
    return ctl_text(ctl->arena, slice_str(json_string_value(json_object_get(account, "name"))));
}

static int write_list(const struct ctl *ctl, const json_t *accounts)
{
    const char *path = ctl_value(ctl, CTL_OPT_LIST);
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);
    size_t i;
    json_t *account;

    json_array_foreach(accounts, i, account) buf_putf(&out, "%s\n", name_of(ctl, account));
    if (strcmp(path, "-") == 0) {
        fwrite(out.ptr, 1, out.len, stdout);
        return EX_OK;
    }
    if (sys_file_write(path, buf_slice(&out), 0644) != ST_OK)
        return ctl_fail(EX_CANTCREAT, "%s: %s", path, strerror(errno));
    printf("%zu accounts listed in %s\n", json_array_size(accounts), path);
    return EX_OK;
}

static int print_states(const struct ctl *ctl, const json_t *accounts)
{
    struct ctl_table *table = ctl_table_new(ctl->arena, "NAME,IMAP,>UIDVALIDITY OF INBOX");
    AUTO(buf) struct buf out = BUF(TABLE_BYTES_MAX);
    char room[CTL_QUANTITY_BYTES];
    size_t i;
    json_t *account;

    json_array_foreach(accounts, i, account)
    {
        ctl_table_cell(table, name_of(ctl, account));
        ctl_table_cell(table, is(account, "imap") ? "on" : "off");
        snprintf(room, sizeof(room), "%llu", number(account, "uidvalidity"));
        ctl_table_cell(table, room);
    }
    ctl_table_write(table, &out);
    fwrite(out.ptr, 1, out.len, stdout);
    return EX_OK;
}

static void print_raised(const struct ctl *ctl, const json_t *account)
{
    const char *name = name_of(ctl, account);
    unsigned long long was = number(account, "was");

    if (ctl_has(ctl, CTL_OPT_DRY_RUN))
        printf("%s: IMAP would be on; INBOX would have another UIDVALIDITY than %llu\n", name, was);
    else
        printf("%s: IMAP is on; the UIDVALIDITY of INBOX is %llu, was %llu\n", name,
               number(account, "uidvalidity"), was);
}

static void print_change(const struct ctl *ctl, const json_t *account, bool root)
{
    const char *word = is(account, "imap") ? "on" : "off";
    bool dry_run = ctl_has(ctl, CTL_OPT_DRY_RUN);

    if (is(account, "raised"))
        print_raised(ctl, account);
    else if (!is(account, "changed"))
        printf("%s: IMAP is %s already; nothing %s\n", name_of(ctl, account), word,
               dry_run ? "would change" : "changed");
    else
        printf("%s: IMAP %s %s%s\n", name_of(ctl, account), dry_run ? "would be" : "is", word,
               is(account, "imap") && !root ? "; UIDVALIDITY stays, imap_uidvalidity_root is off"
                                            : "");
}

static int print_changes(const struct ctl *ctl, const json_t *reply)
{
    bool root = json_is_integer(json_object_get(reply, "root"));
    bool smaller = false;
    size_t i;
    json_t *account;

    json_array_foreach(json_object_get(reply, "accounts"), i, account)
    {
        print_change(ctl, account, root);
        smaller = smaller || number(account, "uidvalidity") < number(account, "was");
    }
    if (smaller)
        fputs(
            "posthorse: a UIDVALIDITY became smaller, as a root of its own brings with it; "
            "doc/uidvalidity.md says what clients make of that\n",
            stderr);
    return EX_OK;
}

static int print_reply(const struct ctl *ctl, const json_t *reply)
{
    const json_t *accounts = json_object_get(reply, "accounts");

    if (ctl_has(ctl, CTL_OPT_LIST))
        return write_list(ctl, accounts);
    if (ctl_has(ctl, CTL_OPT_IMAP_ON) || ctl_has(ctl, CTL_OPT_IMAP_OFF))
        return print_changes(ctl, reply);
    return print_states(ctl, accounts);
}

int ctl_cmd_convert(struct ctl *ctl)
{
    bool on = ctl_has(ctl, CTL_OPT_IMAP_ON);
    json_t *names = json_array();
    json_t *reply;
    int exit = check_options(ctl);

    if (exit == EX_OK)
        exit = read_names(ctl, names);
    if (exit == EX_OK)
        exit = ctl_connect(ctl);
    if (exit != EX_OK) {
        json_decref(names);
        return exit;
    }
    json_t *args =
        json_pack("{s:o, s:b}", "names", names, "dry_run", ctl_has(ctl, CTL_OPT_DRY_RUN));
    if (on || ctl_has(ctl, CTL_OPT_IMAP_OFF))
        json_object_set_new(args, "imap", json_boolean(on));
    exit = ctl_post(ctl, "/v1/account/convert", args, &reply);
    if (exit != EX_OK)
        return exit;
    if (ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(reply);
    exit = print_reply(ctl, reply);
    json_decref(reply);
    return exit;
}
