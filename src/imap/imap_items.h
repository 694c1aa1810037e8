/* imap_items.h: what a FETCH asks for (fetch-att of RFC 3501 section 9, RFC 7162, RFC 8474). */
#pragma once
#include "imap/imap_parse.h"

struct buf;

enum imap_item {
#define IMAP_ITEM(name, id, means) IMAP_ITEM_##id,
#include "imap/imap_items.def"
    IMAP_ITEM_MAX,
};
#define IMAP_WANT(id) (1u << IMAP_ITEM_##id)
/* What the view knows without asking the store. */
#define IMAP_WANT_CHEAP (IMAP_WANT(UID) | IMAP_WANT(FLAGS) | IMAP_WANT(MODSEQ))

enum imap_section_kind {
    IMAP_SECTION_ALL,
    IMAP_SECTION_HEADER,
    IMAP_SECTION_FIELDS,
    IMAP_SECTION_FIELDS_NOT,
    IMAP_SECTION_TEXT,
    IMAP_SECTION_MIME,
};

/* One BODY[...], or an RFC822 item that means the same. */
struct imap_section {
    struct imap_section *next;
    const char *alias; /* how it is called in the answer when not BODY[...] */
    enum imap_section_kind kind;
    struct slice part; /* "1.2", empty for the message */
    struct imap_slices fields;
    bool partial;
    uint64_t offset;
    uint64_t len;
};

struct imap_items {
    unsigned want;
    bool sets_seen;
    struct imap_section *sections;
    bool changed_since_given;
    uint64_t changed_since;
    bool vanished;
};

#define IMAP_SECTIONS_MAX 1000

/* All that follows the set in FETCH, modifiers too. */
MUST_USE enum st imap_items_parse(struct imap_parse *p, struct imap_items *items_r);
/* "BODY[1.HEADER.FIELDS (Date)]<0>", as the answer repeats it. */
void imap_section_write(const struct imap_section *section, struct buf *out);
