/* calendar_oof.h: out of office: who is answered, with what, and once each (RFC 3834, RFC 5230). */
#pragma once
#include "store/store_calendar.h"
#include "store/store_task.h"

struct arena;
struct buf;
struct calendar;
struct directory;
struct directory_person;

/* --- whether there is a reply: pure --- */

enum calendar_oof {
#define CALENDAR_OOF(id, why) CALENDAR_OOF_##id,
#include "calendar/calendar_oof.def"
#undef CALENDAR_OOF
    CALENDAR_OOF_MAX,
};
const char *calendar_oof_why(enum calendar_oof what); /* a literal */

struct calendar_oof_question {
    const struct directory *directory;
    const struct directory_person *person; /* whose account it is */
    const struct store_calendar_account *account;
    struct slice header; /* of the message as it lies in the mailbox, up to its blank line */
    bool header_cut;     /* there was more of it */
    struct slice sender; /* of the envelope, without brackets */
    int64_t now_ms;
};
/* INSIDE or OUTSIDE: which text the sender is to have, and *own_r is the address of the account
 * that the message was sent to, in arena; otherwise why there is no reply. That he has one already
 * is for the store to know. arena needs room for 64 MiB at worst. */
enum calendar_oof calendar_oof_decide(const struct calendar_oof_question *question,
                                      struct arena *arena, struct slice *own_r);

/* --- the reply: pure --- */

#define CALENDAR_OOF_TEXT_BYTES_MAX (512 * KIB)

struct calendar_oof_text {
    struct slice name;   /* the owner's; UTF-8, or empty */
    struct slice from;   /* the owner's address */
    struct slice to;     /* the sender of what is answered */
    struct slice header; /* of what is answered */
    struct slice text;   /* UTF-8, lines ended in LF or CR LF */
    struct slice guid;
    struct slice host; /* this server's name */
    int64_t now_ms;
};
/* The whole message (RFC 3834 section 3), after "Return-Path: <>". out's ceiling must be
 * CALENDAR_OOF_TEXT_BYTES_MAX at least. *utf8_r: an address is beyond ASCII, so it needs SMTPUTF8
 * (RFC 6531). */
void calendar_oof_text_write(const struct calendar_oof_text *reply, struct buf *out, bool *utf8_r);

/* --- at work --- */

/* Does a task of kind STORE_TASK_OOF: one transaction puts the reply into a mailbox or the queue,
 * notes that the sender had one, and ends the task; or ends the task alone. Waits for the store;
 * not inside a transaction. ST_OK: it is done, by this call or another one. Otherwise it stands as
 * it was, to be tried again. */
MUST_USE enum st calendar_oof_work(struct calendar *calendar, const struct store_task *task);
/* Sets what struct store_calendar_account says of out of office (oof and what follows); the rest
 * stays. A time that does not end (0) or begin (0) is open; texts are UTF-8. Where a text, the
 * state or the time is another than before, who was answered is forgotten. ST_INVALID: a time that
 * ends before it begins; what store_calendar_account_set() says. */
MUST_USE enum st calendar_oof_change(struct store_tx *tx,
                                     const struct store_calendar_account *wanted);
