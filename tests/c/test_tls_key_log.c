/*
 * test_tls_key_log.c - the secrets of connections go to a file where the user has named one, and nowhere else.
 */
#include "tls_ends.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/credentials.h"

static char path[] = "/tmp/poplin-test-XXXXXX";
static char other[sizeof path];

static int set_up_file(void **state) {
    (void)state;
    char *paths[] = {path, other};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        strcpy(paths[i], "/tmp/poplin-test-XXXXXX");
        int descriptor = mkstemp(paths[i]);
        assert_true(descriptor >= 0);
        close(descriptor);
        unlink(paths[i]);
    }
    return 0;
}

static int tear_down_file(void **state) {
    (void)state;
    unlink(path);
    unlink(other);
    return 0;
}

/* Ends in NUL; to be freed. */
static char *read_log(const char *name) {
    enum { ROOM = 65536 };
    char *text = malloc(ROOM);
    FILE *file = fopen(name, "re");
    assert_non_null(file);
    text[fread(text, 1, ROOM - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    return text;
}

static size_t count_lines(const char *text, const char *label) {
    size_t count = 0;
    for (const char *line = text; *line != '\0'; line = strchr(line, '\n') + 1) {
        char random[65], secret[200], word[64];
        assert_int_equal(sscanf(line, "%63s %64[0-9a-f] %199[0-9a-f]\n", word, random, secret), 3);
        assert_int_equal(strlen(random), 64);
        assert_true(strlen(secret) == 64 || strlen(secret) == 96);
        count += strcmp(word, label) == 0;
    }
    return count;
}

static poplin_tls_credentials *trusting(void) {
    poplin_tls_credentials *credentials;
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(identity.ca_pem)};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    return credentials;
}

static poplin_tls_credentials *serving(void) {
    poplin_tls_credentials *credentials;
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(identity.cert_pem),
                                                       poplin_slice_of(identity.key_pem), &credentials, NULL),
                     POPLIN_OK);
    return credentials;
}

static void meet(poplin_tls_credentials *client, poplin_tls_credentials *server) {
    poplin_tls *ours, *theirs;
    int status;
    assert_int_equal(poplin_tls_client_new(client, "localhost", &ours), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    assert_int_equal(shake(ours, theirs, &status), POPLIN_OK);
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
}

/* Both sides know the same secrets, so the two files hold the same lines. */
static void both_sides_log_to_the_file_that_was_named(void **state) {
    (void)state;
    struct stat about;
    poplin_tls_credentials *client = trusting(), *server = serving();
    assert_int_equal(poplin_tls_credentials_key_log(client, path, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_credentials_key_log(server, other, NULL), POPLIN_OK);
    meet(client, server);
    char *ours = read_log(path), *theirs = read_log(other);
    assert_int_equal(count_lines(ours, "CLIENT_TRAFFIC_SECRET_0"), 1);
    assert_int_equal(count_lines(ours, "SERVER_TRAFFIC_SECRET_0"), 1);
    for (char *line = strtok(ours, "\n"); line != NULL; line = strtok(NULL, "\n"))
        assert_non_null(strstr(theirs, line));
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    free(ours);
    free(theirs);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
}

static void a_file_that_exists_is_added_to_and_closed_to_others(void **state) {
    (void)state;
    struct stat about;
    poplin_tls_credentials *client = trusting(), *server = serving();
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs("# mine\n", file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(poplin_tls_credentials_key_log(client, path, NULL), POPLIN_OK);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(poplin_tls_credentials_key_log(client, path, NULL), POPLIN_ERR_STATE);
    for (size_t i = 1; i <= 2; i++) {
        meet(client, server);
        char *text = read_log(path);
        assert_memory_equal(text, "# mine\n", 7);
        assert_int_equal(count_lines(text + 7, "CLIENT_TRAFFIC_SECRET_0"), i);
        free(text);
    }
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
}

static void older_tls_is_logged_too(void **state) {
    (void)state;
    raw_peer raw;
    poplin_tls *server;
    poplin_tls_credentials *credentials = serving();
    int code;
    assert_int_equal(poplin_tls_credentials_key_log(credentials, path, NULL), POPLIN_OK);
    raw_open(&raw, GNUTLS_CLIENT, TLS12, NULL);
    assert_int_equal(poplin_tls_server_new(credentials, &server), POPLIN_OK);
    assert_int_equal(shake_raw(server, &raw, &code), POPLIN_OK);
    char *text = read_log(path);
    assert_int_equal(count_lines(text, "CLIENT_RANDOM"), 1);
    free(text);
    poplin_tls_free(server);
    raw_close(&raw);
    poplin_tls_credentials_free(credentials);
}

/* GnuTLS itself does as the environment says; the raw peer shows that it would. */
static void the_environment_turns_nothing_on(void **state) {
    (void)state;
    assert_int_equal(setenv("SSLKEYLOGFILE", path, 1), 0);
    poplin_tls_credentials *client = trusting(), *server = serving();
    meet(client, server);
    assert_int_equal(access(path, F_OK), -1);
    raw_peer raw;
    poplin_tls_free(client_of(&raw, TLS13));
    raw_close(&raw);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unsetenv("SSLKEYLOGFILE"), 0);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
}

static void a_file_that_cannot_be_opened_is_told(void **state) {
    (void)state;
    static const char *const PATHS[] = {"/nonexistent/keys", "/tmp", "/dev/null"};
    poplin_tls_credentials *client = trusting();
    poplin_error error;
    for (size_t i = 0; i < COUNT_OF(PATHS); i++) {
        assert_int_equal(poplin_tls_credentials_key_log(client, PATHS[i], &error), POPLIN_ERR_IO);
        assert_non_null(strstr(error.reason, PATHS[i]));
    }
    poplin_tls_credentials_free(client);
}

/* A disk that is full: nobody is to believe that all was logged. */
static void what_cannot_be_written_fails_the_handshake(void **state) {
    (void)state;
    poplin_tls_credentials *client = trusting();
    client->key_log = open("/dev/full", O_WRONLY | O_CLOEXEC);
    assert_true(client->key_log >= 0);
    poplin_tls *ours, *theirs = new_server();
    int status;
    assert_int_equal(poplin_tls_client_new(client, "localhost", &ours), POPLIN_OK);
    assert_int_equal(shake(ours, theirs, &status), POPLIN_ERR_TLS);
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    poplin_tls_credentials_free(client);
}

#define FILE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up_file, tear_down_file)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(the_environment_turns_nothing_on),
        FILE_TEST(both_sides_log_to_the_file_that_was_named),
        FILE_TEST(a_file_that_exists_is_added_to_and_closed_to_others),
        FILE_TEST(older_tls_is_logged_too),
        FILE_TEST(a_file_that_cannot_be_opened_is_told),
        FILE_TEST(what_cannot_be_written_fails_the_handshake),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
