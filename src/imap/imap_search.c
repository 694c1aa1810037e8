#include "imap/imap_search.h"

#include "base/arena.h"
#include "store/store_message.h"

enum args {
    NONE,
    FIELD,
    HEADER,
    TEXT,
    DATE,
    NUMBER,
    MODSEQ,
    KEYWORD,
    ID,
    SET,
    KEY,
    KEYS,
    ARGS_MAX
};

static const struct row {
    const char *name;
    enum args args;
    enum imap_key_kind kind;
    unsigned cost;
    uint64_t value;
} rows[] = {
#define IMAP_SEARCH_KEY(name, args, kind, cost, value) \
    {name, args, IMAP_KEY_##kind, cost, (uint64_t)(value)},
#include "imap/imap_search.def"
};

struct search {
    struct imap_parse *p;
    size_t keys;
    unsigned depth;
    bool modseq;
};

static enum st parse_key(struct search *s, struct imap_key *key);

static struct imap_key *key_new(struct search *s)
{
    return arena_one(s->p->arena, struct imap_key);
}

static enum st parse_text(struct search *s, struct imap_key *key)
{
    struct slice text;
    enum st st = imap_parse_astring(s->p, &text);

    if (st == ST_OK)
        key->text = slice_lower(s->p->arena, text);
    return st;
}

static enum st args_none(struct search *s, struct imap_key *key)
{
    return ST_OK;
}

static enum st args_text(struct search *s, struct imap_key *key)
{
    enum st st = imap_parse_space(s->p);

    return st == ST_OK ? parse_text(s, key) : st;
}

static enum st args_header(struct search *s, struct imap_key *key)
{
    enum st st = imap_parse_space(s->p);

    if (st == ST_OK)
        st = imap_parse_astring(s->p, &key->name);
    return st == ST_OK ? args_text(s, key) : st;
}

static enum st args_date(struct search *s, struct imap_key *key)
{
    enum st st = imap_parse_space(s->p);

    return st == ST_OK ? imap_parse_date(s->p, &key->date_s) : st;
}

static enum st args_number(struct search *s, struct imap_key *key)
{
    enum st st = imap_parse_space(s->p);

    return st == ST_OK ? imap_parse_number(s->p, INT64_MAX, &key->value) : st;
}

/* [SP entry-name SP entry-type-req] SP mod-sequence-valzer (RFC 7162 section 3.1.5); all metadata
 * items share one number here, so the entry does not matter. */
static enum st args_modseq(struct search *s, struct imap_key *key)
{
    struct slice entry;
    struct slice type;
    enum st st = imap_parse_space(s->p);

    s->modseq = true;
    if (st == ST_OK && imap_parse_peek(s->p, '"')) {
        st = imap_parse_string(s->p, &entry);
        if (st == ST_OK)
            st = imap_parse_space(s->p);
        if (st == ST_OK)
            st = imap_parse_atom(s->p, &type);
        if (st == ST_OK)
            st = imap_parse_space(s->p);
    }
    return st == ST_OK ? imap_parse_number(s->p, INT64_MAX, &key->value) : st;
}

static enum st args_atom(struct search *s, struct imap_key *key)
{
    enum st st = imap_parse_space(s->p);

    return st == ST_OK ? imap_parse_atom(s->p, &key->name) : st;
}

static enum st args_set(struct search *s, struct imap_key *key)
{
    enum st st = imap_parse_space(s->p);

    return st == ST_OK ? imap_parse_set(s->p, &key->set) : st;
}

static enum st args_key(struct search *s, struct imap_key *key)
{
    enum st st = imap_parse_space(s->p);

    key->child = key_new(s);
    if (st == ST_OK)
        st = parse_key(s, key->child);
    key->cost = key->child->cost;
    return st;
}

static enum st args_keys(struct search *s, struct imap_key *key)
{
    enum st st = args_key(s, key);

    if (st == ST_OK)
        st = imap_parse_space(s->p);
    if (st != ST_OK)
        return st;
    key->child->next = key_new(s);
    st = parse_key(s, key->child->next);
    if (key->child->next->cost > key->cost)
        key->cost = key->child->next->cost;
    return st;
}

static enum st (*const args_fns[ARGS_MAX])(struct search *s, struct imap_key *key) = {
    [NONE] = args_none, [FIELD] = args_text,    [HEADER] = args_header, [TEXT] = args_text,
    [DATE] = args_date, [NUMBER] = args_number, [MODSEQ] = args_modseq, [KEYWORD] = args_atom,
    [ID] = args_atom,   [SET] = args_set,       [KEY] = args_key,       [KEYS] = args_keys,
};

/* The row whose name is the whole next word; the cursor then stands behind it. */
static const struct row *take_row(struct imap_parse *p)
{
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct slice rest = slice_sub(p->rest, slice_str(rows[i].name).len, SIZE_MAX);

        if ((rest.len == 0 || rest.ptr[0] == ' ' || rest.ptr[0] == ')') &&
            imap_parse_word(p, rows[i].name))
            return &rows[i];
    }
    return NULL;
}

/* Puts key among its siblings by cost; equals stay in the order they came. */
static void insert(struct imap_key *parent, struct imap_key *key)
{
    struct imap_key **at = &parent->child;

    while (*at != NULL && (*at)->cost <= key->cost)
        at = &(*at)->next;
    key->next = *at;
    *at = key;
    if (key->cost > parent->cost)
        parent->cost = key->cost;
}

/* search-key *(SP search-key) up to a parenthesis or the end. */
static enum st parse_all(struct search *s, struct imap_key *parent)
{
    parent->kind = IMAP_KEY_AND;
    do {
        struct imap_key *key = key_new(s);
        enum st st = parse_key(s, key);

        if (st != ST_OK)
            return st;
        insert(parent, key);
    } while (imap_parse_char(s->p, ' '));
    return ST_OK;
}

static bool at_set(const struct imap_parse *p)
{
    return p->rest.len > 0 &&
           (p->rest.ptr[0] == '*' || (p->rest.ptr[0] >= '0' && p->rest.ptr[0] <= '9'));
}

static enum st parse_one(struct search *s, struct imap_key *key)
{
    if (at_set(s->p)) {
        key->kind = IMAP_KEY_SEQNOS;
        return imap_parse_set(s->p, &key->set);
    }
    if (imap_parse_char(s->p, '(')) {
        enum st st = parse_all(s, key);

        return st == ST_OK ? imap_parse_expect(s->p, ')') : st;
    }
    const struct row *row = take_row(s->p);
    if (row == NULL)
        return imap_parse_fail(s->p, "Unknown search key");
    key->kind = row->kind;
    key->cost = row->cost;
    key->value = row->value;
    key->name = slice_str(row->name);
    return args_fns[row->args](s, key);
}

static enum st parse_key(struct search *s, struct imap_key *key)
{
    enum st st;

    if (++s->keys > IMAP_SEARCH_KEYS_MAX)
        return imap_parse_fail(s->p, "Too many search keys");
    if (++s->depth > IMAP_SEARCH_DEPTH_MAX)
        return imap_parse_fail(s->p, "Search keys are nested too deep");
    st = parse_one(s, key);
    s->depth--;
    return st;
}

static enum st parse_return(struct imap_parse *p, struct imap_search *search)
{
    static const struct {
        const char *name;
        unsigned bit;
    } options[] = {
        {"MIN", IMAP_RETURN_MIN},
        {"MAX", IMAP_RETURN_MAX},
        {"ALL", IMAP_RETURN_ALL},
        {"COUNT", IMAP_RETURN_COUNT},
    };
    struct imap_slices names;

    search->esearch = true;
    if (imap_parse_astrings(p, &names) != ST_OK)
        return ST_INVALID;
    for (size_t i = 0; i < names.count; i++) {
        unsigned bit = 0;

        for (size_t j = 0; j < COUNT(options); j++)
            if (slice_ieq(names.items[i], slice_str(options[j].name)))
                bit = options[j].bit;
        if (bit == 0)
            return imap_parse_fail(p, "Unknown RETURN option");
        search->returns |= bit;
    }
    if (names.count == 0)
        search->returns = IMAP_RETURN_ALL;
    return imap_parse_space(p);
}

static enum st parse_charset(struct imap_parse *p)
{
    struct slice charset;

    if (imap_parse_astring(p, &charset) != ST_OK || imap_parse_space(p) != ST_OK)
        return ST_INVALID;
    if (slice_ieq(charset, SLICE("UTF-8")) || slice_ieq(charset, SLICE("US-ASCII")))
        return ST_OK;
    p->why = "Charset is not known; use UTF-8";
    return ST_DENIED;
}

enum st imap_search_parse(struct imap_parse *p, struct imap_search *search_r)
{
    struct search s = {.p = p};
    enum st st = ST_OK;

    *search_r = (struct imap_search){.key = arena_one(p->arena, struct imap_key)};
    if (imap_parse_word(p, "RETURN "))
        st = parse_return(p, search_r);
    if (st == ST_OK && imap_parse_word(p, "CHARSET "))
        st = parse_charset(p);
    if (st == ST_OK)
        st = parse_all(&s, search_r->key);
    search_r->modseq = s.modseq;
    return st == ST_OK ? imap_parse_end(p) : st;
}
