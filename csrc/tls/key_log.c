/*
 * tls/key_log.c - the secrets of connections in a file, for debugging, where the user has named it: the NSS key log format, a line
 * each, "CLIENT_RANDOM", the client's random octets and the secret in hexadecimal.
 *
 * GnuTLS would do so by itself where the environment says so (SSLKEYLOGFILE). A program that is handed a foreign environment must
 * not give its secrets away by that, so this takes the place of GnuTLS's function also where nothing is logged.
 */
#include "tls/key_log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tls/filter.h"
#include "wire/failure.h"

static const char DOING[] = "TLS credentials";

static bool put_hex(poplin_buffer *line, const gnutls_datum_t *octets) {
    char *text = poplin_buffer_reserve(line, 2 * (size_t)octets->size + 1);
    if (text == NULL)
        return false;
    for (size_t i = 0; i < octets->size; i++)
        snprintf(text + 2 * i, 3, "%02x", octets->data[i]);
    poplin_buffer_grow(line, 2 * (size_t)octets->size);
    return true;
}

/* One write a line, so that those of several threads and processes do not mix. */
static int write_line(int descriptor, poplin_slice line) {
    ssize_t written;
    do
        written = write(descriptor, line.data, line.size);
    while (written < 0 && errno == EINTR);
    return written == (ssize_t)line.size ? 0 : GNUTLS_E_FILE_ERROR;
}

static int log_secret(gnutls_session_t session, const char *label, const gnutls_datum_t *secret) {
    const poplin_tls *tls = gnutls_session_get_ptr(session);
    gnutls_datum_t client, server;
    poplin_buffer line = {0};
    if (tls->credentials->key_log < 0)
        return 0;
    gnutls_session_get_random(session, &client, &server);
    bool made = poplin_buffer_append(&line, label, strlen(label)) == POPLIN_OK &&
                poplin_buffer_append(&line, " ", 1) == POPLIN_OK && put_hex(&line, &client) &&
                poplin_buffer_append(&line, " ", 1) == POPLIN_OK && put_hex(&line, secret) &&
                poplin_buffer_append(&line, "\n", 1) == POPLIN_OK;
    int code = made ? write_line(tls->credentials->key_log, poplin_buffer_slice(&line)) : GNUTLS_E_MEMORY_ERROR;
    poplin_buffer_free(&line);
    return code;
}

void poplin_key_log_begin(gnutls_session_t session) {
    gnutls_session_set_keylog_function(session, log_secret);
}

/* It may exist: then its mode is set before anything is written. */
static int open_log(const char *path) {
    struct stat about;
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (descriptor < 0)
        return -1;
    int code = fstat(descriptor, &about);
    if (code == 0 && !S_ISREG(about.st_mode)) {
        errno = EINVAL;
        code = -1;
    }
    if (code == 0)
        code = fchmod(descriptor, 0600);
    if (code == 0)
        return descriptor;
    int error = errno;
    (void)close(descriptor);
    errno = error;
    return -1;
}

int poplin_tls_credentials_key_log(poplin_tls_credentials *credentials, const char *path, poplin_error *error) {
    if (credentials->key_log >= 0)
        return poplin_fail(error, POPLIN_ERR_STATE, DOING, "there is a key log already");
    credentials->key_log = open_log(path);
    if (credentials->key_log >= 0)
        return POPLIN_OK;
    return poplin_fail(error, POPLIN_ERR_IO, DOING, "cannot open the key log %s: %s", path, strerror(errno));
}
