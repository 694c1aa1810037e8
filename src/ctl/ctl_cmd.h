/* ctl_cmd.h: a command while it runs, and what commands share. Inside ctl/. */
#pragma once
#include "base/base.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "ctl/ctl.h"

#include <jansson.h>
#include <sysexits.h>

struct arena;
struct buf;
struct ctl;
struct ctl_client;

enum ctl_opt_id {
#define CTL_OPT(id, name, letter, value, help) CTL_OPT_##id,
#include "ctl/ctl_opt.def"
    CTL_OPT_MAX,
};

struct ctl_opt {
    const char *name;
    const char *letter; /* NULL: none */
    const char *value;  /* what it takes; NULL: nothing */
    const char *help;
};
extern const struct ctl_opt ctl_opts[];

enum ctl_needs { CTL_NEEDS_SERVER, CTL_NEEDS_NOTHING, CTL_NEEDS_HOOK };

struct ctl_cmd {
    const char *words;
    enum ctl_needs needs;
    const char *usage;
    const char *help; /* the first line is for the list of commands */
    const char *examples;
    int (*handler)(struct ctl *ctl);
};
extern const struct ctl_cmd ctl_cmds[];
extern const size_t ctl_cmd_count;

#define CTL_CMD(handler, words, needs, usage, help, examples) \
    int ctl_cmd_##handler(struct ctl *ctl);
#include "ctl/ctl_cmd.def"

struct ctl_given {
    enum ctl_opt_id id;
    const char *value; /* NULL where it takes none */
};

struct ctl {
    const struct ctl_hooks *hooks;
    struct arena *arena;
    const struct ctl_cmd *cmd;
    const char **args;
    size_t arg_count;
    struct ctl_given *given;
    size_t given_count;
    char **raw; /* of a HOOK: the command's last word and all that follows */
    int raw_count;
    struct conf conf;
    const char *conf_path; /* NULL: none was read */
    struct ctl_client *client;
};

/* Prints "posthorse: sentence" to standard error; returns status. */
int ctl_fail(int status, const char *fmt, ...) PRINTF(2, 3);
/* The exit status for a failure of this process's own doing. */
int ctl_exit_of(enum st st);
/* What somebody wrote, cleared of control characters, for a terminal. */
const char *ctl_text(struct arena *arena, struct slice text);

/* --- options; the last one given counts --- */

bool ctl_has(const struct ctl *ctl, enum ctl_opt_id id);
const char *ctl_value(const struct ctl *ctl, enum ctl_opt_id id); /* NULL: not given */
json_t *ctl_values(const struct ctl *ctl, enum ctl_opt_id id);    /* a list of all that were */

/* --- settings and server --- */

/* The path of the settings that the options mean; NULL where --dir means a bare data folder. */
const char *ctl_conf_path(const struct ctl *ctl);
/* Reads the settings into ctl->conf; an exit status, the sentence printed. */
int ctl_conf_read(struct ctl *ctl);
/* One call of the admin API; arguments may be NULL and are consumed. An exit status, the sentence
 * printed. *reply_r is an object, the caller's. */
int ctl_get(struct ctl *ctl, const char *path, json_t *query, json_t **reply_r);
int ctl_post(struct ctl *ctl, const char *path, json_t *args, json_t **reply_r);
/* Appends the path with its query; the query is consumed. */
void ctl_url(struct ctl *ctl, const char *path, json_t *query, struct buf *out);
/* Reads the settings and makes ctl->client; for commands that do not need the server. */
int ctl_connect(struct ctl *ctl);
/* Appends standard input; limit names text's ceiling ("4 MiB"). An exit status, the sentence
 * printed. */
int ctl_read_stdin(struct buf *text, const char *limit);
int ctl_print_json(json_t *json); /* and drops it */

/* A size as a setting takes it: "500 MiB", "2GiB", "1000". */
MUST_USE enum st ctl_size_parse(const char *text, uint64_t *bytes_r);
/* A length of time: "30min", "4h", "2 d"; a second or more. */
MUST_USE enum st ctl_age_parse(const char *text, uint64_t *ms_r);

/* A password by --generate (printed), --password-stdin, standard input, or asked for twice on a
 * terminal. An exit status, the sentence printed. */
int ctl_password(struct ctl *ctl, const char *name, const char **password_r);
