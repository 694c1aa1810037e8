/* load.h: what one timed session says and expects, step by step. */
#pragma once
#include "base/base.h"

enum {
    LOAD_PIECES_MAX = 6,
    LOAD_TEXT_BYTES = 2048, /* head, middle and tail of one message, or one command */
    LOAD_LINE_BYTES = 192,  /* as much of a reply line as is looked at */
};

/* len bytes to send, taken from the ring of ring_len bytes at ptr, from `at` on. */
struct load_piece {
    char *ptr; /* not const because iovec is not; never written to */
    uint64_t ring_len;
    uint64_t at;
    uint64_t len;
};

/* What the command line asked for. */
struct load_plan {
    const struct load_proto *proto;
    uint64_t port;
    uint64_t sessions;
    uint64_t count;      /* operations in all: messages, or logins */
    uint64_t size;       /* bytes of a message, its header included */
    uint64_t users;      /* u1 .. u<users> in turn */
    const char *user;    /* or always this one; NULL for the others */
    const char *domain;  /* theirs */
    uint64_t timeout_ms; /* without a single reply */
    uint64_t run_id;     /* makes this run's Message-IDs its own */
};

/* What a session sends for one step. The ring pieces borrow from load_pool. */
struct load_out {
    char text[LOAD_TEXT_BYTES];
    size_t text_len;
    struct load_piece piece[LOAD_PIECES_MAX];
    size_t piece_count;
};

/* One turn of the talk: what we say (NULL: nothing, the greeting) and how a good answer begins. */
struct load_step {
    const char *name;
    void (*compose)(const struct load_plan *plan, uint64_t op, struct load_out *out);
    const char *expect;
};

/* A protocol. Steps begin .. end are one timed operation; a session that `keeps` its connection
 * goes back to begin for the next one, another says the steps after end and connects anew. */
struct load_proto {
    const char *name;
    const struct load_step *steps;
    size_t step_count;
    size_t begin;
    size_t end;
    bool keeps;
    /* Whether a reply line is the last of the answer that should begin with `expect`. */
    bool (*ends)(const char *line, size_t len, const char *expect);
};

/* NULL when there is no such protocol. */
const struct load_proto *load_proto_find(const char *name);

/* Fills the words and the attachment bytes that messages are cut from. Once, before any session. */
void load_pool_fill(void);
