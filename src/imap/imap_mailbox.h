/* imap_mailbox.h: what the commands on mailboxes as a whole share. */
#pragma once
#include "imap/imap_session.h"
#include "store/store_folder.h"

/* SP mailbox. */
MUST_USE enum st imap_mailbox_parse(struct imap_run *run, struct slice *name_r);
/* SP mailbox and nothing more. */
MUST_USE enum st imap_mailbox_parse_only(struct imap_run *run, struct slice *name_r);
MUST_USE enum st imap_mailbox_find(struct imap_session *session, struct imap_run *run,
                                   struct slice name, struct store_folder *folder_r);
/* What the store says of a name, as a reply: a name that cannot be is no syntax error. */
enum st imap_mailbox_reply(struct imap_run *run, enum st st);
MUST_USE enum st imap_mailbox_subscribe(struct imap_session *session, struct imap_run *run,
                                        bool on);
