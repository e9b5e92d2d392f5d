/*
 * session_host.h - a host for the session machine in tests: it holds a few messages, answers each question at once or
 * late, in pieces of any size, and notes what was asked and what came out.
 */
#ifndef SESSION_HOST_H
#define SESSION_HOST_H

#include "support.h"

#include <poplin/session.h>
#include <stdio.h>

#include "wire/buffer.h"

enum { LARGEST_REPLY = 2048 }; /* a challenge of SCRAM with the longest nonce */

struct host_message {
    const char *unique_id;
    const char *text; /* NULL: the host refuses to read it */
    uint64_t octets;  /* as listed */
};

struct host {
    poplin_session *session;
    poplin_session_config config;
    const struct host_message *messages;
    size_t count;
    size_t piece;                  /* octets of a message lent at a time; 0: all at once */
    bool late;                     /* answers only when next has answered WAITING */
    size_t drain;                  /* octets of output taken at a time; 0: all there is */
    const char *broken;            /* the unique-id of a message that fails after its first piece */
    const char *password;          /* what SECRET is answered with */
    const poplin_scram_keys *keys; /* the same, where they are not NULL */
    const char *as;                /* whom CHECK and TOKEN are accepted as; NULL: as whom they name */
    enum poplin_code code;         /* refused with this, where it is not NONE */
    bool holds_delays;             /* leaves each DELAY open */
    int check_status;              /* POPLIN_OK, or what CHECK, SECRET and TOKEN are refused with */
    int maildrop_status;           /* the same for MAILDROP */
    poplin_user_terms terms;       /* told before the maildrop is given, */
    int terms_status;              /* which is answered with this */
    int commit_status;             /* the same for COMMIT */
    int unreadable;                /* what a message that cannot be read is refused with; 0: TEMPORARY */
    const char *words;             /* told with a refusal */
    bool no_answer;                /* leaves every question open */
    void (*heed)(struct host *host, const poplin_session_line *line); /* watched: hears each line; or NULL */

    poplin_session_event asked; /* the last question */
    bool open;                  /* it waits for its late answer */
    size_t given;               /* octets of the message at hand that were lent */
    char *lent;                 /* a copy that is freed when the machine gives it up */
    char *input;                /* the same for what the client sent */
    poplin_session_event closed;
    poplin_buffer output; /* all that was sent */
    poplin_buffer events; /* all that happened but for COMMAND and REPLIED, a line each */
    poplin_buffer reply;  /* watched: what was sent of the reply at hand */
    poplin_buffer talk;   /* watched: each line and each reply that was told of */
};

static const struct host_message two_messages[] = {
    {"one", "Subject: 1\r\n\r\nbody\r\n", 20},
    {"two", "Subject: 2\n\n.dot\n..\n.\nend", POPLIN_OCTETS_UNKNOWN},
};

/* A protected link, anybody may log in (whose password is "secret", where that is asked), and two messages. */
static inline void host_init(struct host *host) {
    *host = (struct host){.messages = two_messages, .count = COUNT_OF(two_messages), .password = "secret"};
    poplin_session_config_init(&host->config);
    host->config.link_protected = true;
}

/* Makes the session; what host_init filled in may be changed between the two. */
static inline void host_start(struct host *host) {
    assert_int_equal(poplin_session_new(&host->config, &host->session), POPLIN_OK);
}

static inline void give_up(struct host *host) {
    free(host->lent);
    host->lent = NULL;
}

static inline void host_free(struct host *host) {
    poplin_session_free(host->session);
    give_up(host);
    free(host->input);
    poplin_buffer_free(&host->output);
    poplin_buffer_free(&host->events);
    poplin_buffer_free(&host->reply);
    poplin_buffer_free(&host->talk);
}

static inline void append(poplin_buffer *buffer, const char *data, size_t size) {
    assert_int_equal(poplin_buffer_append(buffer, data, size), POPLIN_OK);
}

static inline void note_event(struct host *host, const poplin_session_event *event) {
    static const char *const names[] = {"CHECK",  "SECRET",    "TOKEN",    "DELAY",   "MAILDROP", "BODY",  "BODY_DONE",
                                        "COMMIT", "START_TLS", "MISMATCH", "COMMAND", "REPLIED",  "CLOSED"};
    const poplin_slice shown = event->kind == POPLIN_SESSION_CHECK ? event->password : event->token;
    char line[16384];
    int size = snprintf(line, sizeof line, "%s", names[event->kind]);

    if (event->user.size > 0)
        size += snprintf(line + size, sizeof line - (size_t)size, " %.*s", (int)event->user.size, event->user.data);
    if (shown.size > 0)
        size += snprintf(line + size, sizeof line - (size_t)size, " %.*s", (int)shown.size, shown.data);
    if (event->kind == POPLIN_SESSION_DELAY)
        size += snprintf(line + size, sizeof line - (size_t)size, " %u", event->failures);
    if (event->mechanism != NULL && event->kind != POPLIN_SESSION_MAILDROP)
        size += snprintf(line + size, sizeof line - (size_t)size, " %s", event->mechanism);
    if (event->unique_id.size > 0)
        size += snprintf(line + size, sizeof line - (size_t)size, " %.*s", (int)event->unique_id.size,
                         event->unique_id.data);
    for (size_t i = 0; i < event->count; i++)
        size += snprintf(line + size, sizeof line - (size_t)size, " %zu", event->indexes[i]);
    if (event->kind == POPLIN_SESSION_MISMATCH)
        size += snprintf(line + size, sizeof line - (size_t)size, " %d %d", (int)event->announced, (int)event->octets);
    if (event->kind == POPLIN_SESSION_CLOSED)
        size += snprintf(line + size, sizeof line - (size_t)size, " %d %s", (int)event->outcome,
                         event->error != NULL ? poplin_status_name(event->error->status) : "-");
    append(&host->events, line, (size_t)size);
    append(&host->events, "\n", 1);
}

static inline void open_maildrop(struct host *host, uint64_t question) {
    poplin_listing listings[16];

    assert_true(host->count <= COUNT_OF(listings));
    assert_int_equal(poplin_session_terms(host->session, question, &host->terms), host->terms_status);
    for (size_t i = 0; i < host->count; i++) {
        const struct host_message *message = &host->messages[i];

        listings[i] = (poplin_listing){
            .unique_id = {message->unique_id, strlen(message->unique_id)},
            .octets = message->octets,
            .utf8 = message->text != NULL && strchr(message->text, '\xC3') != NULL,
        };
    }
    assert_int_equal(poplin_session_open(host->session, question, listings, host->count, NULL), POPLIN_OK);
}

/* Lends the next piece from memory of its own, so that a sanitizer sees who reads too long or too late. */
static inline void lend_piece(struct host *host, uint64_t question, size_t index) {
    const struct host_message *message = &host->messages[index];
    bool broken = host->broken != NULL && strcmp(host->broken, message->unique_id) == 0 && host->given > 0;

    give_up(host);
    if (message->text == NULL || broken) {
        int status = host->unreadable != 0 ? host->unreadable : POPLIN_ERR_TEMPORARY;

        assert_int_equal(poplin_session_refuse(host->session, question, status, host->words), POPLIN_OK);
        return;
    }
    size_t left = strlen(message->text) - host->given,
           size = host->piece > 0 && host->piece < left ? host->piece : left;

    if (size > 0) {
        host->lent = malloc(size);
        assert_non_null(host->lent);
        memcpy(host->lent, message->text + host->given, size);
    }
    host->given += size;
    bool last = size == left && (host->broken == NULL || strcmp(host->broken, message->unique_id) != 0);

    assert_int_equal(poplin_session_body(host->session, question, host->lent, size, last), POPLIN_OK);
}

static inline int answer_with(struct host *host, uint64_t question, int status) {
    if (status == POPLIN_OK)
        return poplin_session_accept(host->session, question);
    return host->code != POPLIN_CODE_NONE ? poplin_session_refuse_with(host->session, question, host->code, host->words)
                                          : poplin_session_refuse(host->session, question, status, host->words);
}

/* Answers whoever asks about a login. */
static inline int answer_login(struct host *host, const poplin_session_event *asked) {
    if (host->check_status != POPLIN_OK)
        return answer_with(host, asked->question, host->check_status);
    if (asked->kind == POPLIN_SESSION_SECRET)
        return host->keys != NULL ? poplin_session_keys(host->session, asked->question, host->keys)
                                  : poplin_session_secret(host->session, asked->question,
                                                          (poplin_slice){host->password, strlen(host->password)});
    if (host->as != NULL)
        return poplin_session_accept_as(host->session, asked->question, (poplin_slice){host->as, strlen(host->as)});
    return poplin_session_accept(host->session, asked->question);
}

static inline void answer(struct host *host) {
    const poplin_session_event *asked = &host->asked;

    host->open = false;
    if (asked->kind == POPLIN_SESSION_CHECK || asked->kind == POPLIN_SESSION_SECRET ||
        asked->kind == POPLIN_SESSION_TOKEN)
        assert_int_equal(answer_login(host, asked), POPLIN_OK);
    else if (asked->kind == POPLIN_SESSION_DELAY)
        assert_int_equal(poplin_session_accept(host->session, asked->question), POPLIN_OK);
    else if (asked->kind == POPLIN_SESSION_COMMIT)
        assert_int_equal(answer_with(host, asked->question, host->commit_status), POPLIN_OK);
    else if (asked->kind == POPLIN_SESSION_BODY)
        lend_piece(host, asked->question, asked->index);
    else if (host->maildrop_status != POPLIN_OK)
        assert_int_equal(answer_with(host, asked->question, host->maildrop_status), POPLIN_OK);
    else
        open_maildrop(host, asked->question);
}

/* Takes what may be sent; false: there was nothing. */
static inline bool take_output(struct host *host) {
    const char *data;
    size_t size;

    poplin_session_output(host->session, &data, &size);
    if (size == 0)
        return false;
    assert_in_range(size, 1, host->config.max_output + LARGEST_REPLY); /* what is kept is bounded, whatever is asked */
    if (host->drain > 0 && host->drain < size)
        size = host->drain;
    append(&host->output, data, size);
    if (host->config.watched)
        append(&host->reply, data, size);
    poplin_session_sent(host->session, size);
    return true;
}

/* "RETR 3: retr 3", with a word for each thing that is so; pipelined is left out, since it depends on how octets came. */
static inline void note_line(struct host *host, const poplin_session_line *line) {
    char text[512];
    int size = snprintf(text, sizeof text, "C: %s %u%s%s%s: %s\r\n", poplin_verb_name(line->verb), line->number,
                        line->response ? " response" : "", line->initial ? " initial" : "",
                        line->secret ? " secret" : "", line->shown);

    append(&host->talk, text, (size_t)size);
}

/* A reply is whole, and all of it that was not taken yet is there. */
static inline void note_reply(struct host *host, const char *mark) {
    while (take_output(host))
        continue;
    poplin_slice reply = poplin_buffer_slice(&host->reply);

    append(&host->talk, mark, strlen(mark));
    append(&host->talk, reply.data, reply.size);
    if (reply.size == 0)
        append(&host->talk, "\r\n", 2);
    poplin_buffer_clear(&host->reply);
}

static inline void take_event(struct host *host, const poplin_session_event *event) {
    if (event->kind != POPLIN_SESSION_COMMAND && event->kind != POPLIN_SESSION_REPLIED)
        note_event(host, event);
    switch (event->kind) {
    case POPLIN_SESSION_CHECK:
    case POPLIN_SESSION_SECRET:
    case POPLIN_SESSION_TOKEN:
    case POPLIN_SESSION_DELAY:
    case POPLIN_SESSION_MAILDROP:
    case POPLIN_SESSION_BODY:
    case POPLIN_SESSION_COMMIT:
        assert_true(event->question > host->asked.question);
        host->asked = *event;
        host->open = !host->no_answer && !(host->holds_delays && event->kind == POPLIN_SESSION_DELAY);
        if (host->open && !host->late)
            answer(host);
        break;
    case POPLIN_SESSION_BODY_DONE:
        give_up(host);
        host->given = 0;
        break;
    case POPLIN_SESSION_COMMAND:
        note_line(host, event->command);
        if (host->heed != NULL)
            host->heed(host, event->command);
        break;
    case POPLIN_SESSION_REPLIED:
        note_reply(host, "S: ");
        break;
    case POPLIN_SESSION_CLOSED:
        if (host->config.watched)
            note_reply(host, "E: ");
        host->closed = *event;
        break;
    default:
        break;
    }
}

/* Pulls events and takes output until the machine wants input, waits for an answer that does not come, or is closed. */
static inline int host_pump(struct host *host) {
    for (;;) {
        poplin_session_event event;
        int result = poplin_session_next(host->session, &event);

        if (result == POPLIN_OK)
            take_event(host, &event);
        else if (result == POPLIN_WAITING && take_output(host))
            continue;
        else if (result == POPLIN_WAITING && host->open)
            answer(host);
        else {
            while (take_output(host))
                continue;
            return result;
        }
    }
}

/* Lends a copy of the octets in one piece, and pumps. Does nothing once the session is over. */
static inline void host_feed(struct host *host, const char *data, size_t size) {
    if (poplin_session_phase(host->session) == 0)
        return;
    free(host->input);
    host->input = malloc(size);
    assert_non_null(host->input);
    memcpy(host->input, data, size);
    assert_int_equal(poplin_session_input(host->session, host->input, size), POPLIN_OK);
    if (host_pump(host) == POPLIN_NEED_INPUT) {
        free(host->input);
        host->input = NULL;
    }
}

static inline void host_say(struct host *host, const char *line) {
    host_feed(host, line, strlen(line));
}

/* The client closes. */
static inline void host_eof(struct host *host) {
    assert_int_equal(poplin_session_eof(host->session, true), POPLIN_OK);
    host_pump(host);
}

/* Takes what is in the buffer; the string lives until the next call. */
static inline const char *as_string(poplin_buffer *buffer) {
    static char text[4 << 20];
    poplin_slice slice = poplin_buffer_slice(buffer);

    assert_true(slice.size < sizeof text);
    if (slice.size > 0)
        memcpy(text, slice.data, slice.size);
    text[slice.size] = '\0';
    poplin_buffer_clear(buffer);
    return text;
}

static inline const char *host_heard(struct host *host) {
    return as_string(&host->output);
}

static inline const char *host_events(struct host *host) {
    return as_string(&host->events);
}

static inline const char *host_talk(struct host *host) {
    return as_string(&host->talk);
}

/* Says something and compares the answer. */
static inline void expect(struct host *host, const char *said, const char *heard) {
    host_say(host, said);
    assert_string_equal(host_heard(host), heard);
}

/* Makes a session that is in TRANSACTION, with nothing heard or noted. */
static inline void host_start_logged_in(struct host *host) {
    host_start(host);
    host_say(host, "USER alice\r\nPASS secret\r\n");
    assert_int_equal(poplin_session_phase(host->session), POPLIN_TRANSACTION);
    poplin_buffer_clear(&host->output);
    poplin_buffer_clear(&host->events);
    poplin_buffer_clear(&host->talk);
}

/* The host of the test that runs. */
static struct host h;

static inline int set_up(void **state) {
    (void)state;
    host_init(&h);
    return 0;
}

static inline int tear_down(void **state) {
    (void)state;
    host_free(&h);
    return 0;
}

static inline void start_and_skip_greeting(void) {
    host_start(&h);
    host_pump(&h);
    host_heard(&h);
}

/* Says a line of so many octets, CRLF included. */
static inline void say_line_of(size_t size, const char *start, char fill) {
    char *line = malloc(size);

    assert_non_null(line);
    memset(line, fill, size);
    memcpy(line, start, strlen(start));
    memcpy(line + size - 2, "\r\n", 2);
    host_feed(&h, line, size);
    free(line);
}

#define SESSION_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

#endif
