/*
 * bare.c - the limit of the machine: a POP3 client that does what the protocol asks for and nothing else. It goes
 * through the same steps as any client that pipelines (greeting, CAPA, a login in one step, LIST, RETRs in a bounded
 * window, QUIT), reads up to 256 KiB at a time, un-stuffs and copies each message into one block, and trusts the server.
 */
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "job.h"

enum { READ_SIZE = 256 * 1024, WINDOW = 1000, BLOCK = 64 };

/* ---- the connection ---- */

static struct {
    int descriptor;
    gnutls_session_t tls; /* NULL: none */
    size_t start, end;    /* of what was read and not yet looked at */
    char *cursor;         /* the same of plaintext */
    char *limit;
    char input[READ_SIZE];     /* from the socket */
    char plaintext[READ_SIZE]; /* from GnuTLS */
} connection;

static size_t receive(void *data, size_t size) {
    ssize_t got = recv(connection.descriptor, data, size, 0);
    if (got < 0)
        bench_die("recv failed");
    return (size_t)got;
}

/* GnuTLS asks for a header, then for a record; both come out of one large read. */
static ssize_t pull(gnutls_transport_ptr_t pointer, void *data, size_t size) {
    (void)pointer;
    if (connection.start == connection.end) {
        connection.start = 0;
        connection.end = receive(connection.input, sizeof connection.input);
    }
    size_t kept = connection.end - connection.start;
    size_t taken = size < kept ? size : kept;
    memcpy(data, connection.input + connection.start, taken);
    connection.start += taken;
    return (ssize_t)taken;
}

/* Reads what there is, and waits only where there is nothing. False: the server closed. */
static bool fill(void) {
    ssize_t got;
    if (connection.tls == NULL) {
        got = (ssize_t)receive(connection.input, sizeof connection.input);
        connection.cursor = connection.input;
    } else {
        do
            got = gnutls_record_recv(connection.tls, connection.plaintext, sizeof connection.plaintext);
        while (got == GNUTLS_E_AGAIN || got == GNUTLS_E_INTERRUPTED);
        connection.cursor = connection.plaintext;
    }
    if (got < 0)
        bench_die("a TLS record cannot be read");
    connection.limit = connection.cursor + got;
    return got > 0;
}

static void send_all(const char *data, size_t size) {
    while (size > 0) {
        ssize_t sent = connection.tls != NULL ? gnutls_record_send(connection.tls, data, size)
                                              : send(connection.descriptor, data, size, MSG_NOSIGNAL);
        if (sent <= 0)
            bench_die("send failed");
        data += sent;
        size -= (size_t)sent;
    }
}

static void shake_hands(const bench_job *job, gnutls_certificate_credentials_t credentials) {
    static const char PRIORITY[] = "NORMAL:-VERS-ALL:+VERS-TLS1.3";
    gnutls_session_t tls;
    if (gnutls_init(&tls, GNUTLS_CLIENT) < 0 || gnutls_priority_set_direct(tls, PRIORITY, NULL) < 0 ||
        gnutls_credentials_set(tls, GNUTLS_CRD_CERTIFICATE, credentials) < 0)
        bench_die("no TLS");
    gnutls_session_set_verify_cert(tls, job->host, 0);
    gnutls_transport_set_int(tls, connection.descriptor);
    gnutls_transport_set_pull_function(tls, pull);
    connection.start = connection.end = 0;
    if (gnutls_handshake(tls) < 0)
        bench_die("the handshake failed");
    connection.tls = tls;
}

static void dial(const bench_job *job) {
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *address;
    int on = 1;
    if (getaddrinfo(job->host, job->port, &hints, &address) != 0)
        bench_die("not an address");
    connection.descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(connection.descriptor, address->ai_addr, address->ai_addrlen) != 0)
        bench_die("connect failed");
    setsockopt(connection.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    freeaddrinfo(address);
    connection.cursor = connection.limit = NULL;
}

static void hang_up(void) {
    if (connection.tls != NULL) {
        gnutls_bye(connection.tls, GNUTLS_SHUT_WR);
        gnutls_deinit(connection.tls);
        connection.tls = NULL;
    }
    close(connection.descriptor);
}

/* ---- replies ---- */

static char octet(void) {
    if (connection.cursor == connection.limit && !fill())
        bench_die("the server closed");
    return *connection.cursor++;
}

/* One status line, which must be +OK. */
static void expect_ok(void) {
    if (octet() != '+')
        bench_die("the server refused");
    while (octet() != '\n')
        continue;
}

static void command(const char *line) {
    send_all(line, strlen(line));
    expect_ok();
}

/* The content of a multi-line reply, copied to memory that grows with the largest. */
static struct {
    char *data;
    size_t size, capacity;
} message;

static void keep(const char *data, size_t size) {
    if (size > message.capacity - message.size) {
        message.capacity = 2 * (message.capacity + size);
        message.data = realloc(message.data, message.capacity);
        if (message.data == NULL)
            bench_die("out of memory");
    }
    memcpy(message.data + message.size, data, size);
    message.size += size;
}

/* Whether a line begins with a dot somewhere in these octets; a loop without branches, which compilers vectorize. */
static bool any_leading_dot(const char block[BLOCK]) {
    unsigned char found = 0;
    for (int i = 0; i < BLOCK; i++)
        found |= (unsigned char)((block[i] == '.') & (block[i - 1] == '\n'));
    return found != 0;
}

/*
 * Finds the first dot of what is in the buffer that begins a line, or NULL. *in_line says whether the buffer begins, and
 * then whether it ends, inside of one.
 */
static const char *find_dot(bool *in_line) {
    const char *at = connection.cursor;
    if (at == connection.limit)
        return NULL;
    if (!*in_line && *at == '.')
        return at;
    at++;
    while (connection.limit - at >= BLOCK && !any_leading_dot(at))
        at += BLOCK;
    for (; at < connection.limit; at++)
        if (*at == '.' && at[-1] == '\n')
            return at;
    *in_line = connection.limit[-1] != '\n';
    return NULL;
}

static void read_content(void) {
    message.size = 0;
    for (bool in_line = false;;) {
        const char *dot = find_dot(&in_line);
        const char *end = dot != NULL ? dot : connection.limit;
        keep(connection.cursor, (size_t)(end - connection.cursor));
        connection.cursor += end - connection.cursor;
        if (dot == NULL) {
            if (!fill())
                bench_die("the server closed");
            continue;
        }
        octet(); /* the dot itself */
        char next = octet();
        if (next == '\r') {
            octet();
            return;
        }
        keep(&next, 1);
        in_line = next != '\n';
    }
}

/* ---- a session ---- */

static size_t count_lines(void) {
    size_t lines = 0;
    for (size_t i = 0; i < message.size; i++)
        lines += message.data[i] == '\n';
    return lines;
}

/* Asks for the messages from *asked on, until the window is full or all are asked for. */
static void ask(size_t *asked, size_t answered, size_t count) {
    static char commands[WINDOW * 20];
    size_t size = 0;
    while (*asked < count && *asked - answered < WINDOW)
        size += (size_t)snprintf(commands + size, sizeof commands - size, "RETR %zu\r\n", ++*asked);
    send_all(commands, size);
}

static void run_session(bench_job *job, gnutls_certificate_credentials_t credentials) {
    dial(job);
    if (job->tls)
        shake_hands(job, credentials);
    expect_ok();
    command("CAPA\r\n");
    read_content();
    command("AUTH PLAIN AGJlbmNoAGJlbmNo\r\n"); /* NUL bench NUL bench */
    command("LIST\r\n");
    read_content();
    size_t count = count_lines();
    size_t asked = 0;
    for (size_t answered = 0; answered < count; answered++) {
        if (asked < count && asked - answered <= WINDOW / 2)
            ask(&asked, answered, count);
        expect_ok();
        read_content();
        job->messages++;
        job->octets += message.size;
    }
    command("QUIT\r\n");
    hang_up();
}

int main(int argc, char **argv) {
    bench_job job = bench_begin(argc, argv);
    gnutls_certificate_credentials_t credentials = NULL;
    if (job.tls && (gnutls_certificate_allocate_credentials(&credentials) < 0 ||
                    gnutls_certificate_set_x509_trust_file(credentials, job.ca_file, GNUTLS_X509_FMT_PEM) <= 0))
        bench_die("no CA");
    for (unsigned i = 0; i < job.sessions; i++)
        run_session(&job, credentials);
    bench_end(&job);
    if (credentials != NULL)
        gnutls_certificate_free_credentials(credentials);
    free(message.data);
}
