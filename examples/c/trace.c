/*
 * trace.c - logs in, asks STAT, leaves, and shows the whole conversation, secrets masked.
 *
 *     cc trace.c -o trace $(pkg-config --cflags --libs poplin)
 *     POPLIN_PASSWORD=... ./trace pop.example.org 995 alice@example.org
 */
#include <poplin.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void show(void *context, const poplin_trace_line *line) {
    char text[POPLIN_TRACE_LINE_MAX];

    fprintf(context, "%s\n", poplin_trace_format(line, text, sizeof text));
}

/* Sends a command and waits for its reply, whatever that is: the trace shows it. */
static int run(poplin_link *link, enum poplin_verb verb) {
    const poplin_command command = {.verb = verb};
    poplin_call *call;
    int status = poplin_link_call(link, &command, false, &call);

    if (status != POPLIN_OK)
        return status;
    while ((status = poplin_call_done(call)) == POPLIN_NEED_INPUT)
        poplin_link_wait(link, -1);
    poplin_call_free(call);
    return status;
}

int main(int count, char **arguments) {
    const char *password = getenv("POPLIN_PASSWORD");
    poplin_credentials login = {0};
    poplin_link_config config;
    poplin_link *link = NULL;
    poplin_loop *loop;
    int status;

    if (count != 4 || password == NULL) {
        fprintf(stderr, "usage: POPLIN_PASSWORD=... trace HOST PORT USER\n");
        return 64;
    }
    if (poplin_loop_new(&loop) != POPLIN_OK)
        return 1;
    poplin_loop_trace(loop, POPLIN_TRACE_ALL, show, stderr);
    poplin_link_config_init(&config);
    config.host = arguments[1];
    config.port = (uint16_t)strtoul(arguments[2], NULL, 10);
    config.client.tls = config.port == 995 ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_AUTO;
    login.user = (poplin_slice){arguments[3], strlen(arguments[3])};
    login.password = (poplin_slice){password, strlen(password)};
    status = poplin_link_open(loop, &config, &login, &link);
    while (status == POPLIN_OK && (status = poplin_link_opened(link)) == POPLIN_NEED_INPUT)
        status = poplin_link_wait(link, -1);
    if (status == POPLIN_OK)
        status = run(link, POPLIN_STAT);
    if (status == POPLIN_OK)
        status = run(link, POPLIN_QUIT);
    poplin_link_free(link);
    poplin_loop_free(loop);
    return status == POPLIN_OK ? 0 : 1;
}
