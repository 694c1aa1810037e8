/* xtext and the forms of RFC 6533: what was encoded is decoded again, and what is decoded passes
 * through the parameters of MAIL and RCPT as it came. The first byte chooses the parameter. */
#include "base/buf.h"
#include "base/slice.h"
#include "base/utf8.h"
#include "mime/mime_xtext.h"
#include "smtp/smtp_dsn.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool truth)
{
    if (!truth)
        abort();
}

static void check_codec(struct slice text)
{
    AUTO(buf) struct buf coded = BUF(GIB);
    AUTO(buf) struct buf back = BUF(GIB);

    mime_xtext_encode(text, &coded);
    must(mime_xtext_decode(buf_slice(&coded), &back) == ST_OK);
    must(slice_eq(buf_slice(&back), text));
    buf_clear(&back);
    if (mime_xtext_decode_utf8(text, false, &back) == ST_OK)
        must(utf8_valid(buf_slice(&back)));
    buf_clear(&back);
    if (mime_xtext_decode_utf8(text, true, &back) == ST_OK)
        must(utf8_valid(text) && utf8_valid(buf_slice(&back)));
}

/* What is taken is one word of printable text. */
static void check_word(struct slice word, bool utf8)
{
    for (size_t i = 0; i < word.len; i++) {
        unsigned char c = (unsigned char)word.ptr[i];

        must(c > ' ' && c != 0x7f && (utf8 || c < 0x80));
    }
    must(utf8_valid(word));
}

static void check_params(unsigned which, struct slice value)
{
    static const char *const keywords[] = {"RET", "ENVID", "MT-PRIORITY", "NOTIFY", "ORCPT"};
    struct slice keyword = slice_str(keywords[which % COUNT(keywords)]);
    bool utf8 = (which & 0x80) != 0;
    struct smtp_dsn_mail mail = {0};
    struct smtp_dsn_rcpt rcpt = {0};

    if (smtp_dsn_mail(keyword, value, &mail) == ST_OK) {
        check_word(mail.envid, false);
        must(mail.priority >= -9 && mail.priority <= 9);
        must(smtp_dsn_mail(keyword, value, &mail) == ST_INVALID);
    }
    if (smtp_dsn_rcpt(keyword, value, utf8, &rcpt) == ST_OK) {
        check_word(rcpt.orcpt, utf8);
        must(rcpt.notify < 16 && ((rcpt.notify & 1) == 0 || rcpt.notify == 1));
        must(smtp_dsn_rcpt(keyword, value, utf8, &rcpt) == ST_INVALID);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct slice text = {(const char *)data + 1, size - 1};

    check_codec(text);
    check_params(data[0], text);
    return 0;
}
