/*
 * mail.h - what both servers serve: messages that are the same in every run, and the identity that they serve under.
 */
#ifndef BENCH_MAIL_H
#define BENCH_MAIL_H

#include <poplin/tls.h>

#include "job.h"

enum {
    LINE_SHORTEST = 60, /* of text, wrapped as people's programs do */
    LINE_LONGEST = 72,
    LINE_ENCODED = 76, /* of base64 */
    DOTTED_LINE_EVERY = 23,
    TEXT_MOST = 8192 /* what goes beyond it is an attachment */
};

/* A number below bound, the same sequence for the same seed. */
static inline size_t next_below(uint64_t *seed, size_t bound) {
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (*seed >> 33) % bound;
}

/* Fills a line of text; some begin with a dot. */
static inline void write_text_line(char *line, size_t columns, uint64_t *seed) {
    static const char LETTERS[] = "etaoinshrdlucmfwypvbgkjqxz ,. etaoin shrdlu ETAOINSHRDLU 0123456789-";
    bool dotted = next_below(seed, DOTTED_LINE_EVERY) == 0;
    for (size_t i = 0; i < columns; i++)
        line[i] = i == 0 && dotted ? '.' : LETTERS[next_below(seed, sizeof LETTERS - 1)];
}

static inline void write_encoded_line(char *line, size_t columns, uint64_t *seed) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < columns; i++)
        line[i] = DIGITS[next_below(seed, sizeof DIGITS - 1)];
}

/* Fills text with one message of exactly size octets: a header, lines of text, and an attachment if it is large. */
static inline void write_message(char *text, size_t size, unsigned number) {
    int header = snprintf(text, size,
                          "Received: from mx.example.net by mail.example.org; Mon, 02 Jan 2023 03:04:05 +0000\r\n"
                          "From: Sender %u <sender%u@example.net>\r\nTo: bench@example.org\r\n"
                          "Subject: message number %u\r\nDate: Mon, 02 Jan 2023 03:04:05 +0000\r\n"
                          "Message-ID: <%u@example.net>\r\nMIME-Version: 1.0\r\n"
                          "Content-Type: text/plain; charset=us-ascii\r\n\r\n",
                          number, number, number, number);
    if (header < 0 || (size_t)header + 2 > size)
        bench_die("messages must be larger");
    uint64_t seed = number;
    size_t at = (size_t)header;
    while (size - at > 2) {
        bool encoded = at > TEXT_MOST;
        size_t columns = encoded ? LINE_ENCODED : LINE_SHORTEST + next_below(&seed, LINE_LONGEST - LINE_SHORTEST + 1);
        if (columns > size - at - 2)
            columns = size - at - 2;
        if (size - at - columns == 3) /* one octet would be left, too little for a line's end */
            columns--;
        (encoded ? write_encoded_line : write_text_line)(text + at, columns, &seed);
        memcpy(text + at + columns, "\r\n", 2);
        at += columns + 2;
    }
    if (size - at == 2)
        memcpy(text + at, "\r\n", 2);
}

/* A throw-away certificate; the CA that vouches for it is written to ca_file. */
static inline poplin_tls_throwaway new_identity(const char *ca_file) {
    static const char *const NAMES[] = {"127.0.0.1", "localhost"};
    poplin_tls_throwaway made;
    if (poplin_tls_throwaway_new(NAMES, 2, &made) != POPLIN_OK)
        bench_die("no certificate");
    FILE *file = fopen(ca_file, "w");
    if (file == NULL || fputs(made.ca_pem, file) < 0 || fclose(file) != 0)
        bench_die("cannot write the CA file");
    return made;
}

#endif
