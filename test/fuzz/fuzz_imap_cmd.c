/* Whole commands through every parser: whatever is accepted must be within its bounds. */
#include "base/arena.h"
#include "base/buf.h"
#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_flags.h"
#include "imap/imap_items.h"
#include "imap/imap_list.h"
#include "imap/imap_search.h"
#include "imap/imap_set.h"
#include "imap/imap_status.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;

static void try_fetch(struct imap_parse p)
{
    struct imap_items items;
    struct imap_set set;
    struct buf out;

    if (imap_parse_space(&p) != ST_OK || imap_parse_set(&p, &set) != ST_OK ||
        imap_parse_space(&p) != ST_OK || imap_items_parse(&p, &items) != ST_OK)
        return;
    imap_set_resolve(&set, 100);
    for (size_t i = 1; i < set.count; i++)
        assert(set.ranges[i - 1].last < set.ranges[i].first);
    buf_init(&out, 10 * MIB);
    for (const struct imap_section *s = items.sections; s != NULL; s = s->next)
        imap_section_write(s, &out);
    buf_fini(&out);
}

static void try_search(struct imap_parse p)
{
    struct imap_search search;

    if (imap_parse_space(&p) == ST_OK && imap_search_parse(&p, &search) == ST_OK)
        assert(search.key->child != NULL && search.key->cost <= 3);
}

static void try_flags(struct imap_parse p)
{
    struct imap_slices names;
    struct imap_flags flags;

    if (imap_parse_space(&p) == ST_OK && imap_parse_flags(&p, &names) == ST_OK &&
        imap_flags_read(&p, &names, &flags) == ST_OK)
        assert((flags.system & ~(uint64_t)STORE_SYSTEM_FLAGS) == 0);
}

static void try_rest(struct imap_parse p)
{
    struct imap_list list = {.lsub = false};
    struct imap_parse q = p;
    struct slice name;
    unsigned want;
    int64_t date_s;
    int32_t zone_min;

    if (imap_list_parse(&q, &list) == ST_OK)
        assert(list.patterns.count > 0);
    q = p;
    if (imap_parse_space(&q) == ST_OK && imap_parse_mailbox(&q, &name) == ST_OK &&
        imap_parse_space(&q) == ST_OK)
        (void)(imap_status_parse(&q, &want) == ST_OK);
    q = p;
    if (imap_parse_space(&q) == ST_OK)
        (void)(imap_parse_date_time(&q, &date_s, &zone_min) == ST_OK);
    (void)imap_parse_is_append(p.rest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct imap_parse p = {.rest = {(const char *)data, size}};
    struct slice tag;
    struct slice verb;
    struct imap_frame frame;
    struct slice in = p.rest;
    struct slice text;

    if (arena == NULL)
        arena = arena_new("fuzz", 256 * MIB);
    arena_reset(arena);
    p.arena = arena;
    imap_frame_init(&frame, 8000);
    while (in.len > 0)
        if (imap_frame_next(&frame, &in, &text) == IMAP_FRAME_MESSAGE)
            imap_frame_take(&frame);
    imap_frame_fini(&frame);

    if (imap_parse_tag(&p, &tag) != ST_OK || imap_parse_space(&p) != ST_OK ||
        imap_parse_atom(&p, &verb) != ST_OK)
        return 0;
    (void)imap_cmd_find(verb);
    try_fetch(p);
    try_search(p);
    try_flags(p);
    try_rest(p);
    return 0;
}
