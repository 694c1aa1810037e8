#include "imap/imap_capability.h"

#include "base/slice.h"
#include "conf/conf.h"
#include "imap/imap_cmd.h"

#include <inttypes.h>

enum when { ALWAYS, STARTTLS, NO_PASSWORD, PASSWORD, NOT_AUTH, NOT_AUTH_TLS, LOGGED_IN };

static const struct {
    const char *name;
    enum when when;
} capabilities[] = {
#define IMAP_CAPABILITY(name, when) {name, when},
#include "imap/imap_capability.def"
};

static bool holds(const struct imap_session *session, enum when when)
{
    bool before = session->state == IMAP_NOT_AUTH;
    bool tls = conn_tls(session->conn);

    switch (when) {
    case ALWAYS:
        return true;
    case STARTTLS:
        return before && !tls && conn_tls_possible(session->conn);
    case NO_PASSWORD:
        return before && !imap_cmd_password_allowed(session);
    case PASSWORD:
        return before && imap_cmd_password_allowed(session);
    case NOT_AUTH:
        return before;
    case NOT_AUTH_TLS:
        return before && tls;
    case LOGGED_IN:
        return !before;
    }
    return false;
}

void imap_capability_write(const struct imap_session *session, struct buf *out)
{
    buf_put(out, SLICE("CAPABILITY"));
    for (size_t i = 0; i < COUNT(capabilities); i++) {
        struct slice name = slice_str(capabilities[i].name);

        if (!holds(session, capabilities[i].when))
            continue;
        buf_put(out, SLICE(" "));
        buf_put(out, name);
        if (name.ptr[name.len - 1] == '=')
            buf_putf(out, "%" PRIu64, conf_get()->message_bytes_max);
    }
}
