#include "base/slice.h"
#include "imap/imap_cmd.h"

/* RFC 5161. Unknown names are passed over; QRESYNC brings CONDSTORE (RFC 7162 section 3.2.3). */
enum st imap_cmd_enable(struct imap_session *session, struct imap_run *run)
{
    bool condstore = session->condstore;
    bool qresync = session->qresync;
    struct slice name;

    do {
        enum st st = imap_parse_space(&run->args);

        if (st == ST_OK)
            st = imap_parse_atom(&run->args, &name);
        if (st != ST_OK)
            return st;
        qresync |= slice_ieq(name, SLICE("QRESYNC"));
        condstore |= qresync || slice_ieq(name, SLICE("CONDSTORE"));
    } while (run->args.rest.len > 0);

    conn_write(session->conn, SLICE("* ENABLED"));
    if (condstore && !session->condstore)
        conn_write(session->conn, SLICE(" CONDSTORE"));
    if (qresync && !session->qresync)
        conn_write(session->conn, SLICE(" QRESYNC"));
    conn_write(session->conn, SLICE("\r\n"));
    session->condstore = condstore;
    session->qresync = qresync;
    return ST_OK;
}
