/*
 * test_server_listen.c - where a server listens, that it tidies up behind it, that a forked child leaves it alone, and that it leaves
 * the standard descriptors alone.
 */
#include "child.h"
#include "served.h"

#include <poplin/link.h>

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void test_a_unix_socket_comes_and_goes_with_its_server(void **state) {
    struct served *served = *state;
    char folder[] = "/tmp/poplin-XXXXXX", path[64];
    struct stat facts;
    struct raw peer;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pop3", folder);
    served->config.path = path;
    served_from_memory(served, 1);
    assert_int_equal(poplin_server_port(served->server), 0);
    raw_dial_unix(&peer, served->loop, path);
    raw_login(&peer, "alice", "secret");
    raw_close(&peer);
    served_stop(served);
    assert_int_equal(lstat(path, &facts), -1);

    struct served later = *served;
    served_start(served, poplin_memory_backend(), served->memory);
    served_start(&later, poplin_memory_backend(), served->memory); /* takes the name over */
    served_stop(served);
    assert_int_equal(lstat(path, &facts), 0); /* it is not the first one's any more */
    served_stop(&later);
    assert_int_equal(lstat(path, &facts), -1);

    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fclose(file);
    poplin_error error;
    assert_int_equal(poplin_server_new(served->loop, &served->config, poplin_memory_backend(), served->memory,
                                       &served->server, &error),
                     POPLIN_ERR_IO);
    assert_string_equal(error.host, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void test_addresses_that_cannot_be_bound(void **state) {
    struct served *served = *state;
    poplin_server *second;
    poplin_error error;
    served_from_memory(served, 0);
    served->config.port = poplin_server_port(served->server);
    assert_int_equal(
        poplin_server_new(served->loop, &served->config, poplin_memory_backend(), served->memory, &second, &error),
        POPLIN_ERR_IO);
    assert_non_null(strstr(error.host, "127.0.0.1:"));
    assert_true(strlen(error.reason) > 0);
    served->config.host = "mail.example.org";
    assert_int_equal(
        poplin_server_new(served->loop, &served->config, poplin_memory_backend(), served->memory, &second, NULL),
        POPLIN_ERR_IO);
    served->config.max_sessions = 0;
    assert_int_equal(
        poplin_server_new(served->loop, &served->config, poplin_memory_backend(), served->memory, &second, NULL),
        POPLIN_ERR_LIMIT);
}

static void test_an_address_is_needed(void **state) {
    struct served *served = *state;
    poplin_error error;
    served->config.host = NULL;
    assert_int_equal(poplin_server_new(served->loop, &served->config, poplin_memory_backend(), served->memory,
                                       &served->server, &error),
                     POPLIN_ERR_STATE);
    assert_non_null(strstr(error.reason, "neither a host nor a path"));
}

static void test_localhost_and_both_families(void **state) {
    struct served *served = *state;
    struct raw peer;
    static const char *const hosts[] = {"localhost", "::", "0.0.0.0"};
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        served->config.host = hosts[i];
        served_from_memory(served, 0);
        served_login(served, &peer); /* over IPv4, protected since it is loopback */
        raw_close(&peer);
        served_stop(served);
    }
}

/* In a child of fork nothing works but freeing, and the parent's server goes on. */
static void test_a_forked_child_cannot_use_the_server(void **state) {
    struct served *served = *state;
    char folder[] = "/tmp/poplin-XXXXXX", path[64];
    struct raw before, after;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/pop3", folder);
    served->config.path = path;
    served->config.lock = POPLIN_LOCK_NONE;
    served_from_memory(served, 1);
    raw_dial_unix(&before, served->loop, path);
    raw_login(&before, "alice", "secret");
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        poplin_server *second;
        int wrong = poplin_server_start(served->server) != POPLIN_ERR_STATE;
        wrong |= poplin_server_accept(served->server, 1) != POPLIN_ERR_STATE;
        wrong |= poplin_server_new(served->loop, &served->config, poplin_memory_backend(), served->memory, &second,
                                   NULL) != POPLIN_ERR_STATE;
        poplin_server_free(served->server);
        (void)raise(wrong ? SIGABRT : SIGKILL); /* no leak checker: what the host lent stays lent in a child */
    }
    int outcome;
    assert_int_equal(waitpid(child, &outcome, 0), child);
    assert_true(WIFSIGNALED(outcome) && WTERMSIG(outcome) == SIGKILL);
    raw_dial_unix(&after, served->loop, path); /* the name is still there */
    raw_login(&after, "alice", "secret");
    raw_say(&before, "RETR 1\r\nDELE 1\r\nQUIT\r\n");
    raw_expect(&before, "+OK");
    assert_int_equal(raw_skip_lines(&before), 1);
    raw_expect(&before, "+OK");
    raw_expect(&before, "+OK");
    raw_expect_closed(&before);
    assert_int_equal(served_count(served), 0);
    raw_close(&before);
    raw_close(&after);
    served_stop(served);
    assert_int_equal(rmdir(folder), 0);
}

/* ---- descriptors 0 to 2 ---- */

static bool none_is_open(void) {
    bool none = true;
    for (int i = 0; i <= STDERR_FILENO; i++)
        none &= fcntl(i, F_GETFD) < 0;
    return none;
}

static bool opens(poplin_loop *loop, poplin_link *link) {
    while (poplin_link_opened(link) == POPLIN_NEED_INPUT)
        if (poplin_loop_step(loop, -1) != POPLIN_OK)
            return false;
    return poplin_link_opened(link) == POPLIN_OK;
}

/* A loop, a server and a link come and go where the process has closed its standard descriptors. */
static bool leaves_standard_descriptors_alone(struct served *served) {
    poplin_loop *loop;
    poplin_server *server;
    poplin_link *link;
    poplin_link_config config;
    for (int i = 0; i <= STDERR_FILENO; i++)
        (void)close(i);
    if (poplin_loop_new(&loop) != POPLIN_OK || !none_is_open() ||
        poplin_server_new(loop, &served->config, poplin_memory_backend(), served->memory, &server, NULL) != POPLIN_OK ||
        poplin_server_start(server) != POPLIN_OK || !none_is_open())
        return false;
    poplin_link_config_init(&config);
    config.host = "127.0.0.1";
    config.port = poplin_server_port(server);
    config.client.tls = POPLIN_TLS_NEVER;
    if (poplin_link_open(loop, &config, NULL, &link) != POPLIN_OK || !opens(loop, link) || !none_is_open())
        return false;
    poplin_link_free(link);
    poplin_server_free(server);
    poplin_loop_free(loop);
    return none_is_open();
}

static void test_standard_descriptors_that_are_closed_stay_free(void **state) {
    struct served *served = *state;
    pid_t child = fork();
    if (child == 0)
        report(leaves_standard_descriptors_alone(served));
    expect_report(child);
}

/* In an empty folder for a root there is no /dev/null, nor any other file. */
static void test_they_do_so_where_there_are_no_files(void **state) {
    struct served *served = *state;
    char folder[] = "/tmp/poplin-XXXXXX";
    assert_non_null(mkdtemp(folder));
    pid_t child = fork();
    if (child == 0) {
        if (chroot(folder) != 0 && (unshare(CLONE_NEWUSER) != 0 || chroot(folder) != 0))
            report(true); /* which this system allows nobody */
        report(chdir("/") == 0 && leaves_standard_descriptors_alone(served));
    }
    expect_report(child);
    assert_int_equal(rmdir(folder), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SERVED_TEST(test_a_unix_socket_comes_and_goes_with_its_server),
        SERVED_TEST(test_addresses_that_cannot_be_bound),
        SERVED_TEST(test_an_address_is_needed),
        SERVED_TEST(test_localhost_and_both_families),
        SERVED_TEST(test_a_forked_child_cannot_use_the_server),
        SERVED_TEST(test_standard_descriptors_that_are_closed_stay_free),
        SERVED_TEST(test_they_do_so_where_there_are_no_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
