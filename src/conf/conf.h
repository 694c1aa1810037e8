/* conf.h: the settings of this server: one plain struct, replaced as a whole on reload. */
#pragma once
#include "base/base.h"

struct buf;

#define CONF_CTYPE_BYTES uint64_t
#define CONF_CTYPE_MSEC uint64_t
#define CONF_CTYPE_COUNT uint64_t
#define CONF_CTYPE_OPTION uint64_t
#define CONF_CTYPE_BOOL bool
#define CONF_CTYPE_TEXT const char *

struct conf {
#define CONF(type, field, dflt, min, max, reload, help) CONF_CTYPE_##type field;
#include "conf/conf.def"
};

#define CONF_OFF UINT64_MAX /* what an OPTION is where it is no number */
enum conf_type { CONF_BYTES, CONF_MSEC, CONF_COUNT, CONF_OPTION, CONF_BOOL, CONF_TEXT };

struct conf_field {
    const char *name;
    enum conf_type type;
    size_t offset;
    uint64_t min; /* of the value, or of a text's length in bytes */
    uint64_t max;
    bool reload; /* a reload changes it; otherwise it takes effect at the next start */
    const char *help;
};

extern const struct conf_field conf_fields[];
extern const size_t conf_field_count;
extern const struct conf conf_defaults;

/* NULL where there is none of the name. */
const struct conf_field *conf_field_find(struct slice name);
/* The field whose name is the fewest edits away. */
const struct conf_field *conf_field_nearest(struct slice name);
/* Reads a value as a person writes it: 25 MiB, 30 min, yes. A text is copied and stays for good:
 * settings live as long as the process. why gets a sentence that says what is wrong. */
MUST_USE enum st conf_set(struct conf *conf, const struct conf_field *field, struct slice value,
                          struct buf *why);
/* The value as conf_set() reads it. */
void conf_value_write(const struct conf *conf, const struct conf_field *field, struct buf *out);
bool conf_same(const struct conf *a, const struct conf *b, const struct conf_field *field);

/* Takes the field's value over. */
void conf_keep(struct conf *to, const struct conf *from, const struct conf_field *field);

/* Reads path over the values in *conf. The first fault ends it: why is "file:line: sentence". */
MUST_USE enum st conf_file_read(struct conf *conf, const char *path, struct buf *why);
/* imap_uidvalidity_root as store_set_root() takes it: -1 where it is off. */
int conf_uidvalidity_root(const struct conf *conf);
/* What server_restricted comes to; each holds what those before do. */
enum conf_restriction {
    CONF_OPEN,
    CONF_NO_SESSIONS, /* nobody logs in but administrators; other servers pass this one over */
    CONF_NO_MAIL,     /* nor is mail of other systems taken */
};
enum conf_restriction conf_restriction(void);
/* The server begins with the settings in force: 1 and 3 in server_restricted were for the time
 * before, and count again once they are changed. */
void conf_begin(void);
/* What does not fit together across settings (a listener without its certificate). */
MUST_USE enum st conf_check(const struct conf *conf, struct buf *why);

/* The settings in force. The pointer stays valid for good: earlier ones are kept until exit, since
 * a session may still hold them; a reload costs their size, about a kilobyte. */
const struct conf *conf_get(void);
void conf_use(const struct conf *conf); /* copies *conf and puts the copy in force */
