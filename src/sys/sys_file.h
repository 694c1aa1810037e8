/* sys_file.h: whole files and folders. */
#pragma once
#include "base/base.h"

struct buf;

/* Appends the file's bytes. ST_NOT_FOUND, ST_DENIED, ST_TOO_BIG (over the buf's ceiling), ST_IO. */
MUST_USE enum st sys_file_read(const char *path, struct buf *out);
/* Written beside, synced, then renamed: the file is the old one or the new one, never half. */
MUST_USE enum st sys_file_write(const char *path, struct slice bytes, unsigned mode);
/* Makes the folder and its parents; fine when it is there already. */
MUST_USE enum st sys_folder_make(const char *path, unsigned mode);
bool sys_file_exists(const char *path);
/* The enum st for an errno. */
enum st sys_errno_st(int error);
