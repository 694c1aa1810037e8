/* smtp_foreign.h: mail that a foreign system gives to its gateway: its addresses become those that
 * we write, so that a reply goes the way back. Inside smtp/. */
#pragma once
#include "mime/mime_rewrite.h"
#include "smtp/smtp_path.h"
#include "smtp/smtp_session.h"

struct smtp_foreign;

/* Where the message comes from, if that is a foreign system: session->mail->foreign is set, and
 * mail->from is the sender as we write it. False: nothing was done. */
bool smtp_foreign_begin(struct smtp_session *session, const struct smtp_path *path);
/* One of ours whom they write in their way: path is as we write it, and orcpt, where it is empty,
 * as it was. An address that would not be of a domain served here stays, or mail could go round. */
void smtp_foreign_rcpt(struct smtp_session *session, struct smtp_path *path, struct slice *orcpt);
/* Text of the message; fn gets it with its header rewritten. */
void smtp_foreign_feed(struct smtp_foreign *foreign, struct slice text, mime_rewrite_put *fn,
                       void *ctx);
void smtp_foreign_end(struct smtp_foreign *foreign, mime_rewrite_put *fn, void *ctx);
/* The message was taken: says what was rewritten. */
void smtp_foreign_log(const struct smtp_session *session);
void smtp_foreign_free(struct smtp_foreign **foreign); /* NULL is fine */
