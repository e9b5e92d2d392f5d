/*
 * settings.c - what a server is made from: a dictionary of settings, its credentials, the kit that taps it.
 */
#include "core.h"

#define SETTING(name, kind, member) \
    { name, POPLIN_PY_##kind, offsetof(poplin_server_config, member) }
static const poplin_py_setting settings[] = {
    SETTING("host", STRING, host),
    SETTING("port", U16, port),
    SETTING("path", STRING, path),
    SETTING("tls", ENUM, tls),
    SETTING("loopback_protected", BOOL, loopback_protected),
    SETTING("lock", ENUM, lock),
    SETTING("lock_wait_ms", U32, lock_wait_ms),
    SETTING("max_sessions", SIZE, max_sessions),
    SETTING("inactivity_ms", U32, inactivity_ms),
    SETTING("handshake_ms", U32, handshake_ms),
    SETTING("stall_ms", U32, stall_ms),
    SETTING("failed_login_ms", U32, failed_login_ms),
    SETTING("asks", U32, session.asks),
    SETTING("mechanisms", STRING, session.mechanisms),
    SETTING("name", STRING, session.host),
    SETTING("pepper", OCTETS, session.pepper),
    SETTING("iterations", U32, session.iterations),
    SETTING("login_delay", U32, session.login_delay),
    SETTING("allow_cleartext", BOOL, session.allow_cleartext),
    SETTING("greeting", STRING, session.greeting),
    SETTING("max_line", SIZE, session.max_line),
    SETTING("max_sasl_line", SIZE, session.max_sasl_line),
    SETTING("max_bad_commands", U32, session.max_bad_commands),
    SETTING("max_failed_logins", U32, session.max_failed_logins),
    SETTING("max_messages", SIZE, session.max_messages),
    SETTING("max_output", SIZE, session.max_output),
    SETTING("utf8", BOOL, session.utf8),
    SETTING("languages", STRING, session.languages),
    SETTING("expire", U32, session.expire),
    SETTING("login_delay_by_user", BOOL, session.login_delay_by_user),
    SETTING("expire_by_user", BOOL, session.expire_by_user),
    {NULL, POPLIN_PY_BOOL, 0},
};
#undef SETTING

int poplin_py_server_config(poplin_py_state *state, PyObject *dictionary, PyObject *credentials, PyObject *kit,
                            poplin_server_config *config) {
    poplin_testkit *tap = NULL;
    poplin_server_config_init(config);
    if (poplin_py_settings(dictionary, settings, config) < 0 ||
        poplin_py_credentials_of(state, credentials, &config->credentials) < 0 ||
        poplin_py_testkit_of(state, kit, &tap) < 0) {
        return -1;
    }
    if (tap != NULL) {
        config->tap = poplin_testkit_tap();
        config->tap_context = tap;
    }
    return 0;
}

void poplin_py_raise_server(poplin_py_state *state, int status, const poplin_error *error) {
    if (status == POPLIN_ERR_LIMIT || status == POPLIN_ERR_UNSUPPORTED || status == POPLIN_ERR_STATE) {
        PyErr_SetString(PyExc_ValueError, error->reason);
    } else {
        poplin_py_raise(state, status, error->status == POPLIN_OK ? NULL : error);
    }
}
