#include "base/slice.h"
#include "imap/imap_capability.h"
#include "imap/imap_cmd.h"

/* RFC 3501 section 6.1.1. */
enum st imap_cmd_capability(struct imap_session *session, struct imap_run *run)
{
    AUTO(buf) struct buf out = BUF(4 * KIB);

    buf_put(&out, SLICE("* "));
    imap_capability_write(session, &out);
    buf_put(&out, SLICE("\r\n"));
    imap_session_send(session, &out);
    return ST_OK;
}
