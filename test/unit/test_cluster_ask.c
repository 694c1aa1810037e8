/* Questions between two clusters in this process, over loopback with the domain's certificates; and
 * with servers that hang, lie and close. */
#include "store_t.h"

#include "cluster/cluster.h"
#include "cluster/cluster_ask.h"
#include "cluster/cluster_domain.h"
#include "cluster/cluster_frame.h"
#include "conf/conf.h"
#include "health/health.h"
#include "log/log.h"
#include "net/net.h"
#include "sys/sys_cert.h"
#include "sys/sys_file.h"
#include "sys/sys_sock.h"
#include "sys/sys_tls.h"

#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define LONG_MS (60 * SEC_MS)
#define SOON_MS (10 * SEC_MS) /* far less than that, far more than it takes */

struct side {
    const char *name;
    char dir[64];
    char address[64];
    int fd;
    struct net *net;
    /* of a liar: */
    struct sys_tls_server *tls;
    /* of a true one: */
    struct store *store;
    struct health *health;
    struct cluster *cluster;
};

enum { A, B, LIAR, HUNG, GONE, SIDES };
static struct side sides[SIDES] = {[A] = {.name = "a.test"},
                                   [B] = {.name = "b.test"},
                                   [LIAR] = {.name = "c.test"},
                                   [HUNG] = {.name = "d.test"},
                                   [GONE] = {.name = "e.test"}};
static struct conf conf;

static bool await_for(bool (*is)(void *ctx), void *ctx)
{
    const struct timespec tick = {.tv_nsec = 2000000};

    for (uint64_t until_ms = sys_mono_ms() + LONG_MS; sys_mono_ms() < until_ms;) {
        if (is(ctx))
            return true;
        nanosleep(&tick, NULL);
    }
    return false;
}

static bool is_set(void *ctx)
{
    return atomic_load((atomic_bool *)ctx);
}

/* --- what B does with a question: its text says --- */

static atomic_bool serving; /* it is at work on "wait" */
static atomic_bool released;
static atomic_bool answers_fail;
static struct cluster_asked *asked_last;

static enum st answer_until_it_fails(struct cluster_asked *asked)
{
    char *body = mem_alloc(CLUSTER_BODY_BYTES_MAX);
    enum st st = ST_OK;

    while (st == ST_OK)
        st = cluster_asked_answer(asked, (struct slice){body, CLUSTER_BODY_BYTES_MAX});
    mem_free(body);
    atomic_store(&answers_fail, st == ST_IO);
    return st;
}

static enum st serve(void *ctx, struct cluster_asked *asked)
{
    struct slice question = cluster_asked_question(asked);
    char one[100];

    asked_last = asked;
    snprintf(one, sizeof(one), "%s asks %s", cluster_asked_server(asked), (const char *)ctx);
    if (slice_eq(question, SLICE("three"))) {
        for (int i = 0; i < 3; i++)
            if (cluster_asked_answer(asked, slice_str(one)) != ST_OK)
                return ST_IO;
    } else if (slice_eq(question, SLICE("fail"))) {
        return cluster_asked_answer(asked, slice_str(one)) == ST_OK ? ST_INVALID : ST_OK;
    } else if (slice_eq(question, SLICE("wait"))) {
        if (cluster_asked_answer(asked, slice_str(one)) != ST_OK)
            return ST_IO;
        atomic_store(&serving, true);
        (void)await_for(is_set, &released);
        return cluster_asked_answer(asked, slice_str(one));
    } else if (slice_eq(question, SLICE("flood"))) {
        return answer_until_it_fails(asked);
    } else if (question.len > 1000) {
        return cluster_asked_answer(asked, question);
    }
    return ST_OK;
}

/* --- a liar --- */

enum lie { SILENT, GARBAGE, OTHER_NUMBER, OTHER_FRAME, ONE_EACH, HALF, HUGE, TOGETHER };
static _Atomic(enum lie) lie;
static atomic_uint liar_opened, liar_closed; /* of those that it answered on */
static atomic_uint liar_asked;               /* TOGETHER */

struct liar {
    struct conn *conn;
    unsigned answered;
};

static enum net_next open_liar(void *session, struct conn *conn)
{
    ((struct liar *)session)->conn = conn;
    return NET_READ;
}

static void liar_says(const struct liar *liar, const struct cluster_frame *frame)
{
    AUTO(buf) struct buf out = BUF(2 * MIB);

    assert_int_equal(cluster_frame_write(frame, &out), ST_OK);
    conn_write(liar->conn, buf_slice(&out));
}

static bool two_asked(void *ctx)
{
    return atomic_load(&liar_asked) >= 2;
}

static enum net_next input_liar(void *session, struct slice in, size_t *used_r)
{
    struct liar *liar = session;
    struct cluster_frame frame;
    struct cluster_frame said = {.type = CLUSTER_ANSWERED, .answered = {.ok = 1}};

    if (cluster_frame_read(in, CLUSTER_FRAME_BYTES_MAX, &frame, used_r) != ST_OK)
        return NET_READ;
    if (frame.type != CLUSTER_ASK)
        return NET_CLOSE; /* the other's link */
    if (liar->answered == 0)
        atomic_fetch_add(&liar_opened, 1);
    said.answered.number = frame.ask.number;
    if (lie == GARBAGE)
        conn_write(liar->conn, SLICE("HTTP/1.1 200 OK\r\n\r\n"));
    else if (lie == HUGE)
        conn_write(liar->conn, SLICE("\x7f\xff\xff\xff\x14"));
    else if (lie == HALF)
        conn_write(liar->conn, SLICE("\0\0\0\x20\x14\0\0\0"));
    if (lie == HALF)
        return NET_CLOSE;
    if (lie == OTHER_NUMBER)
        said.answered.number++;
    if (lie == OTHER_FRAME)
        said = (struct cluster_frame){.type = CLUSTER_SEEN, .seen = {.sequence = 1}};
    if (lie == ONE_EACH && liar->answered == 1)
        return NET_CLOSE;
    if (lie == TOGETHER) {
        atomic_fetch_add(&liar_asked, 1);
        (void)await_for(two_asked, NULL);
    }
    liar->answered++;
    if (lie == OTHER_NUMBER || lie == OTHER_FRAME || lie == ONE_EACH || lie == TOGETHER)
        liar_says(liar, &said);
    return NET_READ;
}

static void nothing(void *session)
{
}

static void close_liar(void *session)
{
    if (((struct liar *)session)->answered > 0)
        atomic_fetch_add(&liar_closed, 1);
}

static const struct net_proto proto_liar = {.name = "liar",
                                            .session_bytes = sizeof(struct liar),
                                            .open = open_liar,
                                            .input = input_liar,
                                            .farewell = nothing,
                                            .close = close_liar};
static const struct net_proto proto_unused = {.name = "unused"};

/* --- the domain --- */

static void domain_path(const struct side *side, enum cluster_file file, char *path)
{
    cluster_domain_path(side->dir, file, path);
}

/* A certificate that A signs. */
static void join_domain(const struct side *side)
{
    AUTO(buf) struct buf key = BUF(64 * KIB);
    AUTO(buf) struct buf request = BUF(64 * KIB);
    AUTO(buf) struct buf cert = BUF(64 * KIB);
    AUTO(buf) struct buf authority = BUF(64 * KIB);
    AUTO(buf) struct buf why = BUF(4000);
    char path[CLUSTER_PATH_BYTES];

    domain_path(&sides[A], CLUSTER_FILE_AUTHORITY, path);
    assert_int_equal(sys_cert_make_request(side->name, &key, &request), ST_OK);
    assert_int_equal(cluster_domain_sign(sides[A].dir, buf_slice(&request), side->name,
                                         sys_now_ms(), DAY_MS, &cert, &why),
                     ST_OK);
    assert_int_equal(sys_file_read(path, &authority), ST_OK);
    assert_int_equal(cluster_domain_keep(side->dir, side->name, buf_slice(&cert), buf_slice(&key),
                                         buf_slice(&authority), &why),
                     ST_OK);
}

static enum st put_servers(struct store_tx *tx, void *arg)
{
    char body[100];
    enum st st = ST_OK;

    for (size_t i = 0; st == ST_OK && i < SIDES; i++) {
        snprintf(body, sizeof(body), "cluster = %s\n", sides[i].address);
        const struct store_document document = {.kind = SLICE("server"),
                                                .name = slice_str(sides[i].name),
                                                .modified_ms = 1000,
                                                .body = slice_str(body)};

        st = store_document_put(tx, &document);
    }
    return st;
}

static void side_listen(struct side *side)
{
    AUTO(buf) struct buf why = BUF(4000);
    AUTO(buf) struct buf address = BUF(100);

    snprintf(side->dir, sizeof(side->dir), "%s/posthorse-ask-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(side->dir));
    assert_int_equal(sys_listen(SLICE("127.0.0.1:0"), false, &side->fd, &why), ST_OK);
    sys_listen_address(side->fd, &address);
    snprintf(side->address, sizeof(side->address), "%s", address.ptr);
}

static const struct net_options net_options = {
    .threads_max = 32, .connections_max = 1000, .write_timeout_ms = LONG_MS};

static void side_start(struct side *side)
{
    AUTO(buf) struct buf why = BUF(4000);
    const struct store_options options = {.where = "sqlite",
                                          .data_dir = side->dir,
                                          .connections_max = 16,
                                          .retry_ms = LONG_MS,
                                          .create = true,
                                          .server_name = side->name};
    const struct health_limits limits = {.suspect_ms = conf.cluster_suspect_ms,
                                         .down_ms = conf.cluster_down_ms,
                                         .steady_ms = conf.cluster_steady_ms};

    side->net = net_new(&net_options);
    if (store_open(&options, &why, &side->store) != ST_OK)
        fail_msg("%s", why.ptr);
    assert_int_equal(store_write(side->store, put_servers, NULL), ST_OK);
    side->health = health_new(&limits);
    const struct cluster_context context = {.store = side->store,
                                            .net = side->net,
                                            .health = side->health,
                                            .server_name = side->name,
                                            .data_dir = side->dir,
                                            .listening = side->address,
                                            .transfer = "",
                                            .proto_transfer = &proto_unused};
    if (cluster_open(&context, &why, &side->cluster) != ST_OK)
        fail_msg("%s", why.ptr);
    cluster_serve(side->cluster, serve, (void *)(uintptr_t)side->name);
    net_listen(side->net, side->fd, &proto_cluster, side->cluster, true, 0);
    if (cluster_start(side->cluster, &why) != ST_OK)
        fail_msg("%s", why.ptr);
    assert_int_equal(net_start(side->net), ST_OK);
}

static void side_stop(struct side *side)
{
    cluster_stop(side->cluster);
    net_stop(side->net, LONG_MS);
    net_join(side->net, LONG_MS);
    cluster_free(&side->cluster);
    health_free(&side->health);
    store_close(&side->store);
    net_free(&side->net);
}

static void liar_start(struct side *side)
{
    AUTO(buf) struct buf why = BUF(4000);
    char member[CLUSTER_PATH_BYTES];
    char authority[CLUSTER_PATH_BYTES];

    domain_path(side, CLUSTER_FILE_MEMBER, member);
    domain_path(side, CLUSTER_FILE_AUTHORITY, authority);
    assert_int_equal(sys_tls_server_new_mutual(member, authority, &why, &side->tls), ST_OK);
    side->net = net_new(&net_options);
    net_listen(side->net, side->fd, &proto_liar, NULL, true, 0);
    net_tls_use_for(side->net, &proto_liar, side->tls);
    assert_int_equal(net_start(side->net), ST_OK);
}

static void liar_stop(struct side *side)
{
    net_stop(side->net, LONG_MS);
    net_join(side->net, LONG_MS);
    net_free(&side->net);
    sys_tls_server_free(&side->tls);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *ftw)
{
    return remove(path);
}

static int set_up(void **state)
{
    AUTO(buf) struct buf why = BUF(4000);

    conf = conf_defaults;
    conf.cluster_suspect_ms = LONG_MS / 2; /* only what a question reports makes a server suspect */
    conf.cluster_down_ms = LONG_MS;
    conf_use(&conf);
    for (size_t i = 0; i < SIDES; i++)
        side_listen(&sides[i]);
    close(sides[GONE].fd);
    assert_int_equal(cluster_domain_init(sides[A].dir, "example.test", "a.test", DAY_MS, &why),
                     ST_OK);
    join_domain(&sides[B]);
    join_domain(&sides[LIAR]);
    side_start(&sides[A]);
    side_start(&sides[B]);
    liar_start(&sides[LIAR]);
    return 0;
}

static int tear_down(void **state)
{
    side_stop(&sides[A]);
    side_stop(&sides[B]);
    liar_stop(&sides[LIAR]);
    for (size_t i = 0; i < SIDES; i++) {
        if (i != GONE)
            close(sides[i].fd);
        nftw(sides[i].dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    }
    return 0;
}

/* --- asking --- */

struct reply {
    struct buf text; /* the answers, each with a line break */
    size_t count;
    enum st after_first; /* what fn returns */
    atomic_bool *hold;   /* fn waits for it */
    uint64_t took_ms;
    char why[300];
};

static enum st hear(void *ctx, struct slice answer)
{
    struct reply *reply = ctx;

    reply->count++;
    buf_put(&reply->text, answer);
    buf_put(&reply->text, SLICE("\n"));
    if (reply->hold != NULL)
        (void)await_for(is_set, reply->hold);
    return reply->after_first;
}

static enum st ask(const struct side *from, const struct side *to, struct slice question,
                   uint64_t ms, struct reply *reply)
{
    AUTO(buf) struct buf why = BUF(sizeof(reply->why) - 1);
    uint64_t begun_ms = sys_mono_ms();

    buf_init(&reply->text, 2 * MIB);
    reply->count = 0;
    enum st st =
        cluster_ask(from->cluster, slice_str(to->name), question, begun_ms + ms, hear, reply, &why);
    reply->took_ms = sys_mono_ms() - begun_ms;
    snprintf(reply->why, sizeof(reply->why), "%s", why.len > 0 ? why.ptr : "");
    printf("# %d after %d ms, %zu answers: %s\n", (int)st, (int)reply->took_ms, reply->count,
           reply->why);
    assert_true((st == ST_OK) == (why.len == 0));
    return st;
}

/* The same, of a question whose answers do not matter. */
static enum st asked(const struct side *to, const char *question, uint64_t ms, uint64_t *took_ms_r)
{
    struct reply reply = {0};
    enum st st = ask(&sides[A], to, slice_str(question), ms, &reply);

    buf_fini(&reply.text);
    *took_ms_r = reply.took_ms;
    return st;
}

/* A question from a thread of its own. */
struct asking {
    pthread_t thread;
    const struct side *to;
    const char *question;
    enum st st;
    struct reply reply;
};

static void *run_asking(void *arg)
{
    struct asking *asking = arg;

    asking->st = ask(&sides[A], asking->to != NULL ? asking->to : &sides[B],
                     slice_str(asking->question), LONG_MS, &asking->reply);
    return NULL;
}

static void asking_begin(struct asking *asking)
{
    atomic_store(&serving, false);
    atomic_store(&released, false);
    assert_int_equal(pthread_create(&asking->thread, NULL, run_asking, asking), 0);
    assert_true(await_for(is_set, &serving));
}

static enum st asking_end(struct asking *asking)
{
    pthread_join(asking->thread, NULL);
    buf_fini(&asking->reply.text);
    return asking->st;
}

static void count_connected(void *ctx, const struct cluster_look *look)
{
    *(size_t *)ctx += look->connected && strcmp(look->name, "b.test") == 0;
}

/* A knows which life of B this is: connections of an unknown one are not kept. */
static bool is_connected(void *ctx)
{
    size_t count = 0;

    cluster_each(sides[A].cluster, count_connected, &count);
    return count == 1;
}

static void test_each_answer_comes_and_the_connection_is_kept(void **state)
{
    struct reply reply = {0};

    assert_true(await_for(is_connected, NULL));
    for (int i = 0; i < 3; i++) {
        struct cluster_asked *before = asked_last;

        assert_int_equal(ask(&sides[A], &sides[B], SLICE("three"), LONG_MS, &reply), ST_OK);
        T_EQ_SLICE(buf_slice(&reply.text),
                   SLICE("a.test asks b.test\na.test asks b.test\na.test asks b.test\n"));
        buf_fini(&reply.text);
        assert_true(i == 0 || asked_last == before);
    }
    assert_int_equal(ask(&sides[B], &sides[A], SLICE("three"), LONG_MS, &reply), ST_OK);
    T_EQ_SLICE(slice_sub(buf_slice(&reply.text), 0, 19), SLICE("b.test asks a.test\n"));
    buf_fini(&reply.text);
    assert_int_equal(ask(&sides[A], &sides[B], SLICE("nothing"), LONG_MS, &reply), ST_OK);
    assert_int_equal(reply.count, 0);
    buf_fini(&reply.text);
}

static void test_bodies_up_to_the_limit_go_both_ways(void **state)
{
    char *body = mem_alloc(CLUSTER_BODY_BYTES_MAX + 1);
    struct reply reply = {0};

    memset(body, 'x', CLUSTER_BODY_BYTES_MAX + 1);
    assert_int_equal(
        ask(&sides[A], &sides[B], (struct slice){body, CLUSTER_BODY_BYTES_MAX}, LONG_MS, &reply),
        ST_OK);
    assert_int_equal(reply.text.len, CLUSTER_BODY_BYTES_MAX + 1);
    buf_fini(&reply.text);
    assert_int_equal(ask(&sides[A], &sides[B], (struct slice){body, CLUSTER_BODY_BYTES_MAX + 1},
                         LONG_MS, &reply),
                     ST_TOO_BIG);
    buf_fini(&reply.text);
    mem_free(body);
}

static void test_a_question_that_failed_there_says_so_behind_its_answers(void **state)
{
    struct reply reply = {0};

    assert_int_equal(ask(&sides[A], &sides[B], SLICE("fail"), LONG_MS, &reply), ST_AGAIN);
    assert_int_equal(reply.count, 1);
    buf_fini(&reply.text);
}

static void test_an_asker_who_wants_no_more_is_let_go(void **state)
{
    struct reply reply = {.after_first = ST_EXISTS};

    assert_int_equal(ask(&sides[A], &sides[B], SLICE("three"), LONG_MS, &reply), ST_EXISTS);
    assert_int_equal(reply.count, 1);
    buf_fini(&reply.text);
    reply.after_first = ST_AGAIN;
    assert_int_equal(ask(&sides[A], &sides[B], SLICE("three"), LONG_MS, &reply), ST_AGAIN);
    assert_int_equal(reply.count, 1);
    buf_fini(&reply.text);
}

static void test_who_is_not_there_or_says_nothing_is_given_up_by_the_deadline(void **state)
{
    const struct side nobody = {.name = "nobody.test"};
    uint64_t took_ms;

    lie = SILENT;
    assert_int_equal(asked(&sides[HUNG], "x", 300, &took_ms), ST_IO);
    assert_true(took_ms >= 299 && took_ms < SOON_MS);
    assert_int_equal(asked(&sides[LIAR], "x", 300, &took_ms), ST_IO);
    assert_true(took_ms >= 299 && took_ms < SOON_MS);
    assert_int_equal(asked(&sides[GONE], "x", LONG_MS, &took_ms), ST_IO);
    assert_true(took_ms < SOON_MS);
    assert_int_equal(asked(&nobody, "x", LONG_MS, &took_ms), ST_NOT_FOUND);
    assert_int_equal(asked(&sides[B], "three", 0, &took_ms), ST_IO);
}

static void test_garbage_is_told_from_silence(void **state)
{
    static const struct {
        enum lie lie;
        enum st st;
    } rows[] = {{GARBAGE, ST_INVALID},
                {HUGE, ST_INVALID},
                {OTHER_NUMBER, ST_INVALID},
                {OTHER_FRAME, ST_INVALID},
                {HALF, ST_IO}};
    uint64_t took_ms;

    for (size_t i = 0; i < COUNT(rows); i++) {
        lie = rows[i].lie;
        assert_int_equal(asked(&sides[LIAR], "x", LONG_MS, &took_ms), rows[i].st);
        assert_true(took_ms < SOON_MS);
    }
}

static void test_an_idle_connection_that_died_costs_a_second_try_and_no_more(void **state)
{
    unsigned before = atomic_load(&liar_opened);
    uint64_t took_ms;

    lie = ONE_EACH;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(asked(&sides[LIAR], "x", LONG_MS, &took_ms), ST_OK);
        assert_int_equal(atomic_load(&liar_opened), before + i + 1);
    }
}

static bool two_closed(void *ctx)
{
    return atomic_load(&liar_closed) >= *(unsigned *)ctx + 2;
}

/* The other one is not kept until somebody asks by it, or for 30 s. */
static void test_one_connection_that_breaks_ends_the_idle_ones_to_that_server(void **state)
{
    struct asking asking = {.to = &sides[LIAR], .question = "x"};
    uint64_t took_ms;

    lie = ONE_EACH; /* what is idle by now goes */
    assert_int_equal(asked(&sides[LIAR], "x", LONG_MS, &took_ms), ST_OK);
    assert_int_equal(asked(&sides[LIAR], "x", LONG_MS, &took_ms), ST_OK);
    lie = HALF;
    assert_int_equal(asked(&sides[LIAR], "x", LONG_MS, &took_ms), ST_IO);
    lie = TOGETHER;
    assert_int_equal(pthread_create(&asking.thread, NULL, run_asking, &asking), 0);
    assert_int_equal(asked(&sides[LIAR], "x", LONG_MS, &took_ms), ST_OK);
    assert_int_equal(asking_end(&asking), ST_OK);
    unsigned before = atomic_load(&liar_closed);
    lie = HALF;
    assert_int_equal(asked(&sides[LIAR], "x", LONG_MS, &took_ms), ST_IO);
    assert_true(await_for(two_closed, &before));
}

static void test_more_questions_than_allowed_are_not_sent(void **state)
{
    struct asking asking = {.question = "wait"};
    uint64_t took_ms;

    conf.cluster_questions_max = 1;
    conf_use(&conf);
    asking_begin(&asking);
    assert_int_equal(asked(&sides[B], "three", LONG_MS, &took_ms), ST_TOO_BIG);
    assert_int_equal(asked(&sides[GONE], "three", LONG_MS, &took_ms), ST_IO); /* each on its own */
    atomic_store(&released, true);
    assert_int_equal(asking_end(&asking), ST_OK);
    assert_int_equal(asked(&sides[B], "three", LONG_MS, &took_ms), ST_OK);
    conf.cluster_questions_max = conf_defaults.cluster_questions_max;
    conf_use(&conf);
}

static void test_a_server_with_enough_questions_says_so_at_once(void **state)
{
    struct asking asking = {.question = "wait"};
    uint64_t took_ms;

    conf.cluster_questions_served_max = 1;
    conf_use(&conf);
    asking_begin(&asking);
    assert_int_equal(asked(&sides[B], "three", LONG_MS, &took_ms), ST_AGAIN);
    assert_true(took_ms < SOON_MS);
    atomic_store(&released, true);
    assert_int_equal(asking_end(&asking), ST_OK);
    assert_int_equal(asked(&sides[B], "three", LONG_MS, &took_ms), ST_OK);
    conf.cluster_questions_served_max = conf_defaults.cluster_questions_served_max;
    conf_use(&conf);
}

/* The asker takes one answer and then nothing, while its question floods it. */
static void test_who_does_not_read_holds_nobody_beyond_the_deadline(void **state)
{
    struct reply reply = {.hold = &answers_fail};

    atomic_store(&answers_fail, false);
    assert_int_not_equal(ask(&sides[A], &sides[B], SLICE("flood"), 500, &reply), ST_OK);
    assert_true(atomic_load(&answers_fail));
    assert_true(reply.took_ms < SOON_MS);
    buf_fini(&reply.text);
}

static void test_a_server_that_stops_in_the_middle_ends_the_question(void **state)
{
    struct asking asking = {.question = "wait"};
    uint64_t took_ms;

    asking_begin(&asking);
    cluster_stop(sides[B].cluster);
    assert_int_equal(asking_end(&asking), ST_IO); /* long before it is released */
    assert_int_equal(asking.reply.count, 1);
    assert_true(asking.reply.took_ms < SOON_MS);
    atomic_store(&released, true);
    side_stop(&sides[B]);
    assert_int_equal(asked(&sides[B], "three", 300, &took_ms), ST_IO);
    side_start(&sides[B]);
    assert_int_equal(asked(&sides[B], "three", LONG_MS, &took_ms), ST_OK);
}

static void test_an_asker_that_stops_ends_its_questions(void **state)
{
    struct asking asking = {.question = "wait"};
    uint64_t took_ms;

    asking_begin(&asking);
    cluster_stop(sides[A].cluster);
    assert_int_equal(asking_end(&asking), ST_IO);
    assert_true(asking.reply.took_ms < SOON_MS);
    assert_int_equal(asked(&sides[B], "three", LONG_MS, &took_ms), ST_IO);
    atomic_store(&released, true);
    side_stop(&sides[A]);
    side_start(&sides[A]);
    assert_int_equal(asked(&sides[B], "three", LONG_MS, &took_ms), ST_OK);
}

static bool is_refused(void *ctx)
{
    const struct side *to = ctx;
    struct reply reply = {0};
    enum st st = ask(to == &sides[A] ? &sides[B] : &sides[A], to, SLICE("three"), LONG_MS, &reply);

    buf_fini(&reply.text);
    return st != ST_OK;
}

/* The last one: B is out. */
static void test_a_revoked_server_neither_asks_nor_is_asked(void **state)
{
    struct reply reply = {0};

    assert_int_equal(ask(&sides[B], &sides[A], SLICE("three"), LONG_MS, &reply), ST_OK);
    buf_fini(&reply.text);
    assert_int_equal(cluster_revoke(sides[A].store, SLICE("b.test"), sys_now_ms()), ST_OK);
    assert_true(await_for(is_refused, &sides[B]));
    assert_true(await_for(is_refused, &sides[A]));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_answer_comes_and_the_connection_is_kept),
        cmocka_unit_test(test_bodies_up_to_the_limit_go_both_ways),
        cmocka_unit_test(test_a_question_that_failed_there_says_so_behind_its_answers),
        cmocka_unit_test(test_an_asker_who_wants_no_more_is_let_go),
        cmocka_unit_test(test_who_is_not_there_or_says_nothing_is_given_up_by_the_deadline),
        cmocka_unit_test(test_garbage_is_told_from_silence),
        cmocka_unit_test(test_an_idle_connection_that_died_costs_a_second_try_and_no_more),
        cmocka_unit_test(test_one_connection_that_breaks_ends_the_idle_ones_to_that_server),
        cmocka_unit_test(test_more_questions_than_allowed_are_not_sent),
        cmocka_unit_test(test_a_server_with_enough_questions_says_so_at_once),
        cmocka_unit_test(test_who_does_not_read_holds_nobody_beyond_the_deadline),
        cmocka_unit_test(test_a_server_that_stops_in_the_middle_ends_the_question),
        cmocka_unit_test(test_an_asker_that_stops_ends_its_questions),
        cmocka_unit_test(test_a_revoked_server_neither_asks_nor_is_asked),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
