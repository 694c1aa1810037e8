#include "directory/directory_auth.h"

#include "auth/auth_cache.h"
#include "auth/auth_throttle.h"
#include "base/buf.h"
#include "base/slice.h"
#include "conf/conf.h"
#include "log/log.h"
#include "net/net.h"
#include "sys/sys_time.h"
#include "sys/sys_tls.h"

#include <stdio.h>
#include <string.h>

#define THROTTLE_ENTRIES_MAX 16384

static enum st look_up(void *arg, struct slice name, struct auth_person *person_r)
{
    AUTO_DIRECTORY const struct directory *directory = directory_ref();
    const struct directory_person *person = directory_login(directory, name);

    (void)arg;
    if (person == NULL)
        return ST_NOT_FOUND;
    snprintf(person_r->name, sizeof(person_r->name), "%s", person->name);
    snprintf(person_r->yescrypt, sizeof(person_r->yescrypt), "%s", person->yescrypt);
    snprintf(person_r->scram, sizeof(person_r->scram), "%s", person->scram);
    /* Every server knows everybody of the domain: mail may be sent where the account does not lie.
     */
    person_r->disabled = person->disabled || (person->account_id == 0 && person->server_count == 0);
    return ST_OK;
}

void directory_auth_init(struct directory_auth *auth)
{
    const struct conf *conf = conf_get();
    struct auth_throttle_limits limits = {.window_ms = conf->auth_failures_ms,
                                          .address_failures_max = (unsigned)conf->auth_failures_max,
                                          .name_failures_max = (unsigned)conf->auth_failures_max,
                                          .entries_max = THROTTLE_ENTRIES_MAX};

    auth->throttle = auth_throttle_new(&limits);
    auth->cache = auth_cache_new();
}

void directory_auth_fini(struct directory_auth *auth)
{
    auth_throttle_free(&auth->throttle);
    auth_cache_free(&auth->cache);
}

static struct slice binding(struct sys_tls *tls, enum sys_tls_binding type,
                            char room[AUTH_BINDING_BYTES_MAX])
{
    AUTO(buf) struct buf out = BUF(AUTH_BINDING_BYTES_MAX);

    if (tls == NULL || sys_tls_channel_binding(tls, type, &out) != ST_OK)
        return SLICE("");
    memcpy(room, out.ptr, out.len);
    return (struct slice){room, out.len};
}

void directory_auth_options_at(struct directory_auth *auth, struct slice address,
                               bool plain_allowed, struct auth_options *options_r)
{
    *options_r = (struct auth_options){
        .lookup = look_up,
        .throttle = auth->throttle,
        .cache = auth->cache,
        .address = address,
        .now_ms = sys_mono_ms(),
        .plain_allowed = plain_allowed,
    };
}

void directory_auth_options(struct directory_auth *auth, struct conn *conn,
                            struct directory_auth_room *room, struct auth_options *options_r)
{
    struct sys_tls *tls = conn_tls_handle(conn);

    directory_auth_options_at(auth, slice_str(conn_peer(conn)),
                              tls != NULL || conf_get()->auth_plain_without_tls, options_r);
    options_r->tls_exporter = binding(tls, SYS_TLS_EXPORTER, room->exporter);
    options_r->tls_unique = binding(tls, SYS_TLS_UNIQUE, room->unique);
}

static enum log_id event_of(enum auth_why why)
{
    return why == AUTH_WHY_NONE        ? EV_AUTH_OK
           : why == AUTH_WHY_THROTTLED ? EV_AUTH_THROTTLED
                                       : EV_AUTH_FAILED;
}

void directory_auth_log_at(const struct directory_auth_at *at, struct slice name, enum auth_why why)
{
    const struct log_field detail = at->detail[0] != '\0' ? LOG_C("detail", at->detail) : LOG_NONE;

    log_event(event_of(why), 0, LOG_C("proto", "http"), LOG_C("mechanism", at->mechanism),
              LOG_S("name", name), LOG_C("peer", at->address), LOG_C("tls", at->tls ? "yes" : "no"),
              LOG_C("why", auth_why_name(why)), detail);
}

bool directory_auth_admits(const struct directory_person *person)
{
    uint64_t users_max = conf_get()->server_max_users;

    if (person != NULL && person->admin)
        return true;
    return conf_restriction() == CONF_OPEN &&
           (users_max == 0 || count_of(COUNT_SESSIONS) <= users_max);
}

void directory_auth_log(struct conn *conn, const char *proto, struct slice mechanism,
                        struct slice name, enum auth_why why)
{
    log_event(event_of(why), conn_sid(conn), LOG_C("proto", proto), LOG_S("mechanism", mechanism),
              LOG_S("name", name), LOG_C("peer", conn_peer(conn)),
              LOG_C("tls", conn_tls(conn) ? "yes" : "no"), LOG_C("why", auth_why_name(why)));
}
