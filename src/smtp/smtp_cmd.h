/* smtp_cmd.h: the SMTP verb table and the one place that decides whether a verb is legal now. */
#pragma once
#include "smtp/smtp_session.h"

#define SMTP_IN(s) (1u << SMTP_##s)
#define SMTP_ANY (SMTP_IN(GREET) | SMTP_IN(READY) | SMTP_IN(MAIL) | SMTP_IN(RCPT) | SMTP_IN(CHUNK))
#define SMTP_STRANGERS (SMTP_FOR(SMTP) | SMTP_FOR(SUBMISSION) | SMTP_FOR(LMTP))
#define SMTP_EVERYWHERE (SMTP_STRANGERS | SMTP_FOR(TRANSFER))

enum smtp_flag {
    SMTP_PRE_TLS = 1u << 0,  /* allowed before STARTTLS where TLS is required */
    SMTP_PRE_AUTH = 1u << 1, /* allowed before AUTH on the submission ports */
    SMTP_NO_ARGS = 1u << 2,
};

struct smtp_cmd {
    const char *verb;
    unsigned states;
    unsigned flags;
    unsigned kinds;
    void (*run)(struct smtp_session *session, struct slice args);
};

#define SMTP_CMD(verb, states, flags, kinds, fn) void fn(struct smtp_session *, struct slice);
#include "smtp/smtp_cmd.def"

extern const struct smtp_cmd smtp_cmds[];
extern const size_t smtp_cmd_count;

/* NULL where there is none. */
const struct smtp_cmd *smtp_cmd_find(struct slice verb);
/* Runs the line, its end cut off; every path writes exactly one reply or begins DATA or BDAT. */
void smtp_cmd_dispatch(struct smtp_session *session, struct slice line);
