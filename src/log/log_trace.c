#include "log/log_trace.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PARTS 8 /* the oldest of so many go first, so a file is at most that part of the whole */
#define AGAIN_BYTES \
    ((int64_t)(64 * KIB)) /* so much is lost before a failed open is tried again \
                           */
#define PIECE_BYTES (256 * KIB)
#define PREFIX "trace-"
#define DATE_LEN (sizeof("2026-01-02") - 1)

/* The fd keeps its number for good: another file is put under it by dup3(), so that a thread that
 * is about to write needs no lock. */
static struct {
    pthread_mutex_t lock;
    char *folder;
    struct log_trace_limits limits;
    atomic_int fd; /* -1: none yet */
    atomic_bool on;
    atomic_llong day;  /* the file's */
    atomic_llong left; /* bytes until the next look */
} trace = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

/* --- the files --- */

struct names {
    char (*list)[LOG_TRACE_NAME_BYTES];
    size_t count;
};

static bool is_ours(const char *name)
{
    size_t len = strlen(name);

    return len < LOG_TRACE_NAME_BYTES && strncmp(name, PREFIX, sizeof(PREFIX) - 1) == 0 &&
           len >= sizeof(PREFIX) - 1 + DATE_LEN + 4 &&
           strncmp(name + sizeof(PREFIX) - 1 + DATE_LEN, ".log", 4) == 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Sorted: the oldest first. */
static struct names list_files(const char *folder)
{
    struct names names = {NULL, 0};
    DIR *dir = opendir(folder);
    const struct dirent *entry;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        if (!is_ours(entry->d_name))
            continue;
        names.list = mem_grow(names.list, names.count + 1, sizeof(names.list[0]));
        snprintf(names.list[names.count++], LOG_TRACE_NAME_BYTES, "%s", entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    if (names.count > 0)
        qsort(names.list, names.count, sizeof(names.list[0]), by_name);
    return names;
}

static void path_of(const char *folder, const char *name, char path[PATH_MAX])
{
    snprintf(path, PATH_MAX, "%s/%s", folder, name);
}

static uint64_t bytes_of(const char *folder, const char *name)
{
    char path[PATH_MAX];
    struct stat info;

    path_of(folder, name, path);
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static void name_of(int64_t day, unsigned part, char name[LOG_TRACE_NAME_BYTES])
{
    time_t at_s = (time_t)(day * (int64_t)(DAY_MS / SEC_MS));
    struct tm tm;
    char date[16];

    gmtime_r(&at_s, &tm);
    strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    if (part <= 1)
        snprintf(name, LOG_TRACE_NAME_BYTES, PREFIX "%s.log", date);
    else
        snprintf(name, LOG_TRACE_NAME_BYTES, PREFIX "%s.log.%06u", date, part);
}

/* Lock held. Removes what is over the limits; the newest file stays, unless no record is wanted. */
static void expire(int64_t day)
{
    struct names names = list_files(trace.folder);
    char oldest[LOG_TRACE_NAME_BYTES];
    char path[PATH_MAX];
    uint64_t bytes = 0;

    name_of(day - (int64_t)trace.limits.days + 1, 1, oldest);
    for (size_t i = 0; i < names.count; i++)
        bytes += bytes_of(trace.folder, names.list[i]);
    for (size_t i = 0; i < names.count; i++) {
        bool old = strncmp(names.list[i], oldest, sizeof(PREFIX) - 1 + DATE_LEN) < 0;
        bool big = bytes > trace.limits.bytes_max;

        if (trace.limits.days != 0 && (i + 1 == names.count || (!old && !big)))
            break;
        bytes -= bytes_of(trace.folder, names.list[i]);
        path_of(trace.folder, names.list[i], path);
        unlink(path);
    }
    mem_free(names.list);
}

/* --- writing --- */

/* The number of the day's last file; 0: there is none. Those before it may be gone already. */
static unsigned last_part(int64_t day)
{
    struct names names = list_files(trace.folder);
    char first[LOG_TRACE_NAME_BYTES];
    unsigned part = 0;

    name_of(day, 1, first);
    size_t len = strlen(first);
    for (size_t i = 0; i < names.count; i++)
        if (strncmp(names.list[i], first, len) == 0)
            part = names.list[i][len] == '.' ? (unsigned)strtoul(names.list[i] + len + 1, NULL, 10)
                                             : 1;
    mem_free(names.list);
    return part;
}

/* Lock held. The day's last file, or the next one where that is full; its size in *bytes_r. */
static int open_file(int64_t day, uint64_t *bytes_r)
{
    char name[LOG_TRACE_NAME_BYTES];
    char path[PATH_MAX];
    unsigned part = last_part(day);
    struct stat info;

    name_of(day, part, name);
    if (part == 0 || bytes_of(trace.folder, name) >= trace.limits.bytes_max / PARTS)
        name_of(day, part + 1, name);
    path_of(trace.folder, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    *bytes_r = fd >= 0 && fstat(fd, &info) == 0 ? (uint64_t)info.st_size : 0;
    return fd;
}

/* Lock held. */
static enum st use(int64_t day)
{
    uint64_t bytes;
    int fd = open_file(day, &bytes);
    enum st st = fd >= 0 ? ST_OK : sys_errno_st(errno);

    atomic_store(&trace.day, day);
    atomic_store(&trace.left, AGAIN_BYTES);
    if (fd < 0)
        return st;
    atomic_store(&trace.left, (long long)(trace.limits.bytes_max / PARTS - bytes));
    if (atomic_load(&trace.fd) < 0) {
        atomic_store(&trace.fd, fd);
    } else {
        if (dup3(fd, atomic_load(&trace.fd), O_CLOEXEC) < 0)
            st = sys_errno_st(errno);
        close(fd);
    }
    expire(day);
    return st;
}

static int64_t day_of(int64_t now_ms)
{
    return now_ms / (int64_t)DAY_MS;
}

/* Whether another file is to be begun. A clock set back goes on in the file there is. */
static bool is_time(int64_t now_ms)
{
    return day_of(now_ms) > atomic_load_explicit(&trace.day, memory_order_relaxed) ||
           atomic_load_explicit(&trace.left, memory_order_relaxed) <= 0;
}

bool log_trace_is_on(void)
{
    return atomic_load_explicit(&trace.on, memory_order_relaxed);
}

void log_trace_write(struct slice line, int64_t now_ms)
{
    if (!log_trace_is_on())
        return;
    if (is_time(now_ms)) {
        pthread_mutex_lock(&trace.lock);
        if (trace.folder != NULL && is_time(now_ms))
            (void)!use(day_of(now_ms) > atomic_load(&trace.day) ? day_of(now_ms)
                                                                : atomic_load(&trace.day));
        pthread_mutex_unlock(&trace.lock);
    }
    int fd = atomic_load_explicit(&trace.fd, memory_order_relaxed);
    atomic_fetch_sub_explicit(&trace.left, (long long)line.len, memory_order_relaxed);
    if (fd >= 0 && write(fd, line.ptr, line.len) < 0)
        return; /* a full disk: the message is more than its record */
}

/* Lock held. */
static enum st begin(int64_t now_ms)
{
    if (trace.limits.days == 0) {
        atomic_store(&trace.on, false);
        expire(day_of(now_ms));
        return ST_OK;
    }
    enum st st = sys_folder_make(trace.folder, 0700);
    if (st == ST_OK)
        st = use(day_of(now_ms));
    atomic_store(&trace.on, true);
    return st;
}

enum st log_trace_open(const char *folder, const struct log_trace_limits *limits, int64_t now_ms)
{
    pthread_mutex_lock(&trace.lock);
    mem_free(trace.folder);
    trace.folder = mem_copy(slice_str(folder));
    trace.limits = *limits;
    enum st st = begin(now_ms);
    pthread_mutex_unlock(&trace.lock);
    return st;
}

void log_trace_limit(const struct log_trace_limits *limits, int64_t now_ms)
{
    pthread_mutex_lock(&trace.lock);
    bool same = trace.limits.days == limits->days && trace.limits.bytes_max == limits->bytes_max;
    trace.limits = *limits;
    if (trace.folder != NULL && !same)
        (void)!begin(now_ms);
    pthread_mutex_unlock(&trace.lock);
}

void log_trace_close(void)
{
    pthread_mutex_lock(&trace.lock);
    atomic_store(&trace.on, false);
    mem_free(trace.folder);
    trace.folder = NULL;
    int fd = atomic_exchange(&trace.fd, -1);
    if (fd >= 0)
        close(fd);
    pthread_mutex_unlock(&trace.lock);
}

/* --- reading --- */

struct reading {
    const char *file;
    log_trace_fn *fn;
    void *ctx;
    struct buf text; /* a piece, and of the one before what was no whole line */
};

static enum st take_lines(struct reading *r)
{
    struct slice text = buf_slice(&r->text);
    enum st st = ST_OK;
    size_t end;

    while (st == ST_OK && (end = slice_find(text, '\n')) != SIZE_MAX) {
        st = r->fn(r->ctx, slice_sub(text, 0, end), r->file);
        text = slice_sub(text, end + 1, text.len);
    }
    buf_drop(&r->text, r->text.len - text.len);
    return st;
}

/* From a line's beginning on. */
static enum st seek_tail(int fd, size_t bytes)
{
    struct stat info;
    char c = '\n';

    if (fstat(fd, &info) != 0)
        return sys_errno_st(errno);
    off_t at = info.st_size > (off_t)bytes ? info.st_size - (off_t)bytes : 0;
    while (at > 0 && pread(fd, &c, 1, at - 1) == 1 && c != '\n')
        at++;
    return lseek(fd, at, SEEK_SET) >= 0 ? ST_OK : sys_errno_st(errno);
}

/* The last `bytes` of it. */
static enum st read_file(struct reading *r, const char *path, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return errno == ENOENT ? ST_OK : sys_errno_st(errno); /* its time was over */
    enum st st = bytes < SIZE_MAX ? seek_tail(fd, bytes) : ST_OK;
    while (st == ST_OK) {
        char *room = buf_room(&r->text, PIECE_BYTES);
        if (room == NULL) { /* no line is that long */
            buf_clear(&r->text);
            continue;
        }
        ssize_t got = read(fd, room, PIECE_BYTES);
        if (got == 0)
            break;
        if (got < 0 && errno != EINTR)
            st = sys_errno_st(errno);
        buf_grew(&r->text, got > 0 ? (size_t)got : 0);
        if (st == ST_OK)
            st = take_lines(r);
    }
    close(fd);
    buf_clear(&r->text);
    return st;
}

/* The parts there are, the oldest first. The caller frees both. */
static struct names list_now(char **folder_r)
{
    pthread_mutex_lock(&trace.lock);
    *folder_r = mem_copy(slice_str(trace.folder));
    pthread_mutex_unlock(&trace.lock);
    return list_files(*folder_r);
}

enum st log_trace_each(const char *from, log_trace_fn *fn, void *ctx)
{
    struct reading r = {.fn = fn, .ctx = ctx, .text = BUF(4 * PIECE_BYTES)};
    char path[PATH_MAX];
    enum st st = ST_OK;
    char *folder;
    struct names names = list_now(&folder);

    for (size_t i = 0; st == ST_OK && i < names.count; i++) {
        if (strcmp(names.list[i], from) < 0)
            continue;
        r.file = names.list[i];
        path_of(folder, names.list[i], path);
        st = read_file(&r, path, SIZE_MAX);
    }
    buf_fini(&r.text);
    mem_free(names.list);
    mem_free(folder);
    return st;
}

enum st log_trace_tail(size_t bytes, log_trace_fn *fn, void *ctx)
{
    struct reading r = {.fn = fn, .ctx = ctx, .text = BUF(4 * PIECE_BYTES)};
    char path[PATH_MAX];
    enum st st = ST_OK;
    char *folder;
    struct names names = list_now(&folder);

    if (names.count > 0) {
        r.file = names.list[names.count - 1];
        path_of(folder, r.file, path);
        st = read_file(&r, path, bytes);
    }
    buf_fini(&r.text);
    mem_free(names.list);
    mem_free(folder);
    return st;
}
