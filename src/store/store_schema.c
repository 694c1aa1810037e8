#include "base/buf.h"
#include "base/slice.h"
#include "log/log.h"
#include "store/store_engine.h"
#include "sys/sys_random.h"

#include <stdio.h>
#include <stdlib.h>

/* Numbered from 1; one that was ever released is never changed. What stands between @s is the only
 * difference between the engines: a running key, bytes, text in byte order, how a table keyed by
 * itself ends, and that the chunks are packed already. */
static const char migration_1[] =
    "CREATE TABLE document (kind @TEXT@ NOT NULL, name @TEXT@ NOT NULL, modified_ms BIGINT NOT "
    "NULL, "
    " body @TEXT@ NOT NULL, PRIMARY KEY (kind, name));"
    "CREATE TABLE account (account_id @ID@, name @TEXT@ NOT NULL UNIQUE, guid @TEXT@ NOT NULL, "
    " modseq BIGINT NOT NULL, uidvalidity BIGINT NOT NULL, created_ms BIGINT NOT NULL, "
    " bytes_used BIGINT NOT NULL, message_count BIGINT NOT NULL);"
    "CREATE TABLE keyword (account_id BIGINT NOT NULL, bit BIGINT NOT NULL, name @TEXT@ NOT NULL, "
    " PRIMARY KEY (account_id, bit));"
    "CREATE TABLE folder (folder_id @ID@, account_id BIGINT NOT NULL, name @TEXT@ NOT NULL, "
    " guid @TEXT@ NOT NULL, uidvalidity BIGINT NOT NULL, uidnext BIGINT NOT NULL, recent_uid "
    "BIGINT "
    "NOT NULL, "
    " modseq BIGINT NOT NULL, message_count BIGINT NOT NULL, special_use @TEXT@ NOT NULL, "
    " UNIQUE (account_id, name));"
    "CREATE TABLE subscription (account_id BIGINT NOT NULL, name @TEXT@ NOT NULL, "
    " PRIMARY KEY (account_id, name)) @END@;"
    "CREATE TABLE blob (blob_id @ID@, bytes BIGINT NOT NULL, sha256 @BYTES@ NOT NULL, "
    " chunk_count BIGINT NOT NULL, staged_ms BIGINT NOT NULL, envelope @BYTES@ NOT NULL, "
    " structure @BYTES@ NOT NULL);"
    "CREATE INDEX blob_staged ON blob (staged_ms) WHERE staged_ms > 0;"
    "CREATE TABLE chunk (chunk_id BIGINT NOT NULL PRIMARY KEY, data @BYTES@ NOT NULL)@PACKED@;"
    "CREATE TABLE message (folder_id BIGINT NOT NULL, uid BIGINT NOT NULL, account_id BIGINT NOT "
    "NULL, "
    " guid @TEXT@ NOT NULL, blob_id BIGINT NOT NULL REFERENCES blob (blob_id), modseq BIGINT NOT "
    "NULL, "
    " flags BIGINT NOT NULL, date_s BIGINT NOT NULL, date_zone_min BIGINT NOT NULL, bytes BIGINT "
    "NOT NULL, "
    " saved_ms BIGINT NOT NULL, PRIMARY KEY (folder_id, uid)) @END@;"
    "CREATE INDEX message_modseq ON message (folder_id, modseq);"
    "CREATE INDEX message_blob ON message (blob_id);"
    "CREATE TABLE tombstone (folder_id BIGINT NOT NULL, modseq BIGINT NOT NULL, uid BIGINT NOT "
    "NULL, "
    " PRIMARY KEY (folder_id, modseq, uid)) @END@;"
    "CREATE TABLE commit_key (commit_key @BYTES@ NOT NULL PRIMARY KEY, at_ms BIGINT NOT NULL) "
    "@END@;";

static const char migration_2[] =
    "CREATE TABLE server (server_id @ID@, name @TEXT@ NOT NULL UNIQUE, lease_until_ms BIGINT NOT "
    "NULL);"
    "CREATE TABLE destination (destination_id @ID@, server_id BIGINT NOT NULL, name @TEXT@ NOT "
    "NULL, "
    " attempts BIGINT NOT NULL, next_ms BIGINT NOT NULL, answer @TEXT@ NOT NULL);"
    "CREATE INDEX destination_name ON destination (server_id, name);"
    "CREATE TABLE envelope (envelope_id BIGINT NOT NULL PRIMARY KEY REFERENCES blob (blob_id), "
    " guid @TEXT@ NOT NULL, sender @TEXT@ NOT NULL, envid @TEXT@ NOT NULL, "
    " message_id @TEXT@ NOT NULL, origin @TEXT@ NOT NULL, flags BIGINT NOT NULL, "
    " bytes BIGINT NOT NULL, priority BIGINT NOT NULL, accepted_ms BIGINT NOT NULL, "
    " body_offset BIGINT NOT NULL, rcpt_count BIGINT NOT NULL) @END@;"
    "CREATE TABLE rcpt (envelope_id BIGINT NOT NULL, rcpt_no BIGINT NOT NULL, "
    " destination_id BIGINT NOT NULL, address @TEXT@ NOT NULL, orcpt @TEXT@ NOT NULL, "
    " notify BIGINT NOT NULL, state BIGINT NOT NULL, warned BIGINT NOT NULL, "
    " priority BIGINT NOT NULL, attempts BIGINT NOT NULL, next_ms BIGINT NOT NULL, "
    " answer @TEXT@ NOT NULL, PRIMARY KEY (envelope_id, rcpt_no)) @END@;"
    "CREATE INDEX rcpt_due ON rcpt (destination_id, priority, next_ms);";

static const char migration_3[] =
    "ALTER TABLE account ADD COLUMN epoch BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE account ADD COLUMN imap_off BIGINT NOT NULL DEFAULT 0;";

static const char migration_4[] =
    "ALTER TABLE document ADD COLUMN server @TEXT@ NOT NULL DEFAULT '';"
    "ALTER TABLE document ADD COLUMN editor @TEXT@ NOT NULL DEFAULT '';"
    "ALTER TABLE document ADD COLUMN parent_ms BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE document ADD COLUMN parent_server @TEXT@ NOT NULL DEFAULT '';"
    "ALTER TABLE document ADD COLUMN removed BIGINT NOT NULL DEFAULT 0;"
    "ALTER TABLE document ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;"
    "UPDATE document SET seq = numbered.n FROM (SELECT kind AS k, name AS m, "
    " ROW_NUMBER() OVER (ORDER BY kind, name) AS n FROM document) AS numbered "
    " WHERE kind = numbered.k AND name = numbered.m;"
    "CREATE INDEX document_seq ON document (seq);"
    "CREATE TABLE document_history (kind @TEXT@ NOT NULL, name @TEXT@ NOT NULL, modified_ms BIGINT "
    "NOT NULL, "
    " body @TEXT@ NOT NULL, server @TEXT@ NOT NULL, editor @TEXT@ NOT NULL, parent_ms BIGINT NOT "
    "NULL, "
    " parent_server @TEXT@ NOT NULL, removed BIGINT NOT NULL, seq BIGINT NOT NULL, "
    " PRIMARY KEY (kind, name, modified_ms, server));"
    "CREATE INDEX document_history_seq ON document_history (seq);"
    "CREATE TABLE document_counter (counter_id BIGINT NOT NULL PRIMARY KEY, seq BIGINT NOT NULL);"
    "INSERT INTO document_counter (counter_id, seq) SELECT 1, COALESCE(MAX(seq), 0) FROM document;";

/* What other servers of the domain handed over, for each recipient: taken once. */
static const char migration_5[] =
    "CREATE TABLE handed (handed_key @BYTES@ NOT NULL PRIMARY KEY, at_ms BIGINT NOT NULL) @END@;"
    "CREATE INDEX handed_at ON handed (at_ms);";

/* Copies of other servers' messages, and which of ours are elsewhere. */
static const char migration_6[] =
    "ALTER TABLE envelope ADD COLUMN shadow @TEXT@ NOT NULL DEFAULT '';"
    "CREATE INDEX envelope_shadow ON envelope (shadow, guid) WHERE shadow <> '';"
    "CREATE TABLE shadow_unsettled (server @TEXT@ NOT NULL PRIMARY KEY) @END@;"
    "CREATE TABLE shadow (blob_id BIGINT NOT NULL PRIMARY KEY REFERENCES blob (blob_id), "
    " owner @TEXT@ NOT NULL, guid @TEXT@ NOT NULL, sender @TEXT@ NOT NULL, envid @TEXT@ NOT NULL, "
    " message_id @TEXT@ NOT NULL, origin @TEXT@ NOT NULL, flags BIGINT NOT NULL, "
    " bytes BIGINT NOT NULL, priority BIGINT NOT NULL, accepted_ms BIGINT NOT NULL, "
    " body_offset BIGINT NOT NULL, rcpt_count BIGINT NOT NULL, stored_ms BIGINT NOT NULL) @END@;"
    "CREATE UNIQUE INDEX shadow_owner ON shadow (owner, guid);"
    "CREATE TABLE shadow_rcpt (blob_id BIGINT NOT NULL, rcpt_no BIGINT NOT NULL, "
    " address @TEXT@ NOT NULL, orcpt @TEXT@ NOT NULL, notify BIGINT NOT NULL, "
    " state BIGINT NOT NULL, answer @TEXT@ NOT NULL, PRIMARY KEY (blob_id, rcpt_no)) @END@;"
    "CREATE TABLE shadow_taken (owner @TEXT@ NOT NULL, guid @TEXT@ NOT NULL, "
    " taken_ms BIGINT NOT NULL, PRIMARY KEY (owner, guid)) @END@;";

/* Calendars. A thing that is gone keeps its name, so that one that comes back is not both. What
 * each delivery must know of calendar_account stands beside the numbers it takes (account.oof). */
static const char migration_7[] =
    "ALTER TABLE account ADD COLUMN oof BIGINT NOT NULL DEFAULT 0;"
    "CREATE TABLE calendar (calendar_id @ID@, account_id BIGINT NOT NULL, name @TEXT@ NOT NULL, "
    " kind BIGINT NOT NULL, modseq BIGINT NOT NULL, created_ms BIGINT NOT NULL, "
    " components BIGINT NOT NULL, transparent BIGINT NOT NULL, sort BIGINT NOT NULL, "
    " title @TEXT@ NOT NULL, description @TEXT@ NOT NULL, color @TEXT@ NOT NULL, "
    " zone @TEXT@ NOT NULL, props @TEXT@ NOT NULL, UNIQUE (account_id, name));"
    "CREATE TABLE calendar_grant (account_id BIGINT NOT NULL, calendar_id BIGINT NOT NULL, "
    " grantee @TEXT@ NOT NULL, rights BIGINT NOT NULL, "
    " PRIMARY KEY (account_id, calendar_id, grantee)) @END@;"
    "CREATE INDEX calendar_grant_to ON calendar_grant (grantee);"
    "CREATE TABLE calendar_account (account_id BIGINT NOT NULL PRIMARY KEY, "
    " default_calendar_id BIGINT NOT NULL, zone @TEXT@ NOT NULL, availability @TEXT@ NOT NULL, "
    " oof BIGINT NOT NULL, oof_from_ms BIGINT NOT NULL, oof_until_ms BIGINT NOT NULL, "
    " oof_external BIGINT NOT NULL, oof_inside_text @TEXT@ NOT NULL, "
    " oof_outside_text @TEXT@ NOT NULL);"
    "CREATE TABLE event (event_id @ID@, calendar_id BIGINT NOT NULL, account_id BIGINT NOT NULL, "
    " name @TEXT@ NOT NULL, uid @TEXT@ NOT NULL, kind BIGINT NOT NULL, modseq BIGINT NOT NULL, "
    " schedule_tag BIGINT NOT NULL, flags BIGINT NOT NULL, first_s BIGINT NOT NULL, "
    " last_s BIGINT NOT NULL, from_s BIGINT NOT NULL, until_s BIGINT NOT NULL, "
    " created_ms BIGINT NOT NULL, modified_ms BIGINT NOT NULL, bytes BIGINT NOT NULL, "
    " body @BYTES@ NOT NULL, UNIQUE (calendar_id, name));"
    "CREATE INDEX event_uid ON event (account_id, uid);"
    "CREATE INDEX event_modseq ON event (calendar_id, modseq);"
    "CREATE INDEX event_until ON event (until_s) WHERE until_s < 9223372036854775807;"
    "CREATE TABLE event_gone (calendar_id BIGINT NOT NULL, name @TEXT@ NOT NULL, "
    " modseq BIGINT NOT NULL, PRIMARY KEY (calendar_id, name)) @END@;"
    "CREATE INDEX event_gone_modseq ON event_gone (calendar_id, modseq);"
    "CREATE TABLE busytime (account_id BIGINT NOT NULL, start_s BIGINT NOT NULL, "
    " event_id BIGINT NOT NULL, end_s BIGINT NOT NULL, calendar_id BIGINT NOT NULL, "
    " kind BIGINT NOT NULL, id_s BIGINT NOT NULL, "
    " PRIMARY KEY (account_id, start_s, event_id, end_s)) @END@;"
    "CREATE TABLE calendar_task (task_id @ID@, account_id BIGINT NOT NULL, kind BIGINT NOT NULL, "
    " next_ms BIGINT NOT NULL, attempts BIGINT NOT NULL, blob_id BIGINT NOT NULL, "
    " sender @TEXT@ NOT NULL, rcpt @TEXT@ NOT NULL, body @BYTES@ NOT NULL);"
    "CREATE INDEX calendar_task_due ON calendar_task (next_ms);"
    "CREATE INDEX calendar_task_blob ON calendar_task (blob_id) WHERE blob_id <> 0;"
    "CREATE TABLE calendar_log (line_id @ID@, account_id BIGINT NOT NULL, at_ms BIGINT NOT NULL, "
    " uid @TEXT@ NOT NULL, text @TEXT@ NOT NULL);"
    "CREATE INDEX calendar_log_account ON calendar_log (account_id, line_id);"
    "CREATE TABLE oof_replied (account_id BIGINT NOT NULL, sender @TEXT@ NOT NULL, "
    " at_ms BIGINT NOT NULL, PRIMARY KEY (account_id, sender)) @END@;";

/* How far servers have each other's documents. */
static const char migration_8[] =
    "CREATE TABLE document_epoch (number BIGINT NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL, "
    " server @TEXT@ NOT NULL, seq BIGINT NOT NULL);"
    "CREATE TABLE document_seen (server @TEXT@ NOT NULL PRIMARY KEY, epoch BIGINT NOT NULL, "
    " seq BIGINT NOT NULL) @END@;";

/* Tasks that may be done together. */
static const char migration_9[] =
    "ALTER TABLE calendar_task ADD COLUMN topic @TEXT@ NOT NULL DEFAULT '';"
    "CREATE INDEX calendar_task_topic ON calendar_task (topic, task_id) WHERE topic <> '';";

static const char *const migrations[] = {migration_1, migration_2, migration_3,
                                         migration_4, migration_5, migration_6,
                                         migration_7, migration_8, migration_9};

static const char meta_table[] =
    "CREATE TABLE IF NOT EXISTS meta (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)";

struct migrating {
    struct buf *why;
    int from;
    int to;
};

static struct slice token_meaning(const struct store_engine *engine, struct slice token)
{
    if (slice_eq(token, SLICE("ID")))
        return slice_str(engine->type_id);
    if (slice_eq(token, SLICE("BYTES")))
        return slice_str(engine->type_bytes);
    if (slice_eq(token, SLICE("TEXT")))
        return slice_str(engine->type_text);
    if (slice_eq(token, SLICE("PACKED")))
        return slice_str(engine->chunk_packed);
    assert(slice_eq(token, SLICE("END")));
    return slice_str(engine->table_end);
}

static enum st run_migration(struct store_tx *tx, const char *text)
{
    AUTO(buf) struct buf sql = BUF(64 * KIB);
    struct slice rest = slice_str(text);
    struct slice part;
    bool token = false;

    for (; slice_split(&rest, '@', &part); token = !token)
        buf_put(&sql, token ? token_meaning(tx->store->engine, part) : part);
    return sql.over ? ST_TOO_BIG : store_script(tx, sql.ptr);
}

int store_schema_version(void)
{
    return (int)COUNT(migrations);
}

/* 0: there is no such row. */
static enum st read_number(struct store_tx *tx, const char *name, int *version_r)
{
    struct store_rows *rows = store_rows_open(tx, S_META_GET, SV_C(name));
    uint64_t version = 0;
    bool bad = false;

    if (store_rows_next(rows))
        bad = slice_to_u64(store_rows_bytes(rows, 0), &version) != ST_OK || version > 1000000;
    *version_r = (int)version;
    enum st st = store_rows_close(&rows);
    return st == ST_OK && bad ? ST_INVALID : st;
}

static enum st write_meta(struct store_tx *tx, int version)
{
    char text[16];
    char guid[SYS_GUID_HEX + 1];
    enum st st = ST_OK;

    snprintf(text, sizeof(text), "%d", version);
    if (version == 1) {
        sys_guid(guid);
        st = store_exec(tx, S_META_PUT, NULL, SV_C("store_guid"), SV_C(guid));
    }
    return st != ST_OK ? st : store_exec(tx, S_META_PUT, NULL, SV_C("schema_version"), SV_C(text));
}

static enum st migrate(struct store_tx *tx, void *arg)
{
    struct migrating *migrating = arg;
    int restoring = 0;

    buf_clear(migrating->why);
    enum st st = store_script(tx, meta_table);
    if (st == ST_OK)
        st = read_number(tx, "schema_version", &migrating->from);
    if (st == ST_OK)
        st = read_number(tx, STORE_META_RESTORING, &restoring);
    if (st != ST_OK)
        return st;
    migrating->to = migrating->from;
    if (migrating->from > (int)COUNT(migrations)) {
        buf_putf(
            migrating->why,
            "the store was made by a newer version of posthorse (schema %d, this one knows %d); "
            "install that version",
            migrating->from, (int)COUNT(migrations));
        return ST_INVALID;
    }
    if (restoring != 0) {
        buf_put(migrating->why, SLICE("restoring a backup into this store was not finished; remove "
                                      "the store and restore anew"));
        return ST_INVALID;
    }
    for (; st == ST_OK && migrating->to < (int)COUNT(migrations); migrating->to++) {
        st = run_migration(tx, migrations[migrating->to]);
        if (st == ST_OK)
            st = write_meta(tx, migrating->to + 1);
    }
    return st;
}

enum st store_migrate(struct store *store, struct buf *why)
{
    struct migrating migrating = {.why = why};
    enum st st = store_write(store, migrate, &migrating);

    if (st == ST_OK && migrating.to != migrating.from)
        log_event(EV_STORE_MIGRATED, 0, LOG_I("from", migrating.from), LOG_I("to", migrating.to));
    if (st != ST_OK && why->len == 0)
        buf_put(why, SLICE("the store's schema cannot be read or brought up to date"));
    return st;
}
