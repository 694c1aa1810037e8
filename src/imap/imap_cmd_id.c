#include "base/slice.h"
#include "imap/imap_cmd.h"

/* "(" string SP nstring ... ")" or NIL; what the client calls itself changes nothing here. */
static enum st parse_params(struct imap_parse *p)
{
    struct slice text;
    enum st st = imap_parse_space(p);

    if (st != ST_OK || imap_parse_word(p, "NIL"))
        return st;
    st = imap_parse_expect(p, '(');
    for (bool more = !imap_parse_peek(p, ')'); st == ST_OK && more;) {
        st = imap_parse_string(p, &text);
        if (st == ST_OK)
            st = imap_parse_space(p);
        if (st == ST_OK)
            st = imap_parse_nstring(p, &text);
        more = imap_parse_char(p, ' ');
    }
    return st == ST_OK ? imap_parse_expect(p, ')') : st;
}

/* RFC 2971. */
enum st imap_cmd_id(struct imap_session *session, struct imap_run *run)
{
    enum st st = parse_params(&run->args);

    if (st == ST_OK)
        st = imap_parse_end(&run->args);
    if (st == ST_OK)
        conn_write(session->conn, SLICE("* ID (\"name\" \"Posthorse\")\r\n"));
    return st;
}
