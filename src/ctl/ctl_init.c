#include "admin/admin_person.h"
#include "base/arena.h"
#include "base/buf.h"
#include "ctl/ctl_cmd.h"
#include "ctl/ctl_local.h"
#include "store/store.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES_MAX 4096
#define CONFIG_BYTES_MAX (256 * KIB)
#define CONFIG_PATH "/etc/posthorse/posthorse.ini"
#define COMMENT_COLS 90
#define CERT_DAYS 3650

/* What is to be made. */
struct plan {
    struct ctl *ctl;
    const char *config;
    const char *data_dir;
    const char *domains;
    const char *server_name;
    const char *admin;
    const char *password;
    const char *cert;
    const char *key;
    struct sys_user user;
};

static const char *joined(struct arena *arena, const char *folder, const char *name)
{
    AUTO(buf) struct buf path = BUF(PATH_BYTES_MAX);

    buf_putf(&path, "%s/%s", folder, name);
    return slice_cstr(arena, buf_slice(&path));
}

static const char *absolute(struct arena *arena, const char *path)
{
    char here[PATH_BYTES_MAX];

    if (path[0] == '/' || getcwd(here, sizeof(here)) == NULL)
        return path;
    return joined(arena, here, path);
}

static const char *domains_of(struct ctl *ctl)
{
    json_t *list = ctl_values(ctl, CTL_OPT_DOMAIN);
    AUTO(buf) struct buf text = BUF(PATH_BYTES_MAX);

    for (size_t i = 0; i < json_array_size(list); i++)
        buf_putf(&text, "%s%s", i > 0 ? " " : "", json_string_value(json_array_get(list, i)));
    json_decref(list);
    return slice_cstr(ctl->arena, buf_slice(&text));
}

static const char *or_else(const char *text, const char *otherwise)
{
    assert(otherwise != NULL);
    return text != NULL ? text : otherwise;
}

static const char *host_name(struct arena *arena)
{
    char name[256] = "localhost";

    if (gethostname(name, sizeof(name) - 1) != 0)
        return "localhost";
    return slice_cstr(arena, slice_str(name));
}

static int make_plan(struct ctl *ctl, struct plan *plan)
{
    const char *dir = ctl_value(ctl, CTL_OPT_DIR);
    AUTO(buf) struct buf why = BUF(4 * KIB);

    if (!ctl_has(ctl, CTL_OPT_DOMAIN))
        return ctl_fail(EX_USAGE, "say which mail domain is served: --domain example.org");
    plan->ctl = ctl;
    plan->config = or_else(ctl_value(ctl, CTL_OPT_CONFIG),
                           dir != NULL ? joined(ctl->arena, dir, "posthorse.ini") : CONFIG_PATH);
    plan->data_dir = absolute(ctl->arena, or_else(ctl_value(ctl, CTL_OPT_DATA_DIR),
                                                  dir != NULL ? dir : conf_defaults.data_dir));
    plan->domains = domains_of(ctl);
    plan->server_name = or_else(ctl_value(ctl, CTL_OPT_SERVER_NAME), host_name(ctl->arena));
    plan->admin = or_else(ctl_value(ctl, CTL_OPT_ADMIN_NAME), "admin");
    plan->cert = joined(ctl->arena, plan->data_dir, "cert.pem");
    plan->key = joined(ctl->arena, plan->data_dir, "key.pem");
    if (!directory_name_ok(slice_str(plan->admin)))
        return ctl_fail(EX_USAGE,
                        "--admin-name %s: not a name; it may hold a-z, 0-9, dot, hyphen "
                        "and underscore",
                        plan->admin);
    if (sys_file_exists(plan->config) && !ctl_has(ctl, CTL_OPT_FORCE))
        return ctl_fail(EX_CANTCREAT, "%s is there already; --force replaces it", plan->config);
    if (sys_user_find(or_else(ctl_value(ctl, CTL_OPT_USER), conf_defaults.user), &plan->user,
                      &why) != ST_OK)
        return ctl_fail(EX_NOUSER,
                        "%s; make it with useradd --system --home-dir %s --shell "
                        "/usr/sbin/nologin, or say --user NAME",
                        why.ptr, plan->data_dir);
    return ctl_password(ctl, plan->admin, &plan->password);
}

/* --- the settings --- */

static const char *listen_everywhere(struct arena *arena, unsigned port)
{
    AUTO(buf) struct buf text = BUF(100);

    buf_putf(&text, "0.0.0.0:%u", port);
    if (access("/proc/net/if_inet6", R_OK) == 0)
        buf_putf(&text, " [::]:%u", port);
    return slice_cstr(arena, buf_slice(&text));
}

struct chosen {
    const char *name;
    const char *value;
};

static void put_comment(const char *help, struct buf *out)
{
    struct slice rest = slice_str(help);

    while (rest.len > 0) {
        size_t len = rest.len;

        if (len > COMMENT_COLS) {
            len = COMMENT_COLS;
            while (len > 1 && rest.ptr[len] != ' ')
                len--;
        }
        buf_putf(out, "; %.*s\n", SLICE_ARG(slice_sub(rest, 0, len)));
        rest = slice_trim(slice_sub(rest, len, rest.len));
    }
}

static void put_setting(const struct conf_field *field, const struct chosen *chosen, size_t count,
                        struct buf *out)
{
    AUTO(buf) struct buf dflt = BUF(PATH_BYTES_MAX);

    buf_put(out, SLICE("\n"));
    put_comment(field->help, out);
    for (size_t i = 0; i < count; i++)
        if (strcmp(chosen[i].name, field->name) == 0) {
            buf_putf(out, "%s = %s\n", field->name, chosen[i].value);
            return;
        }
    conf_value_write(&conf_defaults, field, &dflt);
    buf_putf(out, "; %s = %s\n", field->name, dflt.ptr != NULL ? dflt.ptr : "");
}

static void put_settings(const struct plan *plan, struct buf *out)
{
    struct arena *arena = plan->ctl->arena;
    const struct chosen chosen[] = {
        {"server_name", plan->server_name},
        {"domains", plan->domains},
        {"data_dir", plan->data_dir},
        {"user", or_else(ctl_value(plan->ctl, CTL_OPT_USER), conf_defaults.user)},
        {"store", or_else(ctl_value(plan->ctl, CTL_OPT_STORE), "sqlite")},
        {"listen_smtp", listen_everywhere(arena, 25)},
        {"listen_submission", listen_everywhere(arena, 587)},
        {"listen_submissions", listen_everywhere(arena, 465)},
        {"listen_imap", listen_everywhere(arena, 143)},
        {"listen_imaps", listen_everywhere(arena, 993)},
        {"listen_lmtp", joined(arena, plan->data_dir, "lmtp.sock")},
        {"listen_admin", "127.0.0.1:8025"},
        {"tls_certificate_file", plan->cert},
        {"tls_key_file", plan->key},
    };

    buf_put(out, SLICE("; Settings of Posthorse, made by posthorse init; see posthorse.ini(5).\n"
                       "; What stands behind a semicolon is the default.\n"));
    for (size_t i = 0; i < conf_field_count; i++)
        put_setting(&conf_fields[i], chosen, COUNT(chosen), out);
}

/* The worker reads the settings too but must not write them: they say whom it runs as. */
static int write_config(const struct plan *plan)
{
    AUTO(buf) struct buf text = BUF(CONFIG_BYTES_MAX);

    put_settings(plan, &text);
    if (text.over || sys_file_write(plan->config, buf_slice(&text), 0640) != ST_OK ||
        (plan->user.change && chown(plan->config, 0, plan->user.gid) != 0))
        return ctl_fail(EX_CANTCREAT, "%s: cannot be written: %s", plan->config, strerror(errno));
    return EX_OK;
}

/* --- files and store --- */

static int make_folder(const struct plan *plan, const char *path, unsigned mode, bool own)
{
    if (sys_folder_make(path, mode) != ST_OK)
        return ctl_fail(EX_CANTCREAT, "%s: cannot be made: %s", path, strerror(errno));
    if (own && plan->user.change && !sys_user_own(&plan->user, path))
        return ctl_fail(EX_CANTCREAT,
                        "%s: %s, which the server runs as, cannot reach it; choose a folder whose "
                        "parents everybody may enter",
                        path, plan->user.name);
    return EX_OK;
}

static const char *parent_of(struct arena *arena, const char *path)
{
    const char *slash;

    assert(path != NULL);
    slash = strrchr(path, '/');
    if (slash == NULL || slash == path)
        return slash == NULL ? "." : "/";
    return slice_cstr(arena, (struct slice){path, (size_t)(slash - path)});
}

static int make_certificate(const struct plan *plan)
{
    const char *names[] = {plan->server_name, "localhost"};

    if (sys_file_exists(plan->cert) && sys_file_exists(plan->key) &&
        !ctl_has(plan->ctl, CTL_OPT_FORCE))
        return EX_OK;
    if (sys_cert_make_selfsigned(names, COUNT(names), CERT_DAYS, plan->cert, plan->key) != ST_OK ||
        (plan->user.change && !sys_user_own(&plan->user, plan->key)))
        return ctl_fail(EX_CANTCREAT, "%s: the certificate cannot be made", plan->cert);
    return EX_OK;
}

static int make_files(const struct plan *plan)
{
    int exit = make_folder(plan, plan->data_dir, 0700, true);

    if (exit == EX_OK)
        exit = make_folder(plan, parent_of(plan->ctl->arena, plan->config), 0755, false);
    if (exit == EX_OK)
        exit = make_certificate(plan);
    return exit != EX_OK ? exit : write_config(plan);
}

static int make_admin(const struct plan *plan, struct store *store)
{
    const struct admin_person person = {.name = slice_str(plan->admin),
                                        .full_name = SLICE(""),
                                        .password = slice_str(plan->password),
                                        .admin = true};
    AUTO(buf) struct buf why = BUF(4 * KIB);

    if (directory_open(store) != ST_OK)
        return ctl_fail(EX_IOERR, "the store cannot be read");
    enum st st = admin_person_add(store, &person, 1, &why);
    directory_close();
    return st == ST_OK ? EX_OK : ctl_fail(ctl_exit_of(st), "%s", why.ptr);
}

/* Last of all: from here on the process is the server's user. */
static int make_store(const struct plan *plan)
{
    struct store *store;

    plan->ctl->given[plan->ctl->given_count++] = (struct ctl_given){CTL_OPT_CONFIG, plan->config};
    int exit = ctl_conf_read(plan->ctl);
    if (exit == EX_OK)
        exit = ctl_local_open(plan->ctl, true, &store);
    if (exit != EX_OK)
        return exit;
    exit = make_admin(plan, store);
    store_close(&store);
    return exit;
}

static int tell_next(const struct plan *plan)
{
    bool usual = strcmp(plan->config, CONFIG_PATH) == 0;

    printf(
        "settings     %s\ndata         %s\ncertificate  %s (signed by itself)\naccount      "
        "%s\n",
        plan->config, plan->data_dir, plan->cert, plan->admin);
    if (ctl_has(plan->ctl, CTL_OPT_GENERATE))
        printf("password     %s\n", plan->password);
    printf(
        "\nNext:\n  posthorse serve%s%s\n  posthorse%s%s status\n  posthorse%s%s account add "
        "NAME\n",
        usual ? "" : " -c ", usual ? "" : plan->config, usual ? "" : " -c ",
        usual ? "" : plan->config, usual ? "" : " -c ", usual ? "" : plan->config);
    puts(
        "Put a certificate that clients trust into tls_certificate_file and tls_key_file, and\n"
        "point the domain's MX record at this machine.");
    return EX_OK;
}

int ctl_cmd_init(struct ctl *ctl)
{
    struct plan plan = {.ctl = ctl};
    int exit = make_plan(ctl, &plan);

    if (exit == EX_OK)
        exit = make_files(&plan);
    if (exit == EX_OK)
        exit = make_store(&plan);
    return exit != EX_OK ? exit : tell_next(&plan);
}
