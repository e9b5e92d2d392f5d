/*
 * test_tls_handshake.c - what must not come to stand, or not go on: garbage, another protocol, weak parameters, a
 * renegotiation.
 */
#include "tls_ends.h"

/* ---- how it fails ---- */

/* True where the last record of what tls wants to send is an alert in clear (content type 21, length 2). */
static bool sends_clear_alert(poplin_tls *tls, gnutls_alert_description_t alert) {
    const char *data;
    size_t size;
    poplin_tls_output(tls, &data, &size);
    return size >= 7 && data[size - 7] == 21 && data[size - 2] == 2 && data[size - 1] == (char)alert;
}

/* holds: T-STLS-17 C, T-STLS-14 B, T-TLS-15 B */
static void a_peer_in_clear_is_told_apart(void **state) {
    (void)state;
    static const char *const LINES[] = {"+OK POP3 server ready\r\n", "CAPA\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "SSH-2.0-OpenSSH\r\n"};
    for (size_t i = 0; i < 2 * COUNT_OF(LINES); i++) {
        poplin_tls *tls = i % 2 == 0 ? new_client() : new_server();
        poplin_buffer wire = {0};
        poplin_buffer_append(&wire, LINES[i / 2], strlen(LINES[i / 2]));
        assert_int_equal(feed_handshake(tls, &wire), POPLIN_ERR_TLS);
        poplin_buffer_free(&wire);
        assert_failed_for_good(tls, "does not speak TLS on this port");
        poplin_tls_free(tls);
    }
}

/* holds: T-STLS-14 B, POP-STLS-7 B */
static void garbage_fails_and_sends_an_alert(void **state) {
    (void)state;
    uint64_t seed = 7;
    for (int round = 0; round < 200; round++) {
        poplin_tls *tls = round % 2 == 0 ? new_client() : new_server();
        poplin_buffer wire = {0};
        const char header[] = {22, 3, 3, 0, 60}; /* a handshake record, so that what follows is looked at */
        poplin_buffer_append(&wire, header, sizeof header);
        for (int i = 0; i < 300; i++) {
            char octet = (char)random_below(&seed, 256);
            poplin_buffer_append(&wire, &octet, 1);
        }
        int status = feed_handshake(tls, &wire);
        if (status == POPLIN_ERR_TLS)
            assert_failed_for_good(tls, "");
        else
            assert_int_equal(status, POPLIN_NEED_INPUT); /* a message that claims to be longer */
        poplin_buffer_free(&wire);
        poplin_tls_free(tls);
    }
    poplin_tls *tls = new_server();
    poplin_buffer wire = {0};
    poplin_buffer_append(&wire, "\x16\x03\x03\x00\x05\x02\x00\x00\x01\x00", 10); /* a server's hello, to a server */
    assert_int_equal(feed_handshake(tls, &wire), POPLIN_ERR_TLS);
    assert_true(sends_clear_alert(tls, GNUTLS_A_UNEXPECTED_MESSAGE));
    poplin_buffer_free(&wire);
    poplin_tls_free(tls);
}

/* One server's flight in answer to one client, for a test to spoil. */
static poplin_tls *client_with_flight(poplin_buffer *flight) {
    poplin_tls *client = new_client();
    poplin_tls *server = new_server();
    poplin_buffer hello = {0};
    take_output(client, &hello);
    assert_int_equal(feed_handshake(server, &hello), POPLIN_NEED_INPUT);
    take_output(server, flight);
    poplin_buffer_free(&hello);
    poplin_tls_free(server);
    return client;
}

/*
 * Type and version in a record's header: the version means nothing any more (RFC 8446 section 5.1), and GnuTLS takes a
 * protected record for what its protected type says.
 */
static bool is_type_or_version(poplin_slice flight, size_t at) {
    size_t record = 0;
    while (record + 5 <= flight.size && record <= at) {
        if (at - record < 3)
            return true;
        record += 5 + ((size_t)(unsigned char)flight.data[record + 3] << 8) + (unsigned char)flight.data[record + 4];
    }
    return false;
}

/* holds: T-STLS-14 B */
static void a_flipped_bit_never_passes_the_handshake(void **state) {
    (void)state;
    size_t flight_size = 1;
    uint64_t seed = 3;
    for (size_t at = 0; at < flight_size; at += 1 + random_below(&seed, 5)) {
        poplin_buffer flight = {0};
        poplin_tls *client = client_with_flight(&flight);
        flight_size = flight.size;
        if (at < flight_size && !is_type_or_version(poplin_buffer_slice(&flight), at)) {
            char *octet = flight.memory + flight.start + at;
            *octet = (char)(*octet ^ (1 << random_below(&seed, 8)));
            if (feed_handshake(client, &flight) == POPLIN_OK)
                fail_msg("a bit at octet %zu of %zu was not noticed", at, flight_size);
        }
        poplin_buffer_free(&flight);
        poplin_tls_free(client);
    }
}

/* holds: T-STLS-14 B */
static void a_cut_handshake_waits_and_is_freed(void **state) {
    (void)state;
    poplin_buffer flight = {0};
    poplin_tls_free(client_with_flight(&flight));
    size_t size = flight.size;
    poplin_buffer_free(&flight);
    for (size_t cut = 0; cut + 8 < size; cut += 17) {
        poplin_tls *client = client_with_flight(&flight);
        flight.size = cut;
        assert_int_equal(feed_handshake(client, &flight), POPLIN_NEED_INPUT);
        poplin_buffer_free(&flight);
        poplin_tls_free(client);
    }
}

/* holds: T-STLS-14 B */
static void an_alert_is_told_by_its_name_or_number(void **state) {
    (void)state;
    char alert[] = {21, 3, 3, 0, 2, 2, GNUTLS_A_ACCESS_DENIED};
    for (int known = 1; known >= 0; known--) {
        poplin_tls *client = new_client();
        poplin_buffer wire = {0};
        poplin_buffer_append(&wire, alert, sizeof alert);
        assert_int_equal(feed_handshake(client, &wire), POPLIN_ERR_TLS);
        assert_failed_for_good(client, known ? "the alert \"Access" : "an alert that nobody knows, 200");
        poplin_buffer_free(&wire);
        poplin_tls_free(client);
        alert[6] = (char)200;
    }
}

/* ---- ALPN ---- */

/* A raw client that offers these protocols meets our server. Returns the server's answer. */
static int offer(const char *const *protocols, unsigned count, raw_peer *raw, poplin_tls **server, int *code) {
    gnutls_datum_t list[4];
    raw_open(raw, GNUTLS_CLIENT, TLS13, NULL);
    for (unsigned i = 0; i < count; i++)
        list[i] = (gnutls_datum_t){(unsigned char *)(uintptr_t)protocols[i], (unsigned)strlen(protocols[i])};
    if (count > 0)
        must(gnutls_alpn_set_protocols(raw->session, list, count, 0));
    *server = new_server();
    return shake_raw(*server, raw, code);
}

/* holds: T-TLS-15 S, POP-TLS-12 S */
static void a_client_of_another_protocol_is_refused(void **state) {
    (void)state;
    static const char *const OTHERS[] = {"http/1.1", "imap"};
    raw_peer raw;
    poplin_tls *server;
    int code;
    assert_int_equal(offer(OTHERS, 2, &raw, &server, &code), POPLIN_ERR_TLS);
    assert_int_equal(code, GNUTLS_E_FATAL_ALERT_RECEIVED);
    assert_int_equal(gnutls_alert_get(raw.session), GNUTLS_A_NO_APPLICATION_PROTOCOL);
    assert_failed_for_good(server, "protocol");
    poplin_tls_free(server);
    raw_close(&raw);
}

/* holds: POP-TLS-12 S */
static void a_client_without_alpn_or_with_pop3_in_it_is_served(void **state) {
    (void)state;
    static const char *const MIXED[] = {"http/1.1", "pop3"};
    for (unsigned count = 0; count <= 2; count += 2) {
        raw_peer raw;
        poplin_tls *server;
        int code;
        assert_int_equal(offer(MIXED, count, &raw, &server, &code), POPLIN_OK);
        assert_int_equal(code, 0);
        gnutls_datum_t selected;
        int answered = gnutls_alpn_get_selected_protocol(raw.session, &selected);
        assert_int_equal(answered, count > 0 ? 0 : GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE);
        if (count > 0)
            assert_memory_equal(selected.data, "pop3", 4);
        poplin_tls_free(server);
        raw_close(&raw);
    }
}

/* holds: T-TLS-15 C, POP-TLS-12 C */
static void a_server_that_selects_another_protocol_is_left(void **state) {
    (void)state;
    const gnutls_datum_t pop3 = {(unsigned char[]){'p', 'o', 'p', '3'}, 4};
    raw_peer raw;
    raw_open(&raw, GNUTLS_SERVER, TLS12, &identity);
    must(gnutls_alpn_set_protocols(raw.session, &pop3, 1, 0));
    poplin_tls *client = new_client();
    take_output(client, &raw.in);
    assert_int_equal(gnutls_handshake(raw.session), GNUTLS_E_AGAIN);
    /* TLS 1.2 selects in clear, so it can be changed on the way: the client leaves before it could notice otherwise. */
    char *selected = memmem(raw.out.memory + raw.out.start, raw.out.size, "\4pop3", 5);
    assert_non_null(selected);
    memcpy(selected, "\4imap", 5);
    assert_int_equal(feed_handshake(client, &raw.out), POPLIN_ERR_TLS);
    assert_true(sends_clear_alert(client, GNUTLS_A_NO_APPLICATION_PROTOCOL));
    assert_failed_for_good(client, "No common application protocol");
    poplin_tls_free(client);
    raw_close(&raw);
}

/* holds: T-TLS-15 C */
static void a_server_that_insists_on_another_protocol_says_so(void **state) {
    (void)state;
    const gnutls_datum_t http = {(unsigned char[]){'h', 't', 't', 'p', '/', '1', '.', '1'}, 8};
    raw_peer raw;
    int code;
    raw_open(&raw, GNUTLS_SERVER, TLS13, &identity);
    must(gnutls_alpn_set_protocols(raw.session, &http, 1, GNUTLS_ALPN_MANDATORY));
    poplin_tls *client = new_client();
    assert_int_equal(shake_raw(client, &raw, &code), POPLIN_ERR_TLS);
    assert_failed_for_good(client, "the peer ended it with the alert \"No supported application protocol");
    poplin_tls_free(client);
    raw_close(&raw);
}

/* holds: POP-TLS-12 C, POP-TLS-11 C */
static void a_server_without_alpn_is_accepted_and_gets_the_name(void **state) {
    (void)state;
    raw_peer raw;
    poplin_tls *client = client_of(&raw, TLS13);
    char name[64];
    size_t size = sizeof name;
    unsigned type;
    must(gnutls_server_name_get(raw.session, name, &size, &type, 0));
    assert_string_equal(name, "localhost");
    poplin_tls_free(client);
    raw_close(&raw);
}

/* ---- versions, ciphers, renegotiation ---- */

/* holds: T-TLS-8 C, POP-TLS-2 B, POP-TLS-13 B */
static void what_is_too_weak_is_refused(void **state) {
    (void)state;
    static const char *const WEAK[] = {
        "NORMAL:-VERS-ALL:+VERS-TLS1.1:+VERS-TLS1.0", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+NULL",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC", "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA",
        "NORMAL:-VERS-ALL:+VERS-TLS1.2:%DISABLE_SAFE_RENEGOTIATION"};
    for (size_t i = 0; i < 2 * COUNT_OF(WEAK); i++) {
        raw_peer raw;
        int code;
        bool as_client = i % 2 == 0;
        raw_open(&raw, as_client ? GNUTLS_CLIENT : GNUTLS_SERVER, WEAK[i / 2], &identity);
        poplin_tls *tls = as_client ? new_server() : new_client();
        assert_int_equal(shake_raw(tls, &raw, &code), POPLIN_ERR_TLS);
        assert_true(code < 0);
        assert_failed_for_good(tls, "");
        poplin_tls_free(tls);
        raw_close(&raw);
    }
}

/* holds: POP-TLS-13 B */
static void tls_1_2_comes_with_extended_master_secret(void **state) {
    (void)state;
    raw_peer raw;
    poplin_tls *client = client_of(&raw, TLS12);
    assert_string_equal(poplin_tls_describe(client), "TLS1.2 AES-128-GCM");
    assert_true(gnutls_session_ext_master_secret_status(raw.session));
    assert_true(gnutls_safe_renegotiation_status(raw.session));
    poplin_tls_free(client);
    raw_close(&raw);
}

/* holds: T-TLS-13 B, POP-TLS-13 B */
static void a_renegotiation_is_refused(void **state) {
    (void)state;
    raw_peer raw;
    poplin_buffer text = {0};
    poplin_tls *client = client_of(&raw, TLS12);
    must(gnutls_rehandshake(raw.session)); /* asks for it */
    assert_int_equal(read_from(client, &raw.out, &text), POPLIN_ERR_TLS);
    assert_failed_for_good(client, "renegotiation");
    poplin_tls_free(client);
    raw_close(&raw);
    poplin_tls *server = server_of(&raw, TLS12);
    assert_int_equal(gnutls_handshake(raw.session), GNUTLS_E_AGAIN); /* begins it */
    assert_int_equal(read_from(server, &raw.out, &text), POPLIN_ERR_TLS);
    assert_failed_for_good(server, "renegotiation");
    poplin_tls_free(server);
    raw_close(&raw);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_peer_in_clear_is_told_apart),
        cmocka_unit_test(garbage_fails_and_sends_an_alert),
        cmocka_unit_test(a_flipped_bit_never_passes_the_handshake),
        cmocka_unit_test(a_cut_handshake_waits_and_is_freed),
        cmocka_unit_test(an_alert_is_told_by_its_name_or_number),
        cmocka_unit_test(a_client_of_another_protocol_is_refused),
        cmocka_unit_test(a_client_without_alpn_or_with_pop3_in_it_is_served),
        cmocka_unit_test(a_server_that_selects_another_protocol_is_left),
        cmocka_unit_test(a_server_that_insists_on_another_protocol_says_so),
        cmocka_unit_test(a_server_without_alpn_is_accepted_and_gets_the_name),
        cmocka_unit_test(what_is_too_weak_is_refused),
        cmocka_unit_test(tls_1_2_comes_with_extended_master_secret),
        cmocka_unit_test(a_renegotiation_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
