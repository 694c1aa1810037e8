#include "base/arena.h"
#include "imap/imap_list.h"
#include "imap/imap_status.h"

#define PATTERNS_MAX 100

struct option {
    const char *name;
    unsigned bit;
};

static const struct option selects[] = {
    {"SUBSCRIBED", IMAP_LIST_SUBSCRIBED},
    {"REMOTE", IMAP_LIST_REMOTE},
    {"RECURSIVEMATCH", IMAP_LIST_RECURSIVE},
    {"SPECIAL-USE", IMAP_LIST_SPECIAL},
};

static const struct option returns[] = {
    {"SUBSCRIBED", IMAP_LIST_TELL_SUBSCRIBED},
    {"CHILDREN", IMAP_LIST_TELL_CHILDREN},
    {"SPECIAL-USE", IMAP_LIST_TELL_SPECIAL},
    {"STATUS", IMAP_LIST_TELL_STATUS},
};

static enum st parse_option(struct imap_parse *p, const struct option *options, size_t count,
                            unsigned *bits)
{
    struct slice name;
    enum st st = imap_parse_atom(p, &name);

    if (st != ST_OK)
        return st;
    for (size_t i = 0; i < count; i++)
        if (slice_ieq(name, slice_str(options[i].name))) {
            *bits |= options[i].bit;
            return ST_OK;
        }
    return imap_parse_fail(p, "Unknown LIST option");
}

static enum st parse_selects(struct imap_parse *p, struct imap_list *list)
{
    enum st st = ST_OK;

    list->extended = true;
    while (st == ST_OK && !imap_parse_peek(p, ')')) {
        st = parse_option(p, selects, COUNT(selects), &list->select);
        if (!imap_parse_char(p, ' '))
            break;
    }
    if (st == ST_OK)
        st = imap_parse_expect(p, ')');
    if (st == ST_OK && (list->select & IMAP_LIST_RECURSIVE) != 0 &&
        (list->select & IMAP_LIST_SUBSCRIBED) == 0)
        return imap_parse_fail(p, "RECURSIVEMATCH wants SUBSCRIBED beside it");
    return st == ST_OK ? imap_parse_space(p) : st;
}

static enum st parse_returns(struct imap_parse *p, struct imap_list *list)
{
    enum st st = imap_parse_expect(p, '(');

    list->extended = true;
    while (st == ST_OK && !imap_parse_peek(p, ')')) {
        unsigned bit = 0;

        st = parse_option(p, returns, COUNT(returns), &bit);
        list->returns |= bit;
        if (st == ST_OK && bit == IMAP_LIST_TELL_STATUS) {
            st = imap_parse_space(p);
            if (st == ST_OK)
                st = imap_status_parse(p, &list->status);
        }
        if (!imap_parse_char(p, ' '))
            break;
    }
    return st == ST_OK ? imap_parse_expect(p, ')') : st;
}

static enum st parse_patterns(struct imap_parse *p, struct imap_list *list)
{
    bool many = imap_parse_char(p, '(');

    list->extended |= many;
    list->patterns.items = arena_many(p->arena, struct slice, PATTERNS_MAX);
    do {
        if (list->patterns.count == PATTERNS_MAX)
            return imap_parse_fail(p, "Too many patterns");
        enum st st = imap_parse_pattern(p, &list->patterns.items[list->patterns.count++]);
        if (st != ST_OK)
            return st;
    } while (many && imap_parse_char(p, ' '));
    return many ? imap_parse_expect(p, ')') : ST_OK;
}

enum st imap_list_parse(struct imap_parse *p, struct imap_list *list_r)
{
    enum st st = imap_parse_space(p);
    bool lsub = list_r->lsub;

    *list_r = (struct imap_list){.lsub = lsub};
    if (st == ST_OK && !lsub && imap_parse_char(p, '('))
        st = parse_selects(p, list_r);
    if (st == ST_OK)
        st = imap_parse_mailbox(p, &list_r->reference);
    if (st == ST_OK)
        st = imap_parse_space(p);
    if (st == ST_OK)
        st = parse_patterns(p, list_r);
    if (st == ST_OK && !lsub && imap_parse_word(p, " RETURN "))
        st = parse_returns(p, list_r);
    return st == ST_OK ? imap_parse_end(p) : st;
}
