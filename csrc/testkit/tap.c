/*
 * testkit/tap.c - the kit as the tap of a server. For each connection: a command comes, faults are chosen for it and it is
 * written down; the reply leaves, and what of it was offered and sent is written down too.
 *
 * The log is written before octets leave, so that a client that has an answer does not find the log behind it; only how
 * much of that very answer has gone out is known afterwards. The last reply of a session leaves when all before it is gone
 * and written down: whoever has it finds everything in the log.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "testkit/kit.h"
#include "testkit/outflow.h"
#include "testkit/shape.h"
#include "wire/grammar.h"

enum { KEYWORD_MAX = 32, ERROR_MAX = 840 };

/* One connection. */
typedef struct tapped {
    poplin_testkit *kit;
    poplin_logged_session *log; /* guarded by the kit's lock, but for what nobody else changes */
    poplin_outflow out;
    bool tls;
    bool greeted;
    bool logged_in;
    bool ended;
    bool out_of_memory;
    poplin_buffer user; /* who logged in or, before that, was named */
    uint32_t *marked;   /* numbers, ascending */
    size_t marked_count, marked_capacity;
} tapped;

static int status_of(const tapped *tap) {
    return tap->out_of_memory || tap->log->out_of_memory ? POPLIN_ERR_NOMEM : POPLIN_OK;
}

/* ---- life ---- */

static int opened(void *context, const char *peer, void **state) {
    poplin_testkit *kit = context;
    tapped *tap = calloc(1, sizeof *tap);
    if (tap == NULL)
        return POPLIN_ERR_NOMEM;
    tap->kit = kit;
    poplin_kit_lock(kit);
    tap->log = poplin_log_open(&kit->log, peer);
    poplin_kit_unlock_changed(kit);
    if (tap->log == NULL) {
        free(tap);
        return POPLIN_ERR_NOMEM;
    }
    *state = tap;
    return POPLIN_OK;
}

static void closed(void *state) {
    tapped *tap = state;
    poplin_kit_lock(tap->kit);
    poplin_log_release(&tap->kit->log, tap->log);
    poplin_kit_unlock_changed(tap->kit);
    poplin_outflow_free(&tap->out);
    poplin_buffer_free(&tap->user);
    free(tap->marked);
    free(tap);
}

static void set_user(tapped *tap, poplin_slice user) {
    poplin_buffer_clear(&tap->user);
    if (poplin_buffer_append(&tap->user, user.data, user.size) != POPLIN_OK)
        tap->out_of_memory = true;
}

static void secured(void *state, const char *description) {
    tapped *tap = state;
    tap->tls = true;
    poplin_buffer_clear(&tap->user); /* a name that was given in clear counts no more */
    poplin_kit_lock(tap->kit);
    tap->log->tls = poplin_log_word(tap->log, poplin_slice_of(description));
    poplin_kit_unlock_changed(tap->kit);
}

static void login(void *state, poplin_slice user, const char *mechanism) {
    tapped *tap = state;
    tap->logged_in = true;
    set_user(tap, user);
    poplin_kit_lock(tap->kit);
    tap->log->user = poplin_log_word(tap->log, user);
    tap->log->mechanism = poplin_log_word(tap->log, poplin_slice_of(mechanism));
    poplin_kit_unlock_changed(tap->kit);
}

/* ---- deletion marks ---- */

static bool has_room_for_mark(tapped *tap) {
    if (tap->marked_count < tap->marked_capacity)
        return true;
    size_t capacity = tap->marked_capacity == 0 ? 16 : tap->marked_capacity * 2;
    uint32_t *marked = realloc(tap->marked, capacity * sizeof *marked);
    if (marked == NULL)
        return false;
    tap->marked = marked;
    tap->marked_capacity = capacity;
    return true;
}

static void mark(tapped *tap, const poplin_flight *flight) {
    size_t at = tap->marked_count;
    if (!has_room_for_mark(tap)) {
        tap->out_of_memory = true;
        return;
    }
    for (; at > 0 && tap->marked[at - 1] > flight->number; at--)
        tap->marked[at] = tap->marked[at - 1];
    tap->marked[at] = flight->number;
    tap->marked_count++;
    poplin_log_name(tap->log, &tap->log->marked, poplin_slice_of(flight->unique_id));
}

/* What the session's own answer changed. A message that is marked is never marked again. */
static void note_marks(tapped *tap, const poplin_flight *flight) {
    if (flight->ok && flight->verb == POPLIN_DELE) {
        mark(tap, flight);
    } else if (flight->ok && flight->verb == POPLIN_RSET) {
        tap->marked_count = 0;
        poplin_buffer_clear(&tap->log->marked);
    }
}

static void implied(void *state, poplin_slice unique_id) {
    tapped *tap = state;
    poplin_kit_lock(tap->kit);
    poplin_log_name(tap->log, &tap->log->marked, unique_id);
    poplin_kit_unlock_changed(tap->kit);
}

/* ---- commands: under the lock ---- */

/* The faults that take effect now; NULL: none. False: out of memory. */
static bool choose(tapped *tap, const char *keyword, const poplin_tap_command *command, poplin_play **play) {
    const poplin_occasion occasion = {
        .command = keyword,
        .line = command,
        .session = tap->log->number,
        .user = {tap->user.size > 0 ? tap->user.memory : NULL, tap->user.size},
        .tls = tap->tls,
        .marked = tap->marked,
        .marked_count = tap->marked_count,
    };
    *play = NULL;
    bool chosen = poplin_faults_choose(tap->kit->faults, &occasion, play) == POPLIN_OK;
    tap->out_of_memory |= !chosen;
    return chosen;
}

/* A string of the exchange that is about to begin. */
static poplin_word keep(const tapped *tap, poplin_slice word) {
    return poplin_log_has_room(&tap->kit->log, tap->log) ? poplin_log_word(tap->log, word) : 0;
}

/* Writes down that an exchange has begun, and what is played in it (NULL: nothing). NULL: out of memory. */
static poplin_flight *begin(tapped *tap, poplin_logged_exchange *exchange, poplin_play *play) {
    exchange->tls = tap->tls;
    if (play != NULL)
        exchange->fault = keep(tap, poplin_slice_of(poplin_play_names(play)));
    poplin_flight *flight = poplin_outflow_begin(&tap->out, play);
    if (flight != NULL)
        flight->exchange = poplin_log_exchange(&tap->kit->log, tap->log, exchange);
    else
        tap->out_of_memory = true;
    return flight;
}

static const char *keyword_of(const poplin_tap_command *command, char keyword[KEYWORD_MAX]) {
    size_t size = 0;
    if (command->verb != POPLIN_NO_VERB)
        return poplin_verb_name(command->verb);
    for (; size < command->line.size && size < KEYWORD_MAX - 1; size++) {
        char c = command->line.data[size];
        if (c == ' ' || c == '\t')
            break;
        keyword[size] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    keyword[size] = '\0';
    return keyword;
}

/*
 * Whether the line holds a secret. What the session hides is not always one: of an unknown command it hides the rest because it
 * might be.
 */
static bool holds_secret(const tapped *tap, const poplin_tap_command *command, const char *keyword) {
    bool login = command->verb == POPLIN_PASS || command->verb == POPLIN_AUTH || strcmp(keyword, "APOP") == 0;
    return (login && command->secret) || poplin_secrets_turn_up(&tap->kit->secrets, command->line);
}

/* What the session is going to do: the command, or what a fault has put in its place, which keeps the message number. */
static void note_what_is_done(poplin_flight *flight, const poplin_tap_command *command, enum poplin_verdict verdict,
                              poplin_slice line) {
    poplin_parsed_command parsed = {.verb = command->verb, .number = command->number};
    if (verdict == POPLIN_SUBSTITUTE)
        (void)poplin_command_parse(line, &parsed);
    flight->verb = verdict == POPLIN_SKIP ? POPLIN_NO_VERB : parsed.verb;
    flight->number = parsed.number;
    if (parsed.number == command->number && command->unique_id.size < sizeof flight->unique_id)
        (void)snprintf(flight->unique_id, sizeof flight->unique_id, "%.*s", (int)command->unique_id.size,
                       command->unique_id.size > 0 ? command->unique_id.data : "");
}

static enum poplin_verdict begin_command(tapped *tap, const poplin_tap_command *command, poplin_slice *line) {
    char buffer[KEYWORD_MAX];
    const char *keyword = keyword_of(command, buffer);
    bool secret = holds_secret(tap, command, keyword);
    poplin_logged_exchange exchange = {
        .verb = command->verb,
        .secret = secret,
        .leaked = secret && !tap->tls,
        .command = keep(tap, poplin_slice_of(command->shown)),
        .unique_id = keep(tap, command->unique_id),
    };
    poplin_play *play;
    poplin_flight *flight = choose(tap, keyword, command, &play) ? begin(tap, &exchange, play) : NULL;
    if (flight == NULL)
        return POPLIN_SKIP;
    enum poplin_verdict verdict = play != NULL ? poplin_play_verdict(play, line) : POPLIN_CARRY_OUT;
    note_what_is_done(flight, command, verdict, *line);
    poplin_logged_exchange *logged = poplin_log_at(tap->log, flight->exchange);
    if (logged != NULL)
        logged->mail = flight->verb == POPLIN_RETR || flight->verb == POPLIN_TOP;
    return verdict;
}

static void note_user(tapped *tap, const poplin_tap_command *command) {
    poplin_parsed_command parsed;
    bool named = command->verb == POPLIN_USER && !tap->logged_in;
    if (named && poplin_command_parse(command->line, &parsed) == POPLIN_OK)
        set_user(tap, parsed.argument);
}

static enum poplin_verdict command(void *state, const poplin_tap_command *command, poplin_slice *line) {
    tapped *tap = state;
    note_user(tap, command);
    poplin_kit_lock(tap->kit);
    tap->log->octets_in += command->line.size + 2;
    enum poplin_verdict verdict = begin_command(tap, command, line);
    poplin_kit_unlock_changed(tap->kit);
    return verdict;
}

/* ---- replies ---- */

/* The greeting, or what a session says at its end unasked. NULL: out of memory. */
static poplin_flight *begin_unasked(tapped *tap) {
    poplin_logged_exchange exchange = {.verb = POPLIN_NO_VERB};
    poplin_play *play = NULL;
    bool greeting = !tap->greeted;
    tap->greeted = true;
    if (greeting && !choose(tap, "GREETING", NULL, &play))
        return NULL;
    return begin(tap, &exchange, play);
}

/* The reply that octets belong to. NULL: out of memory, or they belong to none that is still wanted. */
static poplin_flight *reply_under_way(tapped *tap, poplin_slice octets) {
    poplin_flight *flight = poplin_outflow_open(&tap->out);
    bool unasked = !tap->greeted || (octets.size > 0 && tap->out.play == NULL);
    return flight == NULL && unasked ? begin_unasked(tap) : flight;
}

/* All of the reply was sent that will be. */
static void land(tapped *tap, const poplin_flight *flight) {
    poplin_logged_exchange *exchange = poplin_log_at(tap->log, flight->exchange);
    bool whole = !(flight->cut_off && poplin_reply_is_multi_line(flight->verb, flight->number, flight->ok));
    bool complete = flight->faithful && flight->given > 0 && whole;
    if (exchange != NULL) {
        exchange->complete = complete;
        exchange->landed = true;
    }
    if (complete && flight->ok && flight->verb == POPLIN_RETR)
        poplin_log_name(tap->log, &tap->log->retrieved, poplin_slice_of(flight->unique_id));
}

static void land_all(tapped *tap) {
    const poplin_flight *flight;
    while ((flight = poplin_outflow_landed(&tap->out)) != NULL)
        land(tap, flight);
}

static int reply(void *state, poplin_slice octets, bool last) {
    tapped *tap = state;
    if (status_of(tap) != POPLIN_OK)
        return POPLIN_ERR_NOMEM;
    poplin_kit_lock(tap->kit);
    poplin_flight *flight = reply_under_way(tap, octets);
    int status = tap->out.play != NULL ? POPLIN_WAITING : POPLIN_OK;
    if (flight != NULL) {
        poplin_logged_exchange *exchange = poplin_log_at(tap->log, flight->exchange);
        status = poplin_outflow_give(&tap->out, octets, last);
        if (exchange != NULL)
            exchange->octets_given = flight->given;
        if (last && status >= POPLIN_OK)
            note_marks(tap, flight);
        land_all(tap);
    }
    poplin_kit_unlock_changed(tap->kit);
    return status_of(tap) != POPLIN_OK ? POPLIN_ERR_NOMEM : status;
}

/* ---- the end ---- */

/* Why it ended, for a person; "": that is not known. */
static void explain_end(const tapped *tap, enum poplin_outcome outcome, const poplin_error *error,
                        char text[ERROR_MAX]) {
    text[0] = '\0';
    if (error != NULL)
        (void)poplin_error_format(error, text, ERROR_MAX);
    else if (outcome == POPLIN_DROPPED && tap->out.play != NULL)
        (void)snprintf(text, ERROR_MAX, "the client went in the middle of the fault %s",
                       poplin_play_names(tap->out.play));
}

/* A server should say nothing to a client that it leaves for its silence. A fault may have it say something. */
static void say_at_autologout(tapped *tap) {
    poplin_logged_exchange exchange = {.verb = POPLIN_NO_VERB};
    poplin_play *play;
    if (!choose(tap, "AUTOLOGOUT", NULL, &play) || play == NULL || begin(tap, &exchange, play) == NULL)
        return;
    if (poplin_outflow_give(&tap->out, (poplin_slice){NULL, 0}, true) < POPLIN_OK)
        tap->out_of_memory = true;
}

/* Whether nothing is on its way that the log does not hold yet. */
static bool is_written_down(const tapped *tap) {
    return poplin_outflow_open(&tap->out) == NULL && tap->out.play == NULL && tap->out.offered == tap->out.given;
}

static void ended(void *state, enum poplin_outcome outcome, const poplin_error *error) {
    tapped *tap = state;
    char text[ERROR_MAX];
    poplin_flight *flight = poplin_outflow_open(&tap->out);
    explain_end(tap, outcome, error, text);
    tap->out.barrier = tap->out.given;
    if (flight != NULL)
        flight->cut_off = outcome != POPLIN_COMMITTED && outcome != POPLIN_LEFT;
    poplin_kit_lock(tap->kit);
    poplin_log_outcome(tap->log, outcome, text);
    tap->ended = true;
    if (outcome == POPLIN_TIMED_OUT && flight == NULL && tap->out.play == NULL)
        say_at_autologout(tap);
    if (outcome == POPLIN_DROPPED || is_written_down(tap)) /* nobody is told anything who has been dropped */
        poplin_log_end(&tap->kit->log, tap->log);
    poplin_kit_unlock_changed(tap->kit);
}

/* ---- the way out ---- */

/* Writes down that these octets go out. */
static void log_offered(tapped *tap, poplin_slice octets) {
    poplin_flight *flight;
    while (octets.size > 0) {
        size_t size = poplin_outflow_offer(&tap->out, octets.size, &flight);
        poplin_log_say(tap->log, flight->exchange, (poplin_slice){octets.data, size});
        octets.data += size;
        octets.size -= size;
    }
}

/* Whether the step is the last of which something is to be written down. */
static bool is_last(const tapped *tap, enum poplin_tap_step step) {
    switch (step) {
    case POPLIN_TAP_IDLE:
        return poplin_outflow_open(&tap->out) == NULL;
    case POPLIN_TAP_SEND:
        return is_written_down(tap);
    case POPLIN_TAP_PAUSE:
        return false;
    default:
        return true;
    }
}

static enum poplin_tap_step next(void *state, poplin_slice *octets, uint32_t *milliseconds) {
    tapped *tap = state;
    poplin_slice fresh = {NULL, 0}; /* of octets, what was not offered before */
    enum poplin_tap_step step = poplin_outflow_next(&tap->out, octets, milliseconds);
    size_t known = (size_t)(tap->out.offered - tap->out.sent);
    if (step == POPLIN_TAP_SEND && octets->size > known)
        fresh = (poplin_slice){octets->data + known, octets->size - known};
    if (fresh.size > 0 || tap->ended || poplin_outflow_has_landed(&tap->out)) {
        poplin_kit_lock(tap->kit);
        log_offered(tap, fresh);
        land_all(tap);
        if (tap->ended && is_last(tap, step))
            poplin_log_end(&tap->kit->log, tap->log);
        poplin_kit_unlock_changed(tap->kit);
    }
    return step;
}

static void sent(void *state, size_t size) {
    tapped *tap = state;
    poplin_flight *flight;
    poplin_kit_lock(tap->kit);
    tap->log->octets_out += size;
    while (size > 0) {
        size_t portion = poplin_outflow_sent(&tap->out, size, &flight);
        poplin_logged_exchange *exchange = poplin_log_at(tap->log, flight->exchange);
        if (exchange != NULL)
            exchange->octets += portion;
        size -= portion;
    }
    land_all(tap);
    poplin_kit_unlock_changed(tap->kit);
}

const poplin_tap *poplin_testkit_tap(void) {
    static const poplin_tap tap = {
        .opened = opened,
        .secured = secured,
        .command = command,
        .login = login,
        .implied = implied,
        .reply = reply,
        .ended = ended,
        .next = next,
        .sent = sent,
        .closed = closed,
    };
    return &tap;
}
