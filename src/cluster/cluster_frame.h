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
    CLUSTER_TYPE_MAX,
};

/* Texts borrow from what was read. */
struct cluster_hello {
    uint64_t protocol;
    uint64_t epoch;
    uint64_t seen;       /* of the receiver's documents, by its own running numbers */
    uint64_t seen_epoch; /* ... in this epoch of the receiver's; in another one it counts nothing */
    uint64_t authority;  /* 1: it can sign certificates */
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
