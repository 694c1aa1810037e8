#include "sys/sys_fetch.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"
#include "sys/sys_net.h"
#include "sys/sys_time.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <strings.h>

#define IDLE_MAX 32 /* connections that are kept */
#define REDIRECTS_MAX 3
#define HEADER_BYTES_MAX (256 * KIB)
#define URL_BYTES_MAX (8 * KIB)
#define KEY_BYTES_MAX (12 * KIB)
#define DEADLINE_MS_MAX HOUR_MS
/* What GnuTLS takes for the system's, too; libcurl itself would read the folder, file by file. */
#define SYSTEM_TRUST_FILE "/etc/ssl/certs/ca-certificates.crt"

/* A handle with its connection: curl's own ways to share connections are not for threads. */
struct line {
    CURL *curl;
    char *key; /* what it may be used for */
};

struct sys_fetcher {
    atomic_bool stopping;
    pthread_mutex_t lock;
    struct line idle[IDLE_MAX]; /* the last used at the end */
    size_t idle_count;
};

/* One request under way. */
struct fetching {
    struct sys_fetcher *fetcher;
    const struct sys_fetch_request *request;
    CURL *curl;
    CURLU *url;
    struct buf *answer;
    struct buf *why;
    size_t header_bytes;
    bool too_big;
    char fault[CURL_ERROR_SIZE];
};

static pthread_once_t begun = PTHREAD_ONCE_INIT;

static void begin(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct sys_fetcher *sys_fetcher_new(void)
{
    struct sys_fetcher *fetcher = mem_new(struct sys_fetcher);

    pthread_once(&begun, begin);
    pthread_mutex_init(&fetcher->lock, NULL);
    return fetcher;
}

void sys_fetcher_stop(struct sys_fetcher *fetcher)
{
    atomic_store(&fetcher->stopping, true);
}

static void line_end(struct line *line)
{
    curl_easy_cleanup(line->curl);
    mem_free(line->key);
    *line = (struct line){.curl = NULL};
}

void sys_fetcher_free(struct sys_fetcher **fetcher)
{
    if (*fetcher == NULL)
        return;
    for (size_t i = 0; i < (*fetcher)->idle_count; i++)
        line_end(&(*fetcher)->idle[i]);
    pthread_mutex_destroy(&(*fetcher)->lock);
    mem_free(*fetcher);
    *fetcher = NULL;
}

/* --- connections --- */

/* Takes the line at i out of the idle ones. */
static struct line line_remove(struct sys_fetcher *fetcher, size_t i)
{
    struct line line = fetcher->idle[i];

    fetcher->idle_count--;
    memmove(&fetcher->idle[i], &fetcher->idle[i + 1],
            (fetcher->idle_count - i) * sizeof(fetcher->idle[0]));
    return line;
}

static struct line line_take(struct sys_fetcher *fetcher, const char *key)
{
    struct line line = {.curl = NULL};

    pthread_mutex_lock(&fetcher->lock);
    for (size_t i = fetcher->idle_count; i > 0 && line.curl == NULL; i--)
        if (strcmp(fetcher->idle[i - 1].key, key) == 0)
            line = line_remove(fetcher, i - 1);
    pthread_mutex_unlock(&fetcher->lock);
    if (line.curl == NULL)
        line = (struct line){curl_easy_init(), mem_copy(slice_str(key))};
    assert(line.curl != NULL);
    return line;
}

static void line_give(struct sys_fetcher *fetcher, struct line *line)
{
    struct line oldest = {.curl = NULL};

    curl_easy_reset(line->curl); /* the connection stays open */
    pthread_mutex_lock(&fetcher->lock);
    if (fetcher->idle_count == IDLE_MAX)
        oldest = line_remove(fetcher, 0);
    fetcher->idle[fetcher->idle_count++] = *line;
    pthread_mutex_unlock(&fetcher->lock);
    if (oldest.curl != NULL)
        line_end(&oldest);
}

/* --- URLs --- */

/* Appends the part; nothing where there is none. */
static void url_part(CURLU *url, CURLUPart part, struct buf *out)
{
    char *text = NULL;

    if (curl_url_get(url, part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK)
        buf_put(out, slice_str(text));
    curl_free(text);
}

static bool url_same(CURLU *a, CURLU *b, CURLUPart part)
{
    AUTO(buf) struct buf x = BUF(URL_BYTES_MAX), y = BUF(URL_BYTES_MAX);

    url_part(a, part, &x);
    url_part(b, part, &y);
    return slice_ieq(buf_slice(&x), buf_slice(&y));
}

static bool is_secure(CURLU *url)
{
    AUTO(buf) struct buf scheme = BUF(KIB);

    url_part(url, CURLUPART_SCHEME, &scheme);
    return slice_ieq(buf_slice(&scheme), SLICE("https"));
}

static bool is_loopback(CURLU *url)
{
    AUTO(buf) struct buf text = BUF(URL_BYTES_MAX);
    struct slice host;

    url_part(url, CURLUPART_HOST, &text);
    host = buf_slice(&text);
    if (host.len > 2 && host.ptr[0] == '[')
        host = slice_sub(host, 1, host.len - 2);
    return slice_ieq(host, SLICE("localhost")) || /* libcurl asks nobody what it is */
           sys_net_contains(SLICE("127.0.0.0/8 ::1"), host);
}

static bool logs_in(const struct sys_fetch_request *request)
{
    return request->user[0] != '\0' || request->auth == SYS_FETCH_NEGOTIATE;
}

/* Who uses a connection: NTLM's log-in is the connection's. */
static void key_write(const struct fetching *fetching, struct buf *out)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    const struct sys_fetch_request *request = fetching->request;

    for (size_t i = 0; i < COUNT(parts); i++) {
        url_part(fetching->url, parts[i], out);
        buf_put(out, SLICE(" "));
    }
    buf_putf(out, "%d %s %s %s", (int)request->auth, request->trust_file, request->user,
             request->password);
}

/* --- one exchange --- */

static size_t on_header(char *bytes, size_t size, size_t count, void *arg)
{
    struct fetching *fetching = arg;

    fetching->header_bytes += size * count;
    fetching->too_big |= fetching->header_bytes > HEADER_BYTES_MAX;
    return fetching->too_big ? 0 : size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *arg)
{
    struct fetching *fetching = arg;

    fetching->too_big |= buf_add(fetching->answer, (struct slice){bytes, size * count}) != ST_OK;
    return fetching->too_big ? 0 : size * count;
}

/* libcurl calls it once a second at least, however silent the other side is. */
static int on_progress(void *arg, curl_off_t down_max, curl_off_t down, curl_off_t up_max,
                       curl_off_t up)
{
    const struct fetching *fetching = arg;

    return atomic_load(&fetching->fetcher->stopping);
}

static void prepare_login(CURL *curl, const struct sys_fetch_request *request)
{
    static const unsigned long auths[SYS_FETCH_AUTH_MAX] = {
        [SYS_FETCH_BASIC] = CURLAUTH_BASIC,
        [SYS_FETCH_NTLM] = CURLAUTH_NTLM,
        [SYS_FETCH_NEGOTIATE] = CURLAUTH_NEGOTIATE,
    };

    if (!logs_in(request))
        return;
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, auths[request->auth]);
    curl_easy_setopt(curl, CURLOPT_USERNAME, request->user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request->password);
}

static void prepare_tls(CURL *curl, const char *trust_file)
{
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_CAINFO, trust_file[0] != '\0' ? trust_file : SYSTEM_TRUST_FILE);
    curl_easy_setopt(curl, CURLOPT_CAPATH, NULL); /* else the folder would count, too */
}

static void prepare(struct fetching *fetching)
{
    const struct sys_fetch_request *request = fetching->request;
    CURL *curl = fetching->curl;

    curl_easy_setopt(curl, CURLOPT_CURLU, fetching->url);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, fetching->fault);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); /* a resolver that hangs is not waited for */
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "Posthorse/" POSTHORSE_VERSION);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, fetching);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, fetching);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, fetching);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    prepare_tls(curl, request->trust_file);
    prepare_login(curl, request);
    if (strcmp(request->method, "GET") != 0) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->body.len > 0 ? request->body.ptr : "");
        curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
    }
}

static enum st st_of(const struct fetching *fetching, CURLcode code)
{
    if (code == CURLE_OK)
        return ST_OK;
    if (fetching->too_big || code == CURLE_OUT_OF_MEMORY) /* so it says of a long header line */
        return ST_TOO_BIG;
    if (code == CURLE_OPERATION_TIMEDOUT)
        return ST_AGAIN;
    if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CACERT_BADFILE ||
        code == CURLE_SSL_ISSUER_ERROR)
        return ST_DENIED;
    if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL ||
        code == CURLE_BAD_CONTENT_ENCODING)
        return ST_INVALID;
    return ST_IO;
}

static void explain(const struct fetching *fetching, enum st st, CURLcode code)
{
    if (code == CURLE_ABORTED_BY_CALLBACK)
        buf_put(fetching->why, SLICE("this server is stopping"));
    else if (st == ST_AGAIN)
        buf_put(fetching->why, SLICE("no answer in time"));
    else if (st == ST_TOO_BIG &&
             (fetching->header_bytes > HEADER_BYTES_MAX || code == CURLE_OUT_OF_MEMORY))
        buf_put(fetching->why, SLICE("the answer's header is too large"));
    else if (st == ST_TOO_BIG)
        buf_putf(fetching->why, "the answer is larger than %zu bytes", fetching->answer->bytes_max);
    else
        buf_put(fetching->why,
                slice_str(fetching->fault[0] != '\0' ? fetching->fault : curl_easy_strerror(code)));
}

/* To fetching->url, within the request's time. */
static enum st exchange(struct fetching *fetching, unsigned *status_r)
{
    const struct sys_fetch_request *request = fetching->request;
    uint64_t now_ms = sys_mono_ms();
    uint64_t left_ms = request->deadline_ms > now_ms ? request->deadline_ms - now_ms : 0;
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    long status = 0;

    if (left_ms == 0) {
        curl_slist_free_all(headers);
        explain(fetching, ST_AGAIN, CURLE_OK);
        return ST_AGAIN;
    }
    left_ms = left_ms < DEADLINE_MS_MAX ? left_ms : DEADLINE_MS_MAX;
    buf_clear(fetching->answer);
    fetching->header_bytes = 0;
    fetching->fault[0] = '\0';
    prepare(fetching);
    for (size_t i = 0; i < request->header_count; i++)
        headers = curl_slist_append(headers, request->headers[i]);
    curl_easy_setopt(fetching->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(fetching->curl, CURLOPT_TIMEOUT_MS, (long)left_ms);
    curl_easy_setopt(fetching->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)left_ms);
    CURLcode code = curl_easy_perform(fetching->curl);
    enum st st = st_of(fetching, code);
    if (st != ST_OK)
        explain(fetching, st, code);
    curl_easy_getinfo(fetching->curl, CURLINFO_RESPONSE_CODE, &status);
    *status_r = (unsigned)status;
    curl_slist_free_all(headers);
    return st;
}

/* Whether the answer sends elsewhere, where we follow: then fetching->url is that. */
static bool redirected(struct fetching *fetching, unsigned status)
{
    char *to = NULL;
    CURLU *next;

    if (status != 301 && status != 302 && status != 307 && status != 308)
        return false;
    curl_easy_getinfo(fetching->curl, CURLINFO_REDIRECT_URL, &to);
    next = curl_url(); /* libcurl puts the user into it */
    bool follow = to != NULL && curl_url_set(next, CURLUPART_URL, to, 0) == CURLUE_OK &&
                  url_same(fetching->url, next, CURLUPART_HOST) &&
                  (is_secure(next) || !is_secure(fetching->url)) &&
                  (is_secure(next) != is_secure(fetching->url) ||
                   url_same(fetching->url, next, CURLUPART_PORT));
    CURLU *old = follow ? fetching->url : next;
    if (follow)
        fetching->url = next;
    curl_url_set(next, CURLUPART_USER, NULL, 0);
    curl_url_set(next, CURLUPART_PASSWORD, NULL, 0);
    curl_easy_setopt(fetching->curl, CURLOPT_CURLU, NULL);
    curl_url_cleanup(old);
    return follow;
}

static enum st run(struct fetching *fetching, unsigned *status_r)
{
    enum st st;

    for (unsigned tries = 0;; tries++) {
        st = exchange(fetching, status_r);
        if (st != ST_OK || tries == REDIRECTS_MAX || !redirected(fetching, *status_r))
            return st;
    }
}

enum st sys_fetch(struct sys_fetcher *fetcher, const struct sys_fetch_request *request,
                  unsigned *status_r, struct buf *answer, struct buf *why)
{
    struct fetching fetching = {
        .fetcher = fetcher, .request = request, .url = curl_url(), .answer = answer, .why = why};
    AUTO(buf) struct buf key = BUF(KEY_BYTES_MAX);
    enum st st = ST_INVALID;

    *status_r = 0;
    if (curl_url_set(fetching.url, CURLUPART_URL, request->url, CURLU_DISALLOW_USER) != CURLUE_OK) {
        buf_put(why, SLICE("that is no URL, or has a user in it"));
    } else if (logs_in(request) && !is_secure(fetching.url) && !is_loopback(fetching.url)) {
        buf_put(why, SLICE("a log-in is not sent without TLS; write https"));
        st = ST_DENIED;
    } else if (atomic_load(&fetcher->stopping)) {
        buf_put(why, SLICE("this server is stopping"));
        st = ST_IO;
    } else {
        key_write(&fetching, &key);
        struct line line = line_take(fetcher, key.ptr);
        fetching.curl = line.curl;
        st = run(&fetching, status_r);
        line_give(fetcher, &line);
    }
    curl_url_cleanup(fetching.url);
    return st;
}
