#include "imap/imap_cmd.h"

/* RFC 3501 section 6.2.1. TLS begins once the reply is sent; what came behind the command in the
 * clear is thrown away by net/. */
enum st imap_cmd_starttls(struct imap_session *session, struct imap_run *run)
{
    conn_starttls(session->conn);
    run->text = "Begin TLS now";
    return ST_OK;
}
