/*
 * fetch_maildir.c - fetches new mail into one Maildir or several, remembers what it took, and loses nothing when it is stopped.
 *
 *     cc fetch_maildir.c -o fetch_maildir $(pkg-config --cflags --libs poplin)
 *     POPLIN_PASSWORD=... ./fetch_maildir pop3s://mail.example.org alice SEEN_FILE forever|none|DAYSd MAILDIR...
 *
 * POPLIN_CA_FILE may name a file of certificates to trust, instead of the system's.
 */
#include <poplin.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAILDIRS_MAX = 100 };

static int complain(int status, const poplin_error *error) {
    char text[1024];
    poplin_error_format(error, text, sizeof text);
    fprintf(stderr, "fetch_maildir: %s\n", error->status != POPLIN_OK ? text : poplin_status_text(status));
    return status;
}

/* Where, and as whom; the strings are main's. */
typedef struct mailbox {
    poplin_url url;
    poplin_link_config config;
    poplin_credentials login;
    char name[600];
} mailbox;

static int read_account(char **arguments, mailbox *account) {
    const char *password = getenv("POPLIN_PASSWORD");
    const poplin_tls_trust trust = {.verify = true, .ca_file = getenv("POPLIN_CA_FILE")};
    poplin_error error = {0};
    int status = poplin_url_parse(arguments[1], strlen(arguments[1]), &account->url, &error);
    poplin_link_config_init(&account->config);
    if (status == POPLIN_OK)
        status = poplin_url_tls(&account->url, "auto", &account->config.client.tls);
    if (status == POPLIN_OK)
        status = poplin_tls_client_credentials(&trust, &account->config.credentials, &error);
    if (status != POPLIN_OK)
        return complain(status, &error);
    account->config.host = account->url.host;
    account->config.port = account->url.port;
    account->login.user = (poplin_slice){arguments[2], strlen(arguments[2])};
    account->login.password = (poplin_slice){password ? password : "", password ? strlen(password) : 0};
    snprintf(account->name, sizeof account->name, "%s@%s:%d", arguments[2], account->url.host, account->url.port);
    return POPLIN_OK;
}

/* Opens a link for the fetch, which frees the one before. */
static void open_link(poplin_loop *loop, const mailbox *account, poplin_fetch *fetch, poplin_link **link) {
    poplin_link_free(*link);
    *link = NULL;
    int status = poplin_link_open(loop, &account->config, &account->login, link);
    while (status == POPLIN_OK && (status = poplin_link_opened(*link)) == POPLIN_NEED_INPUT)
        status = poplin_link_wait(*link, -1) == POPLIN_OK ? POPLIN_OK : POPLIN_ERR_CANCELLED;
    if (status == POPLIN_OK)
        status = poplin_fetch_use(fetch, *link);
    const poplin_error *error = *link == NULL ? NULL : poplin_link_error(*link);
    poplin_fetch_answer(fetch, status, error != NULL || *link == NULL ? error : poplin_link_refusal(*link));
}

/* The message stands in each Maildir now, but for those that have failed with it: then it stays on the server. */
static void deliver(const poplin_fetch_event *event, poplin_places *places, poplin_fetch *fetch) {
    for (size_t i = 0; i < poplin_places_count(places); i++)
        if (poplin_places_name(places, i) != NULL)
            printf("%" PRIu32 " is %s\n", event->message->number, poplin_places_name(places, i));
    poplin_places_answer(places, fetch, POPLIN_OK, NULL);
}

static void tell(const poplin_fetch_event *event) {
    printf("%" PRIu32 " %" PRIu64 " octets: %s%s\n", event->message->number, event->message->octets,
           poplin_result_name(event->result), event->deleted ? ", deleted" : "");
    if (event->error != NULL)
        complain(event->error->status, event->error);
}

static int run(poplin_loop *loop, const mailbox *account, poplin_fetch *fetch, poplin_seen *seen,
               poplin_places *places) {
    poplin_link *link = NULL;
    poplin_fetch_event event;
    int status;
    while ((status = poplin_fetch_next(fetch, &event)) == POPLIN_OK || status == POPLIN_NEED_INPUT) {
        if (status == POPLIN_NEED_INPUT)
            poplin_fetch_wait(fetch, -1);
        else if (event.kind == POPLIN_FETCH_CONNECT)
            open_link(loop, account, fetch, &link);
        else if (event.kind == POPLIN_FETCH_RESULT)
            tell(&event);
        else if (!poplin_seen_serve(seen, fetch, &event) && !poplin_places_serve(places, fetch, &event))
            deliver(&event, places, fetch); /* nothing else is left: no filter was asked for */
    }
    if (status != POPLIN_END)
        complain(status, poplin_fetch_error(fetch));
    poplin_link_free(link);
    return status == POPLIN_END ? POPLIN_OK : status;
}

/* Nothing but "none" means that mail is deleted at once. */
static bool read_keep(const char *text, uint64_t *keep) {
    unsigned days;
    char unit, more;
    *keep = POPLIN_KEEP_FOREVER;
    if (strcmp(text, "none") == 0)
        *keep = 0;
    else if (sscanf(text, "%4u%c%c", &days, &unit, &more) == 2 && unit == 'd' && days > 0)
        *keep = (uint64_t)days * 86400;
    else
        return strcmp(text, "forever") == 0;
    return true;
}

/* Opens the Maildirs; behind the last path is NULL. */
static int open_places(char **paths, poplin_delivery **deliveries, poplin_places **places, poplin_error *error) {
    int status = poplin_places_new(places);
    for (size_t i = 0; status == POPLIN_OK && paths[i] != NULL; i++) {
        status = poplin_delivery_open(paths[i], false, &deliveries[i], error);
        if (status == POPLIN_OK)
            status = poplin_places_add(*places, deliveries[i]);
    }
    return status;
}

int main(int count, char **arguments) {
    mailbox account = {0};
    poplin_loop *loop = NULL;
    poplin_seen *seen = NULL;
    poplin_claim *claim = NULL;
    poplin_delivery *deliveries[MAILDIRS_MAX + 1] = {NULL};
    poplin_places *places = NULL;
    poplin_fetch *fetch = NULL;
    poplin_fetch_config config;
    poplin_error error = {0};
    poplin_fetch_config_init(&config);
    if (count < 6 || count > 5 + MAILDIRS_MAX || !read_keep(arguments[4], &config.keep)) {
        fprintf(stderr, "usage: POPLIN_PASSWORD=... fetch_maildir URL USER SEEN_FILE KEEP MAILDIR...\n");
        return 64;
    }
    int status = read_account(arguments, &account);
    if (status != POPLIN_OK)
        return 1;
    config.account = account.name;
    status = open_places(arguments + 5, deliveries, &places, &error);
    if (status == POPLIN_OK)
        status = poplin_seen_open(arguments[3], &seen, &error);
    if (status == POPLIN_OK)
        status = poplin_seen_claim(seen, account.name, &claim, &error);
    if (status == POPLIN_OK)
        status = poplin_fetch_new(&config, &fetch);
    if (status == POPLIN_OK)
        status = poplin_loop_new(&loop);
    if (status != POPLIN_OK)
        complain(status, &error);
    else
        status = run(loop, &account, fetch, seen, places);
    poplin_fetch_free(fetch);
    poplin_claim_free(claim);
    poplin_seen_free(seen);
    poplin_places_free(places);
    for (size_t i = 0; deliveries[i] != NULL; i++)
        poplin_delivery_free(deliveries[i]);
    poplin_loop_free(loop);
    poplin_tls_credentials_free(account.config.credentials);
    return status == POPLIN_OK ? 0 : 1;
}
