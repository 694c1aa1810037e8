#include "imap/imap_find.h"

#include "base/slice.h"
#include "imap/imap_find_text.h"
#include "imap/imap_set.h"

#define DAY_S INT64_C(86400)

static bool is_recent(const struct imap_session *session, const struct view_entry *entry)
{
    return entry->uid > session->folder->recent_uid;
}

enum st imap_find_prepare(const struct imap_folder *folder, struct imap_parse *p,
                          struct imap_key *key)
{
    uint64_t bit;
    enum st st = ST_OK;

    switch ((int)key->kind) {
    case IMAP_KEY_KEYWORD:
    case IMAP_KEY_UNKEYWORD:
        bit = imap_keywords_mask(&folder->keywords, key->name);
        key->value = bit;
        if (key->kind == IMAP_KEY_KEYWORD)
            key->kind = bit != 0 ? IMAP_KEY_FLAGS : IMAP_KEY_NONE;
        else
            key->kind = bit != 0 ? IMAP_KEY_UNFLAGS : IMAP_KEY_ALL;
        break;
    case IMAP_KEY_SEQNOS:
    case IMAP_KEY_UIDS:
        st = imap_folder_set(folder, p, key->kind == IMAP_KEY_UIDS, &key->set);
        break;
    default:
        break;
    }
    for (struct imap_key *child = key->child; child != NULL && st == ST_OK; child = child->next)
        st = imap_find_prepare(folder, p, child);
    return st;
}

static enum imap_verdict yes_if(bool fits)
{
    return fits ? IMAP_YES : IMAP_NO;
}

/* Days as the message's own clock showed them (RFC 3501 section 6.4.4: time and zone aside). */
static bool date_fits(enum imap_date_op op, int64_t local_s, int64_t midnight_s)
{
    if (op == IMAP_DATE_BEFORE)
        return local_s < midnight_s;
    if (op == IMAP_DATE_SINCE)
        return local_s >= midnight_s;
    return local_s >= midnight_s && local_s < midnight_s + DAY_S;
}

static enum imap_verdict by_view(struct imap_session *session, const struct imap_key *key,
                                 const struct imap_candidate *c)
{
    uint64_t flags = c->entry->flags;

    switch ((int)key->kind) {
    case IMAP_KEY_ALL:
        return IMAP_YES;
    case IMAP_KEY_FLAGS:
        return yes_if((flags & key->value) != 0);
    case IMAP_KEY_UNFLAGS:
        return yes_if((flags & key->value) == 0);
    case IMAP_KEY_NEW:
        return yes_if(is_recent(session, c->entry) && (flags & STORE_SEEN) == 0);
    case IMAP_KEY_OLD:
        return yes_if(!is_recent(session, c->entry));
    case IMAP_KEY_RECENT:
        return yes_if(is_recent(session, c->entry));
    case IMAP_KEY_SEQNOS:
    case IMAP_KEY_UIDS:
        return yes_if(imap_set_has(&key->set, c->seqno));
    case IMAP_KEY_MODSEQ:
        return yes_if(c->entry->modseq >= key->value);
    default:
        return IMAP_NO;
    }
}

static enum imap_verdict by_row(const struct imap_key *key, const struct imap_candidate *c)
{
    const struct store_message *message = c->message;

    if (message == NULL)
        return IMAP_UNKNOWN;
    switch ((int)key->kind) {
    case IMAP_KEY_DATE:
        return yes_if(date_fits((enum imap_date_op)key->value,
                                message->date_s + message->date_zone_min * INT64_C(60),
                                key->date_s));
    case IMAP_KEY_LARGER:
        return yes_if(message->bytes > key->value);
    case IMAP_KEY_SMALLER:
        return yes_if(message->bytes < key->value);
    case IMAP_KEY_EMAILID:
        return yes_if(slice_eq(slice_str(message->guid), key->name));
    default:
        return IMAP_NO;
    }
}

static enum imap_verdict by_text(struct imap_session *session, const struct imap_key *key,
                                 struct imap_candidate *c, enum st *st_r)
{
    struct imap_text text = {.store = imap_store(session), .candidate = c};
    bool fits = false;
    int64_t local_s;

    if (c->message == NULL || !c->body_allowed)
        return IMAP_UNKNOWN;
    enum st st = imap_text_header(&text);
    if (st == ST_OK && key->kind == IMAP_KEY_HEADER) {
        fits = imap_text_in_field(&text, key->name, key->text);
    } else if (st == ST_OK && key->kind == IMAP_KEY_SENT) {
        fits = imap_text_sent(&text, &local_s) &&
               date_fits((enum imap_date_op)key->value, local_s, key->date_s);
    } else if (st == ST_OK) {
        fits = key->kind == IMAP_KEY_TEXT && imap_text_in_header(&text, key->text);
        if (!fits)
            st = imap_text_in_body(&text, key->text, &fits);
    }
    if (st != ST_OK && *st_r == ST_OK)
        *st_r = st;
    return yes_if(fits);
}

static enum imap_verdict negate(enum imap_verdict verdict)
{
    return verdict == IMAP_UNKNOWN ? IMAP_UNKNOWN : verdict == IMAP_YES ? IMAP_NO : IMAP_YES;
}

/* All of the children, or for OR any: `decides` is the verdict that ends the matter. */
static enum imap_verdict of_children(struct imap_session *session, const struct imap_key *key,
                                     struct imap_candidate *c, enum st *st_r)
{
    enum imap_verdict decides = key->kind == IMAP_KEY_OR ? IMAP_YES : IMAP_NO;
    enum imap_verdict result = negate(decides);

    for (const struct imap_key *child = key->child; child != NULL; child = child->next) {
        enum imap_verdict verdict = imap_find(session, child, c, st_r);

        if (verdict == decides)
            return verdict;
        if (verdict == IMAP_UNKNOWN)
            result = IMAP_UNKNOWN;
    }
    return result;
}

enum imap_verdict imap_find(struct imap_session *session, const struct imap_key *key,
                            struct imap_candidate *candidate, enum st *st_r)
{
    if (key->kind == IMAP_KEY_AND || key->kind == IMAP_KEY_OR)
        return of_children(session, key, candidate, st_r);
    if (key->kind == IMAP_KEY_NOT)
        return negate(imap_find(session, key->child, candidate, st_r));
    if (key->cost == 0)
        return by_view(session, key, candidate);
    return key->cost == 1 ? by_row(key, candidate) : by_text(session, key, candidate, st_r);
}
