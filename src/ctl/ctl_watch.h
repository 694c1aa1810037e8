/* ctl_watch.h: what `posthorse watch` knows of the servers, and the picture of it. Inside ctl/. */
#pragma once
#include "ctl/ctl_cmd.h"

#define CTL_WATCH_MAX 16 /* servers */

struct ctl_watched {
    const char *dir;
    struct conf conf;
    struct ctl_client *client;
    char name[256];      /* as it calls itself */
    char short_name[64]; /* without its domain */
    long long pid;       /* of its supervisor; 0: it does not run */
    bool answers;
    /* What it said in this round; NULL: nothing. */
    json_t *status;
    json_t *cluster;
    json_t *events;
};

struct ctl_watch {
    struct ctl *ctl;
    struct ctl_watched servers[CTL_WATCH_MAX];
    size_t count;
    unsigned lines; /* of the terminal */
    unsigned columns;
    const char *revive; /* seconds after which a dead server is started anew; NULL: not known */
};

/* Draws at most watch->lines lines, none wider than watch->columns. */
void ctl_watch_draw(const struct ctl_watch *watch, struct buf *out);
