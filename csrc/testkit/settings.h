/*
 * testkit/settings.h - the settings of a fault: one table, from which names, values, documentation, and what may
 * stand with what are made.
 *
 * Effects stand in the order in which they are applied.
 */
#ifndef POPLIN_TESTKIT_SETTINGS_H
#define POPLIN_TESTKIT_SETTINGS_H

#include <poplin/testkit.h>

#include "wire/buffer.h"

/* What a setting is for. */
enum poplin_setting_part {
    POPLIN_PART_CONDITION, /* when the fault takes effect */
    POPLIN_PART_COMPANION, /* says more about another setting, or about the fault */
    POPLIN_PART_INSTEAD,   /* happens in place of the command */
    POPLIN_PART_REWRITE,   /* changes the reply */
    POPLIN_PART_LEAVING    /* when and how far the reply leaves */
};

/* Padding and garbage are bounded by 16 MiB, times by a million seconds, everything else by what a number holds. */
#define POPLIN_SETTING_OCTETS_MAX 16777216
#define POPLIN_SETTING_MILLISECONDS_MAX 1000000000
#define POPLIN_SETTING_BILLION 1000000000

#define POPLIN_MULTI_LINE "CAPA LIST UIDL RETR TOP"
#define POPLIN_NUMBERED "LIST UIDL RETR TOP DELE"

/*
 * name, kind, part, meaning; then what bounds it: low and high (of a number, in units of its value), words (of which
 * it is one), commands (to which alone it applies), never (commands to which it does not). What rewrites a reply is
 * held against the command that run puts in the place of the client's, unless it is about what the client asked for.
 */
#define POPLIN_FAULT_TABLE(X) \
    X(SESSION, "session", NUMBER, CONDITION, "only in the session of this number, counted from 1", .low = 1) \
    X(USER, "user", TEXT, CONDITION, "only where this user has logged in or, before that, was named by USER", \
      .never = "GREETING") \
    X(MESSAGE, "message", NUMBER, CONDITION, "only where the command names the message of this number", .low = 1, \
      .commands = POPLIN_NUMBERED) \
    X(UNIQUE_ID, "unique_id", TEXT, CONDITION, "only where the command names the message with this unique-id", \
      .commands = POPLIN_NUMBERED) \
    X(TLS, "tls", WORD, CONDITION, "yes: only under TLS; no: only without", .words = "yes no") \
    X(PIPELINED, "pipelined", FLAG, CONDITION, "only where the client sent more before this command was answered", \
      .never = "GREETING AUTOLOGOUT") \
    X(INITIAL, "initial", FLAG, CONDITION, "only for AUTH with an initial response", .commands = "AUTH") \
    X(NTH, "nth", NUMBER, CONDITION, \
      "not before command and conditions have fitted so many times, counted over all sessions", .low = 1) \
    X(TIMES, "times", NUMBER, CONDITION, "at most so many times; 1 with nth, else without limit", .low = 1) \
    X(PROBABILITY, "probability", SHARE, CONDITION, "only with this probability each time, drawn from seed", \
      .high = POPLIN_SETTING_BILLION) \
    X(SEED, "seed", NUMBER, COMPANION, "where probability, jitter and garbage are drawn from; its own for each name") \
    X(NAME, "name", TEXT, COMPANION, "what the fault is known by, in place of its text") \
    X(REFUSE, "refuse", TEXT, INSTEAD, \
      "the command is not carried out but answered -ERR with this text, which may begin with a response code") \
    X(REPLY, "reply", TEXT, INSTEAD, "the command is not carried out but answered with this line") \
    X(RAW, "raw", OCTETS, INSTEAD, "the command is not carried out but answered with these octets as they are") \
    X(RUN, "run", WORD, INSTEAD, "another command is carried out in its place, with the same message number", \
      .words = "STLS CAPA QUIT STAT LIST UIDL RETR TOP DELE NOOP RSET", .never = "GREETING AUTOLOGOUT") \
    X(DROP_BEFORE, "drop_before", FLAG, INSTEAD, \
      "the connection is cut (FIN, no close_notify) before the command is carried out") \
    X(RESET_BEFORE, "reset_before", FLAG, INSTEAD, "the connection is reset before the command is carried out") \
    X(CLOSE_BEFORE, "close_before", FLAG, INSTEAD, \
      "the connection is closed in good order before the command is carried out") \
    X(STALL_BEFORE, "stall_before", FLAG, INSTEAD, "silence from here on, and the command is not carried out") \
    X(SHOW_DELETED, "show_deleted", FLAG, REWRITE, \
      "LIST shows messages marked as deleted with 0 octets, and STAT counts them", .commands = "STAT LIST") \
    X(GUESS_SIZES, "guess_sizes", FLAG, REWRITE, "sizes are rounded up to whole KiB", .commands = "STAT LIST") \
    X(MISCOUNT, "miscount", SIGNED, REWRITE, "announced octets are wrong by so many", .commands = "STAT LIST RETR", \
      .low = -INT64_MAX) \
    X(NO_NUMBERS, "no_numbers", FLAG, REWRITE, "listing lines lack the message number", .commands = "LIST UIDL") \
    X(UNIQUE_IDS, "unique_ids", WORD, REWRITE, "long: unique-ids of 100 octets; same: one for all messages", \
      .words = "long same", .commands = "UIDL") \
    X(STATUS, "status", TEXT, REWRITE, "the status line is this line") \
    X(COUNT_HEADER_LINES, "count_header_lines", FLAG, REWRITE, \
      "TOP n k ends after k lines, those of the header counted; all is sent where k is 0", .commands = "TOP", \
      .asked = true) \
    X(STRIP, "strip", TEXT, REWRITE, "content lines whose first word is this one are left out", \
      .commands = POPLIN_MULTI_LINE) \
    X(ADD, "add", TEXT, REWRITE, "this line is the last of the content", .commands = POPLIN_MULTI_LINE) \
    X(DUPLICATE_LINE, "duplicate_line", NUMBER, REWRITE, "the content line of this number, from 1, comes twice", \
      .low = 1, .commands = POPLIN_MULTI_LINE) \
    X(OMIT_LINE, "omit_line", NUMBER, REWRITE, "the content line of this number is left out", .low = 1, \
      .commands = POPLIN_MULTI_LINE) \
    X(REPLACE_LINE, "replace_line", NUMBER, REWRITE, "the content line of this number becomes text", .low = 1, \
      .commands = POPLIN_MULTI_LINE) \
    X(TEXT, "text", TEXT, COMPANION, "what replace_line puts there, as it is") \
    X(LONG_LINE, "long_line", NUMBER, REWRITE, \
      "the status line, or the first content line where there is one, is padded to so many octets, CRLF included", \
      .low = 1, .high = POPLIN_SETTING_OCTETS_MAX) \
    X(UNSTUFF, "unstuff", WORD, REWRITE, \
      "dots at the start of a line go out unstuffed: first, only the one that begins the content; all", \
      .words = "first all", .commands = POPLIN_MULTI_LINE) \
    X(STUFF_EVERY, "stuff_every", NUMBER, REWRITE, \
      "content is stuffed in chunks of so many octets, so that a dot at the start of a chunk goes out unstuffed", \
      .low = 1, .commands = POPLIN_MULTI_LINE) \
    X(ABORT_AT, "abort_at", NUMBER, REWRITE, \
      "the content ends behind the line that holds this octet of it, from 0; a terminator and -ERR follow", \
      .commands = POPLIN_MULTI_LINE) \
    X(NO_TERMINATOR, "no_terminator", FLAG, REWRITE, "the line with the dot is missing", \
      .commands = POPLIN_MULTI_LINE) \
    X(DOUBLE_CR, "double_cr", FLAG, REWRITE, "content lines, or else the status line, end in CR CR LF") \
    X(BARE_LF, "bare_lf", FLAG, REWRITE, "every line ends in LF alone, status line and terminator too") \
    X(INSERT, "insert", OCTETS, REWRITE, "these octets are put in at at") \
    X(GARBAGE, "garbage", NUMBER, REWRITE, "so many random octets are put in at at", .low = 1, \
      .high = POPLIN_SETTING_OCTETS_MAX) \
    X(AT, "at", NUMBER, COMPANION, "the octet of the reply, from 0, before which insert and garbage go; its end") \
    X(APPEND, "append", OCTETS, REWRITE, "these octets follow the reply") \
    X(CUT, "cut", NUMBER, REWRITE, "the reply is cut short after so many octets, and the session goes on") \
    X(DELAY, "delay", SECONDS, LEAVING, "seconds before the reply leaves, to the millisecond", \
      .high = POPLIN_SETTING_MILLISECONDS_MAX) \
    X(JITTER, "jitter", SECONDS, LEAVING, "up to so many seconds more, drawn from seed", \
      .high = POPLIN_SETTING_MILLISECONDS_MAX) \
    X(TRICKLE, "trickle", NUMBER, LEAVING, "the reply leaves so many octets at a time", .low = 1) \
    X(EVERY, "every", SECONDS, COMPANION, "seconds between two pieces of trickle; 0.01", \
      .high = POPLIN_SETTING_MILLISECONDS_MAX) \
    X(DROP_AFTER, "drop_after", NUMBER, LEAVING, "the connection is cut after so many octets, or behind the reply") \
    X(RESET_AFTER, "reset_after", NUMBER, LEAVING, \
      "the connection is reset after so many octets, or behind the reply") \
    X(CLOSE_AFTER, "close_after", NUMBER, LEAVING, "the connection is closed in good order after so many octets") \
    X(STALL_AFTER, "stall_after", NUMBER, LEAVING, "silence after so many octets, or behind the reply")

enum poplin_fault_setting {
#define POPLIN_FAULT_ENUM(id, ...) POPLIN_FAULT_##id,
    POPLIN_FAULT_TABLE(POPLIN_FAULT_ENUM)
#undef POPLIN_FAULT_ENUM
        POPLIN_FAULT_SETTINGS
};

/* A row of the table. */
typedef struct poplin_setting_rule {
    const char *name;
    enum poplin_setting_kind kind;
    enum poplin_setting_part part;
    int64_t low;
    int64_t high;         /* 0: any number */
    const char *words;    /* separated by SP, as the next two */
    const char *commands; /* NULL: all */
    const char *never;    /* NULL: none */
    bool asked;           /* what counts is the client's command, whatever is carried out */
} poplin_setting_rule;

const poplin_setting_rule *poplin_setting_rule_of(enum poplin_fault_setting setting);

/* The setting of this name; POPLIN_FAULT_SETTINGS where there is none. */
enum poplin_fault_setting poplin_setting_lookup(const char *name);

/* The name that this one was most likely meant to be; NULL: none is near. */
const char *poplin_setting_nearest(const char *name);

/* A value that was read. All zero: not given. */
typedef struct poplin_value {
    bool given;
    int64_t number;      /* also milliseconds, billionths, or the index of a word */
    poplin_slice octets; /* TEXT and OCTETS; the value's own */
} poplin_value;

/*
 * Reads a value, copying what it must keep. STATE: it is none; why, of size octets, gets what is wanted ("a whole
 * number from 1"). NOMEM.
 */
int poplin_value_read(enum poplin_fault_setting setting, poplin_slice text, poplin_value *value, char *why,
                      size_t size);

/* Appends the value as text that reads as the same; unquoted. OK or ERR_NOMEM. */
int poplin_value_write(enum poplin_fault_setting setting, const poplin_value *value, poplin_buffer *output);

void poplin_value_free(poplin_value *value);

/* The word of this index in words separated by SP; {NULL, 0} behind the last. */
poplin_slice poplin_word_at(const char *words, size_t index);

/* The index of a word, without regard to case; -1: it is not there. */
int poplin_word_index(const char *words, poplin_slice word);

#endif
