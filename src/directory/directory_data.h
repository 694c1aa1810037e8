/* directory_data.h: what a snapshot holds, for those who make it and those who look into it. */
#pragma once
#include "directory/directory_elsewhere.h"
#include "directory/directory_match.h"
#include "directory/directory_names.h"
#include "directory/directory_settings.h"
#include "directory/directory_visible.h"

#include <stdatomic.h>

#define DIRECTORY_DOMAINS_MAX 64

struct arena;
struct hidden;
struct waiting;

struct directory {
    atomic_int refs;
    struct arena *arena;
    struct directory_names names;
    struct directory_match *connections;
    struct directory_rules rules[DIRECTORY_REWRITE_MAX];
    const struct directory_person *postmaster;
    struct slice domains[DIRECTORY_DOMAINS_MAX];
    size_t domain_count;
    size_t connection_count;
    struct waiting *groups, **groups_tail;
    struct directory_elsewhere elsewhere;
    struct slice self; /* the server that looks, lower case; empty: all is seen */
    struct directory_texts roles;
    struct directory_members *members;
    struct hidden *hidden, **hidden_tail;
    size_t hidden_count; /* what it may not see */
};
