#include "t.h"

#include "base/buf.h"
#include "cluster/cluster_domain.h"
#include "cluster/cluster_token.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_time.h"

#include <stdlib.h>
#include <unistd.h>

static char print[CLUSTER_PRINT_BYTES + 1] = "0123456789abcdefghijklmnopqrstuv";

static struct cluster_token a_token(void)
{
    struct cluster_token token;

    cluster_token_make((struct slice){print, CLUSTER_PRINT_BYTES}, &token);
    return token;
}

static void test_a_token_survives_being_written(void **state)
{
    struct cluster_token token = a_token();
    struct cluster_token read;
    AUTO(buf) struct buf text = BUF(CLUSTER_TOKEN_BYTES_MAX);

    (void)state;
    assert_int_equal(cluster_token_write(&token, &text), ST_OK);
    buf_put(&text, SLICE("\n"));
    assert_int_equal(cluster_token_parse(buf_slice(&text), &read), ST_OK);
    assert_memory_equal(&token, &read, sizeof(token));
}

static void test_what_is_no_token_is_refused(void **state)
{
    struct cluster_token token = a_token();
    struct cluster_token read;
    AUTO(buf) struct buf text = BUF(CLUSTER_TOKEN_BYTES_MAX);

    (void)state;
    assert_int_equal(cluster_token_write(&token, &text), ST_OK);
    for (size_t len = 0; len < text.len; len++)
        assert_int_equal(cluster_token_parse(slice_sub(buf_slice(&text), 0, len), &read),
                         ST_INVALID);
    for (size_t i = 0; i < text.len; i++) {
        char was = text.ptr[i];

        text.ptr[i] = '/'; /* were it a path, it would lead out of the folder */
        assert_int_equal(cluster_token_parse(buf_slice(&text), &read), ST_INVALID);
        text.ptr[i] = was;
    }
    buf_put(&text, SLICE("00"));
    assert_int_equal(cluster_token_parse(buf_slice(&text), &read), ST_INVALID);
}

static void test_a_proof_is_good_for_its_claim_alone(void **state)
{
    struct cluster_token token = a_token();
    struct cluster_token other = token;
    unsigned char kept[CLUSTER_KEY_BYTES];
    unsigned char proof[CLUSTER_KEY_BYTES];
    const struct cluster_claim claim = {SLICE("binding"), slice_str(token.invite), SLICE("b.test"),
                                        SLICE("request")};
    const struct slice shown = {(const char *)proof, sizeof(proof)};
    struct cluster_claim wrong[5];

    (void)state;
    for (size_t i = 0; i < COUNT(wrong); i++)
        wrong[i] = claim;
    wrong[0].binding = SLICE("Binding");
    wrong[1].invite = SLICE("0000000000000000");
    wrong[2].name = SLICE("c.test");
    wrong[3].request = SLICE("requesu");
    wrong[4].name = SLICE("b.testr"); /* a byte goes over the border */
    wrong[4].request = SLICE("equest");
    cluster_token_kept(&token, kept);
    cluster_token_prove(&token, &claim, proof);
    assert_true(cluster_token_proves(kept, &claim, shown));
    for (size_t i = 0; i < COUNT(wrong); i++)
        assert_false(cluster_token_proves(kept, &wrong[i], shown));
    assert_false(cluster_token_proves(kept, &claim, slice_sub(shown, 0, 31)));
    assert_false(
        cluster_token_proves(kept, &claim, (struct slice){(const char *)kept, sizeof(kept)}));
    other.secret[CLUSTER_SECRET_BYTES - 1] ^= 1;
    cluster_token_prove(&other, &claim, proof);
    assert_false(cluster_token_proves(kept, &claim, shown));
}

/* --- the domain's files --- */

static char folder[] = "/tmp/test_domain.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    static const enum cluster_file files[] = {CLUSTER_FILE_AUTHORITY, CLUSTER_FILE_KEY,
                                              CLUSTER_FILE_MEMBER,    CLUSTER_FILE_EPOCH,
                                              CLUSTER_FILE_INVITES,   CLUSTER_FILE_FOLDER};
    char path[CLUSTER_PATH_BYTES];

    (void)state;
    for (size_t i = 0; i < COUNT(files); i++) {
        cluster_domain_path(folder, files[i], path);
        if (unlink(path) != 0)
            rmdir(path);
    }
    return rmdir(folder);
}

/* Claims with the token that is written in text; *cert gets what comes of it. */
static enum st claim_with(const char *text, const char *name, struct buf *cert, struct buf *why)
{
    struct cluster_token token;
    unsigned char proof[CLUSTER_KEY_BYTES];
    AUTO(buf) struct buf key = BUF(64 * KIB);
    AUTO(buf) struct buf request = BUF(64 * KIB);

    assert_int_equal(sys_cert_make_request(name, &key, &request), ST_OK);
    assert_int_equal(cluster_token_parse(slice_str(text), &token), ST_OK);
    const struct cluster_claim claim = {SLICE("binding"), slice_str(token.invite), slice_str(name),
                                        buf_slice(&request)};
    cluster_token_prove(&token, &claim, proof);
    return cluster_domain_admit(folder, &claim, (struct slice){(const char *)proof, sizeof(proof)},
                                sys_now_ms(), HOUR_MS, cert, why);
}

static void test_an_invitation_is_used_once_for_its_name(void **state)
{
    AUTO(buf) struct buf token = BUF(KIB);
    AUTO(buf) struct buf cert = BUF(64 * KIB);
    AUTO(buf) struct buf why = BUF(8 * KIB);
    struct cluster_domain_look look;
    struct sys_cert_look member;

    (void)state;
    assert_int_equal(cluster_domain_look(folder, &look, &why), ST_NOT_FOUND);
    assert_int_equal(cluster_domain_invite(folder, "b.test", HOUR_MS, &token, &why), ST_NOT_FOUND);
    assert_int_equal(cluster_domain_init(folder, "example.test", "a.test", HOUR_MS, &why), ST_OK);
    assert_int_equal(cluster_domain_init(folder, "example.test", "a.test", HOUR_MS, &why),
                     ST_EXISTS);
    assert_int_equal(cluster_domain_invite(folder, "b.test", HOUR_MS, &token, &why), ST_OK);
    assert_int_equal(cluster_domain_look(folder, &look, &why), ST_OK);
    assert_true(look.authority && look.invite_count == 1);
    assert_string_equal(look.server, "a.test");
    assert_int_equal(claim_with(token.ptr, "c.test", &cert, &why), ST_DENIED);
    assert_int_equal(claim_with(token.ptr, "b.test", &cert, &why), ST_OK);
    assert_int_equal(sys_cert_look(buf_slice(&cert), &member), ST_OK);
    assert_string_equal(member.name, "b.test");
    assert_int_equal(claim_with(token.ptr, "b.test", &cert, &why), ST_DENIED);
    buf_clear(&token);
    assert_int_equal(cluster_domain_invite(folder, "b.test", 0, &token, &why), ST_OK);
    assert_int_equal(claim_with(token.ptr, "b.test", &cert, &why), ST_DENIED);
    assert_int_equal(cluster_domain_look(folder, &look, &why), ST_OK);
    assert_int_equal(look.invite_count, 0);
}

static void test_epochs_grow_whatever_the_clock_does(void **state)
{
    char path[CLUSTER_PATH_BYTES];
    uint64_t first;
    uint64_t second;

    (void)state;
    assert_int_equal(cluster_domain_epoch(folder, &first), ST_OK);
    assert_int_equal(cluster_domain_epoch(folder, &second), ST_OK);
    assert_true(second > first);
    cluster_domain_path(folder, CLUSTER_FILE_EPOCH, path);
    assert_int_equal(sys_file_write(path, SLICE("9000000000000\n"), 0600), ST_OK);
    assert_int_equal(cluster_domain_epoch(folder, &first), ST_OK);
    assert_int_equal(first, 9000000000001);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_token_survives_being_written),
        cmocka_unit_test(test_what_is_no_token_is_refused),
        cmocka_unit_test(test_a_proof_is_good_for_its_claim_alone),
        cmocka_unit_test(test_an_invitation_is_used_once_for_its_name),
        cmocka_unit_test(test_epochs_grow_whatever_the_clock_does),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
