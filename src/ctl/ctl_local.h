/* ctl_local.h: the store opened by the command itself, while no server runs. Inside ctl/. */
#pragma once
#include "ctl/ctl_cmd.h"

struct store;
struct sys_user;

/* 0 where a server answers on the settings' socket, EX_UNAVAILABLE where none does; otherwise an
 * exit status with its sentence printed. Reads the settings. */
int ctl_local_find_server(struct ctl *ctl);
/* Becomes the user that the server runs as, where root calls, so that files come to belong to it;
 * opens the store. An exit status, the sentence printed. */
int ctl_local_open(struct ctl *ctl, bool create, struct store **store_r);
