/* mime_content.h: what a part's header says about its content (RFC 2045, 1864, 2183, 3282, 2557).
 */
#pragma once
#include "base/base.h"
#include "mime/mime_part.h"

struct mime_keep;

/* Fills in the strings of part, whose header block is given; digest: message/rfc822 is what a part
 * without Content-Type is (RFC 2046 section 5.1.5). A multipart without a usable boundary is taken
 * as text/plain, as RFC 2045 section 5.2 has it for any field that is not valid. The part's type is
 * left as MIME_LEAF. */
void mime_content_read(struct mime_keep *keep, struct slice header, bool digest,
                       struct mime_part *part);
