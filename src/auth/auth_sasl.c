#include "auth/auth_sasl.h"

#include "auth/auth_cache.h"
#include "auth/auth_scram.h"
#include "auth/auth_throttle.h"
#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/text.h"
#include "sys/sys_hash.h"
#include "sys/sys_random.h"

#include <gsasl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* The longest thing a client may say in one step. */
#define STEP_BYTES_MAX 4096
/* More than any mechanism here takes, prompts and the closing empty answer included. */
#define STEPS_MAX 5

struct mechanism {
    struct slice name;
    bool plain;
    bool binding;
};

/* Best first. */
static const struct mechanism mechanisms[] = {
    {{"SCRAM-SHA-256-PLUS", 18}, false, true},
    {{"SCRAM-SHA-256", 13}, false, false},
    {{"PLAIN", 5}, true, false},
};

struct auth_sasl {
    struct auth_options options;
    const struct mechanism *mechanism;
    Gsasl_session *session;
    char exporter[AUTH_BINDING_BYTES_MAX];
    char unique[AUTH_BINDING_BYTES_MAX];
    struct auth_person person; /* name: as given until it is known to be right */
    bool looked_up;
    bool finished; /* SCRAM's last message is out, its empty answer is awaited */
    bool over;
    unsigned steps;
    enum auth_why why;
};

const char *auth_why_name(enum auth_why why)
{
    static const char *const names[] = {
        "none",    "password",  "nobody",    "disabled", "throttled", "authzid",
        "binding", "malformed", "directory", "token",    "realm",     "library",
    };
    static_assert(COUNT(names) == AUTH_WHY_MAX, "a word for each");

    return names[why];
}

/* ---- what PLAIN, LOGIN and SCRAM have in common ---- */

enum st auth_saslprep(struct slice text, bool stored, struct buf *out)
{
    char *prepared = NULL;

    if (text.len == 0 || memchr(text.ptr, '\0', text.len) != NULL)
        return ST_INVALID;
    char *copy = mem_copy(text);
    int rc = gsasl_saslprep(copy, stored ? 0 : GSASL_ALLOW_UNASSIGNED, &prepared, NULL);
    sys_secret_wipe(copy, text.len);
    mem_free(copy);
    if (rc != GSASL_OK)
        return ST_INVALID;
    size_t len = strlen(prepared);
    enum st st = len == 0 ? ST_INVALID : buf_add(out, (struct slice){prepared, len});
    sys_secret_wipe(prepared, len);
    gsasl_free(prepared);
    return st;
}

static void set_name(struct auth_person *person, struct slice name)
{
    size_t len = name.len < AUTH_NAME_BYTES_MAX ? name.len : AUTH_NAME_BYTES_MAX;

    memcpy(person->name, name.ptr, len);
    person->name[len] = '\0';
}

static bool throttle_ok(const struct auth_options *options, struct slice name)
{
    return options->throttle == NULL ||
           auth_throttle_ok(options->throttle, options->address, name, options->now_ms);
}

/* Fills *person for the name as the client gave it; its name stays that unless it is found.
 * AUTH_WHY_NONE, NOBODY, DISABLED, THROTTLED or DIRECTORY. */
static enum auth_why look_up(const struct auth_options *options, struct slice given,
                             struct auth_person *person)
{
    AUTO(buf) struct buf name = BUF(AUTH_NAME_BYTES_MAX);

    *person = (struct auth_person){0};
    set_name(person, given);
    bool sane = given.len <= AUTH_NAME_BYTES_MAX && auth_saslprep(given, false, &name) == ST_OK;
    if (!throttle_ok(options, sane ? buf_slice(&name) : given))
        return AUTH_WHY_THROTTLED;
    if (!sane)
        return AUTH_WHY_NOBODY;

    struct auth_person found = {0};
    enum st st = options->lookup(options->arg, buf_slice(&name), &found);
    if (st == ST_OK)
        *person = found;
    set_name(person, st == ST_OK ? slice_str(found.name) : buf_slice(&name));
    if (st != ST_OK)
        return st == ST_NOT_FOUND ? AUTH_WHY_NOBODY : AUTH_WHY_DIRECTORY;
    /* Failures count for the person, whichever of their names they came under. */
    if (!throttle_ok(options, slice_str(person->name)))
        return AUTH_WHY_THROTTLED;
    return person->disabled ? AUTH_WHY_DISABLED : AUTH_WHY_NONE;
}

/* Counts how it ended. The throttle is asked again, so that many guesses sent at once are worth no
 * more than the same guesses one by one. */
static enum auth_why settle(const struct auth_options *options, struct slice name,
                            enum auth_why why)
{
    if (options->throttle == NULL || why == AUTH_WHY_DIRECTORY || why == AUTH_WHY_THROTTLED)
        return why;
    if (!throttle_ok(options, name))
        return AUTH_WHY_THROTTLED;
    if (why == AUTH_WHY_NONE)
        auth_throttle_success(options->throttle, name);
    else
        auth_throttle_fail(options->throttle, options->address, name, options->now_ms);
    return why;
}

static enum st st_of(enum auth_why why)
{
    switch (why) {
    case AUTH_WHY_NONE:
        return ST_OK;
    case AUTH_WHY_MALFORMED:
        return ST_INVALID;
    case AUTH_WHY_DIRECTORY:
    case AUTH_WHY_LIBRARY:
        return ST_IO;
    case AUTH_WHY_PASSWORD:
    case AUTH_WHY_NOBODY:
    case AUTH_WHY_DISABLED:
    case AUTH_WHY_THROTTLED:
    case AUTH_WHY_AUTHZID:
    case AUTH_WHY_BINDING:
    case AUTH_WHY_TOKEN:
    case AUTH_WHY_REALM:
    case AUTH_WHY_MAX:
        break;
    }
    return ST_DENIED;
}

/* One derivation whoever it is, none where the same password was right lately. */
static enum auth_why check_password(const struct auth_options *options,
                                    const struct auth_person *person, struct slice password)
{
    struct slice name = slice_str(person->name);

    if (options->cache != NULL &&
        auth_cache_has(options->cache, name, password, person->yescrypt, options->now_ms))
        return AUTH_WHY_NONE;
    if (!auth_password_check(person->yescrypt, password))
        return person->yescrypt[0] == '\0' ? AUTH_WHY_NOBODY : AUTH_WHY_PASSWORD;
    if (options->cache != NULL)
        auth_cache_add(options->cache, name, password, person->yescrypt, options->now_ms);
    return AUTH_WHY_NONE;
}

static enum auth_why log_in(const struct auth_options *options, struct slice name,
                            struct slice password, struct auth_person *person)
{
    enum auth_why why = look_up(options, name, person);

    if (why == AUTH_WHY_THROTTLED || why == AUTH_WHY_DIRECTORY)
        return why;
    if (why == AUTH_WHY_NONE)
        why = check_password(options, person, password);
    else
        auth_password_check_nobody(password);
    return settle(options, slice_str(person->name), why);
}

enum st auth_login(const struct auth_options *options, struct slice name, struct slice password,
                   struct auth_person *person, enum auth_why *why_r)
{
    enum auth_why why = AUTH_WHY_MALFORMED;

    *person = (struct auth_person){0};
    if (name.len > 0 && name.len <= AUTH_NAME_BYTES_MAX && password.len > 0 &&
        password.len <= AUTH_PASSWORD_BYTES_MAX && memchr(name.ptr, '\0', name.len) == NULL &&
        memchr(password.ptr, '\0', password.len) == NULL)
        why = log_in(options, name, password, person);
    if (why_r != NULL)
        *why_r = why;
    return st_of(why);
}

/* ---- whom GSSAPI vouches for ---- */

bool auth_vouched_throttled(const struct auth_options *options)
{
    return !throttle_ok(options, SLICE(""));
}

void auth_vouched_failed(const struct auth_options *options)
{
    if (options->throttle != NULL)
        auth_throttle_fail(options->throttle, options->address, SLICE(""), options->now_ms);
}

/* Failures of passwords under the name are not asked about: a ticket cannot be guessed. */
enum st auth_vouched(const struct auth_options *options, struct slice name,
                     struct auth_person *person, enum auth_why *why_r)
{
    AUTO(buf) struct buf prepared = BUF(AUTH_NAME_BYTES_MAX);
    enum st st = ST_NOT_FOUND;

    *person = (struct auth_person){0};
    if (auth_saslprep(name, false, &prepared) == ST_OK)
        st = options->lookup(options->arg, buf_slice(&prepared), person);
    *why_r = st == ST_NOT_FOUND                                          ? AUTH_WHY_NOBODY
             : st != ST_OK                                               ? AUTH_WHY_DIRECTORY
             : !slice_ieq(slice_str(person->name), buf_slice(&prepared)) ? AUTH_WHY_NOBODY
             : person->disabled                                          ? AUTH_WHY_DISABLED
                                                                         : AUTH_WHY_NONE;
    if (*why_r == AUTH_WHY_NOBODY || *why_r == AUTH_WHY_DISABLED)
        auth_vouched_failed(options);
    return st_of(*why_r);
}

/* ---- what libgsasl asks ---- */

/* RFC 4616 2 and RFC 5802 5.1 let a client act as somebody else; here nobody may. */
static bool wants_another(Gsasl_session *session)
{
    const char *authid = gsasl_property_fast(session, GSASL_AUTHID);
    const char *authzid = gsasl_property_fast(session, GSASL_AUTHZID);

    return authzid != NULL && authzid[0] != '\0' &&
           (authid == NULL || !slice_eq(slice_str(authid), slice_str(authzid)));
}

static int validate_plain(struct auth_sasl *sasl, Gsasl_session *session)
{
    const char *authid = gsasl_property_fast(session, GSASL_AUTHID);
    const char *password = gsasl_property_fast(session, GSASL_PASSWORD);

    sasl->looked_up = true;
    sasl->why = AUTH_WHY_MALFORMED;
    if (authid == NULL || password == NULL)
        return GSASL_AUTHENTICATION_ERROR;
    if (wants_another(session)) {
        /* Not told whether the password would have been right: it counts as a failure. */
        set_name(&sasl->person, slice_str(authid));
        auth_password_check_nobody(slice_str(password));
        sasl->why = settle(&sasl->options, slice_str(sasl->person.name), AUTH_WHY_AUTHZID);
        return GSASL_AUTHENTICATION_ERROR;
    }
    enum st st = auth_login(&sasl->options, slice_str(authid), slice_str(password), &sasl->person,
                            &sasl->why);
    return st == ST_OK ? GSASL_OK : GSASL_AUTHENTICATION_ERROR;
}

static void set_slice(Gsasl_session *session, Gsasl_property property, struct slice value)
{
    if (gsasl_property_set_raw(session, property, value.ptr, value.len) != GSASL_OK)
        abort(); /* out of memory */
}

static void set_base64(Gsasl_session *session, Gsasl_property property, struct slice bytes)
{
    AUTO(buf) struct buf text = BUF(4 * KIB);

    if (text_base64(&text, bytes) == ST_OK)
        set_slice(session, property, buf_slice(&text));
}

static void set_rounds(Gsasl_session *session, unsigned rounds)
{
    AUTO(buf) struct buf text = BUF(100);

    buf_putf(&text, "%u", rounds);
    set_slice(session, GSASL_SCRAM_ITER, buf_slice(&text));
}

/* For a name that is not there: a salt as good as any, and keys that no proof fits. */
static void set_fake(Gsasl_session *session, const char *name)
{
    char key[SYS_SHA256_BYTES];
    AUTO(buf) struct buf salt = BUF(1000);

    if (auth_scram_fake_salt(slice_str(name), &salt) == ST_OK)
        set_slice(session, GSASL_SCRAM_SALT, buf_slice(&salt));
    set_rounds(session, AUTH_SCRAM_ROUNDS);
    sys_random(key, sizeof(key));
    set_base64(session, GSASL_SCRAM_STOREDKEY, (struct slice){key, sizeof(key)});
    sys_random(key, sizeof(key));
    set_base64(session, GSASL_SCRAM_SERVERKEY, (struct slice){key, sizeof(key)});
}

/* The first message is in and read: looks the name up and sets all that SCRAM needs. */
static int prepare_scram(struct auth_sasl *sasl, Gsasl_session *session)
{
    const char *authid = gsasl_property_fast(session, GSASL_AUTHID);
    struct auth_scram scram;

    if (sasl->looked_up)
        return GSASL_NO_CALLBACK;
    sasl->looked_up = true;
    sasl->why = look_up(&sasl->options, slice_str(authid), &sasl->person);
    if (sasl->why == AUTH_WHY_THROTTLED || sasl->why == AUTH_WHY_DIRECTORY)
        return GSASL_AUTHENTICATION_ERROR;
    if (sasl->why == AUTH_WHY_NONE && wants_another(session))
        sasl->why = AUTH_WHY_AUTHZID;
    if (auth_scram_parse(slice_str(sasl->person.scram), &scram) != ST_OK) {
        if (sasl->why == AUTH_WHY_NONE)
            sasl->why = AUTH_WHY_NOBODY;
        set_fake(session, sasl->person.name);
        return GSASL_OK;
    }
    /* Who is there gets the same salt each time, though accept() may refuse the right proof. */
    set_rounds(session, scram.rounds);
    set_slice(session, GSASL_SCRAM_SALT, scram.salt);
    set_slice(session, GSASL_SCRAM_STOREDKEY, scram.stored_key);
    set_slice(session, GSASL_SCRAM_SERVERKEY, scram.server_key);
    return GSASL_OK;
}

/* libgsasl asks for the channel bindings while it makes the session, before a session can know
 * whose it is. */
static _Thread_local struct auth_sasl *starting;

static int answer(Gsasl *context, Gsasl_session *session, Gsasl_property property)
{
    struct auth_sasl *sasl = gsasl_session_hook_get(session);
    struct slice binding = {NULL, 0};

    (void)context;
    if (sasl == NULL)
        sasl = starting;
    if (property == GSASL_VALIDATE_SIMPLE)
        return validate_plain(sasl, session);
    if (property == GSASL_SCRAM_ITER || property == GSASL_SCRAM_SALT ||
        property == GSASL_SCRAM_STOREDKEY || property == GSASL_SCRAM_SERVERKEY)
        return prepare_scram(sasl, session);
    if (property == GSASL_CB_TLS_EXPORTER)
        binding = sasl->options.tls_exporter;
    if (property == GSASL_CB_TLS_UNIQUE)
        binding = sasl->options.tls_unique;
    if (binding.len == 0)
        return GSASL_NO_CALLBACK;
    set_base64(session, property, binding);
    return GSASL_OK;
}

/* One for the process, never freed: libgsasl only reads it once it is made. */
static Gsasl *context;

static void context_init(void)
{
    if (gsasl_init(&context) != GSASL_OK)
        abort(); /* out of memory */
    gsasl_callback_set(context, answer);
}

/* ---- the exchange ---- */

static bool has_binding(const struct auth_options *options)
{
    return options->tls_exporter.len > 0 || options->tls_unique.len > 0;
}

enum st auth_sasl_mechanisms(const struct auth_options *options, const char *before,
                             struct buf *out)
{
    enum st st = ST_OK;

    for (size_t i = 0; i < COUNT(mechanisms) && st == ST_OK; i++) {
        if ((mechanisms[i].plain && !options->plain_allowed) ||
            (mechanisms[i].binding && !has_binding(options)))
            continue;
        st = buf_addf(out, "%s%.*s", before, SLICE_ARG(mechanisms[i].name));
    }
    return st;
}

static enum st choose(const struct auth_options *options, struct slice name,
                      const struct mechanism **mechanism_r)
{
    for (size_t i = 0; i < COUNT(mechanisms); i++) {
        if (!slice_ieq(mechanisms[i].name, name))
            continue;
        if (mechanisms[i].binding && !has_binding(options))
            return ST_NOT_FOUND;
        *mechanism_r = &mechanisms[i];
        return mechanisms[i].plain && !options->plain_allowed ? ST_DENIED : ST_OK;
    }
    return ST_NOT_FOUND;
}

static struct slice keep(char room[AUTH_BINDING_BYTES_MAX], struct slice bytes)
{
    assert(bytes.len <= AUTH_BINDING_BYTES_MAX);
    if (bytes.len > 0)
        memcpy(room, bytes.ptr, bytes.len);
    return (struct slice){room, bytes.len};
}

enum st auth_sasl_new(const struct auth_options *options, struct slice mechanism,
                      struct auth_sasl **sasl_r)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    const struct mechanism *chosen = NULL;

    *sasl_r = NULL;
    enum st st = choose(options, mechanism, &chosen);
    if (st != ST_OK)
        return st;
    pthread_once(&once, context_init);
    struct auth_sasl *sasl = mem_new(struct auth_sasl);
    sasl->options = *options;
    sasl->options.tls_exporter = keep(sasl->exporter, options->tls_exporter);
    sasl->options.tls_unique = keep(sasl->unique, options->tls_unique);
    sasl->mechanism = chosen;
    starting = sasl;
    int rc = gsasl_server_start(context, chosen->name.ptr, &sasl->session);
    starting = NULL;
    if (rc != GSASL_OK) { /* a libgsasl without this mechanism */
        mem_free(sasl);
        return ST_NOT_FOUND;
    }
    gsasl_session_hook_set(sasl->session, sasl);
    *sasl_r = sasl;
    return ST_OK;
}

void auth_sasl_free(struct auth_sasl **sasl)
{
    if (*sasl == NULL)
        return;
    gsasl_finish((*sasl)->session);
    sys_secret_wipe(*sasl, sizeof(**sasl));
    mem_free(*sasl);
    *sasl = NULL;
}

static enum st end(struct auth_sasl *sasl, enum auth_why why)
{
    sasl->over = true;
    sasl->why = why;
    return st_of(why);
}

/* RFC 5802 6: "y" says that the client could bind but believes that we cannot. Where we said that
 * we can, somebody between us took it out of the list. With -PLUS it has to bind. */
static bool is_stripped(const struct auth_sasl *sasl, struct slice in)
{
    return sasl->mechanism->binding ? in.ptr[0] != 'p'
                                    : in.ptr[0] == 'y' && has_binding(&sasl->options);
}

/* RFC 5802 5.1, saslname: "=" only as "=2C" or "=3D". libgsasl lets others pass. */
static bool is_saslname(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.ptr[i] == '=' && !slice_eq(slice_sub(name, i, 3), SLICE("=2C")) &&
            !slice_eq(slice_sub(name, i, 3), SLICE("=3D")))
            return false;
    return true;
}

/* What libgsasl does not look at in client-first-message: gs2-cbind-flag "," [ authzid ] ","
 * username "," nonce. Whether the rest is right is left to it. */
static enum auth_why look_at_first(const struct auth_sasl *sasl, struct slice in)
{
    struct slice rest = in;
    struct slice part = {NULL, 0};

    if (is_stripped(sasl, in))
        return AUTH_WHY_BINDING;
    /* Binding without -PLUS is a contradiction, which libgsasl takes for agreement. */
    if (memchr(in.ptr, '\0', in.len) != NULL || (in.ptr[0] == 'p' && !sasl->mechanism->binding))
        return AUTH_WHY_MALFORMED;
    for (size_t i = 0; i < 3 && slice_split(&rest, ',', &part); i++)
        if (i > 0 && !is_saslname(slice_sub(part, 2, SIZE_MAX)))
            return AUTH_WHY_MALFORMED;
    return AUTH_WHY_NONE;
}

/* Whether the client-final-message ("c=" base64 of the gs2 header and the binding) fails for being
 * bound to another connection. */
static bool is_bound_elsewhere(const struct auth_sasl *sasl, struct slice in)
{
    AUTO(buf) struct buf bytes = BUF(STEP_BYTES_MAX);
    struct slice coded = slice_sub(in, 2, slice_find(in, ',') - 2);
    const struct slice ours[] = {sasl->options.tls_exporter, sasl->options.tls_unique};

    if (!sasl->mechanism->binding || text_unbase64(&bytes, coded) != ST_OK)
        return false;
    for (size_t i = 0; i < COUNT(ours); i++)
        if (ours[i].len > 0 && bytes.len >= ours[i].len &&
            slice_eq(slice_sub(buf_slice(&bytes), bytes.len - ours[i].len, SIZE_MAX), ours[i]))
            return false;
    return true;
}

/* libgsasl refused. */
static enum st refuse(struct auth_sasl *sasl, int rc, struct slice in)
{
    enum auth_why why = sasl->why;

    if (sasl->mechanism->plain && sasl->looked_up) /* validate_plain() has settled it */
        return end(sasl, why);
    if (why == AUTH_WHY_THROTTLED || why == AUTH_WHY_DIRECTORY)
        return end(sasl, why);
    if (rc != GSASL_AUTHENTICATION_ERROR || !sasl->looked_up)
        return end(sasl, AUTH_WHY_MALFORMED);
    if (why == AUTH_WHY_NONE)
        why = is_bound_elsewhere(sasl, in) ? AUTH_WHY_BINDING : AUTH_WHY_PASSWORD;
    return end(sasl, settle(&sasl->options, slice_str(sasl->person.name), why));
}

static enum st accept(struct auth_sasl *sasl, struct buf *out)
{
    enum auth_why why = sasl->looked_up ? sasl->why : AUTH_WHY_MALFORMED;

    if (!sasl->mechanism->plain)
        why = settle(&sasl->options, slice_str(sasl->person.name), why);
    if (why != AUTH_WHY_NONE) {
        buf_clear(out);
        return end(sasl, why);
    }
    sasl->finished = out->len > 0;
    return sasl->finished ? ST_AGAIN : end(sasl, AUTH_WHY_NONE);
}

enum st auth_sasl_step(struct auth_sasl *sasl, struct slice in, struct buf *out)
{
    char *made = NULL;
    size_t len = 0;

    assert(!sasl->over);
    buf_clear(out);
    if (sasl->finished)
        return end(sasl, in.len == 0 ? AUTH_WHY_NONE : AUTH_WHY_MALFORMED);
    if (++sasl->steps > STEPS_MAX || in.len > STEP_BYTES_MAX)
        return end(sasl, AUTH_WHY_MALFORMED);
    if (in.len == 0) /* every mechanism here lets the client begin: nothing said, nothing to say */
        return sasl->steps == 1 ? ST_AGAIN : end(sasl, AUTH_WHY_MALFORMED);
    enum auth_why why = AUTH_WHY_NONE;
    if (!sasl->mechanism->plain && !sasl->looked_up)
        why = look_at_first(sasl, in);
    if (why != AUTH_WHY_NONE)
        return end(sasl, why);
    int rc = gsasl_step(sasl->session, in.ptr, in.len, &made, &len);
    if (rc == GSASL_OK || rc == GSASL_NEEDS_MORE)
        buf_put(out, (struct slice){made, len});
    gsasl_free(made);
    if (out->over)
        return end(sasl, AUTH_WHY_MALFORMED);
    if (rc == GSASL_NEEDS_MORE)
        return ST_AGAIN;
    return rc == GSASL_OK ? accept(sasl, out) : refuse(sasl, rc, in);
}

struct slice auth_sasl_name(const struct auth_sasl *sasl)
{
    return slice_str(sasl->person.name);
}

enum auth_why auth_sasl_why(const struct auth_sasl *sasl)
{
    return sasl->over ? sasl->why : AUTH_WHY_NONE;
}
