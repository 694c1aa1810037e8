/* SASL exchanges against whatever a client may say: the first byte chooses mechanism and binding,
 * then come steps, each ended by a newline. What must hold: nobody gets in without alice's
 * password, which is not in any verifier here that an input could fit. */
#include "auth/auth_sasl.h"
#include "auth/auth_throttle.h"
#include "base/buf.h"
#include "base/slice.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Everybody is there, with a cheap crypt(5) string, so that no run derives a costly key. */
static enum st look_up(void *arg, struct slice name, struct auth_person *person)
{
    static const char keys[] =
        "SCRAM-SHA-256$4096:AAECAwQFBgcICQoLDA0ODw==$"
        "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    static const char cheap[] = "$1$saltsalt$!!!!!!!!!!!!!!!!!!!!!!";

    (void)arg;
    assert(name.len > 0 && name.len <= AUTH_NAME_BYTES_MAX);
    memcpy(person->name, name.ptr, name.len);
    memcpy(person->yescrypt, cheap, sizeof(cheap));
    if (name.ptr[0] != 'z')
        memcpy(person->scram, keys, sizeof(keys));
    person->disabled = name.ptr[0] == 'd';
    return name.ptr[0] == 'i' ? ST_IO : ST_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"};
    struct auth_options options = {
        .lookup = look_up, .address = SLICE("192.0.2.1"), .plain_allowed = true};
    struct auth_sasl *sasl;
    struct slice rest;
    struct slice said;
    enum st st = ST_AGAIN;
    AUTO(buf) struct buf out = BUF(8 * KIB);

    if (size == 0)
        return 0;
    if ((data[0] & 4) != 0)
        options.tls_exporter = SLICE("0123456789abcdef0123456789abcdef");
    if ((data[0] & 8) != 0)
        options.tls_unique = SLICE("0123456789ab");
    if (auth_sasl_new(&options, slice_str(names[(data[0] & 3) % COUNT(names)]), &sasl) != ST_OK)
        return 0;
    rest = (struct slice){(const char *)data + 1, size - 1};
    while (st == ST_AGAIN && slice_split(&rest, '\n', &said))
        st = auth_sasl_step(sasl, said, &out);
    if (st == ST_OK || (st != ST_AGAIN && out.len > 0))
        abort();
    auth_sasl_free(&sasl);
    return 0;
}
