#include "sys/sys_gss.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NAME_BYTES_MAX 1024
#define SERVICE_BYTES_MAX 32
#define BINDING_BYTES_MAX 256
/* An acceptance takes a fraction of a millisecond; one that hangs shall not take every thread. */
#define AT_ONCE_MAX 16
#define WAIT_S 5

/* 1.3.6.1.5.5.2, 1.2.840.113554.1.2.2 and 1.3.6.1.4.1.311.2.2.10 */
static char spnego_bytes[] = "\x2b\x06\x01\x05\x05\x02";
static char kerberos_bytes[] = "\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
static char ntlm_bytes[] = "\x2b\x06\x01\x04\x01\x82\x37\x02\x02\x0a";
static gss_OID_desc spnego_oid = {sizeof(spnego_bytes) - 1, spnego_bytes};
static gss_OID_desc kerberos_oid = {sizeof(kerberos_bytes) - 1, kerberos_bytes};
static gss_OID_desc ntlm_oid = {sizeof(ntlm_bytes) - 1, ntlm_bytes};

struct sys_gss {
    gss_cred_id_t cred;
    gss_ctx_id_t context;
    char binding[BINDING_BYTES_MAX]; /* "tls-server-end-point:" and the hash; RFC 5056 2.1 */
    size_t binding_len;
    char service[SERVICE_BYTES_MAX]; /* "HTTP/" */
    char name[NAME_BYTES_MAX];
    bool ntlm;
    unsigned steps;
};

/* --- so many at once --- */

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t gate_open = PTHREAD_COND_INITIALIZER;
static unsigned inside;

/* False: they all hang. */
static bool enter(struct buf *why)
{
    struct timespec end;
    int error = 0;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += WAIT_S;
    pthread_mutex_lock(&gate);
    while (inside == AT_ONCE_MAX && error == 0)
        error = pthread_cond_clockwait(&gate_open, &gate, CLOCK_MONOTONIC, &end);
    bool in = inside < AT_ONCE_MAX;
    inside += in;
    pthread_mutex_unlock(&gate);
    if (!in)
        buf_put(why, SLICE("the log-ins under way by GSSAPI do not end"));
    return in;
}

static void leave(void)
{
    pthread_mutex_lock(&gate);
    inside--;
    pthread_cond_signal(&gate_open);
    pthread_mutex_unlock(&gate);
}

/* --- words --- */

static void put_status(OM_uint32 code, int type, gss_OID mechanism, struct buf *why)
{
    OM_uint32 minor, more = 0;

    do {
        gss_buffer_desc text = GSS_C_EMPTY_BUFFER;

        if (gss_display_status(&minor, code, type, mechanism, &more, &text) != GSS_S_COMPLETE)
            return;
        buf_putf(why, "%s%.*s", why->len > 0 ? ": " : "", (int)text.length, (char *)text.value);
        gss_release_buffer(&minor, &text);
    } while (more != 0);
}

static void explain(OM_uint32 major, OM_uint32 minor, gss_OID mechanism, struct buf *why)
{
    if (GSS_ROUTINE_ERROR(major) != GSS_S_FAILURE || minor == 0)
        put_status(major, GSS_C_GSS_CODE, GSS_C_NO_OID, why);
    if (minor != 0)
        put_status(minor, GSS_C_MECH_CODE, mechanism, why);
}

/* --- credentials --- */

/* Without a name and a store: gss-ntlmssp 1.2, which SPNEGO hands them on to, makes credentials of
 * them on which it then crashes. So the keytab is the process's, and whose ticket it was is looked
 * at afterwards. */
static bool acquire(struct sys_gss *gss, gss_OID mechanism, struct buf *why)
{
    gss_OID_set_desc mechanisms = {1, mechanism};
    OM_uint32 minor, major;

    if (gss->cred == GSS_C_NO_CREDENTIAL)
        major = gss_acquire_cred(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms, GSS_C_ACCEPT,
                                 &gss->cred, NULL, NULL);
    else
        major = gss_add_cred(&minor, gss->cred, GSS_C_NO_NAME, mechanism, GSS_C_ACCEPT, 0,
                             GSS_C_INDEFINITE, NULL, NULL, NULL, NULL);
    if (GSS_ERROR(major))
        explain(major, minor, mechanism, why);
    return !GSS_ERROR(major);
}

/* SPNEGO would take every mechanism that it finds on the machine. */
static bool acquire_spnego(struct sys_gss *gss, const struct sys_gss_options *options,
                           struct buf *why)
{
    gss_OID_desc taken[2] = {kerberos_oid, ntlm_oid};
    gss_OID_set_desc mechanisms = {(size_t)options->kerberos + options->ntlm,
                                   options->kerberos ? taken : taken + 1};
    OM_uint32 minor, major;

    if (!acquire(gss, &spnego_oid, why))
        return false;
    major = gss_set_neg_mechs(&minor, gss->cred, &mechanisms);
    if (GSS_ERROR(major))
        explain(major, minor, &spnego_oid, why);
    return !GSS_ERROR(major);
}

static bool acquire_all(struct sys_gss *gss, const struct sys_gss_options *options, struct buf *why)
{
    krb5_gss_register_acceptor_identity(options->keytab[0] != '\0' ? options->keytab : NULL);
    return (!options->kerberos || acquire(gss, &kerberos_oid, why)) &&
           (!options->ntlm || acquire(gss, &ntlm_oid, why)) && acquire_spnego(gss, options, why);
}

static void set_binding(struct sys_gss *gss, struct slice end_point)
{
    static const char prefix[] = "tls-server-end-point:";

    if (end_point.len == 0 || end_point.len > BINDING_BYTES_MAX - sizeof(prefix))
        return;
    memcpy(gss->binding, prefix, sizeof(prefix) - 1);
    memcpy(gss->binding + sizeof(prefix) - 1, end_point.ptr, end_point.len);
    gss->binding_len = sizeof(prefix) - 1 + end_point.len;
}

enum st sys_gss_new(const struct sys_gss_options *options, struct buf *why, struct sys_gss **gss_r)
{
    struct sys_gss *gss = mem_new(struct sys_gss);

    assert(options->kerberos || options->ntlm);
    set_binding(gss, options->end_point);
    snprintf(gss->service, sizeof(gss->service), "%s/", options->service);
    if (!acquire_all(gss, options, why))
        sys_gss_free(&gss);
    *gss_r = gss;
    return gss != NULL ? ST_OK : ST_IO;
}

void sys_gss_free(struct sys_gss **gss)
{
    OM_uint32 minor;

    if (*gss == NULL)
        return;
    gss_delete_sec_context(&minor, &(*gss)->context, GSS_C_NO_BUFFER);
    gss_release_cred(&minor, &(*gss)->cred);
    mem_free(*gss);
    *gss = NULL;
}

/* --- tokens --- */

static bool oid_is(gss_const_OID oid, gss_const_OID other)
{
    return oid != GSS_C_NO_OID && oid->length == other->length &&
           memcmp(oid->elements, other->elements, oid->length) == 0;
}

/* The keytab or the replay cache, not the ticket. */
static bool is_ours(OM_uint32 minor)
{
    const krb5_error_code code = (krb5_error_code)minor;

    return (code >= KRB5_RC_IO && code <= KRB5_RC_IO_SPACE) || code == KRB5_KT_IOERR;
}

static enum st st_of(OM_uint32 major, OM_uint32 minor)
{
    switch (GSS_ROUTINE_ERROR(major)) {
    case GSS_S_COMPLETE:
        return (major & GSS_S_CONTINUE_NEEDED) != 0 ? ST_AGAIN : ST_OK;
    case GSS_S_DEFECTIVE_TOKEN:
        return ST_INVALID;
    case GSS_S_BAD_MECH:
    case GSS_S_NO_CRED:
        return ST_NOT_FOUND;
    default:
        return is_ours(minor) ? ST_IO : ST_DENIED;
    }
}

/* A keytab may have the keys of other services, too. */
static bool is_for_us(const struct sys_gss *gss)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    gss_name_t target = GSS_C_NO_NAME;
    OM_uint32 minor;
    bool is = !GSS_ERROR(gss_inquire_context(&minor, gss->context, NULL, &target, NULL, NULL, NULL,
                                             NULL, NULL)) &&
              target != GSS_C_NO_NAME &&
              !GSS_ERROR(gss_display_name(&minor, target, &text, NULL)) &&
              slice_istarts((struct slice){text.value, text.length}, slice_str(gss->service));

    gss_release_buffer(&minor, &text);
    gss_release_name(&minor, &target);
    return is;
}

static bool take_name(struct sys_gss *gss, gss_name_t name, gss_OID mechanism, OM_uint32 flags)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;

    gss->ntlm = oid_is(mechanism, &ntlm_oid);
    if ((!gss->ntlm && !oid_is(mechanism, &kerberos_oid)) || (flags & GSS_C_ANON_FLAG) != 0 ||
        name == GSS_C_NO_NAME || GSS_ERROR(gss_display_name(&minor, name, &text, NULL)))
        return false;
    struct slice shown = {text.value, text.length};
    if (shown.len > 0 && shown.ptr[shown.len - 1] == '\0') /* gss-ntlmssp counts it */
        shown.len--;
    bool sane = shown.len < sizeof(gss->name) && slice_find(shown, '\0') == SIZE_MAX;
    if (sane)
        memcpy(gss->name, shown.ptr, shown.len);
    gss_release_buffer(&minor, &text);
    return sane;
}

enum st sys_gss_step(struct sys_gss *gss, struct slice token, struct buf *out, struct buf *why)
{
    struct gss_channel_bindings_struct binding = {
        .application_data = {gss->binding_len, gss->binding}};
    gss_buffer_desc in = {token.len, (void *)(uintptr_t)token.ptr}, back = GSS_C_EMPTY_BUFFER;
    gss_name_t name = GSS_C_NO_NAME;
    gss_OID mechanism = GSS_C_NO_OID;
    OM_uint32 minor = 0, ignored, flags = 0;

    if (token.len > SYS_GSS_TOKEN_BYTES_MAX) {
        buf_put(why, SLICE("the token is too long"));
        return ST_TOO_BIG;
    }
    if (!enter(why))
        return ST_IO;
    gss->steps++;
    OM_uint32 major =
        gss_accept_sec_context(&minor, &gss->context, gss->cred, &in,
                               gss->binding_len > 0 ? &binding : GSS_C_NO_CHANNEL_BINDINGS, &name,
                               &mechanism, &back, &flags, NULL, NULL);
    leave();
    enum st st = st_of(major, minor);
    if (GSS_ERROR(major))
        explain(major, minor, mechanism, why);
    if (st == ST_OK && !take_name(gss, name, mechanism, flags)) {
        buf_put(why, SLICE("whom it shows is nobody's name, or by another mechanism"));
        st = ST_DENIED;
    } else if (st == ST_OK && !gss->ntlm && !is_for_us(gss)) {
        buf_put(why, SLICE("the ticket is for another service"));
        st = ST_DENIED;
    }
    if (st == ST_OK || st == ST_AGAIN)
        buf_put(out, (struct slice){back.value, back.length});
    gss_release_buffer(&ignored, &back);
    gss_release_name(&ignored, &name);
    return st;
}

const char *sys_gss_name(const struct sys_gss *gss)
{
    return gss->name;
}

const char *sys_gss_mechanism(const struct sys_gss *gss)
{
    return gss->ntlm ? "NTLM" : "Kerberos";
}

unsigned sys_gss_steps(const struct sys_gss *gss)
{
    return gss->steps;
}
