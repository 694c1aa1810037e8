#include "imap/imap_reply.h"

static const struct imap_reply replies[] = {
    [ST_OK] = {IMAP_REPLY_OK, NULL, "Done"},
    [ST_AGAIN] = {IMAP_REPLY_NO, "SERVERBUG", "Internal error: unfinished command"},
    [ST_INVALID] = {IMAP_REPLY_BAD, NULL, "Wrong arguments"},
    [ST_TOO_BIG] = {IMAP_REPLY_NO, "LIMIT", "Too big or too many"},
    [ST_DENIED] = {IMAP_REPLY_NO, "CANNOT", "Not permitted"},
    [ST_NOT_FOUND] = {IMAP_REPLY_NO, "NONEXISTENT", "No such mailbox"},
    [ST_EXISTS] = {IMAP_REPLY_NO, "ALREADYEXISTS", "Mailbox exists already"},
    [ST_CONFLICT] = {IMAP_REPLY_NO, "INUSE", "Something else is changing this now, try again"},
    [ST_FULL] = {IMAP_REPLY_NO, "OVERQUOTA", "Quota exceeded"},
    [ST_IO] = {IMAP_REPLY_NO, "UNAVAILABLE", "Storage is unavailable, try again later"},
};
static_assert(COUNT(replies) == ST_MAX, "one reply for each enum st");

const struct imap_reply *imap_reply_for(enum st st)
{
    assert(st < ST_MAX);
    return &replies[st];
}

const char *imap_reply_word(enum imap_reply_kind kind)
{
    static const char *const words[] = {"OK", "NO", "BAD"};

    assert(kind < COUNT(words));
    return words[kind];
}
