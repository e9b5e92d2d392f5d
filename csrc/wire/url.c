/*
 * wire/url.c - where to connect: pop3s://user;AUTH=mech@host:port and its shorter forms (RFC 2384).
 */
#include <poplin/url.h>

#include "wire/grammar.h"
#include "wire/utf8.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum { POP3_PORT = 110, POP3S_PORT = 995 };

enum { MECHANISM_MAX = 20 }; /* octets of a mechanism's name (RFC 4422 section 3.1) */

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

/*
 * Percent-decodes text into part, ended by NUL. False: empty, too long, a bad escape, a control character (POP-URL-2),
 * or not UTF-8.
 */
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
    return used > 0 && poplin_is_utf8((poplin_slice){part, used});
}

/* ---- the parts ---- */

/* The first row of a scheme is how it is written. */
static const struct {
    const char *name;
    enum poplin_scheme scheme;
} schemes[] = {
    {"pop3s", POPLIN_SCHEME_POP3S},
    {"pops", POPLIN_SCHEME_POP3S},
    {"pop3", POPLIN_SCHEME_POP3},
    {"pop", POPLIN_SCHEME_POP},
};

const char *poplin_scheme_word(enum poplin_scheme scheme) {
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (schemes[i].scheme == scheme)
            return schemes[i].name;
    return "?";
}

uint16_t poplin_scheme_port(enum poplin_scheme scheme) {
    return scheme == POPLIN_SCHEME_POP3S ? POP3S_PORT : POP3_PORT;
}

static bool read_scheme(poplin_slice *text, enum poplin_scheme *scheme) {
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

static bool is_letter_or_digit(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* "*", a SASL mechanism, or "+" with the name of what is none; the name is put in capitals. */
static bool read_auth(poplin_slice text, char *auth, size_t size) {
    if (!decode(text, auth, size))
        return false;
    char *name = auth + (auth[0] == '+');
    if (strcmp(auth, "*") == 0)
        return true;
    for (char *c = name; *c != '\0'; c++) {
        if (!is_letter_or_digit(*c) && *c != '-' && *c != '_')
            return false;
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 0x20);
    }
    return name[0] != '\0' && strlen(name) <= MECHANISM_MAX;
}

static int read_user(poplin_slice user, poplin_url *url, poplin_error *error) {
    if (find(user, ':') != NULL)
        return refuse(error,
                      "the URL holds a password, where others can read it; leave it out and give it as password=");
    const char *auth = find(user, ';');
    if (auth != NULL) {
        static const char word[] = "AUTH=";
        poplin_slice name = split(&user, auth, 1);
        if (user.size < sizeof word - 1 || !poplin_slice_equal_nocase((poplin_slice){user.data, sizeof word - 1}, word))
            return refuse(error, "behind the user's name stands a ; that begins no ;AUTH=; write it as %3B");
        (void)split(&user, user.data, sizeof word - 1);
        if (!read_auth(user, url->auth, sizeof url->auth))
            return refuse(error, "behind ;AUTH= stands neither * nor the name of a mechanism, such as SCRAM-SHA-256 or "
                                 "+APOP");
        user = name;
    }
    if (!decode(user, url->user, sizeof url->user))
        return refuse(error, "the user name is empty, too long, not UTF-8, or holds a control character or a bad %; "
                             "a % itself is written as %25");
    return POPLIN_OK;
}

static bool is_name(const char *host) {
    for (const char *c = host; *c != '\0'; c++)
        if (!is_letter_or_digit(*c) && strchr(".-_", *c) == NULL)
            return false;
    return host[0] != '\0';
}

/* A zone may stand behind an address of IPv6: fe80::1%eth0. */
static bool is_address(const char *host) {
    char address[INET6_ADDRSTRLEN];
    unsigned char octets[16];
    size_t size = strcspn(host, "%");
    if (size >= sizeof address)
        return false;
    memcpy(address, host, size);
    address[size] = '\0';
    return inet_pton(AF_INET6, address, octets) == 1 && (host[size] == '\0' || is_name(host + size + 1));
}

/* Nothing is percent-encoded in the brackets but the zone, and the % before it (RFC 6874): [fe80::1%31] is no fe80::11. */
static bool is_encoded_address(poplin_slice host) {
    const char *percent = find(host, '%');
    return percent == NULL || (host.data + host.size - percent >= 3 && memcmp(percent, "%25", 3) == 0);
}

static int read_port(poplin_slice text, poplin_url *url, poplin_error *error) {
    uint64_t port;
    if (poplin_number_take(&text, UINT16_MAX, &port) < 0 || text.size > 0 || port == 0)
        return refuse(error, "the port is not a number from 1 to 65535");
    url->port = (uint16_t)port;
    url->port_given = true;
    return POPLIN_OK;
}

/* Takes the [address] at the front of *text. */
static int read_address(poplin_slice *text, poplin_url *url, poplin_error *error) {
    const char *close = find(*text, ']');
    if (close == NULL)
        return refuse(error, "the [ of the IPv6 address has no ]");
    poplin_slice host = split(text, close, 1);
    host.data++;
    host.size--;
    if (text->size > 0 && text->data[0] != ':')
        return refuse(error, "only :port may follow the ] of the IPv6 address");
    if (!is_encoded_address(host) || !decode(host, url->host, sizeof url->host) || !is_address(url->host))
        return refuse(error, "between [ and ] stands no IPv6 address, such as ::1 or fe80::1%25eth0");
    return POPLIN_OK;
}

static int read_name(poplin_slice *text, poplin_url *url, poplin_error *error) {
    const char *colon = find(*text, ':');
    poplin_slice host = split(text, colon != NULL ? colon : text->data + text->size, 0);
    if (!decode(host, url->host, sizeof url->host) || !is_name(url->host))
        return refuse(error,
                      "the host is empty, too long, or holds what no ASCII host name does (write it as xn--...)");
    if (text->size > 0 && memchr(text->data + 1, ':', text->size - 1) != NULL)
        return refuse(error, "an IPv6 address stands in brackets: [::1] or [::1]:995");
    return POPLIN_OK;
}

static int read_host(poplin_slice text, poplin_url *url, poplin_error *error) {
    bool literal = text.size > 0 && text.data[0] == '[';
    int status = literal ? read_address(&text, url, error) : read_name(&text, url, error);
    if (status < 0 || text.size == 0)
        return status;
    (void)split(&text, text.data, 1);
    return read_port(text, url, error);
}

int poplin_url_parse(const char *text, size_t size, poplin_url *url, poplin_error *error) {
    poplin_slice rest = {size > 0 ? text : "", size};
    *url = (poplin_url){0};
    if (!read_scheme(&rest, &url->scheme))
        return refuse(error, "the scheme is none of pop3s, pops, pop3 and pop");
    url->port = poplin_scheme_port(url->scheme);
    /* Before the @ is looked for: others read what stands behind the first / as a path, and the host before it. */
    if (find(rest, '/') != NULL || find(rest, '?') != NULL || find(rest, '#') != NULL)
        return refuse(error, "a POP3 URL ends behind host and port, without path, query and fragment; in a user name "
                             "write / as %2F, ? as %3F, # as %23; a password is given as password=, not in the URL");
    const char *at = rest.size > 0 ? memrchr(rest.data, '@', rest.size) : NULL;
    if (at != NULL) {
        int status = read_user(split(&rest, at, 1), url, error);
        if (status < 0)
            return status;
    }
    return read_host(rest, url, error);
}

/* ---- written ---- */

/* The text as it grows; what does not fit makes it overlong. */
typedef struct writer {
    char *text;
    size_t used;
    bool overlong;
} writer;

static void put_char(writer *out, char c) {
    out->overlong |= out->used + 1 >= POPLIN_URL_TEXT;
    if (!out->overlong)
        out->text[out->used++] = c;
}

static void put(writer *out, const char *text) {
    for (; *text != '\0'; text++)
        put_char(out, *text);
}

/* Percent-encodes all but letters, digits and what is in plain. */
static void put_encoded(writer *out, const char *text, const char *plain) {
    static const char digits[] = "0123456789ABCDEF";
    for (; *text != '\0'; text++) {
        unsigned char octet = (unsigned char)*text;
        if (is_letter_or_digit(*text) || strchr(plain, *text) != NULL) {
            put_char(out, *text);
        } else {
            put_char(out, '%');
            put_char(out, digits[octet >> 4]);
            put_char(out, digits[octet & 15]);
        }
    }
}

static void write_url(const poplin_url *url, writer *out) {
    char port[8];
    bool literal = strchr(url->host, ':') != NULL;
    put(out, poplin_scheme_word(url->scheme));
    put(out, "://");
    if (url->user[0] != '\0' || url->auth[0] != '\0') {
        put_encoded(out, url->user, "-._~");
        put(out, url->auth[0] != '\0' ? ";AUTH=" : "");
        put_encoded(out, url->auth, "-_+*");
        put_char(out, '@');
    }
    put(out, literal ? "[" : "");
    put_encoded(out, url->host, literal ? ":.-_" : ".-_");
    put(out, literal ? "]" : "");
    if (url->port_given || url->port != poplin_scheme_port(url->scheme)) {
        (void)snprintf(port, sizeof port, ":%u", (unsigned)url->port);
        put(out, port);
    }
    out->text[out->used] = '\0';
}

/* What was written has to mean what was given: so the parser's rules are the writer's too. */
int poplin_url_format(const poplin_url *url, char text[POPLIN_URL_TEXT], poplin_error *error) {
    writer out = {text, 0, false};
    poplin_url read;
    write_url(url, &out);
    if (out.overlong)
        return refuse(error, "the parts are too long for a URL");
    return poplin_url_parse(text, out.used, &read, error);
}

/* ---- TLS ---- */

static const char *const mode_words[] = {
    [POPLIN_TLS_IMPLICIT] = "implicit",
    [POPLIN_TLS_STLS] = "stls",
    [POPLIN_TLS_AUTO] = "auto",
    [POPLIN_TLS_NEVER] = "never",
};

const char *poplin_tls_mode_word(enum poplin_tls_mode mode) {
    return mode_words[mode];
}

int poplin_url_tls(poplin_url *url, const char *word, enum poplin_tls_mode *mode) {
    size_t found = 0;
    while (found < sizeof mode_words / sizeof *mode_words && strcmp(word, mode_words[found]) != 0)
        found++;
    if (found == sizeof mode_words / sizeof *mode_words)
        return POPLIN_ERR_PROTOCOL;
    *mode = (enum poplin_tls_mode)found;
    if (*mode == POPLIN_TLS_AUTO && url->scheme == POPLIN_SCHEME_POP3S)
        *mode = POPLIN_TLS_IMPLICIT;
    if (!url->port_given)
        url->port = *mode == POPLIN_TLS_IMPLICIT ? POP3S_PORT : POP3_PORT;
    return POPLIN_OK;
}
