#include "auth/auth_sasl_client.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/text.h"
#include "sys/sys_hash.h"

#include <gsasl.h>
#include <pthread.h>
#include <stdlib.h>

struct mechanism {
    const char *name;
    bool plain;   /* shows the password to the server */
    bool binding; /* wants a channel binding */
    bool begins;
};

/* Best first. */
static const struct mechanism mechanisms[] = {
    {"SCRAM-SHA-256-PLUS", false, true, true},
    {"SCRAM-SHA-256", false, false, true},
    {"PLAIN", true, false, true},
    {"LOGIN", true, false, false},
};

struct auth_sasl_client {
    const struct mechanism *mechanism;
    Gsasl_session *session;
    char *exporter; /* channel bindings in base64; NULL: none */
    char *unique;
    bool done; /* libgsasl has nothing more to say */
};

/* libgsasl asks for the channel bindings while it makes the session, before a session can know
 * whose it is. */
static _Thread_local const struct auth_sasl_client *starting;

static int answer(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    const struct auth_sasl_client *client = gsasl_session_hook_get(session);
    const char *value = NULL;

    (void)context;
    if (client == NULL)
        client = starting;
    if (property == GSASL_CB_TLS_EXPORTER)
        value = client->exporter;
    if (property == GSASL_CB_TLS_UNIQUE)
        value = client->unique;
    if (value == NULL)
        return GSASL_NO_CALLBACK;
    return gsasl_property_set(session, property, value);
}

static Gsasl *context;

static void context_init(void)
{
    if (gsasl_init(&context) != GSASL_OK)
        abort(); /* out of memory */
    gsasl_callback_set(context, answer);
}

static bool is_offered(struct slice offered, const char *name)
{
    struct slice rest = offered;
    struct slice word;

    while (slice_split(&rest, ' ', &word))
        if (slice_ieq(word, slice_str(name)))
            return true;
    return false;
}

static enum st choose(const struct auth_sasl_client_options *options,
                      const struct mechanism **mechanism_r)
{
    bool bound = options->tls_exporter.len > 0 || options->tls_unique.len > 0;
    enum st st = ST_NOT_FOUND;

    for (size_t i = 0; i < COUNT(mechanisms); i++) {
        const struct mechanism *mechanism = &mechanisms[i];

        if (!is_offered(options->offered, mechanism->name) || (mechanism->binding && !bound))
            continue;
        if (!mechanism->plain || options->plain_allowed) {
            *mechanism_r = mechanism;
            return ST_OK;
        }
        st = ST_DENIED;
    }
    return st;
}

static char *in_base64(struct slice bytes)
{
    AUTO(buf) struct buf text = BUF(KIB);

    if (bytes.len == 0 || text_base64(&text, bytes) != ST_OK)
        return NULL;
    return mem_copy(buf_slice(&text));
}

static void set(Gsasl_session *session, Gsasl_property property, struct slice value)
{
    if (gsasl_property_set_raw(session, property, value.ptr, value.len) != GSASL_OK)
        abort(); /* out of memory */
}

enum st auth_sasl_client_new(const struct auth_sasl_client_options *options,
                             struct auth_sasl_client **client_r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct mechanism *mechanism = NULL;

    *client_r = NULL;
    pthread_once(&once, context_init);
    enum st st = choose(options, &mechanism);
    if (st != ST_OK)
        return st;
    struct auth_sasl_client *client = mem_new(struct auth_sasl_client);
    client->mechanism = mechanism;
    /* libgsasl that knows a binding, and is to do without, says so to the server and then takes the
     * server's answer for wrong. */
    client->exporter = mechanism->binding ? in_base64(options->tls_exporter) : NULL;
    client->unique = mechanism->binding ? in_base64(options->tls_unique) : NULL;
    starting = client;
    int rc = gsasl_client_start(context, mechanism->name, &client->session);
    starting = NULL;
    if (rc != GSASL_OK) {
        client->session = NULL;
        auth_sasl_client_free(&client);
        return ST_NOT_FOUND;
    }
    gsasl_session_hook_set(client->session, client);
    set(client->session, GSASL_AUTHID, options->name);
    set(client->session, GSASL_PASSWORD, options->password);
    *client_r = client;
    return ST_OK;
}

void auth_sasl_client_free(struct auth_sasl_client **client)
{
    if (*client == NULL)
        return;
    if ((*client)->session != NULL)
        gsasl_finish((*client)->session);
    mem_free((*client)->exporter);
    mem_free((*client)->unique);
    mem_free(*client);
    *client = NULL;
}

const char *auth_sasl_client_mechanism(const struct auth_sasl_client *client)
{
    return client->mechanism->name;
}

bool auth_sasl_client_begins(const struct auth_sasl_client *client)
{
    return client->mechanism->begins;
}

enum st auth_sasl_client_step(struct auth_sasl_client *client, struct slice in, struct buf *out)
{
    char *made = NULL;
    size_t len = 0;

    if (client->done) /* one more empty answer, to a server that asks once too often */
        return in.len == 0 ? ST_OK : ST_INVALID;
    int rc = gsasl_step(client->session, in.ptr, in.len, &made, &len);
    if (rc != GSASL_OK && rc != GSASL_NEEDS_MORE)
        return ST_INVALID;
    client->done = rc == GSASL_OK;
    enum st st = buf_add(out, (struct slice){made, len});
    if (made != NULL)
        sys_secret_wipe(made, len);
    gsasl_free(made);
    return st;
}

bool auth_sasl_client_proved(const struct auth_sasl_client *client)
{
    return client->done || client->mechanism->plain;
}
