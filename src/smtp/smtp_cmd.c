#include "smtp/smtp_cmd.h"

#include "conf/conf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct smtp_cmd smtp_cmds[] = {
#define SMTP_CMD(verb, states, flags, kinds, fn) {verb, states, flags, kinds, fn},
#include "smtp/smtp_cmd.def"
};
const size_t smtp_cmd_count = COUNT(smtp_cmds);

static int verb_cmp(const void *key, const void *row)
{
    const struct slice *verb = key;
    const struct smtp_cmd *cmd = row;
    int order = strncasecmp(verb->ptr, cmd->verb, verb->len);

    return order != 0 ? order : (cmd->verb[verb->len] == '\0' ? 0 : -1);
}

const struct smtp_cmd *smtp_cmd_find(struct slice verb)
{
    if (verb.len == 0 || memchr(verb.ptr, '\0', verb.len) != NULL)
        return NULL;
    return bsearch(&verb, smtp_cmds, smtp_cmd_count, sizeof(smtp_cmds[0]), verb_cmp);
}

/* The guard: true when the command may run now, otherwise it has replied why not. */
static bool legal(struct smtp_session *session, const struct smtp_cmd *cmd, struct slice args)
{
    bool submission = session->kind == SMTP_KIND_SUBMISSION;
    bool tls = conn_tls(session->conn);
    bool tls_required = session->kind == SMTP_KIND_SMTP
                            ? conf_get()->smtp_tls_required
                            : submission && !conf_get()->auth_plain_without_tls;

    if ((cmd->kinds & (1u << session->kind)) == 0)
        smtp_reply(session, 502, "5.5.1", "%s is not served on this port", cmd->verb);
    else if (!tls && tls_required && (cmd->flags & SMTP_PRE_TLS) == 0)
        smtp_reply(session, 530, "5.7.0", "Must issue a STARTTLS command first");
    else if (submission && session->login == NULL && cmd->run != smtp_cmd_auth &&
             (cmd->flags & SMTP_PRE_AUTH) == 0)
        smtp_reply(session, 530, "5.7.0", "Authentication required");
    else if ((cmd->states & (1u << session->state)) == 0)
        smtp_reply(session, 503, "5.5.1", "%s is out of sequence", cmd->verb);
    else if ((cmd->flags & SMTP_NO_ARGS) != 0 && args.len > 0)
        smtp_reply(session, 501, "5.5.4", "%s takes no argument", cmd->verb);
    else
        return true;
    return false;
}

void smtp_cmd_dispatch(struct smtp_session *session, struct slice line)
{
    size_t space = slice_find(line, ' ');
    struct slice verb = slice_sub(line, 0, space);
    struct slice args =
        space == SIZE_MAX ? SLICE("") : slice_trim(slice_sub(line, space, line.len));
    const struct smtp_cmd *cmd = smtp_cmd_find(verb);

    if (cmd == NULL) {
        smtp_reply(session, 500, "5.5.2", "Unknown command");
        return;
    }
    if (!legal(session, cmd, args)) {
        if (cmd->run == smtp_cmd_bdat)
            smtp_bdat_waste(session, args);
        return;
    }
    cmd->run(session, args);
}
