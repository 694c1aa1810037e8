#include "imap/imap_body.h"

#include "base/slice.h"
#include "mime/mime_header.h"
#include "store/store_blob.h"

#include <inttypes.h>

#define HEADER_BYTES_MAX (8 * MIB) /* looked at for HEADER.FIELDS */

struct extent {
    uint64_t start;
    uint64_t end;
    bool found;
};

bool imap_body_wants_root(const struct imap_section *section)
{
    return section->kind != IMAP_SECTION_ALL || section->part.len > 0;
}

static struct extent header_of(const struct mime_part *part)
{
    return (struct extent){part->header_start, part->body_start, true};
}

static struct extent body_of(const struct mime_part *part)
{
    return (struct extent){part->body_start, part->body_end, true};
}

/* Where in the message the section lies. */
static struct extent extent_of(const struct store_message *message, const struct mime_part *root,
                               const struct imap_section *section)
{
    const struct mime_part *part = root;

    if (!imap_body_wants_root(section))
        return (struct extent){0, message->bytes, true};
    if (section->part.len > 0)
        part = mime_part_find(root, section->part);
    if (part != NULL && section->kind == IMAP_SECTION_MIME)
        return header_of(part);
    if (part != NULL && section->kind == IMAP_SECTION_ALL)
        return body_of(part);
    /* HEADER and TEXT of a part are those of the message inside it. */
    if (part != NULL && section->part.len > 0)
        part = part->kind == MIME_MESSAGE ? part->child : NULL;
    if (part == NULL)
        return (struct extent){0, 0, false};
    return section->kind == IMAP_SECTION_TEXT ? body_of(part) : header_of(part);
}

struct stream {
    struct imap_session *session;
    struct buf *label; /* and what stands before it */
    size_t label_at;
    uint64_t len;
    uint64_t sent;
};

/* The announcement waits for the first bytes: a body that is gone is then still NIL. */
static void announce(struct stream *stream)
{
    buf_putf(stream->label, " {%" PRIu64 "}\r\n", stream->len);
    imap_session_send(stream->session, stream->label);
}

/* No NUL may stand in a literal (CHAR8 of RFC 3501 section 9); what has one was broken before. */
static void send_char8(struct conn *conn, struct slice bytes)
{
    size_t nul;

    while ((nul = slice_find(bytes, '\0')) != SIZE_MAX) {
        conn_write(conn, slice_sub(bytes, 0, nul));
        conn_write(conn, SLICE("\x80"));
        bytes = slice_sub(bytes, nul + 1, bytes.len);
    }
    conn_write(conn, bytes);
}

static enum st pass(void *ctx, struct slice bytes)
{
    struct stream *stream = ctx;

    if (stream->sent == 0)
        announce(stream);
    stream->sent += bytes.len;
    send_char8(stream->session->conn, bytes);
    return conn_broken(stream->session->conn) ? ST_DENIED : ST_OK;
}

static enum st ended(struct stream *stream, enum st st)
{
    if (stream->sent == 0 && st == ST_IO) {
        stream->label->len = stream->label_at;
        return st;
    }
    if (stream->sent == 0 && (stream->len > 0 || st != ST_OK)) {
        buf_put(stream->label, SLICE(" NIL"));
        return st != ST_OK ? st : ST_NOT_FOUND;
    }
    if (stream->sent == 0)
        buf_put(stream->label, SLICE(" \"\""));
    if (stream->sent < stream->len)
        stream->session->mute = true;
    return st;
}

static struct extent cut(const struct imap_section *section, struct extent extent)
{
    uint64_t len = extent.end - extent.start;

    if (!section->partial)
        return extent;
    extent.start += section->offset < len ? section->offset : len;
    if (extent.end - extent.start > section->len)
        extent.end = extent.start + section->len;
    return extent;
}

static enum st gather(void *ctx, struct slice bytes)
{
    struct buf *header = ctx;

    buf_put(header, slice_sub(bytes, 0, header->bytes_max - header->len));
    return ST_OK;
}

/* HEADER.FIELDS: the header is read, what is wanted picked out of it. */
static enum st write_fields(struct stream *stream, const struct store_message *message,
                            struct extent extent, const struct imap_section *section)
{
    AUTO(buf) struct buf header = BUF(HEADER_BYTES_MAX);
    AUTO(buf) struct buf picked = BUF(HEADER_BYTES_MAX + KIB);
    enum st st;

    st = blob_each(imap_store(stream->session), message->blob_id, extent.start,
                   extent.end - extent.start, gather, &header);
    if (st != ST_OK)
        return ended(stream, st);
    mime_header_select(buf_slice(&header), section->fields.items, section->fields.count,
                       section->kind == IMAP_SECTION_FIELDS_NOT, &picked);
    extent = cut(section, (struct extent){0, picked.len, true});
    stream->len = extent.end - extent.start;
    if (stream->len > 0)
        st = pass(stream, slice_sub(buf_slice(&picked), extent.start, stream->len));
    return ended(stream, st);
}

enum st imap_body_write(struct imap_session *session, const struct store_message *message,
                        const struct mime_part *root, const struct imap_section *section,
                        struct buf *out)
{
    struct extent extent = extent_of(message, root, section);
    struct stream stream = {.session = session, .label = out, .label_at = out->len};
    enum st st = ST_OK;

    imap_section_write(section, out);
    if (!extent.found) {
        buf_put(out, SLICE(" NIL"));
    } else if (section->fields.count > 0) {
        st = write_fields(&stream, message, extent, section);
    } else {
        extent = cut(section, extent);
        stream.len = extent.end - extent.start;
        if (stream.len > 0)
            st = blob_each(imap_store(session), message->blob_id, extent.start, stream.len, pass,
                           &stream);
        st = ended(&stream, st);
    }
    return st;
}
