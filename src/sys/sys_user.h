/* sys_user.h: giving up root. */
#pragma once
#include "base/base.h"

struct buf;

struct sys_user {
    bool change; /* false: the process is not root's and stays as it is */
    unsigned uid;
    unsigned gid;
    char name[65];
};

/* Whom to become: nobody else unless this process is root's. ST_NOT_FOUND with a sentence in why.
 */
MUST_USE enum st sys_user_find(const char *name, struct sys_user *user_r, struct buf *why);
/* For good, with its groups; ST_DENIED with a sentence in why. */
MUST_USE enum st sys_user_become(const struct sys_user *user, struct buf *why);
/* Hands the file or folder to the user; true when the user can reach it and write there. */
bool sys_user_own(const struct sys_user *user, const char *path);
