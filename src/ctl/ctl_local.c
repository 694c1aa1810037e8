#include "ctl/ctl_local.h"

#include "base/buf.h"
#include "ctl/ctl_client.h"
#include "log/log.h"
#include "store/store.h"
#include "sys/sys_user.h"

int ctl_local_find_server(struct ctl *ctl)
{
    AUTO(buf) struct buf why = BUF(4 * KIB);
    int exit = ctl_connect(ctl);

    if (exit != EX_OK)
        return exit;
    exit = ctl_client_run(ctl->client, &(struct ctl_request){.path = "/v1/status"}, &why);
    return exit == EX_OK || exit == EX_UNAVAILABLE ? exit : ctl_fail(exit, "%s", why.ptr);
}

int ctl_local_open(struct ctl *ctl, bool create, struct store **store_r)
{
    const struct store_options options = {.where = ctl->conf.store,
                                          .data_dir = ctl->conf.data_dir,
                                          .connections_max = ctl->conf.store_connections_max,
                                          .retry_ms = ctl->conf.store_retry_ms,
                                          .create = create};
    AUTO(buf) struct buf why = BUF(4 * KIB);
    struct sys_user user;

    log_level_set(LOG_ERROR);
    conf_use(&ctl->conf);
    if (sys_user_find(ctl->conf.user, &user, &why) != ST_OK ||
        sys_user_become(&user, &why) != ST_OK)
        return ctl_fail(EX_OSERR, "%s", why.ptr);
    enum st st = store_open(&options, &why, store_r);
    if (st == ST_OK)
        store_set_root(*store_r, conf_uidvalidity_root(&ctl->conf));
    return st == ST_OK ? EX_OK : ctl_fail(ctl_exit_of(st), "%s", why.ptr);
}
