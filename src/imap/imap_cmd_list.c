#include "imap/imap_cmd.h"
#include "imap/imap_list.h"

/* RFC 3501 section 6.3.8, RFC 5258. */
enum st imap_cmd_list(struct imap_session *session, struct imap_run *run)
{
    struct imap_list list = {.lsub = false};
    enum st st = imap_list_parse(&run->args, &list);

    if (st == ST_DENIED)
        run->text = run->args.why;
    return st == ST_OK ? imap_list_run(session, run, &list) : st;
}
