#include "imap/imap_flags.h"

#include "base/arena.h"
#include "base/buf.h"
#include "base/mem.h"

static const struct {
    struct slice name;
    uint64_t bit;
} system_flags[] = {
    {{"\\Answered", 9}, STORE_ANSWERED}, {{"\\Flagged", 8}, STORE_FLAGGED},
    {{"\\Deleted", 8}, STORE_DELETED},   {{"\\Seen", 5}, STORE_SEEN},
    {{"\\Draft", 6}, STORE_DRAFT},       {{"\\Recent", 7}, 0}, /* not a client's to set */
};

void imap_keywords_fini(struct imap_keywords *keywords)
{
    for (size_t i = 0; i < COUNT(keywords->names); i++)
        mem_free(keywords->names[i]);
    *keywords = (struct imap_keywords){.known = 0};
}

bool imap_keywords_learn(struct imap_keywords *keywords, const struct store_keywords *store)
{
    bool more = false;

    for (unsigned i = STORE_KEYWORD_FIRST; i <= STORE_KEYWORD_MAX; i++) {
        if (store->names[i][0] == '\0' || (keywords->known & (1ull << i)) != 0)
            continue;
        keywords->names[i] = mem_copy(slice_str(store->names[i]));
        keywords->known |= 1ull << i;
        more = true;
    }
    return more;
}

uint64_t imap_keywords_mask(const struct imap_keywords *keywords, struct slice name)
{
    for (unsigned i = STORE_KEYWORD_FIRST; i <= STORE_KEYWORD_MAX; i++)
        if (keywords->names[i] != NULL && slice_ieq(slice_str(keywords->names[i]), name))
            return 1ull << i;
    return 0;
}

static enum st read_system(struct imap_parse *p, struct slice name, struct imap_flags *flags)
{
    for (size_t i = 0; i < COUNT(system_flags); i++) {
        if (!slice_ieq(system_flags[i].name, name))
            continue;
        flags->system |= system_flags[i].bit;
        return ST_OK;
    }
    return imap_parse_fail(p, "Unknown system flag");
}

enum st imap_flags_read(struct imap_parse *p, const struct imap_slices *names,
                        struct imap_flags *flags_r)
{
    *flags_r = (struct imap_flags){.system = 0};
    flags_r->keywords.items = arena_many(p->arena, struct slice, names->count + 1);
    for (size_t i = 0; i < names->count; i++) {
        struct slice name = names->items[i];

        if (name.ptr[0] != '\\')
            flags_r->keywords.items[flags_r->keywords.count++] = name;
        else if (read_system(p, name, flags_r) != ST_OK)
            return ST_INVALID;
    }
    return ST_OK;
}

enum st imap_flags_resolve(struct store_tx *tx, int64_t account_id, const struct imap_flags *flags,
                           uint64_t *mask_r)
{
    *mask_r = flags->system;
    for (size_t i = 0; i < flags->keywords.count; i++) {
        unsigned bit;
        enum st st = store_keyword_add(tx, account_id, flags->keywords.items[i], &bit);

        if (st != ST_OK)
            return st;
        *mask_r |= 1ull << bit;
    }
    return ST_OK;
}

static void put(struct buf *out, size_t from, struct slice name)
{
    if (out->len > from)
        buf_put(out, SLICE(" "));
    buf_put(out, name);
}

void imap_flags_write(const struct imap_keywords *keywords, uint64_t flags, bool recent,
                      struct buf *out)
{
    buf_put(out, SLICE("("));
    size_t from = out->len;
    for (size_t i = 0; i < COUNT(system_flags); i++)
        if ((flags & system_flags[i].bit) != 0)
            put(out, from, system_flags[i].name);
    if (recent)
        put(out, from, SLICE("\\Recent"));
    for (uint64_t left = flags & keywords->known; left != 0; left &= left - 1)
        put(out, from, slice_str(keywords->names[__builtin_ctzll(left)]));
    buf_put(out, SLICE(")"));
}
