#include "router/router_dsn_text.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "conf/conf.h"
#include "log/log.h"
#include "sys/sys_file.h"

#include <limits.h>
#include <stdio.h>

#define BYTE_ORDER_MARK "\xef\xbb\xbf"

static const struct {
    const char *file;
    const char *words;
} rows[] = {
    [ROUTER_DSN_FAILED] = {"failed.txt",
                           "Subject: Not delivered: {subject}\n"
                           "\n"
                           "Your message could not be delivered.\n"
                           "\n"
                           "    Subject:  {subject}\n"
                           "    Sent:     {arrived}\n"
                           "\n"
                           "It did not reach:\n"
                           "\n"
                           "    {recipient}\n"
                           "    {reason}\n"
                           "\n"
                           "What happens next: nothing more. The message will not be tried again. "
                           "Anyone else you sent it to is not affected.\n"
                           "\n"
                           "What you can do:\n"
                           "\n"
                           "  * Look at the address again. If there is a mistake in it, send the "
                           "message once more to the right one.\n"
                           "  * If the address is right, tell the person in another way. They can "
                           "show this report to those who look after their mail; the details they "
                           "need are attached.\n"
                           "\n"
                           "This report was written by the mail server {server}.\n"},
    [ROUTER_DSN_DELAYED] =
        {"delayed.txt",
         "Subject: Not delivered yet: {subject}\n"
         "\n"
         "Your message is late, but not lost. You need not do anything.\n"
         "\n"
         "    Subject:  {subject}\n"
         "    Sent:     {arrived}\n"
         "\n"
         "It is still on its way to:\n"
         "\n"
         "    {recipient}\n"
         "    {reason}\n"
         "    It will be tried until {until}.\n"
         "\n"
         "What happens next: the message is tried again and again. If it cannot "
         "be delivered in the end, another report will tell you.\n"
         "\n"
         "What you can do: please do not send it again, it would arrive twice. If "
         "it is urgent, tell the person in another way.\n"
         "\n"
         "This report was written by the mail server {server}.\n"},
    [ROUTER_DSN_DELIVERED] = {"delivered.txt",
                              "Subject: Delivered: {subject}\n"
                              "\n"
                              "Your message has been delivered, as you asked to be told.\n"
                              "\n"
                              "    Subject:  {subject}\n"
                              "    Sent:     {arrived}\n"
                              "\n"
                              "It is in the mailbox of:\n"
                              "\n"
                              "    {recipient}\n"
                              "\n"
                              "Whether it has been read is not known here.\n"
                              "\n"
                              "This report was written by the mail server {server}.\n"},
    [ROUTER_DSN_RELAYED] =
        {"relayed.txt",
         "Subject: Passed on: {subject}\n"
         "\n"
         "Your message has been passed on to another mail system, which does not "
         "tell when it has delivered a message.\n"
         "\n"
         "    Subject:  {subject}\n"
         "    Sent:     {arrived}\n"
         "\n"
         "It was passed on for:\n"
         "\n"
         "    {recipient}\n"
         "\n"
         "What happens next: most likely it is delivered, and you hear no more of "
         "it. If it is not, that system should tell you.\n"
         "\n"
         "This report was written by the mail server {server}.\n"},
    [ROUTER_DSN_EXPANDED] = {"expanded.txt",
                             "Subject: Delivered to the group: {subject}\n"
                             "\n"
                             "Your message has been sent to the members of a group.\n"
                             "\n"
                             "    Subject:  {subject}\n"
                             "    Sent:     {arrived}\n"
                             "\n"
                             "The group's address is:\n"
                             "\n"
                             "    {recipient}\n"
                             "\n"
                             "Whether each member has got it will not be told.\n"
                             "\n"
                             "This report was written by the mail server {server}.\n"},
};
static_assert(COUNT(rows) == ROUTER_DSN_KIND_MAX, "one text for each kind");

struct slice router_dsn_text_default(enum router_dsn_kind kind)
{
    return slice_str(rows[kind].words);
}

/* Whether a file's bytes can be written to a person. */
static const char *fault(enum st st, struct slice text)
{
    if (st == ST_TOO_BIG)
        return "larger than 64 KiB";
    if (st != ST_OK)
        return "cannot be read";
    if (!utf8_valid(text) || slice_find(text, '\0') != SIZE_MAX)
        return "not UTF-8 text";
    return slice_trim(text).len == 0 ? "empty" : NULL;
}

/* False: there is no file, or none that can be used. */
static bool read_file(enum router_dsn_kind kind, struct buf *out)
{
    AUTO(buf) struct buf text = BUF(ROUTER_DSN_TEXT_BYTES_MAX);
    const char *folder = conf_get()->dsn_text_dir;
    char path[PATH_MAX];

    if (folder[0] == '\0' ||
        snprintf(path, sizeof(path), "%s/%s", folder, rows[kind].file) >= (int)sizeof(path))
        return false;
    enum st st = sys_file_read(path, &text);
    if (st == ST_NOT_FOUND)
        return false;
    struct slice words = buf_slice(&text);
    if (slice_starts(words, SLICE(BYTE_ORDER_MARK)))
        words = slice_sub(words, 3, words.len);
    const char *why = fault(st, words);
    if (why != NULL) {
        log_event(EV_DSN_TEXT_REFUSED, 0, LOG_C("file", path), LOG_C("why", why));
        return false;
    }
    return buf_add(out, words) == ST_OK;
}

void router_dsn_text_read(enum router_dsn_kind kind, struct buf *out)
{
    assert(out->bytes_max - out->len >= ROUTER_DSN_TEXT_BYTES_MAX);
    if (!read_file(kind, out))
        buf_put(out, router_dsn_text_default(kind));
}
