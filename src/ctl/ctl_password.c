#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define PASSWORD_BYTES_MAX 1000
#define GENERATED_COUNT 20

/* 20 of 32 characters are 100 bits; those easily mistaken for each other are left out. */
static const char *generate(struct arena *arena)
{
    static const char letters[] = "abcdefghjkmnpqrstuvwxyz23456789_";
    unsigned char bytes[GENERATED_COUNT];
    char text[GENERATED_COUNT];

    static_assert(sizeof(letters) == 33, "five bits each");
    sys_random(bytes, sizeof(bytes));
    for (size_t i = 0; i < GENERATED_COUNT; i++)
        text[i] = letters[bytes[i] % 32];
    return slice_cstr(arena, (struct slice){text, sizeof(text)});
}

/* One line of standard input; NULL at its end. */
static const char *read_line(struct arena *arena)
{
    char line[PASSWORD_BYTES_MAX + 2];

    if (fgets(line, sizeof(line), stdin) == NULL)
        return NULL;
    struct slice text = slice_str(line);
    while (text.len > 0 && (text.ptr[text.len - 1] == '\n' || text.ptr[text.len - 1] == '\r'))
        text.len--;
    const char *copy = slice_cstr(arena, text);
    sys_secret_wipe(line, sizeof(line));
    return copy;
}

static const char *ask(struct arena *arena, const char *what, const char *name)
{
    struct termios shown;
    struct termios hidden;
    bool changed = tcgetattr(STDIN_FILENO, &shown) == 0;

    fprintf(stderr, "%s for %s: ", what, name);
    if (changed) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
    }
    const char *password = read_line(arena);
    if (changed)
        tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
    fputc('\n', stderr);
    return password;
}

static int ask_twice(struct ctl *ctl, const char *name, const char **password_r)
{
    *password_r = ask(ctl->arena, "Password", name);
    const char *again = *password_r != NULL && (*password_r)[0] != '\0'
                            ? ask(ctl->arena, "The same again", name)
                            : NULL;

    if (again == NULL)
        return ctl_fail(EX_USAGE, "no password was given");
    if (strcmp(*password_r, again) != 0)
        return ctl_fail(EX_DATAERR, "the two passwords differ; nothing was changed");
    return EX_OK;
}

int ctl_password(struct ctl *ctl, const char *name, const char **password_r)
{
    if (ctl_has(ctl, CTL_OPT_GENERATE)) {
        *password_r = generate(ctl->arena);
        return EX_OK;
    }
    if (!ctl_has(ctl, CTL_OPT_PASSWORD_STDIN) && isatty(STDIN_FILENO))
        return ask_twice(ctl, name, password_r);
    *password_r = read_line(ctl->arena);
    if (*password_r == NULL || (*password_r)[0] == '\0')
        return ctl_fail(EX_USAGE,
                        "there is no password on standard input; write one line there, "
                        "or say --generate");
    return EX_OK;
}
