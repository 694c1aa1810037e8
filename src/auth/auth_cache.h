/* auth_cache.h: which passwords were right lately, so that the next log-in need not derive a key.
 */
#pragma once
#include "base/base.h"

#define AUTH_CACHE_ENTRIES_MAX 4096
#define AUTH_CACHE_AGE_MS (10 * MIN_MS)

/* Holds no password and no name, only HMACs under a key of this object; a changed verifier is a
 * miss. Bounded: the oldest goes. Safe to use from many threads. */
struct auth_cache;
struct auth_cache *auth_cache_new(void);
void auth_cache_free(struct auth_cache **cache); /* sets *cache to NULL */
/* Whether auth_cache_add() was called with the same three at most AUTH_CACHE_AGE_MS before now. */
bool auth_cache_has(struct auth_cache *cache, struct slice name, struct slice password,
                    const char *verifier, uint64_t now_ms);
void auth_cache_add(struct auth_cache *cache, struct slice name, struct slice password,
                    const char *verifier, uint64_t now_ms);
