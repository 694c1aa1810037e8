/* Mail with a scheduling message: each input is a whole mail. What is in it comes to an organizer
 * and an attendee; and as a mail of ours it says the same again.
 */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "calendar/calendar_imip.h"
#include "mime/mime_scan.h"
#include "router/router_task.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define BYTES_MAX 20000

/* The first mail's message in *message_r. */
static enum st read_mail(struct arena *arena, struct slice mail, struct ical_comp **message_r)
{
    struct mime_scan *scan = mime_scan_new(NULL);
    struct ical_error error = {0};
    enum st st = ST_NOT_FOUND;

    mime_scan_feed(scan, mail);
    const struct mime_part *root = mime_scan_end(scan);
    const struct mime_part *part = router_task_imip_part(root);
    if (part != NULL)
        st = calendar_imip_read(
            arena, part, slice_sub(mail, part->body_start, part->body_end - part->body_start),
            BYTES_MAX, message_r, &error);
    if ((st == ST_INVALID || st == ST_TOO_BIG) && error.text[0] == '\0')
        abort();
    mime_scan_free(&scan);
    return st;
}

static void hear(struct arena *arena, struct slice own, const struct ical_comp *message,
                 struct slice from)
{
    struct calendar_itip_world world = {
        .arena = arena, .own = &own, .own_count = 1, .now_s = INT64_C(1767225600)};
    const struct calendar_itip_policy policy = {.crashers = false};
    struct calendar_itip_result result;
    struct ical_error error = {0};

    (void)calendar_itip_incoming(&world, &policy, NULL, message, from, &result, &error);
}

static void send_again(struct arena *arena, const struct ical_comp *message, struct slice from)
{
    AUTO(buf) struct buf mail = BUF(CALENDAR_IMIP_MAIL_BYTES_MAX);
    const struct calendar_imip_letter letter = {.vcalendar = message,
                                                .name = from,
                                                .from = from,
                                                .to = &from,
                                                .to_count = 1,
                                                .guid = SLICE("0123456789abcdef"),
                                                .host = SLICE("x.test")};
    struct ical_comp *again;
    bool utf8;

    calendar_imip_write(arena, &letter, &mail, &utf8);
    enum st st = mail.over ? ST_OK : read_mail(arena, buf_slice(&mail), &again);
    if (st != ST_OK && st != ST_TOO_BIG)
        abort();
    if (st == ST_OK && calendar_itip_method(again) != calendar_itip_method(message))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new("fuzz", GIB);
    struct slice mail = {(const char *)data, size};
    struct slice from = calendar_imip_from(arena, mail);
    struct ical_comp *message;

    if (read_mail(arena, mail, &message) == ST_OK) {
        hear(arena, SLICE("mailto:alice@a.test"), message, from);
        hear(arena, SLICE("mailto:bob@b.test"), message, from);
        send_again(arena, message, from);
    }
    arena_free(&arena);
    return 0;
}
