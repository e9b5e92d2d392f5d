/*
 * poplin_client.c - poplin from C: connect, LIST, all messages as a series, each copied into one block, QUIT.
 */
#include <poplin.h>

#include "job.h"

static struct {
    char *data;
    size_t capacity;
} message;

static _Noreturn void die(const poplin_error *error) {
    char text[1024] = "the link failed";
    if (error != NULL)
        poplin_error_format(error, text, sizeof text);
    bench_die(text);
}

static void must(poplin_link *link, int status) {
    if (status != POPLIN_OK)
        die(poplin_link_error(link));
}

/* Waits for one command's reply. */
static poplin_call *ask(poplin_link *link, enum poplin_verb verb) {
    poplin_command command = {.verb = verb};
    poplin_call *call;
    int status;
    must(link, poplin_link_call(link, &command, false, &call));
    while ((status = poplin_call_done(call)) == POPLIN_NEED_INPUT)
        poplin_link_wait(link, -1);
    must(link, status);
    must(link, poplin_call_reply(call)->status);
    return call;
}

static poplin_link *open_link(const bench_job *job, poplin_loop *loop, poplin_tls_credentials *credentials) {
    poplin_link_config config;
    poplin_link *link;
    poplin_credentials login = {.user = {BENCH_USER, strlen(BENCH_USER)},
                                .password = {BENCH_PASSWORD, strlen(BENCH_PASSWORD)}};
    int status;
    poplin_link_config_init(&config);
    config.host = job->host;
    config.port = (uint16_t)strtoul(job->port, NULL, 10);
    config.credentials = credentials;
    config.client.tls = job->tls ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_NEVER;
    if (poplin_link_open(loop, &config, &login, &link) != POPLIN_OK)
        die(NULL);
    while ((status = poplin_link_opened(link)) == POPLIN_NEED_INPUT)
        poplin_link_wait(link, -1);
    must(link, status);
    return link;
}

/* Every message there is, with its size from LIST. */
static poplin_wanted *list_messages(poplin_link *link, size_t *count) {
    poplin_call *call = ask(link, POPLIN_LIST);
    const poplin_line *lines = poplin_call_lines(call, count);
    poplin_wanted *wanted = malloc((*count + 1) * sizeof *wanted);
    if (wanted == NULL)
        bench_die("out of memory");
    for (size_t i = 0; i < *count; i++)
        wanted[i] = (poplin_wanted){lines[i].number, lines[i].octets};
    poplin_call_free(call);
    return wanted;
}

static void take(bench_job *job, const poplin_message *taken) {
    if (taken->status != POPLIN_OK)
        bench_die("a message was refused");
    if (taken->body.size > message.capacity) {
        message.capacity = taken->body.size;
        message.data = realloc(message.data, message.capacity);
        if (message.data == NULL)
            bench_die("out of memory");
    }
    poplin_body_copy(&taken->body, message.data);
    job->messages++;
    job->octets += taken->body.size;
}

static void run_session(bench_job *job, poplin_loop *loop, poplin_tls_credentials *credentials) {
    poplin_link *link = open_link(job, loop, credentials);
    poplin_series *series;
    poplin_message taken;
    size_t count;
    int status;
    poplin_wanted *wanted = list_messages(link, &count);
    must(link, poplin_link_retr_all(link, wanted, count, &series));
    free(wanted);
    while ((status = poplin_series_next(series, &taken)) != POPLIN_END) {
        if (status == POPLIN_NEED_INPUT) {
            poplin_link_wait(link, -1);
        } else {
            must(link, status);
            take(job, &taken);
        }
    }
    poplin_series_free(series);
    poplin_call_free(ask(link, POPLIN_QUIT));
    poplin_link_free(link);
}

int main(int argc, char **argv) {
    bench_job job = bench_begin(argc, argv);
    poplin_loop *loop;
    poplin_tls_credentials *credentials = NULL;
    poplin_tls_trust trust = {.verify = true, .ca_file = job.ca_file};
    poplin_error error;
    if (poplin_loop_new(&loop) != POPLIN_OK)
        die(NULL);
    if (job.tls && poplin_tls_client_credentials(&trust, &credentials, &error) != POPLIN_OK)
        die(&error);
    for (unsigned i = 0; i < job.sessions; i++)
        run_session(&job, loop, credentials);
    bench_end(&job);
    poplin_tls_credentials_free(credentials);
    poplin_loop_free(loop);
    free(message.data);
}
