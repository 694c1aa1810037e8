#include "admin/admin_call.h"
#include "conf/conf.h"
#include "directory/directory.h"
#include "log/log.h"
#include "store/store.h"
#include "sys/sys_time.h"

#include <unistd.h>

#define VALUE_BYTES_MAX 4096

static void count_person(void *ctx, const struct directory_person *person)
{
    uint64_t *count = ctx;

    *count += 1;
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

/* When this process began, by the clock that never steps. */
static uint64_t started_ms;

__attribute__((constructor)) static void note_start(void)
{
    started_ms = sys_mono_ms();
}

enum st admin_status(struct admin_call *call)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct admin_context *context = call->context;
    uint64_t persons = 0;

    directory_each(directory, count_person, &persons);
    call->reply = json_pack(
        "{s:s, s:s, s:i, s:o, s:s, s:s?, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "version",
        POSTHORSE_VERSION, "server_name", context->server_name, "pid", (int)getpid(), "uptime_ms",
        number(sys_mono_ms() - started_ms), "store", store_engine_name(context->store), "config",
        context->config_path, "persons", number(persons), "sessions",
        number(count_of(COUNT_SESSIONS)), "sessions_total", number(count_of(COUNT_SESSIONS_TOTAL)),
        "threads", number(count_of(COUNT_THREADS)), "threads_busy",
        number(count_of(COUNT_THREADS_BUSY)), "messages_accepted",
        number(count_of(COUNT_MESSAGES_ACCEPTED)), "messages_delivered",
        number(count_of(COUNT_MESSAGES_DELIVERED)), "store_commits",
        number(count_of(COUNT_STORE_COMMITS)));
    return call->reply != NULL ? ST_OK : ST_IO;
}

/* --- settings --- */

enum st admin_config_show(struct admin_call *call)
{
    const struct conf *conf = conf_get();
    json_t *settings = json_array();
    AUTO(buf) struct buf value = BUF(VALUE_BYTES_MAX);

    for (size_t i = 0; i < conf_field_count; i++) {
        const struct conf_field *field = &conf_fields[i];

        buf_clear(&value);
        conf_value_write(conf, field, &value);
        json_array_append_new(
            settings, json_pack("{s:s, s:o, s:b, s:b}", "name", field->name, "value",
                                admin_json_text(buf_slice(&value)), "changed",
                                !conf_same(conf, &conf_defaults, field), "reload", field->reload));
    }
    call->reply = json_pack("{s:o}", "settings", settings);
    return ST_OK;
}

enum st admin_config_reload(struct admin_call *call)
{
    if (call->context->reload == NULL)
        return admin_refuse(call, ST_DENIED, "this server cannot read its settings again");
    call->context->reload(call->context->reload_arg);
    return ST_OK;
}
