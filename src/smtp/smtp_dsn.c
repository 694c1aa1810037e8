#include "smtp/smtp_dsn.h"

#include "base/buf.h"
#include "base/slice.h"
#include "mime/mime_xtext.h"

#define PRIORITY_MAX 9

static enum st read_ret(struct slice value, struct smtp_dsn_mail *mail)
{
    if (mail->ret != ROUTER_RET_UNSAID)
        return ST_INVALID;
    if (slice_ieq(value, SLICE("FULL")))
        mail->ret = ROUTER_RET_FULL;
    else if (slice_ieq(value, SLICE("HDRS")))
        mail->ret = ROUTER_RET_HDRS;
    return mail->ret == ROUTER_RET_UNSAID ? ST_INVALID : ST_OK;
}

/* Printable ASCII and blanks. */
static bool is_printable(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] < ' ' || text.ptr[i] == 0x7f)
            return false;
    return text.len > 0;
}

static enum st read_envid(struct slice value, struct smtp_dsn_mail *mail)
{
    AUTO(buf) struct buf decoded = BUF(SMTP_ENVID_BYTES_MAX);

    if (mail->envid.len > 0 || mime_xtext_decode(value, &decoded) != ST_OK || decoded.over ||
        !is_printable(buf_slice(&decoded)))
        return ST_INVALID;
    mail->envid = value;
    return ST_OK;
}

/* priority-value of RFC 6710 section 4.1: "0", or a digit with or without "-". */
static enum st read_priority(struct slice value, struct smtp_dsn_mail *mail)
{
    bool minus = value.len > 0 && value.ptr[0] == '-';
    struct slice digits = slice_sub(value, minus, value.len);
    uint64_t number;

    if (mail->prioritised || digits.len != 1 || slice_to_u64(digits, &number) != ST_OK ||
        (minus && number == 0))
        return ST_INVALID;
    mail->prioritised = true;
    mail->priority = (int8_t)(minus ? -(int)number : (int)number);
    return ST_OK;
}

enum st smtp_dsn_mail(struct slice keyword, struct slice value, struct smtp_dsn_mail *mail)
{
    if (slice_ieq(keyword, SLICE("RET")))
        return read_ret(value, mail);
    if (slice_ieq(keyword, SLICE("ENVID")))
        return read_envid(value, mail);
    if (slice_ieq(keyword, SLICE("MT-PRIORITY")))
        return read_priority(value, mail);
    return ST_NOT_FOUND;
}

static enum st read_notify(struct slice value, struct smtp_dsn_rcpt *rcpt)
{
    static const struct {
        const char *word;
        uint8_t bit;
    } rows[] = {
        {"NEVER", ROUTER_NOTIFY_NEVER},
        {"SUCCESS", ROUTER_NOTIFY_SUCCESS},
        {"FAILURE", ROUTER_NOTIFY_FAILURE},
        {"DELAY", ROUTER_NOTIFY_DELAY},
    };
    uint8_t notify = 0;
    struct slice word;

    while (slice_split(&value, ',', &word)) {
        uint8_t bit = 0;

        for (size_t i = 0; i < COUNT(rows); i++)
            if (slice_ieq(word, slice_str(rows[i].word)))
                bit = rows[i].bit;
        if (bit == 0)
            return ST_INVALID;
        notify |= bit;
    }
    bool never = (notify & ROUTER_NOTIFY_NEVER) != 0;
    if (rcpt->notify != 0 || (never && notify != ROUTER_NOTIFY_NEVER))
        return ST_INVALID;
    rcpt->notify = notify;
    return ST_OK;
}

/* The registered types are words such as "rfc822". */
static bool is_type(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '-')
            return false;
    }
    return text.len > 0;
}

static enum st read_orcpt(struct slice value, bool utf8, struct smtp_dsn_rcpt *rcpt)
{
    AUTO(buf) struct buf decoded = BUF(SMTP_ORCPT_BYTES_MAX);
    size_t semicolon = slice_find(value, ';');
    struct slice type = slice_sub(value, 0, semicolon);
    struct slice address = slice_sub(value, type.len + 1, value.len);

    if (rcpt->orcpt.len > 0 || semicolon == SIZE_MAX || !is_type(type))
        return ST_INVALID;
    buf_put(&decoded, slice_sub(value, 0, semicolon + 1));
    enum st st = slice_ieq(type, SLICE("utf-8")) ? mime_xtext_decode_utf8(address, utf8, &decoded)
                                                 : mime_xtext_decode(address, &decoded);
    if (st != ST_OK || decoded.over || address.len == 0)
        return ST_INVALID;
    rcpt->orcpt = value;
    return ST_OK;
}

enum st smtp_dsn_rcpt(struct slice keyword, struct slice value, bool utf8,
                      struct smtp_dsn_rcpt *rcpt)
{
    if (slice_ieq(keyword, SLICE("NOTIFY")))
        return read_notify(value, rcpt);
    if (slice_ieq(keyword, SLICE("ORCPT")))
        return read_orcpt(value, utf8, rcpt);
    return ST_NOT_FOUND;
}
