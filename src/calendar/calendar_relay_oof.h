/* calendar_relay_oof.h: what one server asks another about the out of office of somebody whose
 * account is there, or has it set, as bytes and back: bodies of cluster_ask.h beside those of
 * calendar_relay.h, and of the same make. Pure. */
#pragma once
#include "base/slice.h"
#include "store/store_calendar.h"

struct arena;
struct buf;

/* Of struct store_calendar_account oof and what follows counts. */
struct calendar_relay_oof_question {
    struct slice owner; /* name of the document of the person whose account it is */
    struct slice who;   /* of who asks */
    bool change;        /* to oof; else nothing of it counts */
    struct store_calendar_account oof;
};

enum calendar_relay_oof_result {
    CALENDAR_RELAY_OOF_DONE,
    CALENDAR_RELAY_OOF_DENIED,
    CALENDAR_RELAY_OOF_INVALID,
    CALENDAR_RELAY_OOF_TOO_BIG,
    CALENDAR_RELAY_OOF_NOT_HERE, /* another server has the account, or none */
    CALENDAR_RELAY_OOF_FAILED,   /* the store did */
    CALENDAR_RELAY_OOF_RESULT_MAX,
};
struct calendar_relay_oof_answer {
    enum calendar_relay_oof_result result;
    struct store_calendar_account oof; /* of DONE: as it is now */
};

/* Appends it. ST_INVALID: what no reader would take; ST_TOO_BIG: out's ceiling; out is as it was
 * then. */
MUST_USE enum st calendar_relay_oof_question_write(const struct calendar_relay_oof_question *q,
                                                   struct buf *out);
MUST_USE enum st calendar_relay_oof_answer_write(const struct calendar_relay_oof_answer *a,
                                                 struct buf *out);
/* Everything in arena, which needs room for twice the bytes of in. ST_INVALID: it is none. */
MUST_USE enum st calendar_relay_oof_question_read(struct arena *arena, struct slice in,
                                                  struct calendar_relay_oof_question *question_r);
MUST_USE enum st calendar_relay_oof_answer_read(struct arena *arena, struct slice in,
                                                struct calendar_relay_oof_answer *answer_r);
