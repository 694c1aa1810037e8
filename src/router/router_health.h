/* router_health.h: what is known of the hosts mail is sent to: which did not answer lately. Kept in
 * memory; any thread. */
#pragma once
#include "base/base.h"

struct router_health;

struct router_health *router_health_new(void);
void router_health_free(struct router_health **health);
/* At now_ms the host did not answer; until until_ms others are tried before it. */
void router_health_down(struct router_health *health, const char *host, uint16_t port,
                        int64_t now_ms, int64_t until_ms);
void router_health_up(struct router_health *health, const char *host, uint16_t port);
/* Whether it is to be tried after others; since when it has not answered in *since_ms_r. */
bool router_health_is_down(const struct router_health *health, const char *host, uint16_t port,
                           int64_t now_ms, int64_t *since_ms_r);
