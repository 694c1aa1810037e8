/* Authorization headers, and names that GSSAPI might tell. What must hold: what is read of a header
 * is no longer than it; a person's name is a part of the name, of one of the realms, and has
 * neither separator in it. */
#include "base/buf.h"
#include "base/slice.h"
#include "http/http_negotiate.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct slice text = {(const char *)data, size};
    AUTO(buf) struct buf out = BUF(64 * KIB);
    enum http_scheme scheme;
    struct slice person;

    enum st st = http_negotiate_read(text, &scheme, &out);
    if (st == ST_OK && (out.len > size || (scheme <= HTTP_SCHEME_OTHER && out.len > 0)))
        abort();
    if (http_negotiate_person(text, SLICE("EXAMPLE.TEST CORP"), &person) &&
        (person.len == 0 || person.len >= size || slice_find(person, '@') != SIZE_MAX ||
         slice_find(person, '/') != SIZE_MAX || slice_find(person, '\\') != SIZE_MAX))
        abort();
    return 0;
}
