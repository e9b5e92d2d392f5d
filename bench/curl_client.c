/*
 * curl_client.c - libcurl with one easy handle a session, which keeps the connection: LIST, then one transfer for each
 * message, as curl's own documentation does it.
 */
#include <curl/curl.h>

#include "job.h"

/* What a transfer brought; each write is copied, as every application of curl's must. */
static struct {
    char *data;
    size_t size, capacity;
} message;

static size_t keep(char *data, size_t size, size_t count, void *context) {
    (void)context;
    size *= count;
    if (size > message.capacity - message.size) {
        message.capacity = 2 * (message.capacity + size);
        message.data = realloc(message.data, message.capacity);
        if (message.data == NULL)
            return 0;
    }
    memcpy(message.data + message.size, data, size);
    message.size += size;
    return size;
}

static void transfer(CURL *curl, const bench_job *job, size_t number) {
    char url[256];
    int used = snprintf(url, sizeof url, "%s://%s:%s/", job->tls ? "pop3s" : "pop3", job->host, job->port);
    if (number > 0)
        snprintf(url + used, sizeof url - (size_t)used, "%zu", number);
    message.size = 0;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK)
        bench_die(curl_easy_strerror(code));
}

static size_t count_lines(void) {
    size_t lines = 0;
    for (size_t i = 0; i < message.size; i++)
        lines += message.data[i] == '\n';
    return lines;
}

static void run_session(bench_job *job) {
    CURL *curl = curl_easy_init();
    curl_easy_setopt(curl, CURLOPT_USERNAME, BENCH_USER);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, BENCH_PASSWORD);
    curl_easy_setopt(curl, CURLOPT_CAINFO, job->ca_file);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 100L * 1024); /* as the curl tool does; 512 KiB overflow it in POP3 */
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
    transfer(curl, job, 0);
    size_t count = count_lines();
    for (size_t number = 1; number <= count; number++) {
        transfer(curl, job, number);
        job->messages++;
        job->octets += message.size;
    }
    curl_easy_cleanup(curl); /* says QUIT */
}

int main(int argc, char **argv) {
    curl_global_init(CURL_GLOBAL_DEFAULT);
    bench_job job = bench_begin(argc, argv);
    for (unsigned i = 0; i < job.sessions; i++)
        run_session(&job);
    bench_end(&job);
    curl_global_cleanup();
    free(message.data);
}
