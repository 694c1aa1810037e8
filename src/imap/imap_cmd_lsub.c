#include "imap/imap_cmd.h"
#include "imap/imap_list.h"

/* RFC 3501 section 6.3.9. */
enum st imap_cmd_lsub(struct imap_session *session, struct imap_run *run)
{
    struct imap_list list = {.lsub = true};
    enum st st = imap_list_parse(&run->args, &list);

    if (st == ST_DENIED)
        run->text = run->args.why;
    return st == ST_OK ? imap_list_run(session, run, &list) : st;
}
