#include "ctl/ctl_client.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/slice.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <sysexits.h>

#define ERROR_BYTES_MAX (64 * KIB)
#define URL_BYTES_MAX (16 * KIB)
#define CONNECT_TIMEOUT_MS 5000L

struct ctl_client {
    CURL *curl;
    char *socket_path;
    char fault[CURL_ERROR_SIZE];
};

struct running {
    struct ctl_client *client;
    const struct ctl_request *request;
    struct buf error; /* the body of an answer other than 200 */
};

struct ctl_client *ctl_client_new(const char *socket_path)
{
    struct ctl_client *client = mem_new(struct ctl_client);

    curl_global_init(CURL_GLOBAL_DEFAULT);
    client->curl = curl_easy_init();
    assert(client->curl != NULL);
    client->socket_path = mem_copy(slice_str(socket_path));
    return client;
}

void ctl_client_free(struct ctl_client **client)
{
    if (*client == NULL)
        return;
    curl_easy_cleanup((*client)->curl);
    curl_global_cleanup();
    mem_free((*client)->socket_path);
    mem_free(*client);
    *client = NULL;
}

void ctl_client_escape(struct ctl_client *client, struct slice text, struct buf *out)
{
    char *escaped = text.len > 0 ? curl_easy_escape(client->curl, text.ptr, (int)text.len) : NULL;

    buf_put(out, slice_str(escaped));
    curl_free(escaped);
}

static long http_status(const struct ctl_client *client)
{
    long status = 0;

    curl_easy_getinfo(client->curl, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

static size_t on_answer(char *bytes, size_t size, size_t count, void *arg)
{
    struct running *running = arg;
    struct slice part = {bytes, size * count};

    if (http_status(running->client) != 200) {
        buf_put(&running->error, part);
        return part.len;
    }
    if (running->request->take == NULL ||
        running->request->take(running->request->ctx, part) == ST_OK)
        return part.len;
    return 0;
}

static size_t on_upload(char *room, size_t size, size_t count, void *arg)
{
    const struct running *running = arg;
    size_t len = running->request->read(running->request->ctx, room, size * count);

    return len == SIZE_MAX ? CURL_READFUNC_ABORT : len;
}

/* The exit status for each HTTP status that the admin API gives. */
static int exit_of_status(long status)
{
    static const struct {
        long status;
        int exit;
    } exits[] = {{400, EX_DATAERR},   {403, EX_NOPERM},  {404, EX_NOUSER},   {405, EX_PROTOCOL},
                 {409, EX_CANTCREAT}, {413, EX_DATAERR}, {503, EX_TEMPFAIL}, {507, EX_CANTCREAT}};

    for (size_t i = 0; i < COUNT(exits); i++)
        if (exits[i].status == status)
            return exits[i].exit;
    return EX_PROTOCOL;
}

static int explain_refusal(const struct running *running, long status, struct buf *why)
{
    json_t *json = json_loadb(running->error.ptr, running->error.len, 0, NULL);
    const char *error = json_string_value(json_object_get(json, "error"));

    if (error != NULL)
        buf_put(why, slice_str(error));
    else
        buf_putf(why, "the server answered with status %ld", status);
    json_decref(json);
    return exit_of_status(status);
}

static int explain_connect(const struct ctl_client *client, struct buf *why)
{
    long error = 0;

    curl_easy_getinfo(client->curl, CURLINFO_OS_ERRNO, &error);
    if (error == EACCES || error == EPERM) {
        buf_putf(why, "no permission to use %s; run this as root or as the server's user",
                 client->socket_path);
        return EX_NOPERM;
    }
    buf_putf(why, "the server is not running: %s %s; start it with posthorse serve",
             error == ENOENT ? "there is no" : "nobody answers on", client->socket_path);
    return EX_UNAVAILABLE;
}

static int explain(const struct running *running, CURLcode code, struct buf *why)
{
    const struct ctl_client *client = running->client;

    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return explain_connect(client, why);
    if (code != CURLE_WRITE_ERROR && code != CURLE_ABORTED_BY_CALLBACK)
        buf_putf(why, "the server broke off: %s",
                 client->fault[0] != '\0' ? client->fault : curl_easy_strerror(code));
    return EX_IOERR;
}

static void prepare(CURL *curl, struct running *running)
{
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, running->client->socket_path);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, running->client->fault);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
    if (running->request->timeout_ms > 0)
        curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)running->request->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_answer);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, running);
}

static struct curl_slist *prepare_body(CURL *curl, struct running *running)
{
    const struct ctl_request *request = running->request;
    const char *type = request->json != NULL ? "Content-Type: application/json"
                                             : "Content-Type: application/octet-stream";

    if (request->json == NULL && request->read == NULL)
        return NULL;
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    if (request->json != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(request->json));
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->json);
    } else {
        curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_upload);
        curl_easy_setopt(curl, CURLOPT_READDATA, running);
    }
    struct curl_slist *header = curl_slist_append(NULL, type);
    if (request->read != NULL)
        header = curl_slist_append(header, "Transfer-Encoding: chunked");
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, header);
    return header;
}

int ctl_client_run(struct ctl_client *client, const struct ctl_request *request, struct buf *why)
{
    struct running running = {.client = client, .request = request};
    AUTO(buf) struct buf url = BUF(URL_BYTES_MAX);

    curl_easy_reset(client->curl); /* the connection stays open */
    client->fault[0] = '\0';
    buf_init(&running.error, ERROR_BYTES_MAX);
    buf_putf(&url, "http://posthorse%s", request->path);
    curl_easy_setopt(client->curl, CURLOPT_URL, url.ptr);
    prepare(client->curl, &running);
    struct curl_slist *header = prepare_body(client->curl, &running);
    CURLcode code = curl_easy_perform(client->curl);
    long status = http_status(client);
    int exit = 0;
    /* A refusal may come, and the connection end, while the body is still being sent. */
    if (status >= 300)
        exit = explain_refusal(&running, status, why);
    else if (code != CURLE_OK)
        exit = explain(&running, code, why);
    curl_slist_free_all(header);
    buf_fini(&running.error);
    return exit;
}
