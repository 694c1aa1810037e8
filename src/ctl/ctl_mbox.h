/* ctl_mbox.h: mbox files read and written, in the form mboxrd: a line of the text that begins with
 * any number of '>' and "From " has one '>' more in the file. Pure; fed at any split. */
#pragma once
#include "base/base.h"

#include <jansson.h>

struct buf;

/* --- reading --- */

struct ctl_mbox_fns {
    /* date_s: of the From_ line, INT64_MIN where it has none. flags: a list as "\\Seen", "$Junk",
     * from Status, X-Status and X-Keywords, which are taken out of the header; dropped after. */
    void (*begin)(void *ctx, int64_t date_s, json_t *flags);
    void (*bytes)(void *ctx, struct slice bytes); /* with LF, or CR LF where the file has it */
    void (*end)(void *ctx);
};

struct ctl_mbox_reader;
struct ctl_mbox_reader *ctl_mbox_reader_new(const struct ctl_mbox_fns *fns, void *ctx);
void ctl_mbox_reader_free(struct ctl_mbox_reader **reader);
/* ST_INVALID: the first line is no From_ line. */
MUST_USE enum st ctl_mbox_feed(struct ctl_mbox_reader *reader, struct slice in);
MUST_USE enum st ctl_mbox_end(struct ctl_mbox_reader *reader);

/* --- writing; look at out->over afterwards --- */

struct ctl_mbox_writer {
    bool line_start;
    uint8_t held; /* of a line's start that may yet be "From ", so many bytes */
    char hold[64];
};

/* The From_ line; the flags follow as the first lines of the header. */
void ctl_mbox_write_begin(struct ctl_mbox_writer *writer, int64_t date_s, const json_t *flags,
                          struct buf *out);
void ctl_mbox_write(struct ctl_mbox_writer *writer, struct slice bytes, struct buf *out); /* LF */
void ctl_mbox_write_end(struct ctl_mbox_writer *writer, struct buf *out);
