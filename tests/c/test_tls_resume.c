/*
 * test_tls_resume.c - sessions taken up again at a later connection: between our ends, with a raw peer by TLS 1.2, and all the
 * cases in which it must not be.
 */
#include "tls_ends.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "tls/sessions.h"
#include "tls/staple.h"

static const poplin_tls_peer SERVER = {.name = "localhost", .port = 995};

/* ---- connections between our ends ---- */

typedef struct outcome {
    int status;
    poplin_error error;
    bool resumed; /* by both */
    poplin_tls_facts client, server;
    enum poplin_tls_proof proof; /* the client's */
} outcome;

static poplin_tls_credentials *ticketing(void) {
    poplin_tls_credentials *credentials;
    assert_int_equal(poplin_tls_server_credentials_pem(poplin_slice_of(identity.cert_pem),
                                                       poplin_slice_of(identity.key_pem), &credentials, NULL),
                     POPLIN_OK);
    return credentials;
}

static poplin_tls_credentials *trusting(const char *ca_pem, bool no_resumption) {
    poplin_tls_credentials *credentials;
    poplin_tls_trust trust = {.verify = true, .ca_pem = poplin_slice_of(ca_pem), .no_resumption = no_resumption};
    assert_int_equal(poplin_tls_client_credentials(&trust, &credentials, NULL), POPLIN_OK);
    return credentials;
}

static outcome connect_to(poplin_tls_credentials *client, poplin_tls_credentials *server, poplin_tls_peer peer) {
    outcome seen = {0};
    poplin_tls *ours, *theirs;
    poplin_tls_info info, other;
    int server_status;
    assert_int_equal(poplin_tls_client_open(client, &peer, &ours), POPLIN_OK);
    assert_int_equal(poplin_tls_server_new(server, &theirs), POPLIN_OK);
    seen.status = shake(ours, theirs, &server_status);
    seen.error = *poplin_tls_error(ours);
    if (seen.status == POPLIN_OK) {
        assert_int_equal(poplin_tls_get_info(ours, &info), POPLIN_OK);
        assert_int_equal(poplin_tls_get_info(theirs, &other), POPLIN_OK);
        assert_int_equal(poplin_tls_get_facts(ours, &seen.client), POPLIN_OK);
        assert_int_equal(poplin_tls_get_facts(theirs, &seen.server), POPLIN_OK);
        assert_int_equal(info.resumed, other.resumed);
        assert_int_equal(strlen(info.pin), 44); /* of the certificate that the first connection showed */
        seen.resumed = info.resumed;
        seen.proof = info.proof;
    }
    poplin_tls_free(ours);
    poplin_tls_free(theirs);
    return seen;
}

static void expect_connection(outcome seen, bool resumed) {
    if (seen.status != POPLIN_OK)
        fail_msg("\"%s\"", seen.error.reason);
    assert_int_equal(seen.resumed, resumed);
}

static void the_second_connection_takes_the_session_up_again(void **state) {
    (void)state;
    poplin_tls_credentials *client = trusting(identity.ca_pem, false), *server = ticketing();
    outcome first = connect_to(client, server, SERVER);
    expect_connection(first, false);
    assert_true(first.client.end_point_size > 0);
    assert_true(first.server.end_point_size > 0);
    for (int i = 0; i < 3; i++) { /* each brings the ticket for the next */
        outcome next = connect_to(client, server, SERVER);
        expect_connection(next, true);
        assert_int_equal(next.proof, POPLIN_TLS_PROOF_CA);
        assert_true(next.client.verified);
        assert_int_equal(next.client.end_point_size, 0);
        assert_int_equal(next.server.end_point_size, 0);
        assert_int_equal(next.client.exporter_size, 32);
        assert_memory_equal(next.client.exporter, next.server.exporter, 32);
        assert_memory_not_equal(next.client.exporter, first.client.exporter, 32);
    }
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
}

static void names_and_ports_are_kept_apart(void **state) {
    (void)state;
    static const char *const NAMES[] = {"localhost", "example.org"};
    poplin_tls_throwaway both;
    poplin_tls_credentials *server;
    assert_int_equal(poplin_tls_throwaway_new(NAMES, 2, &both), POPLIN_OK);
    assert_int_equal(
        poplin_tls_server_credentials_pem(poplin_slice_of(both.cert_pem), poplin_slice_of(both.key_pem), &server, NULL),
        POPLIN_OK);
    poplin_tls_credentials *client = trusting(both.ca_pem, false);
    expect_connection(connect_to(client, server, SERVER), false);
    expect_connection(connect_to(client, server, (poplin_tls_peer){.name = "localhost", .port = 110}), false);
    expect_connection(connect_to(client, server, (poplin_tls_peer){.name = "example.org", .port = 995}), false);
    expect_connection(connect_to(client, server, (poplin_tls_peer){.name = "LOCALHOST", .port = 995}), true);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&both);
}

static void either_side_can_be_told_not_to(void **state) {
    (void)state;
    poplin_tls_credentials *client = trusting(identity.ca_pem, true), *server = ticketing();
    poplin_tls_credentials *willing = trusting(identity.ca_pem, false);
    for (int i = 0; i < 2; i++) {
        expect_connection(connect_to(client, server, SERVER), false);
        expect_connection(connect_to(willing, server_credentials, SERVER), false);
    }
    assert_int_equal(poplin_tls_server_credentials_no_resumption(client, NULL), POPLIN_ERR_STATE);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(willing);
    poplin_tls_credentials_free(server);
}

/* Its key of tickets is gone with it: the session is begun anew, and nobody minds. */
static void another_process_of_the_server_begins_anew(void **state) {
    (void)state;
    poplin_tls_credentials *client = trusting(identity.ca_pem, false), *server = ticketing(), *restarted = ticketing();
    expect_connection(connect_to(client, server, SERVER), false);
    expect_connection(connect_to(client, restarted, SERVER), false);
    expect_connection(connect_to(client, restarted, SERVER), true);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
    poplin_tls_credentials_free(restarted);
}

static void a_server_that_asks_for_certificates_resumes_nothing(void **state) {
    (void)state;
    poplin_tls_credentials *client = trusting(identity.ca_pem, false), *server = ticketing();
    assert_int_equal(poplin_tls_server_credentials_clients(server, NULL, poplin_slice_of(identity.ca_pem), NULL),
                     POPLIN_OK);
    expect_connection(connect_to(client, server, SERVER), false);
    expect_connection(connect_to(client, server, SERVER), false);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
}

/* ---- what is not trusted any more ---- */

static time_t moved;

static time_t moved_time(time_t *when) {
    time_t now = time(NULL) + moved;
    if (when != NULL)
        *when = now;
    return now;
}

/* Also where a test has failed in between. */
static int restore_time(void **state) {
    (void)state;
    gnutls_global_set_time_function(time);
    return 0;
}

/* A server's certificate for localhost, good for so many days, with its staple; and a client that trusts its CA. */
typedef struct dated {
    certificate ca, leaf;
    poplin_tls_credentials *client, *server;
} dated;

static dated dated_new(int from_days, int until_days, const poplin_staple_order *order) {
    const poplin_slice name = SLICE("localhost");
    dated made = {.ca = certificate_new((certificate_order){.is_ca = true, .from_days = -20, .until_days = 30})};
    made.leaf = certificate_new((certificate_order){
        .issuer = &made.ca, .dns = &name, .dns_count = 1, .from_days = from_days, .until_days = until_days});
    poplin_slice ca_text = certificate_pem(&made.ca), cert = certificate_pem(&made.leaf);
    poplin_slice key = certificate_key_pem(&made.leaf);
    const poplin_tls_trust trust = {.verify = true, .ca_pem = ca_text};
    assert_int_equal(poplin_tls_client_credentials(&trust, &made.client, NULL), POPLIN_OK);
    assert_int_equal(poplin_tls_server_credentials_pem(cert, key, &made.server, NULL), POPLIN_OK);
    if (order != NULL) {
        poplin_buffer response = {0};
        const poplin_identity by = {made.ca.crt, made.ca.key}, of = {made.leaf.crt, made.leaf.key};
        assert_true(poplin_staple_write(&by, &of, order, &response));
        assert_int_equal(poplin_tls_server_credentials_staple(made.server, poplin_buffer_slice(&response), NULL),
                         POPLIN_OK);
        poplin_buffer_free(&response);
    }
    pem_free(ca_text);
    pem_free(cert);
    pem_free(key);
    return made;
}

static void dated_free(dated *made) {
    poplin_tls_credentials_free(made->client);
    poplin_tls_credentials_free(made->server);
    certificate_free(&made->leaf);
    certificate_free(&made->ca);
}

/* holds: POP-TLS-10 C */
static void a_certificate_that_has_expired_meanwhile_ends_it(void **state) {
    (void)state;
    dated made = dated_new(-1, 1, NULL);
    gnutls_global_set_time_function(moved_time);
    moved = DAY - 3600;
    expect_connection(connect_to(made.client, made.server, SERVER), false);
    expect_connection(connect_to(made.client, made.server, SERVER), true);
    moved = DAY + 3600;
    outcome seen = connect_to(made.client, made.server, SERVER);
    assert_int_equal(seen.status, POPLIN_ERR_CERTIFICATE);
    assert_non_null(strstr(seen.error.reason, "out of its time"));
    dated_free(&made);
}

/*
 * The server has had new ones since, and shows them if it is asked. GnuTLS's clock stands still in the past here, so that its checks are
 * content.
 */
static void a_session_ends_with_its_certificate_and_with_its_staple(void **state) {
    (void)state;
    const poplin_staple_order over = {.from_days = -9, .until_days = -2}, good = {.from_days = -9, .until_days = 2};
    dated made[] = {dated_new(-9, -2, NULL), dated_new(-9, 2, &over), dated_new(-9, 2, &good)};
    gnutls_global_set_time_function(moved_time);
    moved = -3 * DAY;
    for (size_t i = 0; i < COUNT_OF(made); i++) {
        expect_connection(connect_to(made[i].client, made[i].server, SERVER), false);
        expect_connection(connect_to(made[i].client, made[i].server, SERVER), i == 2);
        dated_free(&made[i]);
    }
}

/* holds: T-STLS-16 C */
static void what_one_trust_began_another_does_not_take_up(void **state) {
    (void)state;
    poplin_tls_throwaway other;
    const char *const name = "localhost";
    assert_int_equal(poplin_tls_throwaway_new(&name, 1, &other), POPLIN_OK);
    poplin_tls_credentials *lax, *client = trusting(identity.ca_pem, false), *server = ticketing();
    poplin_tls_credentials *strict = trusting(other.ca_pem, false);
    assert_int_equal(poplin_tls_client_credentials(&(poplin_tls_trust){.verify = false}, &lax, NULL), POPLIN_OK);
    expect_connection(connect_to(lax, server, SERVER), false);
    expect_connection(connect_to(lax, server, SERVER), true);
    expect_connection(connect_to(client, server, SERVER), false);
    assert_int_equal(connect_to(strict, server, SERVER).status, POPLIN_ERR_CERTIFICATE);
    poplin_tls_credentials_free(lax);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(strict);
    poplin_tls_credentials_free(server);
    poplin_tls_throwaway_free(&other);
}

static void a_key_that_is_not_the_known_one_any_more_ends_it(void **state) {
    (void)state;
    static const char OTHER[] = "localhost:995 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n";
    char path[] = "/tmp/poplin-test-XXXXXX";
    int descriptor = mkstemp(path);
    poplin_tls_credentials *client, *server = ticketing();
    poplin_tls_trust trust = {.verify = true, .first_use_file = path};
    assert_int_equal(poplin_tls_client_credentials(&trust, &client, NULL), POPLIN_OK);
    outcome seen = connect_to(client, server, SERVER);
    expect_connection(seen, false);
    assert_int_equal(seen.proof, POPLIN_TLS_PROOF_FIRST_USE);
    seen = connect_to(client, server, SERVER);
    expect_connection(seen, true);
    assert_int_equal(seen.proof, POPLIN_TLS_PROOF_KNOWN_KEY);
    assert_int_equal(ftruncate(descriptor, 0), 0);
    assert_int_equal(write(descriptor, OTHER, strlen(OTHER)), strlen(OTHER));
    close(descriptor);
    seen = connect_to(client, server, SERVER);
    assert_int_equal(seen.status, POPLIN_ERR_CERTIFICATE);
    unlink(path);
    poplin_tls_credentials_free(client);
    poplin_tls_credentials_free(server);
}

/* ---- a raw peer ---- */

/* The raw client reads until nothing is left; its session is returned, for the next. */
static gnutls_datum_t raw_session(raw_peer *raw, poplin_tls *server) {
    char octet;
    gnutls_datum_t data;
    take_output(server, &raw->in);
    assert_int_equal(gnutls_record_recv(raw->session, &octet, 1), GNUTLS_E_AGAIN);
    must(gnutls_session_get_data2(raw->session, &data));
    return data;
}

/* A raw client, with the session that it had before or {NULL, 0}, meets this server. */
static poplin_tls *meet_raw(poplin_tls_credentials *credentials, const char *priority, unsigned flags,
                            const gnutls_datum_t *session, raw_peer *raw) {
    poplin_tls *server;
    int code;
    raw_open(raw, GNUTLS_CLIENT | flags, priority, NULL);
    if (session->data != NULL)
        must(gnutls_session_set_data(raw->session, session->data, session->size));
    assert_int_equal(poplin_tls_server_new(credentials, &server), POPLIN_OK);
    assert_int_equal(shake_raw(server, raw, &code), POPLIN_OK);
    assert_int_equal(code, 0);
    return server;
}

static bool is_resumed(const poplin_tls *tls) {
    poplin_tls_info info;
    assert_int_equal(poplin_tls_get_info(tls, &info), POPLIN_OK);
    return info.resumed;
}

/* Two connections of raw clients. Answers whether the second was resumed; *facts are the server's of it. */
static bool resume_raw(const char *priority, poplin_tls_facts *facts) {
    poplin_tls_credentials *credentials = ticketing();
    raw_peer raw;
    poplin_tls *server = meet_raw(credentials, priority, 0, &(gnutls_datum_t){NULL, 0}, &raw);
    gnutls_datum_t session = raw_session(&raw, server);
    assert_false(is_resumed(server));
    poplin_tls_free(server);
    raw_close(&raw);
    server = meet_raw(credentials, priority, 0, &session, &raw);
    bool resumed = is_resumed(server);
    assert_int_equal(gnutls_session_is_resumed(raw.session) != 0, resumed);
    assert_int_equal(poplin_tls_get_facts(server, facts), POPLIN_OK);
    poplin_tls_free(server);
    raw_close(&raw);
    gnutls_free(session.data);
    poplin_tls_credentials_free(credentials);
    return resumed;
}

/* holds: SASL-CB-6 S, SASL-CB-5 S */
static void tls_1_2_is_resumed_with_extended_master_secret_only(void **state) {
    (void)state;
    poplin_tls_facts facts;
    assert_true(resume_raw(TLS12, &facts));
    assert_int_equal(facts.end_point_size, 0);
    assert_int_equal(facts.exporter_size, 32);
    assert_false(resume_raw(TLS12 ":%NO_SESSION_HASH", &facts));
    assert_int_equal(facts.end_point_size, 0);
    assert_int_equal(facts.exporter_size, 0);
    assert_true(resume_raw(TLS13 ":%NO_SESSION_HASH", &facts));
    assert_true(resume_raw("NORMAL", &facts));
    assert_int_equal(facts.end_point_size, 0);
}

/* A raw server that hands out tickets meets our client twice. Answers whether the second connection was resumed. */
static bool resume_at_raw(const char *priority, unsigned flags, poplin_tls_facts *facts) {
    poplin_tls_credentials *credentials = trusting(identity.ca_pem, false);
    gnutls_datum_t key;
    bool resumed = false;
    must(gnutls_session_ticket_key_generate(&key));
    for (int i = 0; i < 2; i++) {
        raw_peer raw;
        poplin_tls *client;
        int code;
        raw_open(&raw, GNUTLS_SERVER | flags, priority, &identity);
        must(gnutls_session_ticket_enable_server(raw.session, &key));
        assert_int_equal(poplin_tls_client_open(credentials, &SERVER, &client), POPLIN_OK);
        assert_int_equal(shake_raw(client, &raw, &code), POPLIN_OK);
        assert_int_equal(code, 0);
        read_tickets(client, &raw.out);
        resumed = is_resumed(client);
        assert_int_equal(gnutls_session_is_resumed(raw.session) != 0, resumed);
        assert_false(gnutls_session_get_flags(raw.session) & GNUTLS_SFLAGS_EARLY_DATA);
        assert_int_equal(poplin_tls_get_facts(client, facts), POPLIN_OK);
        assert_true(facts->verified);
        poplin_tls_free(client);
        raw_close(&raw);
    }
    gnutls_free(key.data);
    poplin_tls_credentials_free(credentials);
    return resumed;
}

/* holds: SASL-CB-6 C, SASL-CB-5 C */
static void our_client_resumes_by_the_same_rule(void **state) {
    (void)state;
    poplin_tls_facts facts;
    assert_true(resume_at_raw(TLS12, 0, &facts));
    assert_int_equal(facts.end_point_size, 0);
    assert_int_equal(facts.exporter_size, 32);
    assert_false(resume_at_raw(TLS12 ":%NO_SESSION_HASH", 0, &facts));
    assert_int_equal(facts.end_point_size, 0);
    assert_int_equal(facts.exporter_size, 0);
    assert_true(resume_at_raw(TLS13, 0, &facts));
}

/* holds: POP-TLS-14 B, T-TLS-14 B */
static void no_early_data_goes_with_a_ticket(void **state) {
    (void)state;
    poplin_tls_facts facts;
    assert_true(resume_at_raw(TLS13, GNUTLS_ENABLE_EARLY_DATA, &facts)); /* which our client does not use */
    poplin_tls_credentials *credentials = ticketing();
    raw_peer raw;
    poplin_tls *server = meet_raw(credentials, TLS13, GNUTLS_ENABLE_EARLY_DATA, &(gnutls_datum_t){NULL, 0}, &raw);
    gnutls_datum_t session = raw_session(&raw, server);
    poplin_tls_free(server);
    raw_close(&raw);
    raw_open(&raw, GNUTLS_CLIENT | GNUTLS_ENABLE_EARLY_DATA, TLS13, NULL);
    must(gnutls_session_set_data(raw.session, session.data, session.size));
    (void)gnutls_record_send_early_data(raw.session, "DELE 1\r\n", 8);
    poplin_buffer text = {0};
    int code;
    assert_int_equal(poplin_tls_server_new(credentials, &server), POPLIN_OK);
    assert_int_equal(shake_raw(server, &raw, &code), POPLIN_OK);
    assert_true(is_resumed(server));
    assert_false(gnutls_session_get_flags(raw.session) & GNUTLS_SFLAGS_EARLY_DATA); /* it was not accepted */
    assert_int_equal(read_from(server, &raw.out, &text), POPLIN_NEED_INPUT);
    assert_int_equal(text.size, 0);
    poplin_tls_free(server);
    raw_close(&raw);
    gnutls_free(session.data);
    poplin_tls_credentials_free(credentials);
}

/* ---- what a client keeps ---- */

static gnutls_datum_t some_data(void) {
    gnutls_datum_t data = {gnutls_malloc(8), 8};
    assert_non_null(data.data);
    memcpy(data.data, "session", 8);
    return data;
}

static void the_oldest_gives_way(void **state) {
    (void)state;
    static poplin_sessions sessions;
    gnutls_datum_t data;
    char peer[POPLIN_PEER_KEY_SIZE];
    poplin_sessions_init(&sessions);
    poplin_sessions_keep(&sessions, "first:995", some_data(), -1);
    for (int i = 1; i < POPLIN_SESSIONS_MAX; i++) {
        snprintf(peer, sizeof peer, "host%d:995", i);
        poplin_sessions_keep(&sessions, peer, some_data(), -1);
        poplin_sessions_keep(&sessions, peer, some_data(), -1); /* in the same place */
    }
    assert_true(poplin_sessions_take(&sessions, "first:995", &data));
    poplin_session_data_free(&data);
    assert_false(poplin_sessions_take(&sessions, "first:995", &data)); /* one ticket for one connection */
    poplin_sessions_keep(&sessions, "first:995", some_data(), -1);
    poplin_sessions_keep(&sessions, "another:995", some_data(), -1);
    assert_false(poplin_sessions_take(&sessions, "host1:995", &data));
    assert_true(poplin_sessions_take(&sessions, "another:995", &data));
    poplin_session_data_free(&data);
    poplin_sessions_free(&sessions);
}

static void *keep_and_take(void *shared) {
    gnutls_datum_t data;
    for (int i = 0; i < 50000; i++) {
        poplin_sessions_keep(shared, "host:995", some_data(), -1);
        if (poplin_sessions_take(shared, "host:995", &data)) {
            assert_memory_equal(data.data, "session", 8);
            poplin_session_data_free(&data);
        }
    }
    return NULL;
}

static void threads_share_them(void **state) {
    (void)state;
    static poplin_sessions sessions;
    pthread_t threads[4];
    poplin_sessions_init(&sessions);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, keep_and_take, &sessions), 0);
    for (size_t i = 0; i < COUNT_OF(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    poplin_sessions_free(&sessions);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_second_connection_takes_the_session_up_again),
        cmocka_unit_test(names_and_ports_are_kept_apart),
        cmocka_unit_test(either_side_can_be_told_not_to),
        cmocka_unit_test(another_process_of_the_server_begins_anew),
        cmocka_unit_test(a_server_that_asks_for_certificates_resumes_nothing),
        cmocka_unit_test_teardown(a_certificate_that_has_expired_meanwhile_ends_it, restore_time),
        cmocka_unit_test_teardown(a_session_ends_with_its_certificate_and_with_its_staple, restore_time),
        cmocka_unit_test(what_one_trust_began_another_does_not_take_up),
        cmocka_unit_test(a_key_that_is_not_the_known_one_any_more_ends_it),
        cmocka_unit_test(tls_1_2_is_resumed_with_extended_master_secret_only),
        cmocka_unit_test(our_client_resumes_by_the_same_rule),
        cmocka_unit_test(no_early_data_goes_with_a_ticket),
        cmocka_unit_test(the_oldest_gives_way),
        cmocka_unit_test(threads_share_them),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
