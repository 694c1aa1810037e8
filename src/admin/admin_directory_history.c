#include "admin/admin_directory.h"

#include "cluster/cluster.h"
#include "directory/directory.h"
#include "directory/directory_check.h"
#include "directory/directory_lint.h"
#include "health/health.h"
#include "store/store_document.h"
#include "sys/sys_time.h"

struct telling {
    struct admin_subject subject;
    bool texts;
    json_t *versions;
};

static enum st tell_version(void *ctx, const struct store_document *stored)
{
    const struct telling *telling = ctx;
    AUTO(buf) struct buf text = BUF(2 * ADMIN_DOCUMENT_BYTES_MAX);
    json_t *version = json_pack(
        "{s:I, s:o, s:o, s:b, s:b, s:I}", "modified_ms", (json_int_t)stored->modified_ms, "server",
        admin_json_text(stored->server), "editor", admin_json_text(stored->editor), "removed",
        stored->removed, "lost", stored->lost, "bytes", (json_int_t)stored->body.len);

    if (telling->texts) {
        directory_check_hide(stored->body, &text);
        json_object_set_new(version, "text", admin_json_text(buf_slice(&text)));
    }
    json_array_append_new(telling->versions, version);
    return ST_OK;
}

static enum st history_body(struct store_tx *tx, void *arg)
{
    struct telling *telling = arg;

    json_array_clear(telling->versions);
    return store_document_history(tx, telling->subject.kind_name, telling->subject.name,
                                  tell_version, telling);
}

enum st admin_directory_history(struct admin_call *call)
{
    struct telling telling = {.texts = false};
    enum st st = admin_directory_subject(call, &telling.subject);

    if (st == ST_OK)
        st = admin_arg_bool(call, "texts", &telling.texts);
    if (st != ST_OK)
        return st;
    telling.versions = json_array();
    st = store_read(call->context->store, history_body, &telling);
    call->reply = json_pack("{s:o}", "versions", telling.versions);
    return st == ST_NOT_FOUND ? admin_directory_none(&telling.subject, ", and there never was one")
                              : st;
}

/* --- lint --- */

static enum st look_at(void *ctx, const struct store_document *stored)
{
    directory_lint_add(ctx, stored->kind, stored->name, stored->modified_ms, stored->body);
    return ST_OK;
}

static enum st lint_body(struct store_tx *tx, void *arg)
{
    struct directory_lint **lint = arg;

    directory_lint_free(lint);
    *lint = directory_lint_new();
    return store_document_each(tx, look_at, *lint);
}

static void tell_finding(void *ctx, struct slice kind, struct slice name, struct slice sentence)
{
    json_array_append_new(ctx,
                          json_pack("{s:o, s:o, s:o}", "kind", admin_json_text(kind), "name",
                                    admin_json_text(name), "finding", admin_json_text(sentence)));
}

/* --- whom nobody reaches now --- */

struct reaching {
    json_t *findings;
    const struct health_view *view;
    uint64_t now_ms;
};

static void tell_unreached(void *ctx, const struct directory_person *person)
{
    const struct reaching *reaching = ctx;
    bool reached = person->account_id != 0 || person->server_count == 0;

    for (unsigned i = 0; i < person->server_count && !reached; i++) {
        struct health_look look = health_of(reaching->view, person->servers[i], reaching->now_ms);

        reached = look.state != HEALTH_DOWN;
    }
    if (!reached)
        tell_finding(reaching->findings, SLICE("person"), slice_str(person->name),
                     SLICE("every server that holds the account is down: its mail waits"));
}

static void find_unreached(struct admin_call *call, json_t *findings)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    struct reaching reaching = {.findings = findings, .now_ms = sys_mono_ms()};

    if (call->context->cluster == NULL)
        return;
    reaching.view = health_view_ref(cluster_health(call->context->cluster));
    directory_each(directory, tell_unreached, &reaching);
    health_view_unref(&reaching.view);
}

enum st admin_directory_lint(struct admin_call *call)
{
    struct directory_lint *lint = NULL;
    json_t *findings = json_array();
    enum st st = store_read(call->context->store, lint_body, &lint);

    if (st == ST_OK)
        directory_lint_run(lint, tell_finding, findings);
    if (st == ST_OK)
        find_unreached(call, findings);
    directory_lint_free(&lint);
    call->reply = json_pack("{s:o}", "findings", findings);
    return st;
}
