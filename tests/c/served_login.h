/*
 * served_login.h - the client's half of a mechanism against a server: for tests of what the server asks meanwhile.
 */
#ifndef SERVED_LOGIN_H
#define SERVED_LOGIN_H

#include "sasl/sasl.h"
#include "served.h"
#include "wire/base64.h"

struct served_login {
    struct raw raw;
    poplin_sasl_client *client;
};

/* What the client says to this; all of it, in base64. */
static inline void served_login_say(struct served_login *login, poplin_slice challenge, const char *before) {
    poplin_buffer said = {0}, line = {0};
    const char *reason;
    assert_int_equal(poplin_sasl_client_step(login->client, challenge, &said, &reason), POPLIN_OK);
    assert_int_equal(poplin_buffer_append(&line, before, strlen(before)), POPLIN_OK);
    assert_int_equal(poplin_base64_encode(poplin_buffer_slice(&said), &line), POPLIN_OK);
    assert_int_equal(poplin_buffer_append(&line, "\r\n", 2), POPLIN_OK);
    raw_send(&login->raw, poplin_buffer_slice(&line).data, line.size);
    poplin_buffer_free(&said);
    poplin_buffer_free(&line);
}

/* Connects, and says all that the client says unasked. */
static inline void served_login_begin(struct served *served, struct served_login *login,
                                      enum poplin_mechanism mechanism, const poplin_sasl_client_config *config) {
    char command[64];
    const char *reason;
    served_dial(served, &login->raw);
    raw_expect(&login->raw, "+OK");
    assert_int_equal(poplin_sasl_client_new(mechanism, config, &login->client, &reason), POPLIN_OK);
    (void)snprintf(command, sizeof command, "AUTH %s ", poplin_mechanism_name(mechanism));
    served_login_say(login, (poplin_slice){NULL, 0}, command);
}

/* The server's next challenge, which decoded is to be freed; the raw line still stands in login->raw.line. */
static inline poplin_buffer served_login_hear(struct served_login *login) {
    poplin_buffer heard = {0};
    raw_expect(&login->raw, "+ ");
    const char *text = login->raw.line + 2;
    assert_int_equal(poplin_base64_decode((poplin_slice){text, strlen(text)}, &heard), POPLIN_OK);
    return heard;
}

/* Hears a challenge and answers it. */
static inline void served_login_step(struct served_login *login) {
    poplin_buffer heard = served_login_hear(login);
    served_login_say(login, poplin_buffer_slice(&heard), "");
    poplin_buffer_free(&heard);
}

static inline void served_login_end(struct served_login *login) {
    poplin_sasl_client_free(login->client);
    raw_close(&login->raw);
}

#endif
