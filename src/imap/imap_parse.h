/* imap_parse.h: the words of a complete IMAP command (RFC 3501 section 9), one function for each.
 *
 * A cursor walks over the command, whose literals stand in it as they came. Each function takes
 * what it is named after off the front, or returns ST_INVALID and leaves in `why` what was
 * expected; after that the cursor's place means nothing. Results borrow from the command or lie in
 * the arena. */
#pragma once
#include "base/slice.h"

struct arena;

struct imap_parse {
    struct slice rest;
    struct arena *arena;
    const char *why; /* for the BAD reply: what was expected */
};

struct imap_range {
    uint32_t first;
    uint32_t last;
};
#define IMAP_STAR 0 /* "*" in a range that was not resolved */
struct imap_set {
    struct imap_range *ranges;
    size_t count;
};

struct imap_slices {
    struct slice *items;
    size_t count;
};

MUST_USE enum st imap_parse_fail(struct imap_parse *p, const char *why);
bool imap_parse_char(struct imap_parse *p, char c);           /* takes it if it is next */
bool imap_parse_word(struct imap_parse *p, const char *word); /* likewise, without case */
bool imap_parse_peek(const struct imap_parse *p, char c);
MUST_USE enum st imap_parse_space(struct imap_parse *p);
MUST_USE enum st imap_parse_expect(struct imap_parse *p, char c);
MUST_USE enum st imap_parse_end(struct imap_parse *p);

MUST_USE enum st imap_parse_tag(struct imap_parse *p, struct slice *tag_r);
MUST_USE enum st imap_parse_atom(struct imap_parse *p, struct slice *atom_r);
MUST_USE enum st imap_parse_string(struct imap_parse *p, struct slice *string_r);
/* A NULL ptr for NIL. */
MUST_USE enum st imap_parse_nstring(struct imap_parse *p, struct slice *string_r);
MUST_USE enum st imap_parse_astring(struct imap_parse *p, struct slice *astring_r);
MUST_USE enum st imap_parse_number(struct imap_parse *p, uint64_t max, uint64_t *number_r);
/* In UTF-8; INBOX in capitals whatever its case. ST_DENIED: its modified UTF-7 is broken. */
MUST_USE enum st imap_parse_mailbox(struct imap_parse *p, struct slice *name_r);
/* The pattern of LIST: mailbox with % and *, in UTF-8. */
MUST_USE enum st imap_parse_pattern(struct imap_parse *p, struct slice *pattern_r);
/* sequence-set as written; see imap_set.h. */
MUST_USE enum st imap_parse_set(struct imap_parse *p, struct imap_set *set_r);
/* "(" [item *(SP item)] ")" of astrings. */
MUST_USE enum st imap_parse_astrings(struct imap_parse *p, struct imap_slices *list_r);
/* flag-list of STORE and APPEND, the parentheses optional for STORE: flags as written. */
MUST_USE enum st imap_parse_flags(struct imap_parse *p, struct imap_slices *flags_r);
/* "[" of a date-time's quotes and all: seconds since 1970 and the zone in minutes. */
MUST_USE enum st imap_parse_date_time(struct imap_parse *p, int64_t *date_s_r, int32_t *zone_min_r);
/* date of SEARCH, quoted or not: midnight UTC. */
MUST_USE enum st imap_parse_date(struct imap_parse *p, int64_t *date_s_r);

/* Whether text is an APPEND up to and with the announcement of its first message literal. */
bool imap_parse_is_append(struct slice text);
