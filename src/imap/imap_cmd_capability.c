#include "base/slice.h"
#include "imap/imap_capability.h"
#include "imap/imap_cmd.h"

/* RFC 3501 section 6.1.1. */
enum st imap_cmd_capability(struct imap_session *session, struct imap_run *run)
{
<<<<<<< HEAD
    AUTO(buf) struct buf out;

    buf_init(&out, 4 * KIB);
=======
    AUTO(buf) struct buf out = BUF(4 * KIB);

>>>>>>> main
    buf_put(&out, SLICE("* "));
    imap_capability_write(session, &out);
    buf_put(&out, SLICE("\r\n"));
    imap_session_send(session, &out);
    return ST_OK;
}
