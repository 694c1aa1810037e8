#include "base/buf.h"
#include "base/slice.h"
#include "ctl/ctl_progress.h"
#include "ctl/ctl_queue.h"
#include "ctl/ctl_stream.h"
#include "ctl/ctl_table.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct verb {
    const char *path;
    const char *imperative; /* "Drop" */
    const char *past;       /* "dropped" */
    const char *unfit;      /* those it is not for */
    bool asks;
};

struct changing {
    const struct verb *verb;
    struct ctl_progress progress;
    json_t *done; /* the last line */
};

static enum st take(void *ctx, json_t *object)
{
    struct changing *changing = ctx;
    const json_t *progress = json_object_get(object, "progress");
    json_t *done = json_object_get(object, "done");

    if (progress != NULL)
        ctl_progress_step(&changing->progress,
                          ctl_json_number(progress, "looked") - changing->progress.count, 0);
    if (done != NULL)
        changing->done = json_incref(done);
    return ST_OK;
}

/* --- which --- */

static json_t *id_list(const struct ctl *ctl)
{
    json_t *ids = json_array();

    for (size_t i = 0; i < ctl->arg_count; i++)
        json_array_append_new(ids, json_string(ctl->args[i]));
    return ids;
}

static json_t *id_text(const struct ctl *ctl)
{
    AUTO(buf) struct buf text = BUF(60 * KIB);

    for (size_t i = 0; i < ctl->arg_count; i++)
        buf_putf(&text, "%s%s", i > 0 ? " " : "", ctl->args[i]);
    return json_stringn(buf_slice(&text).ptr, text.len);
}

static enum st take_count(void *ctx, json_t *object)
{
    const json_t *summary = json_object_get(object, "summary");

    if (summary != NULL)
        *(json_t **)ctx = json_deep_copy(summary);
    return ST_OK;
}

/* How many it would be. */
static int count(struct ctl *ctl, json_t **summary_r)
{
    json_t *query = json_pack("{s:s}", "summary", "yes");
    int exit = ctl_queue_filter(ctl, query);

    if (ctl->arg_count > 0)
        json_object_set_new(query, "ids", id_text(ctl));
    if (exit != EX_OK) {
        json_decref(query);
        return exit;
    }
    *summary_r = NULL;
    exit = ctl_stream_get(ctl, "/v1/queue/list", query, take_count, summary_r);
    if (exit == EX_OK && *summary_r == NULL)
        return ctl_fail(EX_IOERR, "the queue cannot be read");
    return exit;
}

static int ask(const struct verb *verb, const json_t *summary)
{
    char recipients[CTL_QUANTITY_BYTES];
    char messages[CTL_QUANTITY_BYTES];
    char answer[100];

    ctl_table_count(recipients, ctl_json_number(summary, "recipients"), "recipient");
    ctl_table_count(messages, ctl_json_number(summary, "messages"), "message");
    if (!isatty(STDIN_FILENO))
        return ctl_fail(EX_USAGE, "%s of %s would be %s; say --yes to do it", recipients, messages,
                        verb->past);
    fprintf(stderr, "%s %s of %s? Write yes to do it: ", verb->imperative, recipients, messages);
    if (fgets(answer, sizeof(answer), stdin) != NULL &&
        slice_ieq(slice_trim(slice_str(answer)), SLICE("yes")))
        return EX_OK;
    return ctl_fail(EX_USAGE, "nothing was %s", verb->past);
}

static bool is_narrow(const struct ctl *ctl)
{
    static const enum ctl_opt_id ids[] = {CTL_OPT_FROM,  CTL_OPT_TO,    CTL_OPT_DESTINATION,
                                          CTL_OPT_STATE, CTL_OPT_OLDER, CTL_OPT_YOUNGER,
                                          CTL_OPT_ANSWER};

    for (size_t i = 0; i < COUNT(ids); i++)
        if (ctl_has(ctl, ids[i]))
            return true;
    return ctl->arg_count > 0;
}

static int confirm(struct ctl *ctl, const struct verb *verb)
{
    json_t *summary;

    if (!is_narrow(ctl) && !ctl_has(ctl, CTL_OPT_ALL))
        return ctl_fail(EX_USAGE, "say which: ids, a filter, or --all");
    if (!verb->asks || ctl_has(ctl, CTL_OPT_YES))
        return EX_OK;
    int exit = count(ctl, &summary);
    if (exit != EX_OK)
        return exit;
    if (ctl_json_number(summary, "recipients") > 1)
        exit = ask(verb, summary);
    json_decref(summary);
    return exit;
}

/* --- what came of it --- */

static void tell_more(const json_t *done, const char *key, const char *what)
{
    char room[CTL_QUANTITY_BYTES];

    if (ctl_json_number(done, key) > 0)
        printf("%s %s\n", ctl_table_number(room, ctl_json_number(done, key)), what);
}

static int tell(const struct ctl *ctl, const struct verb *verb, const json_t *done)
{
    uint64_t changed = ctl_json_number(done, "changed");
    char room[CTL_QUANTITY_BYTES];

    if (changed == 0 && ctl->arg_count > 0 && ctl_json_number(done, "looked") == 0)
        return ctl_fail(EX_NOUSER, "%s: nothing is queued under %s", ctl->args[0],
                        ctl->arg_count == 1 ? "this id" : "this and the other ids");
    if (changed == 0 && ctl->arg_count > 0 && ctl_json_number(done, "unfit") > 0)
        return ctl_fail(EX_DATAERR, "%s: not %s, it is %s", ctl->args[0], verb->past, verb->unfit);
    printf("%s %s\n", ctl_table_count(room, changed, "recipient"), verb->past);
    tell_more(done, "tried", "were being tried at that moment and may arrive all the same");
    if (ctl->arg_count > 0) { /* a filter may meet what it is not for; ids are meant */
        tell_more(done, "missing", "ids have nothing queued under them");
        tell_more(done, "unfit", verb->unfit);
    }
    tell_more(done, "foreign", "are in the hands of another server: run this there");
    return EX_OK;
}

static int run(struct ctl *ctl, struct changing *changing, json_t *args)
{
    const struct verb *verb = changing->verb;

    ctl_progress_begin(&changing->progress, "recipients looked at", 0);
    int exit = ctl_stream_post(ctl, verb->path, args, take, changing);
    ctl_progress_end(&changing->progress);
    if (exit == EX_OK && changing->done == NULL)
        return ctl_fail(EX_IOERR, "it broke off: the store cannot be changed");
    if (exit == EX_OK && ctl_has(ctl, CTL_OPT_JSON))
        return ctl_print_json(json_incref(changing->done));
    return exit == EX_OK ? tell(ctl, verb, changing->done) : exit;
}

static int change(struct ctl *ctl, const struct verb *verb)
{
    struct changing changing = {.verb = verb};
    int exit = confirm(ctl, verb);

    if (exit != EX_OK)
        return exit;
    json_t *args = json_pack("{s:o, s:b}", "ids", id_list(ctl), "all", ctl_has(ctl, CTL_OPT_ALL));
    if (args == NULL)
        return ctl_fail(EX_DATAERR, "an id is not UTF-8");
    exit = ctl_queue_filter(ctl, args);
    if (ctl_has(ctl, CTL_OPT_TEXT))
        json_object_set_new(args, "text", json_string(ctl_value(ctl, CTL_OPT_TEXT)));
    if (exit == EX_OK)
        exit = run(ctl, &changing, args);
    else
        json_decref(args);
    json_decref(changing.done);
    return exit;
}

int ctl_cmd_queue_retry(struct ctl *ctl)
{
    static const struct verb verb = {"/v1/queue/retry", "Retry", "to be tried now",
                                     "not waiting to be tried (held ones: posthorse queue release)",
                                     false};

    return change(ctl, &verb);
}

int ctl_cmd_queue_hold(struct ctl *ctl)
{
    static const struct verb verb = {"/v1/queue/hold", "Hold", "held",
                                     "not waiting to be tried, or held already", false};

    return change(ctl, &verb);
}

int ctl_cmd_queue_release(struct ctl *ctl)
{
    static const struct verb verb = {"/v1/queue/release", "Release", "released", "not held", false};

    return change(ctl, &verb);
}

int ctl_cmd_queue_bounce(struct ctl *ctl)
{
    static const struct verb verb = {"/v1/queue/bounce", "Bounce", "bounced", "over already", true};

    return change(ctl, &verb);
}

int ctl_cmd_queue_drop(struct ctl *ctl)
{
    static const struct verb verb = {"/v1/queue/drop", "Drop", "dropped", "gone already", true};

    return change(ctl, &verb);
}
