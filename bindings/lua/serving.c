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
    SETTING("lock_wait_ms", U32, config.lock_wait_ms),
    SETTING("loopback_protected", BOOL, config.loopback_protected),
    SETTING("max_sessions", SIZE, config.max_sessions),
    SETTING("inactivity_ms", U32, config.inactivity_ms),
    SETTING("greeting", STRING, config.session.greeting),
    SETTING("allow_cleartext", BOOL, config.session.allow_cleartext),
    SETTING("tokens", BOOL, tokens),
    SETTING("asks", U32, config.session.asks),
    SETTING("mechanisms", STRING, config.session.mechanisms),
    SETTING("name", STRING, config.session.host),
    SETTING("iterations", U32, config.session.iterations),
    SETTING("pepper", SLICE, config.session.pepper),
    SETTING("login_delay", U32, config.session.login_delay),
    SETTING("expire", U32, config.session.expire),
    SETTING("login_delay_by_user", BOOL, config.session.login_delay_by_user),
    SETTING("expire_by_user", BOOL, config.session.expire_by_user),
    SETTING("utf8", BOOL, config.session.utf8),
    SETTING("languages", STRING, config.session.languages),
    SETTING("max_line", SIZE, config.session.max_line),
    SETTING("max_sasl_line", SIZE, config.session.max_sasl_line),
    SETTING("max_bad_commands", U32, config.session.max_bad_commands),
    SETTING("max_failed_logins", U32, config.session.max_failed_logins),
    SETTING("max_messages", SIZE, config.session.max_messages),
    SETTING("max_output", SIZE, config.session.max_output),
    SETTING("handshake_ms", U32, config.handshake_ms),
    SETTING("stall_ms", U32, config.stall_ms),
    SETTING("failed_login_ms", U32, config.failed_login_ms),
    SETTING("cert_file", STRING, cert_file),
    SETTING("key_file", STRING, key_file),
    SETTING("cert_pem", SLICE, cert_pem),
    SETTING("key_pem", SLICE, key_pem),
    SETTING("staple", SLICE, staple),
    SETTING("no_resumption", BOOL, no_resumption),
    SETTING("key_log", STRING, key_log),
    SETTING("client_ca_file", STRING, client_ca_file),
    SETTING("client_ca_pem", SLICE, client_ca_pem),
    {NULL, POPLIN_LUA_BOOL, 0},
};
#undef SETTING

/* A string of the table on top, or NULL; the table keeps it. */
static const char *get_string(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    const char *text = lua_isnil(L, -1) ? NULL : poplin_lua_text(L, -1);
    lua_pop(L, 1);
    return text;
}

/* The array of tables in the field certificates, which need not be there. */
static void read_certificates(lua_State *L, int index, poplin_lua_serving *wanted) {
    enum { MOST = sizeof wanted->certificates / sizeof *wanted->certificates };
    if (lua_getfield(L, index, "certificates") == LUA_TTABLE) {
        lua_Unsigned count = lua_rawlen(L, -1);
        if (count > MOST) {
            luaL_error(L, "there are more than %d certificates", (int)MOST);
        }
        for (; wanted->certificates_count < count; wanted->certificates_count++) {
            lua_rawgeti(L, -1, (lua_Integer)wanted->certificates_count + 1);
            luaL_checktype(L, -1, LUA_TTABLE);
            wanted->certificates[wanted->certificates_count] =
                (struct poplin_lua_certificate){get_string(L, "cert_file"), get_string(L, "key_file")};
            lua_pop(L, 1);
        }
    }
    lua_pop(L, 1);
}

void poplin_lua_serving_read(lua_State *L, int index, int kit, poplin_lua_serving *wanted) {
    *wanted = (poplin_lua_serving){.cert_file = NULL};
    poplin_server_config_init(&wanted->config);
    poplin_lua_settings(L, index, settings, wanted);
    read_certificates(L, index, wanted);
    if (!lua_isnoneornil(L, kit)) {
        wanted->config.tap = poplin_testkit_tap();
        wanted->config.tap_context = poplin_lua_check_testkit(L, kit);
    }
}

const poplin_backend *poplin_lua_serving_memory(const poplin_lua_serving *wanted) {
    return wanted->tokens ? poplin_memory_token_backend() : poplin_memory_backend();
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

static bool asks_clients(const poplin_lua_serving *wanted) {
    return wanted->client_ca_file != NULL || wanted->client_ca_pem.data != NULL;
}

static int add_certificates(const poplin_lua_serving *wanted, poplin_error *error) {
    int status = POPLIN_OK;
    for (size_t i = 0; status == POPLIN_OK && i < wanted->certificates_count; i++) {
        const struct poplin_lua_certificate *one = &wanted->certificates[i];
        status = poplin_tls_server_credentials_add(wanted->config.credentials, one->cert_file, one->key_file, error);
    }
    return status;
}

/* Whether anything is wished for that makes sense only beside a certificate. */
static bool needs_certificate(const poplin_lua_serving *wanted) {
    return asks_clients(wanted) || wanted->staple.data != NULL || wanted->certificates_count > 0 ||
           wanted->key_log != NULL;
}

/* What goes with a certificate: the staple is the first one's, and who asks clients has all its certificates. */
static int complete_credentials(poplin_lua_serving *wanted, poplin_error *error) {
    poplin_tls_credentials *credentials = wanted->config.credentials;
    int status = POPLIN_OK;
    if (credentials == NULL && needs_certificate(wanted)) {
        *error = (poplin_error){.status = POPLIN_ERR_STATE,
                                .doing = "start a server",
                                .reason = "client_ca_file, client_ca_pem, staple, certificates and key_log go with a "
                                          "certificate of its own"};
        return POPLIN_ERR_STATE;
    }
    if (credentials == NULL) {
        return POPLIN_OK;
    }
    if (wanted->no_resumption) {
        status = poplin_tls_server_credentials_no_resumption(credentials, error);
    }
    if (status == POPLIN_OK && wanted->key_log != NULL) {
        status = poplin_tls_credentials_key_log(credentials, wanted->key_log, error);
    }
    if (status == POPLIN_OK && wanted->staple.data != NULL) {
        status = poplin_tls_server_credentials_staple(credentials, wanted->staple, error);
    }
    if (status == POPLIN_OK) {
        status = add_certificates(wanted, error);
    }
    if (status == POPLIN_OK && asks_clients(wanted)) {
        status =
            poplin_tls_server_credentials_clients(credentials, wanted->client_ca_file, wanted->client_ca_pem, error);
    }
    return status;
}

int poplin_lua_serving_credentials(poplin_lua_serving *wanted, poplin_error *error) {
    int status = make_credentials(wanted, error);
    if (status == POPLIN_OK) {
        status = complete_credentials(wanted, error);
    }
    if (status != POPLIN_OK) {
        poplin_tls_credentials_free(wanted->config.credentials);
        wanted->config.credentials = NULL;
    }
    return status;
}
