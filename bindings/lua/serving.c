/*
 * serving.c - what a server is told to be, whichever loop it is on: the settings of core.server and core.background.
 */
#include "server.h"

#define SETTING(name, kind, member) \
    { name, POPLIN_LUA_##kind, offsetof(poplin_lua_serving, member) }
static const poplin_lua_setting settings[] = {
    SETTING("host", STRING, config.host),
    SETTING("port", U16, config.port),
    SETTING("path", STRING, config.path),
    SETTING("mode", INT, config.tls),
    SETTING("lock", INT, config.lock),
    SETTING("loopback_protected", BOOL, config.loopback_protected),
    SETTING("max_sessions", SIZE, config.max_sessions),
    SETTING("inactivity_ms", U32, config.inactivity_ms),
    SETTING("greeting", STRING, config.session.greeting),
    SETTING("allow_cleartext", BOOL, config.session.allow_cleartext),
    SETTING("cert_file", STRING, cert_file),
    SETTING("key_file", STRING, key_file),
    SETTING("cert_pem", SLICE, cert_pem),
    SETTING("key_pem", SLICE, key_pem),
    SETTING("staple", SLICE, staple),
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

void poplin_lua_serving_read(lua_State *L, int index, int kit, poplin_lua_serving *wanted) {
    *wanted = (poplin_lua_serving){.cert_file = NULL};
    poplin_server_config_init(&wanted->config);
    poplin_lua_settings(L, index, settings, wanted);
    if (!lua_isnoneornil(L, kit)) {
        wanted->config.tap = poplin_testkit_tap();
        wanted->config.tap_context = poplin_lua_check_testkit(L, kit);
    }
}

static int make_credentials(poplin_lua_serving *wanted, poplin_error *error) {
    if (wanted->cert_file != NULL) {
        return poplin_tls_server_credentials(wanted->cert_file, wanted->key_file, &wanted->config.credentials, error);
    }
    if (wanted->cert_pem.data != NULL) {
        return poplin_tls_server_credentials_pem(wanted->cert_pem, wanted->key_pem, &wanted->config.credentials, error);
    }
    return POPLIN_OK;
}

int poplin_lua_serving_credentials(poplin_lua_serving *wanted, poplin_error *error) {
    int status = make_credentials(wanted, error);
    if (status == POPLIN_OK && wanted->staple.data != NULL) {
        status = poplin_tls_server_credentials_staple(wanted->config.credentials, wanted->staple, error);
    }
    if (status != POPLIN_OK) {
        poplin_tls_credentials_free(wanted->config.credentials);
        wanted->config.credentials = NULL;
    }
    return status;
}
