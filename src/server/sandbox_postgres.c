#include "server/sandbox_postgres.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sys/sys_file.h"
#include "sys/sys_time.h"
#include "sys/sys_user.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#define START_MS_MAX 60000
#define PATH_BYTES 4096

struct sandbox_postgres {
    pid_t pid;
};

static int complain(const char *sentence, int code)
{
    fprintf(stderr, "posthorse sandbox: %s\n", sentence);
    return code;
}

/* Debian keeps each version's programs in a folder of its own. */
static bool find_programs(char bin[PATH_BYTES])
{
    glob_t found;
    bool ok = glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0 && found.gl_pathc > 0;

    if (ok) {
        snprintf(bin, PATH_BYTES, "%s", found.gl_pathv[found.gl_pathc - 1]);
        *strrchr(bin, '/') = '\0';
    }
    globfree(&found);
    return ok;
}

static pid_t spawn(const struct sys_user *user, const char *log_path, char *const argv[])
{
    AUTO(buf) struct buf why = BUF(KIB);
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    setsid(); /* Ctrl-C is for the server; this ends after it */
    prctl(PR_SET_PDEATHSIG, SIGINT);
    if (getppid() != parent || sys_user_become(user, &why) != ST_OK || chdir("/") != 0)
        _exit(EX_OSERR);
    int log_fd = open(log_path, O_WRONLY | O_CREAT | O_APPEND, 0644);
    if (log_fd < 0)
        _exit(EX_CANTCREAT);
    prctl(PR_SET_PDEATHSIG, SIGINT); /* becoming another user had cleared it */
    dup2(log_fd, STDOUT_FILENO);
    dup2(log_fd, STDERR_FILENO);
    execv(argv[0], argv);
    _exit(EX_UNAVAILABLE);
}

static bool run(const struct sys_user *user, const char *log_path, char *const argv[])
{
    int status = -1;
    pid_t pid = spawn(user, log_path, argv);

    return pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
           WEXITSTATUS(status) == 0;
}

struct paths {
    char bin[PATH_BYTES];
    char top[PATH_BYTES]; /* owned by the user: socket and log */
    char data[PATH_BYTES + 16];
    char log[PATH_BYTES + 16];
};

static char *arg(const char *text)
{
    return mem_copy((struct slice){text, strlen(text)});
}

static char *program(const struct paths *paths, const char *name)
{
    char path[2 * PATH_BYTES];

    snprintf(path, sizeof(path), "%s/%s", paths->bin, name);
    return arg(path);
}

static bool init_cluster(const struct sys_user *user, const struct paths *paths)
{
    char version[PATH_BYTES + 32];
    char *argv[] = {program(paths, "initdb"),
                    arg("-D"),
                    arg(paths->data),
                    arg("-A"),
                    arg("trust"),
                    arg("-U"),
                    arg("posthorse"),
                    arg("-E"),
                    arg("UTF8"),
                    arg("--locale=C"),
                    arg("--no-sync"),
                    NULL};

    snprintf(version, sizeof(version), "%s/PG_VERSION", paths->data);
    bool ok = sys_file_exists(version) || run(user, paths->log, argv);
    for (size_t i = 0; argv[i] != NULL; i++)
        mem_free(argv[i]);
    return ok;
}

static pid_t start_cluster(const struct sys_user *user, const struct paths *paths)
{
    char socket_option[PATH_BYTES + 64];

    snprintf(socket_option, sizeof(socket_option), "unix_socket_directories=%s", paths->top);
    char *argv[] = {program(paths, "postgres"), arg("-D"), arg(paths->data),         arg("-c"),
                    arg(socket_option),         arg("-c"), arg("listen_addresses="), arg("-c"),
                    arg("max_connections=200"), NULL};
    pid_t pid = spawn(user, paths->log, argv);
    for (size_t i = 0; argv[i] != NULL; i++)
        mem_free(argv[i]);
    return pid;
}

/* True once it answers and the database is there. */
static bool await_database(const struct sys_user *user, const struct paths *paths, pid_t pid)
{
    char *ready[] = {program(paths, "pg_isready"), arg("-q"), arg("-h"), arg(paths->top), NULL};
    char *create[] = {
        program(paths, "createdb"), arg("-h"), arg(paths->top), arg("-U"), arg("posthorse"),
        arg("posthorse"),           NULL};
    char *look[] = {program(paths, "psql"), arg("-h"), arg(paths->top),  arg("-U"),
                    arg("posthorse"),       arg("-d"), arg("posthorse"), arg("-c"),
                    arg("SELECT 1"),        NULL};
    uint64_t end_ms = sys_mono_ms() + START_MS_MAX;
    bool ok = false;

    while (!ok && sys_mono_ms() < end_ms && waitpid(pid, NULL, WNOHANG) == 0) {
        ok = run(user, paths->log, ready);
        if (!ok)
            sys_sleep_ms(100);
    }
    if (ok)
        ok = run(user, paths->log, look) || run(user, paths->log, create);
    for (size_t i = 0; ready[i] != NULL; i++)
        mem_free(ready[i]);
    for (size_t i = 0; create[i] != NULL; i++)
        mem_free(create[i]);
    for (size_t i = 0; look[i] != NULL; i++)
        mem_free(look[i]);
    return ok;
}

int sandbox_postgres_start(const char *dir, struct sandbox_postgres **postgres_r, struct buf *where)
{
    AUTO(buf) struct buf why = BUF(KIB);
    struct sys_user user;
    struct paths paths;

    if (!find_programs(paths.bin))
        return complain("PostgreSQL is not installed (package postgresql)", EX_UNAVAILABLE);
    if (sys_user_find("postgres", &user, &why) != ST_OK)
        return complain(why.ptr, EX_NOUSER);
    if (snprintf(paths.top, sizeof(paths.top), "%s/postgres", dir) >= PATH_BYTES - 16)
        return complain("--dir is too long", EX_USAGE);
    snprintf(paths.data, sizeof(paths.data), "%s/data", paths.top);
    snprintf(paths.log, sizeof(paths.log), "%s/log", paths.top);
    if (sys_folder_make(paths.top, 0755) != ST_OK || !sys_user_own(&user, paths.top))
        return complain("the folder for PostgreSQL cannot be made", EX_CANTCREAT);
    if (!init_cluster(&user, &paths))
        return complain("initdb failed; see postgres/log in the sandbox's folder", EX_CANTCREAT);
    struct sandbox_postgres *postgres = mem_new(struct sandbox_postgres);
    postgres->pid = start_cluster(&user, &paths);
    if (postgres->pid <= 0 || !await_database(&user, &paths, postgres->pid)) {
        sandbox_postgres_stop(&postgres);
        return complain("PostgreSQL does not start; see postgres/log in the sandbox's folder",
                        EX_UNAVAILABLE);
    }
    buf_putf(where, "host=%s user=posthorse dbname=posthorse", paths.top);
    *postgres_r = postgres;
    return EX_OK;
}

void sandbox_postgres_stop(struct sandbox_postgres **postgres)
{
    if (*postgres == NULL)
        return;
    if ((*postgres)->pid > 0) {
        kill((*postgres)->pid, SIGINT); /* fast shutdown */
        while (waitpid((*postgres)->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    mem_free(*postgres);
    *postgres = NULL;
}
