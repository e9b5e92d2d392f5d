/*
 * background.c - poplin's test server in C: maildrops in memory, a kit that logs, a thread of its own. peer.py says how it
 * is spoken to. Several sessions may have the maildrop open at once, as with the other servers.
 */
#include <poplin.h>

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

typedef struct test_server {
    poplin_memory *memory;
    poplin_testkit *kit;
    poplin_background *background;
} test_server;

static const poplin_slice user = {"guido", 5}, password = {"python", 6};

static _Noreturn void die(const char *what) {
    fprintf(stderr, "background: %s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static test_server start(void) {
    test_server server;
    poplin_testkit_config kit_config;
    poplin_server_config config;
    poplin_testkit_config_init(&kit_config);
    if (poplin_memory_new(&server.memory) != POPLIN_OK ||
        poplin_memory_add_user(server.memory, user, password) != POPLIN_OK ||
        poplin_testkit_new(&kit_config, &server.kit) != POPLIN_OK ||
        poplin_testkit_add_secret(server.kit, password) != POPLIN_OK)
        die("out of memory");
    poplin_server_config_init(&config);
    config.lock = POPLIN_LOCK_NONE;
    config.tls = POPLIN_TLS_NEVER;
    config.tap = poplin_testkit_tap();
    config.tap_context = server.kit;
    if (poplin_background_new(&config, poplin_memory_backend(), server.memory, &server.background, NULL) != POPLIN_OK ||
        poplin_background_start(server.background) != POPLIN_OK)
        die("the server does not start");
    return server;
}

/* Until the greeting is there; the session is over at the end. */
static double greet(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    char reply[512];
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd == -1 || connect(fd, (struct sockaddr *)&address, sizeof address) == -1 ||
        recv(fd, reply, sizeof reply, 0) <= 0)
        die("no greeting");
    double greeted = now();
    if (send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL) != 6)
        die("cannot send");
    while (recv(fd, reply, sizeof reply, 0) > 0)
        continue;
    close(fd);
    return greeted;
}

static void fill(poplin_memory *memory) {
    char message[1000];
    for (int number = 0; number < 10; number++) {
        int size = snprintf(message, sizeof message, "From: a@example.org\r\nSubject: %d\r\n\r\n", number);
        for (int line = 0; line < 100; line++, size += 8)
            memcpy(message + size, "Hello.\r\n", 8);
        if (poplin_memory_deliver(memory, user, message, (size_t)size, NULL) != POPLIN_OK)
            die("out of memory");
    }
}

int main(void) {
    char order[16];
    test_server server = {0};
    puts("ready");
    fflush(stdout);
    while (fgets(order, sizeof order, stdin) != NULL) {
        double begin = now();
        if (strcmp(order, "start\n") == 0) {
            server = start();
            double started = now();
            uint16_t port = poplin_background_port(server.background);
            double greeted = greet(port);
            fill(server.memory);
            printf("{\"port\": %u, \"start\": %.9f, \"greeting\": %.9f}\n", port, started - begin, greeted - begin);
        } else {
            poplin_background_free(server.background);
            printf("{\"stop\": %.9f}\n", now() - begin);
            poplin_testkit_free(server.kit);
            poplin_memory_free(server.memory);
        }
        fflush(stdout);
    }
}
