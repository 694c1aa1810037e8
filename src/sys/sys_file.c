#include "sys/sys_file.h"

#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum st sys_errno_st(int error)
{
    switch (error) {
    case ENOENT:
    case ENOTDIR:
        return ST_NOT_FOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return ST_DENIED;
    case EEXIST:
        return ST_EXISTS;
    case EFBIG:
        return ST_TOO_BIG;
    default:
        return ST_IO;
    }
}

enum st sys_file_read(const char *path, struct buf *out)
{
    char part[16384];
    ssize_t got;
    enum st st = ST_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return sys_errno_st(errno);
    while (st == ST_OK && (got = read(fd, part, sizeof(part))) != 0) {
        if (got > 0)
            st = buf_add(out, (struct slice){part, (size_t)got});
        else if (errno != EINTR)
            st = sys_errno_st(errno);
    }
    close(fd);
    return st;
}

static enum st write_all(int fd, struct slice bytes)
{
    while (bytes.len > 0) {
        ssize_t put = write(fd, bytes.ptr, bytes.len);

        if (put < 0 && errno != EINTR)
            return sys_errno_st(errno);
        if (put > 0)
            bytes = (struct slice){bytes.ptr + put, bytes.len - (size_t)put};
    }
    return ST_OK;
}

enum st sys_file_write(const char *path, struct slice bytes, unsigned mode)
{
    char beside[PATH_MAX];

    if (snprintf(beside, sizeof(beside), "%s.new", path) >= (int)sizeof(beside))
        return ST_TOO_BIG;
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    if (fd < 0)
        return sys_errno_st(errno);

    enum st st = write_all(fd, bytes);
    if (st == ST_OK && fsync(fd) != 0)
        st = sys_errno_st(errno);
    close(fd);
    if (st == ST_OK && rename(beside, path) != 0)
        st = sys_errno_st(errno);
    if (st != ST_OK)
        unlink(beside);
    return st;
}

enum st sys_folder_make(const char *path, unsigned mode)
{
    char part[PATH_MAX];
    size_t len = strlen(path);

    if (len == 0 || len >= sizeof(part))
        return ST_INVALID;
    memcpy(part, path, len + 1);
    for (size_t i = 1; i <= len; i++) {
        if (part[i] != '/' && part[i] != '\0')
            continue;
        part[i] = '\0';
        if (mkdir(part, i == len ? mode : 0755) != 0 && errno != EEXIST)
            return sys_errno_st(errno);
        part[i] = path[i];
    }
    return ST_OK;
}

bool sys_file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}
