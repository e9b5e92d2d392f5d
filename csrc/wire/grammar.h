/*
 * wire/grammar.h - commands, replies and listings: parsed from one line without its CRLF, and written as one.
 */
#ifndef POPLIN_WIRE_GRAMMAR_H
#define POPLIN_WIRE_GRAMMAR_H

#include "wire/buffer.h"

/* How a verb stands in POPLIN_VERB_TABLE. */
typedef struct poplin_verb_row {
    const char *name;
    unsigned phases; /* enum poplin_phase, or-ed */
    enum poplin_arguments arguments;
} poplin_verb_row;

const poplin_verb_row *poplin_verb_lookup(enum poplin_verb verb);

/* A slice of a string constant, or of any string. */
poplin_slice poplin_slice_of(const char *string);

bool poplin_slice_equal(poplin_slice a, poplin_slice b);

/* Compares ASCII letters without regard to case. */
bool poplin_slice_equal_nocase(poplin_slice a, const char *b);

/*
 * A decimal number of ASCII digits only, no sign, no leading zero but "0" itself, at most max (POP-GEN-19). Takes it
 * from the front of *text. OK or ERR_PROTOCOL.
 */
int poplin_number_take(poplin_slice *text, uint64_t max, uint64_t *number);

/* A command line as the server reads it. */
typedef struct poplin_parsed_command {
    enum poplin_verb verb; /* POPLIN_NO_VERB: unknown keyword */
    uint32_t number;       /* 0: none given */
    uint32_t lines;
    poplin_slice
        argument; /* USER's name, which need not be ASCII; PASS's rest, AUTH's mechanism; LANG's range, or none */
    poplin_slice initial; /* AUTH's initial response; data is NULL where absent, which is not "=" */
} poplin_parsed_command;

/*
 * Parses a command line. OK; ERR_UNSUPPORTED: unknown keyword; ERR_PROTOCOL: wrong arguments (POP-GEN-15), or a number
 * that no message can have. 0 as a message number is ERR_PROTOCOL too.
 */
int poplin_command_parse(poplin_slice line, poplin_parsed_command *command);

/*
 * Appends the command with its CRLF: "RETR 3", "TOP 3 0", "USER name". The caller has checked what it gives. OK or
 * ERR_NOMEM.
 */
int poplin_command_write(poplin_buffer *output, const poplin_parsed_command *command);

/* A status line as the client reads it. */
typedef struct poplin_status_line {
    bool ok;
    bool challenge;        /* "+ ..." (RFC 5034), only where the caller allows it */
    enum poplin_code code; /* of a well-known response code at the start of the text (RFC 2449 section 8) */
    poplin_slice text;     /* behind the indicator and its SP, code included; data is NULL for a "+" without SP */
    poplin_slice rest;     /* behind the code and its SP; equals text where there is none */
} poplin_status_line;

/* Parses "+OK ...", "-ERR ...", or "+ ..." (POP-GEN-8, -9). OK or ERR_PROTOCOL. */
int poplin_status_parse(poplin_slice line, poplin_status_line *status);

/* The failure that an -ERR with this code is; REFUSED where there is none. */
int poplin_code_status(enum poplin_code code);

/* The STAT reply's text: "count octets ..." (POP-STAT-2). OK or ERR_PROTOCOL. */
int poplin_stat_parse(poplin_slice text, uint32_t *count, uint64_t *octets);

/* A LIST line: "number octets ..." (POP-LIST-2). OK or ERR_PROTOCOL. */
int poplin_listing_parse(poplin_slice line, uint32_t *number, uint64_t *octets);

/*
 * A UIDL line: "number unique-id" (POP-UIDL-4). strict: 1 to 70 octets of 0x21-0x7E; else up to 512 of 0x21-0xFF, 0x7F
 * excluded. OK or ERR_PROTOCOL.
 */
int poplin_unique_id_parse(poplin_slice line, bool strict, uint32_t *number, poplin_slice *unique_id);

/* True for 1 to 70 octets of 0x21-0x7E (POP-UIDL-1). */
bool poplin_unique_id_valid(poplin_slice unique_id);

/*
 * The peer's words for a person: control characters and octets outside ASCII as \xNN, cut to size, ended by NUL.
 */
void poplin_visible(poplin_slice text, char *buffer, size_t size);

/* As much of a string's end as poplin_visible shows in this many octets: of a path, to leave room for what is said of it. */
const char *poplin_visible_end(const char *string, size_t room);

#endif
