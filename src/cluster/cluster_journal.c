#include "cluster/cluster_journal.h"

#include "base/mem.h"
#include "cluster/cluster_frame.h"
#include "sys/sys_file.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define ALIGN 4096 /* a record begins on a block of its own: none is written twice */
#define FILL_BYTES (16 * KIB)
#define MAGIC "phcopy1\n"

/* In front of each record. */
struct header {
    char magic[8];
    uint64_t generation; /* since it was last begun anew */
    uint64_t number;     /* in the generation, from 0 */
    uint64_t length;
    uint64_t owner_length;
    char owner[256];
    unsigned char sha256[SYS_SHA256_BYTES]; /* of what is in front of it, and of the bytes */
};

struct cluster_journal {
    int fd;
    uint64_t generation;
    uint64_t number;
    uint64_t at;
    bool blank; /* the file says that it holds nothing */
};

static uint64_t room_of(uint64_t length)
{
    return (sizeof(struct header) + length + ALIGN - 1) / ALIGN * ALIGN;
}

static void digest(const struct header *header, struct slice bytes,
                   unsigned char out[SYS_SHA256_BYTES])
{
    struct sys_sha256 hash;

    sys_sha256_init(&hash);
    sys_sha256_add(&hash, (struct slice){(const char *)header, offsetof(struct header, sha256)});
    sys_sha256_add(&hash, bytes);
    sys_sha256_end(&hash, out);
}

/* --- reading --- */

/* The record at the beginning of in is whole. */
static bool is_record(struct slice in, struct header *header)
{
    unsigned char sha256[SYS_SHA256_BYTES];

    if (in.len < sizeof(*header))
        return false;
    memcpy(header, in.ptr, sizeof(*header));
    if (memcmp(header->magic, MAGIC, sizeof(header->magic)) != 0 ||
        header->length > in.len - sizeof(*header) || header->owner_length > sizeof(header->owner))
        return false;
    digest(header, slice_sub(in, sizeof(*header), header->length), sha256);
    return memcmp(sha256, header->sha256, sizeof(sha256)) == 0;
}

enum st cluster_journal_each(const char *path, cluster_journal_fn *fn, void *ctx)
{
    AUTO(buf) struct buf file = BUF(CLUSTER_JOURNAL_BYTES + 1);
    uint64_t generation = 0;
    struct header header;
    enum st st = sys_file_read(path, &file);

    if (st != ST_OK)
        return st == ST_NOT_FOUND ? ST_OK : st;
    struct slice rest = buf_slice(&file);
    for (uint64_t number = 0; st == ST_OK && is_record(rest, &header); number++) {
        if (number == 0)
            generation = header.generation;
        if (header.generation != generation || header.number != number)
            break;
        st = fn(ctx, (struct slice){header.owner, header.owner_length},
                slice_sub(rest, sizeof(header), header.length));
        rest = slice_sub(rest, room_of(header.length), rest.len);
    }
    return st;
}

/* --- writing --- */

static enum st write_all(int fd, struct iovec *parts, int count, uint64_t at)
{
    while (count > 0) {
        ssize_t done = pwritev(fd, parts, count, (off_t)at);

        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return done < 0 ? sys_errno_st(errno) : ST_IO;
        at += (uint64_t)done;
        while (count > 0 && (size_t)done >= parts->iov_len) {
            done -= (ssize_t)parts->iov_len;
            parts++;
            count--;
        }
        if (count > 0) {
            parts->iov_base = (char *)parts->iov_base + done;
            parts->iov_len -= (size_t)done;
        }
    }
    return ST_OK;
}

/* All its blocks are written once, so that later a sync of data alone is enough. */
static enum st fill(int fd)
{
    char *zeros = mem_alloc(FILL_BYTES);
    enum st st = ST_OK;

    for (uint64_t at = 0; st == ST_OK && at < CLUSTER_JOURNAL_BYTES; at += FILL_BYTES) {
        struct iovec part = {zeros, FILL_BYTES};
        st = write_all(fd, &part, 1, at);
    }
    mem_free(zeros);
    return st == ST_OK && fsync(fd) != 0 ? ST_IO : st;
}

/* Its name is to survive too. */
static enum st sync_folder(const char *path)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (slash == NULL || (size_t)(slash - path) >= sizeof(folder))
        return ST_INVALID;
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return sys_errno_st(errno);
    enum st st = fsync(fd) == 0 ? ST_OK : ST_IO;
    close(fd);
    return st;
}

struct cluster_journal *cluster_journal_new(const char *path)
{
    struct cluster_journal *journal = mem_new(struct cluster_journal);

    journal->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    enum st st = journal->fd >= 0 ? ST_OK : sys_errno_st(errno);
    if (st == ST_OK && lseek(journal->fd, 0, SEEK_END) != (off_t)CLUSTER_JOURNAL_BYTES)
        st = fill(journal->fd);
    if (st == ST_OK)
        st = sync_folder(path);
    if (st != ST_OK)
        cluster_journal_free(&journal);
    else
        cluster_journal_anew(journal);
    return journal;
}

void cluster_journal_free(struct cluster_journal **journal)
{
    if (*journal == NULL)
        return;
    if ((*journal)->fd >= 0)
        close((*journal)->fd);
    mem_free(*journal);
    *journal = NULL;
}

enum st cluster_journal_append(struct cluster_journal *journal, struct slice owner,
                               struct slice bytes)
{
    struct header header = {.magic = MAGIC,
                            .generation = journal->generation,
                            .number = journal->number,
                            .length = bytes.len,
                            .owner_length = owner.len};
    char *ptr = (char *)(uintptr_t)bytes.ptr; /* iovec knows no const; it is not written to */
    struct iovec parts[] = {{&header, sizeof(header)}, {ptr, bytes.len}};

    if (bytes.len > CLUSTER_JOURNAL_RECORD_BYTES_MAX || owner.len > sizeof(header.owner))
        return ST_TOO_BIG;
    if (journal->at + room_of(bytes.len) > CLUSTER_JOURNAL_BYTES)
        return ST_FULL;
    memcpy(header.owner, owner.ptr, owner.len);
    digest(&header, bytes, header.sha256);
    journal->blank = false;
    enum st st = write_all(journal->fd, parts, COUNT(parts), journal->at);
    if (st != ST_OK || fdatasync(journal->fd) != 0)
        return ST_IO;
    journal->at += room_of(bytes.len);
    journal->number++;
    return ST_OK;
}

void cluster_journal_anew(struct cluster_journal *journal)
{
    journal->at = 0;
    journal->number = 0;
    sys_random(&journal->generation, sizeof(journal->generation));
}

enum st cluster_journal_clear(struct cluster_journal *journal)
{
    struct header none = {.generation = 0};
    struct iovec part = {&none, sizeof(none)};

    cluster_journal_anew(journal);
    if (journal->blank)
        return ST_OK;
    enum st st = write_all(journal->fd, &part, 1, 0);
    if (st == ST_OK && fdatasync(journal->fd) != 0)
        st = ST_IO;
    journal->blank = st == ST_OK;
    return st;
}
