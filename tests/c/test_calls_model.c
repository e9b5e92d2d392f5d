/*
 * test_calls_model.c - random scripts of calls and series against a real server, compared with a model of what each
 * must bring: whole contents in order, refusals where they belong and told once, deletions as they were asked for.
 *
 * The seeds are fixed. In some runs a relay between the two ends passes a few octets at a time.
 */
#include "linked.h"
#include "served.h"

enum { MESSAGES = 12, OUTSTANDING = 5, OPERATIONS = 250 };

/* ---- a relay that cuts the octets ---- */

struct direction {
    int from, to;
    char octets[64];
    size_t at, size;
    bool ended;
};

static void pump(struct direction *direction, uint64_t *seed) {
    if (direction->at == direction->size && !direction->ended) {
        ssize_t got = recv(direction->from, direction->octets, 1 + random_below(seed, sizeof direction->octets), 0);
        direction->at = 0;
        direction->size = got > 0 ? (size_t)got : 0;
        direction->ended = got == 0;
        if (direction->ended)
            (void)shutdown(direction->to, SHUT_WR);
    }
    if (direction->at < direction->size) {
        ssize_t sent =
            send(direction->to, direction->octets + direction->at, direction->size - direction->at, MSG_NOSIGNAL);
        if (sent > 0)
            direction->at += (size_t)sent;
    }
}

/* ---- the script and its model ---- */

struct variant {
    const char *name;
    uint64_t seeds;
    size_t largest; /* octets of a message, about */
    size_t window_commands;
    size_t buffer; /* octets of a receive buffer */
    bool relayed;
    bool tls;
};

/* A call whose end has not been asked for yet, and what it must bring. */
struct outstanding {
    poplin_call *call;
    enum poplin_verb verb;
    uint32_t number;
    bool refused;
    uint32_t count; /* of messages that are not deleted, for STAT, LIST and UIDL */
    bool streamed;
    size_t streamed_so_far;
};

struct script {
    struct served *served;
    const struct variant *variant;
    uint64_t seed;
    poplin_link *link;
    bool relayed;
    struct direction there, back;

    char *contents[MESSAGES + 1]; /* from 1 */
    size_t sizes[MESSAGES + 1];
    bool deleted[MESSAGES + 2]; /* one that never was stands behind the last */

    struct outstanding outstanding[OUTSTANDING];
    size_t outstanding_count;

    poplin_series *series;
    poplin_wanted wanted[3 * MESSAGES];
    size_t wanted_count, taken;

    size_t untold;  /* refused deletions of which at most so many may still be told */
    bool must_tell; /* at least one of them was refused after the last telling */
};

static size_t below(struct script *script, size_t bound) {
    return random_below(&script->seed, bound);
}

static void step(struct script *script, int milliseconds) {
    (void)alarm(LINKED_PATIENCE_S);
    assert_int_equal(poplin_link_wait(script->link, milliseconds), POPLIN_OK);
    if (script->relayed) {
        pump(&script->there, &script->seed);
        pump(&script->back, &script->seed);
    }
}

static void wait_for(struct script *script) {
    step(script, script->relayed ? 0 : -1);
}

static bool is_there(const struct script *script, uint32_t number) {
    return number <= MESSAGES && !script->deleted[number];
}

static uint32_t count_left(const struct script *script) {
    uint32_t count = 0;
    for (uint32_t i = 1; i <= MESSAGES; i++)
        count += !script->deleted[i];
    return count;
}

/* A message, or now and then the one that never was. */
static uint32_t any_number(struct script *script) {
    return 1 + (uint32_t)below(script, below(script, 8) == 0 ? MESSAGES + 1 : MESSAGES);
}

/* ---- calls ---- */

static void forget(struct script *script, size_t index) {
    poplin_call_free(script->outstanding[index].call);
    script->outstanding[index] = script->outstanding[--script->outstanding_count];
}

static void ask(struct script *script) {
    static const enum poplin_verb verbs[] = {POPLIN_STAT, POPLIN_LIST, POPLIN_UIDL, POPLIN_RETR,
                                             POPLIN_RETR, POPLIN_TOP,  POPLIN_NOOP};
    if (script->outstanding_count == OUTSTANDING)
        return;
    struct outstanding *asked = &script->outstanding[script->outstanding_count++];
    *asked = (struct outstanding){.verb = verbs[below(script, COUNT_OF(verbs))], .count = count_left(script)};
    if (asked->verb == POPLIN_RETR || asked->verb == POPLIN_TOP) {
        asked->number = any_number(script);
        asked->refused = !is_there(script, asked->number);
        asked->streamed = below(script, 2);
    }
    const poplin_command command = {.verb = asked->verb, .number = asked->number, .lines = 1000000};
    assert_int_equal(poplin_link_call(script->link, &command, asked->streamed, &asked->call), POPLIN_OK);
}

/* A piece of this streamed call. False: there are no more. */
static bool take_piece(struct script *script, struct outstanding *asked) {
    poplin_body body;
    int status;

    while ((status = poplin_call_piece(asked->call, &body)) == POPLIN_NEED_INPUT)
        wait_for(script);
    if (status == POPLIN_END)
        return false;
    assert_int_equal(status, POPLIN_OK);
    assert_false(asked->refused);
    assert_true(asked->streamed_so_far + body.size <= script->sizes[asked->number]);
    assert_body(&body, script->contents[asked->number] + asked->streamed_so_far, body.size);
    asked->streamed_so_far += body.size;
    assert_true(body.size >= (size_t)64 << 10 || asked->streamed_so_far == script->sizes[asked->number]);
    return true;
}

static void check_lines(struct script *script, const struct outstanding *asked) {
    size_t count;
    const poplin_line *lines = poplin_call_lines(asked->call, &count);

    assert_int_equal(count, asked->count);
    for (size_t i = 0; i < count; i++) {
        assert_in_range(lines[i].number, 1, MESSAGES);
        if (asked->verb == POPLIN_LIST)
            assert_int_equal(lines[i].octets, script->sizes[lines[i].number]);
        else
            assert_true(lines[i].unique_id.size > 0);
        assert_true(i == 0 || lines[i].number > lines[i - 1].number);
    }
}

static void finish(struct script *script, size_t index) {
    struct outstanding *asked = &script->outstanding[index];
    bool content = asked->verb == POPLIN_RETR || asked->verb == POPLIN_TOP;
    poplin_body body;
    int status;

    while (asked->streamed && take_piece(script, asked))
        ;
    while ((status = poplin_call_done(asked->call)) == POPLIN_NEED_INPUT)
        wait_for(script);
    assert_int_equal(status, POPLIN_OK);
    const poplin_reply *reply = poplin_call_reply(asked->call);
    assert_int_equal(reply->status, asked->refused ? POPLIN_ERR_REFUSED : POPLIN_OK);
    if (asked->verb == POPLIN_STAT)
        assert_int_equal(reply->count, asked->count);
    if (asked->verb == POPLIN_LIST || asked->verb == POPLIN_UIDL)
        check_lines(script, asked);
    if (content && asked->streamed && !asked->refused)
        assert_int_equal(asked->streamed_so_far, script->sizes[asked->number]);
    if (content && !asked->streamed) {
        assert_int_equal(poplin_call_body(asked->call, &body), POPLIN_OK);
        assert_body(&body, asked->refused ? "" : script->contents[asked->number],
                    asked->refused ? 0 : script->sizes[asked->number]);
    }
    forget(script, index);
}

/* ---- deletions ---- */

static bool will_come(const struct script *script, uint32_t number) {
    for (size_t i = script->taken; script->series && i < script->wanted_count; i++)
        if (script->wanted[i].number == number)
            return true;
    return false;
}

/* Not of a message that the series still has to bring: which of the two the server sees first is not for the model. */
static void delete (struct script *script) {
    uint32_t number = any_number(script);

    if (will_come(script, number))
        return;
    assert_int_equal(poplin_link_dele(script->link, number), POPLIN_OK);
    if (is_there(script, number)) {
        script->deleted[number] = true;
        return;
    }
    script->untold++;
    script->must_tell = true;
}

static void told(struct script *script) {
    assert_true(script->untold > 0);
    assert_memory_equal(poplin_link_refusal(script->link)->doing, "DELE ", 5);
    script->untold--;
    script->must_tell = false;
}

static void reset(struct script *script) {
    const poplin_command command = {.verb = POPLIN_RSET};
    poplin_call *call;

    if (script->series)
        return;
    assert_int_equal(poplin_link_call(script->link, &command, false, &call), POPLIN_OK);
    poplin_call_free(call);
    memset(script->deleted, 0, sizeof script->deleted);
}

/* ---- series ---- */

static void begin_series(struct script *script) {
    script->taken = 0;
    script->wanted_count = below(script, COUNT_OF(script->wanted));
    for (size_t i = 0; i < script->wanted_count; i++) {
        uint32_t number = any_number(script);
        bool known = number <= MESSAGES && below(script, 4) > 0;
        script->wanted[i] = (poplin_wanted){.number = number, .octets = known ? script->sizes[number] : 0};
    }
    assert_int_equal(poplin_link_retr_all(script->link, script->wanted, script->wanted_count, &script->series),
                     POPLIN_OK);
}

static void free_series(struct script *script) {
    poplin_series_free(script->series);
    script->series = NULL;
}

static void go_on(struct script *script) {
    poplin_message message;
    int status;

    while ((status = poplin_series_next(script->series, &message)) == POPLIN_NEED_INPUT)
        wait_for(script);
    if (status == POPLIN_ERR_REFUSED) {
        told(script);
        return;
    }
    if (status == POPLIN_END) {
        assert_int_equal(script->taken, script->wanted_count);
        free_series(script);
        return;
    }
    assert_int_equal(status, POPLIN_OK);
    assert_true(script->taken < script->wanted_count);
    uint32_t number = script->wanted[script->taken++].number;
    assert_int_equal(message.number, number);
    assert_int_equal(message.status, is_there(script, number) ? POPLIN_OK : POPLIN_ERR_REFUSED);
    if (is_there(script, number))
        assert_body(&message.body, script->contents[number], script->sizes[number]);
    else
        assert_int_equal(message.body.size, 0);
}

/* ---- a run ---- */

static void operate(struct script *script) {
    size_t which = below(script, 100);

    if (which < 45 && script->series)
        go_on(script);
    else if (which < 12)
        begin_series(script);
    else if (which < 60)
        ask(script);
    else if (which < 72)
        delete (script);
    else if (which < 74)
        reset(script);
    else if (which < 77 && script->series)
        free_series(script);
    else if (which < 80)
        step(script, 0);
    else if (script->outstanding_count > 0) {
        size_t index = below(script, script->outstanding_count);
        if (which < 84)
            forget(script, index);
        else if (which < 92 && script->outstanding[index].streamed)
            (void)take_piece(script, &script->outstanding[index]);
        else
            finish(script, index);
    }
}

static void leave(struct script *script) {
    const poplin_command command = {.verb = POPLIN_QUIT};
    poplin_call *quit;
    int status;

    while (script->outstanding_count > 0)
        finish(script, below(script, script->outstanding_count));
    if (below(script, 2))
        free_series(script);
    assert_int_equal(poplin_link_call(script->link, &command, false, &quit), POPLIN_OK);
    while ((status = poplin_call_done(quit)) == POPLIN_NEED_INPUT)
        wait_for(script);
    if (status == POPLIN_ERR_REFUSED) {
        told(script);
        status = poplin_call_done(quit);
    }
    assert_int_equal(status, POPLIN_OK);
    assert_int_equal(poplin_call_reply(quit)->status, POPLIN_OK);
    assert_false(script->must_tell);
    assert_int_equal(served_count(script->served), count_left(script));
}

static void dial(struct script *script, poplin_link_config *config) {
    if (!script->variant->relayed) {
        config->host = "127.0.0.1";
        config->port = poplin_server_port(script->served->server);
        return;
    }
    struct raw far;
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(fcntl(pair[1], F_SETFL, O_NONBLOCK), 0);
    raw_dial(&far, script->served->loop, poplin_server_port(script->served->server), 0);
    script->relayed = true;
    script->there = (struct direction){.from = pair[1], .to = far.descriptor};
    script->back = (struct direction){.from = far.descriptor, .to = pair[1]};
    config->host = "127.0.0.1";
    config->descriptor = pair[0];
}

static void open_link(struct script *script, poplin_tls_credentials *trust) {
    const poplin_credentials login = {.user = SLICE("alice"), .password = SLICE("secret")};
    poplin_link_config config;
    int status;

    poplin_link_config_init(&config);
    config.client.tls = trust ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_NEVER;
    config.credentials = trust;
    config.client.window_commands = script->variant->window_commands;
    for (uint32_t i = 1; i <= MESSAGES; i++) /* so that nothing that is in flight can meet the limit */
        if (script->sizes[i] > config.client.window_octets || i == 1)
            config.client.window_octets = script->sizes[i];
    if (config.client.window_octets < (size_t)64 << 10 && below(script, 2))
        config.client.window_octets = (size_t)200 << 10;
    dial(script, &config);
    assert_int_equal(poplin_link_open(script->served->loop, &config, &login, &script->link), POPLIN_OK);
    while ((status = poplin_link_opened(script->link)) == POPLIN_NEED_INPUT)
        wait_for(script);
    assert_int_equal(status, POPLIN_OK);
}

static void deliver(struct script *script) {
    for (uint32_t i = 1; i <= MESSAGES; i++) {
        script->sizes[i] = below(script, 3) == 0 ? below(script, 30) : below(script, script->variant->largest);
        script->contents[i] = make_content(&script->sizes[i], script->seed);
        assert_int_equal(
            poplin_memory_deliver(script->served->memory, SLICE("alice"), script->contents[i], script->sizes[i], NULL),
            POPLIN_OK);
    }
}

static void run_script(const struct variant *variant, uint64_t seed, poplin_tls_credentials *trust,
                       poplin_tls_credentials *identity) {
    void *state;
    assert_int_equal(served_set_up(&state), 0);
    struct script script = {.served = state, .variant = variant, .seed = seed};
    if (variant->buffer > 0)
        script.served->loop->large.size = variant->buffer;
    script.served->config.credentials = identity;
    script.served->config.tls = identity ? POPLIN_TLS_IMPLICIT : POPLIN_TLS_NEVER;
    deliver(&script);
    served_from_memory(script.served, 0);
    open_link(&script, trust);
    for (int i = 0; i < OPERATIONS; i++)
        operate(&script);
    leave(&script);
    poplin_link_free(script.link);
    if (script.relayed) {
        close(script.there.from);
        close(script.there.to);
    }
    for (uint32_t i = 1; i <= MESSAGES; i++)
        free(script.contents[i]);
    assert_int_equal(served_tear_down(&state), 0);
}

static void scripts_behave_as_the_model(void **state) {
    const struct variant *variant = *state;
    static const char *const names[] = {"127.0.0.1"};
    poplin_tls_credentials *trust = NULL, *identity = NULL;

    if (variant->tls) {
        poplin_tls_throwaway throwaway;
        assert_int_equal(poplin_tls_throwaway_new(names, 1, &throwaway), POPLIN_OK);
        const poplin_tls_trust ca = {.verify = true, .ca_pem = {throwaway.ca_pem, strlen(throwaway.ca_pem)}};
        const poplin_slice cert = {throwaway.cert_pem, strlen(throwaway.cert_pem)};
        const poplin_slice key = {throwaway.key_pem, strlen(throwaway.key_pem)};
        assert_int_equal(poplin_tls_client_credentials(&ca, &trust, NULL), POPLIN_OK);
        assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &identity, NULL), POPLIN_OK);
        poplin_tls_throwaway_free(&throwaway);
    }
    for (uint64_t seed = 1; seed <= variant->seeds; seed++) {
        print_message("%s, seed %u\n", variant->name, (unsigned)seed);
        run_script(variant, seed, trust, identity);
    }
    poplin_tls_credentials_free(trust);
    poplin_tls_credentials_free(identity);
}

int main(void) {
    static struct variant variants[] = {
        {"small messages", 25, 300, 1000, 0, false, false},
        {"a small window and small buffers", 25, 300, 4, 50, false, false},
        {"one command at a time", 5, 300, 1, 50, false, false},
        {"large messages", 5, 300000, 10, 0, false, false},
        {"large messages through small buffers", 2, 300000, 10, 10000, false, false},
        {"cut octets", 5, 300, 6, 0, true, false},
        {"cut octets under TLS", 2, 300, 6, 100, true, true},
        {"large messages under TLS", 2, 300000, 10, 0, false, true},
    };
    struct CMUnitTest tests[COUNT_OF(variants)];
    for (size_t i = 0; i < COUNT_OF(variants); i++)
        tests[i] = (struct CMUnitTest){
            .name = variants[i].name, .test_func = scripts_behave_as_the_model, .initial_state = &variants[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
