#include "base/arena.h"
#include "base/slice.h"
#include "calendar/calendar_oof.h"
#include "directory/directory.h"
#include "directory/directory_name.h"
#include "mime/mime_address.h"
#include "mime/mime_header.h"

#define ADDRESSES_MAX 5000 /* of one field that are looked at */

static bool contains(struct slice text, const char *word)
{
    return slice_find_slice(text, slice_str(word)) != SIZE_MAX;
}

/* --- the sender --- */

static bool ends(struct slice text, struct slice tail)
{
    return text.len >= tail.len && slice_eq(slice_sub(text, text.len - tail.len, tail.len), tail);
}

/* Local parts, in lower case, of programs (RFC 3834 section 2, RFC 5230 section 4.6). */
static bool is_robot(struct slice local)
{
    static const char *const anywhere[] = {"noreply",    "no-reply",     "no_reply",
                                           "donotreply", "do-not-reply", "do_not_reply"};
    static const char *const whole[] = {"mailer-daemon", "listserv", "majordomo", "mailman"};
    struct slice plain = slice_sub(local, 0, slice_find(local, '+'));

    for (size_t i = 0; i < COUNT(anywhere); i++)
        if (contains(local, anywhere[i]))
            return true;
    for (size_t i = 0; i < COUNT(whole); i++)
        if (slice_eq(plain, slice_str(whole[i])))
            return true;
    return slice_starts(local, SLICE("owner-")) || slice_starts(local, SLICE("bounce")) ||
           ends(plain, SLICE("-owner")) || ends(plain, SLICE("-request")) ||
           ends(plain, SLICE("-bounces"));
}

static enum calendar_oof judge_sender(const struct calendar_oof_question *q, struct arena *arena)
{
    size_t at = slice_find_last(q->sender, '@');
    struct directory_found found;

    if (at == SIZE_MAX || at == 0 || at + 1 == q->sender.len)
        return CALENDAR_OOF_NO_SENDER;
    struct slice local = slice_lower(arena, slice_sub(q->sender, 0, at));
    struct slice domain = slice_sub(q->sender, at + 1, SIZE_MAX);
    if (is_robot(local))
        return CALENDAR_OOF_ROBOT;
    if (directory_owns(q->directory, q->person, local, domain))
        return CALENDAR_OOF_OWN;
    /* A forged sender of this domain only has the reply go to the one it names. */
    if (!directory_find(q->directory, local, domain, &found))
        return CALENDAR_OOF_OUTSIDE;
    if (found.group != NULL)
        return CALENDAR_OOF_GROUP;
    return directory_owns(q->directory, found.person, local, domain) ? CALENDAR_OOF_INSIDE
                                                                     : CALENDAR_OOF_OUTSIDE;
}

/* --- the header --- */

static bool says_auto(struct slice value)
{
    struct slice word = slice_trim(slice_sub(value, 0, slice_find(value, ';')));

    word = slice_sub(word, 0, slice_find(word, ' '));
    return !slice_eq(slice_sub(word, 0, slice_find(word, '(')), SLICE("no"));
}

static bool says_bulk(struct slice value)
{
    return contains(value, "bulk") || contains(value, "list") || contains(value, "junk");
}

static bool says_suppress(struct slice value)
{
    struct slice word;

    while (slice_split(&value, ',', &word)) {
        word = slice_trim(word);
        if (slice_eq(word, SLICE("all")) || slice_eq(word, SLICE("oof")) ||
            slice_eq(word, SLICE("autoreply")))
            return true;
    }
    return false;
}

static bool says_yes(struct slice value)
{
    return slice_starts(value, SLICE("yes")) || slice_starts(value, SLICE("true"));
}

static bool says_report(struct slice value)
{
    return slice_starts(value, SLICE("multipart/report"));
}

static bool says_anything(struct slice value)
{
    (void)value;
    return true;
}

/* Each is asked with the value in lower case. A name that ends in '-' stands for all that begin
 * with it. */
static const struct {
    const char *name;
    bool (*says)(struct slice value);
    enum calendar_oof then;
} fields[] = {
    {"Auto-Submitted", says_auto, CALENDAR_OOF_AUTO}, /* RFC 3834 section 5 */
    {"Content-Type", says_report, CALENDAR_OOF_AUTO}, /* RFC 6522 */
    {"X-Autoreply", says_auto, CALENDAR_OOF_AUTO},
    {"X-Autorespond", says_auto, CALENDAR_OOF_AUTO},
    {"Precedence", says_bulk, CALENDAR_OOF_BULK},
    {"List-", says_anything, CALENDAR_OOF_LIST}, /* RFC 2369, RFC 2919, RFC 8058 */
    {"Mailing-List", says_anything, CALENDAR_OOF_LIST},
    {"X-Mailing-List", says_anything, CALENDAR_OOF_LIST},
    {"X-Auto-Response-Suppress", says_suppress, CALENDAR_OOF_SUPPRESSED},
    {"X-Spam-Flag", says_yes, CALENDAR_OOF_SPAM},
    {"X-Spam-Status", says_yes, CALENDAR_OOF_SPAM},
    {"X-Spam", says_yes, CALENDAR_OOF_SPAM},
};

static bool is_named(struct slice name, struct slice row)
{
    return row.ptr[row.len - 1] == '-' ? slice_istarts(name, row) : slice_ieq(name, row);
}

/* CALENDAR_OOF_MAX: nothing in it speaks against a reply. */
static enum calendar_oof judge_field(const struct mime_field *field, struct arena *arena)
{
    for (size_t i = 0; i < COUNT(fields); i++)
        if (is_named(field->name, slice_str(fields[i].name)) &&
            fields[i].says(slice_lower(arena, mime_unfold(arena, field->value))))
            return fields[i].then;
    return CALENDAR_OOF_MAX;
}

/* --- whom the message names --- */

static bool names_recipients(struct slice name)
{
    static const char *const names[] = {"To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_ieq(name, slice_str(names[i])))
            return true;
    return false;
}

/* As it stands, or as the rules for recipients have it. */
static bool is_own(const struct calendar_oof_question *q, struct arena *arena,
                   const struct mime_address *address)
{
    struct slice local = address->local;
    struct slice domain = address->domain;

    if (address->kind != MIME_ADDRESS_MAILBOX || address->broken || domain.len == 0)
        return false;
    return directory_owns(q->directory, q->person, local, domain) ||
           (directory_rewrite(q->directory, DIRECTORY_REWRITE_RECIPIENT, arena, &local, &domain) &&
            directory_owns(q->directory, q->person, local, domain));
}

static bool find_own(const struct calendar_oof_question *q, struct arena *arena, struct slice value,
                     struct slice *own_r)
{
    const struct mime_addresses list = mime_address_parse(arena, value, ADDRESSES_MAX);

    for (const struct mime_address *a = list.first; a != NULL; a = a->next) {
        if (is_own(q, arena, a)) {
            *own_r = directory_name_join(arena, a->local, a->domain);
            return true;
        }
    }
    return false;
}

static enum calendar_oof judge_header(const struct calendar_oof_question *q, struct arena *arena,
                                      struct slice *own_r)
{
    struct slice rest = q->header;
    struct mime_field field;
    bool found = false;

    while (mime_field_next(&rest, &field)) {
        enum calendar_oof what = judge_field(&field, arena);

        if (what != CALENDAR_OOF_MAX)
            return what;
        if (!found && names_recipients(field.name))
            found = find_own(q, arena, mime_unfold(arena, field.value), own_r);
    }
    return found ? CALENDAR_OOF_MAX : CALENDAR_OOF_ASIDE;
}

/* --- all of it --- */

static enum calendar_oof judge_time(const struct store_calendar_account *account, int64_t now_ms)
{
    if (account->oof == STORE_OOF_OFF)
        return CALENDAR_OOF_OFF;
    if (account->oof == STORE_OOF_SCHEDULED && now_ms < account->oof_from_ms)
        return CALENDAR_OOF_EARLY;
    if (account->oof == STORE_OOF_SCHEDULED && account->oof_until_ms != 0 &&
        now_ms >= account->oof_until_ms)
        return CALENDAR_OOF_OVER;
    return CALENDAR_OOF_MAX;
}

static enum calendar_oof judge_text(const struct store_calendar_account *account,
                                    enum calendar_oof what)
{
    bool outside = what == CALENDAR_OOF_OUTSIDE;

    if (outside && !account->oof_external)
        return CALENDAR_OOF_INSIDERS;
    return (outside ? account->oof_outside_text : account->oof_inside_text).len > 0
               ? what
               : CALENDAR_OOF_NO_TEXT;
}

enum calendar_oof calendar_oof_decide(const struct calendar_oof_question *question,
                                      struct arena *arena, struct slice *own_r)
{
    enum calendar_oof what = judge_time(question->account, question->now_ms);

    if (what != CALENDAR_OOF_MAX)
        return what;
    enum calendar_oof who = judge_sender(question, arena);
    if (who != CALENDAR_OOF_INSIDE && who != CALENDAR_OOF_OUTSIDE)
        return who;
    if (question->header_cut)
        return CALENDAR_OOF_LONG;
    what = judge_header(question, arena, own_r);
    return what != CALENDAR_OOF_MAX ? what : judge_text(question->account, who);
}
