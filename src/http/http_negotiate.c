#include "http/http_negotiate.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "base/text.h"
#include "conf/conf.h"
#include "log/log.h"
#include "sys/sys_gss.h"
#include "sys/sys_time.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define LEGS_MAX 6
/* Between the first leg of an exchange and its last. */
#define EXCHANGE_MS_MAX (30 * SEC_MS)
/* Exchanges that wait for their next leg, of all connections. */
#define EXCHANGES_MAX 256
/* Who is bound to a connection is asked anew. */
#define BOUND_MS_MAX HOUR_MS
#define BINDING_BYTES_MAX 128
#define WHY_BYTES_MAX 255
#define HEADER_BYTES_MAX (SYS_GSS_TOKEN_BYTES_MAX * 4 / 3 + 64)

static atomic_uint exchanges;

/* --- reading --- */

static const struct scheme {
    struct slice name;
    enum http_scheme scheme;
} schemes[] = {
    {{"Basic", 5}, HTTP_SCHEME_BASIC},
    {{"Negotiate", 9}, HTTP_SCHEME_NEGOTIATE},
    {{"NTLM", 4}, HTTP_SCHEME_NTLM},
};

static const char *scheme_name(enum http_scheme scheme)
{
    return scheme == HTTP_SCHEME_NTLM ? "NTLM" : "Negotiate";
}

enum st http_negotiate_read(struct slice header, enum http_scheme *scheme_r, struct buf *out)
{
    struct slice text = slice_trim(header);
    const size_t blank = slice_find(text, ' ');
    const struct slice name = slice_sub(text, 0, blank);

    *scheme_r = text.len == 0 ? HTTP_SCHEME_NONE : HTTP_SCHEME_OTHER;
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (slice_ieq(name, schemes[i].name))
            *scheme_r = schemes[i].scheme;
    if (*scheme_r <= HTTP_SCHEME_OTHER)
        return ST_OK;
    text = slice_trim(slice_sub(text, name.len, text.len));
    return text.len > 0 ? text_unbase64(out, text) : ST_INVALID;
}

bool http_negotiate_person(struct slice name, struct slice realms, struct slice *person_r)
{
    const size_t at = slice_find(name, '@'), back = slice_find(name, '\\');
    struct slice realm, part;

    /* A component of its own, or an escape, is in no person's name. */
    if ((at == SIZE_MAX) == (back == SIZE_MAX) || slice_find(name, '/') != SIZE_MAX ||
        slice_find_last(name, '@') != at || slice_find_last(name, '\\') != back)
        return false;
    if (at != SIZE_MAX) {
        *person_r = slice_sub(name, 0, at);
        realm = slice_sub(name, at + 1, name.len);
    } else {
        realm = slice_sub(name, 0, back);
        *person_r = slice_sub(name, back + 1, name.len);
    }
    if (realm.len == 0 || person_r->len == 0)
        return false;
    while (slice_split(&realms, ' ', &part))
        if (slice_ieq(part, realm))
            return true;
    return false;
}

/* --- what a connection keeps --- */

static void exchange_end(struct http_kept *kept)
{
    if (kept->gss != NULL)
        atomic_fetch_sub(&exchanges, 1);
    sys_gss_free(&kept->gss);
}

void http_kept_forget(struct http_kept *kept)
{
    exchange_end(kept);
    kept->bound[0] = '\0';
}

static void kept_free(void *arg)
{
    struct http_kept *kept = arg;

    exchange_end(kept);
    mem_free(kept);
}

struct http_kept *http_kept(struct http_request *request)
{
    struct http_kept *kept = http_connection_mine(request);

    if (kept == NULL) {
        kept = mem_new(struct http_kept);
        http_connection_mine_set(request, kept, kept_free);
    }
    return kept;
}

/* --- settings --- */

bool http_negotiate_takes(enum http_scheme scheme)
{
    const struct conf *conf = conf_get();

    return scheme == HTTP_SCHEME_NEGOTIATE ? conf->http_negotiate
                                           : scheme == HTTP_SCHEME_NTLM && conf->http_ntlm;
}

void http_negotiate_offer(struct http_request *request)
{
    if (http_negotiate_takes(HTTP_SCHEME_NEGOTIATE))
        http_reply_header(request, "WWW-Authenticate", "Negotiate");
    if (http_negotiate_takes(HTTP_SCHEME_NTLM))
        http_reply_header(request, "WWW-Authenticate", "NTLM");
}

static enum st gss_new(bool kerberos, bool ntlm, struct slice end_point, struct buf *why,
                       struct sys_gss **gss_r)
{
    const struct conf *conf = conf_get();
    const struct sys_gss_options options = {.kerberos = kerberos,
                                            .ntlm = ntlm,
                                            .service = "HTTP",
                                            .keytab = conf->http_keytab,
                                            .end_point = end_point};
    return sys_gss_new(&options, why, gss_r);
}

static void check(enum http_scheme scheme)
{
    const bool ntlm = scheme == HTTP_SCHEME_NTLM;
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);
    struct sys_gss *gss;

    if (!http_negotiate_takes(scheme))
        return;
    if (gss_new(!ntlm, ntlm, SLICE(""), &why, &gss) != ST_OK)
        log_event(EV_NEGOTIATE_LACKS, 0, LOG_C("scheme", scheme_name(scheme)),
                  LOG_C("keytab", conf_get()->http_keytab), LOG_S("why", buf_slice(&why)));
    sys_gss_free(&gss);
}

void http_negotiate_check(void)
{
    check(HTTP_SCHEME_NEGOTIATE);
    check(HTTP_SCHEME_NTLM);
}

/* --- an exchange --- */

/* The one under way, or a new one. */
static enum st exchange_of(struct http_request *request, struct http_kept *kept,
                           enum http_scheme scheme, struct buf *why)
{
    AUTO(buf) struct buf end_point = BUF(BINDING_BYTES_MAX);
    const uint64_t now_ms = sys_mono_ms();

    kept->bound[0] = '\0';
    if (kept->gss != NULL && kept->scheme == scheme && sys_gss_steps(kept->gss) < LEGS_MAX &&
        now_ms - kept->begun_ms <= EXCHANGE_MS_MAX)
        return ST_OK;
    exchange_end(kept);
    if (atomic_fetch_add(&exchanges, 1) >= EXCHANGES_MAX) {
        atomic_fetch_sub(&exchanges, 1);
        buf_put(why, SLICE("too many exchanges wait for their next token"));
        return ST_IO;
    }
    if (http_request_end_point(request, &end_point) != ST_OK)
        buf_clear(&end_point);
    enum st st = gss_new(scheme == HTTP_SCHEME_NEGOTIATE, conf_get()->http_ntlm,
                         buf_slice(&end_point), why, &kept->gss);
    if (st != ST_OK)
        atomic_fetch_sub(&exchanges, 1);
    kept->scheme = scheme;
    kept->begun_ms = now_ms;
    return st;
}

static void answer_with(struct http_request *request, enum http_scheme scheme, struct slice token)
{
    AUTO(buf) struct buf header = BUF(HEADER_BYTES_MAX);

    if (token.len == 0)
        return;
    buf_putf(&header, "%s ", scheme_name(scheme));
    if (text_base64(&header, token) == ST_OK)
        http_reply_header(request, "WWW-Authenticate", header.ptr);
}

/* A proxy's connection carries requests of many. */
static bool may_bind(struct http_request *request)
{
    return http_request_tls(request) && http_request_header(request, "Via") == NULL &&
           http_request_header(request, "Forwarded") == NULL &&
           http_request_header(request, "X-Forwarded-For") == NULL;
}

static void settle_persistence(struct http_request *request, struct http_kept *kept,
                               const struct auth_person *person)
{
    const bool bind = sys_gss_steps(kept->gss) > 1 && may_bind(request);

    if (bind) {
        memcpy(kept->bound, person->name, sizeof(kept->bound));
        kept->bound_until_ms = sys_mono_ms() + BOUND_MS_MAX;
    }
    http_reply_header(request, "Persistent-Auth", bind ? "true" : "false");
}

/* GSSAPI knows who it is; whether that is somebody here. */
static void find_person(struct http_request *request, const struct auth_options *options,
                        struct http_kept *kept, struct http_negotiated *negotiated)
{
    const struct conf *conf = conf_get();
    const struct slice name = slice_str(sys_gss_name(kept->gss));
    const struct slice realms = slice_str(conf->http_realms);
    struct slice person;

    negotiated->mechanism = sys_gss_mechanism(kept->gss);
    snprintf(negotiated->detail, sizeof(negotiated->detail), "%.*s", SLICE_ARG(name));
    if (!http_negotiate_person(name, realms.len > 0 ? realms : slice_str(conf->domains), &person)) {
        auth_vouched_failed(options);
        negotiated->st = ST_DENIED;
        negotiated->why = AUTH_WHY_REALM;
        return;
    }
    negotiated->st = auth_vouched(options, person, &negotiated->person, &negotiated->why);
    if (negotiated->st == ST_OK)
        settle_persistence(request, kept, &negotiated->person);
}

static enum auth_why why_of(const struct auth_options *options, enum st st)
{
    if (st == ST_IO)
        return AUTH_WHY_LIBRARY;
    if (st != ST_NOT_FOUND) /* who offers a mechanism that is not taken has guessed at nothing */
        auth_vouched_failed(options);
    return AUTH_WHY_TOKEN;
}

void http_negotiate(struct http_request *request, const struct auth_options *options,
                    enum http_scheme scheme, struct slice token,
                    struct http_negotiated *negotiated_r)
{
    struct http_kept *kept = http_kept(request);
    AUTO(buf) struct buf out = BUF(SYS_GSS_TOKEN_BYTES_MAX);
    AUTO(buf) struct buf why = BUF(WHY_BYTES_MAX);

    *negotiated_r = (struct http_negotiated){.mechanism = scheme_name(scheme)};
    if (auth_vouched_throttled(options)) {
        exchange_end(kept);
        negotiated_r->st = ST_DENIED;
        negotiated_r->why = AUTH_WHY_THROTTLED;
        return;
    }
    enum st st = exchange_of(request, kept, scheme, &why);
    if (st == ST_OK)
        st = sys_gss_step(kept->gss, token, &out, &why);
    negotiated_r->st = st;
    if (st == ST_OK)
        find_person(request, options, kept, negotiated_r);
    else if (st != ST_AGAIN)
        negotiated_r->why = why_of(options, st);
    if (negotiated_r->st == ST_OK || st == ST_AGAIN)
        answer_with(request, scheme, buf_slice(&out));
    else if (why.len > 0)
        snprintf(negotiated_r->detail, sizeof(negotiated_r->detail), "%s", why.ptr);
    if (st != ST_AGAIN)
        exchange_end(kept);
}

enum st http_negotiate_bound(struct http_request *request, const struct auth_options *options,
                             struct auth_person *person)
{
    struct http_kept *kept = http_connection_mine(request);
    enum auth_why why;

    if (kept == NULL || kept->bound[0] == '\0')
        return ST_NOT_FOUND;
    enum st st = sys_mono_ms() < kept->bound_until_ms
                     ? auth_vouched(options, slice_str(kept->bound), person, &why)
                     : ST_NOT_FOUND;
    if (st != ST_OK)
        http_kept_forget(kept);
    return st;
}
