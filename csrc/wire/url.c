/*
 * wire/url.c - where to connect: pop3s://user;AUTH=mech@host:port and its shorter forms (RFC 2384).
 */
#include <poplin/url.h>

#include "wire/grammar.h"

#include <stdio.h>
#include <string.h>

enum { POP3_PORT = 110, POP3S_PORT = 995 };

static int refuse(poplin_error *error, const char *reason) {
    if (error != NULL) {
        *error = (poplin_error){.status = POPLIN_ERR_PROTOCOL, .doing = "URL"};
        snprintf(error->reason, sizeof error->reason, "%s", reason);
    }
    return POPLIN_ERR_PROTOCOL;
}

static const char *find(poplin_slice text, char c) {
    return text.size > 0 ? memchr(text.data, c, text.size) : NULL;
}

/* Splits *text at at: what stands before is returned, what stands behind is left. */
static poplin_slice split(poplin_slice *text, const char *at, size_t separator) {
    poplin_slice before = {text->data, (size_t)(at - text->data)};
    text->data = at + separator;
    text->size -= before.size + separator;
    return before;
}

static int hex(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Percent-decodes text into part, ended by NUL. False: too long, a bad escape, or a control character (POP-URL-2). */
static bool decode(poplin_slice text, char *part, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        int octet = (unsigned char)text.data[i];
        if (octet == '%') {
            int high = i + 2 < text.size ? hex(text.data[i + 1]) : -1;
            int low = i + 2 < text.size ? hex(text.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            octet = high * 16 + low;
            i += 2;
        }
        if (octet < 0x20 || octet == 0x7F || used + 1 >= size)
            return false;
        part[used++] = (char)octet;
    }
    part[used] = '\0';
    return used > 0;
}

/* ---- the parts ---- */

static bool read_scheme(poplin_slice *text, enum poplin_scheme *scheme) {
    static const struct {
        const char *name;
        enum poplin_scheme scheme;
    } schemes[] = {
        {"pop3s", POPLIN_SCHEME_POP3S},
        {"pops", POPLIN_SCHEME_POP3S},
        {"pop3", POPLIN_SCHEME_POP3},
        {"pop", POPLIN_SCHEME_POP3},
    };
    const char *at = text->size > 0 ? memmem(text->data, text->size, "://", 3) : NULL;
    *scheme = POPLIN_SCHEME_POP3S;
    if (at == NULL)
        return true;
    poplin_slice name = split(text, at, 3);
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (poplin_slice_equal_nocase(name, schemes[i].name)) {
            *scheme = schemes[i].scheme;
            return true;
        }
    return false;
}

/* The last ";AUTH=" of user; NULL: none. */
static const char *find_auth(poplin_slice user) {
    enum { SIZE = 6 };
    for (size_t i = user.size; i >= SIZE; i--)
        if (poplin_slice_equal_nocase((poplin_slice){user.data + i - SIZE, SIZE}, ";AUTH="))
            return user.data + i - SIZE;
    return NULL;
}

static int read_user(poplin_slice user, poplin_url *url, poplin_error *error) {
    if (find(user, ':') != NULL)
        return refuse(error,
                      "the URL holds a password, where others can read it; leave it out and give it as password=");
    const char *auth = find_auth(user);
    if (auth != NULL) {
        poplin_slice name = split(&user, auth, 6);
        if (!decode(user, url->auth, sizeof url->auth))
            return refuse(error,
                          "the mechanism behind ;AUTH= is empty, too long, or holds a control character or a bad %");
        user = name;
    }
    if (!decode(user, url->user, sizeof url->user))
        return refuse(error, "the user name is empty, too long, or holds a control character or a bad %");
    return POPLIN_OK;
}

static bool is_host(const char *host, bool literal) {
    for (const char *c = host; *c != '\0'; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!letter && strchr(literal ? ":.%-_" : ".-_", *c) == NULL)
            return false;
    }
    return true;
}

static int read_port(poplin_slice text, poplin_url *url, poplin_error *error) {
    uint64_t port;
    if (poplin_number_take(&text, UINT16_MAX, &port) < 0 || text.size > 0 || port == 0)
        return refuse(error, "the port is not a number from 1 to 65535");
    url->port = (uint16_t)port;
    url->port_given = true;
    return POPLIN_OK;
}

static int read_host(poplin_slice text, poplin_url *url, poplin_error *error) {
    bool literal = text.size > 0 && text.data[0] == '[';
    const char *close = literal ? find(text, ']') : NULL;
    poplin_slice host;
    if (literal && close == NULL)
        return refuse(error, "the [ of the IPv6 address has no ]");
    if (literal) {
        host = split(&text, close, 1);
        host.data++;
        host.size--;
        if (text.size > 0 && text.data[0] != ':')
            return refuse(error, "only :port may follow the ] of the IPv6 address");
    } else {
        const char *colon = find(text, ':');
        host = split(&text, colon != NULL ? colon : text.data + text.size, 0);
    }
    if (!decode(host, url->host, sizeof url->host) || !is_host(url->host, literal))
        return refuse(error,
                      "the host is empty, too long, or holds what no ASCII host name does (write it as xn--...)");
    if (text.size == 0)
        return POPLIN_OK;
    text.data++;
    text.size--;
    if (!literal && find(text, ':') != NULL)
        return refuse(error, "an IPv6 address stands in brackets: [::1] or [::1]:995");
    return read_port(text, url, error);
}

int poplin_url_parse(const char *text, size_t size, poplin_url *url, poplin_error *error) {
    poplin_slice rest = {size > 0 ? text : "", size};
    *url = (poplin_url){0};
    if (!read_scheme(&rest, &url->scheme))
        return refuse(error, "the scheme is none of pop3s, pops, pop3 and pop");
    url->port = url->scheme == POPLIN_SCHEME_POP3S ? POP3S_PORT : POP3_PORT;
    const char *at = rest.size > 0 ? memrchr(rest.data, '@', rest.size) : NULL;
    if (at != NULL) {
        int status = read_user(split(&rest, at, 1), url, error);
        if (status < 0)
            return status;
    }
    if (find(rest, '/') != NULL || find(rest, '?') != NULL || find(rest, '#') != NULL)
        return refuse(error, "a POP3 URL ends behind host and port: there is no path in it");
    return read_host(rest, url, error);
}

int poplin_url_tls(poplin_url *url, const char *word, enum poplin_tls_mode *mode) {
    if (strcmp(word, "auto") == 0)
        *mode = url->scheme == POPLIN_SCHEME_POP3S ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_AUTO;
    else if (strcmp(word, "implicit") == 0)
        *mode = POPLIN_TLS_IMPLICIT;
    else if (strcmp(word, "stls") == 0)
        *mode = POPLIN_TLS_STLS;
    else if (strcmp(word, "never") == 0)
        *mode = POPLIN_TLS_NEVER;
    else
        return POPLIN_ERR_PROTOCOL;
    if (!url->port_given)
        url->port = *mode == POPLIN_TLS_IMPLICIT ? POP3S_PORT : POP3_PORT;
    return POPLIN_OK;
}
