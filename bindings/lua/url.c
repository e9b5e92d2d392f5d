/*
 * url.c - URLs read and written.
 */
#include <string.h>

#include "core.h"

static void push_part(lua_State *L, const char *part) {
    lua_pushstring(L, part[0] == '\0' ? NULL : part);
}

/*
 * core.parse_url(url, tls): host, port, user or nil, auth or nil, the mode of TLS, and the scheme; or nil and an error. An
 * unknown word for tls is misuse.
 */
int poplin_lua_parse_url(lua_State *L) {
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *word = luaL_checkstring(L, 2);
    poplin_url url;
    poplin_error error;
    enum poplin_tls_mode mode = POPLIN_TLS_IMPLICIT;
    if (poplin_url_parse(text, size, &url, &error) != POPLIN_OK) {
        return poplin_lua_fail(L, &error);
    }
    if (poplin_url_tls(&url, word, &mode) != POPLIN_OK) {
        return luaL_error(L, "tls must be 'auto', 'implicit', 'stls' or 'never'");
    }
    push_part(L, url.host);
    lua_pushinteger(L, url.port);
    push_part(L, url.user);
    push_part(L, url.auth);
    lua_pushinteger(L, mode);
    lua_pushstring(L, poplin_scheme_word(url.scheme));
    return 6;
}

/* What a script gives, part by part; nil leaves a part out. */
typedef struct url_parts {
    const char *scheme;
    const char *host;
    const char *user;
    const char *auth;
    uint16_t port;
} url_parts;

static const poplin_lua_setting settings[] = {
    {"scheme", POPLIN_LUA_STRING, offsetof(url_parts, scheme)}, {"host", POPLIN_LUA_STRING, offsetof(url_parts, host)},
    {"user", POPLIN_LUA_STRING, offsetof(url_parts, user)},     {"auth", POPLIN_LUA_STRING, offsetof(url_parts, auth)},
    {"port", POPLIN_LUA_U16, offsetof(url_parts, port)},        {NULL, POPLIN_LUA_BOOL, 0},
};

static bool scheme_of(const char *word, enum poplin_scheme *scheme) {
    for (int number = POPLIN_SCHEME_POP3S; number <= POPLIN_SCHEME_POP; number++) {
        *scheme = (enum poplin_scheme)number;
        if (strcmp(word, poplin_scheme_word(*scheme)) == 0) {
            return true;
        }
    }
    return false;
}

static bool copy_part(const char *part, char *to, size_t size) {
    size_t length = part == NULL ? 0 : strlen(part);
    if (length < size) {
        memcpy(to, part == NULL ? "" : part, length);
    }
    return length < size && (part == NULL || length > 0);
}

/* core.format_url{ scheme, host, port, user, auth }: the URL, or nil and an error. */
int poplin_lua_format_url(lua_State *L) {
    url_parts given = {.scheme = "pop3s", .host = ""};
    poplin_url url = {0};
    poplin_error error = {0};
    char text[POPLIN_URL_TEXT];
    poplin_lua_settings(L, 1, settings, &given);
    if (!scheme_of(given.scheme, &url.scheme)) {
        return poplin_lua_fail_with(L, POPLIN_ERR_PROTOCOL, "URL", "the scheme is none of pop3s, pop3 and pop");
    }
    if (!copy_part(given.host, url.host, sizeof url.host) || !copy_part(given.user, url.user, sizeof url.user) ||
        !copy_part(given.auth, url.auth, sizeof url.auth)) {
        return poplin_lua_fail_with(L, POPLIN_ERR_PROTOCOL, "URL", "host, user or auth is empty or too long");
    }
    url.port = given.port == 0 ? poplin_scheme_port(url.scheme) : given.port;
    if (poplin_url_format(&url, text, &error) != POPLIN_OK) {
        return poplin_lua_fail(L, &error);
    }
    lua_pushstring(L, text);
    return 1;
}
