#include "base/slice.h"
#include "imap/imap_cmd.h"

/* RFC 2342: one personal namespace, without a prefix. */
enum st imap_cmd_namespace(struct imap_session *session, struct imap_run *run)
{
    conn_write(session->conn, SLICE("* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"));
    return ST_OK;
}
