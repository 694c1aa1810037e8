#include "auth/auth_scram.h"

#include "auth/auth_password.h"
#include "auth/auth_sasl.h"
#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <ctype.h>
#include <pthread.h>

#define SCHEME "SCRAM-SHA-256$"
/* More would let an imported verifier keep a client computing for minutes. */
#define ROUNDS_MAX 10000000

static struct slice bytes_of(const unsigned char *bytes)
{
    return (struct slice){(const char *)bytes, SYS_SHA256_BYTES};
}

/* RFC 5802 section 3: StoredKey and ServerKey of a prepared password. */
static void keys_of(struct slice password, struct slice salt, unsigned char stored[],
                    unsigned char server[])
{
    static const struct slice client_label[] = {{"Client Key", 10}};
    static const struct slice server_label[] = {{"Server Key", 10}};
    unsigned char salted[SYS_SHA256_BYTES];
    unsigned char client[SYS_SHA256_BYTES];

    sys_pbkdf2_sha256(password, salt, AUTH_SCRAM_ROUNDS, salted, sizeof(salted));
    sys_hmac_sha256(bytes_of(salted), client_label, 1, client);
    sys_sha256(bytes_of(client), stored);
    sys_hmac_sha256(bytes_of(salted), server_label, 1, server);
    sys_secret_wipe(salted, sizeof(salted));
    sys_secret_wipe(client, sizeof(client));
}

static void write_verifier(struct slice salt, const unsigned char stored[],
                           const unsigned char server[], struct buf *out)
{
    buf_putf(out, SCHEME "%d:", AUTH_SCRAM_ROUNDS);
    out->over = out->over || text_base64(out, salt) != ST_OK;
    buf_put(out, SLICE("$"));
    out->over = out->over || text_base64(out, bytes_of(stored)) != ST_OK;
    buf_put(out, SLICE(":"));
    out->over = out->over || text_base64(out, bytes_of(server)) != ST_OK;
}

enum st auth_scram_make(struct slice password, struct buf *out)
{
    char salt[AUTH_SCRAM_SALT_BYTES];
    unsigned char stored[SYS_SHA256_BYTES];
    unsigned char server[SYS_SHA256_BYTES];
    struct buf text;

    if (password.len == 0 || password.len > AUTH_PASSWORD_BYTES_MAX)
        return ST_INVALID;
    buf_init(&text, (size_t)AUTH_PASSWORD_BYTES_MAX * 4);
    enum st st = auth_saslprep(password, true, &text);
    if (st == ST_OK) {
        sys_random(salt, sizeof(salt));
        keys_of(buf_slice(&text), (struct slice){salt, sizeof(salt)}, stored, server);
        write_verifier((struct slice){salt, sizeof(salt)}, stored, server, out);
        st = out->over ? ST_TOO_BIG : ST_OK;
    }
    if (text.ptr != NULL)
        sys_secret_wipe(text.ptr, text.cap);
    buf_fini(&text);
    return st;
}

/* Whether the text is base64 of that many bytes, or of any positive number where len is 0. */
static bool is_base64(struct slice text, size_t len)
{
    AUTO(buf) struct buf bytes = BUF(1000);

    return text_unbase64(&bytes, text) == ST_OK && bytes.len > 0 && (len == 0 || bytes.len == len);
}

enum st auth_scram_parse(struct slice text, struct auth_scram *scram_r)
{
    struct slice rest = text;
    struct slice rounds;
    struct slice salt;
    struct slice stored;
    uint64_t n;

    if (!slice_starts(text, SLICE(SCHEME)))
        return ST_INVALID;
    rest = slice_sub(text, sizeof(SCHEME) - 1, SIZE_MAX);
    if (!slice_split(&rest, ':', &rounds) || !slice_split(&rest, '$', &salt) ||
        !slice_split(&rest, ':', &stored) || rest.ptr == NULL)
        return ST_INVALID;
    if (slice_to_u64(rounds, &n) != ST_OK || n == 0 || n > ROUNDS_MAX)
        return ST_INVALID;
    if (!is_base64(salt, 0) || !is_base64(stored, SYS_SHA256_BYTES) ||
        !is_base64(rest, SYS_SHA256_BYTES))
        return ST_INVALID;
    *scram_r = (struct auth_scram){(unsigned)n, salt, stored, rest};
    return ST_OK;
}

static unsigned char fake_key[SYS_SHA256_BYTES];

static void fake_init(void)
{
    sys_random(fake_key, sizeof(fake_key));
}

enum st auth_scram_fake_salt(struct slice name, struct buf *out)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    unsigned char salt[SYS_SHA256_BYTES];
    char lower[256];
    size_t len = name.len < sizeof(lower) ? name.len : sizeof(lower);

    for (size_t i = 0; i < len; i++) /* a person there is has one salt in either case */
        lower[i] = (char)tolower((unsigned char)name.ptr[i]);
    name = (struct slice){lower, len};
    pthread_once(&once, fake_init);
    sys_hmac_sha256(bytes_of(fake_key), &name, 1, salt);
    return text_base64(out, (struct slice){(const char *)salt, AUTH_SCRAM_SALT_BYTES});
}
