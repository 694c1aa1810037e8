/* imap_frame.h: cuts the byte stream of a client into commands and literals (RFC 3501 section 2.2).
 *
 * Incremental and pure: it is fed whatever has come and says what there is to do. A command is
 * handed out whole, its literals in place; only APPEND's message literal passes through in pieces.
 */
#pragma once
#include "base/buf.h"

enum imap_frame_event {
    IMAP_FRAME_MORE,    /* nothing whole: feed more */
    IMAP_FRAME_COMMAND, /* text: a command without its last line end */
    IMAP_FRAME_LITERAL, /* a literal was announced and the client waits: say "+" */
    IMAP_FRAME_MESSAGE, /* text: APPEND up to and with the announcement of a message literal; or,
                         * after a message, what leads to the next one. Answer with
                         * imap_frame_take() or imap_frame_drop(). */
    IMAP_FRAME_DATA,    /* text: a piece of the message; message_left tells what is to come */
    IMAP_FRAME_END,     /* text: what stands behind the last message; normally nothing */
    IMAP_FRAME_TOO_BIG, /* text: the beginning of a command that passed the ceiling */
};

enum imap_frame_mode {
    IMAP_FRAME_GATHER,  /* a command is being gathered */
    IMAP_FRAME_SKIP,    /* bytes of a literal of it, literal_left of them */
    IMAP_FRAME_PASS,    /* bytes of a message, literal_left of them */
    IMAP_FRAME_TAIL,    /* the line behind a message */
    IMAP_FRAME_DISCARD, /* bytes of a message nobody wants */
};

struct imap_frame {
    struct buf held; /* what has come of the command; empty and without memory in between */
    enum imap_frame_mode mode;
    bool plain;      /* lines only: literals mean nothing (IDLE, AUTHENTICATE) */
    bool over;       /* the command passed the ceiling; held keeps its beginning */
    bool sync;       /* the literal announced last makes the client wait for "+" */
    uint8_t literal; /* how much of "{n}" the line's end matches */
    uint64_t number; /* n */
    uint64_t literal_left;
};

void imap_frame_init(struct imap_frame *frame, size_t bytes_max);
void imap_frame_fini(struct imap_frame *frame);
/* Takes bytes off the front of *in and says what they make. text_r borrows from in or from the
 * frame until the next call. */
enum imap_frame_event imap_frame_next(struct imap_frame *frame, struct slice *in,
                                      struct slice *text_r);
/* After IMAP_FRAME_MESSAGE: the message is welcome, or it is not: the client that waits for "+" is
 * done, of the other one the message and the rest of the command pass by unseen. True: something
 * is still to pass, and IMAP_FRAME_END or another IMAP_FRAME_MESSAGE will come. */
void imap_frame_take(struct imap_frame *frame);
bool imap_frame_drop(struct imap_frame *frame);
/* Call when a command is done with: what was held is freed. */
void imap_frame_clear(struct imap_frame *frame);
