/* text.h: bytes as text and back: base64 (RFC 4648 section 4) and hexadecimal. */
#pragma once
#include "base/base.h"

struct buf;

MUST_USE enum st text_base64(struct buf *out, struct slice in);
/* Strict: length a multiple of four, no blanks, padding only at the end. ST_INVALID otherwise. */
MUST_USE enum st text_unbase64(struct buf *out, struct slice in);
MUST_USE enum st text_hex(struct buf *out, struct slice in); /* lower case */
MUST_USE enum st text_unhex(struct buf *out, struct slice in);
