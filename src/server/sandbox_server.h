/* sandbox_server.h: one server of a sandbox: its folder with certificate and settings, and what is
 * put into its store before it serves. Inside server/. */
#pragma once
#include "base/base.h"
#include "sys/sys_user.h"

struct store;

#define SANDBOX_PASSWORD "horse"
#define SANDBOX_PEOPLE \
    "alice " SANDBOX_PASSWORD "\nbob " SANDBOX_PASSWORD "\ncarol " SANDBOX_PASSWORD "\n"
#define SANDBOX_PATH_BYTES 4096

/* A document that is to be there, or, where body is NULL, is not. */
struct sandbox_document {
    const char *kind;
    const char *name;
    const char *body;
};

struct sandbox_server {
    const char *dir; /* its own folder */
    const char *name;
    const char *domain;   /* the mail domain it serves */
    const char *address;  /* that it listens at */
    unsigned base_port;   /* 0: whatever is free */
    bool cluster;         /* it listens for other servers too */
    const char *store;    /* the setting */
    const char *settings; /* a file with more lines for posthorse.ini, or NULL */
    const char *more;     /* more lines, or NULL */
    struct sys_user user;
    /* What its store gets. */
    const char *people;   /* lines of "name password" */
    const char *accounts; /* a file with more of them, or NULL */
    bool directory;       /* it makes the documents; the others get them from it */
    bool replace;         /* documents that are there and say something else are replaced */
    const struct sandbox_document *documents; /* besides persons */
    size_t document_count;
    const char *const *holders; /* the names of the servers that persons are dealt out to; none: all
                                   servers that have the store hold all */
    size_t holder_count;
};

/* The ports of a server from its base port on, as listen_* settings call them. */
extern const char *const sandbox_ports[];
extern const size_t sandbox_port_count;       /* of a server that is alone */
extern const size_t sandbox_port_cluster_max; /* of one that has others */

/* The folder, certificate and posthorse.ini, whose path is config. EX_OK, or a code of sysexits.h
 * after one sentence on standard error. */
int sandbox_server_make(struct sandbox_server *server, char config[SANDBOX_PATH_BYTES]);
/* server_options.prepare, with the server as its ctx: documents and accounts. */
enum st sandbox_server_prepare(struct store *store, void *ctx);
int sandbox_complain(const char *sentence, int code);
