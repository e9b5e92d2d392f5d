/*
 * canned.c - the cheapest POP3 server there can be, so that the clients are measured and not the server: each message
 * lies in memory as it goes over the wire, stuffed, with its +OK line, and many go out in one call. One session at a
 * time, blocking; it trusts its client.
 *
 * Started as: canned MESSAGES OCTETS CA_FILE [LARGE LARGE_OCTETS], and prints its ports as server.c does. There are LARGE
 * messages of LARGE_OCTETS behind the others. Nothing is ever deleted, so that each session finds the same.
 */
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mail.h"

enum { INPUT_SIZE = 64 * 1024, PIECES = 256, RECORD_SIZE = 16 * 1024, RECORDS_SIZE = 256 * 1024 };

/* ---- what is said ---- */

typedef struct text {
    char *data;
    size_t size, capacity;
} text;

static text *messages; /* as they go over the wire */
static size_t *message_sizes;
static size_t message_count, octets_in_all;
static text scan_listing, unique_ids;

static void add(text *to, const char *data, size_t size) {
    if (size > to->capacity - to->size) {
        to->capacity = 2 * (to->capacity + size);
        to->data = realloc(to->data, to->capacity);
        if (to->data == NULL)
            bench_die("out of memory");
    }
    memcpy(to->data + to->size, data, size);
    to->size += size;
}

static void add_line(text *to, const char *format, size_t a, size_t b) {
    char line[64];
    add(to, line, (size_t)snprintf(line, sizeof line, format, a, b));
}

static void add_stuffed(text *to, const char *data, size_t size) {
    for (const char *end = data + size; data < end;) {
        const char *next = (const char *)memchr(data, '\n', (size_t)(end - data)) + 1;
        if (*data == '.')
            add(to, ".", 1);
        add(to, data, (size_t)(next - data));
        data = next;
    }
}

static void prepare_message(size_t index, size_t size, char *room) {
    write_message(room, size, (unsigned)index + 1);
    add_line(&messages[index], "+OK %zu octets\r\n", size, 0);
    add_stuffed(&messages[index], room, size);
    add_line(&messages[index], ".\r\n", 0, 0);
    add_line(&scan_listing, "%zu %zu\r\n", index + 1, size);
    add_line(&unique_ids, "%zu message-%zu\r\n", index + 1, index + 1);
    message_sizes[index] = size;
    octets_in_all += size;
}

static void prepare(size_t count, size_t size, size_t large_count, size_t large_size) {
    char *room = malloc(size > large_size ? size : large_size);
    message_count = count + large_count;
    messages = calloc(message_count + 1, sizeof *messages);
    message_sizes = calloc(message_count + 1, sizeof *message_sizes);
    if (room == NULL || messages == NULL || message_sizes == NULL)
        bench_die("out of memory");
    add_line(&scan_listing, "+OK\r\n", 0, 0);
    add_line(&unique_ids, "+OK\r\n", 0, 0);
    for (size_t i = 0; i < message_count; i++)
        prepare_message(i, i < count ? size : large_size, room);
    add_line(&scan_listing, ".\r\n", 0, 0);
    add_line(&unique_ids, ".\r\n", 0, 0);
    free(room);
}

/* ---- one connection ---- */

static struct {
    int descriptor;
    gnutls_session_t tls; /* NULL: none */
    struct iovec pieces[PIECES];
    size_t piece_count;
    char records[RECORDS_SIZE]; /* what GnuTLS has encrypted */
    size_t records_size;
    bool lost;
} connection;

static void send_pieces(struct iovec *pieces, size_t count) {
    struct msghdr what = {.msg_iov = pieces, .msg_iovlen = count};
    while (what.msg_iovlen > 0 && !connection.lost) {
        ssize_t sent = sendmsg(connection.descriptor, &what, MSG_NOSIGNAL);
        connection.lost = sent < 0;
        for (size_t left = sent > 0 ? (size_t)sent : 0; left > 0;) {
            size_t taken = left < what.msg_iov->iov_len ? left : what.msg_iov->iov_len;
            what.msg_iov->iov_base = (char *)what.msg_iov->iov_base + taken;
            what.msg_iov->iov_len -= taken;
            left -= taken;
            if (what.msg_iov->iov_len > 0)
                break;
            what.msg_iov++;
            what.msg_iovlen--;
        }
    }
}

static void send_records(void) {
    struct iovec all = {connection.records, connection.records_size};
    if (connection.records_size > 0)
        send_pieces(&all, 1);
    connection.records_size = 0;
}

/* GnuTLS sends record by record; the socket gets many at a time. */
static ssize_t push(gnutls_transport_ptr_t pointer, const void *data, size_t size) {
    (void)pointer;
    if (size > RECORDS_SIZE - connection.records_size)
        send_records();
    memcpy(connection.records + connection.records_size, data, size);
    connection.records_size += size;
    return (ssize_t)size;
}

static void encrypt(const char *data, size_t size) {
    while (size > 0 && !connection.lost) {
        ssize_t sent = gnutls_record_send(connection.tls, data, size);
        connection.lost = sent < 0;
        data += sent;
        size -= (size_t)sent;
    }
}

/* Fills records with several small pieces; a large one goes from where it lies. */
static void encrypt_pieces(void) {
    static char record[RECORD_SIZE];
    size_t filled = 0;
    for (size_t i = 0; i < connection.piece_count; i++) {
        const char *data = connection.pieces[i].iov_base;
        size_t left = connection.pieces[i].iov_len;
        while (left > 0) {
            size_t whole = filled == 0 ? left - left % RECORD_SIZE : 0;
            encrypt(data, whole);
            data += whole;
            left -= whole;
            size_t taken = left < RECORD_SIZE - filled ? left : RECORD_SIZE - filled;
            memcpy(record + filled, data, taken);
            filled += taken;
            data += taken;
            left -= taken;
            if (filled == RECORD_SIZE) {
                encrypt(record, filled);
                filled = 0;
            }
        }
    }
    encrypt(record, filled);
    send_records();
}

static void flush_pieces(void) {
    if (connection.tls != NULL)
        encrypt_pieces();
    else
        send_pieces(connection.pieces, connection.piece_count);
    connection.piece_count = 0;
}

static void say(const char *data, size_t size) {
    if (connection.piece_count == PIECES)
        flush_pieces();
    connection.pieces[connection.piece_count++] = (struct iovec){(void *)(uintptr_t)data, size};
}

static void say_line(const char *line) {
    say(line, strlen(line));
}

static void say_message(const char *number_in_line) {
    size_t number = strtoul(number_in_line, NULL, 10);
    if (number >= 1 && number <= message_count)
        say(messages[number - 1].data, messages[number - 1].size);
    else
        say_line("-ERR no such message\r\n");
}

/* A line of a listing by itself. */
static void say_one(const char *number_in_line, bool unique_id) {
    char line[64];
    size_t number = strtoul(number_in_line, NULL, 10);
    if (number < 1 || number > message_count) {
        say_line("-ERR no such message\r\n");
        return;
    }
    if (unique_id)
        snprintf(line, sizeof line, "+OK %zu message-%zu\r\n", number, number);
    else
        snprintf(line, sizeof line, "+OK %zu %zu\r\n", number, message_sizes[number - 1]);
    say_line(line);
    flush_pieces(); /* the line is gone then */
}

/* Answers one command. False: it was QUIT. */
static bool answer(const char *line) {
    if (strncasecmp(line, "RETR ", 5) == 0) {
        say_message(line + 5);
    } else if (strncasecmp(line, "CAPA", 4) == 0) {
        say_line("+OK\r\nUSER\r\nSASL PLAIN\r\nUIDL\r\nTOP\r\nPIPELINING\r\nRESP-CODES\r\n.\r\n");
    } else if (strncasecmp(line, "STAT", 4) == 0) {
        static char stat[64];
        snprintf(stat, sizeof stat, "+OK %zu %zu\r\n", message_count, octets_in_all);
        say_line(stat);
    } else if (strncasecmp(line, "LIST ", 5) == 0) {
        say_one(line + 5, false);
    } else if (strncasecmp(line, "LIST", 4) == 0) {
        say(scan_listing.data, scan_listing.size);
    } else if (strncasecmp(line, "UIDL ", 5) == 0) {
        say_one(line + 5, true);
    } else if (strncasecmp(line, "UIDL", 4) == 0) {
        say(unique_ids.data, unique_ids.size);
    } else if (strncasecmp(line, "TOP ", 4) == 0) {
        /* So fetchmail asks for all of a message that stays. */
        if (strncmp(line + 4 + strspn(line + 4, "0123456789"), " 99999999\r", 10) == 0)
            say_message(line + 4);
        else
            say_line("-ERR not here\r\n");
    } else if (strncasecmp(line, "AUTH PLAIN\r", 11) == 0) {
        say_line("+ \r\n"); /* what comes then is answered below */
    } else {
        say_line("+OK\r\n"); /* any password is right */
    }
    return strncasecmp(line, "QUIT", 4) != 0;
}

static size_t receive(char *buffer, size_t size) {
    ssize_t got = connection.tls != NULL ? gnutls_record_recv(connection.tls, buffer, size)
                                         : recv(connection.descriptor, buffer, size, 0);
    return got > 0 ? (size_t)got : 0;
}

static void converse(void) {
    static char input[INPUT_SIZE + 1];
    size_t kept = 0;
    bool stays = true;
    connection.lost = false;
    say_line("+OK canned\r\n");
    flush_pieces();
    while (stays && !connection.lost) {
        size_t got = receive(input + kept, INPUT_SIZE - kept);
        if (got == 0)
            return;
        kept += got;
        input[kept] = '\0';
        char *line = input;
        for (char *end; stays && (end = strchr(line, '\n')) != NULL; line = end + 1)
            stays = answer(line);
        kept -= (size_t)(line - input);
        memmove(input, line, kept);
        flush_pieces();
    }
}

static void converse_over_tls(gnutls_certificate_credentials_t credentials) {
    if (gnutls_init(&connection.tls, GNUTLS_SERVER) < 0 ||
        gnutls_priority_set_direct(
            connection.tls, "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM:%SERVER_PRECEDENCE", NULL) < 0 ||
        gnutls_credentials_set(connection.tls, GNUTLS_CRD_CERTIFICATE, credentials) < 0)
        bench_die("no TLS");
    gnutls_transport_set_int(connection.tls, connection.descriptor);
    if (gnutls_handshake(connection.tls) == 0) {
        gnutls_transport_set_push_function(connection.tls, push);
        converse();
        gnutls_bye(connection.tls, GNUTLS_SHUT_WR);
        send_records();
    }
    gnutls_deinit(connection.tls);
    connection.tls = NULL;
}

/* ---- serving ---- */

static gnutls_certificate_credentials_t new_credentials(const char *ca_file) {
    poplin_tls_throwaway identity = new_identity(ca_file);
    gnutls_datum_t cert = {(unsigned char *)identity.cert_pem, (unsigned)strlen(identity.cert_pem)};
    gnutls_datum_t key = {(unsigned char *)identity.key_pem, (unsigned)strlen(identity.key_pem)};
    gnutls_certificate_credentials_t credentials;
    if (gnutls_certificate_allocate_credentials(&credentials) < 0 ||
        gnutls_certificate_set_x509_key_mem(credentials, &cert, &key, GNUTLS_X509_FMT_PEM) < 0)
        bench_die("no credentials");
    poplin_tls_throwaway_free(&identity);
    return credentials;
}

static int listen_on_loopback(unsigned *port) {
    struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof own;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (struct sockaddr *)&own, sizeof own) != 0 || listen(listener, 16) != 0 ||
        getsockname(listener, (struct sockaddr *)&own, &size) != 0)
        bench_die("cannot listen");
    *port = ntohs(own.sin_port);
    return listener;
}

static void serve(int listener, gnutls_certificate_credentials_t credentials) {
    int on = 1;
    connection.descriptor = accept(listener, NULL, NULL);
    if (connection.descriptor < 0)
        return;
    setsockopt(connection.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (credentials != NULL)
        converse_over_tls(credentials);
    else
        converse();
    close(connection.descriptor);
}

int main(int argc, char **argv) {
    if (argc != 4 && argc != 6)
        bench_die("usage: canned MESSAGES OCTETS CA_FILE [LARGE LARGE_OCTETS]");
    unsigned plain, tls;
    prepare(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10), argc == 6 ? strtoul(argv[4], NULL, 10) : 0,
            argc == 6 ? strtoul(argv[5], NULL, 10) : 0);
    gnutls_certificate_credentials_t credentials = new_credentials(argv[3]);
    struct pollfd listeners[] = {{.fd = listen_on_loopback(&plain), .events = POLLIN},
                                 {.fd = listen_on_loopback(&tls), .events = POLLIN}};
    printf("{\"plain\": %u, \"tls\": %u}\n", plain, tls);
    fflush(stdout);
    for (;;) {
        poll(listeners, 2, -1);
        if (listeners[0].revents & POLLIN)
            serve(listeners[0].fd, NULL);
        if (listeners[1].revents & POLLIN)
            serve(listeners[1].fd, credentials);
    }
}
