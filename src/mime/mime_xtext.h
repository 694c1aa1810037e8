/* mime_xtext.h: addresses and names as they stand in SMTP parameters: xtext (RFC 3461 section 4)
 * and the forms of addresses beyond ASCII (RFC 6533 section 3). Pure.
 *
 * All append to out; look at out->over afterwards. What was appended before a fault stays. */
#pragma once
#include "base/base.h"

struct buf;

/* xtext: what is not printable, and '+' and '=', becomes "+3D". */
void mime_xtext_encode(struct slice in, struct buf *out);
/* ST_INVALID: there is a byte that stands in no xtext, or a '+' without its two digits. Digits in
 * lower case are taken. Any byte may come out, zero too. */
MUST_USE enum st mime_xtext_decode(struct slice in, struct buf *out);

/* utf-8-addr-xtext, the form that passes through seven bits: "\x{FC}"; or, with wide,
 * utf-8-addr-unitext, where UTF-8 may stand as it is. ST_INVALID: it is neither. */
MUST_USE enum st mime_xtext_decode_utf8(struct slice in, bool wide, struct buf *out);
