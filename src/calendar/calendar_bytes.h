/* calendar_bytes.h: what servers ask each other about calendars, as bytes: numbers of 8 bytes, the
 * highest first; texts as a length of 4 bytes and the bytes. Pure. Inside calendar/. */
#pragma once
#include "base/base.h"
#include "base/slice.h"

struct arena;
struct buf;

#define CALENDAR_BYTES_NUMBER 8
#define CALENDAR_BYTES_TEXT_HEAD 4

/* What stands at the beginning, behind the version. */
enum calendar_bytes_kind {
    CALENDAR_BYTES_QUESTION = 1, /* calendar_relay.h */
    CALENDAR_BYTES_ANSWER = 2,
    CALENDAR_BYTES_OOF_QUESTION = 3, /* calendar_relay_oof.h */
    CALENDAR_BYTES_OOF_ANSWER = 4,
};
/* 0: it has no such beginning. */
unsigned calendar_bytes_kind(struct slice in);

/* UTF-8 of so many bytes, with no control characters but LF and TAB. */
bool calendar_bytes_text_ok(struct slice text, size_t min, size_t max);

void calendar_bytes_put_head(struct buf *out, enum calendar_bytes_kind kind);
void calendar_bytes_put_number(struct buf *out, uint64_t number);
void calendar_bytes_put_text(struct buf *out, struct slice text);
/* Where all fitted ST_OK, else ST_TOO_BIG, and out is len bytes long as before. */
MUST_USE enum st calendar_bytes_end(struct buf *out, size_t len);

/* What is left to be read; bad: something was missing or over its limit, and all further is empty.
 */
struct calendar_bytes_in {
    struct arena *arena; /* texts are copied to it */
    struct slice rest;
    bool bad;
};
struct calendar_bytes_in calendar_bytes_begin(struct arena *arena, struct slice in,
                                              enum calendar_bytes_kind kind);
uint64_t calendar_bytes_take_number(struct calendar_bytes_in *in, uint64_t max);
int64_t calendar_bytes_take_s(struct calendar_bytes_in *in);
/* One that calendar_bytes_text_ok() lets pass. */
struct slice calendar_bytes_take_text(struct calendar_bytes_in *in, size_t min, size_t max);
/* Any UTF-8. */
struct slice calendar_bytes_take_utf8(struct calendar_bytes_in *in, size_t max);
/* Everything was good, and nothing is left. */
bool calendar_bytes_is_over(const struct calendar_bytes_in *in);
