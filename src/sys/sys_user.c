#include "sys/sys_user.h"

#include "base/buf.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>

enum st sys_user_find(const char *name, struct sys_user *user_r, struct buf *why)
{
    struct passwd row;
    struct passwd *found = NULL;
    char room[4096];

    *user_r = (struct sys_user){0};
    if (geteuid() != 0)
        return ST_OK;
    if (getpwnam_r(name, &row, room, sizeof(room), &found) != 0 || found == NULL) {
        buf_putf(why, "user = %s: this machine has no such account; make it or name another one",
                 name);
        return ST_NOT_FOUND;
    }
    *user_r = (struct sys_user){.change = true, .uid = row.pw_uid, .gid = row.pw_gid};
    snprintf(user_r->name, sizeof(user_r->name), "%s", name);
    return ST_OK;
}

enum st sys_user_become(const struct sys_user *user, struct buf *why)
{
    if (user->change && (initgroups(user->name, user->gid) != 0 || setgid(user->gid) != 0 ||
                         setuid(user->uid) != 0)) {
        buf_putf(why, "user = %s: cannot become it", user->name);
        return ST_DENIED;
    }
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    return ST_OK;
}

/* Whether that user can write there. */
static bool can_write(const struct sys_user *user, const char *path)
{
    if (setegid(user->gid) != 0 || seteuid(user->uid) != 0)
        return false;
    bool writes = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
    return seteuid(0) == 0 && setegid(0) == 0 && writes;
}

/* Another effective user clears the signal that the parent's death is to bring (prctl(2)); a parent
 * that died meanwhile brings it now. */
bool sys_user_own(const struct sys_user *user, const char *path)
{
    pid_t parent = getppid();
    int death = 0;

    if (!user->change)
        return access(path, W_OK) == 0;
    prctl(PR_GET_PDEATHSIG, &death);
    bool writes = chown(path, user->uid, user->gid) == 0 && can_write(user, path);
    prctl(PR_SET_PDEATHSIG, death);
    if (death != 0 && getppid() != parent)
        raise(death);
    return writes;
}
