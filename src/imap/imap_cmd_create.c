#include "base/slice.h"
#include "imap/imap_cmd.h"
#include "imap/imap_mailbox.h"
#include "sys/sys_random.h"
#include "sys/sys_time.h"

#include <string.h>

struct create {
    int64_t account_id;
    struct arena *arena;
    struct store_new_folder folder;
    bool use_taken;
};

static const char *const special_uses[] = {"\\Archive", "\\Drafts", "\\Flagged",
                                           "\\Junk",    "\\Sent",   "\\Trash"};

/* CREATE ... (USE (\Sent)), RFC 6154 section 3; one use for a mailbox. */
static enum st parse_use(struct imap_run *run, struct slice *use_r)
{
    struct imap_slices uses;

    if (!imap_parse_word(&run->args, " (USE "))
        return ST_OK;
    if (!imap_parse_peek(&run->args, '('))
        return imap_parse_fail(&run->args, "Parenthesis expected");
    if (imap_parse_flags(&run->args, &uses) != ST_OK || imap_parse_expect(&run->args, ')') != ST_OK)
        return ST_INVALID;
    for (size_t i = 0; uses.count == 1 && i < COUNT(special_uses); i++)
        if (slice_ieq(uses.items[0], slice_str(special_uses[i])))
            *use_r = slice_str(special_uses[i]);
    if (use_r->len > 0 || uses.count == 0)
        return ST_OK;
    buf_put(&run->code, SLICE("USEATTR"));
    run->text = "A mailbox can have one of the special uses known here";
    return ST_DENIED;
}

static enum st body(struct store_tx *tx, void *arg)
{
    struct create *create = arg;
    struct store_folder *folders;
    size_t count = 0;
    int64_t folder_id;
    enum st st = ST_OK;

    create->use_taken = false;
    if (create->folder.special_use.len > 0)
        st = store_folder_list(tx, create->arena, create->account_id, &folders, &count);
    for (size_t i = 0; i < count && st == ST_OK; i++)
        if (slice_ieq(slice_str(folders[i].special_use), create->folder.special_use))
            create->use_taken = true;
    if (st == ST_OK && create->use_taken)
        return ST_DENIED;
    return st == ST_OK ? store_folder_add(tx, create->account_id, &create->folder, &folder_id) : st;
}

/* RFC 3501 section 6.3.3. */
enum st imap_cmd_create(struct imap_session *session, struct imap_run *run)
{
    char guid[SYS_GUID_HEX + 1];
    struct create create = {.account_id = session->account_id, .arena = run->arena};
    struct slice *name = &create.folder.name;
    enum st st = imap_mailbox_parse(run, name);

    create.folder.special_use = SLICE("");
    if (st == ST_OK)
        st = parse_use(run, &create.folder.special_use);
    if (st == ST_OK)
        st = imap_parse_end(&run->args);
    if (st != ST_OK)
        return st;
    /* A separator at the end only declares that names below it will follow. */
    if (name->len > 1 && name->ptr[name->len - 1] == STORE_FOLDER_SEPARATOR)
        name->len--;
    sys_guid(guid);
    create.folder.guid = guid;
    create.folder.now_ms = sys_now_ms();
    st = imap_mailbox_reply(run, store_write(imap_store(session), body, &create));
    if (create.use_taken) {
        buf_put(&run->code, SLICE("USEATTR"));
        run->text = "Another mailbox has this special use";
    }
    if (st == ST_OK)
        buf_putf(&run->code, "MAILBOXID (%s)", guid); /* RFC 8474 section 4.1 */
    return st;
}
