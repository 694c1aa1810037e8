#include "conf/conf.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_net.h"

#include <stdatomic.h>
#include <string.h>

const struct conf conf_defaults = {
#define CONF(type, field, dflt, min, max, reload, help) .field = (dflt),
#include "conf/conf.def"
};

const struct conf_field conf_fields[] = {
#define CONF(type, field, dflt, min, max, reload, help) \
    {#field, CONF_##type, offsetof(struct conf, field), (min), (max), (reload), (help)},
#include "conf/conf.def"
};
const size_t conf_field_count = COUNT(conf_fields);

#define CONF_FITS_BYTES(d, min, max) ((d) >= (min) && (d) <= (max))
#define CONF_FITS_MSEC CONF_FITS_BYTES
#define CONF_FITS_COUNT CONF_FITS_BYTES
#define CONF_FITS_BOOL CONF_FITS_BYTES
#define CONF_FITS_OPTION(d, min, max) ((d) == CONF_OFF || (d) <= (max))
#define CONF_FITS_TEXT(d, min, max) (sizeof(d) - 1 >= (min) && sizeof(d) - 1 <= (max))
#define CONF(type, field, dflt, min, max, reload, help) \
    static_assert(CONF_FITS_##type(dflt, min, max), #field ": default outside its limits");
#include "conf/conf.def"

struct unit {
    const char *name;
    uint64_t factor;
};
/* Largest first: a value is written in the largest unit that divides it. */
static const struct unit units_bytes[] = {
    {"GiB", GIB}, {"MiB", MIB}, {"KiB", KIB}, {"bytes", 1}, {NULL, 0}};
static const struct unit units_ms[] = {{"d", DAY_MS}, {"h", HOUR_MS}, {"min", MIN_MS},
                                       {"s", SEC_MS}, {"ms", 1},      {NULL, 0}};
static const struct unit units_none[] = {{NULL, 0}};

static const struct unit *units_of(enum conf_type type)
{
    return type == CONF_BYTES ? units_bytes : type == CONF_MSEC ? units_ms : units_none;
}

const struct conf_field *conf_field_find(struct slice name)
{
    for (size_t i = 0; i < conf_field_count; i++)
        if (slice_eq(slice_str(conf_fields[i].name), name))
            return &conf_fields[i];
    return NULL;
}

const struct conf_field *conf_field_nearest(struct slice name)
{
    const struct conf_field *best = &conf_fields[0];
    size_t best_edits = SIZE_MAX;

    for (size_t i = 0; i < conf_field_count; i++) {
        size_t n = slice_edits(name, slice_str(conf_fields[i].name));

        if (n < best_edits) {
            best = &conf_fields[i];
            best_edits = n;
        }
    }
    return best;
}

static uint64_t number_of(const struct conf *conf, const struct conf_field *field)
{
    const char *at = (const char *)conf + field->offset;

    if (field->type == CONF_BOOL)
        return *(const bool *)at;
    return *(const uint64_t *)(const void *)at;
}

static const char *text_of(const struct conf *conf, const struct conf_field *field)
{
    return *(const char *const *)(const void *)((const char *)conf + field->offset);
}

static void write_number(uint64_t value, enum conf_type type, struct buf *out)
{
    const struct unit *unit = units_of(type);

    while (unit->name != NULL && (value % unit->factor != 0 || value == 0) && unit->factor != 1)
        unit++;
    if (unit->name != NULL)
        buf_putf(out, "%llu %s", (unsigned long long)(value / unit->factor), unit->name);
    else
        buf_putf(out, "%llu", (unsigned long long)value);
}

void conf_value_write(const struct conf *conf, const struct conf_field *field, struct buf *out)
{
    if (field->type == CONF_TEXT)
        buf_put(out, slice_str(text_of(conf, field)));
    else if (field->type == CONF_BOOL)
        buf_put(out, number_of(conf, field) != 0 ? SLICE("yes") : SLICE("no"));
    else if (field->type == CONF_OPTION && number_of(conf, field) == CONF_OFF)
        buf_put(out, SLICE("off"));
    else
        write_number(number_of(conf, field), field->type, out);
}

bool conf_same(const struct conf *a, const struct conf *b, const struct conf_field *field)
{
    if (field->type == CONF_TEXT)
        return strcmp(text_of(a, field), text_of(b, field)) == 0;
    return number_of(a, field) == number_of(b, field);
}

void conf_keep(struct conf *to, const struct conf *from, const struct conf_field *field)
{
    size_t bytes = field->type == CONF_BOOL   ? sizeof(bool)
                   : field->type == CONF_TEXT ? sizeof(char *)
                                              : sizeof(uint64_t);

    memcpy((char *)to + field->offset, (const char *)from + field->offset, bytes);
}

static enum st parse_bool(struct slice value, uint64_t *value_r)
{
    static const struct {
        const char *word;
        bool value;
    } words[] = {{"yes", true}, {"no", false},  {"true", true}, {"false", false},
                 {"on", true},  {"off", false}, {"1", true},    {"0", false}};

    for (size_t i = 0; i < COUNT(words); i++)
        if (slice_ieq(value, slice_str(words[i].word))) {
            *value_r = words[i].value;
            return ST_OK;
        }
    return ST_INVALID;
}

static enum st parse_number(struct slice value, enum conf_type type, uint64_t *value_r)
{
    size_t digits = 0;
    uint64_t factor = 0;

    if (type == CONF_BOOL)
        return parse_bool(value, value_r);
    while (digits < value.len && value.ptr[digits] >= '0' && value.ptr[digits] <= '9')
        digits++;
    struct slice unit = slice_trim(slice_sub(value, digits, value.len));
    if (unit.len == 0)
        factor = 1;
    for (const struct unit *u = units_of(type); u->name != NULL && factor == 0; u++)
        if (slice_eq(unit, slice_str(u->name)))
            factor = u->factor;
    if (factor == 0 || slice_to_u64(slice_sub(value, 0, digits), value_r) != ST_OK ||
        __builtin_mul_overflow(*value_r, factor, value_r))
        return ST_INVALID;
    return ST_OK;
}

static void explain(const struct conf_field *field, struct slice value, struct buf *why)
{
    buf_putf(why, "%s = %.*s: ", field->name, SLICE_ARG(value));
    if (field->type == CONF_BOOL) {
        buf_put(why, SLICE("not yes or no"));
        return;
    }
    if (field->type == CONF_TEXT) {
        buf_putf(why, "must be %llu to %llu characters long", (unsigned long long)field->min,
                 (unsigned long long)field->max);
        return;
    }
    buf_put(why, field->type == CONF_OPTION ? SLICE("must be off, or a whole number from ")
                                            : SLICE("must be a whole number from "));
    write_number(field->min, field->type, why);
    buf_put(why, SLICE(" to "));
    write_number(field->max, field->type, why);
    if (field->type == CONF_MSEC)
        buf_put(why, SLICE(" (units: ms, s, min, h, d)"));
    if (field->type == CONF_BYTES)
        buf_put(why, SLICE(" (units: bytes, KiB, MiB, GiB)"));
}

/* Texts of settings stay until exit: an earlier struct conf may still be looked at. */
static const char *keep_text(struct slice text)
{
    static struct kept {
        struct kept *next;
        char text[];
    } * _Atomic all;
    struct kept *kept = mem_alloc(sizeof(*kept) + text.len + 1);

    if (text.len > 0)
        memcpy(kept->text, text.ptr, text.len);
    kept->next = all;
    while (!atomic_compare_exchange_weak(&all, &kept->next, kept))
        ;
    return kept->text;
}

enum st conf_set(struct conf *conf, const struct conf_field *field, struct slice value,
                 struct buf *why)
{
    char *at = (char *)conf + field->offset;
    uint64_t number = 0;

    if (field->type == CONF_TEXT) {
        if (value.len < field->min || value.len > field->max) {
            explain(field, value, why);
            return ST_INVALID;
        }
        *(const char **)(void *)at = keep_text(value);
        return ST_OK;
    }
    if (field->type == CONF_OPTION && slice_ieq(value, SLICE("off"))) {
        number = CONF_OFF;
    } else if (parse_number(value, field->type, &number) != ST_OK || number < field->min ||
               number > field->max) {
        explain(field, value, why);
        return ST_INVALID;
    }
    if (field->type == CONF_BOOL)
        *(bool *)at = number != 0;
    else
        *(uint64_t *)(void *)at = number;
    return ST_OK;
}

int conf_uidvalidity_root(const struct conf *conf)
{
    return conf->imap_uidvalidity_root == CONF_OFF ? -1 : (int)conf->imap_uidvalidity_root;
}

static enum st check_networks(const struct conf *conf, struct buf *why)
{
    struct slice rest = slice_str(conf->relay_networks);
    struct slice network;

    while (slice_split(&rest, ' ', &network))
        if (network.len > 0 && !sys_net_ok(network)) {
            buf_putf(why,
                     "relay_networks: %.*s is not a network; write 10.0.0.0/8 or 2001:db8::/32",
                     SLICE_ARG(network));
            return ST_INVALID;
        }
    return ST_OK;
}

static enum st check_cluster(const struct conf *conf, struct buf *why)
{
    if (conf->cluster_suspect_ms >= 2 * conf->cluster_ping_ms &&
        conf->cluster_down_ms > conf->cluster_suspect_ms)
        return ST_OK;
    buf_put(why, SLICE("cluster_suspect_ms must be at least twice cluster_ping_ms, and "
                       "cluster_down_ms more than cluster_suspect_ms"));
    return ST_INVALID;
}

enum st conf_check(const struct conf *conf, struct buf *why)
{
    bool tls = conf->tls_certificate_file[0] != '\0';

    if (tls != (conf->tls_key_file[0] != '\0')) {
        buf_put(why,
                SLICE("tls_certificate_file and tls_key_file go together: set both or neither"));
        return ST_INVALID;
    }
    if (!tls && (conf->listen_imaps[0] != '\0' || conf->listen_submissions[0] != '\0' ||
                 conf->listen_https[0] != '\0')) {
        buf_put(why, SLICE("listen_imaps, listen_submissions and listen_https need "
                           "tls_certificate_file"));
        return ST_INVALID;
    }
    if (check_networks(conf, why) != ST_OK || check_cluster(conf, why) != ST_OK)
        return ST_INVALID;
    static const char *const shadows[] = {"auto", "required", "preferred", "off"};
    bool shadow = false;
    for (size_t i = 0; i < COUNT(shadows); i++)
        shadow = shadow || strcmp(conf->shadow, shadows[i]) == 0;
    if (!shadow) {
        buf_putf(why, "shadow = %s: must be auto, required, preferred or off", conf->shadow);
        return ST_INVALID;
    }
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < COUNT(levels); i++)
        if (strcmp(conf->log_level, levels[i]) == 0)
            return ST_OK;
    buf_putf(why, "log_level = %s: must be debug, info, warn or error", conf->log_level);
    return ST_INVALID;
}

/* All that were ever in force. */
struct kept {
    struct conf conf;
    struct kept *before;
};

static _Atomic(struct kept *) last;
static _Atomic(const struct conf *) in_force = &conf_defaults;
static atomic_uint_fast64_t restricted_before; /* at the start, until it is changed */

const struct conf *conf_get(void)
{
    return atomic_load_explicit(&in_force, memory_order_acquire);
}

void conf_use(const struct conf *conf)
{
    struct kept *kept = mem_new(struct kept);

    kept->conf = *conf;
    kept->before = atomic_exchange(&last, kept);
    if (conf->server_restricted != atomic_load(&restricted_before))
        atomic_store(&restricted_before, 0);
    atomic_store_explicit(&in_force, &kept->conf, memory_order_release);
}

/* --- server_restricted --- */

void conf_begin(void)
{
    atomic_store(&restricted_before, conf_get()->server_restricted);
}

enum conf_restriction conf_restriction(void)
{
    uint64_t restricted = conf_get()->server_restricted;
    bool lasts = restricted == 2 || restricted == 4;

    if (restricted == 0 || (!lasts && restricted == atomic_load(&restricted_before)))
        return CONF_OPEN;
    return restricted <= 2 ? CONF_NO_SESSIONS : CONF_NO_MAIL;
}
