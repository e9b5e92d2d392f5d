/*
 * test_tls.c - the TLS filter when all is well: octets in and out however they are cut, and how a connection ends.
 */
#include "tls_ends.h"

/* ---- octets in, octets out ---- */

/* holds: POP-TLS-2 B, POP-TLS-12 B */
static void a_pair_of_ours_talks_tls_1_3_with_aes_gcm(void **state) {
    (void)state;
    poplin_tls *client, *server;
    new_pair(&client, &server);
    assert_string_equal(poplin_tls_describe(client), "TLS1.3 AES-128-GCM");
    assert_string_equal(poplin_tls_describe(server), "TLS1.3 AES-128-GCM");
    poplin_tls_facts facts;
    assert_int_equal(poplin_tls_get_facts(client, &facts), POPLIN_OK);
    assert_true(facts.verified);
    assert_int_equal(poplin_tls_get_facts(server, &facts), POPLIN_OK);
    assert_false(facts.verified);
    poplin_tls_free(client);
    poplin_tls_free(server);
}

/* Sends content from one end to the other with the ciphertext cut to step octets and the reads to room. */
static void check_transfer(poplin_tls *from, poplin_tls *to, poplin_slice content, size_t step, size_t room) {
    poplin_buffer wire = {0}, text = {0};
    assert_int_equal(poplin_tls_write(from, content.data, content.size), POPLIN_OK);
    take_output(from, &wire);
    while (wire.size > 0) {
        size_t size = wire.size < step ? wire.size : step;
        char *piece = malloc(size);
        memcpy(piece, poplin_buffer_slice(&wire).data, size);
        poplin_buffer_consume(&wire, size);
        assert_int_equal(poplin_tls_input(to, piece, size), POPLIN_OK);
        assert_int_equal(read_all(to, room, &text), POPLIN_NEED_INPUT);
        free(piece);
    }
    poplin_buffer_free(&wire);
    assert_text(&text, content);
}

static void octets_arrive_however_they_are_cut(void **state) {
    (void)state;
    static const struct {
        size_t size, step, room;
    } CUTS[] = {{1, 1, 1},
                {100, 1, 7},
                {40000, 1, 1000},
                {40000, 7, 16384},
                {40000, 16389, 1},
                {1000000, 1000000, 65536},
                {1000000, 2000000, 2000000},
                {16384, 16406, 16384},
                {16385, 5, 3}};
    poplin_tls *client, *server;
    new_pair(&client, &server);
    uint64_t seed = 1;
    for (size_t i = 0; i < COUNT_OF(CUTS); i++) {
        char *content = malloc(CUTS[i].size);
        for (size_t j = 0; j < CUTS[i].size; j++)
            content[j] = (char)random_below(&seed, 256);
        check_transfer(client, server, (poplin_slice){content, CUTS[i].size}, CUTS[i].step, CUTS[i].room);
        check_transfer(server, client, (poplin_slice){content, CUTS[i].size}, CUTS[i].step, CUTS[i].room);
        free(content);
    }
    poplin_tls_free(client);
    poplin_tls_free(server);
}

/* A read takes as many records as the buffer holds, and a write fills its records. */
static void records_are_filled_and_read_together(void **state) {
    (void)state;
    enum { SIZE = 10 * 16384 };
    poplin_tls *client, *server;
    new_pair(&client, &server);
    char *content = calloc(1, SIZE);
    size_t got;
    const char *data;
    size_t size;
    assert_int_equal(poplin_tls_write(server, content, SIZE), POPLIN_OK);
    poplin_tls_output(server, &data, &size);
    assert_int_equal(size, SIZE + 10 * (5 + 1 + 16));
    assert_int_equal(poplin_tls_input(client, data, size), POPLIN_OK);
    assert_int_equal(poplin_tls_read(client, content, SIZE, &got), POPLIN_OK);
    assert_int_equal(got, SIZE);
    free(content);
    poplin_tls_free(client);
    poplin_tls_free(server);
}

/* A ticket makes GnuTLS answer AGAIN with records unread behind it. */
static void data_behind_tickets_is_read_at_once(void **state) {
    (void)state;
    gnutls_datum_t ticket_key;
    raw_peer raw;
    int code;
    must(gnutls_session_ticket_key_generate(&ticket_key));
    raw_open(&raw, GNUTLS_SERVER, TLS13, &identity);
    must(gnutls_session_ticket_enable_server(raw.session, &ticket_key));
    poplin_tls *client = new_client();
    take_output(client, &raw.in);
    assert_int_equal(gnutls_handshake(raw.session), GNUTLS_E_AGAIN);
    assert_int_equal(feed_handshake(client, &raw.out), POPLIN_OK);
    take_output(client, &raw.in);
    code = gnutls_handshake(raw.session);
    assert_int_equal(code, 0);
    must(gnutls_session_ticket_send(raw.session, 2, 0));
    assert_true(raw.out.size > 200);
    assert_int_equal(gnutls_record_send(raw.session, "+OK ready\r\n", 11), 11);
    must(gnutls_session_ticket_send(raw.session, 1, 0));
    poplin_buffer text = {0};
    assert_int_equal(read_from(client, &raw.out, &text), POPLIN_NEED_INPUT);
    assert_text(&text, SLICE("+OK ready\r\n"));
    must(gnutls_session_ticket_send(raw.session, 1, 0));
    assert_int_equal(read_from(client, &raw.out, &text), POPLIN_NEED_INPUT);
    poplin_tls_free(client);
    raw_close(&raw);
    gnutls_free(ticket_key.data);
}

/* All that the server says lies in one piece, handshake, tickets and greeting together. */
static void what_is_lent_behind_the_handshake_is_for_read(void **state) {
    (void)state;
    raw_peer raw;
    raw_open(&raw, GNUTLS_CLIENT, TLS13, NULL);
    poplin_tls *server = new_server();
    poplin_buffer text = {0};
    assert_int_equal(gnutls_handshake(raw.session), GNUTLS_E_AGAIN);
    assert_int_equal(feed_handshake(server, &raw.out), POPLIN_NEED_INPUT);
    take_output(server, &raw.in);
    assert_int_equal(gnutls_handshake(raw.session), 0);
    assert_int_equal(gnutls_record_send(raw.session, "CAPA\r\n", 6), 6);
    poplin_slice lent = poplin_buffer_slice(&raw.out);
    assert_int_equal(poplin_tls_input(server, lent.data, lent.size), POPLIN_OK);
    assert_int_equal(poplin_tls_handshake(server), POPLIN_OK);
    assert_int_equal(read_all(server, 100, &text), POPLIN_NEED_INPUT);
    assert_text(&text, SLICE("CAPA\r\n"));
    poplin_tls_free(server);
    raw_close(&raw);
}

static void a_warning_does_not_end_the_handshake(void **state) {
    (void)state;
    raw_peer raw;
    raw_open(&raw, GNUTLS_SERVER, TLS12, &identity);
    poplin_tls *client = new_client();
    take_output(client, &raw.in);
    must(gnutls_alert_send(raw.session, GNUTLS_AL_WARNING, GNUTLS_A_UNRECOGNIZED_NAME));
    assert_int_equal(gnutls_handshake(raw.session), GNUTLS_E_AGAIN);
    poplin_slice lent = poplin_buffer_slice(&raw.out);
    assert_int_equal(poplin_tls_input(client, lent.data, lent.size), POPLIN_OK);
    assert_int_equal(poplin_tls_handshake(client), POPLIN_NEED_INPUT);
    poplin_buffer_clear(&raw.out);
    take_output(client, &raw.in);
    assert_int_equal(gnutls_handshake(raw.session), 0);
    assert_int_equal(feed_handshake(client, &raw.out), POPLIN_OK);
    poplin_tls_free(client);
    raw_close(&raw);
}

/* holds: T-TLS-18 C */
static void small_and_empty_records_and_key_updates_are_progress(void **state) {
    (void)state;
    static const char *const PRIORITIES[] = {TLS13, TLS12};
    for (size_t i = 0; i < COUNT_OF(PRIORITIES); i++) {
        raw_peer raw;
        poplin_tls *client = client_of(&raw, PRIORITIES[i]);
        bool updates = i == 0;
        for (const char *c = "one by one"; *c != '\0'; c++) {
            if (updates) /* padding alone: no octet of content */
                must((int)gnutls_record_send2(raw.session, c, 0, 30, 0));
            assert_int_equal(gnutls_record_send(raw.session, c, 1), 1);
        }
        if (updates)
            must(gnutls_session_key_update(raw.session, GNUTLS_KU_PEER));
        assert_int_equal(gnutls_record_send(raw.session, "!", 1), 1);
        if (updates)
            must((int)gnutls_record_send2(raw.session, "", 0, 1, 0));
        poplin_buffer text = {0};
        assert_int_equal(read_from(client, &raw.out, &text), POPLIN_NEED_INPUT);
        assert_text(&text, SLICE("one by one!"));
        poplin_tls_free(client);
        raw_close(&raw);
    }
}

/*
 * Each asks for an answer, which a peer that does not read would have pile up.
 *
 * holds: T-TLS-18 C
 */
static void a_flood_of_key_updates_ends_it(void **state) {
    (void)state;
    enum { FLOOD = 1000, FEW_ANSWERS = 1000 };
    raw_peer raw;
    poplin_buffer text = {0};
    poplin_tls *client = client_of(&raw, TLS13);
    int status = POPLIN_NEED_INPUT;
    for (int i = 0; i < FLOOD && status == POPLIN_NEED_INPUT; i++) {
        must(gnutls_session_key_update(raw.session, GNUTLS_KU_PEER));
        status = read_from(client, &raw.out, &text);
    }
    assert_int_equal(status, POPLIN_ERR_TLS);
    const char *data;
    size_t size;
    poplin_tls_output(client, &data, &size);
    assert_in_range(size, 1, FEW_ANSWERS);
    assert_failed_for_good(client, "Too many handshake packets");
    poplin_tls_free(client);
    raw_close(&raw);
}

/* ---- how it ends ---- */

/* holds: POP-TLS-15 B, T-TLS-12 B */
static void what_follows_close_notify_is_ignored(void **state) {
    (void)state;
    static const char *const PRIORITIES[] = {TLS13, TLS12};
    for (size_t i = 0; i < COUNT_OF(PRIORITIES); i++) {
        raw_peer raw;
        poplin_buffer text = {0};
        poplin_tls *server = server_of(&raw, PRIORITIES[i]);
        assert_int_equal(gnutls_record_send(raw.session, "QUIT\r\n", 6), 6);
        /* Not gnutls_bye, which lets nothing be sent behind it. */
        must(gnutls_alert_send(raw.session, GNUTLS_AL_WARNING, GNUTLS_A_CLOSE_NOTIFY));
        assert_int_equal(gnutls_record_send(raw.session, "DELE 1\r\n", 8), 8);
        poplin_buffer_append(&raw.out, "not even TLS", 12);
        assert_int_equal(read_from(server, &raw.out, &text), POPLIN_END);
        assert_text(&text, SLICE("QUIT\r\n"));
        assert_int_equal(poplin_tls_input(server, "more", 4), POPLIN_OK);
        assert_int_equal(poplin_tls_input(server, "more", 4), POPLIN_OK);
        assert_int_equal(read_all(server, 10, &text), POPLIN_END);
        /* The other direction is still open. */
        assert_int_equal(poplin_tls_write(server, "+OK bye\r\n", 9), POPLIN_OK);
        assert_int_equal(poplin_tls_close(server), POPLIN_OK);
        take_output(server, &raw.in);
        char answer[20];
        assert_int_equal(gnutls_record_recv(raw.session, answer, sizeof answer), 9);
        assert_int_equal(gnutls_record_recv(raw.session, answer, sizeof answer), 0);
        poplin_tls_free(server);
        raw_close(&raw);
    }
}

static void close_is_said_once_and_ends_writing(void **state) {
    (void)state;
    poplin_tls *client, *server;
    poplin_buffer wire = {0}, text = {0};
    new_pair(&client, &server);
    assert_int_equal(poplin_tls_close(client), POPLIN_OK);
    take_output(client, &wire);
    assert_int_equal(poplin_tls_close(client), POPLIN_OK);
    size_t size = wire.size;
    take_output(client, &wire);
    assert_int_equal(wire.size, size);
    assert_int_equal(poplin_tls_write(client, "x", 1), POPLIN_ERR_STATE);
    assert_int_equal(read_from(server, &wire, &text), POPLIN_END);
    /* Reading goes on at the end that closed. */
    check_transfer(server, client, SLICE("+OK\r\n"), 1, 10);
    poplin_tls_free(client);
    poplin_tls_free(server);
}

static void calls_out_of_turn_answer_state(void **state) {
    (void)state;
    poplin_tls *server = new_server();
    poplin_tls_facts facts;
    char octet;
    size_t got;
    assert_int_equal(poplin_tls_write(server, "x", 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_tls_close(server), POPLIN_ERR_STATE);
    assert_int_equal(poplin_tls_read(server, &octet, 1, &got), POPLIN_ERR_STATE);
    assert_int_equal(poplin_tls_get_facts(server, &facts), POPLIN_ERR_STATE);
    assert_string_equal(poplin_tls_describe(server), "");
    assert_int_equal(poplin_tls_input(server, "\x16\x03", 2), POPLIN_OK);
    assert_int_equal(poplin_tls_input(server, "\x01", 1), POPLIN_ERR_STATE);
    assert_int_equal(poplin_tls_handshake(server), POPLIN_NEED_INPUT);
    assert_int_equal(poplin_tls_input(server, "\x01", 1), POPLIN_OK);
    poplin_tls_free(server);
    poplin_tls_free(NULL);
    poplin_tls_credentials_free(NULL);
}

/* holds: POP-TLS-16 B */
static void a_broken_record_fails_behind_the_good_ones(void **state) {
    (void)state;
    poplin_tls *client, *server;
    poplin_buffer wire = {0}, text = {0};
    new_pair(&client, &server);
    poplin_tls_write(server, "good", 4);
    take_output(server, &wire);
    poplin_tls_write(server, "bad", 3);
    take_output(server, &wire);
    wire.memory[wire.start + wire.size - 1] ^= 1;
    assert_int_equal(read_from(client, &wire, &text), POPLIN_ERR_TLS);
    assert_text(&text, SLICE("good"));
    take_output(client, &wire); /* the alert */
    assert_failed_for_good(client, "");
    assert_int_equal(read_from(server, &wire, &text), POPLIN_ERR_TLS);
    assert_failed_for_good(server, "the peer ended it with the alert ");
    poplin_tls_free(client);
    poplin_tls_free(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_of_ours_talks_tls_1_3_with_aes_gcm),
        cmocka_unit_test(octets_arrive_however_they_are_cut),
        cmocka_unit_test(records_are_filled_and_read_together),
        cmocka_unit_test(data_behind_tickets_is_read_at_once),
        cmocka_unit_test(what_is_lent_behind_the_handshake_is_for_read),
        cmocka_unit_test(a_warning_does_not_end_the_handshake),
        cmocka_unit_test(small_and_empty_records_and_key_updates_are_progress),
        cmocka_unit_test(a_flood_of_key_updates_ends_it),
        cmocka_unit_test(what_follows_close_notify_is_ignored),
        cmocka_unit_test(close_is_said_once_and_ends_writing),
        cmocka_unit_test(calls_out_of_turn_answer_state),
        cmocka_unit_test(a_broken_record_fails_behind_the_good_ones),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
