/* sys_notify.h: telling systemd how the service is (sd_notify(3), its datagram protocol). */
#pragma once
#include "base/base.h"

/* Sends the state, "READY=1" and the like, where NOTIFY_SOCKET names a socket; otherwise nothing.
 */
void sys_notify(const char *state);
