/*
 * fetch.c - fetches every message of a mailbox and says how large each is.
 *
 *     cc fetch.c -o fetch $(pkg-config --cflags --libs poplin)
 *     POPLIN_PASSWORD=... ./fetch pop3s://mail.example.org alice@example.org [CA_FILE]
 */
#include <poplin.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void complain(const poplin_error *error) {
    char text[1024];

    poplin_error_format(error, text, sizeof text);
    fprintf(stderr, "fetch: %s\n", text);
}

/* Steps the loop until the call is finished, and says so if the server refused or the connection failed. */
static int finish(poplin_link *link, enum poplin_verb verb, poplin_call *call) {
    poplin_error error;
    int status;

    while ((status = poplin_call_done(call)) == POPLIN_NEED_INPUT)
        poplin_link_wait(link, -1);
    if (status != POPLIN_OK) {
        complain(poplin_link_error(link));
    } else if ((status = poplin_call_reply(call)->status) != POPLIN_OK) {
        poplin_link_describe(link, verb, poplin_call_reply(call), &error);
        complain(&error);
    }
    return status;
}

/* Which messages there are, and how large: the caller frees *wanted. */
static int list(poplin_link *link, poplin_wanted **wanted, size_t *count) {
    const poplin_command command = {.verb = POPLIN_LIST};
    const poplin_line *lines;
    poplin_call *call;
    int status = poplin_link_call(link, &command, false, &call);

    if (status != POPLIN_OK)
        return status;
    status = finish(link, POPLIN_LIST, call);
    lines = poplin_call_lines(call, count);
    *wanted = calloc(*count + 1, sizeof **wanted);
    if (!*wanted)
        status = POPLIN_ERR_NOMEM;
    for (size_t i = 0; status == POPLIN_OK && i < *count; i++)
        (*wanted)[i] = (poplin_wanted){.number = lines[i].number, .octets = lines[i].octets};
    poplin_call_free(call);
    return status;
}

static int fetch_all(poplin_link *link) {
    poplin_wanted *wanted = NULL;
    poplin_series *series = NULL;
    poplin_message message;
    size_t count = 0;
    int status = list(link, &wanted, &count);

    if (status == POPLIN_OK)
        status = poplin_link_retr_all(link, wanted, count, &series);
    while (status == POPLIN_OK || status == POPLIN_NEED_INPUT) {
        status = poplin_series_next(series, &message);
        if (status == POPLIN_NEED_INPUT)
            poplin_link_wait(link, -1);
        else if (status == POPLIN_OK && message.status == POPLIN_OK)
            printf("message %" PRIu32 ": %zu octets\n", message.number, message.body.size);
        else if (status == POPLIN_OK)
            printf("message %" PRIu32 ": refused\n", message.number);
    }
    if (status != POPLIN_END && poplin_link_error(link))
        complain(poplin_link_error(link));
    poplin_series_free(series);
    free(wanted);
    return status == POPLIN_END ? POPLIN_OK : status;
}

static int quit(poplin_link *link) {
    const poplin_command command = {.verb = POPLIN_QUIT};
    poplin_call *call;
    int status = poplin_link_call(link, &command, false, &call);

    if (status == POPLIN_OK)
        status = finish(link, POPLIN_QUIT, call);
    return status;
}

static int open_link(poplin_loop *loop, char **arguments, poplin_link **link) {
    const char *password = getenv("POPLIN_PASSWORD");
    poplin_tls_trust trust = {.verify = true, .ca_file = arguments[3]};
    poplin_credentials login = {0};
    poplin_link_config config;
    poplin_error error = {0};
    poplin_url url;
    int status = poplin_url_parse(arguments[1], strlen(arguments[1]), &url, &error);

    poplin_link_config_init(&config);
    if (status == POPLIN_OK)
        status = poplin_url_tls(&url, "auto", &config.client.tls);
    if (status == POPLIN_OK)
        status = poplin_tls_client_credentials(&trust, &config.credentials, &error);
    if (status != POPLIN_OK) {
        complain(&error);
        return status;
    }
    config.host = url.host;
    config.port = url.port;
    login.user = (poplin_slice){arguments[2], strlen(arguments[2])};
    login.password = (poplin_slice){password ? password : "", password ? strlen(password) : 0};
    status = poplin_link_open(loop, &config, &login, link);
    poplin_tls_credentials_free(config.credentials);
    while (status == POPLIN_OK && (status = poplin_link_opened(*link)) == POPLIN_NEED_INPUT)
        status = poplin_link_wait(*link, -1) == POPLIN_OK ? POPLIN_OK : POPLIN_ERR_CANCELLED;
    if (status != POPLIN_OK && *link)
        complain(poplin_link_error(*link) ? poplin_link_error(*link) : poplin_link_refusal(*link));
    return status;
}

int main(int count, char **arguments) {
    poplin_loop *loop = NULL;
    poplin_link *link = NULL;
    int status;

    if (count < 3 || count > 4) {
        fprintf(stderr, "usage: POPLIN_PASSWORD=... fetch URL USER [CA_FILE]\n");
        return 64;
    }
    status = poplin_loop_new(&loop);
    if (status == POPLIN_OK)
        status = open_link(loop, arguments, &link);
    if (status == POPLIN_OK)
        status = fetch_all(link);
    if (status == POPLIN_OK)
        status = quit(link);
    poplin_link_free(link);
    poplin_loop_free(loop);
    return status == POPLIN_OK ? 0 : 1;
}
