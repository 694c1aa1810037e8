#include "server/sandbox.h"

#include "base/buf.h"
#include "base/slice.h"
#include "log/log.h"
#include "server/sandbox_calendar.h"
#include "server/sandbox_domain.h"
#include "server/sandbox_postgres.h"
#include "server/sandbox_server.h"
#include "server/server.h"

#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#define DIR_DEFAULT "/tmp/posthorse-sandbox"
#define BASE_PORT_DEFAULT 10025
#define REVIVE_S_DEFAULT 20
#define REVIVE_S_MAX 86400

static enum st read_number(const char *text, unsigned max, unsigned *number_r)
{
    uint64_t number;

    if (slice_to_u64(slice_str(text), &number) != ST_OK || number > max)
        return ST_INVALID;
    *number_r = (unsigned)number;
    return ST_OK;
}

static bool read_option(struct sandbox_options *options, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text_r;
    } texts[] = {{"--dir", &options->dir},
                 {"--accounts", &options->accounts},
                 {"--settings", &options->settings},
                 {"--store", &options->store}};
    const struct {
        const char *name;
        unsigned *number_r;
        unsigned min;
        unsigned max;
    } numbers[] = {{"--base-port", &options->base_port, 0, 65000},
                   {"--servers", &options->servers, 1, SANDBOX_SERVERS_MAX},
                   {"--revive", &options->revive_s, 0, REVIVE_S_MAX}};

    for (size_t i = 0; i < COUNT(texts); i++)
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].text_r = value;
            return true;
        }
    for (size_t i = 0; i < COUNT(numbers); i++)
        if (strcmp(name, numbers[i].name) == 0)
            return read_number(value, numbers[i].max, numbers[i].number_r) == ST_OK &&
                   *numbers[i].number_r >= numbers[i].min;
    return false;
}

static int read_options(struct sandbox_options *options, int argc, char **argv)
{
    for (int i = 1; i < argc; i += 2) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;

        if (value == NULL)
            return sandbox_complain("each option takes a value; see posthorse sandbox --help",
                                    EX_USAGE);
        if (!read_option(options, argv[i], value))
            return sandbox_complain(
                "options: --dir DIR --servers 1..12 --store sqlite|postgres"
                " --base-port N --accounts FILE --settings FILE"
                " --revive SECONDS",
                EX_USAGE);
    }
    if (strcmp(options->store, "sqlite") != 0 && strcmp(options->store, "postgres") != 0)
        return sandbox_complain("--store is sqlite or postgres", EX_USAGE);
    return options->dir[0] == '/' ? EX_OK
                                  : sandbox_complain("--dir must be an absolute path", EX_USAGE);
}

/* --- one server --- */

static void ready(void *ctx)
{
    const struct sandbox_server *server = ctx;

    printf("ready");
    for (size_t i = 0; i < sandbox_port_count; i++) {
        const char *address = server_address(sandbox_ports[i], 0);
        printf(" %s=%s", sandbox_ports[i], address != NULL ? address : "-");
    }
    printf(
        "\n\nThe domain is example.test; alice, bob and carol have the password "
        "\"" SANDBOX_PASSWORD "\". Try:\n\n");
    printf(
        "  printf 'From: alice@example.test\\nTo: bob@example.test\\nSubject: Hello\\n\\nIt "
        "works.\\n' |\n"
        "    curl --crlf -sS smtp://%s --mail-from alice@example.test --mail-rcpt bob@example.test "
        "-T -\n",
        server_address("smtp", 0));
    if (server_address("imap", 0) != NULL)
        printf("  curl -sS 'imap://bob:" SANDBOX_PASSWORD "@%s/INBOX;MAILINDEX=1'\n",
               server_address("imap", 0));
    printf("  build/posthorse calendar agenda alice --dir %s\n", server->dir);
    printf("  build/posthorse freebusy alice bob room-1 --find 1h --dir %s\n", server->dir);
    printf("  build/posthorse status --dir %s\n\nWhat happens is told below; Ctrl-C ends it.\n",
           server->dir);
    fflush(stdout);
}

static int run_one(const struct sandbox_options *options, const char *where)
{
    struct sandbox_server server = {.dir = options->dir,
                                    .name = "mail.example.test",
                                    .domain = "example.test",
                                    .address = "127.0.0.1",
                                    .base_port = options->base_port,
                                    .store = where,
                                    .settings = options->settings,
                                    .people = SANDBOX_PEOPLE SANDBOX_ROOMS,
                                    .accounts = options->accounts,
                                    .directory = true};
    char config[SANDBOX_PATH_BYTES];
    const struct server_options with = {.config_path = config,
                                        .prepare = sandbox_server_prepare,
                                        .furnish = sandbox_calendar_furnish,
                                        .ready = ready,
                                        .ctx = &server};
    int code = sandbox_server_make(&server, config);

    return code != EX_OK ? code : server_run(&with);
}

int sandbox_run(int argc, char **argv)
{
    struct sandbox_options options = {.dir = DIR_DEFAULT,
                                      .store = "sqlite",
                                      .base_port = BASE_PORT_DEFAULT,
                                      .servers = 1,
                                      .revive_s = REVIVE_S_DEFAULT};
    struct sandbox_postgres *postgres = NULL;
    AUTO(buf) struct buf where = BUF(4 * KIB);
    int code = read_options(&options, argc, argv);

    if (code != EX_OK)
        return code;
    log_open(STDOUT_FILENO);
    if (strcmp(options.store, "postgres") == 0)
        code = sandbox_postgres_start(options.dir, &postgres, &where);
    else
        buf_put(&where, SLICE("sqlite"));
    if (code == EX_OK)
        code = options.servers == 1 ? run_one(&options, where.ptr)
                                    : sandbox_domain_run(&options, where.ptr);
    sandbox_postgres_stop(&postgres);
    return code;
}
