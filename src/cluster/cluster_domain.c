#include "cluster/cluster_domain.h"

#include "base/buf.h"
#include "base/slice.h"
#include "base/text.h"
#include "cluster/cluster_token.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_hash.h"
#include "sys/sys_time.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PEM_BYTES_MAX (64 * KIB)
#define INVITE_BYTES_MAX 1024
#define AUTHORITY_DAYS 7300

void cluster_domain_path(const char *data_dir, enum cluster_file file,
                         char path[CLUSTER_PATH_BYTES])
{
    static const char *const names[] = {
        [CLUSTER_FILE_FOLDER] = "",
        [CLUSTER_FILE_AUTHORITY] = "/authority.pem",
        [CLUSTER_FILE_KEY] = "/authority.key",
        [CLUSTER_FILE_MEMBER] = "/member.pem",
        [CLUSTER_FILE_INVITES] = "/invites",
        [CLUSTER_FILE_EPOCH] = "/epoch",
        [CLUSTER_FILE_COPIES] = "/copies",
    };

    snprintf(path, CLUSTER_PATH_BYTES, "%s/domain%s", data_dir, names[file]);
}

static bool has(const char *data_dir, enum cluster_file file)
{
    char path[CLUSTER_PATH_BYTES];

    cluster_domain_path(data_dir, file, path);
    return sys_file_exists(path);
}

static enum st read_file(const char *data_dir, enum cluster_file file, struct buf *out,
                         struct buf *why)
{
    char path[CLUSTER_PATH_BYTES];

    cluster_domain_path(data_dir, file, path);
    enum st st = sys_file_read(path, out);
    if (st != ST_OK)
        buf_putf(why, "%s: %s", path, st == ST_NOT_FOUND ? "is not there" : "cannot be read");
    return st;
}

static enum st write_file(const char *data_dir, enum cluster_file file, const struct buf *text,
                          struct buf *why)
{
    char path[CLUSTER_PATH_BYTES];

    cluster_domain_path(data_dir, file, path);
    enum st st = text->over ? ST_TOO_BIG : sys_file_write(path, buf_slice(text), 0600);
    if (st != ST_OK)
        buf_putf(why, "%s: cannot be written", path);
    return st;
}

static enum st make_folders(const char *data_dir, struct buf *why)
{
    char path[CLUSTER_PATH_BYTES];

    cluster_domain_path(data_dir, CLUSTER_FILE_INVITES, path);
    enum st st = sys_folder_make(path, 0700);
    if (st != ST_OK)
        buf_putf(why, "%s: cannot be made", path);
    return st;
}

/* --- certificates --- */

enum st cluster_domain_sign(const char *data_dir, struct slice request, const char *name,
                            int64_t issued_ms, uint64_t life_ms, struct buf *cert_pem,
                            struct buf *why)
{
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf key = BUF(PEM_BYTES_MAX);

    if (!has(data_dir, CLUSTER_FILE_KEY)) {
        buf_put(why, SLICE("the domain's authority is on another server"));
        return ST_NOT_FOUND;
    }
    enum st st = read_file(data_dir, CLUSTER_FILE_AUTHORITY, &cert, why);
    if (st == ST_OK)
        st = read_file(data_dir, CLUSTER_FILE_KEY, &key, why);
    if (st != ST_OK)
        return st;
    const struct sys_cert_authority authority = {buf_slice(&cert), buf_slice(&key)};
    st = sys_cert_sign(&authority, request, name, issued_ms, life_ms, cert_pem);
    sys_secret_wipe(key.ptr, key.len);
    if (st != ST_OK)
        buf_put(why, st == ST_INVALID ? SLICE("the request for a certificate is none")
                                      : SLICE("the authority's files do not fit together"));
    return st;
}

static bool same_authority(const struct buf *pem, struct slice chain)
{
    struct sys_cert_look ours;
    struct sys_cert_look theirs;
    size_t second = slice_find_slice(slice_sub(chain, 1, chain.len), SLICE("-----BEGIN CERT"));

    return second != SIZE_MAX && sys_cert_look(buf_slice(pem), &ours) == ST_OK &&
           sys_cert_look(slice_sub(chain, second + 1, chain.len), &theirs) == ST_OK &&
           memcmp(ours.print, theirs.print, sizeof(ours.print)) == 0;
}

enum st cluster_domain_keep(const char *data_dir, const char *name, struct slice cert_pem,
                            struct slice key_pem, struct slice authority_pem, struct buf *why)
{
    AUTO(buf) struct buf authority = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf member = BUF(2 * PEM_BYTES_MAX);
    struct sys_cert_look look;
    enum st st = make_folders(data_dir, why);

    buf_put(&authority, authority_pem);
    if (st == ST_OK && authority_pem.len == 0)
        st = read_file(data_dir, CLUSTER_FILE_AUTHORITY, &authority, why);
    if (st != ST_OK)
        return st;
    if (sys_cert_look(cert_pem, &look) != ST_OK || strcmp(look.name, name) != 0 ||
        !same_authority(&authority, cert_pem)) {
        buf_put(why, SLICE("the certificate is another one than was asked for"));
        return ST_DENIED;
    }
    buf_put(&member, cert_pem);
    buf_put(&member, key_pem);
    if (authority_pem.len > 0)
        st = write_file(data_dir, CLUSTER_FILE_AUTHORITY, &authority, why);
    if (st == ST_OK)
        st = write_file(data_dir, CLUSTER_FILE_MEMBER, &member, why);
    if (member.ptr != NULL)
        sys_secret_wipe(member.ptr, member.len);
    return st;
}

static enum st make_member(const char *data_dir, const char *server, uint64_t life_ms,
                           struct buf *why)
{
    AUTO(buf) struct buf key = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf request = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    enum st st = sys_cert_make_request(server, &key, &request);

    if (st != ST_OK)
        buf_putf(why, "server_name = %s: no certificate can be made of it", server);
    if (st == ST_OK)
        st = cluster_domain_sign(data_dir, buf_slice(&request), server, sys_now_ms(), life_ms,
                                 &cert, why);
    if (st == ST_OK)
        st = cluster_domain_keep(data_dir, server, buf_slice(&cert), buf_slice(&key), SLICE(""),
                                 why);
    if (key.ptr != NULL)
        sys_secret_wipe(key.ptr, key.len);
    return st;
}

enum st cluster_domain_init(const char *data_dir, const char *domain, const char *server,
                            uint64_t life_ms, struct buf *why)
{
    AUTO(buf) struct buf cert = BUF(PEM_BYTES_MAX);
    AUTO(buf) struct buf key = BUF(PEM_BYTES_MAX);

    if (has(data_dir, CLUSTER_FILE_MEMBER) || has(data_dir, CLUSTER_FILE_KEY)) {
        buf_putf(why, "%s/domain: this server is of a domain already; see posthorse domain show",
                 data_dir);
        return ST_EXISTS;
    }
    enum st st = make_folders(data_dir, why);
    if (st == ST_OK && sys_cert_make_authority(domain, AUTHORITY_DAYS, &cert, &key) != ST_OK) {
        buf_putf(why, "domains = %s: no authority can be made of it", domain);
        st = ST_INVALID;
    }
    if (st == ST_OK)
        st = write_file(data_dir, CLUSTER_FILE_AUTHORITY, &cert, why);
    if (st == ST_OK)
        st = write_file(data_dir, CLUSTER_FILE_KEY, &key, why);
    if (key.ptr != NULL)
        sys_secret_wipe(key.ptr, key.len);
    return st == ST_OK ? make_member(data_dir, server, life_ms, why) : st;
}

/* --- invitations --- */

struct invite {
    char name[256];
    unsigned char kept[CLUSTER_KEY_BYTES];
    uint64_t expires_ms;
};

static bool invite_path(const char *data_dir, struct slice id, char path[CLUSTER_PATH_BYTES])
{
    size_t len;

    if (id.len != CLUSTER_INVITE_HEX)
        return false;
    for (size_t i = 0; i < id.len; i++)
        if (memchr("0123456789abcdef", id.ptr[i], 16) == NULL)
            return false;
    cluster_domain_path(data_dir, CLUSTER_FILE_INVITES, path);
    len = strlen(path);
    return (size_t)snprintf(path + len, CLUSTER_PATH_BYTES - len, "/%.*s", SLICE_ARG(id)) <
           CLUSTER_PATH_BYTES - len;
}

static bool read_invite(const char *path, struct invite *invite)
{
    AUTO(buf) struct buf text = BUF(INVITE_BYTES_MAX);
    AUTO(buf) struct buf kept = BUF(INVITE_BYTES_MAX);
    struct slice name;
    struct slice hash;

    if (sys_file_read(path, &text) != ST_OK)
        return false;
    struct slice rest = slice_trim(buf_slice(&text));
    if (!slice_split(&rest, ' ', &name) || !slice_split(&rest, ' ', &hash) ||
        name.len >= sizeof(invite->name) || text_unhex(&kept, hash) != ST_OK ||
        kept.len != sizeof(invite->kept) || slice_to_u64(rest, &invite->expires_ms) != ST_OK)
        return false;
    memcpy(invite->kept, kept.ptr, kept.len);
    snprintf(invite->name, sizeof(invite->name), "%.*s", SLICE_ARG(name));
    return true;
}

/* Those that nobody used in time go. Returns how many are open. */
static unsigned sweep_invites(const char *data_dir)
{
    char path[CLUSTER_PATH_BYTES];
    struct invite invite;
    unsigned count = 0;

    cluster_domain_path(data_dir, CLUSTER_FILE_INVITES, path);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        if (!invite_path(data_dir, slice_str(entry->d_name), path))
            continue;
        if (read_invite(path, &invite) && invite.expires_ms > (uint64_t)sys_now_ms())
            count++;
        else
            unlink(path);
    }
    closedir(folder);
    return count;
}

static enum st fingerprint_of(const char *data_dir, struct sys_cert_look *look, struct buf *why)
{
    AUTO(buf) struct buf pem = BUF(PEM_BYTES_MAX);
    enum st st = read_file(data_dir, CLUSTER_FILE_AUTHORITY, &pem, why);

    if (st == ST_OK && sys_cert_look(buf_slice(&pem), look) != ST_OK) {
        buf_put(why, SLICE("the authority's file holds no certificate"));
        st = ST_INVALID;
    }
    return st;
}

static enum st write_invite(const char *data_dir, const struct cluster_token *token,
                            const char *name, uint64_t life_ms, struct buf *why)
{
    AUTO(buf) struct buf text = BUF(INVITE_BYTES_MAX);
    char path[CLUSTER_PATH_BYTES];
    unsigned char kept[CLUSTER_KEY_BYTES];

    cluster_token_kept(token, kept);
    buf_putf(&text, "%s ", name);
    enum st st = text_hex(&text, (struct slice){(const char *)kept, sizeof(kept)});
    buf_putf(&text, " %llu\n", (unsigned long long)sys_now_ms() + life_ms);
    if (st == ST_OK && invite_path(data_dir, slice_str(token->invite), path) && !text.over)
        st = sys_file_write(path, buf_slice(&text), 0600);
    if (st != ST_OK)
        buf_putf(why, "%s: cannot be written", path);
    return st;
}

enum st cluster_domain_invite(const char *data_dir, const char *name, uint64_t life_ms,
                              struct buf *token, struct buf *why)
{
    struct sys_cert_look authority;
    struct cluster_token made;

    if (!has(data_dir, CLUSTER_FILE_KEY)) {
        buf_put(why, has(data_dir, CLUSTER_FILE_MEMBER)
                         ? SLICE("the domain's authority is on another server; invite from there")
                         : SLICE("there is no domain yet; make one with posthorse domain init"));
        return ST_NOT_FOUND;
    }
    enum st st = fingerprint_of(data_dir, &authority, why);
    if (st != ST_OK)
        return st;
    (void)sweep_invites(data_dir);
    cluster_token_make((struct slice){(const char *)authority.print, sizeof(authority.print)},
                       &made);
    st = write_invite(data_dir, &made, name, life_ms, why);
    if (st == ST_OK)
        st = cluster_token_write(&made, token);
    sys_secret_wipe(&made, sizeof(made));
    return st;
}

/* What is wrong with a claim, NULL: nothing. */
static const char *judge(const struct invite *invite, const struct cluster_claim *claim,
                         struct slice proof)
{
    if (!cluster_token_proves(invite->kept, claim, proof))
        return "the token is not the invitation's";
    if (!slice_eq(slice_str(invite->name), claim->name))
        return "the invitation is for another name";
    if (invite->expires_ms <= (uint64_t)sys_now_ms())
        return "the invitation has expired";
    return NULL;
}

enum st cluster_domain_admit(const char *data_dir, const struct cluster_claim *claim,
                             struct slice proof, int64_t issued_ms, uint64_t life_ms,
                             struct buf *cert_pem, struct buf *why)
{
    char path[CLUSTER_PATH_BYTES];
    struct invite invite;
    const char *fault = "there is no such invitation, or it was used";

    if (invite_path(data_dir, claim->invite, path) && read_invite(path, &invite))
        fault = judge(&invite, claim, proof);
    /* Of two who come at once, one can take it away. */
    if (fault == NULL && unlink(path) != 0)
        fault = "the invitation was used";
    if (fault != NULL) {
        buf_put(why, slice_str(fault));
        return ST_DENIED;
    }
    return cluster_domain_sign(data_dir, claim->request, invite.name, issued_ms, life_ms, cert_pem,
                               why);
}

/* --- looking --- */

enum st cluster_domain_look(const char *data_dir, struct cluster_domain_look *look_r,
                            struct buf *why)
{
    AUTO(buf) struct buf pem = BUF(2 * PEM_BYTES_MAX);
    AUTO(buf) struct buf print = BUF(100);
    struct sys_cert_look authority;
    struct sys_cert_look member;

    memset(look_r, 0, sizeof(*look_r));
    if (!has(data_dir, CLUSTER_FILE_MEMBER)) {
        buf_put(why, SLICE("this server is of no domain; posthorse domain init makes one, "
                           "posthorse domain join joins one"));
        return ST_NOT_FOUND;
    }
    enum st st = fingerprint_of(data_dir, &authority, why);
    if (st == ST_OK)
        st = read_file(data_dir, CLUSTER_FILE_MEMBER, &pem, why);
    if (st == ST_OK && sys_cert_look(buf_slice(&pem), &member) != ST_OK) {
        buf_put(why, SLICE("domain/member.pem holds no certificate"));
        st = ST_INVALID;
    }
    if (pem.ptr != NULL)
        sys_secret_wipe(pem.ptr, pem.len);
    if (st != ST_OK)
        return st;
    snprintf(look_r->domain, sizeof(look_r->domain), "%s", authority.name);
    snprintf(look_r->server, sizeof(look_r->server), "%s", member.name);
    st = text_hex(&print, (struct slice){(const char *)authority.print, sizeof(authority.print)});
    snprintf(look_r->fingerprint, sizeof(look_r->fingerprint), "%s", print.ptr);
    look_r->authority = has(data_dir, CLUSTER_FILE_KEY);
    look_r->invite_count = sweep_invites(data_dir);
    look_r->authority_ends_ms = authority.ends_ms;
    look_r->issued_ms = member.issued_ms;
    look_r->ends_ms = member.ends_ms;
    return st;
}

enum st cluster_domain_epoch(const char *data_dir, uint64_t *epoch_r)
{
    AUTO(buf) struct buf text = BUF(100);
    AUTO(buf) struct buf why = BUF(CLUSTER_PATH_BYTES + 100);
    uint64_t before = 0;

    if (read_file(data_dir, CLUSTER_FILE_EPOCH, &text, &why) == ST_OK &&
        slice_to_u64(slice_trim(buf_slice(&text)), &before) != ST_OK)
        before = 0;
    uint64_t now = (uint64_t)sys_now_ms();
    *epoch_r = now > before ? now : before + 1;
    buf_clear(&text);
    buf_putf(&text, "%llu\n", (unsigned long long)*epoch_r);
    return write_file(data_dir, CLUSTER_FILE_EPOCH, &text, &why);
}
