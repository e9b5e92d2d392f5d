/*
 * server.c - poplin's server with a maildrop in memory, to be measured against the canned one.
 *
 * Started as: server MESSAGES OCTETS CA_FILE. It writes the CA that vouches for it to CA_FILE, prints its ports as JSON
 * and serves until it is killed.
 */
#include <poplin.h>

#include "mail.h"

static poplin_slice slice_of(const char *text) {
    return (poplin_slice){text, strlen(text)};
}

static poplin_memory *fill_maildrop(unsigned messages, size_t octets) {
    poplin_memory *memory;
    char *text = malloc(octets);
    if (text == NULL || poplin_memory_new(&memory) != POPLIN_OK ||
        poplin_memory_add_user(memory, slice_of(BENCH_USER), slice_of(BENCH_PASSWORD)) != POPLIN_OK)
        bench_die("out of memory");
    for (unsigned number = 1; number <= messages; number++) {
        write_message(text, octets, number);
        if (poplin_memory_deliver(memory, slice_of(BENCH_USER), text, octets, NULL) != POPLIN_OK)
            bench_die("out of memory");
    }
    free(text);
    return memory;
}

static poplin_tls_credentials *new_credentials(const char *ca_file) {
    poplin_tls_throwaway identity = new_identity(ca_file);
    poplin_tls_credentials *credentials;
    if (poplin_tls_server_credentials_pem(slice_of(identity.cert_pem), slice_of(identity.key_pem), &credentials,
                                          NULL) != POPLIN_OK)
        bench_die("no credentials");
    poplin_tls_throwaway_free(&identity);
    return credentials;
}

/* Sessions follow each other so quickly that a maildrop's lock would be in the way. */
static uint16_t serve(poplin_loop *loop, poplin_memory *memory, poplin_tls_credentials *credentials) {
    poplin_server *server;
    poplin_server_config config;
    poplin_error error;
    poplin_server_config_init(&config);
    config.lock = POPLIN_LOCK_NONE;
    config.credentials = credentials;
    config.tls = credentials != NULL ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_NEVER;
    if (poplin_server_new(loop, &config, poplin_memory_backend(), memory, &server, &error) != POPLIN_OK ||
        poplin_server_start(server) != POPLIN_OK)
        bench_die("the server does not start");
    return poplin_server_port(server);
}

int main(int argc, char **argv) {
    if (argc != 4)
        bench_die("usage: server MESSAGES OCTETS CA_FILE");
    poplin_loop *loop;
    poplin_memory *memory = fill_maildrop((unsigned)strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
    poplin_tls_credentials *credentials = new_credentials(argv[3]);
    if (poplin_loop_new(&loop) != POPLIN_OK)
        bench_die("no loop");
    unsigned plain = serve(loop, memory, NULL);
    unsigned tls = serve(loop, memory, credentials);
    printf("{\"plain\": %u, \"tls\": %u}\n", plain, tls);
    fflush(stdout);
    for (;;)
        poplin_loop_step(loop, -1);
}
