/* cluster_frame.h: what servers say to each other on the cluster port, as bytes and back. Pure.
 *
 * A frame is a length (4 bytes, of what follows), a type (1 byte), and the fields of that type in
 * the order of the table in cluster_frame.c: numbers in 8 bytes, the highest first, texts as a
 * length in 4 bytes and the bytes. What is too long, too short, out of its limits or of a type that
 * is not known is refused as a whole; doc/protocol/cluster.md tells them all. */
#pragma once
#include "base/base.h"

struct buf;

#define CLUSTER_PROTOCOL 1
#define CLUSTER_FRAME_BYTES_MAX (1 * MIB + 64 * KIB)
#define CLUSTER_STRANGER_BYTES_MAX (16 * KIB) /* of a frame from one without a certificate */
#define CLUSTER_NAME_BYTES_MAX 255
#define CLUSTER_BODY_BYTES_MAX (1 * MIB)
#define CLUSTER_PEM_BYTES_MAX (12 * KIB)
#define CLUSTER_VIEW_BYTES_MAX (128 * KIB)
#define CLUSTER_DATA_BYTES_MAX (256 * KIB)
#define CLUSTER_GUID_BYTES 32
#define CLUSTER_ASK_MS_MAX (10 * MIN_MS) /* of a question's time */
#define CLUSTER_ANSWERED_BYTES_MAX 1024  /* of why */

enum cluster_type {
    CLUSTER_HELLO = 1, /* each side's first: who it is, and which of your documents it has */
    CLUSTER_PING,
    CLUSTER_PONG,
    CLUSTER_DOCUMENT, /* one version of a document */
    CLUSTER_SEEN,     /* your documents up to there are durable here */
    CLUSTER_VIEW,     /* how the others are, as seen from here */
    CLUSTER_RENEW,    /* a request for a new certificate */
    CLUSTER_JOIN,     /* from a stranger: the same, with the proof of a token */
    CLUSTER_MEMBER,   /* the certificate */
    CLUSTER_REFUSED,  /* why not; the connection ends */
    /* on a connection of its own, which the first of them begins: copies of messages */
    CLUSTER_COPIES, /* what do you have of mine? */
    CLUSTER_HELD,   /* this, in pages */
    CLUSTER_COPY,   /* a message; its texts and chunks follow as DATA */
    CLUSTER_DATA,
    CLUSTER_DONE, /* with these I am done */
    CLUSTER_SAVE, /* make durable what came since the last one */
    CLUSTER_SAVED,
    CLUSTER_FROM, /* the documents that follow are behind this number of mine */
    /* on a connection of its own, which the first of them begins: questions, one after another */
    CLUSTER_ASK,
    CLUSTER_ANSWER,   /* there may be many, or none */
    CLUSTER_ANSWERED, /* there are no more */
    CLUSTER_TYPE_MAX,
};

/* Texts borrow from what was read. */
struct cluster_hello {
    uint64_t protocol;
    uint64_t epoch;
    uint64_t seen;            /* of the receiver's documents, by its own running numbers */
    uint64_t seen_epoch;      /* ... in this epoch of the receiver's documents */
    uint64_t documents_epoch; /* of the sender's (store_document_seen.h); 0: it tells none */
    uint64_t authority;       /* 1: it can sign certificates */
    struct slice name;
    struct slice version;
};

struct cluster_ping {
    uint64_t number;
    uint64_t view; /* 1: a VIEW is wanted too */
};

struct cluster_pong {
    uint64_t number;
    uint64_t epoch;
    uint64_t index;
    uint64_t threshold;
    uint64_t restricted;
    uint64_t documents; /* the number of its newest */
};

struct cluster_document {
    uint64_t sequence; /* the sender's number */
    uint64_t modified_ms;
    uint64_t parent_ms;
    uint64_t removed;
    struct slice kind;
    struct slice name;
    struct slice server;
    struct slice editor;
    struct slice parent_server;
    struct slice body;
};

struct cluster_seen {
    uint64_t sequence;
};

/* Lines of "name state milliseconds index". */
struct cluster_view {
    struct slice lines;
};

struct cluster_join {
    uint64_t protocol;
    struct slice invite; /* which */
    struct slice proof;  /* 32 bytes, of cluster_token.h */
    struct slice name;
    struct slice request; /* PEM */
};

struct cluster_renew {
    struct slice request;
};

struct cluster_member {
    struct slice certificate; /* PEM, the authority's behind it */
};

struct cluster_refused {
    struct slice why;
};

struct cluster_copies {
    uint64_t protocol;
};

/* Lines of "guid held" or "guid taken". */
struct cluster_held {
    uint64_t more; /* 1: there is another page */
    struct slice lines;
};

struct cluster_copy_frame {
    uint64_t flags;
    uint64_t bytes;
    uint64_t priority;
    uint64_t accepted_ms;
    uint64_t body_offset;
    uint64_t chunk_count;
    struct slice guid;
    struct slice sender;
    struct slice envid;
    struct slice message_id;
    struct slice origin;
    struct slice sha256;
};

enum cluster_part {
    CLUSTER_PART_RCPTS,    /* cluster_rcpts.h */
    CLUSTER_PART_ENVELOPE, /* of mime_scan */
    CLUSTER_PART_STRUCTURE,
    CLUSTER_PART_CHUNK, /* a whole one, packed; the others may come in pieces */
    CLUSTER_PART_MAX,
};

struct cluster_data {
    uint64_t part;
    struct slice bytes;
};

/* Lines of "guid number"; 0: all of it. */
struct cluster_done {
    struct slice lines;
};

struct cluster_save {
    uint64_t number;
};

struct cluster_saved {
    uint64_t number;
    uint64_t ok;          /* 0: nothing of it is kept */
    struct slice refused; /* lines of guids that were taken over long ago */
};

struct cluster_ask_frame {
    uint64_t number;     /* of the question on this connection */
    uint64_t timeout_ms; /* how long the asker waits, from now on */
    struct slice body;
};

struct cluster_answer {
    uint64_t number;
    struct slice body;
};

struct cluster_answered {
    uint64_t number;
    uint64_t ok; /* 0: that was not all, for this reason */
    struct slice why;
};

struct cluster_frame {
    enum cluster_type type;
    union {
        struct cluster_hello hello;
        struct cluster_ping ping;
        struct cluster_pong pong;
        struct cluster_document document;
        struct cluster_seen seen;
        struct cluster_view view;
        struct cluster_join join;
        struct cluster_renew renew;
        struct cluster_member member;
        struct cluster_refused refused;
        struct cluster_copies copies;
        struct cluster_held held;
        struct cluster_copy_frame copy;
        struct cluster_data data;
        struct cluster_done done;
        struct cluster_save save;
        struct cluster_saved saved;
        struct cluster_seen from;
        struct cluster_ask_frame ask;
        struct cluster_answer answer;
        struct cluster_answered answered;
    };
};

/* The first frame of in. ST_AGAIN: it is not all there (its length is looked at as soon as it is).
 * ST_TOO_BIG: it says that it is over bytes_max. ST_INVALID: it is none. *used_r is its length with
 * ST_OK, otherwise 0. */
MUST_USE enum st cluster_frame_read(struct slice in, size_t bytes_max,
                                    struct cluster_frame *frame_r, size_t *used_r);
/* Appends it. ST_TOO_BIG: a field is over its limit, or out's ceiling is reached; nothing is added
 * then. */
MUST_USE enum st cluster_frame_write(const struct cluster_frame *frame, struct buf *out);
const char *cluster_type_name(enum cluster_type type); /* "hello" */
