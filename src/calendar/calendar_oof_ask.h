/* calendar_oof_ask.h: somebody's out of office for himself and for who may act in his name,
 * whichever server of the domain has his account. */
#pragma once
#include "calendar/calendar_rights.h"

struct arena;
struct buf;
struct calendar;
struct calendar_connector;
struct cluster_asked;

struct calendar_oof_ask {
    const struct calendar_who *who; /* asks; he has a person's document */
    const struct directory_person *owner;
    bool change;
};
/* Reads into *oof what struct store_calendar_account says of out of office, texts in arena; or,
 * with change, sets it so (calendar_oof_change()), on record where it is done. Where the account is
 * not in this store the other servers that hold it are asked, for as long as a free/busy question
 * may take. Blocks; not inside a transaction. ST_DENIED               that is the owner's, and of
 * who may act for him ST_INVALID, ST_TOO_BIG  as calendar_oof_change() ST_IO                   the
 * store failed, or no server that has the account answered: why gets a sentence, and a change may
 * have been made or not */
MUST_USE enum st calendar_oof_ask(struct calendar *calendar, struct arena *arena,
                                  const struct calendar_oof_ask *ask,
                                  struct store_calendar_account *oof, struct buf *why);

/* Answers such a question of another server; returns as a cluster_asked_fn does. Inside calendar/.
 */
MUST_USE enum st calendar_oof_serve(struct calendar_connector *connector,
                                    struct cluster_asked *asked);
