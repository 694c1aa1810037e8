#include "calendar/calendar_mail.h"

#include "base/buf.h"
#include "calendar/calendar.h"
#include "mime/mime_scan.h"
#include "mime/mime_structure.h"
#include "router/router.h"

#define STRUCTURE_BYTES_MAX (64 * KIB)
#define MESSAGE_ID_BYTES_MAX 400

enum st calendar_mail_accept(struct calendar *calendar, struct router_message *message,
                             struct slice text)
{
    AUTO(buf) struct buf structure = BUF(STRUCTURE_BYTES_MAX);
    AUTO(buf) struct buf message_id = BUF(MESSAGE_ID_BYTES_MAX);
    struct mime_scan *scan = mime_scan_new(NULL);

    mime_scan_feed(scan, text);
    const struct mime_part *root = mime_scan_end(scan);
    mime_structure_write(root, &structure);
    buf_putf(&message_id, "<%s@%s>", message->guid, calendar_server_name(calendar));
    message->envelope = root->envelope;
    message->structure = buf_slice(&structure);
    message->message_id = buf_slice(&message_id);
    enum st st = router_accept(calendar_store(calendar), calendar_queue(calendar), message);
    mime_scan_free(&scan);
    return st;
}
