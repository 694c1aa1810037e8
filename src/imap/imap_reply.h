/* imap_reply.h: what each enum st sounds like in IMAP (RFC 3501 section 7.1, RFC 5530). */
#pragma once
#include "base/base.h"

enum imap_reply_kind { IMAP_REPLY_OK, IMAP_REPLY_NO, IMAP_REPLY_BAD };

struct imap_reply {
    enum imap_reply_kind kind;
    const char *code; /* NULL: none */
    const char *text;
};
const struct imap_reply *imap_reply_for(enum st st);
const char *imap_reply_word(enum imap_reply_kind kind); /* "OK" */
