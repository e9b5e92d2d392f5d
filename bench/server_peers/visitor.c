/*
 * visitor.c - the client of all test servers that are measured: it holds short conversations, one after the other or
 * several at once; or it leaves sessions open, and tells how many of them the server has not ended.
 *
 * It obeys lines on its standard input, and answers each with a line of JSON: {"error": ...} where something went wrong.
 *
 *     run pop3|smtp PORT SESSIONS AT_ONCE    whole sessions, each closed by the server     {"seconds": of all together}
 *     open pop3|smtp PORT SESSIONS           all of them up to, and without, the QUIT      {"seconds": ...}
 *     left                                   what was opened is looked at, and closed      {"left": not yet ended}
 *
 * A line is sent when the reply to the one before has arrived; and a session is begun when no other one still waits for its
 * greeting, so that no more than one connection is to be accepted at a time (CPython's server loses some of seven).
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    AT_ONCE_MAX = 64,
    SILENCE_MAX = 10000, /* milliseconds without an answer, after which a server is given up */
    ENDING_MAX = 100     /* milliseconds that a stopped server has to end a session */
};

/* What is said: the first line after the greeting, each other one after the reply to the one before. */
struct conversation {
    const char *name;
    size_t count;
    const char *lines[4];
};

/* User and password are the only ones that CPython's server knows. */
static const struct conversation conversations[] = {
    {"pop3", 4, {"USER guido\r\n", "PASS python\r\n", "STAT\r\n", "QUIT\r\n"}},
    {"smtp", 3, {"EHLO localhost\r\n", "NOOP\r\n", "QUIT\r\n"}},
};

struct session {
    size_t replies; /* that have arrived, the greeting too */
    size_t held;    /* octets of a line that has not arrived whole */
    char line[512];
};

/* Those that are open, each beside its descriptor. */
static struct pollfd polled[AT_ONCE_MAX];
static struct session sessions[AT_ONCE_MAX];
static size_t open_count;

/* ---- a session ---- */

static const char *begin_session(unsigned short port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1)
        return "no socket";
    polled[open_count] = (struct pollfd){.fd = fd, .events = POLLIN};
    sessions[open_count].replies = sessions[open_count].held = 0;
    open_count++;
    bool connects = connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS;
    return connects ? NULL : "no connection";
}

static void end_session(size_t at) {
    close(polled[at].fd);
    open_count--;
    polled[at] = polled[open_count];
    sessions[at] = sessions[open_count];
}

static void end_all(void) {
    while (open_count > 0)
        end_session(open_count - 1);
}

static const char *take_line(const struct conversation *conversation, size_t at) {
    struct session *session = &sessions[at];
    const char *line = session->line;
    if (line[0] != '+' && line[0] != '2')
        return "refused";
    if (line[0] == '2' && line[3] == '-')
        return NULL; /* the reply goes on */
    if (session->replies++ >= conversation->count)
        return NULL; /* that was the last one */
    const char *next = conversation->lines[session->replies - 1];
    return send(polled[at].fd, next, strlen(next), MSG_NOSIGNAL) == (ssize_t)strlen(next) ? NULL : "cannot send";
}

/* Takes what has arrived. *ended: the server has closed. */
static const char *receive(const struct conversation *conversation, size_t at, bool *ended) {
    struct session *session = &sessions[at];
    char *end;
    ssize_t got = recv(polled[at].fd, session->line + session->held, sizeof session->line - 1 - session->held, 0);
    *ended = got == 0;
    if (got < 0)
        return "cannot receive";
    if (got == 0)
        return session->replies > conversation->count ? NULL : "closed too early";
    session->held += (size_t)got;
    session->line[session->held] = '\0';
    while ((end = strchr(session->line, '\n')) != NULL) {
        const char *problem = end - session->line >= 4 ? take_line(conversation, at) : "too short a line";
        if (problem != NULL)
            return problem;
        session->held -= (size_t)(end + 1 - session->line);
        memmove(session->line, end + 1, session->held + 1);
    }
    return session->held < sizeof session->line - 1 ? NULL : "too long a line";
}

/* A turn for each that has something to read. */
static const char *receive_ready(const struct conversation *conversation, unsigned *ended_count) {
    if (poll(polled, open_count, SILENCE_MAX) <= 0)
        return "no answer";
    for (size_t at = open_count; at-- > 0;) {
        bool ended = false;
        const char *problem = polled[at].revents != 0 ? receive(conversation, at, &ended) : NULL;
        if (problem != NULL)
            return problem;
        if (ended) {
            end_session(at);
            ++*ended_count;
        }
    }
    return NULL;
}

/* All that are open have had so many replies. */
static bool have_had(size_t replies) {
    for (size_t at = 0; at < open_count; at++) {
        if (sessions[at].replies < replies)
            return false;
    }
    return true;
}

/* ---- what it is told to do ---- */

static const char *run(const struct conversation *conversation, unsigned short port, unsigned wanted,
                       unsigned at_once) {
    unsigned begun = 0, ended = 0;
    const char *problem = NULL;
    while (problem == NULL && ended < wanted) {
        if (begun < wanted && open_count < at_once && have_had(1)) {
            problem = begin_session(port);
            begun++;
        }
        if (problem == NULL)
            problem = receive_ready(conversation, &ended);
    }
    return problem;
}

static const char *open_sessions(const struct conversation *whole, unsigned short port, unsigned wanted) {
    struct conversation unfinished = *whole;
    unfinished.count--;
    unsigned ended = 0;
    const char *problem = NULL;
    while (problem == NULL && ended == 0 && !(open_count == wanted && have_had(unfinished.count + 1))) {
        if (open_count < wanted && have_had(1))
            problem = begin_session(port);
        if (problem == NULL)
            problem = receive_ready(&unfinished, &ended);
    }
    return problem != NULL || ended == 0 ? problem : "closed too early";
}

/* A server may say something at the end; reset counts as ended. */
static unsigned count_left(void) {
    unsigned left = 0;
    for (size_t at = 0; at < open_count; at++) {
        ssize_t got;
        do {
            bool readable = poll(&polled[at], 1, ENDING_MAX) > 0;
            got = readable ? recv(polled[at].fd, sessions[at].line, sizeof sessions[at].line, 0) : 0;
            left += !readable;
        } while (got > 0);
    }
    end_all();
    return left;
}

static const struct conversation *named(const char *name) {
    return &conversations[strcmp(name, conversations[0].name) != 0];
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static const char *obey(const char *order) {
    char name[8];
    unsigned short port;
    unsigned wanted, at_once;
    if (sscanf(order, "run %7s %hu %u %u", name, &port, &wanted, &at_once) == 4 && at_once <= AT_ONCE_MAX)
        return run(named(name), port, wanted, at_once);
    if (sscanf(order, "open %7s %hu %u", name, &port, &wanted) == 3 && wanted <= AT_ONCE_MAX)
        return open_sessions(named(name), port, wanted);
    return "no such order";
}

int main(void) {
    char order[100];
    while (fgets(order, sizeof order, stdin) != NULL) {
        if (strcmp(order, "left\n") == 0) {
            printf("{\"left\": %u}\n", count_left());
        } else {
            double begin = now();
            const char *problem = obey(order);
            if (problem != NULL) {
                end_all();
                printf("{\"error\": \"%s\"}\n", problem);
            } else {
                printf("{\"seconds\": %.9f}\n", now() - begin);
            }
        }
        fflush(stdout);
    }
}
