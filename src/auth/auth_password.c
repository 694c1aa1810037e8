#include "auth/auth_password.h"

#include "auth/auth_sasl.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <crypt.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* yescrypt takes 16 MiB while it runs; a storm of log-ins may not take that times the threads. */
#define AT_ONCE_MAX 4
#define METHOD "$y$"
#define SALT_BYTES 16

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_open = PTHREAD_COND_INITIALIZER;
static unsigned inside;
static atomic_uint_fast64_t derivations;

static void enter(void)
{
    pthread_mutex_lock(&gate);
    while (inside == AT_ONCE_MAX)
        pthread_cond_wait(&gate_open, &gate);
    inside++;
    pthread_mutex_unlock(&gate);
}

static void leave(void)
{
    pthread_mutex_lock(&gate);
    inside--;
    pthread_cond_signal(&gate_open);
    pthread_mutex_unlock(&gate);
}

/* The one call of crypt(3). False: the setting is no good. */
static bool derive(const char *password, const char *setting, char out[CRYPT_OUTPUT_SIZE])
{
    struct crypt_data *data = mem_new(struct crypt_data);

    enter();
    const char *made = crypt_rn(password, setting, data, (int)sizeof(*data));
    leave();
    if (made != NULL) {
        atomic_fetch_add(&derivations, 1);
        memcpy(out, made, strlen(made) + 1);
    }
    sys_secret_wipe(data, sizeof(*data));
    mem_free(data);
    return made != NULL;
}

static bool new_setting(char out[CRYPT_GENSALT_OUTPUT_SIZE])
{
    char salt[SALT_BYTES];

    sys_random(salt, sizeof(salt));
    return crypt_gensalt_rn(METHOD, 0, salt, sizeof(salt), out, CRYPT_GENSALT_OUTPUT_SIZE) != NULL;
}

/* Appends the prepared password; where there is none, something to spend the time on. */
static enum st prepare(struct slice password, bool stored, struct buf *out)
{
    if (password.len == 0 || password.len > AUTH_PASSWORD_BYTES_MAX)
        return ST_INVALID;
    enum st st = auth_saslprep(password, stored, out);
    /* crypt(3) knows no longer ones. */
    return st == ST_OK && out->len >= CRYPT_MAX_PASSPHRASE_SIZE ? ST_INVALID : st;
}

static void wipe(struct buf *buf)
{
    if (buf->ptr != NULL)
        sys_secret_wipe(buf->ptr, buf->cap);
    buf_fini(buf);
}

enum st auth_password_make(struct slice password, struct buf *out)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    char made[CRYPT_OUTPUT_SIZE];
    struct buf text;

    buf_init(&text, CRYPT_MAX_PASSPHRASE_SIZE * 4);
    enum st st = prepare(password, true, &text);
    if (st == ST_OK && (!new_setting(setting) || !derive(text.ptr, setting, made)))
        st = ST_INVALID;
    if (st == ST_OK)
        st = buf_add(out, slice_str(made));
    wipe(&text);
    return st;
}

static char nobody_setting[CRYPT_GENSALT_OUTPUT_SIZE];

static void nobody_init(void)
{
    if (!new_setting(nobody_setting))
        abort(); /* every libxcrypt has yescrypt */
}

static const char *nobody(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, nobody_init);
    return nobody_setting;
}

bool auth_password_check(const char *yescrypt, struct slice password)
{
    char made[CRYPT_OUTPUT_SIZE];
    struct buf text;

    buf_init(&text, CRYPT_MAX_PASSPHRASE_SIZE * 4);
    bool known = prepare(password, false, &text) == ST_OK;
    bool same = known && yescrypt[0] != '\0' && derive(text.ptr, yescrypt, made);
    if (same)
        same = sys_secret_eq(slice_str(made), slice_str(yescrypt));
    else /* no such verifier: the time is spent all the same */
        (void)derive("", nobody(), made);
    sys_secret_wipe(made, sizeof(made));
    wipe(&text);
    return same;
}

void auth_password_check_nobody(struct slice password)
{
    (void)auth_password_check("", password);
}

uint64_t auth_password_derivations(void)
{
    return atomic_load(&derivations);
}
