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
    POPLIN_SCHEME_POP3   /* pop3:// or pop://: STLS, port 110 */
};

/* The parts, percent-decoded, each ended by NUL; empty: not there. */
typedef struct poplin_url {
    enum poplin_scheme scheme;
    char host[256]; /* without the brackets of an IPv6 literal */
    char user[256];
    char auth[64];   /* of ;AUTH=, "*" included */
    uint16_t port;   /* the scheme's own where none is given */
    bool port_given; /* the text names the port, so poplin_url_tls keeps it */
} poplin_url;

/*
 * Parses "pop3s://user;AUTH=mech@host:port", "host", "host:port" or "[::1]:port"; the last @ splits.
 * PROTOCOL: not of this form, a port out of range, a decoded control character, a path; a password in the URL is
 * refused with a reason that names password=. *error (may be NULL) says what to do.
 */
POPLIN_API int poplin_url_parse(const char *text, size_t size, poplin_url *url, poplin_error *error);

/*
 * What tls= means for this scheme: "auto" is IMPLICIT for pop3s and AUTO for pop3; "implicit", "stls", "never" are
 * themselves. PROTOCOL: any other word. An explicit port is kept; where none was given, url->port follows the mode.
 */
POPLIN_API int poplin_url_tls(poplin_url *url, const char *word, enum poplin_tls_mode *mode);

#ifdef __cplusplus
}
#endif
#endif
