/*
 * poplin/url.h - where to connect: URLs (RFC 2384 and the schemes in common use) and bare host names.
 */
#ifndef POPLIN_URL_H
#define POPLIN_URL_H

#include <poplin/types.h>

#ifdef __cplusplus
extern "C" {
#endif

enum poplin_scheme {
    POPLIN_SCHEME_POP3S, /* pop3s:// or pops://, or a bare host: TLS from the first octet, port 995 */
    POPLIN_SCHEME_POP3,  /* pop3://: STLS, port 110 */
    POPLIN_SCHEME_POP    /* pop://, as RFC 2384 has it: means the same */
};

/* The longest text of a URL, with its NUL. */
#define POPLIN_URL_TEXT 1200

/* The parts, percent-decoded, each ended by NUL; empty: not there. */
typedef struct poplin_url {
    enum poplin_scheme scheme;
    char host[256];  /* without the brackets of an IPv6 literal */
    char user[256];  /* UTF-8 */
    char auth[32];   /* of ;AUTH=, in capitals: "*" for any, "PLAIN"; "+APOP" for what is no SASL mechanism */
    uint16_t port;   /* the scheme's own where none is given */
    bool port_given; /* the text names the port, so poplin_url_tls keeps it */
} poplin_url;

/* The scheme's word, "pop3s"; the parser knows "pops" too. Static. */
POPLIN_API const char *poplin_scheme_word(enum poplin_scheme scheme);

/* The port where none is given: 995 or 110. */
POPLIN_API uint16_t poplin_scheme_port(enum poplin_scheme scheme);

/*
 * Parses "pop3s://user;AUTH=mech@host:port", "host", "host:port" or "[::1]:port"; the last @ splits.
 * PROTOCOL: not of this form, a port out of range, a decoded control character, a user name that is not UTF-8, what
 * cannot be a mechanism's name (RFC 4422 section 3.1), a path, query or fragment; a password in the URL is refused with
 * a reason that names password=. *error (may be NULL) says what to do, and repeats nothing of the text. RFC 2384.
 */
POPLIN_API int poplin_url_parse(const char *text, size_t size, poplin_url *url, poplin_error *error);

/*
 * Writes a text of which poplin_url_parse makes *url again: percent-encoded, the port only where it was given or is not
 * the scheme's own. PROTOCOL: no URL can hold these parts; *error (may be NULL) says which.
 */
POPLIN_API int poplin_url_format(const poplin_url *url, char text[POPLIN_URL_TEXT], poplin_error *error);

/*
 * What tls= means for this scheme: "auto" is IMPLICIT for pop3s, else AUTO; "implicit", "stls", "never" are
 * themselves. PROTOCOL: any other word. An explicit port is kept; where none was given, url->port follows the mode.
 */
POPLIN_API int poplin_url_tls(poplin_url *url, const char *word, enum poplin_tls_mode *mode);

/* The word of a mode: "implicit", "stls", "auto", "never". Static. */
POPLIN_API const char *poplin_tls_mode_word(enum poplin_tls_mode mode);

#ifdef __cplusplus
}
#endif
#endif
